// Keys that are too long for the server: their stand-ins, and the frame that keeps them beside the
// value, so that two keys with one stand-in are told apart.
// Never here: flags, compression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memcxx::codecs {

inline constexpr std::size_t longest_key = 250;   // protocol.txt, "Keys"
inline constexpr std::size_t stand_in_tail = 41;  // '#' and a SHA-1 in hex

// Whether `key` behind a prefix of so many bytes is too long, and could be sent if it were not:
// with a byte that text protocols do not carry it stays as it is, and is refused where it is sent.
bool needs_stand_in(std::string_view key, std::size_t prefix_size) noexcept;
// Replaces `out`: the key's first bytes, '#', and the SHA-1 of all of it in hex. With the prefix
// not longer than longest_key. The first bytes end where a character of UTF-8 does.
void make_stand_in(std::string_view key, std::size_t prefix_size, std::string& out);

// The frame of a value: the key's length as a varint (seven bits to a byte, the low ones first,
// each byte but the last with its high bit set), the key, and behind it the value. It is outside of
// compression: a key is compared before anything is decompressed.
std::size_t frame_size(std::string_view key) noexcept;
void append_frame(std::string_view key, std::string& out);

struct unframed {
  std::string_view key;
  std::string_view value;
};
// Empty when the bytes do not begin with a whole frame.
std::optional<unframed> read_frame(std::string_view bytes) noexcept;

}  // namespace memcxx::codecs
