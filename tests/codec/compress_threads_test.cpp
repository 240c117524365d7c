// The compressors on many threads: each with contexts of its own, dictionaries shared.
// Never here: what is made of a value.
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "compressing.hpp"

namespace memcxx::codecs::compressing {
namespace {

TEST(compress_threads, many_threads_share_what_is_immutable) {
  const auto shared =
      codecs::zstd::make({dictionary_of(1, 1), dictionary_of(2, 2)}, std::nullopt).value();
  const auto other = codecs::zstd::make({dictionary_of(2, 2)}, 1).value();
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::string in;
      std::string out;
      for (int i = 0; i < 150; ++i) {
        const kind k = every_kind.at(random() % every_kind.size());
        const std::string value = value_of(k, random() % 5'000, random);
        for (const compressor c : {compressor::lz4, compressor::zlib}) {
          const method m(c, i % 10 == 0 ? std::optional<int>(9) : std::nullopt);
          in.clear();
          if (!m.compress(value, any_size, in).value_or(false) ||
              !m.decompress(in, value.size(), out) || out != value)
            ++wrong;
        }
        const codecs::zstd& writer = random() % 2 == 0 ? shared : other;
        in.clear();
        if (!writer.compress(value, any_size, in).value_or(false) ||
            !shared.decompress(in, value.size(), out) || out != value)
          ++wrong;
        in += 'x';
        if (shared.decompress(in, mega, out)) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(compress_threads, threads_come_and_go) {
  const codecs::zstd z;
  std::atomic<int> wrong{0};
  for (int round = 0; round < 50; ++round) {
    const std::jthread one([&] {
      std::string in;
      std::string out;
      if (!z.compress("a value", any_size, in).value_or(false) || !z.decompress(in, 100, out) ||
          out != "a value")
        ++wrong;
      in.clear();
      if (!zlib_compress("a value", std::nullopt, any_size, in).value_or(false) ||
          !zlib_decompress(in, 100, out) || out != "a value")
        ++wrong;
    });
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace memcxx::codecs::compressing
