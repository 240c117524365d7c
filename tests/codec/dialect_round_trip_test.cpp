// Packing and unpacking in every dialect: what comes back, and that nothing but the value or an
// error comes out of damaged items. Sanitizers see to the memory.
#include <gtest/gtest.h>
#include <random>

#include "packing.hpp"

namespace memcxx::test {
namespace {

// What a value is to the dialect's own clients.
value as_read_in(dialect d, const value& v) {
  if (v.kind == value_kind::json && d != dialect::native) return from_json(v.bytes).value();
  const bool boolean_is_integer =
      d == dialect::cmemcache || d == dialect::pyermc || d == dialect::pylibmc;
  if (v.kind == value_kind::boolean && boolean_is_integer) return integer(v.bytes);
  return v;
}

struct setup {
  std::string name;
  value_options options;
  std::string key = "k";
};

// Every dialect plain, and with all that may be added to it.
std::vector<setup> setups() {
  std::vector<setup> all;
  for (const dialect d : every_dialect) {
    all.push_back({std::string(name_of(d)), {.dialect = d}});
    if (d != dialect::cmemcache && d != dialect::gomemcached)
      all.push_back({std::string(name_of(d)) + " compressed", {.dialect = d, .min_compress = 8}});
  }
  for (const compressor c : {compressor::lz4, compressor::zlib, compressor::zstd})
    all.push_back({"native " + std::string(name_of(c)), {.min_compress = 1, .compressor = c}});
  all.push_back({"native, long key", {.hash_long_keys = true}, std::string(300, 'k')});
  all.push_back({"native, long key, compressed",
                 {.min_compress = 1, .hash_long_keys = true},
                 std::string(300, 'k')});
  return all;
}

TEST(round_trip, gives_the_value_in_every_dialect) {
  for (const setup& s : setups()) {
    const value_codec codec = codec_of(s.options);
    for (const auto& [name, v] : common_values()) {
      SCOPED_TRACE(s.name + ", " + name);
      const auto item = pack(codec, v, s.key);
      ASSERT_TRUE(item) << item.error();
      const auto got = unpack(codec, *item, s.key);
      ASSERT_TRUE(got) << got.error();
      EXPECT_EQ(*got, as_read_in(s.options.dialect, v));
    }
  }
}

TEST(round_trip, of_random_bytes_and_integers_gives_them_back) {
  std::mt19937_64 random(7);
  for (const setup& s : setups()) {
    const value_codec codec = codec_of(s.options);
    for (int i = 0; i < 200; ++i) {
      std::string raw(random() % 300, '\0');
      const unsigned variety = 1 + random() % 256;  // few make it compressible
      for (char& c : raw) c = static_cast<char>(random() % variety);
      const value v = bytes(raw);
      ASSERT_EQ(unpack(codec, pack(codec, v, s.key).value(), s.key), v) << s.name;
      const value n = integer(std::to_string(static_cast<std::int64_t>(random())));
      ASSERT_EQ(unpack(codec, pack(codec, n, s.key).value(), s.key), n) << s.name;
    }
  }
}

// A value, or an error that says what is wrong with which item.
void expect_typed(const value_codec& codec, const stored& item, const std::string& key) {
  using opaque_values = value_codec::opaque_values;
  for (const opaque_values how : {opaque_values::decoded, opaque_values::kept}) {
    const auto got = unpack(codec, item, key, how);
    if (got) continue;
    const errc code = got.error().code();
    if (code == errc::miss) continue;  // another long key's
    ASSERT_TRUE(code == errc::corrupt_value || code == errc::wrong_type ||
                code == errc::value_too_large || code == errc::unknown_flags)
        << got.error();
    ASSERT_FALSE(got.error().message().empty());
    ASSERT_TRUE(got.error().item());
    ASSERT_EQ(got.error().item()->flags, item.flags);
    ASSERT_EQ(got.error().item()->bytes, item.bytes);
  }
}

TEST(hostile_items, cut_off_anywhere_give_a_value_or_an_error) {
  for (const setup& s : setups()) {
    const value_codec codec = codec_of(s.options);
    for (const auto& [name, v] : common_values()) {
      const stored item = pack(codec, v, s.key).value();
      const std::size_t step = 1 + item.bytes.size() / 200;
      for (std::size_t n = 0; n < item.bytes.size(); n += step)
        ASSERT_NO_FATAL_FAILURE(expect_typed(codec, {item.flags, item.bytes.substr(0, n)}, s.key))
            << s.name << ", " << name << " cut at " << n;
    }
  }
}

TEST(hostile_items, with_any_byte_changed_give_a_value_or_an_error) {
  for (const setup& s : setups()) {
    const value_codec codec = codec_of(s.options);
    for (const auto& [name, v] : common_values()) {
      stored item = pack(codec, v, s.key).value();
      const std::size_t step = 1 + item.bytes.size() / 100;
      for (std::size_t i = 0; i < item.bytes.size(); i += step) {
        const char was = item.bytes[i];
        for (const int change : {0x01, 0x10, 0x80, 0xff}) {
          item.bytes[i] = static_cast<char>(was ^ change);
          ASSERT_NO_FATAL_FAILURE(expect_typed(codec, item, s.key))
              << s.name << ", " << name << " at " << i;
        }
        item.bytes[i] = was;
      }
    }
  }
}

TEST(hostile_items, under_the_flags_of_another_kind_give_a_value_or_an_error) {
  for (const setup& s : setups()) {
    const value_codec codec = codec_of(s.options);
    std::vector<stored> items;
    for (const auto& [name, v] : common_values()) items.push_back(pack(codec, v, s.key).value());
    for (const stored& flags : items)
      for (const stored& item : items)
        ASSERT_NO_FATAL_FAILURE(expect_typed(codec, {flags.flags, item.bytes}, s.key)) << s.name;
  }
}

TEST(hostile_items, of_another_dialect_give_a_value_or_an_error) {
  for (const setup& writes : setups())
    for (const setup& reads : setups()) {
      const value_codec codec = codec_of(reads.options);
      for (const auto& [name, v] : common_values()) {
        const stored item = pack(codec_of(writes.options), v, writes.key).value();
        ASSERT_NO_FATAL_FAILURE(expect_typed(codec, item, reads.key));
      }
    }
}

// Only native tells a foreign value from its own: but for plain bytes, none is taken for a value.
TEST(hostile_items, of_other_dialects_are_unknown_to_native) {
  const value_codec native;
  for (const dialect d : every_dialect) {
    if (d == dialect::native) continue;
    for (const auto& [name, v] : common_values()) {
      const stored item = pack(codec_of(d), v).value();
      const auto got = unpack(native, item);
      if (item.flags == 0) {
        EXPECT_EQ(got, bytes(item.bytes));
      } else {
        ASSERT_FALSE(got) << name_of(d) << ", " << name;
        EXPECT_EQ(code_of(got), errc::unknown_flags);
      }
    }
  }
}

}  // namespace
}  // namespace memcxx::test
