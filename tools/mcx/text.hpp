// Bytes as text: whether they are UTF-8, and how they are written when they are not.
// Never here: what the bytes mean.
#pragma once

#include <string>
#include <string_view>

namespace mcx {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view bytes) noexcept;

// RFC 4648, section 4.
std::string base64(std::string_view bytes);

// Two digits a byte, in lower case.
std::string in_hex(std::string_view bytes);

}  // namespace mcx
