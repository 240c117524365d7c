// SHA-1 as RFC 3174 has it, over bytes in memory.
// Never here: streaming, hex, or any use beyond placing and naming.
#include "sha1.hpp"

#include <array>
#include <bit>
#include <cstring>

#include "bytes.hpp"

namespace memcxx::routing {
namespace {

using words = std::array<std::uint32_t, 5>;

constexpr std::size_t block_size = 64;

void add_block(words& state, const char* bytes) noexcept {
  std::array<std::uint32_t, 80> w;
  for (std::size_t i = 0; i < 16; ++i) w[i] = read_be32(bytes + 4 * i);
  for (std::size_t i = 16; i < w.size(); ++i) {
    w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (std::size_t i = 0; i < w.size(); ++i) {
    std::uint32_t f = 0;  // RFC 3174 section 5
    if (i < 20) {
      f = ((b & c) | (~b & d)) + 0x5a827999U;
    } else if (i < 40) {
      f = (b ^ c ^ d) + 0x6ed9eba1U;
    } else if (i < 60) {
      f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU;
    } else {
      f = (b ^ c ^ d) + 0xca62c1d6U;
    }
    const std::uint32_t next = std::rotl(a, 5) + f + e + w[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const words sums = {a, b, c, d, e};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += sums[i];
}

}  // namespace

std::array<std::uint32_t, 5> sha1_words(std::string_view bytes) noexcept {
  words state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (; bytes.size() >= block_size; bytes.remove_prefix(block_size)) {
    add_block(state, bytes.data());
  }
  // Padding: one 0x80, zeros, and the length in bits in the last eight bytes.
  std::array<char, 2 * block_size> tail{};
  if (!bytes.empty()) std::memcpy(tail.data(), bytes.data(), bytes.size());
  tail[bytes.size()] = static_cast<char>(0x80);
  const std::size_t end = bytes.size() + 9 <= block_size ? block_size : 2 * block_size;
  write_be64(tail.data() + end - 8, bits);
  for (std::size_t at = 0; at < end; at += block_size) add_block(state, tail.data() + at);
  return state;
}

std::uint32_t sha1_first_word(std::string_view bytes) noexcept { return sha1_words(bytes)[0]; }

}  // namespace memcxx::routing
