// Between sign and magnitude and the two's complement of numbers.hpp.
// Never here: a format's framing.
#include "codec/magnitude.hpp"

#include <utility>

#include "codec/numbers.hpp"

namespace memcxx::codecs {
namespace {

void negate(std::string& two_complement) noexcept {
  unsigned carry = 1;
  for (char& c : two_complement) {
    carry += ~static_cast<unsigned>(static_cast<unsigned char>(c)) & 0xff;
    c = static_cast<char>(carry & 0xff);
    carry >>= 8;
  }
}

void drop_zeros(std::string& little_endian) {
  while (little_endian.ends_with('\0')) little_endian.pop_back();
}

std::string two_complement_of(const document& d) {
  if (const auto* n = std::get_if<std::int64_t>(&d.is)) return bytes_of_integer(*n);
  if (const auto* n = std::get_if<std::uint64_t>(&d.is)) return bytes_of_integer(*n);
  return bytes_of_integer(std::get<big_integer>(d.is));
}

}  // namespace

std::size_t decimal_cost(std::size_t bytes) noexcept {
  if (bytes > max_integer_bytes) return bytes;
  const std::size_t words = bytes / 4 + 1;
  return bytes * 5 / 2 + words * words / 2;
}

std::optional<document> integer_of(magnitude m) {
  drop_zeros(m.bytes);
  // What numbers.hpp would refuse anyway need not be worked on.
  if (m.bytes.size() > max_integer_bytes) return std::nullopt;
  m.bytes += '\0';
  if (m.negative) negate(m.bytes);
  return integer_of_bytes(m.bytes);
}

std::optional<magnitude> magnitude_of(const document& d) {
  magnitude out;
  if (const auto* big = std::get_if<big_integer>(&d.is)) {
    const auto smallest = integer_of_decimal(big->digits);
    if (!smallest) return std::nullopt;
    out.bytes = two_complement_of(*smallest);
  } else if (std::holds_alternative<std::int64_t>(d.is) ||
             std::holds_alternative<std::uint64_t>(d.is)) {
    out.bytes = two_complement_of(d);
  } else {
    return std::nullopt;
  }
  out.negative = (static_cast<unsigned char>(out.bytes.back()) & 0x80) != 0;
  if (out.negative) negate(out.bytes);
  drop_zeros(out.bytes);
  return out;
}

}  // namespace memcxx::codecs
