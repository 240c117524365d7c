// What the tests of the compressors share: the three of them behind one face, values of every kind,
// dictionaries. Never here: what is expected of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>
#include <zdict.h>

#include "codec/compress.hpp"

namespace memcxx::codecs::compressing {

inline constexpr std::size_t any_size = std::numeric_limits<std::size_t>::max();
inline constexpr std::size_t mega = std::size_t{1} << 20;
inline constexpr std::array every_compressor{compressor::lz4, compressor::zlib, compressor::zstd};

// One compressor, with no dictionary.
struct method {
  compressor which;
  std::optional<int> level = std::nullopt;
  codecs::zstd zstd =
      codecs::zstd::make({}, which == compressor::zstd ? level : std::nullopt).value();

  explicit method(compressor c, std::optional<int> l = std::nullopt) : which(c), level(l) {}

  compressed compress(std::string_view in, std::size_t less_than, std::string& out) const {
    switch (which) {
      case compressor::lz4:
        return lz4_compress(in, level, less_than, out);
      case compressor::zlib:
        return zlib_compress(in, level, less_than, out);
      default:
        return zstd.compress(in, less_than, out);
    }
  }
  result<void> decompress(std::string_view in, std::size_t max_size, std::string& out) const {
    switch (which) {
      case compressor::lz4:
        return lz4_decompress(in, max_size, out);
      case compressor::zlib:
        return zlib_decompress(in, max_size, out);
      default:
        return zstd.decompress(in, max_size, out);
    }
  }

  // Compressed however long it becomes; throws when even that fails.
  [[nodiscard]] std::string packed(std::string_view in) const {
    std::string out;
    if (!compress(in, any_size, out).value()) throw std::runtime_error("does not fit anywhere");
    return out;
  }
  [[nodiscard]] result<std::string> unpacked(std::string_view in,
                                             std::size_t max_size = 64 * mega) const {
    std::string out = "what was there before";
    if (auto done = decompress(in, max_size, out); !done) return std::unexpected(done.error());
    return out;
  }
};

// What values look like to a compressor.
enum class kind : std::uint8_t { zeros, text, copies, noise };
inline constexpr std::array every_kind{kind::zeros, kind::text, kind::copies, kind::noise};

inline std::string value_of(kind k, std::size_t size, std::mt19937& random) {
  std::string v;
  v.reserve(size + 64);
  const auto below = [&](std::size_t n) { return std::size_t{random()} % n; };
  while (v.size() < size) {
    switch (k) {
      case kind::zeros:
        v.append(size, '\0');
        break;
      case kind::text:
        v += "{\"id\":" + std::to_string(below(100'000)) + ",\"name\":\"user" +
             std::to_string(below(500)) + "\",\"active\":" + (below(2) != 0 ? "true" : "false") +
             "},";
        break;
      case kind::copies:  // runs of noise among pieces of what was there before
        if (v.empty() || below(3) == 0) {
          for (std::size_t n = below(40); n != 0; --n) v += static_cast<char>(random());
        } else {
          const std::size_t from = below(v.size());
          v += std::string(v, from, below(300));
        }
        break;
      case kind::noise:
        v += static_cast<char>(random());
        break;
    }
  }
  v.resize(size);
  return v;
}

inline std::string unhex(std::string_view digits) {
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(nibble(digits[i]) * 16 + nibble(digits[i + 1]));
  return bytes;
}

// A dictionary as "zstd --train" makes it, of the values that value_of(kind::text, …) gives.
inline std::string dictionary_of(unsigned id, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string samples;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 200; ++i) {
    samples += value_of(kind::text, 400, random);
    sizes.push_back(400);
  }
  const std::string content = value_of(kind::text, 1000, random);
  std::string out(8192, '\0');
  ZDICT_params_t params{};
  params.dictID = id;
  const std::size_t size = ZDICT_finalizeDictionary(out.data(), out.size(), content.data(),
                                                    content.size(), samples.data(), sizes.data(),
                                                    static_cast<unsigned>(sizes.size()), params);
  if (ZDICT_isError(size) != 0) throw std::runtime_error(ZDICT_getErrorName(size));
  out.resize(size);
  return out;
}

}  // namespace memcxx::codecs::compressing
