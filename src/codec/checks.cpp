// The checks of codec.hpp that go before somebody else's parser. They allocate nothing.
// Never here: values.
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <system_error>

#include <memcxx/codec.hpp>

#include "codec/numbers.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx {
namespace {

constexpr std::string_view cut_off = "cut off";
constexpr std::string_view too_deep = "nested too deeply";

// What the first byte of a MessagePack object says (spec.md, "Formats").
struct head {
  unsigned size_bytes = 0;    // of the number that follows it, big-endian
  std::uint64_t payload = 0;  // bytes after that, beside the number's worth
  enum class shape : std::uint8_t { plain, string, bytes, array, map, reserved } is = shape::plain;
  std::uint64_t inlined = 0;  // the number, where no bytes follow for it
};

head head_of(unsigned char c) noexcept {
  using shape = head::shape;
  if (c <= 0x7f || c >= 0xe0) return {};
  if (c <= 0x8f) return {.is = shape::map, .inlined = c & 0x0fU};
  if (c <= 0x9f) return {.is = shape::array, .inlined = c & 0x0fU};
  if (c <= 0xbf) return {.is = shape::string, .inlined = c & 0x1fU};
  const unsigned step = c & 3U;
  switch (c) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return {};
    case 0xc1:
      return {.is = shape::reserved};
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return {.size_bytes = 1U << step, .is = shape::bytes};
    case 0xc7:
    case 0xc8:
    case 0xc9:  // one more byte for the extension's type
      return {.size_bytes = 1U << (c - 0xc7U), .payload = 1, .is = shape::bytes};
    case 0xca:
      return {.payload = 4};
    case 0xcb:
      return {.payload = 8};
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
      return {.payload = std::uint64_t{1} << step};
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return {.payload = 1 + (std::uint64_t{1} << (c - 0xd4U))};
    case 0xd9:
    case 0xda:
    case 0xdb:
      return {.size_bytes = 1U << (c - 0xd9U), .is = shape::string};
    case 0xdc:
    case 0xdd:
      return {.size_bytes = 2U << (c - 0xdcU), .is = shape::array};
    default:
      return {.size_bytes = 2U << (c - 0xdeU), .is = shape::map};
  }
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

bool is_utf8(std::string_view s) noexcept { return codecs::is_utf8(s); }

result<void> check_msgpack(std::string_view bytes, bool str_is_utf8) {
  constexpr std::string_view format = "msgpack";
  std::array<std::uint64_t, max_nesting> open;  // how many values each still lacks
  std::size_t depth = 0;
  std::size_t at = 0;
  do {
    const std::size_t start = at;
    const auto problem = [&](std::string_view what) {
      return codecs::corrupt_at(format, start, what);
    };
    if (at == bytes.size()) return problem(cut_off);
    const head h = head_of(static_cast<unsigned char>(bytes[at++]));
    if (h.is == head::shape::reserved) return problem("a type that MessagePack does not have");
    if (h.size_bytes > bytes.size() - at) return problem(cut_off);
    std::uint64_t count = h.inlined;
    for (unsigned i = 0; i < h.size_bytes; ++i)
      count = count << 8 | static_cast<unsigned char>(bytes[at++]);

    if (depth > 0) --open[depth - 1];
    if (h.is == head::shape::array || h.is == head::shape::map) {
      const std::uint64_t values = h.is == head::shape::map ? 2 * count : count;
      if (values > bytes.size() - at) return problem(cut_off);
      if (depth == max_nesting) return problem(too_deep);
      open[depth++] = values;
    } else {
      const std::uint64_t size = h.payload + count;
      if (size > bytes.size() - at) return problem(cut_off);
      const std::string_view content = bytes.substr(at, static_cast<std::size_t>(size));
      if (h.is == head::shape::string && str_is_utf8 && !is_utf8(content))
        return codecs::refused_at(format, start, "text that is not UTF-8");
      at += content.size();
    }
    while (depth > 0 && open[depth - 1] == 0) --depth;
  } while (depth > 0);
  if (at != bytes.size()) return codecs::corrupt_at(format, at, "more bytes after the value");
  return {};
}

result<void> check_json(std::string_view text) {
  constexpr std::string_view format = "json";
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    } else if (c == '[' || c == '{') {
      if (++depth > max_nesting) return codecs::corrupt_at(format, at, too_deep);
    } else if (c == ']' || c == '}') {
      if (depth > 0) --depth;
    } else if (c == '-' || is_digit(c)) {
      const std::size_t end = text.find_first_not_of("0123456789+-.eE", at);
      const std::string_view number = text.substr(at, end - at);
      at += number.size() - 1;
      if (!codecs::is_decimal(number)) continue;
      std::int64_t negative = 0;
      std::uint64_t positive = 0;
      const char* const last = number.data() + number.size();
      const auto read = c == '-' ? std::from_chars(number.data(), last, negative)
                                 : std::from_chars(number.data(), last, positive);
      if (read.ec != std::errc{})
        return codecs::refused_at(format, at + 1 - number.size(), "an integer over 64 bits");
    }
  }
  return {};
}

}  // namespace memcxx
