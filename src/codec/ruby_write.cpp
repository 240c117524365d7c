// Writes Ruby's Marshal 4.8, byte for byte as Marshal.dump does for objects that are not shared.
// See ruby.cpp for where the format is described. Never here: links to anything but floats, which
// Ruby itself shares.
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "codec/magnitude.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::string_view format = "ruby";

// Whether Ruby (of 64 bits) holds the double in the reference itself: then all that are equal are
// one object, and Marshal links to the first. include/ruby/internal and numeric.c: "flonum".
bool is_immediate(double d) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(d);
  if (bits == 0) return true;
  const std::uint64_t top = bits >> 60 & 7;
  return bits != 0x3000000000000000U && (top == 3 || top == 4);
}

class writer {
 public:
  explicit writer(std::string& out) noexcept : out_(out) {}

  result<void> write_all(const document& d) {
    out_ += "\x04\x08";  // the version
    return value(d, 0);
  }

 private:
  static std::unexpected<error> refuse(std::string_view what) { return unwritable(format, what); }

  result<void> value(const document& d, std::size_t depth) {
    if (depth > max_write_depth) return refuse("a value nested so deeply");
    return std::visit([&](const auto& node) { return write(node, d, depth); }, d.is);
  }

  result<void> write(std::monostate, const document&, std::size_t) { return type('0'); }
  result<void> write(bool b, const document&, std::size_t) { return type(b ? 'T' : 'F'); }
  result<void> write(std::int64_t n, const document& d, std::size_t) {
    constexpr std::int64_t end = std::int64_t{1} << 30;
    if (n < -end || n >= end) return big_number(d);
    type('i');
    number(n);
    return {};
  }
  result<void> write(std::uint64_t n, const document& d, std::size_t depth) {
    if (std::in_range<std::int64_t>(n)) return write(static_cast<std::int64_t>(n), d, depth);
    return big_number(d);
  }
  result<void> write(const big_integer& n, const document&, std::size_t depth) {
    const auto smallest = integer_of_decimal(n.digits);
    if (!smallest) return refuse("an integer of so many digits, or what is none");
    if (std::holds_alternative<big_integer>(smallest->is)) return big_number(*smallest);
    return value(*smallest, depth);
  }

  result<void> write(double d, const document&, std::size_t) {
    if (is_immediate(d)) {
      const auto [known, is_new] = floats_.try_emplace(std::bit_cast<std::uint64_t>(d), objects_);
      if (!is_new) {
        type('@');
        return size(known->second);
      }
    }
    ++objects_;
    type('f');
    return counted(text_of(d));
  }

  result<void> write(const text_node& text, const document&, std::size_t) {
    if (!is_utf8(text.utf8)) return refuse("text that is not UTF-8");
    ++objects_;
    out_ += "I\"";
    if (auto ok = counted(text.utf8); !ok) return ok;
    // One variable, E, true. The symbol is the only one: a link to the first is to it.
    out_ += encoded_ ? std::string_view("\x06;\x00T", 4)
                     : std::string_view(
                           "\x06:\x06"
                           "ET");
    encoded_ = true;
    return {};
  }
  result<void> write(const bytes_node& bytes, const document&, std::size_t) {
    ++objects_;
    type('"');
    return counted(bytes.bytes);
  }
  result<void> write(const list_node& items, const document&, std::size_t depth) {
    ++objects_;
    type('[');
    if (auto ok = size(items.size()); !ok) return ok;
    for (const document& item : items)
      if (auto ok = value(item, depth + 1); !ok) return ok;
    return {};
  }
  result<void> write(const map_node& items, const document&, std::size_t depth) {
    ++objects_;
    type('{');
    if (auto ok = size(items.size()); !ok) return ok;
    for (const auto& [key, item] : items) {
      if (auto ok = value(key, depth + 1); !ok) return ok;
      if (auto ok = value(item, depth + 1); !ok) return ok;
    }
    return {};
  }

  result<void> big_number(const document& d) {
    auto m = magnitude_of(d);
    if (!m) return refuse("an integer of so many digits");
    ++objects_;
    if (m->bytes.size() % 2 != 0) m->bytes += '\0';
    type('l');
    type(m->negative ? '-' : '+');
    if (auto ok = size(m->bytes.size() / 2); !ok) return ok;
    out_ += m->bytes;
    return {};
  }

  // The shortest digits, placed as marshal.c places them.
  static std::string text_of(double d) {
    if (std::isnan(d)) return "nan";
    if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
    if (d == 0) return std::signbit(d) ? "-0" : "0";
    std::array<char, 32> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(d),
                                   std::chars_format::scientific)
                         .ptr;
    const std::string_view scientific(buffer.data(), end);
    const std::size_t e = scientific.find('e');
    int exponent = 0;
    std::from_chars(scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1), end, exponent);
    std::string digits;
    for (const char c : scientific.substr(0, e))
      if (c != '.') digits += c;

    const int point = exponent + 1;  // before which digit
    const auto count = static_cast<int>(digits.size());
    std::string out = std::signbit(d) ? "-" : "";
    if (point < -3 || point > count) {
      out += digits.substr(0, 1);
      if (count > 1) out += "." + digits.substr(1);
      return out += "e" + std::to_string(exponent);
    }
    if (point <= 0) return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
    out += digits.substr(0, static_cast<std::size_t>(point));
    if (count > point) out += "." + digits.substr(static_cast<std::size_t>(point));
    return out;
  }

  result<void> counted(std::string_view bytes) {
    if (auto ok = size(bytes.size()); !ok) return ok;
    out_ += bytes;
    return {};
  }

  result<void> size(std::size_t n) {
    if (n > std::size_t{std::numeric_limits<std::int32_t>::max()})
      return refuse("more than 2147483647 elements or bytes in one");
    number(static_cast<std::int64_t>(n));
    return {};
  }

  // The shortest form. Of at most 32 bits.
  void number(std::int64_t n) {
    if (n == 0) return byte(0);
    if (n > 0 && n < 123) return byte(static_cast<unsigned char>(n + 5));
    if (n < 0 && n > -124) return byte(static_cast<unsigned char>((n - 5) & 0xff));
    std::string bytes;
    const std::int64_t end = n < 0 ? -1 : 0;
    for (; n != end; n >>= 8) bytes += static_cast<char>(n & 0xff);
    const auto count = static_cast<int>(bytes.size());
    byte(static_cast<unsigned char>((end < 0 ? -count : count) & 0xff));
    out_ += bytes;
  }

  result<void> type(char c) {
    out_ += c;
    return {};
  }
  void byte(unsigned char c) { out_ += static_cast<char>(c); }

  std::string& out_;
  std::size_t objects_ = 0;                      // how many there have been that links may mean
  std::map<std::uint64_t, std::size_t> floats_;  // which of them hold an immediate double
  bool encoded_ = false;                         // the symbol E has been written
};

}  // namespace

result<void> write_ruby(const document& d, std::string& out) {
  const std::size_t before = out.size();
  auto done = guarded([&] { return writer(out).write_all(d); });
  if (!done) out.resize(before);
  return done;
}

}  // namespace memcxx::codecs
