// zstd with dictionaries, and what its reading relies on. Never here: what holds for every
// compressor.
#include <gtest/gtest.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "compressing.hpp"

namespace memcxx::codecs::compressing {
namespace {

codecs::zstd with(const std::vector<std::string>& dictionaries) {
  return codecs::zstd::make(dictionaries, std::nullopt).value();
}

std::string packed(const codecs::zstd& z, std::string_view value) {
  std::string out;
  EXPECT_TRUE(z.compress(value, any_size, out).value());
  return out;
}

result<std::string> unpacked(const codecs::zstd& z, std::string_view in) {
  std::string out;
  if (auto done = z.decompress(in, mega, out); !done) return std::unexpected(done.error());
  return out;
}

std::string short_value() {
  std::mt19937 random(77);
  return value_of(kind::text, 200, random);
}

const std::string& first() {
  static const std::string d = dictionary_of(1'001, 1);
  return d;
}
const std::string& second() {
  static const std::string d = dictionary_of(1'002, 2);
  return d;
}
const std::string& third() {
  static const std::string d = dictionary_of(4'000'000'000U, 3);
  return d;
}

TEST(compress_zstd, a_dictionary_makes_short_values_shorter_and_is_named_in_the_frame) {
  const codecs::zstd z = with({first()});
  const std::string value = short_value();
  const std::string in = packed(z, value);
  EXPECT_LT(in.size(), packed(codecs::zstd(), value).size() * 3 / 4);
  EXPECT_EQ(ZSTD_getDictID_fromFrame(in.data(), in.size()), 1'001U);
  EXPECT_EQ(ZSTD_getFrameContentSize(in.data(), in.size()), value.size());
  EXPECT_EQ(unpacked(z, in), value);
}

TEST(compress_zstd, a_frame_is_read_with_the_dictionary_that_it_names) {
  const std::string value = short_value();
  const codecs::zstd all = with({second(), third(), first()});
  for (const std::string& d : {first(), second(), third()}) {
    const std::string in = packed(with({d}), value);
    EXPECT_EQ(unpacked(all, in), value);
  }
  // One without a dictionary, too.
  EXPECT_EQ(unpacked(all, packed(codecs::zstd(), value)), value);
}

TEST(compress_zstd, the_first_dictionary_is_written_with) {
  const std::string value = short_value();
  const auto id_of = [&](const codecs::zstd& z) {
    const std::string in = packed(z, value);
    return ZSTD_getDictID_fromFrame(in.data(), in.size());
  };
  EXPECT_EQ(id_of(with({first(), second()})), 1'001U);
  EXPECT_EQ(id_of(with({second(), first()})), 1'002U);
  EXPECT_EQ(id_of(with({third()})), 4'000'000'000U);
  EXPECT_EQ(id_of(with({})), 0U);
  EXPECT_EQ(id_of(codecs::zstd()), 0U);
}

TEST(compress_zstd, values_outlive_a_change_of_the_first_dictionary) {
  const std::string value = short_value();
  const std::string old = packed(with({first()}), value);
  const codecs::zstd changed = with({second(), first()});
  EXPECT_EQ(unpacked(changed, old), value);
  EXPECT_EQ(unpacked(changed, packed(changed, value)), value);
}

TEST(compress_zstd, a_dictionary_that_is_not_there_is_named) {
  const std::string in = packed(with({first()}), short_value());
  for (const codecs::zstd& z : {with({}), with({second(), third()})}) {
    const auto done = unpacked(z, in);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), errc::corrupt_value);
    EXPECT_EQ(done.error().message(),
              "zstd: wants the dictionary of id 1001, which the client does not have");
  }
}

TEST(compress_zstd, another_dictionary_of_the_same_id_is_found_by_the_checksum) {
  const std::string in = packed(with({first()}), short_value());
  const auto done = unpacked(with({dictionary_of(1'001, 99)}), in);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), errc::corrupt_value);
}

TEST(compress_zstd, values_of_every_kind_and_size_come_back_with_a_dictionary) {
  const codecs::zstd z = with({first()});
  std::mt19937 random(78);
  for (const kind k : every_kind) {
    for (const std::size_t size : std::initializer_list<std::size_t>{
             0, 1, 2, 7, 8, 9, 100, 1'000, 8'192, 16'385, 131'073, 600'000, mega}) {
      const std::string value = value_of(k, size, random);
      const std::string in = packed(z, value);
      ASSERT_EQ(unpacked(z, in), value) << size;
      std::string out;
      ASSERT_FALSE(z.compress(value, in.size(), out).value());
      ASSERT_TRUE(z.compress(value, in.size() + 1, out).value());
      ASSERT_EQ(out, in);
    }
  }
}

TEST(compress_zstd, a_frame_with_a_dictionary_is_corrupt_when_cut_off_or_damaged) {
  const codecs::zstd z = with({first(), second()});
  const std::string value = short_value();
  std::string in = packed(z, value);
  for (std::size_t n = 0; n < in.size(); ++n)
    ASSERT_EQ(unpacked(z, in.substr(0, n)).error(), errc::corrupt_value);
  for (char& byte : in) {
    const char sound = byte;
    for (int change = 1; change < 256; ++change) {
      byte = static_cast<char>(sound ^ change);
      const auto done = unpacked(z, in);
      if (done) {
        ASSERT_EQ(*done, value);
      }
    }
    byte = sound;
  }
}

TEST(compress_zstd, what_is_no_dictionary_is_refused) {
  const auto refused = [](const std::vector<std::string>& dictionaries) {
    auto made = codecs::zstd::make(dictionaries, std::nullopt);
    EXPECT_FALSE(made);
    if (made) return std::string();
    EXPECT_EQ(made.error(), errc::invalid_argument);
    return std::string(made.error().message());
  };
  const std::string no_id = "has no id: it is not one that \"zstd --train\" has made";
  EXPECT_EQ(refused({""}), "zstd dictionary 1 " + no_id);
  EXPECT_EQ(refused({first(), "raw content, which writes well and is never found again"}),
            "zstd dictionary 2 " + no_id);
  EXPECT_EQ(refused({first().substr(0, 8)}), "zstd dictionary 1 is damaged, or memory ran out");
  EXPECT_EQ(refused({first(), second().substr(0, 60)}),
            "zstd dictionary 2 is damaged, or memory ran out");
  std::string id_zero = first();
  id_zero.replace(4, 4, 4, '\0');
  EXPECT_EQ(refused({id_zero}), "zstd dictionary 1 " + no_id);
}

TEST(compress_zstd, two_dictionaries_of_one_id_are_refused) {
  const auto made = codecs::zstd::make({second(), first(), first()}, std::nullopt);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), errc::invalid_argument);
  EXPECT_EQ(made.error().message(), "zstd dictionary 3 has the id of zstd dictionary 2: 1001");
}

TEST(compress_zstd, the_level_holds_with_a_dictionary_too) {
  std::mt19937 random(79);
  const std::string value = value_of(kind::copies, 50'000, random);
  const auto fast = codecs::zstd::make({first()}, 1).value();
  const auto thorough = codecs::zstd::make({first()}, 19).value();
  EXPECT_LT(packed(thorough, value).size(), packed(fast, value).size());
  EXPECT_EQ(unpacked(fast, packed(thorough, value)), value);
}

TEST(compress_zstd, one_that_was_moved_to_works_on) {
  codecs::zstd z = with({first()});
  const std::string in = packed(z, short_value());
  codecs::zstd other = std::move(z);
  EXPECT_EQ(unpacked(other, in), short_value());
  z = with({second()});
  EXPECT_EQ(unpacked(z, in).error(), errc::corrupt_value);
  z = std::move(other);
  EXPECT_EQ(unpacked(z, in), short_value());
}

// The contexts stay with the thread; the dictionaries that they were last used with do not.
TEST(compress_zstd, a_dictionary_that_is_gone_is_not_looked_at_again) {
  const std::string value = short_value();
  std::string in;
  {
    const codecs::zstd z = with({first()});
    in = packed(z, value);
    EXPECT_EQ(unpacked(z, in), value);
  }
  const codecs::zstd plain;
  EXPECT_EQ(unpacked(plain, packed(plain, value)), value);
  EXPECT_EQ(unpacked(plain, in).error(), errc::corrupt_value);
  EXPECT_EQ(unpacked(with({first()}), in), value);
}

// Reading tries a frame with little room first, and takes more when the library says that this was
// not enough. It has to say so of every sound frame and every room that is too little.
TEST(compress_zstd, the_library_says_when_there_is_too_little_room) {
  std::mt19937 random(80);
  const std::string& d = first();
  struct owner {
    ZSTD_CCtx* c = ZSTD_createCCtx();
    ZSTD_DCtx* d = ZSTD_createDCtx();
    owner() = default;
    owner(const owner&) = delete;
    owner& operator=(const owner&) = delete;
    ~owner() {
      ZSTD_freeCCtx(c);
      ZSTD_freeDCtx(d);
    }
  } contexts;
  for (const kind k : every_kind) {
    for (int i = 0; i < 60; ++i) {
      const std::size_t size = 1 + random() % (i < 40 ? 5'000 : 400'000);
      const std::string value = value_of(k, size, random);
      std::string in(ZSTD_compressBound(size), '\0');
      const int level = static_cast<int>(random() % 19) + 1;
      const bool uses = i % 3 == 0;
      const std::size_t made = ZSTD_compress_usingDict(
          contexts.c, in.data(), in.size(), value.data(), value.size(), uses ? d.data() : nullptr,
          uses ? d.size() : 0, size > 5'000 ? 1 + level % 6 : level);
      ASSERT_FALSE(ZSTD_isError(made));
      for (int n = 0; n < (size > 5'000 ? 20 : 200); ++n) {
        const std::size_t room =
            n < 5 ? size - 1 - static_cast<std::size_t>(n) % size : std::size_t{random()} % size;
        std::string out(room, '\0');
        const std::size_t status =
            ZSTD_decompress_usingDict(contexts.d, out.data(), room, in.data(), made,
                                      uses ? d.data() : nullptr, uses ? d.size() : 0);
        ASSERT_EQ(ZSTD_getErrorCode(status), ZSTD_error_dstSize_tooSmall)
            << ZSTD_getErrorName(status) << ": " << room << " of " << size;
      }
    }
  }
}

}  // namespace
}  // namespace memcxx::codecs::compressing
