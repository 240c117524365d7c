// Typed values on real memcached: every codec, every verb, compression, dictionaries, long keys.
// Never here: values over several items (typed_pieces_test.cpp), cache() (computed_test.cpp), what
// other programs write (tests/cross).
#include "typed.hpp"

#include <array>
#include <limits>
#include <list>
#include <map>
#include <set>
#include <stdexcept>
#include <zdict.h>

#include <memcxx/json.hpp>
#include <memcxx/msgpack.hpp>

namespace memcxx::test::typed {
namespace {

class typed : public over_servers {};

struct user {
  string name;
  std::vector<int> groups;
  std::map<string, double> scores;
  MSGPACK_DEFINE_MAP(name, groups, scores)
  bool operator==(const user&) const = default;
};

const user ann{"ann", {1, -2, 1 << 30}, {{"chess", 0.1}, {"go", 1e300}}};

enum class state : std::int16_t { off = -1, on = 300 };

// Two keys, so that four servers see more than one.
template <class T>
void expect_round_trip(client& cache, const string& name, const T& v) {
  SCOPED_TRACE(name);
  const std::vector<string> keys = {name, name + "2"};
  for (const string& key : keys) {
    ASSERT_TRUE(ok(cache.set(key, v)));
    const auto got = cache.get<T>(key);
    ASSERT_TRUE(ok(got));
    EXPECT_EQ(*got, v);
  }
}

// Through every verb that stores and every one that reads.
template <class T>
void expect_every_verb(client& cache, const string& name, const T& v) {
  SCOPED_TRACE(name);
  std::vector<string> keys;
  for (int i = 0; i < 4; ++i) keys.push_back(name + std::to_string(i));
  ASSERT_TRUE(ok(cache.set(keys[0], v)));
  ASSERT_TRUE(ok(cache.add(keys[1], v)));
  ASSERT_TRUE(cache.set_many(std::vector<std::pair<string, T>>{{keys[2], v}}).all());
  batch b;
  const auto stored = b.set(keys[3], v);
  const auto read = b.get<T>(keys[3]);
  ASSERT_TRUE(ok(cache.run(b)));
  EXPECT_TRUE(ok(*stored));
  ASSERT_TRUE(ok(*read));
  EXPECT_EQ(**read, v);
  const auto all = cache.get_many<T>(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(ok(all[i])) << i;
    EXPECT_EQ(*all[i], v) << i;
    const auto one = cache.get<T>(keys[i]);
    ASSERT_TRUE(ok(one)) << i;
    EXPECT_EQ(*one, v) << i;
  }
  const auto touched = cache.gat<T>(keys[0], 60s);
  ASSERT_TRUE(ok(touched));
  EXPECT_EQ(*touched, v);
  const auto item = cache.get_item<T>(keys[0]);
  ASSERT_TRUE(ok(item));
  EXPECT_EQ(item->value, v);
  ASSERT_TRUE(ok(cache.cas(keys[0], v, item->cas)));
  EXPECT_TRUE(fails(cache.cas(keys[0], v, item->cas), errc::exists));
  EXPECT_TRUE(ok(cache.replace(keys[0], v)));
  EXPECT_TRUE(ok(cache.get<T>(keys[0])));
}

void expect_every_type(client& cache) {
  for (const std::int64_t n : {std::int64_t{0}, std::numeric_limits<std::int64_t>::min(),
                               std::numeric_limits<std::int64_t>::max()}) {
    expect_round_trip(cache, "int64:" + std::to_string(n), n);
  }
  expect_round_trip(cache, "uint64", std::numeric_limits<std::uint64_t>::max());
  expect_round_trip(cache, "int8", std::int8_t{-128});
  expect_round_trip(cache, "double", 0.1);
  expect_round_trip(cache, "tiny", std::numeric_limits<double>::denorm_min());
  expect_round_trip(cache, "infinity", -std::numeric_limits<double>::infinity());
  expect_round_trip(cache, "float", 0.1f);
  expect_round_trip(cache, "true", true);
  expect_round_trip(cache, "false", false);
  expect_round_trip(cache, "enum", state::on);
  expect_round_trip(cache, "text", text{"gr\xc3\xbc\xc3\x9f dich"});
  expect_round_trip(cache, "long-text", text{prose(50'000)});
  expect_round_trip(cache, "bytes", std::vector<std::byte>(3, std::byte{255}));
  expect_round_trip(cache, "noise", std::vector<char>(100'000, 'c'));
  expect_round_trip(cache, "some", std::optional<int>(3));
  expect_round_trip(cache, "none", std::optional<int>());
  expect_round_trip(cache, "json-value", value{value_kind::json, "{\"a\":[1,2]}"});
  expect_round_trip(cache, "list", std::vector<int>{1, 2, 3});
  expect_round_trip(cache, "map", std::map<string, std::vector<double>>{{"a", {0.5}}, {"b", {}}});
  expect_round_trip(cache, "set", std::set<string>{"x", "y"});
  expect_round_trip(cache, "tuple", std::tuple<int, string, bool>(1, "two", true));
  expect_round_trip(cache, "user", ann);
  expect_round_trip(cache, "json", nlohmann::json::parse(R"({"k":[1,2.5,null,"s"]})"));
}

void expect_every_verb(client& cache) {
  expect_every_verb(cache, "a-number", 12);
  expect_every_verb(cache, "a-text", text{prose(1000)});
  expect_every_verb(cache, "a-user", ann);
}

TEST_P(typed, every_codec_and_every_verb) {
  client cache = with();
  expect_every_type(cache);
  expect_every_verb(cache);
}

TEST_P(typed, every_codec_compressed_by_every_compressor) {
  for (const compressor c : {compressor::lz4, compressor::zlib, compressor::zstd}) {
    SCOPED_TRACE(name_of(c));
    client cache = with({.min_compress = 1, .compressor = c});
    (void)cache.flush();
    expect_every_type(cache);
    expect_every_verb(cache);
  }
}

TEST_P(typed, strings_of_every_length_near_an_edge) {
  client cache = with();
  client small = with({.min_compress = 100});
  for (const std::size_t edge : {0u, 15u, 100u, 4096u, 16384u, 65536u}) {
    for (std::size_t n = edge; n < edge + 3; ++n) {
      const string v = noise(n, static_cast<unsigned>(n) + 1);
      const string p = prose(n);
      ASSERT_TRUE(ok(cache.set<string>("k", v))) << n;
      ASSERT_TRUE(ok(small.set<string>("s", p))) << n;
      const auto got = cache.get<string>("k");
      ASSERT_TRUE(ok(got)) << n;
      ASSERT_TRUE(*got == v) << n;
      const auto same = cache.get<string>("s");
      ASSERT_TRUE(ok(same)) << n;
      ASSERT_TRUE(*same == p) << n;
    }
  }
}

TEST_P(typed, many_values_over_many_servers) {
  client cache = with({.min_compress = 500});
  std::map<string, string> pages;
  for (std::size_t i = 0; i < 1000; ++i) {
    pages["page:" + std::to_string(i)] = i % 2 == 0 ? prose(i * 10) : noise(i * 10);
  }
  const auto stored = cache.set_many(pages, {.ttl = 60s});
  EXPECT_EQ(stored.failures(), 0u);
  std::vector<string> keys;
  for (const auto& [key, page] : pages) keys.push_back(key);
  keys.emplace_back("none");
  const auto got = cache.get_many<string>(keys);
  EXPECT_EQ(got.hits(), 1000u);
  EXPECT_EQ(got.failures(), 0u);
  for (const auto& e : got) {
    if (e.value) {
      EXPECT_TRUE(*e.value == pages[string(e.key)]) << e.key;
    }
  }
  EXPECT_TRUE(fails(got[1000], errc::miss));
}

TEST_P(typed, counters_are_integers_however_they_are_padded) {
  client cache = with({.min_compress = 1});  // never for integers
  ASSERT_TRUE(ok(cache.set("n", 10)));
  ASSERT_TRUE(ok(cache.decr("n")));
  EXPECT_EQ(value_of(cache.get("n")), "9 ") << "as the server keeps it";
  EXPECT_EQ(cache.get<int>("n").value(), 9);
  EXPECT_EQ(first(cache.get_many<int>({"n"})).value(), 9);
  EXPECT_EQ(cache.get<std::optional<std::int8_t>>("n").value(), 9);
  EXPECT_EQ(cache.get<double>("n").value(), 9.0);
  EXPECT_EQ(cache.get<value>("n")->bytes, "9");
  ASSERT_TRUE(ok(cache.incr("n", std::numeric_limits<std::uint64_t>::max() - 9)));
  EXPECT_EQ(cache.get<std::uint64_t>("n").value(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(fails(cache.get<std::int64_t>("n"), errc::wrong_type));
}

TEST_P(typed, ttls_are_sent) {
  client cache = with();
  ASSERT_TRUE(ok(cache.set("k", 1, {.ttl = -1s})));
  EXPECT_TRUE(fails(cache.get<int>("k"), errc::miss));
  ASSERT_TRUE(ok(cache.set("k", 1)));
  ASSERT_TRUE(ok(cache.gat<int>("k", -1s)));
  EXPECT_TRUE(fails(cache.get<int>("k"), errc::miss));
}

// --- compression ---------------------------------------------------------------------------------

TEST_P(typed, compression_of_a_client_and_of_one_call) {
  const string page = prose(20'000);
  client plain = with();
  for (const compressor c : {compressor::lz4, compressor::zlib, compressor::zstd}) {
    SCOPED_TRACE(name_of(c));
    client small = with({.min_compress = 1000, .compressor = c});
    const auto stored_size = [&](client& by, const string& v, store_options o = {}) {
      EXPECT_TRUE(ok(by.set<string>("k", v, o)));
      const auto raw = plain.get("k", {.packed = true});
      EXPECT_TRUE(ok(raw));
      // Whoever reads need not be set up as whoever wrote.
      for (client* reader : {&plain, &small}) {
        const auto got = reader->get<string>("k");
        EXPECT_TRUE(ok(got));
        EXPECT_TRUE(got && *got == v);
      }
      return raw->value.size();
    };
    EXPECT_LT(stored_size(small, page), page.size() / 2);
    EXPECT_EQ(stored_size(small, page, {.min_compress = 0}), page.size());
    EXPECT_EQ(stored_size(small, page.substr(0, 1000)), 1000u);
    EXPECT_LT(stored_size(small, page.substr(0, 1001)), 1000u);
    EXPECT_EQ(stored_size(small, noise(20'000)), 20'000u) << "what gets longer is left as it is";
    EXPECT_EQ(stored_size(plain, page), page.size());
    EXPECT_LT(stored_size(plain, page, {.min_compress = 1000}), page.size() / 2);
  }
  batch b;
  b.set<string>("k", page, {.min_compress = 10});
  ASSERT_TRUE(ok(plain.run(b)));
  EXPECT_LT(plain.get("k", {.packed = true})->value.size(), page.size() / 2);
  EXPECT_TRUE(fails(plain.set("k", page, {.min_compress = 10}), errc::invalid_argument))
      << "bytes as they are, and nothing else";
}

// As `zstd --train` makes one.
string dictionary(unsigned id, const string& like) {
  string samples;
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < 100; ++i) {
    samples += prose(4000).substr(i * 20, 500) + like;
    sizes.push_back(500 + like.size());
  }
  string out(4096, '\0');
  ZDICT_params_t params{};
  params.dictID = id;
  const string content = prose(1000) + like;
  const std::size_t n = ZDICT_finalizeDictionary(out.data(), out.size(), content.data(),
                                                 content.size(), samples.data(), sizes.data(),
                                                 static_cast<unsigned>(sizes.size()), params);
  if (ZDICT_isError(n) != 0) throw std::runtime_error(ZDICT_getErrorName(n));
  out.resize(n);
  return out;
}

TEST_P(typed, dictionaries_come_and_go) {
  const string like = "a sentence that is in each of these values and in the first dictionary";
  const string old_one = dictionary(70'001, like);
  const string new_one = dictionary(70'002, "something else altogether");
  const string v = "1: " + like;
  client before = with({.min_compress = 10, .zstd_dictionaries = {old_one}});
  client changing = with({.min_compress = 10, .zstd_dictionaries = {new_one, old_one}});
  client after = with({.min_compress = 10, .zstd_dictionaries = {new_one}});
  ASSERT_TRUE(ok(before.set<string>("old", v)));
  ASSERT_TRUE(ok(changing.set<string>("new", v)));
  EXPECT_LT(before.get("old", {.packed = true})->value.size(), v.size() / 2)
      << "short values become shorter, too";
  EXPECT_EQ(before.get<string>("old").value(), v);
  EXPECT_EQ(changing.get<string>("old").value(), v);
  EXPECT_EQ(changing.get<string>("new").value(), v);
  EXPECT_EQ(after.get<string>("new").value(), v);
  const auto lost = after.get<string>("old");
  ASSERT_TRUE(fails(lost, errc::corrupt_value));
  EXPECT_NE(lost.error().message().find("70001"), std::string_view::npos) << lost.error();
}

// --- long keys -----------------------------------------------------------------------------------

TEST_P(typed, long_keys_are_keys_like_others) {
  client cache = with({.min_compress = 100, .hash_long_keys = true}, "app:");
  std::vector<string> keys;
  for (const std::size_t n : {246u, 247u, 250u, 251u, 1000u, 50'000u}) {
    keys.push_back(string(n - 1, 'k') + "1");
    keys.push_back(string(n - 1, 'k') + "2");
  }
  std::map<string, string> pages;
  for (const string& key : keys) pages[key] = prose(key.size()) + key.back();
  ASSERT_TRUE(cache.set_many<string>(pages).all());
  const auto all = cache.get_many<string>(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    SCOPED_TRACE(keys[i].size());
    ASSERT_TRUE(ok(all[i]));
    EXPECT_EQ(*all[i], pages[keys[i]]);
    ASSERT_TRUE(ok(cache.touch(keys[i], 60s)));
    EXPECT_TRUE(ok(cache.gat<string>(keys[i], 60s)));
    const auto item = cache.get_item<string>(keys[i]);
    ASSERT_TRUE(ok(item));
    ASSERT_TRUE(ok(cache.cas(keys[i], 5, item->cas)));
    EXPECT_EQ(cache.get<int>(keys[i]).value(), 5);
    ASSERT_TRUE(ok(cache.remove(keys[i])));
    EXPECT_TRUE(fails(cache.get<int>(keys[i]), errc::miss));
    EXPECT_TRUE(fails(cache.remove(keys[i]), errc::miss));
    EXPECT_TRUE(fails(cache.touch(keys[i], 60s), errc::miss));
  }
  ASSERT_TRUE(cache.set_many<string>(pages).all());
  EXPECT_TRUE(cache.remove_many(keys).all());
  for (const auto& gone : cache.get_many<string>(keys)) {
    EXPECT_TRUE(fails(gone.value, errc::miss));
  }
  const string& key = keys.back();
  ASSERT_TRUE(ok(cache.set(key, 1)));
  ASSERT_TRUE(ok(cache.touch(key, -1s)));
  EXPECT_TRUE(fails(cache.get<int>(key), errc::miss));
  EXPECT_TRUE(fails(cache.get(key), errc::invalid_key)) << "as it is, it is too long";
  EXPECT_TRUE(fails(with().get<int>(key), errc::invalid_key));
}

// --- into the caller's memory -------------------------------------------------------------------

TEST_P(typed, get_into_exact_long_short_and_empty_buffers) {
  client cache = with();
  for (const std::size_t n : {0u, 1u, 100u, 16'300u, 16'384u, 16'500u, 300'000u}) {
    SCOPED_TRACE(n);
    const string v = noise(n, static_cast<unsigned>(n) + 1);
    ASSERT_TRUE(ok(cache.set("k", v, {.flags = 3})));
    for (const std::size_t more : {0u, 1u, 5000u}) {
      string buffer(n + more, '.');
      const auto got = cache.get_into("k", buffer);
      ASSERT_TRUE(ok(got));
      EXPECT_TRUE(got->value == v);
      EXPECT_EQ(got->value.data(), buffer.data());
      EXPECT_EQ(got->flags, 3u);
      EXPECT_NE(got->cas, 0u);
      EXPECT_EQ(buffer.substr(n), string(more, '.'));
    }
    if (n != 0) {
      string buffer(n + 10, '.');
      for (const std::size_t room : {std::size_t{0}, n - 1}) {
        const auto got = cache.get_into("k", std::span(buffer).first(room));
        ASSERT_TRUE(fails(got, errc::value_too_large));
        EXPECT_EQ(got.error().whose(), fault::caller);
        EXPECT_EQ(buffer.substr(room), string(buffer.size() - room, '.'));
      }
    }
    EXPECT_EQ(value_of(cache.get("k")), v) << "the connection goes on";
  }
  EXPECT_TRUE(fails(cache.get_into("none", {}), errc::miss));
  std::array<char, 10> buffer{};
  session own = cache.open(cache.servers()[0]).value();
  ASSERT_TRUE(ok(own.set("k", "v")));
  EXPECT_EQ(own.get_into("k", buffer)->value, "v");
  batch b;
  const auto got = b.get_into("none", buffer);
  EXPECT_TRUE(ok(cache.run(b)));
  EXPECT_TRUE(fails(*got, errc::miss));
}

MEMCXX_OVER_SERVERS(typed);

}  // namespace
}  // namespace memcxx::test::typed
