// One client and those who share it: threads, forks, sessions, servers that go and come back, and
// the settings that change what a call answers.
// Never here: what single verbs do (matrix), faults on the wire (fault).
#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class sharing : public over_protocols {};

// Every value begins with its key, so that a reply to somebody else's request is seen at once.
bool belongs(const std::string& value, const std::string& key) {
  return value.starts_with(key + "=");
}

TEST_P(sharing, eight_threads_never_see_each_others_replies) {
  const auto servers = start_servers(2);
  memcxx::options o = settings_for(list_of(servers), GetParam(), 10s);
  o.pool_size = 4;  // fewer than threads: waiting for a connection is part of it
  client cache(o);
  std::atomic<int> wrong{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t, own = cache]() mutable {
      std::minstd_rand random(t + 1);
      for (int i = 0; i < 2000; ++i) {
        const std::string k = "k" + std::to_string(random() % 50);
        switch (random() % 5) {
          case 0: {
            const std::string v = k + "=" + std::string(random() % 3000, 'x');
            failed += !own.set(k, v).has_value();
            break;
          }
          case 1: {
            const std::string other = "k" + std::to_string(random() % 50);
            for (const auto& e : own.get_many({k, other})) {
              failed += !e.hit() && !e.miss();
              wrong += e.hit() && !belongs(std::string(e.value), std::string(e.key));
            }
            break;
          }
          default: {
            const auto got = own.get(k);
            failed += !got && !(got.error() == errc::miss);
            wrong += got && !belongs(got->value, k);
          }
        }
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
}

TEST_P(sharing, forked_child_has_connections_of_its_own) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  ASSERT_TRUE(ok(cache.set("parent", "parent=")));
  ASSERT_TRUE(ok(cache.set("child", "child=")));
  const std::size_t before = std::stoul(server.statistic("total_connections"));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  const std::string mine = child == 0 ? "child" : "parent";
  int wrong = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto got = cache.get(mine);
    wrong += !got || got->value != mine + "=";
  }
  if (child == 0) ::_exit(wrong == 0 ? 0 : 1);
  EXPECT_EQ(wrong, 0);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the child read something else";
  // The child opened one (automatic may ask again), this look is another, the parent none.
  const std::size_t opened = std::stoul(server.statistic("total_connections")) - before - 1;
  EXPECT_EQ(opened, 1u);
  EXPECT_TRUE(ok(cache.get("parent")));
}

TEST_P(sharing, forked_child_that_closes_leaves_the_parents_connection_alone) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  ASSERT_TRUE(ok(cache.set("k", "v")));
  const std::string before = server.statistic("total_connections");
  const pid_t child = ::fork();
  if (child == 0) {
    cache.disconnect();
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(ok(cache.get("k")));
  EXPECT_EQ(std::stoul(server.statistic("total_connections")), std::stoul(before) + 1);
}

TEST_P(sharing, session_used_over_a_fork) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  auto own = cache.open(server.name());
  ASSERT_TRUE(ok(own));
  ASSERT_TRUE(ok(own->set("parent", "parent=")));
  ASSERT_TRUE(ok(own->set("child", "child=")));
  const pid_t child = ::fork();
  const std::string mine = child == 0 ? "child" : "parent";
  int wrong = 0;
  for (int i = 0; i < 500; ++i) {
    const auto got = own->get(mine);
    // The child's first call may say that this connection is not its own; never a wrong value.
    if (!got && child == 0 && i == 0) continue;
    wrong += !got || got->value != mine + "=";
  }
  if (child == 0) ::_exit(wrong == 0 ? 0 : 1);
  EXPECT_EQ(wrong, 0);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// Once a server is marked down, calls fail at once until it is probed again.
void wait_until_up(client& cache, const std::string& key) {
  const stopwatch watch;
  while (fails(cache.get(key), errc::server_down) && watch.elapsed() < 5s)
    std::this_thread::sleep_for(5ms);
}

TEST_P(sharing, killed_server_that_comes_back_is_used_again) {
  memcached_server server;
  memcxx::options o = settings_for(server.address(), GetParam(), 3s);
  o.health = {};
  client cache(o);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(ok(cache.set("k", "v")));
    server.kill();
    const auto down = cache.get("k");
    ASSERT_FALSE(down);
    EXPECT_EQ(down.error().whose(), fault::network) << down.error();
    EXPECT_EQ(down.error().server(), server.name());
    server.restart();
    wait_until_up(cache, "k");
    EXPECT_TRUE(fails(cache.get("k"), errc::miss)) << "started empty";
  }
}

TEST_P(sharing, restart_between_two_calls_is_not_noticed_by_a_read) {
  memcached_server server;
  client cache = make_client(server.address(), GetParam(), 3s);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  server.restart();
  EXPECT_TRUE(fails(cache.get("k"), errc::miss));
  ASSERT_TRUE(ok(cache.set("k", "w")));
  server.restart();
  // The idle connection is dead before anything is written, so even a mutation may go to a new one.
  const auto again = cache.set("k", "x");
  EXPECT_TRUE(again || fails(again, errc::connection_closed));
  ASSERT_TRUE(ok(cache.set("k", "y")));
}

TEST_P(sharing, within_sets_the_time_of_whole_calls) {
  memcached_server server;
  client cache = make_client(server.address(), GetParam(), 5s);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  server.freeze();
  const stopwatch watch;
  EXPECT_TRUE(fails(cache.within(60ms).get("k"), errc::timeout));
  EXPECT_GE(watch.elapsed(), 60ms);
  EXPECT_LT(watch.elapsed(), 210ms);
  server.thaw();
  EXPECT_TRUE(ok(cache.get("k")));
  EXPECT_EQ(cache.settings().timeout, 5s);
}

TEST_P(sharing, a_full_pool_is_overloaded_in_time) {
  memcached_server server;
  memcxx::options o = settings_for(server.address(), GetParam(), 400ms);
  o.pool_size = 1;
  client cache(o);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  server.freeze();
  std::thread other([&] { EXPECT_TRUE(fails(cache.get("k"), errc::timeout)); });
  std::this_thread::sleep_for(50ms);
  const stopwatch watch;
  const auto second = cache.within(100ms).get("k");
  EXPECT_TRUE(fails(second, errc::overloaded));
  EXPECT_LT(watch.elapsed(), 250ms);
  other.join();
  server.thaw();
  EXPECT_TRUE(ok(cache.get("k")));
}

TEST_P(sharing, prefix_stands_before_every_key) {
  const auto servers = start_servers(2);
  memcxx::options o = settings_for(list_of(servers), GetParam());
  o.prefix = "app:";
  client with(o);
  client without = make_client(list_of(servers), GetParam());
  for (const std::string k : {"a", "b", "c", "d", "e"}) {
    ASSERT_TRUE(ok(with.set(k, "1")));
    EXPECT_EQ(with.which(k), without.which("app:" + k));
    EXPECT_EQ(value_of(without.get("app:" + k)), "1");
    EXPECT_TRUE(fails(without.get(k), errc::miss));
    const items many = with.get_many({k});
    EXPECT_EQ(many[0].key, k) << "keys come back as they were asked for";
    EXPECT_EQ(many[0].value, "1");
    EXPECT_EQ(with.incr(k)->value, 2u);
    EXPECT_TRUE(ok(with.remove_many({k})[0]));
    EXPECT_TRUE(fails(without.get("app:" + k), errc::miss));
  }
  auto own = with.open(servers[0].name());
  ASSERT_TRUE(ok(own));
  ASSERT_TRUE(ok(own->set("s", "v")));
  auto plain = without.open(servers[0].name());
  ASSERT_TRUE(ok(plain));
  EXPECT_TRUE(ok(plain->get("app:s")));
}

TEST_P(sharing, prefix_may_stay_out_of_the_hash) {
  const auto servers = start_servers(4);
  memcxx::options o = settings_for(list_of(servers), GetParam());
  o.prefix = "app:";
  o.prefix_in_hash = false;
  client with(o);
  client without = make_client(list_of(servers), GetParam());
  for (int i = 0; i < 20; ++i) {
    const std::string k = "k" + std::to_string(i);
    EXPECT_EQ(with.which(k), without.which(k));
    ASSERT_TRUE(ok(with.set(k, "v")));
    EXPECT_TRUE(ok(with.get(k)));
  }
}

TEST_P(sharing, which_and_servers_tell_where_a_key_is) {
  const auto servers = start_servers(3);
  client cache = make_client(list_of(servers), GetParam());
  const auto names = cache.servers();
  ASSERT_EQ(names.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(names[i], servers[i].name());
  for (int i = 0; i < 30; ++i) {
    const std::string k = "k" + std::to_string(i);
    ASSERT_TRUE(ok(cache.set(k, "v")));
    for (const auto& s : servers) {
      client one = make_client(s.address(), GetParam());
      EXPECT_EQ(one.get(k).has_value(), cache.which(k) == s.name()) << k;
    }
  }
  EXPECT_TRUE(fails(cache.open("127.0.0.1:1"), errc::invalid_argument));
}

TEST_P(sharing, failures_nobody_waited_for_are_counted) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(cache.unclaimed_errors(), 0u);
  ASSERT_TRUE(ok(cache.set("k", std::string(2 << 20, 'x'), {.quiet = true})));
  const stopwatch watch;
  while (cache.unclaimed_errors() == 0 && watch.elapsed() < 2s) {
    EXPECT_TRUE(fails(cache.get("none"), errc::miss));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(cache.unclaimed_errors(), 1u);
  ASSERT_TRUE(ok(cache.set("k", "w")));
  EXPECT_EQ(value_of(cache.get("k")), "w");
}

TEST_P(sharing, on_error_miss_hides_the_networks_faults_and_not_the_callers) {
  memcached_server server;
  memcxx::options o = settings_for(server.address(), GetParam(), 1s);
  o.on_error = error_policy::miss;
  client cache(o);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  server.kill();
  EXPECT_TRUE(fails(cache.get("k"), errc::miss));
  const items many = cache.get_many({"k", "l"});
  EXPECT_TRUE(many[1].miss());
  EXPECT_TRUE(fails(cache.get(std::string(251, 'k')), errc::invalid_key));
  EXPECT_TRUE(fails(cache.get(""), errc::invalid_key));
  EXPECT_TRUE(fails(cache.touch("k", 24h * 365 * 100), errc::invalid_argument));
}

INSTANTIATE_TEST_SUITE_P(integration, sharing, testing::ValuesIn(every_protocol), protocol_name);

TEST(queue_server, answers_with_another_key_only_where_that_is_allowed) {
  // Queue servers answer "get queue/t=500" with the name of the queue.
  const script queue = [](peer& p) {
    for (;;) {
      wire::request r = wire::read(p);
      r.key = "queue";
      p.send(wire::hit(r, "job"));
    }
  };
  scripted_server server(queue);
  memcxx::options o = settings_for(server.address(), protocol_choice::classic, 1s);
  client strict(o);
  EXPECT_TRUE(fails(strict.get("queue/t=500"), errc::protocol_error));
  o.check_keys = false;
  client lenient(o);
  const auto got = lenient.get("queue/t=500");
  ASSERT_TRUE(ok(got));
  EXPECT_EQ(got->value, "job");
}

}  // namespace
}  // namespace memcxx::test
