// MurmurHash3 (32 bits), fed a byte at a time so that a common beginning is hashed only once.
// Never here: keys or servers.
#pragma once

#include <bit>
#include <cstdint>

namespace memcxx::routing {

class murmur3_state {
 public:
  explicit murmur3_state(std::uint32_t seed) noexcept : hash_(seed) {}

  void add(unsigned char byte) noexcept {
    block_ |= std::uint32_t{byte} << (8 * (length_ & 3));
    if ((++length_ & 3) != 0) return;
    hash_ = std::rotl(hash_ ^ scrambled(block_), 13) * 5 + 0xe6546b64;
    block_ = 0;
  }

  [[nodiscard]] std::uint32_t finish() const noexcept {
    std::uint32_t h = hash_ ^ scrambled(block_) ^ length_;
    h = (h ^ h >> 16) * 0x85ebca6b;
    h = (h ^ h >> 13) * 0xc2b2ae35;
    return h ^ h >> 16;
  }

 private:
  static std::uint32_t scrambled(std::uint32_t k) noexcept {
    return std::rotl(k * 0xcc9e2d51, 15) * 0x1b873593;
  }

  std::uint32_t hash_;
  std::uint32_t block_ = 0;   // the bytes since the last full block of four
  std::uint32_t length_ = 0;  // bytes so far
};

}  // namespace memcxx::routing
