// The memory driver: its limits, and many threads at once.
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "memory_fixture.hpp"

namespace memcxx::test {
namespace {

memory_options limited(std::size_t limit, std::size_t max_item_size = std::size_t{1} << 20) {
  memory_options o;
  o.limit = limit;
  o.max_item_size = max_item_size;
  return o;
}

class memory_limit : public memory_fixture {
 protected:
  memory_limit() : memory_fixture(limited(100'000, 30'000)) {}
  const std::string ten_thousand = std::string(10'000, 'x');
};

TEST_F(memory_limit, the_least_recently_read_goes_first) {
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) set(key, ten_thousand);
  EXPECT_EQ(stat("evictions"), "0");
  get("a");
  set("j", ten_thousand);
  EXPECT_EQ(read("b"), "(miss)");
  EXPECT_EQ(read("a"), ten_thousand);
  EXPECT_EQ(stat("evictions"), "1");
  EXPECT_EQ(stat("curr_items"), "9");
  EXPECT_LE(std::stoul(stat("bytes")), 100'000u);
}

TEST_F(memory_limit, gat_touch_and_a_refused_add_count_as_use) {
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) set(key, ten_thousand);
  ask({.op = verb::gat, .key = "a"});
  ask({.op = verb::touch, .key = "b"});
  store(verb::add, "c", "x");
  set("j", ten_thousand);
  EXPECT_EQ(read("d"), "(miss)");
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(read(key), ten_thousand) << key;
}

TEST_F(memory_limit, holds_over_many_stores_of_many_sizes) {
  for (std::size_t i = 0; i < 5'000; ++i) {
    const std::string key = "key" + std::to_string(i % 700);
    const std::string value((i * 37) % 2'000, 'v');
    set(key, value);
    ASSERT_EQ(read(key), value);
  }
  EXPECT_LE(std::stoul(stat("bytes")), 100'000u);
  EXPECT_NE(stat("evictions"), "0");
}

TEST_F(memory_limit, a_value_too_large_drops_the_old_one) {
  const std::string longest(30'000, 'x');
  for (const verb op :
       {verb::set, verb::add, verb::replace, verb::append, verb::prepend, verb::cas}) {
    set("k", "old");
    const answer a = store(op, "k", longest + "x", 0, op == verb::cas ? 1 : 0);
    EXPECT_EQ(a.status(), errc::value_too_large);
    EXPECT_NE(a.text, "");
    EXPECT_EQ(read("k"), "(miss)");
  }
  set("k", longest);
  EXPECT_EQ(read("k"), longest);
}

TEST_F(memory_limit, growing_too_large_leaves_the_old_value) {
  set("k", std::string(20'000, 'x'));
  EXPECT_EQ(store(verb::append, "k", std::string(10'001, 'y')).status(), errc::not_stored);
  EXPECT_EQ(store(verb::prepend, "k", std::string(10'001, 'y')).status(), errc::not_stored);
  EXPECT_EQ(read("k"), std::string(20'000, 'x'));
  EXPECT_EQ(store(verb::append, "k", std::string(10'000, 'y')).status(), errc::ok);
}

TEST(memory_small_limit, what_can_never_fit_is_out_of_memory) {
  memory_driver d(limited(1'000));
  ASSERT_EQ(ask(d, {.op = verb::set, .key = "k", .value = "old"}).status(), errc::ok);
  ASSERT_EQ(ask(d, {.op = verb::set, .key = "n", .value = "1"}).status(), errc::ok);
  const std::string large(1'000, 'x');
  const answer a = ask(d, {.op = verb::set, .key = "k", .value = large});
  EXPECT_EQ(a.status(), errc::out_of_memory);
  EXPECT_NE(a.text, "");
  EXPECT_EQ(ask(d, {.key = "k"}).status(), errc::miss) << "the old value went with it";
  EXPECT_EQ(ask(d, {.key = "n"}).value, "1") << "nobody else was evicted for it";
}

TEST(memory_small_limit, without_any_room_every_way_to_create_fails) {
  memory_driver d(limited(0));
  EXPECT_EQ(ask(d, {.op = verb::set, .key = "k"}).status(), errc::out_of_memory);
  EXPECT_EQ(ask(d, {.key = "k", .vivify_ttl = 10}).status(), errc::out_of_memory);
  EXPECT_EQ(ask(d, {.op = verb::incr, .key = "k", .initial = 1}).status(), errc::out_of_memory);
  EXPECT_EQ(ask(d, {.key = "k"}).status(), errc::miss);
}

// Every value names its key, so a view of the wrong bytes shows; the sum shows a lost update.
TEST(memory_threads, share_a_driver) {
  constexpr unsigned threads = 4;
  constexpr unsigned rounds = 1'000;
  memory_driver d(limited(20'000));
  std::vector<std::uint64_t> wins(threads, 0);
  {
    std::vector<std::jthread> running;
    for (unsigned t = 0; t < threads; ++t) {
      running.emplace_back([&d, &wins, t] {
        for (unsigned i = 0; i < rounds; ++i) {
          const std::string key = "key" + std::to_string((i * 7 + t) % 50);
          const std::string value = key + std::string(i % 300, '.');
          ask(d, {.op = verb::set, .ttl = 100, .key = key, .value = value});
          const answer hit = ask(d, {.key = key});
          if (hit.status() == errc::ok) {
            EXPECT_TRUE(hit.value.starts_with(key));
          }
          wins[t] += ask(d, {.op = verb::incr, .key = "sum", .initial = 1}).status() == errc::ok;
          if (i % 64 == 0) ask(d, {.op = verb::stats});
          if (i % 10 == 0) ask(d, {.op = verb::remove, .key = key});
        }
      });
    }
  }
  std::uint64_t total = 0;
  for (const std::uint64_t n : wins) total += n;
  EXPECT_EQ(total, std::uint64_t{threads} * rounds);
  EXPECT_EQ(ask(d, {.key = "sum"}).value, std::to_string(total));
}

// cas from many threads: every round has one winner, so no increment is lost.
TEST(memory_threads, one_cas_wins) {
  constexpr unsigned threads = 4;
  constexpr unsigned rounds = 200;
  memory_driver d;
  ask(d, {.op = verb::set, .key = "k", .value = "0"});
  {
    std::vector<std::jthread> running;
    for (unsigned t = 0; t < threads; ++t) {
      running.emplace_back([&d] {
        for (unsigned done = 0; done < rounds;) {
          const answer seen = ask(d, {.wants = want::value | want::cas, .key = "k"});
          const std::string next = std::to_string(std::stoul(seen.value) + 1);
          done +=
              ask(d, {.op = verb::cas, .key = "k", .value = next, .cas = seen.head.cas}).status() ==
              errc::ok;
        }
      });
    }
  }
  EXPECT_EQ(ask(d, {.key = "k"}).value, std::to_string(threads * rounds));
}

}  // namespace
}  // namespace memcxx::test
