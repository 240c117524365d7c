// Documents by themselves: equality, canonical values and back, JSON and MessagePack of values.
// Never here: what one format does with hostile input.
#include <algorithm>
#include <cmath>
#include <set>

#include <memcxx/value.hpp>

#include "codec/numbers.hpp"
#include "codec/utf8.hpp"
#include "documents.hpp"

namespace memcxx::codecs {
namespace {

using namespace std::string_literals;
using namespace test;

constexpr auto all_kinds = {value_kind::bytes,    value_kind::text,    value_kind::integer,
                            value_kind::floating, value_kind::boolean, value_kind::none,
                            value_kind::msgpack,  value_kind::json,    value_kind::pickle,
                            value_kind::marshal,  value_kind::ruby};

document read(value_kind kind, std::string_view bytes) {
  auto d = to_document({kind, bytes});
  EXPECT_TRUE(d) << d.error();
  return d ? *std::move(d) : document{};
}

value canonical(const document& d) {
  std::string storage = "left from before";
  const auto v = to_value(d, storage);
  EXPECT_TRUE(v) << v.error();
  return v ? value{v->kind, std::string(v->bytes)} : value{};
}

TEST(document, kinds_have_names_of_their_own) {
  std::set<std::string_view> names;
  for (const value_kind kind : all_kinds) {
    EXPECT_NE(name_of(kind), "unknown");
    names.insert(name_of(kind));
  }
  EXPECT_EQ(names.size(), all_kinds.size());
}

TEST(document, is_equal_when_no_program_could_tell_the_difference) {
  EXPECT_EQ(floating(std::nan("1")), floating(-std::nan("2")));
  EXPECT_NE(floating(0.0), floating(-0.0));
  EXPECT_NE(floating(1.0), integer(1));
  EXPECT_NE(integer(1), natural(1));
  EXPECT_NE(integer(1), truth(true));
  EXPECT_NE(none(), truth(false));
  EXPECT_NE(txt("a"), byt("a"));
  EXPECT_NE(list(), map());
  EXPECT_EQ(list({floating(std::nan(""))}), list({floating(std::nan(""))}));
  EXPECT_NE(list({floating(0.0)}), list({floating(-0.0)}));
  EXPECT_NE(map({{txt("a"), none()}, {txt("b"), none()}}),
            map({{txt("b"), none()}, {txt("a"), none()}}));
  EXPECT_EQ(nested(50), nested(50));
  EXPECT_NE(nested(50), nested(51));
}

TEST(document, scalars_are_canonical_values_of_their_kinds) {
  EXPECT_EQ(canonical(none()), (value{value_kind::none, ""}));
  EXPECT_EQ(canonical(truth(true)), (value{value_kind::boolean, "1"}));
  EXPECT_EQ(canonical(truth(false)), (value{value_kind::boolean, "0"}));
  EXPECT_EQ(canonical(integer(-42)), (value{value_kind::integer, "-42"}));
  EXPECT_EQ(canonical(integer(INT64_MIN)), (value{value_kind::integer, "-9223372036854775808"}));
  EXPECT_EQ(canonical(natural(UINT64_MAX)), (value{value_kind::integer, "18446744073709551615"}));
  EXPECT_EQ(canonical(big("123456789012345678901234567890")),
            (value{value_kind::integer, "123456789012345678901234567890"}));
  EXPECT_EQ(canonical(floating(1.5)), (value{value_kind::floating, "1.5"}));
  EXPECT_EQ(canonical(floating(1.0)), (value{value_kind::floating, "1"}));
  EXPECT_EQ(canonical(floating(-HUGE_VAL)), (value{value_kind::floating, "-inf"}));
  EXPECT_EQ(canonical(floating(-std::nan(""))), (value{value_kind::floating, "nan"}));
  EXPECT_EQ(canonical(txt("h\xc3\xa9")), (value{value_kind::text, "h\xc3\xa9"}));
  EXPECT_EQ(canonical(byt("\xff\0"s)), (value{value_kind::bytes, "\xff\0"s}));
}

TEST(document, structures_are_msgpack) {
  EXPECT_EQ(canonical(list()), (value{value_kind::msgpack, "\x90"}));
  EXPECT_EQ(canonical(list({integer(1), txt("a"), byt("b")})),
            (value{value_kind::msgpack, "\x93\x01\xa1"s + "a\xc4\x01"s + "b"}));
  EXPECT_EQ(canonical(map({{txt("k"), none()}})), (value{value_kind::msgpack, "\x81\xa1k\xc0"}));
  std::string storage;
  expect_error(to_value(list({big("123456789012345678901234567890")}), storage), errc::wrong_type,
               "msgpack cannot hold an integer of more than 64 bits");
}

TEST(document, canonical_values_are_documents) {
  EXPECT_EQ(read(value_kind::bytes, "\xff\0"s), byt("\xff\0"s));
  EXPECT_EQ(read(value_kind::text, "h\xc3\xa9"), txt("h\xc3\xa9"));
  EXPECT_EQ(read(value_kind::integer, "-1"), integer(-1));
  EXPECT_EQ(read(value_kind::integer, "0"), integer(0));
  EXPECT_EQ(read(value_kind::integer, "9223372036854775807"), integer(INT64_MAX));
  EXPECT_EQ(read(value_kind::integer, "9223372036854775808"), natural(std::uint64_t{1} << 63));
  EXPECT_EQ(read(value_kind::integer, "18446744073709551616"), big("18446744073709551616"));
  EXPECT_EQ(read(value_kind::integer, "-9223372036854775809"), big("-9223372036854775809"));
  EXPECT_EQ(read(value_kind::floating, "1"), floating(1));
  EXPECT_EQ(read(value_kind::floating, "-inf"), floating(-HUGE_VAL));
  EXPECT_EQ(read(value_kind::floating, "nan"), floating(NAN));
  EXPECT_EQ(read(value_kind::floating, "5e-324"), floating(5e-324));
  EXPECT_EQ(read(value_kind::boolean, "1"), truth(true));
  EXPECT_EQ(read(value_kind::boolean, "0"), truth(false));
  EXPECT_EQ(read(value_kind::none, ""), none());
  EXPECT_EQ(read(value_kind::msgpack, "\x91\x01"), list({integer(1)}));
  EXPECT_EQ(read(value_kind::json, "[1]"), list({integer(1)}));
  EXPECT_EQ(read(value_kind::pickle, "(lp0\nI1\na."), list({integer(1)}));
}

TEST(document, a_counter_may_have_blanks_around_it_and_zeros_before_it) {
  EXPECT_EQ(read(value_kind::integer, "9  "), integer(9));
  EXPECT_EQ(read(value_kind::integer, "007"), integer(7));
  EXPECT_EQ(read(value_kind::integer, "-0"), integer(0));
  EXPECT_EQ(read(value_kind::integer, std::string(5000, '0') + "1"), integer(1));
}

TEST(document, a_value_that_is_not_of_its_kind_is_corrupt) {
  const std::vector<std::pair<value_kind, std::string>> wrong = {
      {value_kind::text, "a\xff"},
      {value_kind::text, "\xed\xa0\x80"},
      {value_kind::text, "\xc3"},
      {value_kind::integer, ""},
      {value_kind::integer, "-"},
      {value_kind::integer, "1.5"},
      {value_kind::integer, "1 2"},
      {value_kind::integer, "+1"},
      {value_kind::integer, "0x10"},
      {value_kind::integer, std::string(4301, '1')},
      {value_kind::floating, ""},
      {value_kind::floating, "1e999"},
      {value_kind::floating, "1.5 "},
      {value_kind::floating, "nan(1)"},
      {value_kind::floating, "infinity"},
      {value_kind::floating, "0x1p3"},
      {value_kind::boolean, ""},
      {value_kind::boolean, "2"},
      {value_kind::boolean, "true"},
      {value_kind::msgpack, ""},
      {value_kind::json, ""},
      {value_kind::pickle, ""},
  };
  for (const auto& [kind, bytes] : wrong) {
    SCOPED_TRACE(std::string(name_of(kind)) + " " + testing::PrintToString(bytes.substr(0, 40)));
    expect_error(to_document({kind, bytes}), errc::corrupt_value);
  }
}

TEST(document, a_value_over_the_limit_is_corrupt) {
  const limits small = {.depth = 3, .nodes = 5, .bytes = 10};
  EXPECT_TRUE(to_document({value_kind::bytes, "0123456789"}, small));
  expect_error(to_document({value_kind::bytes, "0123456789a"}, small), errc::corrupt_value,
               "bytes");
  expect_error(to_document({value_kind::text, "0123456789a"}, small), errc::corrupt_value, "text");
}

TEST(document, goes_through_its_canonical_value_unharmed) {
  random_documents some(1, {.big_integers = false, .container_keys = true});
  for (int i = 0; i < 3000; ++i) {
    const document d = some.next();
    const value v = canonical(d);
    ASSERT_EQ(read(v.kind, v.bytes), d);
  }
}

TEST(document, errors_leave_what_was_written_before) {
  std::string out = "before";
  EXPECT_FALSE(write_msgpack(list({txt("a"), big("99999999999999999999999")}), out));
  EXPECT_EQ(out, "before");
  EXPECT_FALSE(write_json(list({txt("a"), floating(NAN)}), out));
  EXPECT_EQ(out, "before");
  EXPECT_FALSE(write_pickle(list({txt("a"), txt("\xff")}), 5, out));
  EXPECT_EQ(out, "before");
}

TEST(document, too_deep_ones_are_not_written) {
  for (const bool too_deep : {false, true}) {
    const document d = nested(too_deep ? 1500 : 900);
    std::string out;
    EXPECT_EQ(write_msgpack(d, out).has_value(), !too_deep);
    EXPECT_EQ(write_json(d, out).has_value(), !too_deep);
    for (const int protocol : {0, 2, 5}) {
      const auto ok = write_pickle(d, protocol, out);
      EXPECT_EQ(ok.has_value(), !too_deep);
      if (too_deep) expect_error(ok, errc::wrong_type, "nested");
    }
  }
}

// --- other forms of values -----------------------------------------------------------------------

void expect_json(const value& v, std::string_view expected) {
  const auto json = to_json(v);
  ASSERT_TRUE(json) << json.error();
  EXPECT_EQ(*json, expected);
}

TEST(document, every_kind_has_json) {
  expect_json({value_kind::bytes, "h\xc3\xa9"}, "\"h\xc3\xa9\"");
  expect_json({value_kind::text, "a\"\\\n\x01"}, "\"a\\\"\\\\\\n\\u0001\"");
  expect_json({value_kind::integer, " 12 "}, "12");
  expect_json({value_kind::integer, "123456789012345678901234567890"},
              "123456789012345678901234567890");
  expect_json({value_kind::floating, "1"}, "1.0");
  expect_json({value_kind::floating, "1e+22"}, "1e+22");
  expect_json({value_kind::boolean, "1"}, "true");
  expect_json({value_kind::none, ""}, "null");
  expect_json({value_kind::msgpack, "\x81\x01\x92\xc0\xc2"}, R"({"1":[null,false]})");
  expect_json({value_kind::pickle, "(dp0\nVk\np1\n(lp2\nI1\nas."}, R"({"k":[1]})");
}

TEST(document, json_stays_as_it_was_written) {
  expect_json({value_kind::json, "{ \"a\" : 1.10000000000000000000001 }\n"},
              "{ \"a\" : 1.10000000000000000000001 }\n");
  expect_error(to_json(value{value_kind::json, "{"}), errc::corrupt_value, "JSON, byte 1");
}

TEST(document, what_json_cannot_hold_is_of_a_wrong_type) {
  expect_error(to_json(value{value_kind::bytes, "\xff"}), errc::wrong_type, "UTF-8");
  expect_error(to_json(value{value_kind::floating, "inf"}), errc::wrong_type, "inf");
  expect_error(to_json(value{value_kind::floating, "nan"}), errc::wrong_type, "nan");
  expect_error(to_json(value{value_kind::pickle, "cdatetime\ndate\n."}), errc::wrong_type,
               "datetime.date");
  expect_error(to_json(value{value_kind::msgpack, "\x81\x90\xc0"}), errc::wrong_type, "key");
  expect_error(to_json(value{value_kind::msgpack, "\xd4\x01\x02"}), errc::wrong_type, "extension");
}

TEST(document, every_kind_has_msgpack) {
  const auto expect_msgpack = [](const value& v, std::string_view expected) {
    const auto packed = to_msgpack(v);
    ASSERT_TRUE(packed) << packed.error();
    EXPECT_EQ(*packed, expected);
  };
  expect_msgpack({value_kind::bytes, "\xff"}, "\xc4\x01\xff");
  expect_msgpack({value_kind::text, "a"}, "\xa1"s + "a");
  expect_msgpack({value_kind::integer, "300"}, "\xcd\x01\x2c");
  expect_msgpack({value_kind::floating, "0.5"}, "\xcb\x3f\xe0\0\0\0\0\0\0"s);
  expect_msgpack({value_kind::boolean, "0"}, "\xc2");
  expect_msgpack({value_kind::none, ""}, "\xc0");
  expect_msgpack({value_kind::json, "{\"a\":[]}"}, "\x81\xa1"s + "a\x90");
  expect_msgpack({value_kind::pickle, "\x80\x02]q\x00K\x01"s + "a."}, "\x91\x01");
  expect_error(to_msgpack(value{value_kind::integer, std::string(30, '9')}), errc::wrong_type,
               "64 bits");
}

TEST(document, msgpack_stays_as_it_was_written_with_its_extensions) {
  for (const std::string& v :
       {"\xd9\x01"s + "a", "\x91\xd6\xff\x01\x02\x03\x04"s, "\xca\0\0\0\0"s}) {
    const auto packed = to_msgpack(value{value_kind::msgpack, v});
    ASSERT_TRUE(packed) << packed.error();
    EXPECT_EQ(*packed, v);
  }
  // But an extension does not hide that the rest is damaged.
  expect_error(to_msgpack(value{value_kind::msgpack, "\x92\xd4\x01\x02"}), errc::corrupt_value);
  expect_error(to_msgpack(value{value_kind::msgpack, "\xd4\x01\x02\xc0"}), errc::corrupt_value);
}

TEST(document, json_becomes_scalars_and_msgpack) {
  const auto expect_value = [](std::string_view json, const value& expected) {
    const auto v = from_json(json);
    ASSERT_TRUE(v) << v.error();
    EXPECT_EQ(v->kind, expected.kind);
    EXPECT_EQ(v->bytes, expected.bytes);
  };
  expect_value("\"a\\u00e9\"", {value_kind::text, "a\xc3\xa9"});
  expect_value(" 12 ", {value_kind::integer, "12"});
  expect_value("1.0", {value_kind::floating, "1"});
  expect_value("true", {value_kind::boolean, "1"});
  expect_value("null", {value_kind::none, ""});
  expect_value("[]", {value_kind::msgpack, "\x90"});
  expect_value("{\"a\":-1}", {value_kind::msgpack, "\x81\xa1"s + "a\xff"});
  expect_error(from_json("nul"), errc::corrupt_value, "JSON, byte");
  expect_error(from_json("[100000000000000000000]"), errc::wrong_type, "64 bits");
}

// --- numbers and UTF-8 ---------------------------------------------------------------------------

TEST(document, integers_of_any_size_have_bytes_and_digits) {
  random_documents some(2, {});
  int seen = 0;
  while (seen < 500) {
    const document d = some.next(0);
    const auto* n = std::get_if<big_integer>(&d.is);
    if (n == nullptr) continue;
    ++seen;
    const std::string bytes = bytes_of_integer(*n);
    ASSERT_EQ(integer_of_bytes(bytes), d);
    // Nothing shorter holds it, and the sign may be repeated as often as one likes.
    ASSERT_NE(integer_of_bytes(std::string_view(bytes).substr(0, bytes.size() - 1)), d);
    const bool negative = n->digits.front() == '-';
    ASSERT_EQ(integer_of_bytes(bytes + std::string(3000, negative ? '\xff' : '\0')), d);
  }
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{127},
                               std::int64_t{-128}, std::int64_t{128}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(integer_of_bytes(bytes_of_integer(n)), integer(n));
  }
  EXPECT_EQ(bytes_of_integer(std::int64_t{128}), "\x80\0"s);
  EXPECT_EQ(bytes_of_integer(std::int64_t{-128}), "\x80");
  EXPECT_EQ(bytes_of_integer(UINT64_MAX), "\xff\xff\xff\xff\xff\xff\xff\xff\0"s);
  EXPECT_EQ(integer_of_bytes(""), integer(0));
}

TEST(document, integers_have_as_many_digits_as_cpython_converts) {
  const std::string most(max_digits, '9');
  const document d = big(most);
  EXPECT_EQ(integer_of_decimal(most), d);
  EXPECT_EQ(integer_of_bytes(bytes_of_integer(big_integer{most})), d);
  EXPECT_FALSE(integer_of_decimal(most + "0"));
  const std::string one_more = bytes_of_integer(big_integer{"1" + std::string(max_digits, '0')});
  EXPECT_FALSE(integer_of_bytes(one_more));
  EXPECT_FALSE(integer_of_bytes(std::string(std::size_t{10} << 20, '\x55')));
}

// repr of CPython 3.11.
TEST(document, doubles_have_the_shortest_text) {
  const std::vector<std::pair<double, std::string_view>> known = {
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {1.0, "1.0"},
      {100000.0, "100000.0"},
      {1e15, "1000000000000000.0"},
      {9999999999999998.0, "9999999999999998.0"},
      {1e16, "1e+16"},
      {123456789012345680.0, "1.2345678901234568e+17"},
      {1e22, "1e+22"},
      {1e23, "1e+23"},
      {1e100, "1e+100"},
      {0.1, "0.1"},
      {0.0001, "0.0001"},
      {0.00012345678901234567, "0.00012345678901234567"},
      {0.00001, "1e-05"},
      {0.000012345, "1.2345e-05"},
      {5e-324, "5e-324"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {-123.456, "-123.456"},
      {NAN, "nan"},
      {HUGE_VAL, "inf"},
      {-HUGE_VAL, "-inf"},
  };
  for (const auto& [d, text] : known) {
    EXPECT_EQ(shortest(d), text);
    EXPECT_EQ(floating(*double_of(text)), floating(d));
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto d = std::bit_cast<double>(random());
    ASSERT_EQ(floating(double_of(shortest(d)).value()), floating(d));
  }
}

TEST(document, utf8_is_what_rfc_3629_says) {
  std::string all;
  for (std::uint32_t c = 0; c <= 0x10ffff; c += c < 0x1100 || c > 0x10ff00 ? 1 : 7) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string one;
    append_utf8(c, one);
    ASSERT_TRUE(is_utf8(one)) << c;
    // Cut off anywhere it is wrong at its begin.
    for (std::size_t n = 1; n < one.size(); ++n) {
      const utf8_state state = check_utf8("a" + one.substr(0, n));
      ASSERT_EQ(state.fault, utf8_fault::malformed);
      ASSERT_EQ(state.at, 1u);
    }
    all += one;
  }
  EXPECT_TRUE(is_utf8(all));
  for (const std::string wrong :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1"}) {
    const utf8_state state = check_utf8("12345678901" + wrong + "b");
    EXPECT_EQ(state.fault, utf8_fault::malformed) << testing::PrintToString(wrong);
    EXPECT_EQ(state.at, 11u);
  }
  EXPECT_EQ(check_utf8("a\xed\xa0\x80\xed\xbf\xbf").fault, utf8_fault::surrogate);
  EXPECT_EQ(check_utf8("a\xed\xa0\x80").at, 1u);
  EXPECT_EQ(check_utf8("a\xed\xa0\x80\xff").fault, utf8_fault::malformed);
  EXPECT_TRUE(is_utf8("\xed\x9f\xbf\xee\x80\x80"));
}

}  // namespace
}  // namespace memcxx::codecs
