// UTF-8, base64 and hexadecimal digits.
// Never here: what the bytes mean.
#include "text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace mcx {

using std::string;
using std::string_view;

bool is_utf8(string_view bytes) noexcept {
  std::size_t i = 0;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  while (i < bytes.size()) {
    const unsigned lead = byte(i++);
    if (lead < 0x80) continue;
    const std::size_t more = lead >= 0xc2 && lead <= 0xdf   ? 1
                             : lead >= 0xe0 && lead <= 0xef ? 2
                             : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                            : 0;
    if (more == 0 || bytes.size() - i < more) return false;
    const unsigned next = byte(i);
    if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) ||
        (lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next > 0x8f))
      return false;
    for (std::size_t n = 0; n < more; ++n, ++i)
      if ((byte(i) & 0xc0U) != 0x80) return false;
  }
  return true;
}

string base64(string_view bytes) {
  constexpr string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? alphabet[group >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

string in_hex(string_view bytes) {
  constexpr string_view digits = "0123456789abcdef";
  string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

}  // namespace mcx
