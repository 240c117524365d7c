// MD5 as RFC 1321 has it, over bytes in memory.
// Never here: streaming, hex, or any use beyond placing keys.
#include "md5.hpp"

#include <bit>
#include <cstddef>
#include <cstring>

#include "bytes.hpp"
#include "md5_steps.hpp"

namespace memcxx::routing {
namespace {

using words = std::array<std::uint32_t, 4>;

template <std::size_t Round>
inline void run_round(words& s, const std::array<std::uint32_t, 16>& block) noexcept {
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 16; ++i) {
    const md5_step& step = md5_steps[Round * 16 + i];
    std::uint32_t mixed = 0;
    md5_mix<Round>(mixed, s[1], s[2], s[3]);
    const std::uint32_t sum = s[0] + mixed + block[step.word] + step.constant;
    const std::uint32_t next = s[1] + std::rotl(sum, step.rotation);
    s = {s[3], next, s[1], s[2]};
  }
}

void add_block(words& state, const char* bytes) noexcept {
  std::array<std::uint32_t, 16> block;
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = read_le32(bytes + 4 * i);
  words s = state;
  run_round<0>(s, block);
  run_round<1>(s, block);
  run_round<2>(s, block);
  run_round<3>(s, block);
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += s[i];
}

}  // namespace

words md5_words(std::string_view bytes) noexcept {
  words state = md5_begin;
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  while (bytes.size() >= md5_block_size) {
    add_block(state, bytes.data());
    bytes.remove_prefix(md5_block_size);
  }
  // Padding: one 0x80, zeros, and the length in bits in the last eight bytes.
  std::array<char, 2 * md5_block_size> tail{};
  if (!bytes.empty()) std::memcpy(tail.data(), bytes.data(), bytes.size());
  tail[bytes.size()] = static_cast<char>(0x80);
  const std::size_t end = bytes.size() <= md5_one_block ? md5_block_size : 2 * md5_block_size;
  write_le64(tail.data() + end - 8, bits);
  for (std::size_t at = 0; at < end; at += md5_block_size) add_block(state, tail.data() + at);
  return state;
}

}  // namespace memcxx::routing
