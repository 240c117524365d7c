// Values over several items: what is cut where, what a manifest may say, and what a reader does not
// take for the whole.
#include "codec/split.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <zlib.h>

#include "packing.hpp"

namespace memcxx::test {
namespace {

constexpr std::uint32_t magic = 0x6d780000;

using servers_items = std::map<std::string, stored, std::less<>>;

// As a client stores a value: pieces first, then what stands for them.
void store(const value_codec& codec, const std::string& key, const value& v, servers_items& items) {
  value_codec::packed whole;
  ASSERT_TRUE(codec.pack(key, v, whole));
  const auto split = codec.split(key, whole);
  if (!split) {
    items[key] = {whole.flags, std::string(whole.bytes)};
    return;
  }
  for (const auto& piece : split->pieces)
    items[piece.key] = {split->piece_flags, std::string(piece.bytes)};
  items[key] = {split->flags, split->bytes};
}

// And as one reads it.
result<value> fetch(const value_codec& codec, const std::string& key, const servers_items& items) {
  const stored& head = items.at(key);
  if (!codec.is_split(head.flags)) return unpack(codec, head, key);
  const auto plan = codec.pieces_of(key, head.flags, head.bytes);
  if (!plan) return std::unexpected(plan.error());
  std::string joined;
  for (const std::string& piece : plan->keys) {
    const auto found = items.find(piece);
    if (found == items.end()) return std::unexpected(error(errc::miss));
    joined += found->second.bytes;
  }
  if (auto whole = value_codec::check_joined(*plan, joined); !whole)
    return std::unexpected(whole.error());
  return unpack(codec, {plan->flags, joined}, key);
}

std::string noise(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

value_options splitting(dialect d = dialect::native, std::size_t over = 1024) {
  return {.dialect = d, .split_over = over};
}

TEST(split, leaves_what_fits_in_one_item) {
  for (const dialect d : {dialect::native, dialect::libmc}) {
    const value_codec codec = codec_of(splitting(d));
    servers_items items;
    store(codec, "k", bytes(noise(1024)), items);
    EXPECT_EQ(items.size(), 1U);
    EXPECT_EQ(items["k"].flags, 0U);
    store(codec, "k", bytes(noise(1025)), items);
    EXPECT_EQ(items.size(), 3U);
  }
}

TEST(split, is_off_unless_asked_for) {
  for (const dialect d : every_dialect) {
    servers_items items;
    store(codec_of(d), "k", bytes(noise(3'000'000)), items);
    EXPECT_EQ(items.size(), 1U) << name_of(d);
  }
}

TEST(split, values_of_every_kind_come_back_whole) {
  for (const dialect d : {dialect::native, dialect::libmc}) {
    for (const std::size_t min_compress : {0U, 10U}) {
      value_options options = splitting(d);
      options.min_compress = min_compress;
      const value_codec codec = codec_of(options);
      const std::vector<value> values = {
          bytes(noise(5000)),
          text_of(std::string(5000, 't')),
          {value_kind::msgpack, "\xdc\x07\xd0" + std::string(2000, '\x05')},
          integer(std::string(3000, '7')),
          bytes(noise(4096)),
          bytes(noise(4097)),
      };
      for (const value& v : values) {
        servers_items items;
        store(codec, "k", v, items);
        const auto got = fetch(codec, "k", items);
        ASSERT_TRUE(got) << name_of(d) << ": " << got.error();
        EXPECT_EQ(*got, v) << name_of(d);
      }
    }
  }
}

TEST(split, native_marks_its_items) {
  const value_codec codec = codec_of(splitting());
  servers_items items;
  store(codec, "k", text_of(std::string(3000, 't')), items);
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(items["k"].flags, magic | 0x101);
  EXPECT_EQ(items["k"].bytes.size(), 33U);
  EXPECT_EQ(items["k"].bytes[0], '\1');
  std::vector<std::size_t> sizes;
  for (const auto& [key, item] : items) {
    if (key == "k") continue;
    EXPECT_TRUE(key.starts_with("mx:")) << key;
    EXPECT_EQ(key.size(), 3U + 32 + 2);
    EXPECT_EQ(item.flags, magic | 0xf);
    sizes.push_back(item.bytes.size());
    // A piece by itself is no value.
    EXPECT_EQ(code_of(unpack(codec, item, key)), errc::unknown_flags);
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1024, 1024, 952}));
}

TEST(split, native_gives_each_value_pieces_of_its_own) {
  const value_codec codec = codec_of(splitting());
  value_codec::packed whole;
  const std::string v = noise(2000);
  ASSERT_TRUE(codec.pack("k", {value_kind::bytes, v}, whole));
  std::set<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.insert(codec.split("k", whole)->pieces[0].key);
  EXPECT_EQ(keys.size(), 1000U);
}

TEST(split, native_never_mixes_two_writers) {
  const value_codec codec = codec_of(splitting());
  servers_items first, second;
  store(codec, "k", bytes(noise(4000, 1)), first);
  store(codec, "k", bytes(noise(4000, 2)), second);
  servers_items both = first;
  both.insert(second.begin(), second.end());  // the first one's manifest, and the pieces of both
  EXPECT_EQ(fetch(codec, "k", both), bytes(noise(4000, 1)));
}

TEST(split, native_knows_a_damaged_whole) {
  const value_codec codec = codec_of(splitting());
  servers_items items;
  store(codec, "k", bytes(noise(4000)), items);
  for (auto& [key, item] : items) {
    if (key == "k") continue;
    const std::string was = item.bytes;
    item.bytes[was.size() / 2] ^= 1;
    EXPECT_EQ(code_of(fetch(codec, "k", items)), errc::corrupt_value);
    item.bytes = was.substr(1);
    const auto shorter = fetch(codec, "k", items);
    EXPECT_EQ(code_of(shorter), errc::corrupt_value);
    EXPECT_TRUE(shorter.error().item());
    item.bytes = was + "x";
    EXPECT_EQ(code_of(fetch(codec, "k", items)), errc::corrupt_value);
    item.bytes = was;
  }
  EXPECT_TRUE(fetch(codec, "k", items));
}

TEST(split, native_leaves_whole_what_it_could_not_read) {
  value_options options = splitting();
  value_codec::packed whole;
  const std::string large = noise(4096 * 1024 + 1);
  ASSERT_TRUE(codec_of(options).pack("k", {value_kind::bytes, large}, whole));
  EXPECT_FALSE(codec_of(options).split("k", whole));  // 4097 pieces
  options.split_over = 1025;
  EXPECT_EQ(codec_of(options).split("k", whole)->pieces.size(), 4093U);
  options.max_decompressed = large.size() - 1;
  EXPECT_FALSE(codec_of(options).split("k", whole));
}

std::string manifest_of(std::uint64_t size, std::uint32_t piece_size) {
  return codecs::bytes_of({.id = {}, .size = size, .piece_size = piece_size, .checksum = 0});
}

TEST(split, native_manifests_are_laid_out_as_described) {
  codecs::manifest m{
      .id = {}, .size = 0x0102030405, .piece_size = 0x10000000, .checksum = 0xa1b2c3d4};
  for (std::size_t i = 0; i < m.id.size(); ++i) m.id[i] = static_cast<char>(0x10 * i + i);
  using namespace std::string_literals;
  EXPECT_EQ(codecs::bytes_of(m),
            "\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
            "\x05\x04\x03\x02\x01\x00\x00\x00\x00\x00\x00\x10\xd4\xc3\xb2\xa1"s);
  EXPECT_EQ(codecs::piece_key(m.id, 12), "mx:00112233445566778899aabbccddeeff:12");
}

TEST(split, native_checks_with_zlibs_crc) {
  const value_codec codec = codec_of(splitting());
  const std::string v = noise(2000);
  value_codec::packed whole;
  ASSERT_TRUE(codec.pack("k", {value_kind::bytes, v}, whole));
  const auto m = codecs::read_manifest(codec.split("k", whole)->bytes);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->size, 2000U);
  EXPECT_EQ(m->piece_size, 1024U);
  EXPECT_EQ(m->checksum, crc32(0, reinterpret_cast<const Bytef*>(v.data()), 2000));
  EXPECT_EQ(crc32(0, reinterpret_cast<const Bytef*>("123456789"), 9), 0xcbf43926U);
}

TEST(split, native_refuses_manifests_that_nobody_makes) {
  const value_codec codec = codec_of(splitting());
  const auto expect_corrupt = [&codec](const std::string& manifest) {
    const auto plan = codec.pieces_of("k", magic | 0x100, manifest);
    ASSERT_FALSE(plan);
    EXPECT_EQ(code_of(plan), errc::corrupt_value);
    EXPECT_EQ(plan.error().item()->bytes, manifest);
    EXPECT_EQ(plan.error().item()->flags, magic | 0x100);
  };
  const std::string good = manifest_of(2048, 1024);
  ASSERT_TRUE(codec.pieces_of("k", magic | 0x100, good));
  for (std::size_t n = 0; n < good.size(); ++n) expect_corrupt(good.substr(0, n));
  expect_corrupt(good + "x");
  expect_corrupt("\2" + good.substr(1));    // another version
  expect_corrupt(manifest_of(2048, 0));     // pieces of nothing
  expect_corrupt(manifest_of(2048, 1023));  // shorter than any
  expect_corrupt(manifest_of(1024, 1024));  // one piece
  expect_corrupt(manifest_of(0, 1024));     // none
  expect_corrupt(manifest_of(4096 * 1024 + 1, 1024));
  expect_corrupt(manifest_of(UINT64_MAX, 1024));
  expect_corrupt(manifest_of(UINT64_MAX, UINT32_MAX));
}

TEST(split, native_plans_no_more_than_may_be_held) {
  value_options options = splitting();
  options.max_decompressed = 5000;
  const value_codec codec = codec_of(options);
  const auto plan = codec.pieces_of("k", magic | 0x100, manifest_of(5000, 1024));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->keys.size(), 5U);
  EXPECT_EQ(plan->piece_size, 1024U);
  EXPECT_EQ(plan->size, 5000U);
  const auto larger = codec.pieces_of("k", magic | 0x100, manifest_of(5001, 1024));
  ASSERT_FALSE(larger);
  EXPECT_EQ(code_of(larger), errc::value_too_large);
  EXPECT_TRUE(larger.error().item());
}

TEST(split, of_random_manifests_gives_bounded_plans_or_errors) {
  const value_codec native = codec_of(splitting());
  const value_codec python = codec_of(splitting(dialect::libmc));
  std::mt19937 random(9);
  for (int i = 0; i < 20000; ++i) {
    std::string manifest = noise(random() % 40, static_cast<unsigned>(random()));
    if (manifest.size() == 33 || random() % 2 == 0) {
      manifest = noise(33, static_cast<unsigned>(random()));
      manifest[0] = '\1';
      for (int zeros = static_cast<int>(random() % 8); zeros > 0; --zeros)
        manifest[17 + 8 - static_cast<std::size_t>(zeros)] = '\0';
    }
    if (const auto plan = native.pieces_of("k", magic | 0x100, manifest)) {
      EXPECT_LE(plan->keys.size(), codecs::most_pieces);
    }
    if (const auto plan = python.pieces_of("k", 4096, manifest)) {
      EXPECT_LE(plan->keys.size(), 10U);
    }
  }
}

TEST(split, plans_only_for_items_that_stand_for_several) {
  EXPECT_FALSE(codec_of(splitting()).is_split(0));
  EXPECT_FALSE(codec_of(splitting()).is_split(magic | 1));
  EXPECT_FALSE(codec_of(splitting()).is_split(4096));
  EXPECT_FALSE(codec_of(splitting(dialect::libmc)).is_split(16));
  EXPECT_FALSE(codec_of(splitting(dialect::libmc)).is_split(4096 | 64));
  EXPECT_TRUE(codec_of(splitting(dialect::libmc)).is_split(4096 | 16 | 32));
  EXPECT_FALSE(codec_of(dialect::pylibmc).is_split(4096));
  EXPECT_EQ(code_of(codec_of(splitting()).pieces_of("k", 0, manifest_of(2048, 1024))),
            errc::corrupt_value);
}

// A reader need not have the option of a writer.
TEST(split, is_read_without_the_option) {
  servers_items items;
  store(codec_of(splitting()), "k", text_of(std::string(3000, 't')), items);
  EXPECT_EQ(fetch(value_codec(), "k", items), text_of(std::string(3000, 't')));
}

// --- libmc ---------------------------------------------------------------------------------------

// As libmc 1.4.17 stored it: 2,500,000 bytes under "sp2500000".
TEST(split, libmc_cuts_as_the_original) {
  const value_codec codec = codec_of(splitting(dialect::libmc, 1'000'000));
  servers_items items;
  store(codec, "sp2500000", bytes(std::string(2'500'000, 'x')), items);
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(items["sp2500000"], (stored{4096, "3"}));
  EXPECT_EQ(items["~9sp2500000/0"], (stored{0, std::string(1'000'000, 'x')}));
  EXPECT_EQ(items["~9sp2500000/1"], (stored{0, std::string(1'000'000, 'x')}));
  EXPECT_EQ(items["~9sp2500000/2"], (stored{0, std::string(500'000, 'x')}));
  EXPECT_EQ(fetch(codec, "sp2500000", items), bytes(std::string(2'500'000, 'x')));
}

TEST(split, libmc_gives_pieces_the_flags_of_the_value) {
  value_options options = splitting(dialect::libmc);
  options.min_compress = 100;
  const value_codec codec = codec_of(options);
  servers_items items;
  store(codec, "t", text_of(std::string(3000, 't')), items);
  EXPECT_EQ(items.size(), 1U);  // short enough once compressed
  items.clear();
  std::string many;
  std::mt19937 random(4);
  while (many.size() < 3000) many += static_cast<char>('a' + random() % 26);
  store(codec, "t", text_of(many), items);
  EXPECT_EQ(items["t"], (stored{4096 | 48, "2"}));
  EXPECT_EQ(items["~1t/0"].flags, 48U);
  EXPECT_EQ(fetch(codec, "t", items), text_of(many));
}

TEST(split, libmc_has_ten_pieces_and_keys_of_200_bytes_at_most) {
  const value_codec codec = codec_of(splitting(dialect::libmc));
  const std::string ten = noise(10 * 1024), more = noise(10 * 1024 + 1);
  value_codec::packed whole;
  ASSERT_TRUE(codec.pack("k", {value_kind::bytes, ten}, whole));
  EXPECT_EQ(codec.split("k", whole)->bytes, "10");
  EXPECT_TRUE(codec.split(std::string(200, 'k'), whole));
  EXPECT_FALSE(codec.split(std::string(201, 'k'), whole));
  ASSERT_TRUE(codec.pack("k", {value_kind::bytes, more}, whole));
  EXPECT_FALSE(codec.split("k", whole));
}

TEST(split, libmc_reads_the_counts_that_it_writes) {
  const value_codec codec = codec_of(dialect::libmc);
  EXPECT_EQ(codec.pieces_of("k", 4096, "3")->keys,
            (std::vector<std::string>{"~1k/0", "~1k/1", "~1k/2"}));
  EXPECT_EQ(codec.pieces_of("k", 4096, "3")->piece_size, 0U);
  EXPECT_FALSE(codec.pieces_of("k", 4096, "3")->size);
  EXPECT_EQ(codec.pieces_of("k", 4096 | 32, std::string("3\0", 2))->flags, 32U);
  EXPECT_EQ(codec.pieces_of("k", 4096, "10")->keys.size(), 10U);
  for (const std::string wrong :
       {"", "0", "11", "-1", "+3", "3x", "x", " 3", "99999999999999999999"}) {
    const auto plan = codec.pieces_of("k", 4096, wrong);
    ASSERT_FALSE(plan) << wrong;
    EXPECT_EQ(code_of(plan), errc::corrupt_value) << wrong;
  }
  EXPECT_EQ(code_of(codec.pieces_of(std::string(201, 'k'), 4096, "3")), errc::corrupt_value);
}

TEST(split, libmc_is_not_read_under_a_prefix) {
  const value_codec codec = codec_of({.dialect = dialect::libmc}, 2);
  EXPECT_EQ(code_of(codec.pieces_of("k", 4096, "3")), errc::not_supported);
}

}  // namespace
}  // namespace memcxx::test
