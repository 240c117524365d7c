// JSON by nlohmann's library: what is stored is what is read, what JSON cannot hold is refused, and
// so are bytes that would cost too much.
#include <cmath>
#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/json.hpp>
#include <memcxx/msgpack.hpp>

namespace memcxx::test {
namespace {

using namespace std::string_literals;
using nlohmann::json;

struct user {
  std::string name;
  int age = 7;
  bool operator==(const user&) const = default;
};
void to_json(json& j, const user& u) { j = {{"name", u.name}, {"age", u.age}}; }
void from_json(const json& j, user& u) {
  j.at("name").get_to(u.name);
  if (j.contains("age")) j.at("age").get_to(u.age);
}
struct only_written {};
[[maybe_unused]] void to_json(json& j, const only_written&) { j = 1; }
struct throwing {};
void to_json(json&, const throwing&) { throw std::runtime_error("not today"); }
void from_json(const json&, throwing&) { throw std::runtime_error("not today"); }
struct starving {};
void to_json(json&, const starving&) { throw std::bad_alloc(); }
struct unknown {};

template <class T>
result<value> encoded(const T& v) {
  std::string scratch = "what was here before";
  const auto e = codec<T>::encode(v, scratch);
  if (!e) return std::unexpected(e.error());
  return value{e->kind, std::string(e->bytes)};
}

template <class T = json>
result<T> decoded(value_kind kind, std::string_view bytes) {
  // A copy of the very size: the sanitizer sees a read beyond it.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  T out{};
  if (auto ok = codec<T>::decode({kind, {exact.data(), exact.size()}}, out); !ok)
    return std::unexpected(ok.error());
  return out;
}

template <class T = json>
errc refusal(value_kind kind, std::string_view bytes) {
  const auto v = decoded<T>(kind, bytes);
  return v ? errc::ok : v.error().code();
}

json parsed(std::string_view text) { return json::parse(text); }

TEST(JsonCodec, round_trips_json) {
  for (const std::string_view text :
       {"null", "true", "0", "-1", "18446744073709551615", "-9223372036854775808", "1.5", "1e300",
        "5e-324", "-0.0", R"("")", R"("h\u00e9 \ud83d\ude00 \u0000")", "[]", "{}",
        R"({"a":[1,{"b":null}],"":{"c":"d"}})"}) {
    const auto e = encoded(parsed(text));
    ASSERT_TRUE(e) << text;
    EXPECT_EQ(e->kind, value_kind::json);
    const auto back = decoded(value_kind::json, e->bytes);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, parsed(text));
  }
  const auto zero = decoded(value_kind::json, "-0.0");
  EXPECT_TRUE(std::signbit(zero->get<double>()));
}

TEST(JsonCodec, keeps_the_order_for_those_who_want_it) {
  const auto j = decoded<nlohmann::ordered_json>(value_kind::json, R"({"b":1,"a":2})");
  ASSERT_TRUE(j);
  EXPECT_EQ(encoded(*j)->bytes, R"({"b":1,"a":2})");
}

TEST(JsonCodec, reads_scalars_as_the_json_that_they_are) {
  EXPECT_EQ(decoded(value_kind::text, "h\xc3\xa9").value(), parsed(R"("h\u00e9")"));
  EXPECT_EQ(decoded(value_kind::integer, " -5 ").value(), parsed("-5"));
  EXPECT_EQ(decoded(value_kind::integer, "18446744073709551615").value(),
            parsed("18446744073709551615"));
  EXPECT_EQ(decoded(value_kind::integer, "-9223372036854775808").value(),
            parsed("-9223372036854775808"));
  EXPECT_TRUE(decoded(value_kind::integer, "5")->is_number_integer());
  EXPECT_EQ(decoded(value_kind::floating, "1").value(), parsed("1.0"));
  EXPECT_TRUE(decoded(value_kind::floating, "1")->is_number_float());
  EXPECT_EQ(decoded(value_kind::boolean, "1").value(), parsed("true"));
  EXPECT_EQ(decoded(value_kind::none, "").value(), json());
  EXPECT_EQ(refusal(value_kind::integer, "18446744073709551616"), errc::wrong_type);
  EXPECT_EQ(refusal(value_kind::integer, "-9223372036854775809"), errc::wrong_type);
  EXPECT_EQ(refusal(value_kind::text, "\xff"), errc::corrupt_value);
  for (const value_kind kind :
       {value_kind::bytes, value_kind::pickle, value_kind::marshal, value_kind::ruby})
    EXPECT_EQ(refusal(kind, "1"), errc::wrong_type) << name_of(kind);
}

TEST(JsonCodec, reads_messagepack) {
  const std::map<std::string, std::vector<std::optional<double>>> structure = {
      {"a", {1.5, std::nullopt}}, {"b", {}}};
  const auto packed = encoded(structure);
  ASSERT_TRUE(packed);
  EXPECT_EQ(decoded(packed->kind, packed->bytes).value(), parsed(R"({"a":[1.5,null],"b":[]})"));
  EXPECT_EQ(refusal(value_kind::msgpack, "\x81\x01\x01"), errc::wrong_type);  // {1: 1}
  EXPECT_EQ(refusal(value_kind::msgpack, "\x91\xa1\xff"), errc::wrong_type);  // no UTF-8
  EXPECT_EQ(refusal(value_kind::msgpack, "\x91"), errc::corrupt_value);
  EXPECT_EQ(refusal(value_kind::msgpack, "\xc0\xc0"), errc::corrupt_value);
  EXPECT_EQ(refusal(value_kind::msgpack, std::string(1'000'000, '\x91') + "\xc0"),
            errc::corrupt_value);
  EXPECT_EQ(refusal(value_kind::msgpack, "\xdd\xff\xff\xff\xff"), errc::corrupt_value);
}

TEST(JsonCodec, refuses_what_is_not_json) {
  for (const std::string_view text :
       {"", " ", "{", "[1,", "[1,]", "{\"a\"}", "01", "+1", "nul", "'a'", "\"", "\"\xff\"", "[1] 2",
        "1 1", "// x\n1", "NaN", "\"\\x\""}) {
    const auto v = decoded(value_kind::json, text);
    ASSERT_FALSE(v) << text;
    EXPECT_EQ(v.error(), errc::corrupt_value) << text;
    EXPECT_FALSE(v.error().message().empty());
  }
}

TEST(JsonCodec, refuses_numbers_that_it_would_change) {
  EXPECT_EQ(refusal(value_kind::json, "[18446744073709551615,-9223372036854775808]"), errc::ok);
  EXPECT_EQ(refusal(value_kind::json, "[18446744073709551616]"), errc::wrong_type);
  EXPECT_EQ(refusal(value_kind::json, "[1,-9223372036854775809]"), errc::wrong_type);
  EXPECT_EQ(refusal(value_kind::json, "{\"18446744073709551616\":1}"), errc::ok);
  EXPECT_EQ(refusal(value_kind::json, R"(["\"18446744073709551616"])"), errc::ok);
  EXPECT_EQ(refusal(value_kind::json, "18446744073709551616.0"), errc::ok);
  EXPECT_EQ(refusal(value_kind::json, "1e999"), errc::wrong_type);
}

TEST(JsonCodec, refuses_to_write_what_json_cannot_hold) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const json& j : {json(infinity), json({{"a", {1.5, std::nan("")}}}), json("\xff"),
                        json(json::binary({1, 2})), json(json::value_t::discarded)}) {
    const auto e = encoded(j);
    ASSERT_FALSE(e);
    EXPECT_EQ(e.error(), errc::wrong_type) << e.error().what();
  }
}

TEST(JsonCodec, nests_as_deep_as_the_limit_and_no_deeper) {
  const auto arrays = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  const auto deepest = decoded(value_kind::json, arrays(max_nesting));
  ASSERT_TRUE(deepest);
  EXPECT_TRUE(encoded(*deepest));
  EXPECT_EQ(encoded(json::array({*deepest})).error(), errc::wrong_type);
  EXPECT_EQ(refusal(value_kind::json, arrays(max_nesting + 1)), errc::corrupt_value);
  EXPECT_EQ(refusal(value_kind::json, arrays(1'000'000)), errc::corrupt_value);
  EXPECT_EQ(refusal(value_kind::json, std::string(1'000'000, '{')), errc::corrupt_value);
  EXPECT_EQ(refusal(value_kind::json, "\"" + std::string(1000, '[') + "\""), errc::ok);
  EXPECT_EQ(refusal(value_kind::json, "\"\\\"" + std::string(1000, '[') + "\""), errc::ok);
}

TEST(JsonCodec, survives_what_is_cut_off_or_damaged) {
  std::mt19937 random(1);
  const std::string whole = R"({"name":["h\u00e9",-1.5e3,true,null,{"":[[],{}]}],"n":12345678901})";
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(refusal(value_kind::json, whole.substr(0, size)), errc::corrupt_value);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = whole;
    for (std::size_t n = 1 + random() % 3; n > 0; --n)
      damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    const errc code = refusal(value_kind::json, damaged);
    EXPECT_TRUE(code == errc::ok || code == errc::corrupt_value || code == errc::wrong_type);
  }
}

TEST(JsonCodec, leaves_the_output_alone_when_it_fails) {
  json j = 5;
  EXPECT_FALSE(codec<json>::decode({value_kind::json, "[1,"}, j));
  EXPECT_EQ(j, 5);
  as_json<user> u{{"ann", 3}};
  EXPECT_FALSE((codec<as_json<user>>::decode({value_kind::json, R"({"name":"x","age":"y"})"}, u)));
  EXPECT_EQ(u, as_json<user>({"ann", 3}));
}

// --- as_json -------------------------------------------------------------------------------------

TEST(AsJson, round_trips_users_types) {
  const auto e = encoded(as_json{user{"ann", 3}});
  ASSERT_TRUE(e);
  EXPECT_EQ(*e, (value{value_kind::json, R"({"age":3,"name":"ann"})"}));
  const auto back = decoded<as_json<user>>(e->kind, e->bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->value, (user{"ann", 3}));
  const as_json<std::map<std::string, std::vector<user>>> users{
      {{"all", {{"ann", 1}, {"bob", 2}}}}};
  EXPECT_EQ((decoded<as_json<std::map<std::string, std::vector<user>>>>(value_kind::json,
                                                                        encoded(users)->bytes)
                 .value()),
            users);
}

TEST(AsJson, reads_messagepack_and_scalars_too) {
  EXPECT_EQ((decoded<as_json<user>>(value_kind::msgpack, "\x81\xa4name\xa1x")->value),
            (user{"x", 7}));
  EXPECT_EQ((decoded<as_json<int>>(value_kind::integer, "5")->value), 5);
}

TEST(AsJson, refuses_another_structure) {
  for (const std::string_view text : {"1", "[]", "{}", R"({"name":1})"})
    EXPECT_EQ(refusal<as_json<user>>(value_kind::json, text), errc::wrong_type) << text;
  EXPECT_EQ(refusal<as_json<user>>(value_kind::json, "{"), errc::corrupt_value);
}

TEST(AsJson, leaves_missing_members_at_their_default_and_not_at_what_was_there) {
  as_json<user> out{{"stale", 99}};
  ASSERT_TRUE((codec<as_json<user>>::decode({value_kind::json, R"({"name":"x"})"}, out)));
  EXPECT_EQ(out.value, (user{"x", 7}));
}

TEST(AsJson, makes_errors_of_what_users_throw) {
  EXPECT_EQ(encoded(as_json<throwing>{}).error(), errc::wrong_type);
  EXPECT_EQ(encoded(as_json<throwing>{}).error().message(), "json: not today");
  EXPECT_EQ(refusal<as_json<throwing>>(value_kind::json, "1"), errc::wrong_type);
  EXPECT_EQ(encoded(as_json<starving>{}).error(), errc::out_of_memory);
}

TEST(AsJson, knows_what_it_can_store_and_read) {
  static_assert(storable<json> && readable<json> && readable<nlohmann::ordered_json>);
  static_assert(storable<as_json<user>> && readable<as_json<user>>);
  static_assert(storable<std::optional<as_json<user>>>);
  static_assert(storable<as_json<only_written>> && !readable<as_json<only_written>>);
  static_assert(!storable<as_json<unknown>> && !readable<as_json<unknown>> && !storable<user>);
}

}  // namespace
}  // namespace memcxx::test
