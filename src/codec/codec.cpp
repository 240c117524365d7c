// What codecs of the language's types share: numbers read from the kinds that hold them.
// Never here: structures, flags, I/O.
#include <array>
#include <cmath>
#include <limits>
#include <system_error>

#include <memcxx/codec.hpp>

#include "codec/forms.hpp"
#include "codec/numbers.hpp"

namespace memcxx {
namespace {

bool is_plain(value_kind kind) noexcept {
  return kind == value_kind::bytes || kind == value_kind::text;
}

std::unexpected<error> malformed(const value_view& v) {
  return std::unexpected(error(errc::corrupt_value,
                               "stored as " + std::string(name_of(v.kind)) + ", which it is not"));
}

// The digits of an integer without zeros in front, so that equal numbers have equal digits.
std::string_view significant(std::string_view digits) noexcept {
  if (digits.starts_with('-')) digits.remove_prefix(1);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits;
}

// Whether a double is the very integer that these digits are. `d` is finite.
bool is_exactly(double d, std::string_view digits) noexcept {
  std::array<char, std::numeric_limits<double>::max_exponent10 + 3> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), d, std::chars_format::fixed).ptr;
  return significant({text.data(), end}) == significant(digits);
}

// `exact` decides whether an integer is the same in the type that is wanted.
template <class Exact>
result<void> decode(const value_view& v, double& out, std::string_view wanted, Exact exact) {
  if (v.kind != value_kind::floating && v.kind != value_kind::integer && !is_plain(v.kind))
    return wrong_type(v, wanted);
  const std::string_view digits = trimmed_integer(v);
  const bool whole = !digits.empty();
  if (!whole && v.kind == value_kind::integer) return malformed(v);
  const std::string_view number = whole ? digits : v.bytes;
  const auto d = codecs::double_of(number);
  if (!d && v.kind == value_kind::floating) return malformed(v);
  // "inf" and "nan" as text are words, and an integer has no plus either.
  const bool is_number =
      d && (v.kind == value_kind::floating || (std::isfinite(*d) && !number.starts_with('+')));
  if (!is_number || (whole && !exact(*d, digits))) return wrong_type(v, wanted);
  out = *d;
  return {};
}

}  // namespace

std::unexpected<error> wrong_type(const value_view& stored, std::string_view wanted) {
  std::string message = "stored as ";
  message += name_of(stored.kind);
  message += ", wanted ";
  message += wanted;
  return std::unexpected(error(errc::wrong_type, std::move(message)));
}

bool is_stringlike(value_kind kind) noexcept {
  switch (kind) {
    case value_kind::bytes:
    case value_kind::text:
    case value_kind::integer:
    case value_kind::floating:
    case value_kind::json:
      return true;
    case value_kind::boolean:
    case value_kind::none:
    case value_kind::msgpack:
    case value_kind::pickle:
    case value_kind::marshal:
    case value_kind::ruby:
      return false;
  }
  return false;
}

std::string_view trimmed_integer(const value_view& v) noexcept {
  if (v.kind != value_kind::integer && !is_plain(v.kind)) return {};
  const std::string_view digits = codecs::trimmed(v.bytes);
  return codecs::is_decimal(digits) ? digits : std::string_view();
}

result<void> decode_floating(const value_view& v, double& out) {
  return decode(v, out, "a double that holds it", is_exactly);
}

result<void> decode_floating(const value_view& v, float& out) {
  constexpr std::string_view wanted = "a float that holds it";
  double d = 0;
  const auto exact = [](double whole, std::string_view digits) {
    return std::abs(whole) <= std::numeric_limits<float>::max() &&
           static_cast<double>(static_cast<float>(whole)) == whole && is_exactly(whole, digits);
  };
  if (auto ok = decode(v, d, wanted, exact); !ok) return ok;
  if (std::isfinite(d) && std::abs(d) > std::numeric_limits<float>::max())
    return wrong_type(v, wanted);
  auto rounded = static_cast<float>(d);
  if (v.kind == value_kind::floating && std::isfinite(d)) {
    // Rounded once, from the text itself.
    std::from_chars(v.bytes.data(), v.bytes.data() + v.bytes.size(), rounded);
  }
  if (rounded == 0 && d != 0) return wrong_type(v, wanted);
  out = rounded;
  return {};
}

result<void> decode_boolean(const value_view& v, bool& out) {
  const std::string_view digit = v.kind == value_kind::boolean ? v.bytes : trimmed_integer(v);
  if (digit == "1" || digit == "0") {
    out = digit == "1";
    return {};
  }
  return v.kind == value_kind::boolean ? malformed(v) : wrong_type(v, "a boolean");
}

std::string_view encode_floating(double d, std::string& scratch) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  // The longest is "-2.2250738585072014e-308".
  scratch.resize(32);
  const auto end = std::to_chars(scratch.data(), scratch.data() + scratch.size(), d).ptr;
  scratch.resize(static_cast<std::size_t>(end - scratch.data()));
  return scratch;
}

}  // namespace memcxx
