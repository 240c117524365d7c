// UTF-8. See utf8.hpp.
// Never here: other encodings.
#include "codec/utf8.hpp"

#include <cstring>

namespace memcxx::codecs {
namespace {

// How many bytes follow the first byte of a code point, and which its second may be (RFC 3629,
// section 4). Neither overlong forms nor anything above U+10FFFF pass.
struct lead {
  unsigned following = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
};

lead lead_of(unsigned char c) noexcept {
  if (c >= 0xc2 && c <= 0xdf) return {.following = 1};
  if (c == 0xe0) return {.following = 2, .low = 0xa0};
  if (c >= 0xe1 && c <= 0xef) return {.following = 2};
  if (c == 0xf0) return {.following = 3, .low = 0x90};
  if (c >= 0xf1 && c <= 0xf3) return {.following = 3};
  if (c == 0xf4) return {.following = 3, .high = 0x8f};
  return {};
}

}  // namespace

utf8_state check_utf8(std::string_view s) noexcept {
  utf8_state out;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  for (std::size_t i = 0; i < s.size();) {
    if (s.size() - i >= 8) {
      std::uint64_t eight;
      std::memcpy(&eight, s.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {
        i += 8;
        continue;
      }
    }
    if (byte(i) < 0x80) {
      ++i;
      continue;
    }
    const lead l = lead_of(byte(i));
    bool fits = l.following > 0 && l.following < s.size() - i;
    for (unsigned k = 1; fits && k <= l.following; ++k) {
      fits = byte(i + k) >= (k == 1 ? l.low : 0x80) && byte(i + k) <= (k == 1 ? l.high : 0xbf);
    }
    if (!fits) return {.fault = utf8_fault::malformed, .at = i};
    if (byte(i) == 0xed && byte(i + 1) >= 0xa0 && out.fault == utf8_fault::none) {
      out = {.fault = utf8_fault::surrogate, .at = i};
    }
    i += l.following + 1;
  }
  return out;
}

void append_utf8(std::uint32_t c, std::string& out) {
  const auto push = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
    return;
  }
  if (c < 0x800) {
    push(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      push(0xe0 | c >> 12);
    } else {
      push(0xf0 | c >> 18);
      push(0x80 | (c >> 12 & 0x3f));
    }
    push(0x80 | (c >> 6 & 0x3f));
  }
  push(0x80 | (c & 0x3f));
}

}  // namespace memcxx::codecs
