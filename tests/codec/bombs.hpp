// Compressed values of zeros, made by hand and so of any size at no cost: what they hold is not
// there before somebody decompresses it. Never here: what is expected of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace memcxx::codecs::compressing {

inline void put_little_endian(std::string& out, std::uint64_t n, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
}

// Run-length blocks of RFC 8878, section 3.1.1.2. Without `says` the head does not give the size.
inline std::string zstd_zeros(std::size_t size, std::optional<std::uint64_t> says = std::nullopt) {
  constexpr std::size_t longest = 131'072;
  std::string out = "\x28\xb5\x2f\xfd";
  out += says ? '\xc0' : '\0';
  out += '\x38';  // a window of 128 KiB
  if (says) put_little_endian(out, *says, 8);
  do {
    const std::size_t n = std::min(size, longest);
    size -= n;
    put_little_endian(out, n << 3 | 1U << 1 | (size == 0 ? 1U : 0U), 3);
    out += '\0';
  } while (size != 0);
  return out;
}

// One literal, one match of all but the last five, and those as literals (the LZ4 block format,
// "End of block conditions").
inline std::string lz4_zeros(std::size_t size, std::uint32_t says) {
  std::string out;
  put_little_endian(out, says, 4);
  out += '\x1f';
  out += '\0';
  put_little_endian(out, 1, 2);
  std::size_t length = size - 1 - 5 - 19;
  out.append(length / 255, '\xff');
  out += static_cast<char>(length % 255);
  out += '\x50';
  out.append(5, '\0');
  return out;
}

// RFC 1951, section 3.2.6: a zero, and matches of 258 at distance 1, each 13 bits. `size` is one
// more than a multiple of 258. The Adler-32 of zeros is known.
inline std::string zlib_zeros(std::size_t size) {
  std::string out = "\x78\x9c";
  std::uint64_t bits = 0;
  int count = 0;
  const auto put = [&](std::uint64_t value, int n) {
    bits |= value << count;
    for (count += n; count >= 8; count -= 8, bits >>= 8) out += static_cast<char>(bits & 0xff);
  };
  put(1, 1);           // the last block
  put(1, 2);           // of fixed codes
  put(0b00001100, 8);  // literal 0: 00110000, its first bit first
  for (std::size_t n = (size - 1) / 258; n != 0; --n) {
    put(0b10100011, 8);  // length 258: 11000101, likewise
    put(0, 5);           // distance 1
  }
  put(0, 7);  // the end of the block
  put(0, (8 - count) % 8);
  const auto b = static_cast<std::uint32_t>(size % 65521);
  for (const std::uint32_t byte : {b >> 8, b & 0xff, 0U, 1U}) out += static_cast<char>(byte);
  return out;
}

}  // namespace memcxx::codecs::compressing
