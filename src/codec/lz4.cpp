// LZ4 as pyermc frames it: the size once decompressed as 32 bits, little-endian, then one block of
// the LZ4 block format. Python's lz4.block.compress makes the same with store_size=True.
// Never here: the LZ4 frame format, flags.
#include <algorithm>
#include <cstdint>
#include <lz4.h>
#include <lz4hc.h>
#include <memory>

#include "codec/compress.hpp"
#include "codec/output.hpp"

namespace memcxx::codecs {

namespace {

constexpr std::size_t head_size = 4;
constexpr int fastest = -65'536;  // beyond, the library has nothing faster

// A byte of a block stands for at most 255 bytes: each lengthens a match by no more, and the token
// and offset that a match costs besides stand for fewer.
constexpr std::size_t best_ratio = 255;

constexpr std::size_t largest_value = LZ4_MAX_INPUT_SIZE;
constexpr std::size_t largest_block = LZ4_COMPRESSBOUND(LZ4_MAX_INPUT_SIZE);

void put_head(char* to, std::size_t n) noexcept {
  for (std::size_t i = 0; i < head_size; ++i) to[i] = static_cast<char>(n >> (8 * i) & 0xff);
}

std::size_t head_of(std::string_view in) noexcept {
  std::size_t n = 0;
  for (std::size_t i = 0; i < head_size; ++i)
    n |= std::size_t{static_cast<unsigned char>(in[i])} << (8 * i);
  return n;
}

}  // namespace

result<void> lz4_check_level(std::optional<int> level) {
  if (!level || (*level >= fastest && *level <= LZ4HC_CLEVEL_MAX)) return {};
  return std::unexpected(
      error(errc::invalid_argument,
            "lz4 has no level " + std::to_string(*level) + ": its levels are -65536 to 12"));
}

compressed lz4_compress(std::string_view in, std::optional<int> level, std::size_t less_than,
                        std::string& out) {
  return guarded([&]() -> compressed {
    if (auto known = lz4_check_level(level); !known) return std::unexpected(known.error());
    if (in.size() > largest_value) {
      return std::unexpected(error(errc::value_too_large, std::to_string(in.size()) +
                                                              " bytes, and lz4 takes at most " +
                                                              std::to_string(largest_value)));
    }
    const int size = static_cast<int>(in.size());
    const std::size_t most = head_size + static_cast<std::size_t>(LZ4_compressBound(size));
    if (less_than <= head_size + 1) return false;  // the shortest block is one byte
    const std::size_t room = std::min(less_than - 1, most);

    const char* const from = in.empty() ? "" : in.data();
    const int free_bytes = static_cast<int>(room - head_size);
    const int wanted = level.value_or(0);
    // Its own state, so that memory running out is told from an output that does not fit.
    std::unique_ptr<std::max_align_t[]> state;
    if (wanted > 0) {
      const auto bytes = static_cast<std::size_t>(LZ4_sizeofStateHC());
      state = std::make_unique_for_overwrite<std::max_align_t[]>(
          (bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
    }
    const std::size_t made = append_written(out, room, [&](char* to) -> std::size_t {
      const int n = wanted > 0
                        ? LZ4_compress_HC_extStateHC(state.get(), from, to + head_size, size,
                                                     free_bytes, wanted)
                        : LZ4_compress_fast(from, to + head_size, size, free_bytes, 1 - wanted);
      if (n <= 0) return 0;
      put_head(to, in.size());
      return head_size + static_cast<std::size_t>(n);
    });
    return made != 0;
  });
}

result<void> lz4_decompress(std::string_view in, std::size_t max_size, std::string& out) {
  out.clear();
  auto done = guarded([&]() -> result<void> {
    if (in.size() <= head_size) {
      return corrupt("lz4: cut off after " + std::to_string(in.size()) +
                     " bytes, before its block");
    }
    const std::size_t size = head_of(in);
    const std::string_view block = in.substr(head_size);
    if (size > largest_value || block.size() > largest_block || size / best_ratio > block.size()) {
      return corrupt("lz4: a block of " + std::to_string(block.size()) + " bytes cannot hold " +
                     std::to_string(size) + ", as the first 4 bytes say");
    }
    if (size > max_size) {
      return std::unexpected(
          error(errc::value_too_large, "lz4: " + std::to_string(size) +
                                           " bytes once decompressed, and the limit is " +
                                           std::to_string(max_size)));
    }
    int n = 0;
    const std::size_t made = append_written(out, size, [&](char* to) -> std::size_t {
      n = LZ4_decompress_safe(block.data(), to, static_cast<int>(block.size()),
                              static_cast<int>(size));
      return n < 0 ? 0 : static_cast<std::size_t>(n);
    });
    if (n < 0) {
      return corrupt("lz4: the block behind byte 4 is damaged, cut off, or holds more than the " +
                     std::to_string(size) + " bytes that it says");
    }
    if (made != size) {
      return corrupt("lz4: the block behind byte 4 holds " + std::to_string(made) +
                     " bytes, and says " + std::to_string(size));
    }
    return {};
  });
  if (!done) out.clear();
  return done;
}

}  // namespace memcxx::codecs
