// MD5, for placing keys and ring points only: its one use here is to agree with other clients.
// Never here: anything that needs a secure digest. Written out so that it works where a system
// library refuses MD5.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace memcxx::routing {

// The digest as four words, each the little-endian reading of four bytes. Allocates nothing; up to
// 55 bytes take one block.
std::array<std::uint32_t, 4> md5_words(std::string_view bytes) noexcept;

}  // namespace memcxx::routing
