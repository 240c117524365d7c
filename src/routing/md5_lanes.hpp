// MD5 of many keys at once, a key to a lane of a vector register: what a call for many keys spends
// most on when it deals them out.
// Never here: rings, or digests that need more than the first word.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace memcxx::routing {

// How keys are hashed. Each gives the same words.
enum class md5_way : std::uint8_t {
  one_by_one,  // anywhere
  vectors,     // with the vectors that every machine of the target has
  avx2,
  avx512,
};

// Whether this machine can, and the code for it was compiled.
bool md5_can(md5_way way) noexcept;
// The best that this machine can; found out once.
md5_way md5_best_way() noexcept;

// out[i] = md5_words(keys[i])[0]. `out` has at least as many places as there are keys. Keys may be
// of any length; only those up to 55 bytes, which take one block, go into lanes. Allocates nothing.
void md5_first_words(std::span<const std::string_view> keys, std::span<std::uint32_t> out) noexcept;
// In a way that md5_can() names.
void md5_first_words(std::span<const std::string_view> keys, std::span<std::uint32_t> out,
                     md5_way way) noexcept;

}  // namespace memcxx::routing
