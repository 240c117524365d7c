// The library's version, and the only place where it is written: the build reads it from here.
// Never here: anything else.
#pragma once

#include <string_view>

#define MEMCXX_VERSION_MAJOR 0
#define MEMCXX_VERSION_MINOR 1
#define MEMCXX_VERSION_PATCH 0
// For comparisons in the preprocessor: 0.1.0 is 100, 1.2.3 is 10203.
#define MEMCXX_VERSION \
  (MEMCXX_VERSION_MAJOR * 10000 + MEMCXX_VERSION_MINOR * 100 + MEMCXX_VERSION_PATCH)

#define MEMCXX_STRINGIFY_(x) #x
#define MEMCXX_STRINGIFY(x) MEMCXX_STRINGIFY_(x)

namespace memcxx {

inline constexpr std::string_view library_version =
    MEMCXX_STRINGIFY(MEMCXX_VERSION_MAJOR) "." MEMCXX_STRINGIFY(
        MEMCXX_VERSION_MINOR) "." MEMCXX_STRINGIFY(MEMCXX_VERSION_PATCH);

}  // namespace memcxx

#undef MEMCXX_STRINGIFY
#undef MEMCXX_STRINGIFY_
