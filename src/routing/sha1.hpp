// SHA-1, for placing ring points, and for the stand-ins of keys that are too long.
// Never here: anything that needs a secure digest. (Values under long keys carry the key itself.)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace memcxx::routing {

// The digest as five words, each the big-endian reading of four bytes. Allocates nothing.
std::array<std::uint32_t, 5> sha1_words(std::string_view bytes) noexcept;

// The first four bytes of the digest, read as a big-endian number.
std::uint32_t sha1_first_word(std::string_view bytes) noexcept;

}  // namespace memcxx::routing
