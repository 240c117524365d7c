// Forks: a child gets nothing of its parent's connections, and takes nothing from the parent.
// Never here: the blocking client's forks (tests/integration/sharing_test).
#include <atomic>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "running.hpp"
#include "support/memcached_server.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// Runs it in a child; true when that exits with 0 in time.
bool in_child(const std::function<bool()>& what) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(what() ? 0 : 1);
  int status = 0;
  const bool ended = eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }, 20s);
  if (!ended) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
  }
  return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(fork, a_child_s_calls_are_refused_and_the_parent_s_go_on) {
  const auto servers = start_servers(2);
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers)));
  std::string value;
  const auto store_and_read = [&](const std::string& v) -> std::string {
    std::string read;
    run_to_end(io, [&]() -> net::awaitable<void> {
      (void)co_await cache.set("k", v);
      read = value_of(co_await cache.get("k"));
    });
    return read;
  };
  ASSERT_EQ(store_and_read("before"), "before");
  EXPECT_TRUE(in_child([&] {
    errc code = errc::ok;
    cache.get("k", [&](result<item> r) { code = r ? errc::ok : r.error().code(); });
    io.restart();
    return run_until(io, [&] { return code != errc::ok; }) && code == errc::not_supported;
  }));
  EXPECT_EQ(store_and_read("after"), "after");
  EXPECT_EQ(servers[0].statistic("total_connections").empty(), false);
}

// The numbers of descriptors that the child was rid of are free for its own files.
TEST(fork, a_child_that_destroys_the_client_closes_nothing_of_its_own) {
  const auto servers = start_servers(2);
  net::io_context io;
  auto cache = std::make_unique<async_client>(io, async_settings(list_of(servers)));
  const auto works = [&] {
    bool all = false;
    run_to_end(io, [&]() -> net::awaitable<void> {
      const auto replies = co_await cache->ping();
      all = replies.size() == 2 && replies[0].reply && replies[1].reply;
    });
    return all;
  };
  ASSERT_TRUE(works());
  EXPECT_TRUE(in_child([&] {
    std::vector<int> own;
    for (int i = 0; i < 32; ++i) own.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    cache.reset();
    for (const int fd : own) {
      if (::fcntl(fd, F_GETFD) < 0) return false;
    }
    return true;
  }));
  EXPECT_TRUE(works());
}

// While the parent opens a connection, the reactor watches a descriptor that the child has, too.
TEST(fork, a_child_that_destroys_the_client_leaves_the_parent_s_dial_alone) {
  std::atomic<bool> may_answer{false};
  scripted_server server([&](peer& p) {
    p.expect(wire::question);
    while (!may_answer) p.wait(1ms);
    p.send(wire::speaks_meta);
    for (;;) p.send(wire::hit(wire::read_plain(p), "v"));
  });
  net::io_context io;
  std::optional<async_client> cache;
  cache.emplace(io, async_settings(server.address(), protocol_choice::meta, 5s));
  std::string read;
  cache->get("k", [&](result<item> r) { read = value_of(r); });
  ASSERT_TRUE(run_until(io, [&] { return server.count(wire::question) != 0; }));
  io.run_for(10ms);
  EXPECT_TRUE(in_child([&] {
    cache.reset();
    return true;
  }));
  may_answer = true;
  const stopwatch watch;
  EXPECT_TRUE(run_until(io, [&] { return !read.empty(); }));
  EXPECT_EQ(read, "v");
  EXPECT_LT(watch.elapsed(), 4s) << "only the dial's timer noticed the answer";
}

// Locks are taken in one order, by calls as by forks.
TEST(fork, forks_and_calls_of_other_threads_do_not_wait_for_each_other) {
  const auto servers = start_servers(2);
  net::io_context io;
  memcxx::options o = async_settings(list_of(servers) + ",127.0.0.1:1");
  o.health.max_failures = 1;  // with every failure the server's lock is taken
  o.health.retry_min = 1ms;
  o.health.retry_max = 2ms;
  async_client cache(io, o);
  crew threads(io, 2);
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> ended{0};
  std::thread caller([&] {
    std::size_t begun = 0;
    while (!stop) {
      const std::string key = "k" + std::to_string(begun % 50);
      cache.get(key, [&](result<item>) { ++ended; });
      ++begun;
      while (begun - ended > 100 && !stop) std::this_thread::yield();
    }
    EXPECT_TRUE(eventually([&] { return ended == begun; }));
  });
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(in_child([] { return true; }));
    if (i % 50 == 49) {
      // Servers made later than the engine are locked in the same order.
      const auto list = cache.servers();
      if (list.size() == 3) {
        EXPECT_TRUE(ok(cache.remove_server(servers[1].address())));
      } else {
        EXPECT_TRUE(ok(cache.add_server(parse_server(servers[1].address()).value())));
      }
    }
  }
  stop = true;
  caller.join();
}

}  // namespace
}  // namespace memcxx::test
