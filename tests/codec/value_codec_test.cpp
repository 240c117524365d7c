// What every dialect has in common: options, when a value is compressed, what is checked, what an
// error carries. Never here: the forms of one dialect (dialect_*_test.cpp).
#include <gtest/gtest.h>
#include <random>

#include "compressing.hpp"
#include "packing.hpp"

namespace memcxx::test {
namespace {

using opaque_values = value_codec::opaque_values;

constexpr std::uint32_t magic = 0x6d780000;

void expect_refused(const value_options& options, std::string_view option,
                    std::size_t prefix_size = 0) {
  const auto made = value_codec::make(options, prefix_size);
  ASSERT_FALSE(made) << option;
  EXPECT_EQ(code_of(made), errc::invalid_argument);
  EXPECT_TRUE(made.error().message().starts_with(std::string(option) + ": "))
      << made.error().message();
}

TEST(value_codec_names, are_found_again) {
  for (const dialect d : every_dialect) EXPECT_EQ(dialect_named(name_of(d)), d);
  EXPECT_EQ(name_of(dialect::python_memcached), "python-memcached");
  EXPECT_FALSE(dialect_named("python_memcached"));
  EXPECT_FALSE(dialect_named(""));
  for (const compressor c :
       {compressor::automatic, compressor::lz4, compressor::zlib, compressor::zstd})
    EXPECT_EQ(compressor_named(name_of(c)), c);
  EXPECT_FALSE(compressor_named("gzip"));
}

TEST(value_codec_options, that_the_dialect_cannot_have_are_refused) {
  expect_refused({.dialect = dialect::pyermc, .compressor = compressor::zlib}, "compressor");
  expect_refused({.dialect = dialect::dalli, .compressor = compressor::zstd}, "compressor");
  expect_refused({.dialect = dialect::cmemcache, .compressor = compressor::zlib}, "compressor");
  expect_refused({.dialect = dialect::cmemcache, .min_compress = 1}, "min_compress");
  expect_refused({.dialect = dialect::gomemcached, .min_compress = 1}, "min_compress");
  expect_refused({.dialect = dialect::gomemcached, .compression_level = 1}, "compression_level");
  expect_refused({.dialect = dialect::pylibmc, .split_over = 2000}, "split_over");
  expect_refused({.dialect = dialect::libmc, .hash_long_keys = true}, "hash_long_keys");
  expect_refused({.dialect = dialect::pymemcache,
                  .zstd_dictionaries = {codecs::compressing::dictionary_of(1)}},
                 "zstd_dictionaries");
}

TEST(value_codec_options, out_of_range_are_refused) {
  expect_refused({.max_decompressed = 0}, "max_decompressed");
  expect_refused({.split_over = 1023}, "split_over");
  expect_refused({.dialect = dialect::libmc, .split_over = 1}, "split_over");
  expect_refused({.zstd_dictionaries = {"no dictionary"}}, "zstd_dictionaries");
  expect_refused({.compression_level = 100}, "compression_level");
  expect_refused({.compressor = compressor::zlib, .compression_level = 10}, "compression_level");
  expect_refused({.compressor = compressor::lz4, .compression_level = 13}, "compression_level");
  expect_refused({.dialect = dialect::pyermc, .compression_level = 13}, "compression_level");
  expect_refused({.hash_long_keys = true}, "hash_long_keys", 210);
  expect_refused({.dialect = dialect::libmc, .split_over = 2000}, "split_over", 1);
  expect_refused({.split_over = 2000}, "split_over", 211);
}

TEST(value_codec_options, at_their_limits_are_taken) {
  EXPECT_TRUE(value_codec::make({.max_decompressed = 1}));
  EXPECT_TRUE(value_codec::make({.split_over = 1024}, 210));
  EXPECT_TRUE(value_codec::make({.dialect = dialect::libmc, .split_over = 1024}));
  EXPECT_TRUE(value_codec::make({.compression_level = 19}));
  EXPECT_TRUE(value_codec::make({.compressor = compressor::zlib, .compression_level = 9}));
  EXPECT_TRUE(value_codec::make({.hash_long_keys = true}, 209));
  // The level is zlib's here, and zstd is only read.
  EXPECT_TRUE(value_codec::make({.compressor = compressor::zlib,
                                 .compression_level = 0,
                                 .zstd_dictionaries = {codecs::compressing::dictionary_of(1)}}));
}

TEST(value_codec, by_default_is_native_and_compresses_nothing) {
  const value_codec codec;
  EXPECT_EQ(codec.options().dialect, dialect::native);
  EXPECT_EQ(pack(codec, bytes(std::string(5000, 'x'))), (stored{0, std::string(5000, 'x')}));
  EXPECT_EQ(unpack(codec, {magic | 2, "7"}), integer("7"));
  EXPECT_FALSE(codec.split("k", {}));
}

TEST(value_codec, when_moved_from_is_a_default_one) {
  value_codec codec = codec_of({.dialect = dialect::pymemcache, .min_compress = 5});
  const value_codec moved = std::move(codec);
  EXPECT_EQ(moved.options().dialect, dialect::pymemcache);
  // NOLINTBEGIN(bugprone-use-after-move)
  EXPECT_EQ(codec.options().dialect, dialect::native);
  EXPECT_TRUE(codec.is_verbatim(0));
  EXPECT_EQ(unpack(codec, pack(codec, text_of("t")).value()), text_of("t"));
  // NOLINTEND(bugprone-use-after-move)
  codec = codec_of(dialect::dalli);
  EXPECT_EQ(codec.options().dialect, dialect::dalli);
}

// --- when a value is compressed
// --------------------------------------------------------------------

TEST(compressing, begins_above_the_limit) {
  const value_codec codec = codec_of({.dialect = dialect::python_memcached, .min_compress = 100});
  EXPECT_EQ(pack(codec, bytes(std::string(100, 'x')))->flags, 0U);
  EXPECT_EQ(pack(codec, bytes(std::string(101, 'x')))->flags, 8U);
}

TEST(compressing, is_decided_anew_for_one_call) {
  const value_codec codec = codec_of({.dialect = dialect::python_memcached, .min_compress = 100});
  const value v = bytes(std::string(200, 'x'));
  EXPECT_EQ(pack(codec, v, "k", 0)->flags, 0U);
  EXPECT_EQ(pack(codec, v, "k", 200)->flags, 0U);
  EXPECT_EQ(pack(codec, v, "k", 199)->flags, 8U);
  EXPECT_EQ(pack(codec_of(dialect::python_memcached), v, "k", 199)->flags, 8U);
  // A dialect without compression has none for a call either.
  EXPECT_EQ(pack(codec_of(dialect::gomemcached), v, "k", 1)->flags, 0U);
}

TEST(compressing, leaves_what_does_not_become_shorter) {
  std::mt19937 random(3);
  const std::string noise =
      codecs::compressing::value_of(codecs::compressing::kind::noise, 500, random);
  for (const dialect d : every_dialect)
    EXPECT_EQ(pack(codec_of(d), bytes(noise), "k", 1), (stored{0, noise})) << name_of(d);
}

// Bytes that zlib makes neither shorter nor longer.
std::string without_gain() {
  std::mt19937 random(5);
  for (std::size_t noise = 10; noise < 200; ++noise)
    for (std::size_t run = 4; run < 60; ++run) {
      std::string v =
          codecs::compressing::value_of(codecs::compressing::kind::noise, noise, random);
      v.append(run, 'x');
      std::string out;
      if (codecs::zlib_compress(v, std::nullopt, SIZE_MAX, out).value() && out.size() == v.size())
        return v;
    }
  ADD_FAILURE() << "every value became shorter or longer";
  return {};
}

TEST(compressing, without_gain_is_kept_only_by_pymemcache) {
  const value v = bytes(without_gain());
  const auto kept = pack(codec_of(dialect::pymemcache), v, "k", 1);
  EXPECT_EQ(kept->flags, 8U);
  EXPECT_EQ(kept->bytes.size(), v.bytes.size());
  EXPECT_EQ(unpack(codec_of(dialect::pymemcache), *kept), v);
  for (const dialect d :
       {dialect::python_memcached, dialect::pylibmc, dialect::libmc, dialect::dalli})
    EXPECT_EQ(pack(codec_of(d), v, "k", 1)->flags, 0U) << name_of(d);
}

TEST(compressing, is_never_done_to_integers) {
  const value v = integer(std::string(1000, '7'));
  for (const dialect d : every_dialect) {
    if (d == dialect::gomemcached) continue;  // has no integers of such a length
    const auto plain = pack(codec_of(d), v);
    ASSERT_TRUE(plain) << name_of(d) << plain.error();
    EXPECT_EQ(pack(codec_of(d), v, "k", 1), *plain) << name_of(d);
  }
}

TEST(compressing, is_not_done_to_what_would_be_too_long_to_read) {
  const value_codec codec = codec_of({.min_compress = 1, .max_decompressed = 1000});
  EXPECT_NE(pack(codec, bytes(std::string(1000, 'x')))->flags, 0U);
  EXPECT_EQ(pack(codec, bytes(std::string(1001, 'x')))->flags, 0U);
}

TEST(compressing, in_native_is_read_whatever_is_written_with) {
  const value v = text_of(std::string(500, 'x'));
  std::uint32_t how = 1;
  for (const compressor c : {compressor::lz4, compressor::zlib, compressor::zstd}) {
    const auto item = pack(codec_of({.min_compress = 1, .compressor = c}), v);
    EXPECT_EQ(item->flags, magic | 1 | how++ << 4);
    EXPECT_EQ(unpack(value_codec(), *item), v) << name_of(c);
  }
}

TEST(compressing, with_dictionaries_reads_those_of_before) {
  const std::string old = codecs::compressing::dictionary_of(7, 1);
  const std::string current = codecs::compressing::dictionary_of(8, 2);
  const value_codec before = codec_of({.min_compress = 1, .zstd_dictionaries = {old}});
  const value_codec now = codec_of({.min_compress = 1, .zstd_dictionaries = {current, old}});
  std::mt19937 random(11);
  const value v =
      bytes(codecs::compressing::value_of(codecs::compressing::kind::text, 300, random));
  const stored item = pack(before, v).value();
  EXPECT_EQ(unpack(now, item), v);
  EXPECT_EQ(unpack(now, pack(now, v).value()), v);
  const auto unknown = unpack(before, pack(now, v).value());
  ASSERT_FALSE(unknown);
  EXPECT_EQ(code_of(unknown), errc::corrupt_value);
}

TEST(decompressing, stops_at_its_limit) {
  const value v = bytes(std::string(100'000, 'x'));
  for (const dialect d : every_dialect) {
    const stored item = pack(codec_of(d), v, "k", 1).value();
    if (item.flags == 0) continue;
    const auto got = unpack(codec_of({.dialect = d, .max_decompressed = 99'999}), item);
    ASSERT_FALSE(got) << name_of(d);
    EXPECT_EQ(code_of(got), errc::value_too_large) << name_of(d);
    EXPECT_EQ(got.error().item()->flags, item.flags);
    EXPECT_EQ(got.error().item()->bytes, item.bytes);
    EXPECT_EQ(unpack(codec_of({.dialect = d, .max_decompressed = 100'000}), item), v);
  }
}

// --- reading without copies
// ---------------------------------------------------------------------------

TEST(verbatim, is_what_unpack_hands_out_as_it_came) {
  for (const dialect d : every_dialect) {
    const value_codec codec = codec_of(d);
    EXPECT_TRUE(codec.is_verbatim(0)) << name_of(d);
    for (const std::uint32_t flags :
         {1U, 2U, 8U, 16U, 4096U, magic, magic | 1, magic | 0x10, magic | 0x100, magic | 0x200})
      EXPECT_FALSE(codec.is_verbatim(flags)) << name_of(d) << " " << flags;
    const std::string item = "some bytes";
    std::string storage = "untouched";
    const auto v = codec.unpack("k", 0, item, storage);
    ASSERT_TRUE(v);
    EXPECT_EQ(v->bytes.data(), item.data());
    EXPECT_EQ(v->bytes.size(), item.size());
    EXPECT_EQ(storage, "untouched");
  }
}

TEST(verbatim, text_and_numbers_borrow_from_the_item) {
  const value_codec codec;
  const std::string item = "12345";
  std::string storage;
  for (const std::uint32_t kind : {1U, 2U, 3U, 6U, 7U})
    EXPECT_EQ(codec.unpack("k", magic | kind, item, storage)->bytes.data(), item.data());
}

TEST(packing, borrows_what_it_does_not_change) {
  const std::string given = "some text, longer than a string holds in itself";
  value_codec::packed out;
  ASSERT_TRUE(value_codec().pack("k", {value_kind::text, given}, out));
  EXPECT_EQ(out.bytes.data(), given.data());
}

TEST(packing, into_what_was_packed_before_leaves_nothing_of_it) {
  const value_codec codec = codec_of({.dialect = dialect::python_memcached, .min_compress = 50});
  value_codec::packed out;
  ASSERT_TRUE(codec.pack("k", {value_kind::text, std::string(500, 'x')}, out));
  EXPECT_EQ(out.flags, 24U);
  ASSERT_TRUE(codec.pack("k", {value_kind::none, ""}, out));
  EXPECT_EQ(out.flags, 1U);
  EXPECT_EQ(out.bytes, "N.");
  ASSERT_TRUE(codec.pack("k", {value_kind::bytes, "b"}, out));
  EXPECT_EQ(out.flags, 0U);
  EXPECT_EQ(out.bytes, "b");
}

TEST(packing, survives_being_moved) {
  const value_codec codec = codec_of(dialect::python_memcached);
  for (const std::string& given : {std::string(), std::string(3, 'x'), std::string(300, 'x')}) {
    value_codec::packed own;  // a pickle, in the storage
    ASSERT_TRUE(codec.pack("k", {value_kind::json, "\"" + given + "\""}, own));
    const std::string expected(own.bytes);
    value_codec::packed moved = std::move(own);
    EXPECT_EQ(moved.bytes, expected);
    value_codec::packed again;
    again = std::move(moved);
    EXPECT_EQ(again.bytes, expected);
    EXPECT_EQ(again.flags, 1U);
    EXPECT_GE(again.bytes.data(), again.storage.data());
    EXPECT_LE(again.bytes.data(), again.storage.data() + again.storage.size());

    value_codec::packed borrowed;
    ASSERT_TRUE(codec.pack("k", {value_kind::bytes, given}, borrowed));
    const value_codec::packed elsewhere = std::move(borrowed);
    EXPECT_EQ(elsewhere.bytes.data(), given.data());
    EXPECT_EQ(elsewhere.bytes, given);
  }
}

// --- what is checked
// ---------------------------------------------------------------------------------

TEST(packing, refuses_bytes_that_are_not_of_their_kind) {
  const std::vector<value> wrong = {
      text_of("\xff"),
      text_of("\xed\xa0\x80"),  // a surrogate
      integer(""),
      integer("-"),
      integer("1x"),
      integer("0x10"),
      integer("1 2"),
      {value_kind::floating, ""},
      {value_kind::floating, "1.5 "},
      {value_kind::floating, "one"},
      {value_kind::boolean, ""},
      {value_kind::boolean, "2"},
      {value_kind::boolean, "true"},
      {value_kind::none, "x"},
  };
  for (const dialect d : every_dialect)
    for (const value& v : wrong) {
      const auto item = pack(codec_of(d), v);
      ASSERT_FALSE(item) << name_of(d) << " took " << name_of(v.kind) << " " << v.bytes;
      EXPECT_EQ(code_of(item), errc::wrong_type);
      EXPECT_FALSE(item.error().message().empty());
    }
}

TEST(packing, trims_integers) {
  for (const dialect d : every_dialect)
    EXPECT_EQ(pack(codec_of(d), integer(" 7  ")), pack(codec_of(d), integer("7")).value())
        << name_of(d);
}

void expect_corrupt(const value_codec& codec, std::uint32_t flags, const std::string& raw) {
  const auto got = unpack(codec, {flags, raw});
  ASSERT_FALSE(got) << flags << " " << raw;
  EXPECT_EQ(code_of(got), errc::corrupt_value) << flags << " " << raw;
  ASSERT_TRUE(got.error().item());
  EXPECT_EQ(got.error().item()->flags, flags);
  EXPECT_EQ(got.error().item()->bytes, raw);
  EXPECT_EQ(got.error().whose(), fault::value);
}

TEST(unpacking, refuses_bytes_that_are_not_what_the_flags_say) {
  const value_codec native;
  expect_corrupt(native, magic | 1, "\xff");
  expect_corrupt(native, magic | 2, "1x");
  expect_corrupt(native, magic | 2, "");
  expect_corrupt(native, magic | 2, "  ");
  expect_corrupt(native, magic | 3, "x");
  expect_corrupt(native, magic | 4, "2");
  expect_corrupt(native, magic | 4, "");
  expect_corrupt(native, magic | 5, "x");
  for (std::uint32_t how = 1; how <= 3; ++how) expect_corrupt(native, magic | how << 4, "xxxxxxx");
  for (const dialect d : {dialect::python_memcached, dialect::pymemcache, dialect::pylibmc}) {
    expect_corrupt(codec_of(d), 16, "\xc3(");
    expect_corrupt(codec_of(d), 2, "+5");
    expect_corrupt(codec_of(d), 4, "1_000");
    expect_corrupt(codec_of(d), 8, "not zlib");
    expect_corrupt(codec_of(d), 1, "not a pickle");
  }
  expect_corrupt(codec_of(dialect::libmc), 8, "5");
  expect_corrupt(codec_of(dialect::libmc), 32, "");
  expect_corrupt(codec_of(dialect::dalli), 2, "h\xc3\xa9 as string_fastpath had it in dalli 5.0.3");
  expect_corrupt(codec_of(dialect::dalli), 1, "");
}

TEST(unpacking, trims_what_the_server_padded) {
  EXPECT_EQ(unpack(value_codec(), {magic | 2, "9 "}), integer("9"));
  for (const dialect d : {dialect::python_memcached, dialect::cmemcache, dialect::pyermc,
                          dialect::pymemcache, dialect::pylibmc, dialect::libmc})
    EXPECT_EQ(unpack(codec_of(d), {4, "9  "}), integer("9")) << name_of(d);
}

TEST(unpacking, leaves_a_counter_without_flags_as_its_bytes) {
  for (const dialect d : every_dialect)
    EXPECT_EQ(unpack(codec_of(d), {0, "12 "}), bytes("12 ")) << name_of(d);
}

TEST(unpacking, refuses_an_item_that_stands_for_several) {
  for (const auto& [d, flags] : {std::pair(dialect::native, magic | 0x100),
                                 std::pair(dialect::libmc, std::uint32_t{4096})}) {
    const auto got = unpack(codec_of(d), {flags, "2"});
    ASSERT_FALSE(got);
    EXPECT_EQ(code_of(got), errc::wrong_type);
    EXPECT_EQ(got.error().item()->flags, flags);
  }
}

// --- opaque values
// -----------------------------------------------------------------------------------

const value code_to_run = {value_kind::pickle, "cos\nsystem\n(S'true'\ntR."};

TEST(opaque_values, are_read_as_plain_data) {
  const value_codec codec = codec_of(dialect::python_memcached);
  EXPECT_EQ(unpack(codec, {1, "I42\n."}), integer("42"));
  EXPECT_EQ(unpack(codec, {1, "Vx\np0\n."}), text_of("x"));
  EXPECT_EQ(unpack(codec, {1,
                           "\x80\x05]\x94(K\x01N"
                           "e."}),
            (value{value_kind::msgpack, "\x92\x01\xc0"}));
}

TEST(opaque_values, that_are_not_plain_data_are_of_a_wrong_type) {
  for (const dialect d : {dialect::python_memcached, dialect::pymemcache, dialect::libmc}) {
    const auto got = unpack(codec_of(d), {1, code_to_run.bytes});
    ASSERT_FALSE(got) << name_of(d);
    EXPECT_EQ(code_of(got), errc::wrong_type);
    EXPECT_EQ(got.error().item()->bytes, code_to_run.bytes);
  }
}

TEST(opaque_values, are_kept_when_asked) {
  const value_codec codec = codec_of({.dialect = dialect::pymemcache, .min_compress = 10});
  EXPECT_EQ(unpack(codec, {1, code_to_run.bytes}, "k", opaque_values::kept), code_to_run);
  const value large = {value_kind::pickle,
                       "\x80\x02X\xe8\x03\0\0" + std::string(1001, 'x') + "q\0."};
  const stored item = pack(codec, large).value();
  EXPECT_EQ(item.flags, 9U);
  EXPECT_EQ(unpack(codec, item, "k", opaque_values::kept), large);
  // What is not opaque is as ever.
  EXPECT_EQ(unpack(codec, {16, "t"}, "k", opaque_values::kept), text_of("t"));
  const auto zipped = unpack(codec, {9, "damaged"}, "k", opaque_values::kept);
  EXPECT_EQ(code_of(zipped), errc::corrupt_value);
}

TEST(opaque_values, that_are_not_plain_data_go_to_the_hook) {
  std::vector<value> seen;
  value_options options{.dialect = dialect::python_memcached};
  options.decode_opaque = [&seen](const value_view& v) -> result<value> {
    seen.push_back({v.kind, std::string(v.bytes)});
    return value{value_kind::text, "made of it"};
  };
  const value_codec codec = codec_of(options);
  EXPECT_EQ(unpack(codec, {1, "I42\n."}), integer("42"));
  EXPECT_EQ(code_of(unpack(codec, {1, "\x80\x05"})), errc::corrupt_value);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(unpack(codec, {1, code_to_run.bytes}), text_of("made of it"));
  EXPECT_EQ(seen, std::vector<value>{code_to_run});
  EXPECT_EQ(unpack(codec, {1, code_to_run.bytes}, "k", opaque_values::kept), code_to_run);
  EXPECT_EQ(seen.size(), 1U);
}

TEST(opaque_values, fail_with_the_hooks_error) {
  value_options options{.dialect = dialect::libmc};
  options.decode_opaque = [](const value_view&) -> result<value> {
    return std::unexpected(error(errc::not_supported, "no Python here"));
  };
  const auto got = unpack(codec_of(options), {1, code_to_run.bytes});
  ASSERT_FALSE(got);
  EXPECT_EQ(code_of(got), errc::not_supported);
  EXPECT_EQ(got.error().message(), "no Python here");
  EXPECT_EQ(got.error().item()->bytes, code_to_run.bytes);
}

TEST(opaque_values, are_bounded_by_max_decompressed) {
  // A pickle of a few bytes that would copy a text again and again.
  const value_codec codec = codec_of({.dialect = dialect::pymemcache, .max_decompressed = 1000});
  std::string copies = "\x80\x05(X\x64" + std::string(3, '\0') + std::string(100, 'x') + "\x94";
  for (int i = 0; i < 20; ++i) copies += std::string("h\0", 2);
  copies += "l.";
  const auto got = unpack(codec, {1, copies});
  ASSERT_FALSE(got);
  EXPECT_EQ(code_of(got), errc::corrupt_value);
  EXPECT_TRUE(unpack(codec_of(dialect::pymemcache), {1, copies}));
}

}  // namespace
}  // namespace memcxx::test
