// SHA-1, for placing ring points only.
// Never here: anything that needs a secure digest.
#pragma once

#include <cstdint>
#include <string_view>

namespace memcxx::routing {

// The first four bytes of the digest, read as a big-endian number.
std::uint32_t sha1_first_word(std::string_view bytes) noexcept;

}  // namespace memcxx::routing
