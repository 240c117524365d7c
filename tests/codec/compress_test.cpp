// What the compressors make and read: values that others have written, every kind and size of value
// there and back, and "only if it is shorter". Never here: hostile input.
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "compressing.hpp"

namespace memcxx::codecs::compressing {
namespace {

// The value of the vectors below, which Python's zlib and lz4 and the zstd command have made of it.
const std::string& sample() {
  static const std::string value = [] {
    std::string v = R"({"id":7,"name":"café","tags":["a","b","a","b","a","b"],"note":")";
    for (int i = 0; i < 12; ++i) v += "memcached ";
    return v + "\"}";
  }();
  return value;
}

struct vector {
  const char* made_by;
  compressor with;
  const char* bytes;
};
constexpr vector vectors[] = {
    {"zlib.compress(v)", compressor::zlib,
     "789cab56ca4c51b232d751ca4bcc4d55b2524a4e4c3bbc524947a92431bd58c92a5a2911c84e0262543a16a83ebf0"
     "4a43e37353739313923354581be2ca55a009c373ea6"},
    {"zlib.compress(v, 9)", compressor::zlib,
     "78daab56ca4c51b232d751ca4bcc4d55b2524a4e4c3bbc524947a92431bd58c92a5a2911c84e0262543a16a83ebf0"
     "4a43e37353739313923354581be2ca55a009c373ea6"},
    {"zlib.compress(v, 0)", compressor::zlib,
     "780101ba0045ff7b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2262222c2"
     "261222c2262222c2261222c2262225d2c226e6f7465223a226d656d636163686564206d656d636163686564206d65"
     "6d636163686564206d656d636163686564206d656d636163686564206d656d636163686564206d656d63616368656"
     "4206d656d636163686564206d656d636163686564206d656d636163686564206d656d636163686564206d656d6361"
     "6368656420227d9c373ea6"},
    {"zlib.compressobj(wbits=9)", compressor::zlib,
     "1895ab56ca4c51b232d751ca4bcc4d55b2524a4e4c3bbc524947a92431bd58c92a5a2911c84e0262543a16a83ebf0"
     "4a43e37353739313923354581be2ca55a009c373ea6"},
    {"lz4.block.compress(v)", compressor::lz4,
     "ba000000fb187b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2262222c080"
     "0ff055d2c226e6f7465223a226d656d636163686564200a005850656420227d"},
    {"lz4.block.compress(v, mode='high_compression')", compressor::lz4,
     "ba000000fb187b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2262222c080"
     "0605d2c226e6f743000af6d656d636163686564200a005850656420227d"},
    {"zstd file", compressor::zstd,
     "28b52ffd24ba35020094037b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2"
     "262222c5d2c226e6f746d656d63616368656420227d0300ab25d1546bf9baf204b64d1f3d"},
    {"zstd -19 file", compressor::zstd,
     "28b52ffd24ba050200d2430d14c0ebfffae7b61ff6b04b282599a9ef389cf9fa38f1c0742a5c56afeffb35761d7a7"
     "23d5fec1de277bd9c87cbf7bd985dc3dea8c30200564bcabebb4fb64d1f3d"},
    {"zstd --no-check file", compressor::zstd,
     "28b52ffd20ba35020094037b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2"
     "262222c5d2c226e6f746d656d63616368656420227d0300ab25d1546bf9baf204"},
    {"zstd, of a pipe: does not say the size", compressor::zstd,
     "28b52ffd0458450200d4037b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2"
     "262222c5d2c226e6f7465223a226d656d63616368656420227d0200564bcabeae3c01b64d1f3d"},
    {"zstd --no-check, of a pipe", compressor::zstd,
     "28b52ffd0058450200d4037b226964223a372c226e616d65223a22636166c3a9222c2274616773223a5b2261222c2"
     "262222c5d2c226e6f7465223a226d656d63616368656420227d0200564bcabeae3c01"},
};

TEST(compress, what_others_have_compressed_is_read) {
  for (const vector& v : vectors) {
    EXPECT_EQ(method(v.with).unpacked(unhex(v.bytes)), sample()) << v.made_by;
    EXPECT_EQ(method(v.with).unpacked(unhex(v.bytes), sample().size()), sample()) << v.made_by;
    EXPECT_EQ(method(v.with).unpacked(unhex(v.bytes), sample().size() - 1).error(),
              errc::value_too_large)
        << v.made_by;
  }
}

TEST(compress, an_empty_value_of_others_is_read) {
  EXPECT_EQ(method(compressor::zlib).unpacked(unhex("789c030000000001"), 0), "");
  EXPECT_EQ(method(compressor::lz4).unpacked(unhex("0000000000"), 0), "");
  EXPECT_EQ(method(compressor::zstd).unpacked(unhex("28b52ffd240001000099e9d851"), 0), "");
}

TEST(compress, lz4_is_the_size_in_little_endian_and_then_a_block) {
  const std::string packed = method(compressor::lz4).packed(std::string(0x010203, 'a'));
  EXPECT_EQ(packed.substr(0, 4), std::string("\x03\x02\x01\0", 4));
  EXPECT_EQ(packed[4], '\x1f');  // one literal, and a match of 19 or more
}

// At the default level these are also the bytes that Python's zlib.compress makes, which asks for
// the same of the same library.
TEST(compress, zlib_makes_the_bytes_that_the_library_makes_in_one_piece) {
  std::mt19937 random(11);
  for (const kind k : every_kind) {
    for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 100, 5'000, 200'000}) {
      for (const int level : {-1, 1, 6, 9}) {
        const std::string value = value_of(k, size, random);
        uLongf made = compressBound(static_cast<uLong>(value.size()));
        std::string expected(made, '\0');
        ASSERT_EQ(compress2(reinterpret_cast<Bytef*>(expected.data()), &made,
                            reinterpret_cast<const Bytef*>(value.data()),
                            static_cast<uLong>(value.size()), level),
                  Z_OK);
        expected.resize(made);
        std::string out;
        ASSERT_TRUE(zlib_compress(value, level, expected.size() + 1, out).value());
        ASSERT_EQ(out, expected) << size << " bytes at level " << level;
      }
    }
  }
}

TEST(compress, a_zstd_frame_has_the_size_and_a_checksum) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{300}, mega}) {
    std::mt19937 random(5);
    const std::string packed = method(compressor::zstd).packed(value_of(kind::text, size, random));
    ASSERT_EQ(ZSTD_getFrameContentSize(packed.data(), packed.size()), size);
    constexpr int checksum_flag = 4;  // RFC 8878, section 3.1.1.1.1
    EXPECT_TRUE((packed.at(4) & checksum_flag) != 0);
  }
}

TEST(compress, values_of_every_kind_and_size_come_back) {
  std::mt19937 random(1);
  for (const compressor c : every_compressor) {
    const method m(c);
    for (const kind k : every_kind) {
      std::vector<std::size_t> sizes = {0,      1,       2,       3,        4,    5,       11,
                                        12,     13,      255,     256,      257,  4'095,   65'535,
                                        65'536, 131'072, 131'073, mega - 1, mega, mega + 1};
      for (int i = 0; i < 60; ++i) sizes.push_back(random() % 3'000);
      for (const std::size_t size : sizes) {
        const std::string value = value_of(k, size, random);
        const std::string packed = m.packed(value);
        ASSERT_EQ(m.unpacked(packed, size), value) << name_of(c) << ", " << size;
        if (size != 0) {
          ASSERT_EQ(m.unpacked(packed, size - 1).error(), errc::value_too_large)
              << name_of(c) << ", " << size;
        }
      }
    }
  }
}

TEST(compress, every_level_comes_back_and_unknown_ones_are_refused) {
  std::mt19937 random(2);
  const std::string value = value_of(kind::copies, 20'000, random);
  const auto sound = [&](compressor c, int level) {
    const method m(c, level);
    EXPECT_EQ(m.unpacked(m.packed(value)), value) << name_of(c) << " at " << level;
  };
  for (const int level : {-65'536, -100, -1, 0, 1, 2, 3, 9, 12}) sound(compressor::lz4, level);
  for (int level = -1; level <= 9; ++level) sound(compressor::zlib, level);
  for (const int level : {-100, -1, 0, 1, 3, 19, 22}) sound(compressor::zstd, level);

  std::string out = "as it was";
  for (const int level : {std::numeric_limits<int>::min(), -65'537, 13}) {
    EXPECT_EQ(lz4_compress(value, level, any_size, out).error(), errc::invalid_argument);
    EXPECT_EQ(lz4_check_level(level).error(), errc::invalid_argument);
  }
  for (const int level : {-2, 10}) {
    EXPECT_EQ(zlib_compress(value, level, any_size, out).error(), errc::invalid_argument);
    EXPECT_EQ(zlib_check_level(level).error(), errc::invalid_argument);
  }
  for (const int level : {ZSTD_maxCLevel() + 1, ZSTD_minCLevel() - 1})
    EXPECT_EQ(codecs::zstd::make({}, level).error(), errc::invalid_argument);
  EXPECT_EQ(out, "as it was");
  EXPECT_EQ(lz4_check_level(13).error().message(),
            "lz4 has no level 13: its levels are -65536 to 12");
  EXPECT_TRUE(lz4_check_level(std::nullopt));
  EXPECT_TRUE(zlib_check_level(std::nullopt));
}

TEST(compress, a_higher_level_makes_it_shorter) {
  std::mt19937 random(3);
  const std::string value = value_of(kind::copies, 50'000, random);
  EXPECT_LT(method(compressor::lz4, 9).packed(value).size(),
            method(compressor::lz4).packed(value).size());
  EXPECT_LT(method(compressor::lz4).packed(value).size(),
            method(compressor::lz4, -50).packed(value).size());
  EXPECT_LT(method(compressor::zlib, 9).packed(value).size(),
            method(compressor::zlib, 1).packed(value).size());
  EXPECT_LT(method(compressor::zstd, 19).packed(value).size(),
            method(compressor::zstd, 1).packed(value).size());
}

// What a thread keeps between two calls must not show.
TEST(compress, what_was_compressed_before_makes_no_difference) {
  std::mt19937 random(4);
  for (const compressor c : every_compressor) {
    const std::array methods{method(c), method(c, 1), method(c, 9)};
    std::vector<std::string> values;
    for (int i = 0; i < 12; ++i)
      values.push_back(
          value_of(every_kind[static_cast<std::size_t>(i) % 4], random() % 30'000, random));
    std::vector<std::string> first;
    for (const method& m : methods)
      for (const std::string& v : values) first.push_back(m.packed(v));
    for (int i = 0; i < 300; ++i) {
      const std::size_t n = random() % first.size();
      const method& m = methods.at(n / values.size());
      const std::string& v = values[n % values.size()];
      std::string none;
      if (random() % 3 == 0) {
        ASSERT_FALSE(m.compress(v, first[n].size() / 2, none).value());
      }
      ASSERT_EQ(m.packed(v), first[n]) << name_of(c);
    }
  }
}

TEST(compress, it_is_appended_if_it_is_shorter_than_asked_and_not_touched_otherwise) {
  std::mt19937 random(6);
  for (const compressor c : every_compressor) {
    const method m(c);
    for (const kind k : every_kind) {
      for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 10, 700, 40'000}) {
        const std::string value = value_of(k, size, random);
        const std::string packed = m.packed(value);
        std::vector<std::size_t> limits = {0, 1, 2, 3, 4, 5, 6, packed.size() / 2};
        for (std::size_t near = packed.size() < 40 ? 0 : packed.size() - 40;
             near <= packed.size() + 40; ++near)
          limits.push_back(near);
        for (const std::size_t less_than : limits) {
          std::string out = "before ";
          const compressed done = m.compress(value, less_than, out);
          ASSERT_TRUE(done) << done.error().what();
          ASSERT_EQ(*done, packed.size() < less_than) << name_of(c) << ", " << less_than;
          ASSERT_EQ(out.substr(0, 7), "before ");
          if (*done) {
            ASSERT_LT(out.size() - 7, less_than);
            ASSERT_EQ(m.unpacked(out.substr(7)), value);
          } else {
            ASSERT_EQ(out, "before ");
          }
        }
      }
    }
  }
}

TEST(compress, what_does_not_become_shorter_is_not_appended) {
  std::mt19937 random(7);
  for (const compressor c : every_compressor) {
    for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 100, 100'000}) {
      const std::string value = value_of(kind::noise, size, random);
      std::string out = "as it was";
      EXPECT_FALSE(method(c).compress(value, value.size(), out).value());
      EXPECT_EQ(out, "as it was");
    }
  }
}

TEST(compress, a_view_of_nothing_is_an_empty_value) {
  for (const compressor c : every_compressor) {
    for (const std::optional<int> level : {std::optional<int>(), std::optional<int>(9)}) {
      const method m(c, level);
      EXPECT_EQ(m.unpacked(m.packed(std::string_view()), 0), "");
      EXPECT_EQ(m.unpacked(std::string_view()).error(), errc::corrupt_value);
    }
  }
}

TEST(compress, lz4_refuses_what_its_size_cannot_say) {
  // Nothing is read of it: the length alone is too much.
  const std::string_view endless("x", 2'113'929'217U);
  std::string out = "as it was";
  EXPECT_EQ(lz4_compress(endless, std::nullopt, any_size, out).error(), errc::value_too_large);
  EXPECT_EQ(out, "as it was");
}

}  // namespace
}  // namespace memcxx::codecs::compressing
