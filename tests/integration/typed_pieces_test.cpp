// Values over several items, on real memcached with its limit of 1 MB for one: lengths around every
// limit, many at a time, and readers while they are overwritten.
// Never here: pieces that lie (tests/api/pieces_test.cpp).
#include <atomic>
#include <map>
#include <thread>

#include "typed.hpp"

namespace memcxx::test::typed {
namespace {

class pieces : public over_servers {
 protected:
  // The most that servers with their usual settings take for one item, less 200.
  static constexpr std::size_t limit = (std::size_t{1} << 20) - 200;
};

TEST_P(pieces, of_every_length_around_a_limit) {
  client cache = with({.split_over = limit});
  for (const std::size_t n :
       {limit - 1, limit, limit + 1, 2 * limit - 1, 2 * limit, 2 * limit + 1, 20 * limit + 7}) {
    SCOPED_TRACE(n);
    const string v = noise(n, static_cast<unsigned>(n));
    ASSERT_TRUE(ok(cache.set<string>("k", v)));
    const auto got = cache.get<string>("k");
    ASSERT_TRUE(ok(got));
    EXPECT_TRUE(*got == v);
    const auto item = cache.get_item<std::vector<char>>("k");
    ASSERT_TRUE(ok(item));
    EXPECT_TRUE(std::ranges::equal(item->value, v));
    EXPECT_NE(item->cas, 0u);
    EXPECT_EQ(cache.get("k", {.packed = true})->value.size() < 100, n > limit);
  }
}

TEST_P(pieces, are_needed_only_for_what_is_too_long_once_compressed) {
  client cache = with({.min_compress = 1000, .split_over = limit});
  const string page = prose(5 << 20);
  ASSERT_TRUE(ok(cache.set<string>("k", page)));
  EXPECT_TRUE(ok(cache.get<string>("k")));
  EXPECT_GT(cache.get("k", {.packed = true})->value.size(), 100u) << "one item";
  const string both = page + noise(3 << 20);
  ASSERT_TRUE(ok(cache.set<text>("t", text{page})));
  ASSERT_TRUE(ok(cache.set<string>("k", both)));
  EXPECT_LT(cache.get("k", {.packed = true})->value.size(), 100u);
  EXPECT_TRUE(cache.get<string>("k").value() == both);
  EXPECT_TRUE(cache.get<text>("t")->utf8 == page);
}

TEST_P(pieces, without_splitting_a_long_value_is_refused) {
  client cache = with();
  const auto stored = cache.set<string>("k", noise(2 << 20));
  ASSERT_TRUE(fails(stored, errc::value_too_large));
  EXPECT_EQ(stored.error().whose(), fault::server);
  // A limit that is more than the servers take: the piece is refused, and the old value stays.
  client wrong = with({.split_over = 3 << 20});
  ASSERT_TRUE(ok(wrong.set<string>("k", "old")));
  EXPECT_TRUE(fails(wrong.set<string>("k", noise(7 << 20)), errc::value_too_large));
  EXPECT_EQ(wrong.get<string>("k").value(), "old");
}

TEST_P(pieces, of_many_values_at_a_time) {
  client cache = with({.split_over = 50'000});
  std::map<string, string> pages;
  for (unsigned i = 0; i < 40; ++i) pages["p" + std::to_string(i)] = noise(i * 7000, i + 1);
  ASSERT_TRUE(cache.set_many(pages, {.ttl = 60s}).all());
  std::vector<string> keys;
  for (const auto& [key, page] : pages) keys.push_back(key);
  const auto got = cache.get_many<string>(keys);
  for (const auto& e : got) {
    ASSERT_TRUE(ok(e.value)) << e.key;
    EXPECT_TRUE(*e.value == pages[string(e.key)]) << e.key;
  }
  batch b;
  std::vector<batch_reply<string>> replies;
  for (const string& key : keys) {
    b.set<string>("b" + key, pages[key]);
    replies.push_back(b.get<string>(key));
  }
  ASSERT_TRUE(ok(cache.run(b)));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_TRUE(replies[i]->value() == pages[keys[i]]);
    EXPECT_TRUE(cache.get<string>("b" + keys[i]).value() == pages[keys[i]]);
  }
}

TEST_P(pieces, of_a_value_that_is_gone) {
  client cache = with({.split_over = 50'000});
  const string v = noise(500'000);
  ASSERT_TRUE(ok(cache.set<string>("k", v, {.ttl = 60s})));
  ASSERT_TRUE(ok(cache.gat<string>("k", -1s)));
  EXPECT_TRUE(fails(cache.get<string>("k"), errc::miss));
  ASSERT_TRUE(ok(cache.set<string>("k", v)));
  ASSERT_TRUE(ok(cache.remove("k")));
  EXPECT_TRUE(fails(cache.get<string>("k"), errc::miss));
  EXPECT_TRUE(ok(cache.add<string>("k", v)));
  EXPECT_TRUE(fails(cache.add<string>("k", "short"), errc::not_stored));
  EXPECT_TRUE(cache.get<string>("k").value() == v);
  // One server of several loses what it has: a miss, or the whole.
  session one = cache.open(cache.servers()[0]).value();
  EXPECT_TRUE(ok(one.execute(commands::flush{})));
  const auto got = cache.get<string>("k");
  EXPECT_TRUE(fails(got, errc::miss) || (got && *got == v));
}

TEST_P(pieces, under_a_long_key_with_a_prefix) {
  client cache = with({.split_over = 50'000, .hash_long_keys = true}, "app:");
  const string key(1000, 'k');
  const string v = noise(500'000);
  ASSERT_TRUE(ok(cache.set<string>(key, v)));
  EXPECT_TRUE(cache.get<string>(key).value() == v);
  EXPECT_TRUE(fails(cache.get<string>(key + "2"), errc::miss));
  ASSERT_TRUE(ok(cache.remove(key)));
  EXPECT_TRUE(fails(cache.get<string>(key), errc::miss));
}

// Every value says in each place whose it is.
string marked(unsigned number, std::size_t size) {
  string v;
  while (v.size() < size) v += "value " + std::to_string(number) + ';';
  v.resize(size);
  return v;
}

TEST_P(pieces, eight_threads_read_a_value_that_is_overwritten) {
  client cache = with({.split_over = 50'000});
  constexpr unsigned values = 6;
  std::vector<string> all;
  // Of different lengths, one of them in one item.
  for (unsigned i = 0; i < values; ++i) {
    all.push_back(marked(i, i == 0 ? 20'000 : 200'000 + i * 30'011));
  }
  ASSERT_TRUE(ok(cache.set<string>("k", all[1])));
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> hits{0};
  std::atomic<std::size_t> misses{0};
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> failed{0};
  std::vector<std::thread> readers;
  for (unsigned t = 0; t < 8; ++t) {
    readers.emplace_back([&, t, own = cache]() mutable {
      while (!stop) {
        result<string> got;
        if (t % 2 == 0) {
          got = own.get<string>("k");
        } else {
          got = first(own.get_many<string>({"k", "none"}));
        }
        if (got) {
          const auto number = static_cast<std::size_t>(got->at(6) - '0');
          ++hits;
          wrong += number >= values || *got != all[number];
        } else if (got.error() == errc::miss) {
          ++misses;
        } else {
          ++failed;
          ADD_FAILURE() << got.error();
        }
      }
    });
  }
  std::vector<std::thread> writers;
  for (unsigned t = 0; t < 2; ++t) {
    writers.emplace_back([&, t, own = cache]() mutable {
      for (unsigned i = 0; i < 150; ++i) {
        const string& v = all[(i * 5 + t) % values];
        if (!own.set<string>("k", v)) ++failed;
      }
    });
  }
  for (auto& t : writers) t.join();
  stop = true;
  for (auto& t : readers) t.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(failed, 0u);
  EXPECT_GT(hits, 0u);
  const auto last = cache.get<string>("k");
  ASSERT_TRUE(ok(last));
  EXPECT_TRUE(*last == all[static_cast<std::size_t>(last->at(6) - '0')]);
}

MEMCXX_OVER_SERVERS(pieces);

}  // namespace
}  // namespace memcxx::test::typed
