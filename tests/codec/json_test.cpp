// JSON: what nlohmann-json and Python make of the same text, and hostile input.
// Never here: C++ types.
#include <cmath>
#include <nlohmann/json.hpp>

#include "documents.hpp"

namespace memcxx::codecs {
namespace {

using namespace std::string_literals;
using namespace test;

std::string written(const document& d) {
  std::string out;
  const auto ok = write_json(d, out);
  EXPECT_TRUE(ok) << ok.error();
  return out;
}

document read(std::string_view in) {
  auto d = read_json(in);
  EXPECT_TRUE(d) << d.error() << " in " << in;
  return d ? *std::move(d) : document{};
}

constexpr shape of_json = {
    .big_integers = true, .bytes = false, .not_finite = false, .only_text_keys = true};

TEST(json, is_read_back_as_it_was_written) {
  random_documents some(1, of_json);
  for (int i = 0; i < 2000; ++i) {
    const document d = some.next();
    ASSERT_EQ(read(written(d)), d) << written(d);
  }
}

TEST(json, means_to_another_reader_what_it_means_here) {
  shape shape_of_nlohmann = of_json;
  shape_of_nlohmann.big_integers = false;
  random_documents some(2, shape_of_nlohmann);
  for (int i = 0; i < 2000; ++i) {
    const document d = some.next();
    const auto other = nlohmann::ordered_json::parse(written(d));
    ASSERT_EQ(read(other.dump()), d);
    ASSERT_EQ(read(other.dump(2, ' ', true)), d);
  }
}

// Both columns by json.dumps and json.loads of CPython 3.11, without blanks and with ensure_ascii
// off on the right.
TEST(json, means_what_it_means_to_python) {
  const std::vector<std::pair<std::string_view, std::string_view>> known = {
      {"null", "null"},
      {" [ true , false ] ", "[true,false]"},
      {"0", "0"},
      {"-0", "0"},
      {"-0.0", "-0.0"},
      {"1.0", "1.0"},
      {"1e2", "100.0"},
      {"1E+2", "100.0"},
      {"1e16", "1e+16"},
      {"0.00001", "1e-05"},
      {"1e-400", "0.0"},
      {"-1e-400", "-0.0"},
      {"5e-324", "5e-324"},
      {"3e-324", "5e-324"},
      {"0.1000000000000000055511151231257827", "0.1"},
      {"9007199254740993.0", "9007199254740992.0"},
      {"1.00000000000000011102230246251565404", "1.0"},
      {"1.00000000000000011102230246251565405", "1.0000000000000002"},
      {"9223372036854775807", "9223372036854775807"},
      {"9223372036854775808", "9223372036854775808"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"-9223372036854775809", "-9223372036854775809"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "18446744073709551616"},
      {"\"\\u0061\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "\"a/\\b\\f\\n\\r\\t\\\"\\\\\""},
      {"\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7f\""},
      {"\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
      {"{\"b\":1,\"a\":{\"\":[]}}", "{\"b\":1,\"a\":{\"\":[]}}"},
      {"{}", "{}"},
  };
  for (const auto& [in, out] : known) EXPECT_EQ(written(read(in)), out) << in;
}

TEST(json, integers_keep_their_digits_however_long) {
  for (const std::size_t size : {20u, 21u, 309u, 310u, 617u, 4300u}) {
    const std::string digits = std::string(size - 1, '9') + "1";
    EXPECT_EQ(read(digits), big(digits));
    EXPECT_EQ(read("[-" + digits + "]"), list({big("-" + digits)}));
    EXPECT_EQ(written(big(digits)), digits);
  }
  expect_error(read_json(std::string(4301, '1')), errc::corrupt_value, "too many digits");
  expect_error(read_json(std::string(1'000'000, '1')), errc::corrupt_value, "JSON, byte");
  EXPECT_EQ(read("18446744073709551615"), natural(UINT64_MAX));
  EXPECT_EQ(read("9223372036854775807"), integer(INT64_MAX));
  EXPECT_EQ(read("18446744073709551616.0"), floating(18446744073709551616.0));
}

TEST(json, keys_keep_their_order_and_may_come_twice) {
  const document d = read(R"({"z":1,"a":2,"z":3})");
  EXPECT_EQ(d, map({{txt("z"), integer(1)}, {txt("a"), integer(2)}, {txt("z"), integer(3)}}));
  EXPECT_EQ(written(d), R"({"z":1,"a":2,"z":3})");
}

// As json.dumps does.
TEST(json, keys_that_are_scalars_become_text) {
  EXPECT_EQ(written(map({{integer(-1), none()},
                         {floating(1.5), none()},
                         {truth(true), none()},
                         {none(), none()},
                         {byt("b"), none()},
                         {natural(UINT64_MAX), none()},
                         {big("100000000000000000000"), none()}})),
            R"({"-1":null,"1.5":null,"true":null,"null":null,"b":null,)"
            R"("18446744073709551615":null,"100000000000000000000":null})");
}

TEST(json, keys_that_would_become_one_are_of_a_wrong_type) {
  std::string out;
  for (const map_node& m : {map_node{{integer(1), none()}, {txt("1"), none()}},
                            map_node{{byt("a"), none()}, {integer(2), none()}, {txt("a"), none()}},
                            map_node{{txt("null"), none()}, {none(), none()}}}) {
    expect_error(write_json(map(m), out), errc::wrong_type, "two keys");
    EXPECT_EQ(out, "");
  }
}

TEST(json, what_it_cannot_hold_is_of_a_wrong_type) {
  std::string out;
  expect_error(write_json(floating(NAN), out), errc::wrong_type, "nan");
  expect_error(write_json(list({floating(-HUGE_VAL)}), out), errc::wrong_type, "-inf");
  expect_error(write_json(byt("\xff"), out), errc::wrong_type, "bytes that are not UTF-8");
  expect_error(write_json(txt("\xed\xa0\x80"), out), errc::wrong_type, "text that is not UTF-8");
  expect_error(write_json(map({{list(), none()}}), out), errc::wrong_type, "key");
  expect_error(write_json(map({{map(), none()}}), out), errc::wrong_type, "key");
  expect_error(write_json(map({{floating(NAN), none()}}), out), errc::wrong_type, "nan");
  expect_error(write_json(map({{byt("\xff"), none()}}), out), errc::wrong_type, "UTF-8");
  expect_error(write_json(big("1e5"), out), errc::wrong_type);
  expect_error(write_json(big("1"), out), errc::wrong_type);
  EXPECT_EQ(written(byt("h\xc3\xa9")), "\"h\xc3\xa9\"");
}

// --- hostile -------------------------------------------------------------------------------------

TEST(json, what_is_no_json_is_corrupt) {
  for (const std::string& in : {""s,
                                " "s,
                                "nul"s,
                                "nulll"s,
                                "True"s,
                                "NaN"s,
                                "Infinity"s,
                                "-Infinity"s,
                                "01"s,
                                "-"s,
                                "+1"s,
                                ".5"s,
                                "1."s,
                                "1e"s,
                                "0x10"s,
                                "1_0"s,
                                "1e999"s,
                                "-1e999"s,
                                "'a'"s,
                                "\"a"s,
                                "\"\n\""s,
                                "\"\\x\""s,
                                "\"\\u12\""s,
                                "\"\\ud800\""s,
                                "\"\xff\""s,
                                "\"\xc0\x80\""s,
                                "\"\xed\xa0\x80\""s,
                                "[1,]"s,
                                "[1 2]"s,
                                "[,]"s,
                                "{\"a\"}"s,
                                "{\"a\":}"s,
                                "{a:1}"s,
                                "{1:2}"s,
                                "{\"a\":1,}"s,
                                "]"s,
                                "[1]]"s,
                                "1 2"s,
                                "{} x"s,
                                "\"a\" //c"s,
                                "/**/1"s,
                                "\0"s,
                                "1\0"s,
                                "\"a\0\""s,
                                "[[[[["s,
                                "{\"a\":{"s}) {
    SCOPED_TRACE(testing::PrintToString(in));
    expect_error(read_json(in), errc::corrupt_value, "JSON, byte ");
  }
}

TEST(json, errors_say_what_and_where) {
  expect_error(read_json("[1,x]"), errc::corrupt_value,
               "JSON, byte 4: syntax error while parsing "
               "value - invalid literal");
  expect_error(read_json("[1"), errc::corrupt_value, "unexpected end of input");
  expect_error(read_json("[1e999]"), errc::corrupt_value, "too large");
  // And nothing of what was read, however much it is.
  const auto d = read_json("[\"" + std::string(1'000'000, 'a'));
  ASSERT_FALSE(d);
  EXPECT_LT(d.error().message().size(), 200u);
}

TEST(json, is_corrupt_when_it_is_cut_off_anywhere_or_longer) {
  random_documents some(3, of_json);
  for (int i = 0; i < 60; ++i) {
    const std::string text = "[" + written(some.next(3)) + "]";
    for (std::size_t n = 0; n < text.size(); ++n) {
      ASSERT_TRUE(read_json(text.substr(0, n)).error() == errc::corrupt_value);
    }
    expect_error(read_json(text + "1"), errc::corrupt_value);
  }
}

TEST(json, with_any_byte_changed_is_an_error_or_another_document) {
  random_documents some(4, of_json);
  for (int i = 0; i < 40; ++i) {
    std::string text = written(some.next(3));
    if (text.size() > 300) continue;
    for (char& c : text) {
      const char before = c;
      for (const int flipped : changes) {
        c = static_cast<char>(before ^ flipped);
        const auto d = read_json(text);
        if (d) {
          ASSERT_EQ(read(written(*d)), *d);
        } else {
          ASSERT_TRUE(d.error() == errc::corrupt_value);
        }
      }
      c = before;
    }
  }
}

TEST(json, depth_is_bounded) {
  for (const std::string& open : {"["s, "{\"a\":"s}) {
    const auto nested_in = [&open](std::size_t n) {
      std::string text;
      for (std::size_t i = 0; i < n; ++i) text += open;
      return text + "1" + std::string(n, open == "[" ? ']' : '}');
    };
    EXPECT_TRUE(read_json(nested_in(100)));
    expect_error(read_json(nested_in(101)), errc::corrupt_value, "nested too deeply");
    expect_error(read_json(nested_in(300'000)), errc::corrupt_value, "nested too deeply");
    EXPECT_TRUE(read_json(nested_in(3), {.depth = 3}));
    EXPECT_FALSE(read_json(nested_in(4), {.depth = 3}));
  }
}

TEST(json, nodes_and_bytes_are_bounded) {
  EXPECT_TRUE(read_json("[1,2,3]", {.nodes = 4}));
  expect_error(read_json("[1,2,3]", {.nodes = 3}), errc::corrupt_value, "more values");
  EXPECT_TRUE(read_json(R"({"a":1,"b":2})", {.nodes = 5}));
  EXPECT_FALSE(read_json(R"({"a":1,"b":2})", {.nodes = 4}));
  EXPECT_TRUE(read_json(R"({"ab":"cd"})", {.bytes = 4}));
  expect_error(read_json(R"({"ab":"cd"})", {.bytes = 3}), errc::corrupt_value, "more bytes");
  EXPECT_FALSE(read_json(std::string(25, '1'), {.bytes = 24}));
}

}  // namespace
}  // namespace memcxx::codecs
