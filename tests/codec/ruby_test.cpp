// Ruby's Marshal: what Ruby wrote, what Ruby would write, and what nobody did.
#include <cstdint>
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
using codecs::document;
using codecs::limits;
using codecs::list_node;
using codecs::text_node;

// `in` without the version that every value begins with.
result<document> read(std::string_view in, const limits& bounds = {}) {
  return codecs::read_ruby("\x04\x08" + std::string(in), bounds);
}

std::string written(const document& d) {
  std::string out;
  const auto ok = codecs::write_ruby(d, out);
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

// A count or index below 123.
std::string size(int n) { return std::string(1, static_cast<char>(n == 0 ? 0 : n + 5)); }

TEST(Ruby, reads_what_ruby_wrote) {
  const auto lines = golden_lines("ruby.txt");
  ASSERT_GT(lines.size(), 300U);
  for (const golden_line& line : lines) expect_as_recorded(line, codecs::read_ruby(line.bytes));
}

TEST(Ruby, writes_the_bytes_that_ruby_writes) {
  std::size_t compared = 0;
  for (const golden_line& line : golden_lines("ruby.txt")) {
    if (line.sign != '=') continue;
    const auto d = codecs::read_ruby(line.bytes);
    ASSERT_TRUE(d) << d.error().what();
    EXPECT_EQ(hexed(written(*d)), hexed(line.bytes));
    ++compared;
  }
  EXPECT_GT(compared, 300U);
}

TEST(Ruby, reads_back_what_it_wrote) {
  codecs::test::random_documents random(1, {.not_finite = false});
  for (int i = 0; i < 2000; ++i) {
    const document d = random.next();
    const auto back = codecs::read_ruby(written(d));
    ASSERT_TRUE(back) << back.error().what();
    ASSERT_EQ(nodes_of(*back), nodes_of(d));
  }
}

TEST(Ruby, survives_what_is_cut_off_or_damaged) {
  codecs::test::random_documents documents(2, {});
  std::mt19937 random(3);
  const auto reader = [](std::string_view in) { return codecs::read_ruby(in); };
  for (int i = 0; i < 60; ++i) expect_to_survive(reader, written(documents.next()), random);
  for (const golden_line& line : golden_lines("ruby.txt"))
    if (line.sign == '<') expect_to_survive(reader, line.bytes, random);
}

TEST(Ruby, names_the_byte_that_is_wrong) {
  const auto d = read(
      "[\x07"
      "0X");
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().message(), "ruby, byte 5: a type that Marshal does not have");
}

TEST(Ruby, says_which_class_it_does_not_read) {
  const auto class_of = [](std::string_view in) {
    const auto d = read(in);
    return d ? "read" : std::string(d.error().message());
  };
  EXPECT_EQ(class_of("o:\x09User\x00"s), "ruby, byte 2: an object of class User");
  EXPECT_EQ(class_of("[\x07:\x09UserI;\x00"s),
            "ruby, byte 10: instance variables of what has none");
  EXPECT_EQ(class_of("[\x07:\x09Usero;\x00\x00"s), "ruby, byte 10: an object of class User");
  EXPECT_EQ(class_of("u:\x0a"
                     "A\nB\xff\x01"),
            "ruby, byte 2: an object of class A?B??");
}

TEST(Ruby, reads_its_version_only) {
  EXPECT_TRUE(
      codecs::read_ruby("\x04\x08"
                        "0"));
  EXPECT_TRUE(
      codecs::read_ruby("\x04\x07"
                        "0"));
  EXPECT_EQ(codecs::read_ruby("\x04\x09"
                              "0")
                .error(),
            errc::corrupt_value);
  EXPECT_EQ(codecs::read_ruby("\x03\x08"
                              "0")
                .error(),
            errc::corrupt_value);
  EXPECT_EQ(codecs::read_ruby("").error(), errc::corrupt_value);
  EXPECT_EQ(refusal("00"), errc::corrupt_value);
}

TEST(Ruby, reads_numbers_of_every_width) {
  EXPECT_EQ(nodes("i\x00"s), "i0");
  EXPECT_EQ(nodes("i\x06"), "i1");
  EXPECT_EQ(nodes("i\x7f"), "i122");
  EXPECT_EQ(nodes("i\xfa"), "i-1");
  EXPECT_EQ(nodes("i\x80"), "i-123");
  EXPECT_EQ(nodes("i\x01\x7b"), "i123");
  EXPECT_EQ(nodes("i\x02\x00\x01"s), "i256");
  EXPECT_EQ(nodes("i\xff\x84"), "i-124");
  EXPECT_EQ(nodes("i\xfe\xff\xfe"), "i-257");
  EXPECT_EQ(nodes("i\x04\xff\xff\xff\x3f"), "i1073741823");
  EXPECT_EQ(nodes("i\xfc\x00\x00\x00\xc0"s), "i-1073741824");
  EXPECT_EQ(nodes("i\x04\x05\x00\x00\x00"s), "i5");  // longer than Ruby writes it
  EXPECT_EQ(nodes("l+\x06\x05\x00"s), "i5");
  EXPECT_EQ(nodes("l-\x09\x00\x00\x00\x00\x00\x00\x00\x80"s), "i-9223372036854775808");
  EXPECT_EQ(nodes("l+\x00"s), "i0");
  EXPECT_EQ(refusal("l*\x06\x05\x00"s), errc::corrupt_value);
}

TEST(Ruby, does_not_believe_counts) {
  for (const std::string type : {"[", "{", "}", "\"", "I\"", ":", "f", "l+", "I:"}) {
    EXPECT_EQ(refusal(type + "\x04\xff\xff\xff\x7f"), errc::corrupt_value) << type;
    EXPECT_EQ(refusal(type + "\xfa"), errc::corrupt_value) << type;  // -1
    EXPECT_EQ(refusal(type + "\xfc\x00\x00\x00\x80"s), errc::corrupt_value) << type;
  }
  std::string nested;
  for (int i = 0; i < 50; ++i) nested += "[\x04\xff\xff\xff\x7f";
  EXPECT_EQ(refusal(nested), errc::corrupt_value);
}

TEST(Ruby, nests_as_deep_as_the_limit_and_no_deeper) {
  const auto arrays = [](int depth) {
    std::string out;
    for (int i = 0; i < depth; ++i) out += "[" + size(1);
    return out + "0";
  };
  EXPECT_EQ(refusal(arrays(100)), errc::ok);
  EXPECT_EQ(refusal(arrays(101)), errc::corrupt_value);
  EXPECT_EQ(refusal(arrays(1'000'000)), errc::corrupt_value);
  EXPECT_EQ(refusal(arrays(3), {.depth = 2}), errc::corrupt_value);
  // What a link means is as deep as the link.
  const std::string outer = "[" + size(2) + "[" + size(1) + "[" + size(0);
  EXPECT_EQ(refusal(outer + "@" + size(1), {.depth = 3}), errc::ok);
  EXPECT_EQ(refusal(outer + "[" + size(1) + "@" + size(1), {.depth = 3}), errc::corrupt_value);
  std::string strings;
  for (int i = 0; i < 100'000; ++i)
    strings += "I\"" + size(0) + size(1) + ":" + size(8) + "encoding";
  EXPECT_EQ(refusal(strings), errc::corrupt_value);
}

TEST(Ruby, counts_what_links_make_of_a_few_bytes) {
  // [[[x, x], [x, x]], ...]: each array is twice the one within. They are numbered from outside.
  std::string bomb;
  for (int level = 0; level < 60; ++level) bomb += "[" + size(2);
  bomb += "f" + size(1) + "7";
  for (int level = 60; level > 0; --level) bomb += "@" + size(level);
  EXPECT_EQ(refusal(bomb, {.nodes = 100'000}), errc::corrupt_value);

  std::string copies = "[\x02\xe9\x03\"\x02\x10\x27" + std::string(10'000, 'x');
  for (int i = 0; i < 1000; ++i) copies += "@" + size(1);
  EXPECT_EQ(refusal(copies), errc::ok);
  EXPECT_EQ(refusal(copies, {.bytes = 1'000'000}), errc::corrupt_value);
  EXPECT_EQ(refusal(copies, {.nodes = 1000}), errc::corrupt_value);

  std::string symbols = "[\x02\xe9\x03:\x02\x10\x27" + std::string(10'000, 'x');
  for (int i = 0; i < 1000; ++i) symbols += ";" + size(0);
  EXPECT_EQ(refusal(symbols), errc::ok);
  EXPECT_EQ(refusal(symbols, {.bytes = 1'000'000}), errc::corrupt_value);
}

TEST(Ruby, reads_links_as_copies) {
  EXPECT_EQ(nodes("[\x07[\x06i\x06@\x06"), "[[i1],[i1]]");
  EXPECT_EQ(nodes("[\x08[\x07[\x06i\x06@\x07@\x06@\x07"), "[[[i1],[i1]],[[i1],[i1]],[i1]]");
  EXPECT_EQ(refusal("@\x00"s), errc::corrupt_value);
  EXPECT_EQ(refusal("[\x06@\x06"), errc::corrupt_value);
  EXPECT_EQ(refusal(";\x00"s), errc::corrupt_value);
  EXPECT_EQ(refusal("[\x06@\xfa"), errc::corrupt_value);
}

TEST(Ruby, refuses_what_contains_itself) {
  EXPECT_EQ(refusal("[\x06@\x00"s), errc::wrong_type);
  EXPECT_EQ(refusal("{\x06"
                    "0@\x00"s),
            errc::wrong_type);
  EXPECT_EQ(refusal("}\x00@\x00"s), errc::wrong_type);
  EXPECT_EQ(refusal("[\x06[\x06@\x00"s), errc::wrong_type);
}

// Only what says that it is UTF-8 or ASCII, and is, is text.
TEST(Ruby, reads_strings_by_their_encoding) {
  EXPECT_EQ(nodes("\"\x06x"), "b78");
  EXPECT_EQ(nodes("I\"\x06x\x06:\x06"
                  "ET"),
            "t78");
  EXPECT_EQ(nodes("I\"\x06x\x06:\x06"
                  "EF"),
            "t78");
  EXPECT_EQ(nodes("I\"\x06\xff\x06:\x06"
                  "ET"),
            "bff");
  EXPECT_EQ(nodes("I\"\x06\xff\x06:\x06"
                  "EF"),
            "bff");
  EXPECT_EQ(nodes("I\"\x07\xc3\xa9\x06:\x06"
                  "EF"),
            "bc3a9");
  EXPECT_EQ(nodes("I\"\x06x\x00"s), "b78");
  EXPECT_EQ(nodes("I\"\x06x\x06:\rencoding\"\x0eShift_JIS"), "b78");
  EXPECT_EQ(refusal("I\"\x06x\x06:\x06"
                    "E0"),
            errc::corrupt_value);
  EXPECT_EQ(refusal("I\"\x06x\x06:\x06@i\x06"), errc::wrong_type);
  EXPECT_EQ(refusal("I\"\x06x\x07:\x06"
                    "ET:\x07@ai\x06"),
            errc::wrong_type);
  EXPECT_EQ(refusal("I\"\x06x\x06:\rencoding0"), errc::corrupt_value);
  EXPECT_EQ(refusal("I\"\x06x\x06:\rencoding@\x07"), errc::corrupt_value);
  EXPECT_EQ(refusal("I\"\x06x\x06\"\x06x"), errc::corrupt_value);
}

TEST(Ruby, reads_symbols_as_text) {
  EXPECT_EQ(nodes("[\x07:\x06x;\x00"s), "[t78,t78]");
  EXPECT_EQ(nodes("[\x07I:\x07\xc3\xa9\x06:\x06"
                  "ET;\x00"s),
            "[tc3a9,tc3a9]");
  EXPECT_EQ(nodes("[\x07:\x07\xc3\xa9;\x00"s), "[bc3a9,bc3a9]");
  // The symbol is numbered before the name of its encoding.
  EXPECT_EQ(nodes("[\x08I:\x07\xc3\xa9\x06:\x06"
                  "ET;\x06;\x00"s),
            "[tc3a9,t45,tc3a9]");
}

TEST(Ruby, leaves_a_hashs_default_out) {
  EXPECT_EQ(nodes("[\x07}\x06i\x06i\x07\"\x06x@\x07"), "[{i1:i2},b78]");
  EXPECT_EQ(refusal("}\x06i\x06i\x07"), errc::corrupt_value);
}

TEST(Ruby, reads_floats_only_when_they_are_numbers) {
  EXPECT_EQ(nodes("f\x08"
                  "1.5"),
            "f3ff8000000000000");
  EXPECT_EQ(nodes("f\x07-0"), "f8000000000000000");
  for (const std::string& text :
       std::initializer_list<std::string>{"", " 1", "1 ", "1x", "0x1p3", "infinity", "1e999",
                                          "1.e5", ".5", "1E5", "+1", "1e+5", "1\0"s})
    EXPECT_EQ(refusal("f" + size(static_cast<int>(text.size())) + text), errc::corrupt_value)
        << text;
}

TEST(Ruby, links_equal_floats_as_ruby_does) {
  EXPECT_EQ(written({list_node{{1.5}, {1.5}}}),
            "\x04\x08[\x07"
            "f\x08"
            "1.5@\x06");
  EXPECT_EQ(written({list_node{{-0.0}, {-0.0}}}),
            "\x04\x08[\x07"
            "f\x07-0f\x07-0");
}

TEST(Ruby, writes_nothing_when_it_cannot_write_all) {
  std::string out = "before";
  for (const document& d : {document{text_node{"\xff"}}, document{big_integer{"+5"}},
                            document{list_node{{}, {big_integer{std::string(5000, '9')}}}}}) {
    const auto refused = codecs::write_ruby(d, out);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::wrong_type);
    EXPECT_EQ(out, "before");
  }
}

TEST(Ruby, does_not_write_without_an_end) {
  std::string out;
  EXPECT_EQ(codecs::write_ruby(lists_in_lists(1500), out).error(), errc::wrong_type);
}

TEST(Ruby, writes_lengths_of_every_width) {
  for (const std::size_t length : {122U, 123U, 255U, 256U, 65535U, 65536U, 16777215U, 16777216U}) {
    const document d{codecs::bytes_node{std::string(length, 'x')}};
    const auto back = codecs::read_ruby(written(d));
    ASSERT_TRUE(back) << length;
    EXPECT_TRUE(*back == d) << length;
  }
}

}  // namespace
}  // namespace memcxx::test
