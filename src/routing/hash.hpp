// The hash functions of the clients in the field, quirks included.
// Never here: servers, rings, or a hash that no client uses.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace memcxx::routing {

using hash_function = std::uint32_t (*)(std::string_view) noexcept;

// As libmemcached and twemproxy have them on x86: where they read a `char` as a number, a byte over
// 0x7f counts as negative, so keys beyond ASCII differ from the textbook's function (and from
// those same programs on ARM).
std::uint32_t one_at_a_time(std::string_view key) noexcept;
std::uint32_t fnv1_32(std::string_view key) noexcept;
std::uint32_t fnv1a_32(std::string_view key) noexcept;
std::uint32_t fnv1_64(std::string_view key) noexcept;
std::uint32_t fnv1a_64(std::string_view key) noexcept;  // computed in 32 bits
std::uint32_t hsieh(std::string_view key) noexcept;
std::uint32_t murmur(std::string_view key) noexcept;   // MurmurHash2, seeded by the length
std::uint32_t murmur3(std::string_view key) noexcept;  // MurmurHash3, seeded by the length
std::uint32_t jenkins(std::string_view key) noexcept;  // lookup3, initial value 13

std::uint32_t md5_hash(std::string_view key) noexcept;    // the digest's first little-endian word
std::uint32_t crc32(std::string_view key) noexcept;       // all of it, as in zlib
std::uint32_t crc32_high(std::string_view key) noexcept;  // its bits 16 to 30
std::uint32_t crc16(std::string_view key) noexcept;       // with what was shifted out left on top

// A crc32 that goes on where another ended: crc32(a + b) == crc32_after(crc32(a), b).
std::uint32_t crc32_after(std::uint32_t before, std::string_view more) noexcept;

// out[i] = hash(keys[i]), which takes a fraction of the time where `hash` is md5_hash. `out` has at
// least as many places as there are keys.
void hash_each(hash_function hash, std::span<const std::string_view> keys,
               std::span<std::uint32_t> out) noexcept;

// The function of this name, or nullptr. Each of these is one client family's list of names.
hash_function find_hash(std::string_view name) noexcept;  // libmemcached's and twemproxy's
hash_function find_twemproxy_hash(std::string_view name) noexcept;  // "default" is fnv1a_64
hash_function find_libmc_hash(std::string_view name) noexcept;      // FNV is the textbook's here

}  // namespace memcxx::routing
