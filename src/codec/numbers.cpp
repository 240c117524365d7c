// Numbers in text and bytes. See numbers.hpp.
// Never here: arithmetic beyond what conversions need.
#include "codec/numbers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <vector>

namespace memcxx::codecs {
namespace {

// A magnitude, the lowest limb first.
using limbs = std::vector<std::uint32_t>;
constexpr std::uint32_t chunk = 1'000'000'000;  // nine digits
constexpr std::size_t chunk_digits = 9;

std::string_view without_leading_zeros(std::string_view digits) noexcept {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

// Decimal text of a magnitude, by dividing it by ten to the ninth again and again.
std::string decimal_of_limbs(limbs n, bool negative) {
  std::string reversed;
  while (true) {
    while (!n.empty() && n.back() == 0) n.pop_back();
    if (n.empty()) break;
    std::uint64_t rest = 0;
    for (std::size_t i = n.size(); i-- > 0;) {
      rest = rest << 32 | n[i];
      n[i] = static_cast<std::uint32_t>(rest / chunk);
      rest %= chunk;
    }
    for (std::size_t i = 0; i < chunk_digits; ++i, rest /= 10) {
      reversed.push_back(static_cast<char>('0' + rest % 10));
    }
  }
  reversed.resize(reversed.find_last_not_of('0') + 1);
  if (reversed.empty()) return "0";
  if (negative) reversed.push_back('-');
  std::ranges::reverse(reversed);
  return reversed;
}

limbs limbs_of_decimal(std::string_view digits) {
  limbs out;
  while (!digits.empty()) {
    const std::size_t taken = (digits.size() - 1) % chunk_digits + 1;
    std::uint32_t part = 0;
    std::from_chars(digits.data(), digits.data() + taken, part);
    digits.remove_prefix(taken);
    std::uint64_t carry = part;
    for (std::uint32_t& limb : out) {
      carry += std::uint64_t{limb} * chunk;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) out.push_back(static_cast<std::uint32_t>(carry));
  }
  return out;
}

// Drops bytes at the top that only repeat the sign.
void shorten(std::string& two_complement) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(two_complement[i]); };
  while (two_complement.size() > 1) {
    const std::size_t top = two_complement.size() - 1;
    const bool next_is_negative = (byte(top - 1) & 0x80) != 0;
    if (byte(top) != (next_is_negative ? 0xff : 0)) return;
    two_complement.pop_back();
  }
}

std::string bytes_of_magnitude(const limbs& n, bool negative) {
  std::string out;
  std::uint32_t carry = negative ? 1 : 0;
  const auto push = [&](std::uint32_t byte) {
    if (negative) {
      carry += ~byte & 0xff;
      out.push_back(static_cast<char>(carry & 0xff));
      carry >>= 8;
    } else {
      out.push_back(static_cast<char>(byte));
    }
  };
  for (const std::uint32_t limb : n) {
    for (unsigned shift = 0; shift < 32; shift += 8) push(limb >> shift & 0xff);
  }
  push(0);
  shorten(out);
  return out;
}

template <class T>
std::optional<document> small(std::string_view s) {
  T n{};
  const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), n);
  if (problem != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return document{n};
}

template <class T>
std::string to_text(T n) {
  std::array<char, 24> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), n).ptr};
}

}  // namespace

bool is_decimal(std::string_view s) noexcept {
  if (s.starts_with('-')) s.remove_prefix(1);
  return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_big_decimal(std::string_view s) {
  const auto d = integer_of_decimal(s);
  return d && std::holds_alternative<big_integer>(d->is);
}

std::optional<document> integer_of_decimal(std::string_view s) {
  if (!is_decimal(s)) return std::nullopt;
  const bool negative = s.front() == '-';
  const std::string_view digits = without_leading_zeros(negative ? s.substr(1) : s);
  if (digits.empty()) return document{std::int64_t{0}};
  if (digits.size() > max_digits) return std::nullopt;
  if (digits.size() <= 20) {
    // The zeros that were dropped leave the sign where it cannot be reused.
    const std::string text = (negative ? "-" : "") + std::string(digits);
    if (auto d = small<std::int64_t>(text)) return d;
    if (auto d = small<std::uint64_t>(text)) return d;
    return document{big_integer{text}};
  }
  return document{big_integer{(negative ? "-" : "") + std::string(digits)}};
}

std::optional<document> integer_of_bytes(std::string_view little_endian) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(little_endian[i]); };
  const bool negative = !little_endian.empty() && (byte(little_endian.size() - 1) & 0x80) != 0;
  // What only repeats the sign costs nothing.
  while (little_endian.size() > 1 && byte(little_endian.size() - 1) == (negative ? 0xff : 0) &&
         ((byte(little_endian.size() - 2) & 0x80) != 0) == negative) {
    little_endian.remove_suffix(1);
  }
  if (little_endian.size() > max_integer_bytes) return std::nullopt;
  if (little_endian.size() <= 8) {
    std::uint64_t bits = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = little_endian.size(); i-- > 0;) bits = bits << 8 | byte(i);
    return document{static_cast<std::int64_t>(bits)};
  }
  limbs n(little_endian.size() / 4 + 1, 0);
  std::uint32_t carry = 1;
  for (std::size_t i = 0; i < n.size() * 4; ++i) {
    std::uint32_t b = i < little_endian.size() ? byte(i) : (negative ? 0xff : 0);
    if (negative) {
      carry += ~b & 0xff;
      b = carry & 0xff;
      carry >>= 8;
    }
    n[i / 4] |= b << i % 4 * 8;
  }
  return integer_of_decimal(decimal_of_limbs(std::move(n), negative));
}

std::string bytes_of_integer(std::int64_t n) {
  const bool negative = n < 0;
  const std::uint64_t magnitude =
      negative ? ~static_cast<std::uint64_t>(n) + 1 : static_cast<std::uint64_t>(n);
  return bytes_of_magnitude(
      {static_cast<std::uint32_t>(magnitude), static_cast<std::uint32_t>(magnitude >> 32)},
      negative);
}

std::string bytes_of_integer(std::uint64_t n) {
  return bytes_of_magnitude({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32)},
                            false);
}

std::string bytes_of_integer(const big_integer& n) {
  const bool negative = n.digits.starts_with('-');
  return bytes_of_magnitude(limbs_of_decimal(std::string_view(n.digits).substr(negative ? 1 : 0)),
                            negative);
}

std::string decimal_of(std::int64_t n) { return to_text(n); }
std::string decimal_of(std::uint64_t n) { return to_text(n); }

std::optional<double> double_of(std::string_view s) {
  if (s.starts_with('+')) {
    s.remove_prefix(1);
    if (s.starts_with('-')) return std::nullopt;
  }
  const std::string_view unsigned_part = s.substr(s.starts_with('-') ? 1 : 0);
  // from_chars knows more names than these.
  if (unsigned_part != "inf" && unsigned_part != "nan" &&
      unsigned_part.find_first_not_of("0123456789.eE+-") != std::string_view::npos) {
    return std::nullopt;
  }
  double d = 0;
  const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), d);
  if (problem != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return d;
}

std::string shortest(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  std::array<char, 32> text;
  char* const last = text.data() + text.size();
  const char* end = std::to_chars(text.data(), last, d, std::chars_format::scientific).ptr;
  // Python's repr writes an exponent below -4 and from 16 on, of two digits at least.
  std::string_view scientific(text.data(), end);
  const std::size_t e = scientific.find('e');
  const bool small_exponent = scientific[e + 1] == '-';
  int exponent = 0;
  std::from_chars(scientific.data() + e + 2, end, exponent);
  if (small_exponent ? exponent > 4 : exponent >= 16) return std::string(scientific);
  end = std::to_chars(text.data(), last, d, std::chars_format::fixed).ptr;
  std::string out(std::string_view(text.data(), end));
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

}  // namespace memcxx::codecs
