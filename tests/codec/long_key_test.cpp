// Keys that are too long: their stand-ins, and that only a key's own value is read under it.
#include "codec/long_key.hpp"

#include <gtest/gtest.h>
#include <random>

#include "packing.hpp"

namespace memcxx::test {
namespace {

constexpr std::uint32_t magic = 0x6d780000;
constexpr std::uint32_t mark = 0x200;

value_options hashing() { return {.hash_long_keys = true}; }

std::string item_key(const value_codec& codec, std::string_view key) {
  std::string storage;
  return std::string(codec.item_key(key, storage));
}

TEST(long_key, is_one_that_the_server_does_not_take) {
  const value_codec codec = codec_of(hashing());
  const std::string longest(250, 'k'), longer(251, 'k');
  std::string storage = "untouched";
  EXPECT_EQ(codec.item_key(longest, storage).data(), longest.data());
  EXPECT_EQ(codec.item_key("", storage), "");
  EXPECT_EQ(storage, "untouched");
  // printf %0251d 0 | tr 0 k | sha1sum gives the digest.
  EXPECT_EQ(item_key(codec, longer),
            std::string(209, 'k') + "#20af0dc46b269b715c7280d0f3bd00443948caf7");
  EXPECT_EQ(item_key(codec, longer).size(), 250U);
}

TEST(long_key, leaves_room_for_the_prefix) {
  for (const std::size_t prefix : {1U, 50U, 200U, 208U, 209U}) {
    const value_codec codec = codec_of(hashing(), prefix);
    const std::string fits(250 - prefix, 'k'), longer(251 - prefix, 'k');
    EXPECT_EQ(item_key(codec, fits), fits);
    const std::string stand_in = item_key(codec, longer);
    EXPECT_EQ(stand_in.size() + prefix, 250U);
    EXPECT_EQ(stand_in[stand_in.size() - 41], '#');
  }
}

TEST(long_key, stays_as_it_is_unless_asked_for) {
  const std::string longer(300, 'k');
  for (const dialect d : every_dialect) EXPECT_EQ(item_key(codec_of(d), longer), longer);
}

TEST(long_key, with_bytes_that_cannot_be_sent_stays_as_it_is) {
  const value_codec codec = codec_of(hashing());
  for (int byte = 0; byte < 256; ++byte) {
    std::string key(300, 'k');
    key[100] = static_cast<char>(byte);
    const bool can_be_sent = byte > 0x20 && byte != 0x7f;
    EXPECT_EQ(item_key(codec, key) != key, can_be_sent) << byte;
  }
}

TEST(long_key, is_cut_between_characters) {
  const value_codec codec = codec_of(hashing());
  std::string key(207, 'k');
  for (int i = 0; i < 30; ++i) key += "\xf0\x9f\x98\x80";
  EXPECT_TRUE(item_key(codec, key).starts_with(std::string(207, 'k') + "#"));
  // Bytes that are no UTF-8 at all are cut somewhere.
  const std::string wild(300, '\x80');
  EXPECT_EQ(item_key(codec, wild).substr(0, 207), std::string(206, '\x80') + "#");
}

TEST(long_key, has_a_stand_in_of_all_of_it) {
  const value_codec codec = codec_of(hashing());
  const std::string key(1000, 'k');
  std::string other = key;
  other[999] = 'x';
  EXPECT_NE(item_key(codec, key), item_key(codec, other));
  EXPECT_NE(item_key(codec, key), item_key(codec, key + "k"));
  EXPECT_EQ(item_key(codec, key), item_key(codec, key));
}

TEST(long_key, is_kept_beside_the_value) {
  const value_codec codec = codec_of(hashing());
  const std::string key(300, 'k');
  const stored item = pack(codec, text_of("t"), key).value();
  EXPECT_EQ(item.flags, magic | mark | 1);
  EXPECT_EQ(item.bytes, "\xac\x02" + key + "t");
  EXPECT_EQ(unpack(codec, item, key), text_of("t"));
  EXPECT_EQ(pack(codec, bytes("b"), key)->flags, magic | mark);
  EXPECT_EQ(unpack(codec, pack(codec, bytes("b"), key).value(), key), bytes("b"));
  EXPECT_EQ(pack(codec, bytes(""), key)->bytes, "\xac\x02" + key);
}

TEST(long_key, stands_before_what_is_compressed) {
  value_options options = hashing();
  options.min_compress = 10;
  const value_codec codec = codec_of(options);
  const std::string key(300, 'k');
  const value v = text_of(std::string(1000, 't'));
  const stored item = pack(codec, v, key).value();
  EXPECT_EQ(item.flags, magic | mark | 0x31);
  EXPECT_TRUE(item.bytes.starts_with("\xac\x02" + key));
  EXPECT_LT(item.bytes.size(), 400U);
  EXPECT_EQ(unpack(codec, item, key), v);
  // Another key is refused before anything is decompressed.
  const std::string damaged = item.bytes.substr(0, item.bytes.size() - 1);
  EXPECT_EQ(code_of(unpack(codec, {item.flags, damaged}, std::string(300, 'x'))), errc::miss);
  EXPECT_EQ(code_of(unpack(codec, {item.flags, damaged}, key)), errc::corrupt_value);
}

TEST(long_key, of_another_is_a_miss) {
  const value_codec codec = codec_of(hashing());
  const std::string key(300, 'k');
  const stored item = pack(codec, text_of("secret"), key).value();
  for (const std::string& other : {std::string(300, 'x'), std::string(299, 'k'),
                                   std::string(301, 'k'), std::string("k"), std::string()}) {
    const auto got = unpack(codec, item, other);
    ASSERT_FALSE(got);
    EXPECT_EQ(code_of(got), errc::miss);
  }
}

TEST(long_key, that_the_item_does_not_name_is_not_believed) {
  const value_codec codec = codec_of(hashing());
  const std::string key(300, 'k');
  for (const stored& item :
       {stored{0, "bytes"}, stored{magic | 1, "text"}, stored{0, ""}, stored{magic | 0x30, "x"}}) {
    const auto got = unpack(codec, item, key);
    ASSERT_FALSE(got) << item.flags;
    EXPECT_EQ(code_of(got), errc::corrupt_value);
    EXPECT_EQ(got.error().item()->bytes, item.bytes);
  }
  // Reading past unpack would not see that.
  EXPECT_FALSE(codec.is_verbatim(0));
  EXPECT_EQ(unpack(codec, {0, "bytes"}, "short"), bytes("bytes"));
}

TEST(long_key, stands_before_integers_too) {
  const value_codec codec = codec_of(hashing());
  const std::string key(300, 'k');
  const stored item = pack(codec, integer("41"), key).value();
  EXPECT_EQ(unpack(codec, item, key), integer("41"));
  EXPECT_EQ(code_of(unpack(codec, item, std::string(300, 'x'))), errc::miss);
  // Numbers that do not say whose they are.
  EXPECT_EQ(code_of(unpack(codec, {magic | 2, "42"}, key)), errc::corrupt_value);
  EXPECT_EQ(code_of(unpack(codec, {0, "9 "}, key)), errc::corrupt_value);
}

TEST(long_key, is_read_whatever_the_option_says) {
  const std::string key(300, 'k');
  const stored item = pack(codec_of(hashing()), text_of("t"), key).value();
  EXPECT_EQ(unpack(value_codec(), item, key), text_of("t"));
}

TEST(long_key, that_is_cut_off_is_corrupt) {
  const value_codec codec = codec_of(hashing());
  const std::string key(300, 'k');
  const stored item = pack(codec, text_of("t"), key).value();
  for (std::size_t n = 0; n < item.bytes.size() - 1; ++n) {
    const auto got = unpack(codec, {item.flags, item.bytes.substr(0, n)}, key);
    ASSERT_FALSE(got) << n;
    EXPECT_EQ(code_of(got), errc::corrupt_value) << n;
  }
  for (const std::string& wild :
       {std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), std::string(50, '\x80'),
        std::string("\xff\xff\xff\xff\x7f"), std::string("\x80")}) {
    EXPECT_EQ(code_of(unpack(codec, {item.flags, wild}, key)), errc::corrupt_value);
  }
}

TEST(long_key, frames_hold_keys_of_any_length) {
  std::mt19937 random(2);
  for (const std::size_t size : {0U, 1U, 127U, 128U, 300U, 16383U, 16384U, 100000U}) {
    std::string key(size, '\0');
    for (char& c : key) c = static_cast<char>(random());
    std::string framed;
    codecs::append_frame(key, framed);
    EXPECT_EQ(framed.size(), codecs::frame_size(key));
    framed += "value";
    const auto read = codecs::read_frame(framed);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->key, key);
    EXPECT_EQ(read->value, "value");
  }
}

TEST(long_key, goes_with_values_over_several_items) {
  value_options options = hashing();
  options.split_over = 1024;
  const value_codec codec = codec_of(options);
  const std::string key(300, 'k'), v(3000, 't');
  value_codec::packed whole;
  ASSERT_TRUE(codec.pack(key, {value_kind::text, v}, whole));
  const auto split = codec.split(key, whole);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->flags, magic | mark | 0x101);
  const auto plan = codec.pieces_of(key, split->flags, split->bytes);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->flags, magic | mark | 1);
  std::string joined;
  for (const auto& piece : split->pieces) joined += piece.bytes;
  ASSERT_TRUE(value_codec::check_joined(*plan, joined));
  EXPECT_EQ(unpack(codec, {plan->flags, joined}, key), text_of(v));
  EXPECT_EQ(code_of(unpack(codec, {plan->flags, joined}, std::string(300, 'x'))), errc::miss);
}

}  // namespace
}  // namespace memcxx::test
