// Compressed values that are cut off, damaged, or lie: a typed error each, and never another value
// where the format has a checksum. Never here: what memory they cost (compress_memory_test.cpp).
#include <gtest/gtest.h>

#include "bombs.hpp"
#include "compressing.hpp"

namespace memcxx::codecs::compressing {
namespace {

std::vector<std::string> values() {
  std::mt19937 random(21);
  return {"",
          "x",
          value_of(kind::text, 60, random),
          value_of(kind::text, 700, random),
          value_of(kind::copies, 900, random),
          value_of(kind::noise, 300, random),
          std::string(3'000, 'z')};
}

bool is_about_the_value(const error& e) {
  return (e == errc::corrupt_value || e == errc::value_too_large) && !e.message().empty();
}

TEST(compress_hostile, a_value_cut_off_at_any_byte_is_corrupt) {
  for (const compressor c : every_compressor) {
    const method m(c);
    for (const std::string& value : values()) {
      const std::string packed = m.packed(value);
      for (std::size_t n = 0; n < packed.size(); ++n) {
        // A copy of its own, so that a sanitizer sees a byte that is read too many.
        const std::string cut = packed.substr(0, n);
        std::string out = "before";
        const auto done = m.decompress(cut, mega, out);
        ASSERT_FALSE(done) << name_of(c) << ", " << n << " of " << packed.size();
        ASSERT_EQ(done.error(), errc::corrupt_value) << done.error();
        ASSERT_FALSE(done.error().message().empty());
        ASSERT_EQ(out, "");
      }
    }
  }
}

TEST(compress_hostile, a_damaged_byte_is_found_where_there_is_a_checksum) {
  for (const compressor c : {compressor::zlib, compressor::zstd}) {
    const method m(c);
    for (const std::string& value : values()) {
      std::string packed = m.packed(value);
      std::size_t found = 0;
      std::size_t tried = 0;
      for (char& byte : packed) {
        const char sound = byte;
        for (int change = 1; change < 256; change += change < 8 ? 1 : 31) {
          byte = static_cast<char>(sound ^ change);
          const auto done = m.unpacked(packed, mega);
          // There are bits that mean nothing: then it is the same value.
          ++tried;
          if (done) {
            ASSERT_EQ(*done, value);
          } else {
            ++found;
            ASSERT_TRUE(is_about_the_value(done.error())) << done.error();
          }
        }
        byte = sound;
      }
      EXPECT_GT(found, tried * 9 / 10) << name_of(c);
      ASSERT_EQ(m.unpacked(packed, mega), value);
    }
  }
}

// LZ4's blocks have no checksum: only that it holds as much as it says is certain.
TEST(compress_hostile, a_damaged_lz4_value_is_an_error_or_as_long_as_it_says) {
  const method m(compressor::lz4);
  for (const std::string& value : values()) {
    std::string packed = m.packed(value);
    for (std::size_t at = 0; at < packed.size(); ++at) {
      const char sound = packed[at];
      for (int change = 1; change < 256; ++change) {
        packed[at] = static_cast<char>(sound ^ change);
        const auto done = m.unpacked(packed, mega);
        if (done) {
          ASSERT_GE(at, 4U) << "only what stands behind the size can be damaged unseen";
          ASSERT_EQ(done->size(), value.size());
        } else {
          ASSERT_TRUE(is_about_the_value(done.error())) << done.error();
        }
      }
      packed[at] = sound;
    }
  }
}

TEST(compress_hostile, bytes_that_nobody_compressed_are_an_error) {
  std::mt19937 random(22);
  for (const compressor c : every_compressor) {
    const method m(c);
    for (int i = 0; i < 20'000; ++i) {
      std::string in = value_of(kind::noise, random() % 40, random);
      // Past the first check, where there is one.
      if (c == compressor::zlib && i % 2 == 0) in.insert(0, "\x78\x9c");
      if (c == compressor::zstd && i % 2 == 0) in.insert(0, "\x28\xb5\x2f\xfd");
      if (c == compressor::lz4 && i % 2 == 0 && in.size() > 3) in[2] = in[3] = '\0';
      const auto done = m.unpacked(in, mega);
      if (c == compressor::lz4 && done) continue;  // no checksum: it may be one
      ASSERT_FALSE(done) << name_of(c);
      ASSERT_TRUE(is_about_the_value(done.error())) << done.error();
    }
  }
}

TEST(compress_hostile, bytes_behind_a_value_make_it_corrupt) {
  std::mt19937 random(23);
  for (const compressor c : every_compressor) {
    const method m(c);
    for (const std::string& value : values()) {
      const std::string packed = m.packed(value);
      for (const std::string& more :
           {std::string(1, '\0'), std::string("x"), std::string(200, '\0'), packed}) {
        const auto done = m.unpacked(packed + more, mega);
        ASSERT_FALSE(done) << name_of(c);
        ASSERT_EQ(done.error(), errc::corrupt_value) << done.error();
      }
    }
  }
}

TEST(compress_hostile, an_lz4_size_that_the_block_cannot_hold_is_corrupt) {
  const method m(compressor::lz4);
  std::string packed = m.packed(std::string(1'000, 'z'));
  const auto saying = [&](std::uint32_t size) {
    for (std::size_t i = 0; i < 4; ++i) packed[i] = static_cast<char>(size >> (8 * i) & 0xff);
    return m.unpacked(packed, mega);
  };
  EXPECT_EQ(saying(1'000), std::string(1'000, 'z'));
  EXPECT_EQ(saying(999).error(), errc::corrupt_value);
  EXPECT_EQ(saying(1'001).error(), errc::corrupt_value);
  EXPECT_EQ(saying(0).error(), errc::corrupt_value);
  // Not too large for the limit, whatever it says: nothing of that size is there.
  EXPECT_EQ(saying(0xffffffffU).error(), errc::corrupt_value);
  EXPECT_EQ(saying(0x7e000001U).error(), errc::corrupt_value);
  EXPECT_EQ(saying(100'000'000).error().message(),
            "lz4: a block of 14 bytes cannot hold 100000000, as the first 4 bytes say");
}

TEST(compress_hostile, a_zlib_preset_dictionary_is_corrupt) {
  const auto done = method(compressor::zlib)
                        .unpacked(unhex("78bb15e203b8ab56ca4c51b232d751ca4bcc4d55b2524a4e4c3bbc5249"
                                        "47a92431bd58c92a5a2911c84e0262543a16a83ebf04a43e176e127d59"
                                        "4ab5009c373ea6"));
  EXPECT_EQ(done.error(), errc::corrupt_value);
  EXPECT_EQ(done.error().message(), "zlib: asks for a preset dictionary at byte 6 of 65");
}

TEST(compress_hostile, neither_gzip_nor_bare_deflate_are_zlib) {
  const method m(compressor::zlib);
  EXPECT_EQ(m.unpacked(unhex("1f8b080000000000000303000000000000000000")).error(),
            errc::corrupt_value);
  EXPECT_EQ(m.unpacked(unhex("0300")).error(), errc::corrupt_value);
}

TEST(compress_hostile, zlib_says_where_it_is_wrong) {
  const method m(compressor::zlib);
  std::string packed = m.packed("a value");
  packed.back() = static_cast<char>(packed.back() ^ 1);
  EXPECT_EQ(m.unpacked(packed).error().message(), "zlib: incorrect data check at byte 15 of 15");
  packed.pop_back();
  EXPECT_EQ(m.unpacked(packed).error().message(), "zlib: cut off at byte 14 of 14");
}

TEST(compress_hostile, only_one_zstd_frame_is_a_value) {
  const method m(compressor::zstd);
  const std::string frame = m.packed("a value");
  const std::string skippable = unhex("502a4d1803000000616263");
  const std::string legacy = unhex("27b52ffd") + frame.substr(4);  // 0.7's magic number
  for (const std::string& in : {frame + frame, skippable, skippable + frame, frame + skippable,
                                legacy, std::string(frame).insert(0, "x")}) {
    EXPECT_EQ(m.unpacked(in).error(), errc::corrupt_value);
  }
  EXPECT_EQ(m.unpacked(frame + frame).error().message(),
            "zstd: 20 bytes behind the frame's end at byte 20");
}

TEST(compress_hostile, a_zstd_frame_may_not_hold_other_than_it_says) {
  const method m(compressor::zstd);
  for (const std::uint64_t says : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{9'999},
                                   std::uint64_t{10'001}, std::uint64_t{100'000}}) {
    EXPECT_EQ(m.unpacked(zstd_zeros(10'000, says)).error(), errc::corrupt_value) << says;
  }
  EXPECT_EQ(m.unpacked(zstd_zeros(10'000, 10'000)), std::string(10'000, '\0'));
  EXPECT_EQ(m.unpacked(zstd_zeros(10'000)), std::string(10'000, '\0'));
  EXPECT_EQ(m.unpacked(zstd_zeros(3, ~std::uint64_t{0} - 5)).error(), errc::corrupt_value);
}

TEST(compress_hostile, a_zstd_frame_without_its_size_is_bounded_exactly) {
  const method m(compressor::zstd);
  for (const std::size_t size : {std::size_t{1}, std::size_t{4'095}, std::size_t{4'096},
                                 std::size_t{4'097}, std::size_t{131'072}, mega, 3 * mega + 1}) {
    const std::string in = zstd_zeros(size);
    EXPECT_EQ(m.unpacked(in, size), std::string(size, '\0'));
    EXPECT_EQ(m.unpacked(in, size + 1), std::string(size, '\0'));
    EXPECT_EQ(m.unpacked(in, size - 1).error(), errc::value_too_large);
  }
}

TEST(compress_hostile,
     a_window_of_a_zstd_frame_costs_nothing_and_one_beyond_the_format_is_corrupt) {
  const method m(compressor::zstd);
  std::string in = zstd_zeros(100);
  in.at(5) = '\xa8';  // 2 GiB
  EXPECT_EQ(m.unpacked(in, 100), std::string(100, '\0'));
  in.at(5) = '\xff';  // 3.75 TiB
  EXPECT_EQ(m.unpacked(in, 100).error(), errc::corrupt_value);
}

}  // namespace
}  // namespace memcxx::codecs::compressing
