// The spellings of text and bytes in pickles. See pickle.hpp.
// Never here: opcodes.
#include <array>
#include <cstdint>

#include "codec/pickle.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs::pickle {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

// The number that `count` hexadecimal digits from `at` on are.
std::optional<std::uint32_t> hex(std::string_view s, std::size_t at, std::size_t count) noexcept {
  if (at > s.size() || s.size() - at < count) return std::nullopt;
  std::uint32_t n = 0;
  for (const char c : s.substr(at, count)) {
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    const std::size_t digit = hex_digits.find(lower);
    if (digit == std::string_view::npos) return std::nullopt;
    n = n << 4 | static_cast<std::uint32_t>(digit);
  }
  return n;
}

// The next code point of UTF-8.
std::uint32_t next(std::string_view utf8, std::size_t& at) noexcept {
  const auto byte = [&]() { return static_cast<unsigned char>(utf8[at++]); };
  std::uint32_t c = byte();
  if (c < 0x80) return c;
  const unsigned following = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
  c &= 0x3fU >> following;
  for (unsigned i = 0; i < following; ++i) c = c << 6 | (byte() & 0x3fU);
  return c;
}

// One escape of Python 2's repr or of C, without its backslash. False when there is no such.
bool unescape(std::string_view s, std::size_t& at, std::string& out) {
  if (at == s.size()) return false;
  const char c = s[at++];
  constexpr std::string_view named = "\\'\"abtnvfr";
  constexpr std::string_view means = "\\'\"\a\b\t\n\v\f\r";
  if (const std::size_t n = named.find(c); n != std::string_view::npos) {
    out.push_back(means[n]);
    return true;
  }
  if (c == 'x') {
    const auto n = hex(s, at, 2);
    if (!n) return false;
    at += 2;
    out.push_back(static_cast<char>(*n));
    return true;
  }
  const auto is_octal = [](char o) { return o >= '0' && o <= '7'; };
  if (!is_octal(c)) return false;
  unsigned n = static_cast<unsigned>(c - '0');
  for (int i = 0; i < 2 && at < s.size() && is_octal(s[at]); ++i) {
    n = n << 3 | static_cast<unsigned>(s[at++] - '0');
  }
  out.push_back(static_cast<char>(n));
  return n <= 0xff;
}

}  // namespace

std::optional<std::string> unescape_unicode(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size();) {
    const auto c = static_cast<unsigned char>(line[i++]);
    if (c != '\\' || i == line.size()) {
      append_utf8(c, out);
      continue;
    }
    const char kind = line[i];
    if (kind != 'u' && kind != 'U') {
      // Two backslashes are two, and the second begins no escape.
      out.push_back('\\');
      append_utf8(static_cast<unsigned char>(kind), out);
      ++i;
      continue;
    }
    const std::size_t digits = kind == 'u' ? 4 : 8;
    const auto n = hex(line, i + 1, digits);
    if (!n || *n > 0x10ffff) return std::nullopt;
    append_utf8(*n, out);
    i += 1 + digits;
  }
  return out;
}

void escape_unicode(std::string_view utf8, std::string& out) {
  const auto escape = [&out](char kind, std::uint32_t c, unsigned digits) {
    out.push_back('\\');
    out.push_back(kind);
    while (digits-- > 0) out.push_back(hex_digits[c >> 4 * digits & 15]);
  };
  for (std::size_t i = 0; i < utf8.size();) {
    const std::uint32_t c = next(utf8, i);
    if (c > 0xffff) {
      escape('U', c, 8);
    } else if (c > 0xff || c == '\\' || c == '\0' || c == '\n' || c == '\r' || c == 0x1a) {
      escape('u', c, 4);
    } else {
      out.push_back(static_cast<char>(c));
    }
  }
}

std::optional<std::string> unquote(std::string_view line) {
  if (line.size() < 2) return std::nullopt;
  const char quote = line.front();
  if ((quote != '\'' && quote != '"') || line.back() != quote) return std::nullopt;
  line = line.substr(1, line.size() - 2);
  std::string out;
  out.reserve(line.size());
  for (std::size_t i = 0; i < line.size();) {
    const char c = line[i++];
    if (c == quote) return std::nullopt;
    if (c != '\\') {
      out.push_back(c);
    } else if (!unescape(line, i, out)) {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> latin1_of(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size();) {
    const std::uint32_t c = next(utf8, i);
    if (c > 0xff) return std::nullopt;
    out.push_back(static_cast<char>(c));
  }
  return out;
}

std::string utf8_of_latin1(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) append_utf8(static_cast<unsigned char>(c), out);
  return out;
}

}  // namespace memcxx::codecs::pickle
