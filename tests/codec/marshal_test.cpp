// Python's marshal: what Python wrote, what Python would write, and what nobody did.
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <string_view>

#include "binary_formats.hpp"
#include "documents.hpp"

namespace memcxx::test {
namespace {

using namespace std::string_literals;
using codecs::big_integer;
using codecs::bytes_node;
using codecs::document;
using codecs::limits;
using codecs::list_node;
using codecs::map_node;
using codecs::text_node;

result<document> read(std::string_view in, const limits& bounds = {}) {
  return codecs::read_marshal(in, bounds);
}

std::string written(const document& d) {
  std::string out;
  const auto ok = codecs::write_marshal(d, out);
  EXPECT_TRUE(ok) << ok.error().what();
  return out;
}

std::string nodes(std::string_view in) {
  const auto d = read(in);
  return d ? nodes_of(*d) : d.error().what();
}

errc refusal(std::string_view in, const limits& bounds = {}) {
  const auto d = read(in, bounds);
  return d ? errc::ok : d.error().code();
}

std::string size(std::uint32_t n) {
  std::string out;
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(n >> shift & 0xff);
  return out;
}

TEST(Marshal, reads_what_every_python_wrote) {
  const auto lines = golden_lines("marshal.txt");
  ASSERT_GT(lines.size(), 400U);
  for (const golden_line& line : lines) expect_as_recorded(line, read(line.bytes));
}

TEST(Marshal, writes_the_bytes_that_python_writes) {
  std::size_t compared = 0;
  for (const golden_line& line : golden_lines("marshal.txt")) {
    if (line.sign != '=') continue;
    const auto d = read(line.bytes);
    ASSERT_TRUE(d) << d.error().what();
    EXPECT_EQ(hexed(written(*d)), hexed(line.bytes)) << line.version;
    ++compared;
  }
  EXPECT_GT(compared, 100U);
}

TEST(Marshal, reads_back_what_it_wrote) {
  codecs::test::random_documents random(1, {});
  for (int i = 0; i < 2000; ++i) {
    const document d = random.next();
    ASSERT_EQ(nodes(written(d)), nodes_of(d));
  }
}

TEST(Marshal, survives_what_is_cut_off_or_damaged) {
  codecs::test::random_documents documents(2, {});
  std::mt19937 random(3);
  const auto reader = [](std::string_view in) { return read(in); };
  for (int i = 0; i < 60; ++i) expect_to_survive(reader, written(documents.next()), random);
  for (const golden_line& line : golden_lines("marshal.txt"))
    if (line.sign == '<' && line.bytes.size() < 300) expect_to_survive(reader, line.bytes, random);
}

TEST(Marshal, names_the_byte_that_is_wrong) {
  const auto d = read("[\x02\0\0\0NX"s);
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().message(), "marshal, byte 6: a type that marshal does not have");
  const auto cut = read("[\x02\0\0\0Nu\x05\0\0\0ab"s);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().message(), "marshal, byte 11: cut off");
}

TEST(Marshal, refuses_what_follows_the_value) {
  EXPECT_EQ(refusal("NN"), errc::corrupt_value);
  EXPECT_EQ(refusal(""), errc::corrupt_value);
}

TEST(Marshal, refuses_an_end_where_no_dict_is) {
  EXPECT_EQ(refusal("0"), errc::corrupt_value);
  EXPECT_EQ(refusal("[\x01\0\0\0000"s), errc::corrupt_value);
  EXPECT_EQ(refusal("{N00"), errc::corrupt_value);  // a key without a value
}

TEST(Marshal, does_not_believe_counts) {
  for (const char type : "[(<>usatAl"s) {
    EXPECT_EQ(refusal(type + "\xff\xff\xff\x7f"s), errc::corrupt_value) << type;
    EXPECT_EQ(refusal(type + "\xff\xff\xff\xff"s), errc::corrupt_value) << type;
    EXPECT_EQ(refusal(type + "\x00\x00\x00\x80"s), errc::corrupt_value) << type;
  }
  std::string nested;
  for (int i = 0; i < 50; ++i) nested += "[" + size(0x7fffff00);
  EXPECT_EQ(refusal(nested), errc::corrupt_value);
}

TEST(Marshal, nests_as_deep_as_the_limit_and_no_deeper) {
  const auto lists = [](int depth) {
    std::string out;
    for (int i = 0; i < depth; ++i) out += "[" + size(1);
    return out + "N";
  };
  EXPECT_EQ(refusal(lists(100)), errc::ok);
  EXPECT_EQ(refusal(lists(101)), errc::corrupt_value);
  EXPECT_EQ(refusal(lists(1'000'000)), errc::corrupt_value);
  EXPECT_EQ(refusal(std::string(1'000'000, '{')), errc::corrupt_value);
  EXPECT_EQ(refusal(lists(3), {.depth = 2}), errc::corrupt_value);
}

TEST(Marshal, counts_what_references_make_of_a_few_bytes) {
  // [[[x, x], [x, x]], ...]: each list is twice the one within. They are numbered from outside.
  std::string bomb;
  for (int level = 0; level < 60; ++level) bomb += "\xdb" + size(2);
  bomb += "\xe9" + size(7);
  for (std::uint32_t level = 60; level > 0; --level) bomb += "r" + size(level);
  EXPECT_EQ(refusal(bomb, {.nodes = 100'000}), errc::corrupt_value);

  // A long text, many times.
  std::string copies = "\xdb" + size(1001) + "\xf3" + size(100'000) + std::string(100'000, 'x');
  for (int i = 0; i < 1000; ++i) copies += "r" + size(1);
  EXPECT_EQ(refusal(copies), errc::ok);
  EXPECT_EQ(refusal(copies, {.bytes = 10'000'000}), errc::corrupt_value);
  EXPECT_EQ(refusal(copies, {.nodes = 1000}), errc::corrupt_value);
}

TEST(Marshal, reads_references_as_copies) {
  const std::string list = "\xdb" + size(1) + "i" + size(7);
  EXPECT_EQ(nodes("[" + size(2) + list + "r" + size(0)), "[[i7],[i7]]");
  // A reference within what a reference means.
  const std::string outer = "\xdb" + size(2) + list + "r" + size(1);
  EXPECT_EQ(nodes("(" + size(3) + outer + "r" + size(0) + "r" + size(1)),
            "[[[i7],[i7]],[[i7],[i7]],[i7]]");
  EXPECT_EQ(refusal("r" + size(0)), errc::corrupt_value);
  EXPECT_EQ(refusal("[" + size(2) + list + "r" + size(1)), errc::corrupt_value);
}

TEST(Marshal, refuses_what_contains_itself) {
  EXPECT_EQ(refusal("\xdb" + size(1) + "r" + size(0)), errc::wrong_type);
  EXPECT_EQ(refusal("\xfbNr" + size(0) + "0"), errc::wrong_type);
  EXPECT_EQ(refusal("\xdb" + size(1) + "(" + size(1) + "r" + size(0)), errc::wrong_type);
}

TEST(Marshal, reads_the_names_of_python_2) {
  const std::string name = "t" + size(4) + "name";
  EXPECT_EQ(nodes("[" + size(3) + name + "R" + size(0) + "s" + size(1) + "x"),
            "[t6e616d65,t6e616d65,b78]");
  EXPECT_EQ(nodes("t" + size(1) + "\xff"), "bff");
  EXPECT_EQ(refusal("R" + size(0)), errc::corrupt_value);
}

TEST(Marshal, reads_text_only_when_it_is_utf8) {
  EXPECT_EQ(refusal("u" + size(1) + "\xff"), errc::corrupt_value);
  EXPECT_EQ(refusal("u" + size(3) + "\xed\xa0\x80"), errc::wrong_type);  // '\ud800'
  EXPECT_EQ(refusal("z\x01\xe9"), errc::corrupt_value);
}

TEST(Marshal, reads_integers_of_every_form) {
  EXPECT_EQ(nodes("i\xff\xff\xff\xff"), "i-1");
  EXPECT_EQ(nodes("I\0\0\0\0\0\0\0\x80"s), "i-9223372036854775808");
  EXPECT_EQ(nodes("l" + size(0)), "i0");
  EXPECT_EQ(nodes("l" + size(1) + "\x05\0"s), "i5");
  EXPECT_EQ(nodes("l" + size(static_cast<std::uint32_t>(-1)) + "\x05\0"s), "i-5");
  EXPECT_EQ(refusal("l" + size(1) + "\0\0"s), errc::corrupt_value);            // a zero on top
  EXPECT_EQ(refusal("l" + size(2) + "\xff\xff\x01\0"s), errc::corrupt_value);  // 16 bits in one
}

TEST(Marshal, bounds_the_time_that_long_integers_take) {
  // Each is of 4290 digits, which take longer to make than 4290 bytes to copy, and are counted so.
  std::string longest = "\xdb" + size(1001) + "\xec" + size(950);
  for (int i = 0; i < 950; ++i) longest += "\xff\x7f";
  for (int i = 0; i < 1000; ++i) longest += "r" + size(1);
  EXPECT_EQ(refusal(longest, {.bytes = 1000 * 10'000}), errc::corrupt_value);
  const std::string huge = "l" + size(5'000'000) + std::string(10'000'000, '\x01');
  EXPECT_EQ(refusal(huge), errc::corrupt_value);
}

TEST(Marshal, reads_floats_as_text_only_when_they_are_numbers) {
  EXPECT_EQ(nodes("f\x03"s + "1.5"), "f3ff8000000000000");
  EXPECT_EQ(nodes("f\x04"s + "-inf"), "ffff0000000000000");
  for (const std::string text : {"", " 1", "1 ", "1x", "0x1p3", "infinity", "1e999"})
    EXPECT_EQ(refusal("f" + std::string(1, static_cast<char>(text.size())) + text),
              errc::corrupt_value)
        << text;
}

TEST(Marshal, writes_keys_that_python_can_read) {
  const document key{list_node{{std::int64_t{1}}, {list_node{}}}};
  EXPECT_EQ(written({map_node{{key, {}}}}), "{(" + size(2) + "i" + size(1) + "(" + size(0) + "N0");
  std::string out = "before";
  const auto refused = codecs::write_marshal({map_node{{{map_node{}}, {}}}}, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), errc::wrong_type);
  EXPECT_EQ(out, "before");
}

TEST(Marshal, writes_no_text_that_is_not_utf8) {
  std::string out;
  EXPECT_EQ(codecs::write_marshal({text_node{"\xff"}}, out).error(), errc::wrong_type);
  EXPECT_EQ(codecs::write_marshal({text_node{"\xed\xa0\x80"}}, out).error(), errc::wrong_type);
  EXPECT_EQ(out, "");
}

TEST(Marshal, writes_integers_by_their_value_and_not_their_node) {
  EXPECT_EQ(written({big_integer{"5"}}), "i" + size(5));
  EXPECT_EQ(written({std::uint64_t{5}}), "i" + size(5));
  EXPECT_EQ(written({big_integer{"-2147483648"}}), "i" + size(0x80000000));
  std::string out;
  for (const char* digits : {"", "-", "+5", "5 ", "0x5", "1.5"})
    EXPECT_EQ(codecs::write_marshal({big_integer{digits}}, out).error(), errc::wrong_type);
  EXPECT_EQ(codecs::write_marshal({big_integer{std::string(5000, '9')}}, out).error(),
            errc::wrong_type);
}

TEST(Marshal, does_not_write_without_an_end) {
  std::string out;
  EXPECT_EQ(codecs::write_marshal(lists_in_lists(1500), out).error(), errc::wrong_type);
}

}  // namespace
}  // namespace memcxx::test
