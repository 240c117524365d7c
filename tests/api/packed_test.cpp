// Strings have one form whatever verb stores them, and a read without a type never hands out bytes
// that a typed store packed as if they were the value.
// Never here: sockets, the formats (tests/codec).
#include <array>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/client.hpp>

namespace memcxx {
namespace {

const std::string long_one(5000, 'x');

client make(const char* more = "") {
  return client("memory://a?min_compress=100" + std::string(more));
}

// What a plain set stores: the bytes, no flags.
void lies_plainly(const client& cache, const char* key, const std::string& bytes) {
  const auto read = cache.get(key);
  ASSERT_TRUE(read) << key << ": " << read.error();
  EXPECT_EQ(read->value, bytes) << key;
  EXPECT_EQ(read->flags, 0U) << key;
}

TEST(strings, have_one_form_through_every_verb) {
  const client cache = make();
  ASSERT_TRUE(cache.set("set", long_one));
  ASSERT_TRUE(cache.set_many({{"entry", long_one}}).all());
  ASSERT_TRUE(cache.set_many(std::map<std::string, std::string>{{"map", long_one}}).all());
  ASSERT_TRUE(
      cache.set_many(std::vector<std::pair<const char*, std::string_view>>{{"pair", long_one}})
          .all());
  batch b;
  b.set("batch", long_one);
  ASSERT_TRUE(cache.run(b));
  for (const char* key : {"set", "entry", "map", "pair", "batch"}) {
    lies_plainly(cache, key, long_one);
    EXPECT_EQ(cache.get<std::string>(key), long_one) << key;
  }
  EXPECT_TRUE(cache.set_many(std::map<std::string, std::string>{{"f", "v"}}, {.flags = 7}).all());
  EXPECT_EQ(cache.get("f")->flags, 7U);
}

TEST(strings, go_through_the_dialect_where_that_is_asked_for) {
  const client cache = make();
  ASSERT_TRUE(cache.set<std::string>("one", long_one));
  const std::map<std::string, std::string> many{{"two", long_one}};
  ASSERT_TRUE(cache.set_many<std::string>(many).all());
  for (const char* key : {"one", "two"}) {
    EXPECT_LT(cache.get(key, {.packed = true})->value.size(), 200U) << key;
    EXPECT_EQ(cache.get<std::string>(key), long_one) << key;
  }
}

void is_wrong_type(const error& e) {
  EXPECT_EQ(e, errc::wrong_type) << e;
  ASSERT_TRUE(e.item().has_value());
  EXPECT_NE(e.item()->flags, 0U);
  EXPECT_FALSE(e.item()->bytes.empty());
}

// Every read without a type; `key` was packed.
void no_read_takes_it(const client& cache, const char* key) {
  std::array<char, 8192> buffer;
  is_wrong_type(cache.get(key).error());
  is_wrong_type(cache.gat(key, ttl{}).error());
  is_wrong_type(cache.get_into(key, buffer).error());
  const items read = cache.get_many({key, "plain"});
  is_wrong_type(read[0].status);
  EXPECT_EQ(read[0].value, "");
  EXPECT_EQ(read[1].value, "plain");
  batch b;
  const auto queued = b.get(key);
  EXPECT_EQ(cache.run(b).error(), errc::wrong_type);
  is_wrong_type(queued->error());
  // As it lies there, for whoever copies items.
  const auto as_is = cache.get(key, {.packed = true});
  ASSERT_TRUE(as_is);
  EXPECT_NE(as_is->flags, 0U);
  EXPECT_EQ(cache.get_into(key, buffer, {.packed = true})->value, as_is->value);
  const items several = cache.get_many({key}, {.cas = false, .packed = true});
  EXPECT_EQ(several[0].value, as_is->value);
  // Whether it is there, and its attributes.
  EXPECT_TRUE(cache.get(key, {.value = false}));
}

TEST(packed, values_are_handed_to_no_read_without_a_type) {
  const client cache = make();
  ASSERT_TRUE(cache.set("plain", "plain"));
  ASSERT_TRUE(cache.set<std::string>("compressed", long_one));
  no_read_takes_it(cache, "compressed");
  const client splits = make("&split_over=1024");
  ASSERT_TRUE(splits.set("plain", "plain"));
  ASSERT_TRUE(splits.set<std::string>("split", std::string(5000, 'y'), {.min_compress = 0}));
  no_read_takes_it(splits, "split");
}

TEST(packed, values_of_other_dialects_are_known_by_their_flags) {
  const client cache = make("&dialect=pymemcache");
  ASSERT_TRUE(cache.set("plain", "plain"));
  ASSERT_TRUE(cache.set<std::string>("zlib", long_one));
  no_read_takes_it(cache, "zlib");
}

// Flags that are the user's own, or tell a type alone, are nothing to hold a value back for.
TEST(packed, is_not_what_has_flags_alone) {
  const client cache = make();
  ASSERT_TRUE(cache.set("own", "v", {.flags = 0xffff'ffff}));
  EXPECT_EQ(cache.get("own")->value, "v");
  ASSERT_TRUE(cache.set("typed", 42));
  EXPECT_EQ(cache.get("typed")->value, "42");
}

}  // namespace
}  // namespace memcxx
