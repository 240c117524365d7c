// The store of the memory driver: order of use, limit, expiry.
#include "driver/store.hpp"

#include <gtest/gtest.h>
#include <string>

namespace memcxx::detail {
namespace {

constexpr std::size_t of_ten = lru_store::charge(1, 10);  // an item with a key of 1 and value of 10
const std::string ten(10, 'x');

TEST(lru_store, finds_what_was_put_and_nothing_else) {
  lru_store s(1000000);
  ASSERT_NE(s.put("k", "one", 5), nullptr);
  ASSERT_NE(s.find("k", 5), nullptr);
  EXPECT_EQ(s.find("k", 5)->value, "one");
  EXPECT_EQ(s.find("K", 5), nullptr);
  EXPECT_EQ(s.find("", 5), nullptr);
  EXPECT_EQ(s.size(), 1u);
}

TEST(lru_store, put_makes_an_item_as_new) {
  lru_store s(1000000);
  stored_item* it = s.put("k", "one", 5);
  const auto cas = it->cas;
  it->flags = 7;
  it->expires = 100;
  it->fetched = it->stale = it->token_sent = true;
  it = s.put("k", "two", 6);
  EXPECT_EQ(it->value, "two");
  EXPECT_GT(it->cas, cas);
  EXPECT_EQ(it->flags, 0u);
  EXPECT_EQ(it->expires, stored_item::never);
  EXPECT_EQ(it->accessed, 6);
  EXPECT_FALSE(it->fetched || it->stale || it->token_sent);
  EXPECT_EQ(s.size(), 1u);
}

TEST(lru_store, assign_keeps_all_but_value_and_cas) {
  lru_store s(1000000);
  stored_item* it = s.put("k", "one", 5);
  const auto cas = it->cas;
  it->flags = 7;
  it->expires = 100;
  it->stale = true;
  ASSERT_TRUE(s.assign(*it, "three", 6));
  EXPECT_EQ(it->value, "three");
  EXPECT_GT(it->cas, cas);
  EXPECT_EQ(it->flags, 7u);
  EXPECT_EQ(it->expires, 100);
  EXPECT_TRUE(it->stale);
  EXPECT_EQ(s.bytes(), lru_store::charge(1, 5));
}

TEST(lru_store, expires_at_its_second) {
  lru_store s(1000000);
  s.put("k", "one", 5)->expires = 10;
  EXPECT_NE(s.find("k", 9), nullptr);
  EXPECT_EQ(s.find("k", 10), nullptr);
  EXPECT_EQ(s.size(), 0u);
  EXPECT_EQ(s.bytes(), 0u);
  EXPECT_EQ(s.find("k", 9), nullptr) << "gone is gone, even when the clock is set back";
}

TEST(lru_store, counts_every_byte_that_comes_and_goes) {
  lru_store s(1000000);
  s.put("a", ten, 1);
  EXPECT_EQ(s.bytes(), of_ten);
  s.put("b", ten, 1);
  s.put("a", "", 1);
  EXPECT_EQ(s.bytes(), of_ten + lru_store::charge(1, 0));
  s.put("a", std::string(500, 'y'), 1);
  EXPECT_EQ(s.bytes(), of_ten + lru_store::charge(1, 500));
  s.erase("a");
  s.erase("a");
  EXPECT_EQ(s.bytes(), of_ten);
  s.clear();
  EXPECT_EQ(s.bytes(), 0u);
  EXPECT_EQ(s.find("b", 1), nullptr);
}

TEST(lru_store, evicts_the_least_recently_used) {
  lru_store s(3 * of_ten);
  for (const char* key : {"a", "b", "c"}) s.put(key, ten, 1);
  s.use(*s.find("a", 1), 2);
  s.put("d", ten, 2);
  EXPECT_EQ(s.find("b", 2), nullptr);
  for (const char* key : {"a", "c", "d"}) EXPECT_NE(s.find(key, 2), nullptr) << key;
  EXPECT_EQ(s.evictions(), 1u);
  EXPECT_LE(s.bytes(), s.limit());
}

TEST(lru_store, finding_alone_is_no_use) {
  lru_store s(2 * of_ten);
  s.put("a", ten, 1);
  s.put("b", ten, 1);
  ASSERT_NE(s.find("a", 1), nullptr);
  s.put("c", ten, 1);
  EXPECT_EQ(s.find("a", 1), nullptr);
}

TEST(lru_store, growing_an_item_evicts_others_and_never_itself) {
  lru_store s(3 * of_ten);
  for (const char* key : {"a", "b", "c"}) s.put(key, ten, 1);
  const std::string large(10 + 2 * of_ten, 'z');
  ASSERT_TRUE(s.assign(*s.find("a", 1), large, 1));
  EXPECT_EQ(s.size(), 1u);
  ASSERT_NE(s.find("a", 1), nullptr);
  EXPECT_EQ(s.find("a", 1)->value, large);
  EXPECT_EQ(s.bytes(), s.limit());
}

TEST(lru_store, what_never_fits_changes_nothing) {
  lru_store s(3 * of_ten);
  stored_item* it = s.put("a", ten, 1);
  s.put("b", ten, 1);
  const std::string monster(3 * of_ten, 'z');
  EXPECT_EQ(s.put("a", monster, 1), nullptr);
  EXPECT_FALSE(s.assign(*it, monster, 1));
  EXPECT_EQ(s.put("c", monster, 1), nullptr);
  EXPECT_EQ(s.find("a", 1)->value, ten);
  EXPECT_EQ(s.size(), 2u);
  EXPECT_EQ(s.evictions(), 0u);
  EXPECT_FALSE(s.fits(1, static_cast<std::size_t>(-1))) << "the sum must not wrap";
}

TEST(lru_store, dropping_the_expired_is_no_eviction) {
  lru_store s(2 * of_ten);
  s.put("a", ten, 1)->expires = 5;
  s.put("b", ten, 1);
  s.put("c", ten, 9);
  EXPECT_EQ(s.evictions(), 0u);
  EXPECT_NE(s.find("b", 9), nullptr);
  s.put("d", ten, 9);
  EXPECT_EQ(s.evictions(), 1u);
}

TEST(lru_store, gives_back_the_memory_of_a_long_value) {
  lru_store s(1000000);
  stored_item* it = s.put("a", std::string(100000, 'x'), 1);
  it = s.put("a", "s", 1);
  EXPECT_LT(it->value.capacity(), 100u);
  s.put("a", std::string(100000, 'x'), 1);
  s.assign(*it, "s", 1);
  EXPECT_LT(it->value.capacity(), 100u);
}

}  // namespace
}  // namespace memcxx::detail
