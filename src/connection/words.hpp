// What is said, in more than one place, of a server that answers what it was not asked.
// Never here: decisions.
#pragma once

#include <string_view>

namespace memcxx::detail {

inline constexpr std::string_view not_asked_for =
    "the server answered with a key or opaque that was not asked for";
inline constexpr std::string_view fits_nothing = "the server's reply fits no request in flight";
inline constexpr std::string_view more_errors =
    "the server sent more errors than there were requests";
inline constexpr std::string_view longer_than_announced = "a value is longer than announced";

}  // namespace memcxx::detail
