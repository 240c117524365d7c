// Integers as a sign and a magnitude, which is how marshal and Ruby's Marshal store long ones.
// Never here: a format's framing; conversion to decimal text (numbers.hpp).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "codec/document.hpp"

namespace memcxx::codecs {

// Zero has no bytes and no sign.
struct magnitude {
  bool negative = false;
  std::string bytes = {};  // little-endian, no zero at the end
};

// What `integer_of` costs in the bytes of `limits`: the digits, and for the time that they take,
// which grows with the square. To be spent before.
std::size_t decimal_cost(std::size_t bytes) noexcept;

// Zeros at the end of `m.bytes` do not matter here. Empty over max_digits (numbers.hpp).
std::optional<document> integer_of(magnitude m);

// Of a node that holds an integer. Empty for other nodes, for a big_integer whose text is no
// integer, and over max_digits.
std::optional<magnitude> magnitude_of(const document& d);

}  // namespace memcxx::codecs
