// The dialects: for each what its flags mean and how it writes a value. A table of functions for
// each dialect; value_codec does what they have in common.
// Never here: compression itself, C++ types, I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <memcxx/dialect.hpp>

#include "codec/document.hpp"

namespace memcxx::codecs {

// A value as a dialect writes it, before compression.
struct written {
  std::uint32_t flags = 0;
  std::string_view bytes = {};  // of the value, or of the storage
  bool compressible = true;     // integers are not, nor what the original never compresses
};

// What flags say. Nothing here looks at the bytes.
struct meaning {
  value_kind kind = value_kind::bytes;
  std::optional<compressor> compressed = std::nullopt;
  bool split = false;
  bool long_key = false;
};

struct rules {
  dialect which;
  // The form of a value without compression. wrong_type when the dialect has none, or when the
  // bytes are not of their kind.
  result<written> (*write)(const value_view& v, std::string& storage);
  // Empty for flags that the dialect does not know.
  std::optional<meaning> (*read)(std::uint32_t flags) noexcept;
  // The flags of a compressed value; empty when the dialect does not have this compressor.
  std::optional<std::uint32_t> (*mark)(std::uint32_t flags, compressor c) noexcept;
  compressor own;  // what `automatic` means; `automatic` itself where nothing is ever compressed
  // Whether a compressed value of the same length is stored compressed, as the original does.
  bool keeps_equal_size = false;
};

const rules& rules_of(dialect d) noexcept;

// One for each client of the field, and python for five that have their bits in common.
extern const rules native_rules;
extern const rules python_memcached_rules;
extern const rules cmemcache_rules;
extern const rules pyermc_rules;
extern const rules pymemcache_rules;
extern const rules pylibmc_rules;
extern const rules libmc_rules;
extern const rules gomemcached_rules;
extern const rules dalli_rules;

// The native flags, for what only native has. 0 is plain bytes, so that what verbs without types
// and other programs store reads as such. All else has "mx" in its upper half; in the lower one
//   bits 0-3  the kind, in the order of value_kind; 15 is a piece of a value, which is none
//   bits 4-6  the compression: 0 none, 1 lz4, 2 zlib, 3 zstd
//   bit 8     the item stands for several: its bytes are a manifest (split.hpp)
//   bit 9     before the bytes stands the key (long_key.hpp)
// and no other bit. Every meaning has one spelling: "mx" and zeros is nobody's.
namespace native {
inline constexpr std::uint32_t magic = 0x6d78'0000;
inline constexpr std::uint32_t split_mark = 0x100;
inline constexpr std::uint32_t long_key_mark = 0x200;
inline constexpr std::uint32_t piece_flags = magic | 0xf;

constexpr std::uint32_t marked(std::uint32_t flags, std::uint32_t mark) noexcept {
  return flags | magic | mark;
}
constexpr std::uint32_t unmarked(std::uint32_t flags, std::uint32_t mark) noexcept {
  const std::uint32_t rest = flags & ~mark;
  return rest == magic ? 0 : rest;
}
}  // namespace native

namespace libmc {
inline constexpr std::uint32_t split_mark = 0x1000;
}  // namespace libmc

}  // namespace memcxx::codecs
