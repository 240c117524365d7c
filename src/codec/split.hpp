// The manifest of a native value over several items: what stands in the item under its key.
// Never here: pieces themselves, flags.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memcxx::codecs {

// 33 bytes: the version 1; the id; and little-endian the size of all pieces together (64 bits), of
// each but the last (32), and zlib's CRC-32 of all together (32).
struct manifest {
  std::array<char, 16> id = {};
  std::uint64_t size = 0;
  std::uint32_t piece_size = 0;
  std::uint32_t checksum = 0;

  [[nodiscard]] std::uint64_t pieces() const noexcept {
    return size / piece_size + (size % piece_size != 0 ? 1 : 0);
  }
};

inline constexpr std::size_t manifest_size = 33;
inline constexpr std::uint64_t most_pieces = 4096;  // bounds what 33 hostile bytes may ask for
inline constexpr std::uint32_t shortest_piece = 1024;

std::string bytes_of(const manifest& m);
// Empty when the bytes are no manifest that split makes: two to most_pieces pieces, none shorter
// than shortest_piece but the last.
std::optional<manifest> read_manifest(std::string_view bytes) noexcept;
// "mx:", the id in hex, ':', the index.
inline constexpr std::size_t longest_piece_key = 3 + 32 + 1 + 4;
std::string piece_key(const std::array<char, 16>& id, std::size_t index);

}  // namespace memcxx::codecs
