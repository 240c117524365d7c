// Numbers of documents in the forms that formats have for them: decimal text, two's complement of
// any length, the shortest text of a double.
// Never here: what marks a number in a format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "codec/document.hpp"

namespace memcxx::codecs {

// An integer has no more digits than this, whatever the format: as many as CPython converts by
// default (sys.int_info.default_max_str_digits), and few enough for conversions in quadratic time.
inline constexpr std::size_t max_digits = 4300;
// And a two's complement that holds them no more bytes than this.
inline constexpr std::size_t max_integer_bytes = 1786;

// Digits with an optional '-', at least one and of any number.
bool is_decimal(std::string_view s) noexcept;
// Whether `s` is decimal, in range of what a document may hold, and not what a plain integer holds.
bool is_big_decimal(std::string_view s);

// The integer in its smallest form. Leading zeros are dropped. Empty when `s` is not decimal or has
// more than max_digits without them.
std::optional<document> integer_of_decimal(std::string_view s);
// Little-endian two's complement; no bytes are 0. Empty over max_digits.
std::optional<document> integer_of_bytes(std::string_view little_endian);
// The shortest little-endian two's complement, at least one byte. `n.digits` are a big decimal.
std::string bytes_of_integer(std::int64_t n);
std::string bytes_of_integer(std::uint64_t n);
std::string bytes_of_integer(const big_integer& n);
// Decimal text.
std::string decimal_of(std::int64_t n);
std::string decimal_of(std::uint64_t n);

// Decimal with an optional point and exponent, or an optional sign and "inf" or "nan"; all of `s`.
// Empty when it is none, and when no finite double is near it.
std::optional<double> double_of(std::string_view s);
// The shortest text that reads as the same double, as Python's repr and JSON have it: always with a
// point, an exponent, or a name ("inf", "-inf", "nan").
std::string shortest(double d);

}  // namespace memcxx::codecs
