// Servers that die, freeze and come back: what is told, what is tried instead, what is flushed.
// Never here: what it costs in time (worst_day), changes of the list (cluster).
#include <stdexcept>

#include "../support/memcached_server.hpp"
#include "cluster.hpp"

namespace memcxx::test {
namespace {

using namespace cluster;

TEST(outages, keys_of_a_dead_server_fail_at_once_and_the_others_are_not_held_up) {
  auto servers = start_servers(3);
  client cache(settings_of(list_of(servers), 200ms));
  const std::string dead = key_on(cache, servers[1].name());
  const std::string alive = key_on(cache, servers[0].name());
  ASSERT_TRUE(ok(cache.set(alive, "v")));
  servers[1].freeze();  // accepts, and answers nothing
  bring_down(cache, dead);
  int slow = 0;
  int probes = 0;
  std::chrono::milliseconds longest = 0ms;
  for (int i = 0; i < 2000; ++i) {
    const stopwatch watch;
    const auto got = cache.get(dead);
    if (fails(got, errc::server_down)) {
      longest = std::max(longest, watch.elapsed());
      EXPECT_EQ(got.error().server(), servers[1].name());
    } else {
      ++probes;
    }
    const stopwatch other;
    ASSERT_EQ(value_of(cache.get(alive)), "v");
    slow += other.elapsed() > 50ms;
  }
  EXPECT_LE(longest, 100ms);
  EXPECT_LE(slow, 5);
  EXPECT_LE(probes, 8);
  // Both in one call: each has its own outcome.
  const auto both = cache.get_many({dead, alive});
  EXPECT_EQ(both.begin()[1].value, "v");
  servers[1].thaw();
  wait_until_up(cache, dead);
}

TEST(outages, answers_that_end_a_connection_are_no_failures) {
  const memcached_server server;
  client plain(settings_of(server.address()));
  ASSERT_TRUE(ok(plain.set("long", std::string(5000, 'x'))));
  ASSERT_TRUE(ok(plain.set("short", "v")));
  memcxx::options o = settings_of(server.address());
  o.max_value_size = 1000;
  int down = 0;
  o.on_server_down = [&](std::string_view, const error&) { ++down; };
  client cache(o);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(fails(cache.get("long"), errc::value_too_large));
  EXPECT_EQ(value_of(cache.get("short")), "v");
  EXPECT_EQ(down, 0);
}

// Calls that wait for each other's connection, one after the other, waited for the same thing.
TEST(outages, one_slow_moment_over_one_connection_is_one_failure) {
  memcached_server server;
  memcxx::options o = settings_of(server.address(), 150ms);
  o.pool_size = 1;
  int down = 0;
  o.on_server_down = [&](std::string_view, const error&) { ++down; };
  client cache(o);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  server.freeze();
  std::atomic<int> failed{0};
  in_threads(6, [&](int t) {
    std::this_thread::sleep_for(t * 20ms);
    failed += !cache.get("k");
  });
  server.thaw();
  EXPECT_EQ(failed, 6);
  EXPECT_EQ(down, 0);
  wait_until_up(cache, "k");
}

TEST(outages, events_come_once_and_with_no_lock_held) {
  auto servers = start_servers(2);
  memcxx::options o = settings_of(list_of(servers), 300ms);
  std::atomic<int> down{0};
  std::atomic<int> up{0};
  std::atomic<int> changed{0};
  client* itself = nullptr;
  std::string key, other;
  o.on_server_down = [&](std::string_view name, const error& why) {
    ++down;
    EXPECT_EQ(name, servers[1].name());
    EXPECT_EQ(why.server(), servers[1].name());
    EXPECT_NE(why.message(), "");
    EXPECT_FALSE(itself->get(key));
    EXPECT_TRUE(ok(itself->set(other, "v")));
    EXPECT_TRUE(ok(itself->set_weight(servers[0].name(), 2)));
  };
  o.on_server_up = [&](std::string_view name) {
    ++up;
    EXPECT_EQ(name, servers[1].name());
    EXPECT_TRUE(ok(itself->set_weight(servers[0].name(), 1)));
    EXPECT_TRUE(ok(itself->set(key, "v")));
  };
  o.on_topology_change = [&](const std::vector<std::string>& names) {
    ++changed;
    EXPECT_EQ(names.size(), 2u);
    EXPECT_EQ(itself->servers(), names);
  };
  client cache(o);
  itself = &cache;
  key = key_on(cache, servers[1].name());
  // On the first server whatever its weight is.
  other = key_on(cache, servers[0].name());
  for (int round = 1; round <= 3; ++round) {
    servers[1].kill();
    in_threads(8, [&](int) {
      for (int i = 0; i < 200; ++i) (void)cache.get(key);
    });
    ASSERT_EQ(down, round);
    EXPECT_EQ(up, round - 1);
    servers[1].restart();
    // Weights changed, and the key may be elsewhere now: the server itself is asked.
    ASSERT_TRUE(eventually([&] {
      (void)cache.ping();
      return up == round;
    }));
    in_threads(8, [&](int) {
      for (int i = 0; i < 50; ++i) (void)cache.ping();
    });
    EXPECT_EQ(up, round);
    EXPECT_EQ(down, round);
    EXPECT_EQ(changed, 2 * round);
  }
}

TEST(outages, what_a_callback_throws_is_the_callers) {
  const std::string nobody = "127.0.0.1:1";
  memcxx::options o = settings_of(nobody, 300ms);
  o.on_server_down = [](std::string_view, const error&) { throw std::runtime_error("mine"); };
  client cache(o);
  int thrown = 0;
  for (int i = 0; i < 10; ++i) {
    try {
      (void)cache.get("k");
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  EXPECT_EQ(thrown, 1);
}

TEST(outages, what_a_server_held_while_it_was_down_is_flushed_before_it_is_read) {
  auto servers = start_servers(2);
  memcxx::options o = settings_of(list_of(servers), 60ms);
  o.connect_timeout = 60ms;
  o.flush_on_reconnect = true;
  client cache(o);
  const std::string key = key_on(cache, servers[1].name());
  const std::string other = key_on(cache, servers[0].name());
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(ok(cache.within(2s).set(key, "old")));
    ASSERT_TRUE(ok(cache.set(other, "v")));
    open_connections(cache, key, 6);  // idle ones are left when it is down
    servers[1].freeze();
    bring_down(cache, key);
    servers[1].thaw();
    std::atomic<int> stale{0};
    in_threads(4, [&](int) {
      ASSERT_TRUE(eventually([&] {
        const auto got = cache.get(key);
        stale += got.has_value();
        return got || got.error() == errc::miss;
      }));
    });
    EXPECT_EQ(stale, 0);
    EXPECT_EQ(value_of(cache.get(other)), "v");  // the others are left alone
    // Once, and not again over each of its connections.
    ASSERT_TRUE(ok(cache.set(key, "new")));
    open_connections(cache, key, 6);
    EXPECT_EQ(value_of(cache.get(key)), "new");
  }
}

TEST(outages, without_flush_on_reconnect_the_items_stay) {
  auto servers = start_servers(2);
  client cache(settings_of(list_of(servers), 60ms));
  const std::string key = key_on(cache, servers[1].name());
  ASSERT_TRUE(ok(cache.set(key, "old")));
  servers[1].freeze();
  bring_down(cache, key);
  servers[1].thaw();
  wait_until_up(cache, key);
  EXPECT_EQ(value_of(cache.get(key)), "old");
}

// --- what becomes of its keys

TEST(outages, next_takes_over_and_gives_back) {
  auto servers = start_servers(3);
  memcxx::options o = settings_of(list_of(servers), 1s);
  o.failover = failover_policy::next;
  client cache(o);
  std::vector<std::string> keys;
  for (int i = 0; i < 20; ++i) keys.push_back(key_on(cache, servers[1].name(), i));
  const std::string elsewhere = key_on(cache, servers[2].name());
  ASSERT_TRUE(ok(cache.set(elsewhere, "v")));
  servers[1].kill();
  for (const auto& k : keys) {
    EXPECT_TRUE(fails(cache.get(k), errc::miss));
    EXPECT_TRUE(ok(cache.set(k, k)));
    EXPECT_EQ(value_of(cache.get(k)), k);
  }
  const auto many = cache.get_many(keys);
  for (const auto& e : many) EXPECT_EQ(e.value, e.key);
  EXPECT_TRUE(ok(cache.incr("n", 1, {.initial = 1})));
  EXPECT_EQ(value_of(cache.get(elsewhere)), "v");
  servers[1].restart();
  ASSERT_TRUE(eventually([&] { return bool(fails(cache.get(keys[0]), errc::miss)); }));
  for (const auto& k : keys) EXPECT_TRUE(fails(cache.get(k), errc::miss));  // at home, and empty
  EXPECT_EQ(cache.which(keys[0]), servers[1].name());
}

TEST(outages, with_every_server_dead_the_error_is_one_of_theirs) {
  auto servers = start_servers(2);
  memcxx::options o = settings_of(list_of(servers), 1s);
  o.failover = failover_policy::next;
  client cache(o);
  for (auto& s : servers) s.kill();
  for (int i = 0; i < 20; ++i) {
    const auto got = cache.get("k");
    ASSERT_FALSE(got);
    EXPECT_EQ(fault_of(got.error().code()), fault::network) << got.error();
    EXPECT_EQ(got.error().server(), cache.which("k"));
  }
}

TEST(outages, the_gutter_takes_over_for_a_short_time) {
  auto servers = start_servers(2);
  const memcached_server gutter;
  memcxx::options o = settings_of(list_of(servers), 1s);
  o.failover = failover_policy::gutter;
  o.gutter = {parse_server(gutter.address()).value()};
  o.gutter_ttl = 7s;
  client cache(o);
  EXPECT_EQ(cache.servers().size(), 2u);
  const std::string key = key_on(cache, servers[1].name());
  ASSERT_TRUE(ok(cache.set(key, "old")));
  servers[1].kill();
  EXPECT_TRUE(
      fails(cache.get(key), errc::miss));  // a write would have been lost with its connection
  client look(settings_of(gutter.address()));
  const auto now = std::chrono::system_clock::now();
  for (const auto& [given, most] : std::vector<std::pair<ttl, int>>{
           {ttl(), 7}, {3s, 3}, {1h, 7}, {24h * 60, 7}, {now + 3s, 4}, {now + 1h, 7}}) {
    EXPECT_TRUE(ok(cache.set(key, "v", {.ttl = given})));
    EXPECT_EQ(value_of(cache.get(key)), "v");
    const auto there = look.get(key, {.ttl = true});
    ASSERT_TRUE(ok(there));
    ASSERT_TRUE(there->ttl.has_value());
    EXPECT_GE(*there->ttl, 0s);
    EXPECT_LE(*there->ttl, std::chrono::seconds(most));
  }
  EXPECT_TRUE(ok(cache.set(key, "v", {.ttl = -1s})));
  EXPECT_TRUE(fails(cache.get(key), errc::miss));
  servers[1].restart();
  ASSERT_TRUE(ok(look.set(key, "in the gutter")));
  ASSERT_TRUE(eventually([&] { return bool(fails(cache.get(key), errc::miss)); }));
  EXPECT_TRUE(ok(cache.set(key, "home")));
  EXPECT_EQ(value_of(look.get(key)), "in the gutter");
}

TEST(outages, two_replicas_survive_the_death_of_one_server) {
  auto servers = start_servers(3);
  memcxx::options o = settings_of(list_of(servers), 1s);
  o.replicas = 2;
  client cache(o);
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) {
    keys.push_back("k" + std::to_string(i));
    ASSERT_TRUE(ok(cache.set(keys.back(), keys.back() + std::string(20'000, 'x'))));
  }
  for (std::size_t dead = 0; dead < 2; ++dead) {
    servers[dead].kill();
    for (const auto& k : keys) {
      const auto got = cache.get(k);
      ASSERT_TRUE(ok(got));
      ASSERT_TRUE(got->value.starts_with(k + "x"));
    }
    // The value of a gat is as whole as that of a get.
    const auto got = cache.gat(keys[0], 1h);
    ASSERT_TRUE(ok(got));
    EXPECT_EQ(got->value.size(), keys[0].size() + 20'000);
    const auto many = cache.get_many(keys);
    for (const auto& e : many) {
      ASSERT_TRUE(e.hit()) << e.status;
      ASSERT_TRUE(e.value.starts_with(std::string(e.key) + "x"));
    }
    for (const auto& k : keys) ASSERT_TRUE(ok(cache.set(k, k + "x" + std::string(20'000, 'y'))));
    for (const auto& k : keys) ASSERT_TRUE(ok(cache.get(k)));
    servers[dead].restart();
    // The one that comes back is empty: its keys miss there, and are read from the other.
    for (const auto& k : keys) ASSERT_TRUE(ok(cache.get(k)));
    // Filled again before the next one dies.
    ASSERT_TRUE(eventually([&] {
      for (const auto& r : cache.ping()) {
        if (!r.reply) return false;
      }
      return true;
    }));
    for (const auto& k : keys) ASSERT_TRUE(ok(cache.set(k, k + std::string(20'000, 'x'))));
  }
}

}  // namespace
}  // namespace memcxx::test
