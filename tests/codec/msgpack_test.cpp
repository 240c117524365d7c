// MessagePack: byte for byte what msgpack-cxx packs, and hostile input.
// Never here: C++ types.
#include <bit>
#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

#include "documents.hpp"

namespace memcxx::codecs {
namespace {

using namespace std::string_literals;
using namespace test;

std::string written(const document& d) {
  std::string out;
  const auto ok = write_msgpack(d, out);
  EXPECT_TRUE(ok) << ok.error();
  return out;
}

document read(std::string_view in) {
  auto d = read_msgpack(in);
  EXPECT_TRUE(d) << d.error();
  return d ? *std::move(d) : document{};
}

using packer = msgpack::packer<msgpack::sbuffer>;

void pack(const document& d, packer& to, msgpack::sbuffer& out) {
  struct visitor {
    packer& p;
    msgpack::sbuffer& raw;
    void operator()(std::monostate) const { p.pack_nil(); }
    void operator()(bool b) const { p.pack(b); }
    void operator()(std::int64_t n) const { p.pack_int64(n); }
    void operator()(std::uint64_t n) const { p.pack_uint64(n); }
    void operator()(const big_integer&) const { FAIL(); }
    // msgpack-cxx would make integers of those that are whole numbers.
    void operator()(double x) const {
      std::string bytes = "\xcb";
      for (unsigned shift = 64; shift > 0; shift -= 8) {
        bytes += static_cast<char>(std::bit_cast<std::uint64_t>(x) >> (shift - 8) & 0xff);
      }
      raw.write(bytes.data(), bytes.size());
    }
    void operator()(const text_node& t) const {
      p.pack_str(static_cast<std::uint32_t>(t.utf8.size()));
      p.pack_str_body(t.utf8.data(), static_cast<std::uint32_t>(t.utf8.size()));
    }
    void operator()(const bytes_node& b) const {
      p.pack_bin(static_cast<std::uint32_t>(b.bytes.size()));
      p.pack_bin_body(b.bytes.data(), static_cast<std::uint32_t>(b.bytes.size()));
    }
    void operator()(const list_node& l) const {
      p.pack_array(static_cast<std::uint32_t>(l.size()));
      for (const document& x : l) pack(x, p, raw);
    }
    void operator()(const map_node& m) const {
      p.pack_map(static_cast<std::uint32_t>(m.size()));
      for (const auto& [k, v] : m) {
        pack(k, p, raw);
        pack(v, p, raw);
      }
    }
  };
  std::visit(visitor{to, out}, d.is);
}

std::string packed(const document& d) {
  msgpack::sbuffer out;
  packer p(out);
  pack(d, p, out);
  return {out.data(), out.size()};
}

TEST(msgpack, is_written_as_msgpack_cxx_packs_it_and_read_back) {
  random_documents some(1, {.big_integers = false, .container_keys = true});
  for (int i = 0; i < 2000; ++i) {
    const document d = some.next();
    const std::string bytes = written(d);
    ASSERT_EQ(bytes, packed(d)) << testing::PrintToString(d);
    ASSERT_EQ(read(bytes), d);
  }
}

TEST(msgpack, every_size_has_its_head) {
  for (const std::size_t size : {0u, 1u, 15u, 16u, 31u, 32u, 255u, 256u, 65535u, 65536u, 70000u}) {
    document many = list();
    std::get<list_node>(many.is).resize(size);
    document pairs = map();
    std::get<map_node>(pairs.is).resize(size);
    for (const document& d :
         {txt(std::string(size, 'a')), byt(std::string(size, 'a')), many, pairs}) {
      const std::string bytes = written(d);
      ASSERT_EQ(bytes, packed(d)) << size;
      ASSERT_EQ(read(bytes), d) << size;
    }
  }
}

TEST(msgpack, every_width_of_integer_is_written_as_short_as_can_be) {
  std::vector<std::int64_t> numbers = {INT64_MIN, INT64_MIN + 1, INT64_MAX};
  for (int bits = 0; bits < 63; ++bits) {
    const std::int64_t power = std::int64_t{1} << bits;
    for (const std::int64_t n : {power, -power}) {
      for (const std::int64_t offset : {-1, 0, 1}) numbers.push_back(n + offset);
    }
  }
  for (const std::int64_t n : numbers) {
    ASSERT_EQ(written(integer(n)), packed(integer(n))) << n;
    ASSERT_EQ(read(written(integer(n))), integer(n)) << n;
  }
  EXPECT_EQ(written(natural(UINT64_MAX)), "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
}

TEST(msgpack, longer_forms_are_read_as_well) {
  EXPECT_EQ(read("\xd3\0\0\0\0\0\0\0\1"s), integer(1));
  EXPECT_EQ(read("\xcf\0\0\0\0\0\0\0\1"s), integer(1));
  EXPECT_EQ(read("\xcf\x80\0\0\0\0\0\0\0"s), natural(std::uint64_t{1} << 63));
  EXPECT_EQ(read("\xd0\xff"), integer(-1));
  EXPECT_EQ(read("\xd1\xff\xff"), integer(-1));
  EXPECT_EQ(read("\xd2\x80\0\0\0"s), integer(INT32_MIN));
  EXPECT_EQ(read("\xca\x3f\xc0\0\0"s), floating(1.5));
  EXPECT_EQ(read("\xdb\0\0\0\1a"s), txt("a"));
  EXPECT_EQ(read("\xdd\0\0\0\1\xc0"s), list({none()}));
  EXPECT_EQ(read("\xdf\0\0\0\1\xc0\xc3"s), map({{none(), truth(true)}}));
}

TEST(msgpack, a_str_that_is_no_utf8_is_bytes) {
  EXPECT_EQ(read("\xa2\xff\xfe"), byt("\xff\xfe"));
  EXPECT_EQ(read("\xd9\x03\xed\xa0\x80"), byt("\xed\xa0\x80"));
}

TEST(msgpack, keys_stay_in_order_and_may_come_twice) {
  EXPECT_EQ(read("\x83\xa1"
                 "b\x01\xa1"
                 "a\x02\xa1"
                 "b\x03"),
            map({{txt("b"), integer(1)}, {txt("a"), integer(2)}, {txt("b"), integer(3)}}));
}

TEST(msgpack, extensions_are_of_a_wrong_type) {
  for (const std::string& in :
       {"\xd4\x01\x02"s, "\xd5\x01\x02\x03"s, "\xd6\xff\1\2\3\4"s, "\xd7\x01\1\2\3\4\5\6\7\x08"s,
        "\xd8\1"s + std::string(16, 'x'), "\xc7\0\1"s, "\xc8\0\1\1x"s, "\xc9\0\0\0\1\1x"s}) {
    expect_error(read_msgpack(in), errc::wrong_type, "byte 0: an extension type");
    expect_error(read_msgpack("\x92\x01" + in), errc::wrong_type, "byte 2");
    expect_error(read_msgpack(in + "\xc0"), errc::corrupt_value);
  }
}

TEST(msgpack, what_it_cannot_hold_is_of_a_wrong_type) {
  std::string out;
  expect_error(write_msgpack(big(std::string(25, '1')), out), errc::wrong_type, "64 bits");
  expect_error(write_msgpack(map({{txt("\xff"), none()}}), out), errc::wrong_type, "not UTF-8");
}

// --- hostile -------------------------------------------------------------------------------------

TEST(msgpack, is_corrupt_when_it_is_cut_off_anywhere_or_longer) {
  random_documents some(2, {.big_integers = false, .container_keys = true});
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = written(some.next(3));
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      ASSERT_TRUE(read_msgpack(bytes.substr(0, n)).error() == errc::corrupt_value);
    }
    expect_error(read_msgpack(bytes + "\xc0"), errc::corrupt_value,
                 "byte " + std::to_string(bytes.size()) + ": more bytes after the value");
  }
}

TEST(msgpack, with_any_byte_changed_is_an_error_or_another_document) {
  random_documents some(3, {.big_integers = false, .container_keys = true});
  for (int i = 0; i < 40; ++i) {
    std::string bytes = written(some.next(3));
    if (bytes.size() > 400) continue;
    for (char& c : bytes) {
      const char before = c;
      for (const int flipped : changes) {
        c = static_cast<char>(before ^ flipped);
        const auto d = read_msgpack(bytes);
        if (d) {
          ASSERT_EQ(read(written(*d)), *d);
        } else {
          ASSERT_TRUE(d.error() == errc::corrupt_value || d.error() == errc::wrong_type);
        }
      }
      c = before;
    }
  }
}

TEST(msgpack, a_size_that_the_input_does_not_have_is_refused_before_it_costs_anything) {
  for (const std::string& in :
       {"\xc6\xff\xff\xff\xff"s, "\xdb\xff\xff\xff\xff"s, "\xdd\xff\xff\xff\xff"s,
        "\xdf\xff\xff\xff\xff"s, "\xc9\xff\xff\xff\xff\1"s, "\xdd\xff\xff\xff\xff\xc0"s,
        "\xdc\xff\xff"s, "\xde\xff\xff"s, "\xdf\x80\0\0\0"s}) {
    expect_error(read_msgpack(in), errc::corrupt_value, "byte 0: cut off");
  }
  // Each list says that it has as many elements as there are bytes left: one of them lies.
  std::string lists;
  for (int i = 0; i < 20'000; ++i) lists += "\xdd\0\1\x86\0"s;
  expect_error(read_msgpack(lists), errc::corrupt_value, "byte 5: cut off");
}

TEST(msgpack, the_byte_that_begins_nothing) {
  expect_error(read_msgpack("\xc1"), errc::corrupt_value, "msgpack, byte 0: ");
  expect_error(read_msgpack("\x92\x01\xc1"), errc::corrupt_value, "msgpack, byte 2: ");
}

TEST(msgpack, depth_is_bounded) {
  for (const char open : {'\x91', '\x81'}) {
    // A map within a map is its first key.
    const auto nested_in = [open](std::size_t n) {
      return std::string(n, open) + "\xc0" + std::string(open == '\x81' ? n : 0, '\xc0');
    };
    EXPECT_TRUE(read_msgpack(nested_in(100)));
    expect_error(read_msgpack(nested_in(101)), errc::corrupt_value, "byte 100: nested too deeply");
    expect_error(read_msgpack(std::string(1'000'000, open)), errc::corrupt_value);
    EXPECT_TRUE(read_msgpack(nested_in(3), {.depth = 3}));
    EXPECT_FALSE(read_msgpack(nested_in(4), {.depth = 3}));
  }
}

TEST(msgpack, nodes_and_bytes_are_bounded) {
  EXPECT_TRUE(read_msgpack("\x93\x01\x02\x03", {.nodes = 4}));
  expect_error(read_msgpack("\x93\x01\x02\x03", {.nodes = 3}), errc::corrupt_value, "byte 3: more");
  EXPECT_TRUE(
      read_msgpack("\x92\xa2"
                   "ab\xc4\x01"
                   "c",
                   {.bytes = 3}));
  expect_error(read_msgpack("\x92\xa2"
                            "ab\xc4\x01"
                            "c",
                            {.bytes = 2}),
               errc::corrupt_value, "byte 4: more bytes");
}

}  // namespace
}  // namespace memcxx::codecs
