// What flags a dialect writes for each kind, and which it knows: every other one is refused, with
// the item in the error.
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "packing.hpp"

namespace memcxx::test {
namespace {

constexpr std::uint32_t magic = 0x6d780000;

// Every flag that a dialect reads: a kind, and marks that may be added to it in any combination.
std::set<std::uint32_t> known_flags(dialect d) {
  std::vector<std::uint32_t> kinds, marks;
  switch (d) {
    case dialect::native: {
      std::set<std::uint32_t> all = {0};
      for (std::uint32_t kind = 0; kind <= 10; ++kind)
        for (std::uint32_t how = 0; how <= 3; ++how)
          for (const std::uint32_t mark : {0x0U, 0x100U, 0x200U, 0x300U})
            all.insert(magic | kind | how << 4 | mark);
      all.erase(magic);
      return all;
    }
    case dialect::python_memcached:
    case dialect::pymemcache:
    case dialect::pylibmc:
      kinds = {0, 1, 2, 4, 16}, marks = {8};
      break;
    case dialect::cmemcache:
      kinds = {0, 1, 2, 4};
      break;
    case dialect::pyermc:
      kinds = {0, 1, 2, 4}, marks = {8};
      break;
    case dialect::libmc:
      kinds = {0, 1, 2, 4, 8, 32}, marks = {16, 4096};
      break;
    case dialect::gomemcached:
      kinds = {0, 1};
      break;
    case dialect::dalli:
      kinds = {0, 1, 4}, marks = {2};
      break;
  }
  std::set<std::uint32_t> all(kinds.begin(), kinds.end());
  for (const std::uint32_t mark : marks) {
    const std::set<std::uint32_t> before = all;
    for (const std::uint32_t flags : before) all.insert(flags | mark);
  }
  return all;
}

void expect_unknown(const value_codec& codec, std::uint32_t flags) {
  const auto got = unpack(codec, {flags, "some bytes"});
  ASSERT_FALSE(got) << std::hex << flags;
  ASSERT_EQ(got.error(), errc::unknown_flags) << std::hex << flags;
  const auto item = got.error().item();
  ASSERT_TRUE(item);
  ASSERT_EQ(item->flags, flags);
  ASSERT_EQ(item->bytes, "some bytes");
}

void expect_known(const value_codec& codec, std::uint32_t flags) {
  const auto got = unpack(codec, {flags, "some bytes"});
  ASSERT_TRUE(got || got.error() != errc::unknown_flags) << std::hex << flags;
}

class dialect_flags : public testing::TestWithParam<dialect> {};

TEST_P(dialect_flags, of_sixteen_bits_are_known_or_refused_as_listed) {
  const value_codec codec = codec_of(GetParam());
  const std::set<std::uint32_t> known = known_flags(GetParam());
  const std::uint32_t upper = GetParam() == dialect::native ? magic : 0;
  for (std::uint32_t low = 0; low <= 0xffff; ++low) {
    const std::uint32_t flags = upper | low;
    if (known.contains(flags)) {
      ASSERT_NO_FATAL_FAILURE(expect_known(codec, flags));
    } else {
      ASSERT_NO_FATAL_FAILURE(expect_unknown(codec, flags));
    }
  }
}

TEST_P(dialect_flags, with_any_other_bit_are_refused) {
  const value_codec codec = codec_of(GetParam());
  const std::set<std::uint32_t> known = known_flags(GetParam());
  for (int bit = 0; bit < 32; ++bit) {
    if (known.contains(1U << bit)) continue;
    ASSERT_NO_FATAL_FAILURE(expect_unknown(codec, 1U << bit));
  }
  for (const std::uint32_t flags : known)
    for (int bit = 16; bit < 32; ++bit)
      ASSERT_NO_FATAL_FAILURE(expect_unknown(codec, flags ^ 1U << bit));
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto flags = static_cast<std::uint32_t>(random());
    if (known.contains(flags)) continue;
    ASSERT_NO_FATAL_FAILURE(expect_unknown(codec, flags));
  }
}

TEST_P(dialect_flags, that_are_written_are_known) {
  for (const std::size_t min_compress : {std::size_t{0}, std::size_t{50}}) {
    const value_codec codec = codec_of(GetParam());
    for (const auto& [name, v] : common_values()) {
      const auto item = pack(codec, v, "k", min_compress);
      ASSERT_TRUE(item) << name << ": " << item.error();
      EXPECT_TRUE(known_flags(GetParam()).contains(item->flags)) << name << " " << item->flags;
    }
  }
}

std::string test_name(const testing::TestParamInfo<dialect>& param) {
  std::string name(name_of(param.param));
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(of, dialect_flags, testing::ValuesIn(every_dialect), test_name);

std::uint32_t flags_of(dialect d, const value& v, std::size_t min_compress = 0) {
  const auto item = pack(codec_of(d), v, "k", min_compress);
  if (item) return item->flags;
  ADD_FAILURE() << item.error();
  return 0xffffffff;
}

TEST(dialect_forms, have_the_flags_of_the_original) {
  struct forms {
    dialect d;
    std::uint32_t text, integer, large, boolean, floating, none, structure;
  };
  const std::vector<forms> all = {
      {dialect::native, magic | 1, magic | 2, magic | 2, magic | 4, magic | 3, magic | 5,
       magic | 6},
      {dialect::python_memcached, 16, 2, 2, 1, 1, 1, 1},
      {dialect::cmemcache, 1, 2, 4, 2, 1, 1, 1},
      {dialect::pyermc, 1, 2, 4, 2, 1, 1, 1},
      {dialect::pymemcache, 16, 2, 2, 1, 1, 1, 1},
      {dialect::pylibmc, 16, 4, 4, 2, 1, 1, 1},
      {dialect::libmc, 32, 4, 4, 8, 32, 32, 32},
      {dialect::gomemcached, 1, 1, 1, 1, 1, 1, 1},
      {dialect::dalli, 1, 1, 1, 1, 1, 1, 1},
  };
  ASSERT_EQ(all.size(), every_dialect.size());
  for (const forms& f : all) {
    SCOPED_TRACE(name_of(f.d));
    EXPECT_EQ(flags_of(f.d, bytes("b")), 0U);
    EXPECT_EQ(flags_of(f.d, text_of("t")), f.text);
    EXPECT_EQ(flags_of(f.d, integer("-9223372036854775808")), f.integer);
    EXPECT_EQ(flags_of(f.d, integer("9223372036854775808")), f.large);
    EXPECT_EQ(flags_of(f.d, {value_kind::boolean, "1"}), f.boolean);
    EXPECT_EQ(flags_of(f.d, {value_kind::floating, "0.5"}), f.floating);
    EXPECT_EQ(flags_of(f.d, {value_kind::none, ""}), f.none);
    EXPECT_EQ(flags_of(f.d, {value_kind::msgpack, "\x91\x01"}), f.structure);
  }
}

TEST(dialect_forms, of_opaque_values_are_their_own_where_the_original_has_them) {
  EXPECT_EQ(flags_of(dialect::native, {value_kind::pickle, "N."}), magic | 8);
  EXPECT_EQ(flags_of(dialect::native, {value_kind::marshal, "N"}), magic | 9);
  EXPECT_EQ(flags_of(dialect::native, {value_kind::ruby,
                                       "\x04\x08"
                                       "0"}),
            magic | 10);
  EXPECT_EQ(flags_of(dialect::native, {value_kind::json, "null"}), magic | 7);
  for (const dialect d : {dialect::python_memcached, dialect::cmemcache, dialect::pyermc,
                          dialect::pymemcache, dialect::pylibmc, dialect::libmc}) {
    const value set = {value_kind::pickle, "\x80\x04\x8f."};
    EXPECT_EQ(pack(codec_of(d), set), (stored{1, set.bytes})) << name_of(d);
  }
  const value complex = {value_kind::marshal,
                         "x\x01"
                         "1\x01"
                         "2"};
  EXPECT_EQ(pack(codec_of(dialect::libmc), complex), (stored{32, complex.bytes}));
  const value symbol = {value_kind::ruby, "\x04\x08o:\x06X\x00"};
  EXPECT_EQ(pack(codec_of(dialect::dalli), symbol), (stored{1, symbol.bytes}));
}

TEST(dialect_forms, take_plain_data_out_of_other_clients_formats) {
  const value pickled = {value_kind::pickle, "(lp0\nI7\naVx\np1\na."};
  const value marshalled = {value_kind::marshal, std::string("[\2\0\0\0i\7\0\0\0u\1\0\0\0x", 16)};
  const value list = {value_kind::msgpack, "\x92\x07\xa1x"};
  for (const dialect d : every_dialect) {
    if (d == dialect::native) continue;
    EXPECT_EQ(unpack(codec_of(d), pack(codec_of(d), pickled).value()), list) << name_of(d);
    EXPECT_EQ(unpack(codec_of(d), pack(codec_of(d), marshalled).value()), list) << name_of(d);
  }
  const value code = {value_kind::pickle, "cos\nsystem\n(S'true'\ntR."};
  for (const dialect d : {dialect::gomemcached, dialect::dalli}) {
    const auto item = pack(codec_of(d), code);
    ASSERT_FALSE(item) << name_of(d);
    EXPECT_EQ(code_of(item), errc::wrong_type);
  }
}

TEST(dialect_forms, of_compressed_values_have_their_mark) {
  const std::string long_text(1000, 'x');
  const std::map<dialect, std::pair<std::uint32_t, std::uint32_t>> marked = {
      {dialect::native, {magic | 0x30, magic | 0x31}},
      {dialect::python_memcached, {8, 24}},
      {dialect::cmemcache, {0, 1}},
      {dialect::pyermc, {8, 9}},
      {dialect::pymemcache, {8, 24}},
      {dialect::pylibmc, {8, 24}},
      {dialect::libmc, {16, 48}},
      {dialect::gomemcached, {0, 1}},
      {dialect::dalli, {2, 3}},
  };
  for (const auto& [d, flags] : marked) {
    EXPECT_EQ(flags_of(d, bytes(long_text), 100), flags.first) << name_of(d);
    EXPECT_EQ(flags_of(d, text_of(long_text), 100), flags.second) << name_of(d);
  }
}

TEST(dialect_forms, read_what_only_the_original_compresses) {
  value_options options{.dialect = dialect::python_memcached};
  const stored zipped = pack(codec_of(options), bytes(std::string(200, '7')), "k", 1).value();
  ASSERT_EQ(zipped.flags, 8U);
  const value number = integer(std::string(200, '7'));
  for (const dialect d : {dialect::python_memcached, dialect::pymemcache, dialect::pylibmc})
    for (const std::uint32_t flags : {10U, 12U})
      EXPECT_EQ(unpack(codec_of(d), {flags, zipped.bytes}), number) << name_of(d);
  EXPECT_EQ(unpack(codec_of(dialect::libmc), {20, zipped.bytes}), number);
  EXPECT_EQ(unpack(codec_of(dialect::dalli), {6, zipped.bytes}), text_of(number.bytes));
}

TEST(dialect_forms, of_integers_end_where_the_original_does) {
  const std::string most(4300, '9');
  for (const dialect d :
       {dialect::python_memcached, dialect::pymemcache, dialect::pylibmc, dialect::libmc}) {
    EXPECT_TRUE(pack(codec_of(d), integer("-" + most))) << name_of(d);
    const auto more = pack(codec_of(d), integer(most + "9"));
    ASSERT_FALSE(more) << name_of(d);
    EXPECT_EQ(code_of(more), errc::wrong_type) << name_of(d);
  }
  for (const dialect d : {dialect::native, dialect::cmemcache, dialect::pyermc})
    EXPECT_TRUE(pack(codec_of(d), integer(most + "9"))) << name_of(d);
  const value_codec go = codec_of(dialect::gomemcached);
  EXPECT_TRUE(pack(go, integer("18446744073709551615")));
  EXPECT_EQ(code_of(pack(go, integer("18446744073709551616"))), errc::wrong_type);
  EXPECT_EQ(code_of(pack(go, integer("-9223372036854775809"))), errc::wrong_type);
}

TEST(dialect_forms, of_msgpack_are_read_as_scalars_where_scalars_are_stored_so) {
  const value_codec go = codec_of(dialect::gomemcached);
  EXPECT_EQ(unpack(go, {1, "\x05"}), integer("5"));
  EXPECT_EQ(unpack(go, {1, "\xcc\xc8"}), integer("200"));
  EXPECT_EQ(unpack(go, {1, "\xa1x"}), text_of("x"));
  EXPECT_EQ(unpack(go, {1, "\xc4\x01x"}), bytes("x"));
  EXPECT_EQ(unpack(go, {1, "\xc0"}), (value{value_kind::none, ""}));
  EXPECT_EQ(unpack(go, {1, "\x91\x05"}), (value{value_kind::msgpack, "\x91\x05"}));
  EXPECT_EQ(unpack(go, {1, "\xd4\x05x"}), (value{value_kind::msgpack, "\xd4\x05x"}));
  EXPECT_EQ(code_of(unpack(go, {1, ""})), errc::corrupt_value);
  EXPECT_EQ(code_of(unpack(go, {1, "\x05\x05"})), errc::corrupt_value);
  EXPECT_EQ(code_of(unpack(go, {1, "\xc1"})), errc::corrupt_value);
  const value_codec native = codec_of(dialect::native);
  EXPECT_EQ(unpack(native, {magic | 6, "\x05"}), (value{value_kind::msgpack, "\x05"}));
}

}  // namespace
}  // namespace memcxx::test
