// What a value_codec knows, for the files that make it up: value_codec.cpp (packing), split.cpp
// (values over several items), long_key.cpp (keys that are too long).
// Never here: anything that changes after make.
#pragma once

#include <cstddef>
#include <optional>

#include <memcxx/dialect.hpp>

#include "codec/compress.hpp"
#include "codec/dialects.hpp"

namespace memcxx {
namespace codecs {

struct codec_state {
  value_options options;
  const rules* dialect_rules = &native_rules;
  compressor writes = compressor::zstd;  // automatic only where nothing is ever compressed
  std::size_t prefix_size = 0;
  std::optional<zstd> own_zstd;  // none: no dictionaries, the default level
};

}  // namespace codecs

struct value_codec::state final : codecs::codec_state {
  // Of a codec, whether it was made, is a default one, or was moved from.
  static const codecs::codec_state& of(const value_codec& codec) noexcept;
};

}  // namespace memcxx
