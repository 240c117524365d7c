// The servers of a client change while it is used: under load from many threads, over a fork, and
// never when the change is a bad one.
// Never here: servers that die (outages), where keys live (compat).
#include "cluster.hpp"

#include <mutex>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/memcached_server.hpp"

namespace memcxx::test {
namespace {

using namespace cluster;

TEST(changes, servers_come_and_go_while_eight_threads_read_and_write) {
  auto servers = start_servers(4);
  std::atomic<int> told{0};
  client* itself = nullptr;
  memcxx::options o = settings_of(servers[0].address() + "," + servers[1].address(), 5s);
  o.pool_size = 4;  // fewer than threads
  o.on_topology_change = [&](const std::vector<std::string>& now) {
    ++told;
    EXPECT_FALSE(now.empty());
    EXPECT_TRUE(ok(itself->set("told", "told=")));
  };
  client cache(o);
  itself = &cache;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> calls{0};
  std::mutex lock;
  std::vector<std::string> errors;
  const auto note = [&](const error& e) {
    const std::scoped_lock hold(lock);
    errors.push_back(e.what());
  };
  std::thread changer([&] {
    int changes = 0;
    const auto third = parse_server(servers[2].address()).value();
    const auto fourth = parse_server(servers[3].address()).value();
    const stopwatch watch;
    for (int i = 0; watch.elapsed() < 1500ms; ++i) {
      EXPECT_TRUE(ok(cache.add_server(third)));
      EXPECT_TRUE(ok(cache.set_weight(servers[0].name(), 2 + static_cast<unsigned>(i % 2))));
      EXPECT_TRUE(ok(cache.add_server(fourth)));
      EXPECT_TRUE(ok(cache.remove_server(servers[1].name())));
      EXPECT_TRUE(ok(cache.remove_server(servers[2].name())));
      EXPECT_TRUE(ok(cache.replace_servers(o.servers)));
      changes += 6;
    }
    stop = true;
    EXPECT_EQ(told, changes);
  });
  in_threads(8, [&](int t) {
    std::minstd_rand random(static_cast<unsigned>(t) + 1);
    client own = cache;
    while (!stop) {
      const std::string k = "k" + std::to_string(random() % 100);
      ++calls;
      switch (random() % 4) {
        case 0:
          if (auto r = own.set(k, k + "=" + std::string(random() % 20000, 'x')); !r) {
            note(r.error());
          }
          break;
        case 1: {
          const std::string other = "k" + std::to_string(random() % 100);
          const auto got = own.get_many({k, other});
          wrong += got.size() != 2;
          for (const auto& e : got) {
            if (!e.hit() && !e.miss()) note(e.status);
            wrong += e.hit() && !e.value.starts_with(std::string(e.key) + "=");
          }
          break;
        }
        default: {
          const auto got = own.get(k);
          if (!got && !(got.error() == errc::miss)) note(got.error());
          wrong += got && !got->value.starts_with(k + "=");
        }
      }
    }
  });
  changer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(errors.empty()) << errors.size() << " of " << calls << ": " << errors.front();
  EXPECT_GT(calls, 100);
  EXPECT_EQ(cache.unclaimed_errors(), 0u);
}

TEST(changes, a_server_that_stays_keeps_its_connection) {
  const auto servers = start_servers(2);
  client cache(settings_of(servers[0].address()));
  ASSERT_TRUE(ok(cache.set("k", "v")));
  const std::size_t before = std::stoul(servers[0].statistic("total_connections"));
  ASSERT_TRUE(ok(cache.add_server(parse_server(servers[1].address()).value())));
  ASSERT_TRUE(ok(cache.set_weight(servers[0].name(), 7)));
  ASSERT_TRUE(ok(cache.remove_server(servers[1].name())));
  EXPECT_EQ(value_of(cache.get("k")), "v");
  EXPECT_EQ(std::stoul(servers[0].statistic("total_connections")), before + 1);  // the look's own
}

// How many of 10,000 keys an added server takes; none may move anywhere else.
int moved_by_one_more(const std::string& distribution, int servers) {
  memcxx::options o;
  for (int i = 0; i < servers; ++i) {
    o.servers.push_back({.host = "10.1.2." + std::to_string(i + 1)});
  }
  o.distribution = distribution;
  client cache(o);
  constexpr int keys = 10'000;
  std::vector<std::string> before;
  for (int i = 0; i < keys; ++i) before.push_back(cache.which("key:" + std::to_string(i)));
  const server_address added{.host = "10.1.2.200"};
  EXPECT_TRUE(ok(cache.add_server(added)));
  int moved = 0;
  int astray = 0;
  for (int i = 0; i < keys; ++i) {
    const std::string now = cache.which("key:" + std::to_string(i));
    moved += now == added.name();
    astray += now != added.name() && now != before[static_cast<std::size_t>(i)];
  }
  EXPECT_LE(astray, keys / 50) << distribution;  // ketama rounds the number of points
  EXPECT_TRUE(ok(cache.remove_server(added.name())));
  for (int i = 0; i < keys; ++i) {
    EXPECT_EQ(cache.which("key:" + std::to_string(i)), before[static_cast<std::size_t>(i)]);
  }
  return moved;
}

TEST(changes, a_server_more_takes_its_share_and_moves_nothing_else) {
  for (const int n : {1, 3, 4, 9}) {
    const int share = 10'000 / (n + 1);
    const int ketama = moved_by_one_more("ketama", n);
    EXPECT_GT(ketama, share * 6 / 10) << n;
    EXPECT_LT(ketama, share * 15 / 10) << n;
    const int jump = moved_by_one_more("jump", n);
    EXPECT_GT(jump, share * 9 / 10) << n;
    EXPECT_LT(jump, share * 11 / 10) << n;
  }
}

TEST(changes, bad_changes_name_the_culprit_and_change_nothing) {
  int told = 0;
  memcxx::options o = settings_of("10.0.0.1,10.0.0.2*3");
  o.on_topology_change = [&](const auto&) { ++told; };
  client cache(o);
  const auto before = cache.servers();
  const std::string home = cache.which("k");
  const auto refused = [&](const result<void>& r, std::string_view culprit) {
    EXPECT_TRUE(fails(r, errc::invalid_argument));
    if (!r) {
      EXPECT_NE(r.error().message().find(culprit), std::string_view::npos) << r.error();
    }
    EXPECT_EQ(cache.servers(), before);
    EXPECT_EQ(cache.which("k"), home);
  };
  server_address bad{.host = "10.0.0.2"};
  refused(cache.add_server(bad), "10.0.0.2:11211");
  bad = {.host = "10.0.0.3", .weight = 0};
  refused(cache.add_server(bad), "10.0.0.3:11211");
  bad = {.host = "10.0.0.3", .label = "10.0.0.1:11211"};
  refused(cache.add_server(bad), "10.0.0.1:11211");
  bad = {.scheme = "gopher", .host = "10.0.0.3"};
  refused(cache.add_server(bad), "gopher");
  bad = {.host = "no such host"};
  refused(cache.add_server(bad), "no such host");
  refused(cache.remove_server("10.0.0.9:11211"), "10.0.0.9:11211");
  refused(cache.remove_server("10.0.0.9"), "10.0.0.9");
  refused(cache.set_weight("10.0.0.9:11211", 2), "10.0.0.9:11211");
  refused(cache.set_weight("10.0.0.1:11211", 0), "10.0.0.1:11211");
  refused(cache.replace_servers({}), "no server");
  refused(cache.replace_servers({{.host = "a"}, {.host = "b"}, {.host = "A"}}), "A:11211");
  EXPECT_TRUE(ok(cache.replace_servers(o.servers)));  // as it is: no change
  EXPECT_EQ(told, 0);
  ASSERT_TRUE(ok(cache.remove_server("10.0.0.2")));  // as one would write it in a list
  EXPECT_EQ(told, 1);
  const auto last = cache.remove_server("10.0.0.1:11211");
  ASSERT_TRUE(fails(last, errc::invalid_argument));
  EXPECT_NE(last.error().message().find("10.0.0.1:11211"), std::string_view::npos);
  EXPECT_EQ(cache.servers().size(), 1u);
}

TEST(changes, more_replicas_than_servers_are_left_is_refused) {
  memcxx::options o = settings_of("10.0.0.1,10.0.0.2");
  o.replicas = 2;
  client cache(o);
  EXPECT_TRUE(fails(cache.remove_server("10.0.0.1:11211"), errc::invalid_argument));
  EXPECT_EQ(cache.servers().size(), 2u);
}

// A child begins with whatever the threads of its parent were in the middle of.
TEST(changes, a_fork_in_the_middle_of_changes) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "this sanitizer's own allocator does not survive a fork among threads";
#endif
  const auto servers = start_servers(3);
  client cache(settings_of(servers[0].address() + "," + servers[1].address()));
  const auto third = parse_server(servers[2].address()).value();
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::vector<std::thread> busy;
  busy.emplace_back([&] {
    while (!stop) {
      failed += !cache.add_server(third);
      failed += !cache.remove_server(servers[2].name());
    }
  });
  for (int t = 0; t < 2; ++t) {
    busy.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::string k = "p" + std::to_string(t) + std::to_string(i % 50);
        failed += !cache.set(k, k);
        (void)cache.servers();
      }
    });
  }
  for (int n = 0; n < 40; ++n) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::alarm(10);  // a child that waits for a thread of its parent waits for ever
      int wrong = 0;
      for (int i = 0; i < 20; ++i) {
        const std::string k = "c" + std::to_string(i);
        wrong += !cache.set(k, k) || value_of(cache.get(k)) != k;
      }
      if (cache.servers().size() == 2) wrong += !cache.add_server(third);
      wrong += !cache.remove_server(servers[2].name());
      wrong += !cache.set("c", "c");
      ::_exit(wrong);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "fork " << n;
    if (status != 0) break;
  }
  stop = true;
  for (auto& t : busy) t.join();
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace memcxx::test
