// UTF-8 (RFC 3629): is it, where is it not, and writing one code point.
// Never here: what a format makes of text that is not UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace memcxx::codecs {

enum class utf8_fault : std::uint8_t {
  none,
  surrogate,  // all is well but for surrogates, which Python's text may hold and UTF-8 may not
  malformed,
};

struct utf8_state {
  utf8_fault fault = utf8_fault::none;
  std::size_t at = 0;  // the first byte of what is wrong
};

utf8_state check_utf8(std::string_view s) noexcept;

inline bool is_utf8(std::string_view s) noexcept { return check_utf8(s).fault == utf8_fault::none; }

// `c` is at most 0x10ffff, and no surrogate.
void append_utf8(std::uint32_t c, std::string& out);

}  // namespace memcxx::codecs
