// Many keys over many servers: get_many, set_many and batches of a size that a program really has.
// Never here: scripted servers, timing faults.
#include <gtest/gtest.h>
#include <set>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class many_keys : public over_protocols {};

std::vector<std::string> numbered(const std::string& head, std::size_t n) {
  std::vector<std::string> keys;
  keys.reserve(n);
  for (std::size_t i = 0; i < n; ++i) keys.push_back(head + std::to_string(i));
  return keys;
}

TEST_P(many_keys, hundred_thousand_over_four_servers_with_misses) {
  const auto servers = start_servers(4);
  client cache = make_client(list_of(servers), GetParam(), 20s);
  const auto keys = numbered("key:", 100'000);
  std::vector<std::string> values;
  values.reserve(keys.size());
  std::vector<store_entry> entries;
  for (std::size_t i = 0; i < keys.size(); ++i) values.push_back("<" + keys[i] + ">");
  // Every third key stays unknown.
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (i % 3 != 0) entries.push_back({keys[i], values[i], {.flags = 1}});
  const auto done = cache.set_many(entries);
  ASSERT_EQ(done.size(), entries.size());
  ASSERT_EQ(done.failures(), 0u);

  const items got = cache.get_many(keys);
  ASSERT_EQ(got.size(), keys.size());
  ASSERT_EQ(got.failures(), 0u);
  ASSERT_EQ(got.hits(), entries.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(got[i].key, keys[i]);
    ASSERT_EQ(got[i].hit(), i % 3 != 0) << keys[i];
    if (got[i].hit()) {
      ASSERT_EQ(got[i].value, values[i]);
    }
  }
  for (const auto& s : servers) EXPECT_NE(s.statistic("curr_items"), "0") << s.name();
}

TEST_P(many_keys, the_same_key_asked_again_and_again) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  ASSERT_TRUE(ok(cache.set("a", "one")));
  ASSERT_TRUE(ok(cache.set("b", "two")));
  const items got = cache.get_many({"a", "none", "a", "b", "a", "none", "b"});
  ASSERT_EQ(got.size(), 7u);
  for (const std::size_t i : {0u, 2u, 4u}) EXPECT_EQ(got[i].value, "one");
  for (const std::size_t i : {3u, 6u}) EXPECT_EQ(got[i].value, "two");
  EXPECT_TRUE(got[1].miss() && got[5].miss());
  EXPECT_EQ(cache.get_many(std::initializer_list<std::string_view>{}).size(), 0u);
}

TEST_P(many_keys, one_dead_server_of_four_keeps_the_rest) {
  auto servers = start_servers(4);
  client cache = make_client(list_of(servers), GetParam(), 3s);
  const auto keys = numbered("k", 400);
  for (const auto& k : keys) ASSERT_TRUE(ok(cache.set(k, k)));
  const std::string dead = servers[2].name();
  servers[2].kill();

  const items got = cache.get_many(keys);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (cache.which(keys[i]) == dead) {
      ++lost;
      EXPECT_FALSE(got[i].hit() || got[i].miss()) << "a dead server's key is neither";
      EXPECT_EQ(got[i].status.server(), dead);
      EXPECT_EQ(got[i].status.whose(), fault::network) << got[i].status;
    } else {
      EXPECT_TRUE(got[i].hit()) << got[i].status;
      EXPECT_EQ(got[i].value, keys[i]);
    }
  }
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(got.failures(), lost);

  std::vector<store_entry> entries;
  for (const auto& k : keys) entries.push_back({k, k, {}});
  const auto stored = cache.set_many(entries);
  EXPECT_EQ(stored.failures(), lost);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!stored[i]) {
      EXPECT_EQ(stored[i].error().server(), dead);
    }
  }
  std::vector<std::string_view> views(keys.begin(), keys.end());
  EXPECT_EQ(cache.remove_many(views).failures(), lost);
  for (const auto& r : cache.ping()) EXPECT_EQ(r.reply.has_value(), r.server != dead) << r.server;
}

TEST_P(many_keys, one_invalid_key_among_good_ones) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  ASSERT_TRUE(ok(cache.set("a", "one")));
  const std::string too_long(251, 'k');
  const items got = cache.get_many({"a", too_long, "b"});
  EXPECT_TRUE(got[0].hit());
  EXPECT_EQ(got[1].status.code(), errc::invalid_key);
  EXPECT_TRUE(got[2].miss());
  const auto stored = cache.set_many({{"c", "1"}, {too_long, "flush_all"}, {"d", "2"}});
  EXPECT_TRUE(ok(stored[0]) && ok(stored[2]));
  EXPECT_TRUE(fails(stored[1], errc::invalid_key));
  EXPECT_EQ(value_of(cache.get("a")), "one");
}

TEST_P(many_keys, batch_of_ten_thousand_mixed_verbs) {
  const auto servers = start_servers(4);
  client cache = make_client(list_of(servers), GetParam(), 20s);
  const std::size_t n = 1000;
  const auto keys = numbered("b", n);
  batch b;
  struct expectation {
    batch_reply<stored> set;
    batch_reply<item> read;
    batch_reply<stored> added;
    batch_reply<counter> up;
    batch_reply<counter> down;
    batch_reply<done> touched;
    batch_reply<stored> replaced;
    batch_reply<item> last;
    batch_reply<done> removed;
    batch_reply<item> gone;
  };
  std::vector<expectation> all;
  for (std::size_t i = 0; i < n; ++i) {
    const std::string number = std::to_string(i);
    all.push_back({b.set(keys[i], number), b.get(keys[i]), b.add(keys[i], "x"),
                   b.incr(keys[i], 100'000), b.decr(keys[i], 1), b.touch(keys[i], 1h),
                   b.replace(keys[i], "<" + number + ">"), b.get(keys[i]), b.remove(keys[i]),
                   b.get(keys[i])});
  }
  ASSERT_EQ(b.size(), 10 * n);
  ASSERT_TRUE(ok(cache.run(b)));
  for (std::size_t i = 0; i < n; ++i) {
    const expectation& e = all[i];
    ASSERT_TRUE(ok(*e.set));
    ASSERT_TRUE(ok(*e.read));
    ASSERT_EQ((*e.read)->value, std::to_string(i));
    ASSERT_TRUE(fails(*e.added, errc::not_stored));
    ASSERT_TRUE(ok(*e.up));
    ASSERT_EQ((*e.up)->value, i + 100'000);
    ASSERT_TRUE(ok(*e.down));
    ASSERT_EQ((*e.down)->value, i + 99'999);
    ASSERT_TRUE(ok(*e.touched));
    ASSERT_TRUE(ok(*e.replaced));
    ASSERT_TRUE(ok(*e.last));
    ASSERT_EQ((*e.last)->value, "<" + std::to_string(i) + ">");
    ASSERT_TRUE(ok(*e.removed));
    ASSERT_TRUE(fails(*e.gone, errc::miss));
  }
}

TEST_P(many_keys, batch_reports_its_first_failure_and_keeps_the_rest) {
  auto servers = start_servers(2);
  client cache = make_client(list_of(servers), GetParam(), 3s);
  servers[1].kill();
  batch b;
  std::vector<std::pair<std::string, batch_reply<stored>>> replies;
  for (int i = 0; i < 40; ++i) {
    const std::string k = "k" + std::to_string(i);
    replies.emplace_back(k, b.set(k, "v"));
  }
  const auto outcome = cache.run(b);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().server(), servers[1].name());
  for (const auto& [k, r] : replies)
    EXPECT_EQ(r->has_value(), cache.which(k) == servers[0].name()) << k;
}

INSTANTIATE_TEST_SUITE_P(integration, many_keys, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
