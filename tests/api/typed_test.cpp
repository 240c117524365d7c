// Typed values through the faces that users see: a client, a session and a batch, over memory://.
// Never here: how values are written (tests/codec), sockets, cache() (cache_test.cpp).
#include <array>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <ranges>
#include <set>
#include <utility>

#include "watched_server.hpp"

namespace memcxx::typed_tests {

using std::string;
using namespace std::chrono_literals;

// A type of one's own, with a codec as docs and headers describe it.
struct point {
  int x = 0;
  int y = 0;
  bool operator==(const point&) const = default;
};

// One whose bytes lie within it.
struct name {
  string letters;
  bool operator==(const name&) const = default;
};

enum class colour : std::uint8_t { red = 1, blue = 200 };

}  // namespace memcxx::typed_tests

template <>
struct memcxx::codec<memcxx::typed_tests::point> {
  using point = memcxx::typed_tests::point;
  static result<value_view> encode(const point& p, std::string& scratch) {
    if (p.x < 0) return std::unexpected(error(errc::invalid_argument, "points have no negative x"));
    scratch = "point " + std::to_string(p.x) + "," + std::to_string(p.y) + " of the plane";
    return value_view{value_kind::text, std::string_view(scratch).substr(6)};
  }
  static result<void> decode(const value_view& v, point& out) {
    if (std::sscanf(std::string(v.bytes).c_str(), "%d,%d", &out.x, &out.y) == 2) return {};
    return wrong_type(v, "a point");
  }
};

template <>
struct memcxx::codec<memcxx::typed_tests::name> {
  using name = memcxx::typed_tests::name;
  static result<value_view> encode(const name& n, std::string&) {
    return value_view{value_kind::text, n.letters};
  }
  static result<void> decode(const value_view& v, name& out) {
    out.letters.assign(v.bytes);
    return {};
  }
};

namespace memcxx::typed_tests {
namespace {

using protocol::verb;

struct typed : testing::Test {
  std::shared_ptr<watched_server> server = std::make_shared<watched_server>();
  client cache = over(server);
};

template <class T>
result<T> first(values_of<T> all) {
  return std::move(all[0]);
}

// Through each face: what one stores the others read.
template <class T>
void expect_round_trip(client& cache, const T& v) {
  session own = cache.open(cache.servers().at(0)).value();
  ASSERT_TRUE(cache.set("client", v));
  ASSERT_TRUE(own.set("session", v));
  batch stores;
  stores.set("batch", v);
  ASSERT_TRUE(cache.run(stores));
  ASSERT_TRUE(cache.set_many(std::map<string, T>{{"many", v}}).all());
  for (const char* key : {"client", "session", "batch", "many"}) {
    SCOPED_TRACE(key);
    EXPECT_EQ(cache.get<T>(key).value(), v);
    EXPECT_EQ(own.get<T>(key).value(), v);
    EXPECT_EQ(cache.gat<T>(key, 60s).value(), v);
    EXPECT_EQ(cache.get_item<T>(key)->value, v);
    EXPECT_EQ(first(cache.get_many<T>({key})).value(), v);
    batch reads;
    const auto reply = reads.get<T>(key);
    const auto of_session = reads.get_item<T>(key);
    ASSERT_TRUE(own.run(reads));
    EXPECT_EQ(reply->value(), v);
    EXPECT_EQ(of_session->value().value, v);
  }
}

TEST_F(typed, every_type_is_read_as_it_was_stored) {
  expect_round_trip(cache, 12);
  expect_round_trip(cache, std::numeric_limits<std::int64_t>::min());
  expect_round_trip(cache, std::numeric_limits<std::uint64_t>::max());
  expect_round_trip(cache, std::int8_t{-5});
  expect_round_trip(cache, 0.1);
  expect_round_trip(cache, 1e-300);
  expect_round_trip(cache, -std::numeric_limits<double>::infinity());
  expect_round_trip(cache, 0.1f);
  expect_round_trip(cache, true);
  expect_round_trip(cache, false);
  expect_round_trip(cache, colour::blue);
  expect_round_trip(cache, text{"gr\xc3\xbc\xc3\x9f"});
  expect_round_trip(cache, std::vector<std::byte>{std::byte{0}, std::byte{255}});
  expect_round_trip(cache, std::vector<char>{});
  expect_round_trip(cache, std::optional<int>(3));
  expect_round_trip(cache, std::optional<int>());
  expect_round_trip(cache, std::optional<text>(text{""}));
  expect_round_trip(cache, value{value_kind::json, "[1]"});
  expect_round_trip(cache, opaque{value_kind::pickle, string("\x80\x02K\x01.", 5)});
  expect_round_trip(cache, point{3, -4});
  expect_round_trip(cache, name{"short"});
  expect_round_trip(cache, name{string(1000, 'n')});
}

TEST_F(typed, a_string_is_stored_as_it_is_unless_its_type_is_given) {
  cache = with_values(server, {.dialect = dialect::python_memcached, .min_compress = 10});
  const string bytes(1000, 'b');
  ASSERT_TRUE(cache.set("k", "literal"));
  ASSERT_TRUE(cache.set("k", bytes, {.flags = 7}));
  ASSERT_TRUE(cache.set("k", std::string_view(bytes)));
  ASSERT_TRUE(cache.set<string>("k", bytes));
  ASSERT_TRUE(cache.set<text>("k", text{bytes}));
  ASSERT_TRUE(cache.set<string>("k", "literal"));
  ASSERT_EQ(server->seen.size(), 6u);
  EXPECT_EQ(server->seen[0].flags, 0u);
  EXPECT_EQ(server->seen[1].flags, 7u);
  EXPECT_EQ(server->seen[1].value, bytes);
  EXPECT_EQ(server->seen[2].value, bytes);
  EXPECT_LT(server->seen[3].value.size(), 100u) << "the dialect's compression";
  EXPECT_EQ(server->seen[4].flags, 16u + 8u) << "text, zlib";
  EXPECT_EQ(server->seen[5].value, "literal");
}

TEST_F(typed, overloads_tell_strings_from_other_values) {
  const char* pointer = "pointer";
  char array[] = "array";
  ASSERT_TRUE(cache.set("p", pointer));
  ASSERT_TRUE(cache.set("a", array));
  ASSERT_TRUE(cache.set("n", nullptr));
  ASSERT_TRUE(cache.set("z", 0));
  ASSERT_TRUE(cache.set("o", std::optional<string>("inner")));
  ASSERT_TRUE(cache.set("s", std::span<const char>("span", 4)));
  EXPECT_EQ(cache.get("p")->value, "pointer");
  EXPECT_EQ(cache.get("a")->value, "array");
  EXPECT_EQ(cache.get<value>("n").value(), (value{value_kind::none, ""}));
  EXPECT_EQ(cache.get<int>("z").value(), 0);
  EXPECT_EQ(cache.get<string>("o").value(), "inner");
  EXPECT_EQ(cache.get<string>("s").value(), "span");
}

TEST_F(typed, add_replace_and_cas) {
  EXPECT_EQ(cache.replace("k", 1).error(), errc::not_stored);
  EXPECT_TRUE(cache.add("k", 1));
  EXPECT_EQ(cache.add("k", 2).error(), errc::not_stored);
  EXPECT_TRUE(cache.replace("k", 3));
  const auto item = cache.get_item<int>("k");
  ASSERT_TRUE(item);
  EXPECT_EQ(item->value, 3);
  ASSERT_NE(item->cas, 0u);
  EXPECT_TRUE(cache.cas("k", 4, item->cas));
  EXPECT_EQ(cache.cas("k", 5, item->cas).error(), errc::exists);
  EXPECT_EQ(cache.cas("k", 5, 0).error(), errc::invalid_argument);
  EXPECT_EQ(cache.cas("none", 5, 1).error(), errc::miss);
  EXPECT_EQ(cache.get<int>("k").value(), 4);
}

TEST_F(typed, counters_are_integers) {
  ASSERT_TRUE(cache.set("n", 10));
  EXPECT_EQ(cache.decr("n")->value, 9u);
  EXPECT_EQ(cache.get<int>("n").value(), 9) << "the server stores \"9 \"";
  EXPECT_EQ(cache.get<double>("n").value(), 9.0);
  EXPECT_EQ(cache.incr("n", 91)->value, 100u);
  EXPECT_EQ(cache.get<std::uint8_t>("n").value(), 100);
  ASSERT_TRUE(cache.incr("made", 1, {.initial = 5}));
  EXPECT_EQ(cache.get<int>("made").value(), 5) << "made by the server: plain bytes";
}

TEST_F(typed, gat_sets_the_ttl) {
  ASSERT_TRUE(cache.set("k", 1));
  ASSERT_TRUE(cache.gat<int>("k", 100s));
  EXPECT_EQ(server->seen.back().op, verb::gat);
  EXPECT_EQ(server->seen.back().ttl, 100);
  ASSERT_TRUE(cache.set("k", 2, {.ttl = 50s}));
  EXPECT_EQ(server->seen.back().ttl, 50);
}

// --- what cannot be read or written -----------------------------------------------------------

TEST_F(typed, a_value_of_another_type_is_told_with_its_item) {
  ASSERT_TRUE(cache.set("k", text{"words"}));
  const auto got = cache.get<int>("k");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error(), errc::wrong_type);
  EXPECT_EQ(got.error().server(), "watched://one");
  EXPECT_EQ(got.error().item().value().bytes, "words");
  EXPECT_EQ(cache.get<point>("k").error().message(), "stored as text, wanted a point");
  ASSERT_TRUE(cache.set("n", 300));
  EXPECT_EQ(cache.get<std::uint8_t>("n").error(), errc::wrong_type);
  EXPECT_EQ(cache.get<colour>("n").error(), errc::wrong_type);
  ASSERT_TRUE(cache.set("e", std::optional<int>()));
  EXPECT_EQ(cache.get<int>("e").error(), errc::wrong_type) << "nothing is no number";
}

TEST_F(typed, foreign_flags_are_no_value_of_ours) {
  ASSERT_TRUE(cache.set("k", "theirs", {.flags = 1}));
  EXPECT_EQ(cache.get<string>("k").error(), errc::unknown_flags);
  EXPECT_EQ(first(cache.get_many<string>({"k"})).error(), errc::unknown_flags);
  EXPECT_EQ(cache.get("k")->value, "theirs") << "as bytes it is fine";
}

TEST_F(typed, an_encoders_error_is_the_stores) {
  const auto kept = cache.set("k", point{-1, 0});
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error(), errc::invalid_argument);
  EXPECT_EQ(kept.error().message(), "points have no negative x");
  const auto many =
      cache.set_many(std::map<string, point>{{"a", {1, 1}}, {"b", {-1, 1}}, {"c", {2, 2}}});
  EXPECT_TRUE(many[0] && many[2]);
  EXPECT_EQ(many[1].error(), errc::invalid_argument);
  EXPECT_EQ(server->stores(), 2u);
}

TEST_F(typed, keys_that_cannot_be_sent_are_refused) {
  EXPECT_EQ(cache.set("a b", 1).error(), errc::invalid_key);
  EXPECT_EQ(cache.get<int>("").error(), errc::invalid_key);
  EXPECT_EQ(cache.get<int>(string(251, 'k')).error(), errc::invalid_key);
  const auto many = cache.get_many<int>({"fine", "a b"});
  EXPECT_EQ(many[0].error(), errc::miss);
  EXPECT_EQ(many[1].error(), errc::invalid_key);
}

TEST_F(typed, on_error_miss_does_not_hide_what_is_wrong_with_a_value) {
  options o;
  o.on_error = error_policy::miss;
  cache = over(server, o);
  ASSERT_TRUE(cache.set("k", text{"words"}));
  EXPECT_EQ(cache.get<int>("k").error(), errc::wrong_type);
  server->reads_fail = errc::server_error;
  EXPECT_EQ(cache.get<int>("k").error(), errc::miss);
}

TEST_F(typed, options_that_contradict_each_other_make_no_client) {
  EXPECT_FALSE(client::create("memory://?dialect=gomemcached&min_compress=10"));
  EXPECT_FALSE(client::create("memory://?dialect=pylibmc&compressor=zstd"));
  EXPECT_FALSE(client::create("memory://?dialect=dalli&hash_long_keys=true"));
  EXPECT_TRUE(client::create("memory://?dialect=pylibmc&min_compress=10&compressor=zlib"));
}

// --- many ------------------------------------------------------------------------------------

TEST_F(typed, get_many_takes_any_range_of_keys) {
  ASSERT_TRUE(cache.set_many(std::vector<std::pair<string, int>>{{"1", 1}, {"2", 2}}).all());
  const std::vector<string> strings = {"1", "none", "2", "1"};
  const std::array<const char*, 2> literals = {"1", "2"};
  const std::set<std::string_view> views = {"1", "2"};
  const auto all = cache.get_many<int>(strings);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].value(), 1);
  EXPECT_EQ(all[1].error(), errc::miss);
  EXPECT_EQ(all[2].value(), 2);
  EXPECT_EQ(all[3].value(), 1) << "asked for twice, told twice";
  EXPECT_EQ(all.hits(), 3u);
  EXPECT_EQ(all.failures(), 0u);
  EXPECT_EQ(*all.find("2"), 2);
  EXPECT_EQ(all.find("none"), nullptr);
  EXPECT_EQ(all.find("other"), nullptr);
  EXPECT_EQ(cache.get_many<int>(literals).hits(), 2u);
  EXPECT_EQ(cache.get_many<int>(views).hits(), 2u);
  EXPECT_EQ(cache
                .get_many<int>(std::views::iota(0, 4) |
                               std::views::transform([](int i) { return std::to_string(i); }))
                .hits(),
            2u)
      << "keys that are made on the way";
  EXPECT_TRUE(cache.get_many<int>(std::vector<string>()).empty());
}

TEST_F(typed, results_of_many_keep_their_keys_and_may_be_moved_from) {
  values_of<string> kept;
  {
    const std::vector<string> keys = {"first-key-that-is-longer-than-a-short-string", "b"};
    ASSERT_TRUE(cache.set<string>(keys[0], string(1000, 'v')));
    kept = cache.get_many<string>(keys);
  }
  std::vector<string> keys;
  for (const auto& e : kept) keys.emplace_back(e.key);
  EXPECT_EQ(keys, (std::vector<string>{"first-key-that-is-longer-than-a-short-string", "b"}));
  const string taken = std::move(*kept[0]);
  EXPECT_EQ(taken, string(1000, 'v'));
}

TEST_F(typed, set_many_stores_a_map_and_tells_of_each) {
  const std::map<string, string> pages = {
      {"a", "1"}, {"b b", "2"}, {"c", string(2 << 20, 'x')}, {"d", ""}};
  const auto stored = cache.set_many(pages, {.ttl = 60s});
  ASSERT_EQ(stored.size(), 4u);
  EXPECT_TRUE(stored[0]);
  EXPECT_EQ(stored[1].error(), errc::invalid_key);
  EXPECT_EQ(stored[2].error(), errc::value_too_large);
  EXPECT_TRUE(stored[3]);
  EXPECT_EQ(stored.failures(), 2u);
  for (const auto& a : server->seen) EXPECT_EQ(a.ttl, 60);
  EXPECT_EQ(cache.get<string>("a").value(), "1");
  EXPECT_EQ(cache.get<string>("d").value(), "");
  const std::vector<std::tuple<std::string_view, double>> numbers = {{"x", 0.5}};
  EXPECT_TRUE(cache.set_many(numbers).all());
  EXPECT_EQ(cache.get<double>("x").value(), 0.5);
}

// --- batches -----------------------------------------------------------------------------------

string numbered(char what, int i) {
  string key(1, what);
  key += std::to_string(i);
  return key;
}

TEST_F(typed, a_batch_keeps_what_it_stores) {
  batch b;
  std::vector<batch_reply<string>> texts;
  for (int i = 0; i < 100; ++i) {
    const auto n = static_cast<std::size_t>(i);
    b.set<string>(numbered('s', i), string(n * 100, static_cast<char>('a' + i % 26)));
    b.set(numbered('n', i), name{string(n, 'n')});
    b.set(numbered('p', i), point{i, -i});
    texts.push_back(b.get<string>(numbered('s', i)));
  }
  batch moved = std::move(b);
  ASSERT_TRUE(cache.run(moved));
  for (int i = 0; i < 100; ++i) {
    const auto n = static_cast<std::size_t>(i);
    EXPECT_EQ(texts[n]->value(), string(n * 100, static_cast<char>('a' + i % 26)));
    EXPECT_EQ(cache.get<name>(numbered('n', i))->letters, string(n, 'n'));
    EXPECT_EQ(cache.get<point>(numbered('p', i)).value(), (point{i, -i}));
  }
}

TEST_F(typed, a_batch_mixes_types_and_each_reply_has_its_own) {
  ASSERT_TRUE(cache.set("t", text{"words"}));
  batch b;
  const auto stored = b.set("n", 5);
  const auto number = b.get<int>("n");
  const auto raw = b.get("n");
  const auto none = b.get<int>("none");
  const auto item = b.get_item<text>("t");
  ASSERT_TRUE(cache.run(b)) << "a miss is an answer";
  EXPECT_TRUE(*stored);
  EXPECT_EQ(number->value(), 5);
  EXPECT_EQ(raw->value().value, "5");
  EXPECT_EQ(none->error(), errc::miss);
  EXPECT_EQ(item->value().value.utf8, "words");
}

TEST_F(typed, a_value_that_cannot_be_read_is_the_batchs_failure) {
  ASSERT_TRUE(cache.set("t", text{"words"}));
  batch b;
  const auto fine = b.get<text>("t");
  const auto wrong = b.get<int>("t");
  const auto outcome = cache.run(b);
  ASSERT_FALSE(outcome) << "it is no plain answer";
  EXPECT_EQ(outcome.error(), errc::wrong_type);
  EXPECT_EQ(fine->value().utf8, "words");
  EXPECT_EQ(wrong->error(), errc::wrong_type);
}

// --- long values, long keys -------------------------------------------------------------------

TEST_F(typed, long_values_are_spread_over_items) {
  cache = with_values(server, {.split_over = 2000});
  const string v(100'000, 'v');
  ASSERT_TRUE(cache.set<string>("k", v));
  EXPECT_EQ(server->stores(), 51u);
  EXPECT_EQ(cache.get<string>("k").value(), v);
  EXPECT_EQ(first(cache.get_many<string>({"k", "none"})).value(), v);
  EXPECT_EQ(cache.get_item<string>("k")->value, v);
  batch b;
  b.set<string>("b", v);
  b.set("n", 3);
  const auto got = b.get<string>("k");
  ASSERT_TRUE(cache.run(b));
  EXPECT_EQ(got->value(), v);
  EXPECT_EQ(cache.get<string>("b").value(), v);
  EXPECT_TRUE(
      cache.set_many(std::map<string, string>{{"m1", v}, {"m2", v}, {"m3", "short"}}).all());
  EXPECT_EQ(cache.get<string>("m2").value(), v);
  EXPECT_LT(cache.get("k", {.packed = true})->value.size(), 100u) << "what names the pieces";
  ASSERT_TRUE(cache.remove("k"));
  EXPECT_EQ(cache.get<string>("k").error(), errc::miss);
  ASSERT_TRUE(cache.set("k", v));
  EXPECT_EQ(cache.get<string>("k").value(), v) << "as it is, whatever was there";
}

TEST_F(typed, only_a_store_that_stores_replaces_a_split_value) {
  cache = with_values(server, {.split_over = 2000});
  const string first(5000, '1');
  const string second(5000, '2');
  ASSERT_TRUE(cache.add<string>("k", first));
  EXPECT_EQ(cache.add<string>("k", second).error(), errc::not_stored);
  EXPECT_EQ(cache.get<string>("k").value(), first);
  const auto token = cache.get_item<string>("k")->cas;
  ASSERT_TRUE(cache.cas<string>("k", second, token));
  EXPECT_EQ(cache.cas<string>("k", first, token).error(), errc::exists);
  EXPECT_EQ(cache.get<string>("k").value(), second);
}

TEST_F(typed, a_session_of_one_of_many_servers_leaves_values_whole) {
  cache = client("memory://a,b?split_over=2000");
  session one = cache.open("memory://a").value();
  const string v(5000, 'v');
  ASSERT_TRUE(one.set<string>("k", v));
  EXPECT_EQ(one.get("k")->value, v);
  cache = client("memory://a?split_over=2000");
  session only = cache.open("memory://a").value();
  ASSERT_TRUE(only.set<string>("k", v));
  EXPECT_LT(only.get("k", {.packed = true})->value.size(), 100u);
  EXPECT_EQ(only.get<string>("k").value(), v);
  EXPECT_EQ(cache.get<string>("k").value(), v);
}

TEST_F(typed, long_keys_work_for_typed_values) {
  options o;
  o.prefix = "app:";
  o.values.hash_long_keys = true;
  cache = over(server, o);
  const string key(1000, 'k');
  const string other = key + "!";
  ASSERT_TRUE(cache.set(key, text{"v"}));
  EXPECT_EQ(cache.get<text>(key)->utf8, "v");
  EXPECT_EQ(cache.gat<text>(key, 60s)->utf8, "v");
  EXPECT_EQ(cache.get<text>(other).error(), errc::miss);
  EXPECT_EQ(first(cache.get_many<text>({key, other, "short"}))->utf8, "v");
  EXPECT_TRUE(cache.touch(key, 60s));
  EXPECT_TRUE(cache.set_many(std::map<string, int>{{other, 5}, {"short", 6}}).all());
  EXPECT_EQ(cache.get<int>(other).value(), 5);
  batch b;
  const auto got = b.get<text>(key);
  const auto gone = b.remove(other);
  ASSERT_TRUE(cache.run(b));
  EXPECT_EQ(got->value().utf8, "v");
  EXPECT_TRUE(*gone);
  for (const auto& a : server->seen) EXPECT_LE(a.key.size(), 250u);
  EXPECT_TRUE(cache.remove_many(std::vector<string>{key})[0]);
  EXPECT_EQ(cache.get<text>(key).error(), errc::miss);
  ASSERT_TRUE(cache.set(key, text{"v"}));
  EXPECT_TRUE(cache.remove_everywhere(key)[0].reply);
  EXPECT_EQ(cache.get<text>(key).error(), errc::miss);
  // A key with a byte that cannot be sent is no better for being long.
  EXPECT_EQ(cache.set(key + " ", 1).error(), errc::invalid_key);
  EXPECT_EQ(cache.get(key).error(), errc::invalid_key)
      << "verbs without types know keys as they are";
}

// --- dialects ------------------------------------------------------------------------------------

TEST_F(typed, a_pickle_is_read_or_handed_on_as_it_is) {
  const string list(
      "\x80\x02]q\x01(K\x01K\x02"
      "e.",
      12);
  const string object(
      "\x80\x02"
      "cdatetime\ndate\n(tR.");
  cache = with_values(server, {.dialect = dialect::python_memcached});
  ASSERT_TRUE(cache.set("list", list, {.flags = 1}));
  ASSERT_TRUE(cache.set("object", object, {.flags = 1}));
  EXPECT_EQ(cache.get<value>("list").value().kind, value_kind::msgpack);
  EXPECT_EQ(cache.get<opaque>("list").value(), (opaque{value_kind::pickle, list}));
  EXPECT_EQ(cache.get<value>("object").error(), errc::wrong_type);
  EXPECT_EQ(cache.get<opaque>("object").value(), (opaque{value_kind::pickle, object}));
  EXPECT_EQ(cache.get<std::optional<opaque>>("object").value()->bytes, object);

  value_options o{.dialect = dialect::python_memcached};
  o.decode_opaque = [](const value_view& v) -> result<value> {
    if (v.bytes.find("datetime") != std::string_view::npos) return value{value_kind::text, "today"};
    return std::unexpected(errc::wrong_type);
  };
  cache = with_values(server, o);
  EXPECT_EQ(cache.get<text>("object")->utf8, "today");
  EXPECT_EQ(cache.get<opaque>("object")->bytes, object) << "as it is, when that is asked for";
}

}  // namespace
}  // namespace memcxx::typed_tests
