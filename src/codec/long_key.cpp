// Stand-ins for long keys, and the frame that keeps the key. See long_key.hpp.
// Never here: what a key that does not match means (value_codec.cpp).
#include "codec/long_key.hpp"

#include <algorithm>

#include "codec/value_codec_state.hpp"
#include "routing/sha1.hpp"

namespace memcxx {

std::string_view value_codec::item_key(std::string_view key, std::string& storage) const {
  const codecs::codec_state& s = state::of(*this);
  if (!s.options.hash_long_keys || !codecs::needs_stand_in(key, s.prefix_size)) return key;
  codecs::make_stand_in(key, s.prefix_size, storage);
  return storage;
}

namespace codecs {
namespace {

constexpr std::size_t longest_varint = 5;  // no item, and so no key in one, has 2^35 bytes

// What text protocols carry in a key; as check_key of protocol/request.hpp.
bool can_be_sent(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7f;
}

bool continues_a_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

bool needs_stand_in(std::string_view key, std::size_t prefix_size) noexcept {
  if (key.size() + prefix_size <= longest_key) return false;
  return std::ranges::all_of(key, can_be_sent);
}

void make_stand_in(std::string_view key, std::size_t prefix_size, std::string& out) {
  const std::size_t taken = prefix_size + stand_in_tail;
  std::size_t readable = taken < longest_key ? longest_key - taken : 0;
  for (int i = 0; i < 3 && readable > 0 && continues_a_character(key[readable]); ++i) --readable;
  out.assign(key.substr(0, readable));
  out += '#';
  for (const std::uint32_t word : routing::sha1_words(key))
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 0xf];
}

std::size_t frame_size(std::string_view key) noexcept {
  std::size_t size = key.size() + 1;
  for (std::size_t rest = key.size() >> 7; rest != 0; rest >>= 7) ++size;
  return size;
}

void append_frame(std::string_view key, std::string& out) {
  std::size_t rest = key.size();
  for (; rest >= 0x80; rest >>= 7) out += static_cast<char>((rest & 0x7f) | 0x80);
  out += static_cast<char>(rest);
  out += key;
}

std::optional<unframed> read_frame(std::string_view bytes) noexcept {
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < longest_varint && i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    size |= std::uint64_t{byte & 0x7fU} << (7 * i);
    if (byte >= 0x80) continue;
    const std::string_view rest = bytes.substr(i + 1);
    if (size > rest.size()) return std::nullopt;
    const auto key_size = static_cast<std::size_t>(size);
    return unframed{rest.substr(0, key_size), rest.substr(key_size)};
  }
  return std::nullopt;
}

}  // namespace codecs
}  // namespace memcxx
