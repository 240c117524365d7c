// Reading and writing integers in bytes, the same on every machine.
// Never here: anything that knows what the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>

namespace memcxx::routing {

inline std::uint32_t byte_at(const char* p, std::size_t i) noexcept {
  return static_cast<unsigned char>(p[i]);
}

inline std::uint32_t read_le32(const char* p) noexcept {
  return byte_at(p, 0) | byte_at(p, 1) << 8 | byte_at(p, 2) << 16 | byte_at(p, 3) << 24;
}

inline std::uint32_t read_be32(const char* p) noexcept {
  return byte_at(p, 0) << 24 | byte_at(p, 1) << 16 | byte_at(p, 2) << 8 | byte_at(p, 3);
}

inline void write_le64(char* p, std::uint64_t value) noexcept {
  for (std::size_t i = 0; i < 8; ++i) p[i] = static_cast<char>(value >> (8 * i) & 0xff);
}

inline void write_be64(char* p, std::uint64_t value) noexcept {
  for (std::size_t i = 0; i < 8; ++i) p[i] = static_cast<char>(value >> (56 - 8 * i) & 0xff);
}

}  // namespace memcxx::routing
