// What MD5 computes (RFC 1321, sections 3.3 and 3.4), for one word at a time and for many at once.
// Never here: bytes, padding, or how words are gathered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace memcxx::routing {

// The bytes of a block, and how many of the last one are free for a message: its end takes a byte
// 0x80 and the length in bits in eight.
inline constexpr std::size_t md5_block_size = 64;
inline constexpr std::size_t md5_one_block = md5_block_size - 9;

inline constexpr std::array<std::uint32_t, 4> md5_begin = {0x67452301, 0xefcdab89, 0x98badcfe,
                                                           0x10325476};

struct md5_step {
  std::uint32_t constant;
  std::uint8_t word;
  std::uint8_t rotation;
};

// The sixty-four steps, sixteen to a round.
inline constexpr std::array<md5_step, 64> md5_steps = {{
    {0xd76aa478, 0, 7},  {0xe8c7b756, 1, 12},  {0x242070db, 2, 17},  {0xc1bdceee, 3, 22},
    {0xf57c0faf, 4, 7},  {0x4787c62a, 5, 12},  {0xa8304613, 6, 17},  {0xfd469501, 7, 22},
    {0x698098d8, 8, 7},  {0x8b44f7af, 9, 12},  {0xffff5bb1, 10, 17}, {0x895cd7be, 11, 22},
    {0x6b901122, 12, 7}, {0xfd987193, 13, 12}, {0xa679438e, 14, 17}, {0x49b40821, 15, 22},
    {0xf61e2562, 1, 5},  {0xc040b340, 6, 9},   {0x265e5a51, 11, 14}, {0xe9b6c7aa, 0, 20},
    {0xd62f105d, 5, 5},  {0x02441453, 10, 9},  {0xd8a1e681, 15, 14}, {0xe7d3fbc8, 4, 20},
    {0x21e1cde6, 9, 5},  {0xc33707d6, 14, 9},  {0xf4d50d87, 3, 14},  {0x455a14ed, 8, 20},
    {0xa9e3e905, 13, 5}, {0xfcefa3f8, 2, 9},   {0x676f02d9, 7, 14},  {0x8d2a4c8a, 12, 20},
    {0xfffa3942, 5, 4},  {0x8771f681, 8, 11},  {0x6d9d6122, 11, 16}, {0xfde5380c, 14, 23},
    {0xa4beea44, 1, 4},  {0x4bdecfa9, 4, 11},  {0xf6bb4b60, 7, 16},  {0xbebfbc70, 10, 23},
    {0x289b7ec6, 13, 4}, {0xeaa127fa, 0, 11},  {0xd4ef3085, 3, 16},  {0x04881d05, 6, 23},
    {0xd9d4d039, 9, 4},  {0xe6db99e5, 12, 11}, {0x1fa27cf8, 15, 16}, {0xc4ac5665, 2, 23},
    {0xf4292244, 0, 6},  {0x432aff97, 7, 10},  {0xab9423a7, 14, 15}, {0xfc93a039, 5, 21},
    {0x655b59c3, 12, 6}, {0x8f0ccc92, 3, 10},  {0xffeff47d, 10, 15}, {0x85845dd1, 1, 21},
    {0x6fa87e4f, 8, 6},  {0xfe2ce6e0, 15, 10}, {0xa3014314, 6, 15},  {0x4e0811a1, 13, 21},
    {0xf7537e82, 4, 6},  {0xbd3af235, 11, 10}, {0x2ad7d2bb, 2, 15},  {0xeb86d391, 9, 21},
}};

// The functions F, G, H and I. By reference, since vectors that the target may lack cannot be
// passed by value; always inlined, to be compiled for the caller's target.
template <std::size_t Round, class Word>
[[gnu::always_inline]] constexpr void md5_mix(Word& out, const Word& b, const Word& c,
                                              const Word& d) noexcept {
  if constexpr (Round == 0) out = d ^ (b & (c ^ d));
  if constexpr (Round == 1) out = c ^ (d & (b ^ c));
  if constexpr (Round == 2) out = b ^ c ^ d;
  if constexpr (Round == 3) out = c ^ (b | ~d);
}

}  // namespace memcxx::routing
