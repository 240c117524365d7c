// The keys that golden vectors were made over: the same as scripts/golden/keys.py writes.
// Never here: clusters or distributions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace memcxx::test {

// xorshift32, seeded by the key's index.
class numbers {
 public:
  explicit numbers(std::uint32_t index) : state_(index * 2654435761U + 12345U) {
    if (state_ == 0) state_ = 1;
  }

  std::uint32_t below(std::uint32_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_ % limit;
  }

 private:
  std::uint32_t state_;
};

// Every fourth key is of one kind: a name with a number, printable ASCII, UTF-8 beyond ASCII, and
// bytes that need not be UTF-8; `text` has a key of the third kind instead of the fourth.
inline std::string golden_key(std::uint32_t index, bool text) {
  static constexpr std::array<std::string_view, 10> letters = {
      "\u00e9", "\u00df", "\u00f1",     "\u0416", "\u65e5",
      "\u672c", "\u8a9e", "\U0001f600", "\u00fc", "\u2013"};
  numbers n(index);
  const std::uint32_t kind = index % 4;
  if (kind == 0) return "key" + std::to_string(index);
  std::string key;
  if (kind == 1) {
    const std::uint32_t length = 1 + n.below(index % 32 == 1 ? 250 : 40);
    for (std::uint32_t i = 0; i < length; ++i) key += static_cast<char>(0x21 + n.below(94));
  } else if (kind == 2 || text) {
    const std::uint32_t length = 1 + n.below(12);
    key = "k";
    for (std::uint32_t i = 0; i < length; ++i) key += letters[n.below(10)];
  } else {
    const std::uint32_t length = 1 + n.below(40);
    for (std::uint32_t i = 0; i < length; ++i) {
      const std::uint32_t v = n.below(222);
      key += static_cast<char>(v < 94 ? 0x21 + v : 0x80 + v - 94);
    }
  }
  return key;
}

}  // namespace memcxx::test
