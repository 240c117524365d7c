// What the asynchronous client takes of memory: for a connection that is idle, and for a request in
// flight. Prints the table of docs/async.md, and holds the library to it.
// Never here: time, system calls (many_test).
#include <cstdio>
#include <gtest/gtest.h>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "counting.hpp"
#include "running.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

void print(const char* what, double bytes, double allocations) {
  std::printf("| %-46s | %8.0f | %5.2f |\n", what, bytes, allocations);
}

// The servers stand still while requests are under way, and so none of them can be answered.
class memory : public testing::Test {
 protected:
  void SetUp() override {
    if (!MEMCXX_COUNTS) GTEST_SKIP() << "sanitizers have malloc to themselves";
  }
  void freeze() {
    for (auto& s : servers) s.freeze();
  }
  void thaw() {
    for (auto& s : servers) s.thaw();
  }
  // So many keys on each of the servers.
  std::vector<std::string> keys_for(const async_client& cache, std::size_t each) const {
    std::vector<std::string> out;
    for (const auto& s : servers) {
      for (std::size_t i = 0, found = 0; found < each; ++i) {
        std::string key = "some-key-" + std::to_string(100'000 + i);
        if (cache.which(key) != s.name()) continue;
        out.push_back(std::move(key));
        ++found;
      }
    }
    return out;
  }

  std::vector<memcached_server> servers = start_servers(4);
};

TEST_F(memory, of_an_idle_connection) {
  // A descriptor each, and a copy of it while it is opened.
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < 4096) GTEST_SKIP() << "not enough descriptors";
  if (files.rlim_cur < 4096) {
    files.rlim_cur = 4096;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  }
  constexpr std::size_t calls = 1000;
  struct use {
    std::size_t bytes;
    std::size_t allocations;
  };
  // As many calls for any number of connections: they differ in nothing else.
  const auto with = [&](std::size_t connections) {
    const use before{bytes_in_use(), counted.allocations};
    net::io_context io;
    async_client cache(io, async_settings(list_of(servers), protocol_choice::automatic, 60s),
                       {.connections = connections / servers.size()});
    freeze();
    std::size_t answered = 0;
    for (const std::string& key : keys_for(cache, calls / servers.size())) {
      cache.get(key, [&](const result<item>& r) { answered += !r && r.error() == errc::miss; });
    }
    io.poll();
    thaw();
    EXPECT_TRUE(run_until(io, [&] { return answered == calls; }));
    int open = 0;
    for (const auto& s : servers) open += std::stoi(s.statistic("curr_connections"));
    EXPECT_GE(open, static_cast<int>(connections));
    return use{bytes_in_use() - before.bytes, counted.allocations - before.allocations};
  };
  (void)with(1000);  // what is allocated once
  const use half = with(500);
  const use all = with(1000);
  const double each = static_cast<double>(all.bytes - half.bytes) / 500;
  print("an idle connection, one of 1,000", each,
        static_cast<double>(all.allocations - half.allocations) / 500);
  EXPECT_GT(each, 0);
  EXPECT_LT(each, 36'000);
}

TEST_F(memory, of_a_request_in_flight) {
  constexpr std::size_t calls = 10'000;
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers), protocol_choice::automatic, 60s));
  const std::vector<std::string> keys = keys_for(cache, calls / servers.size());
  struct use {
    double bytes;
    double allocations;
  };
  std::size_t answered = 0;
  const auto measure = [&](const auto& begin) {
    freeze();
    answered = 0;
    const std::size_t bytes = bytes_in_use();
    const std::size_t allocations = counted.allocations;
    for (const std::string& key : keys) begin(key);
    io.poll();
    const use out{static_cast<double>(bytes_in_use() - bytes) / calls,
                  static_cast<double>(counted.allocations - allocations) / calls};
    EXPECT_EQ(answered, 0u);
    thaw();
    EXPECT_TRUE(run_until(io, [&] { return answered == calls; }));
    return out;
  };
  const auto count = [&](const auto&) { ++answered; };
  const auto in_coroutine = [&](const std::string& key) {
    net::co_spawn(
        io,
        [](async_client c, const std::string& k, std::size_t& n) -> net::awaitable<void> {
          (void)co_await c.get(k);
          ++n;
        }(cache, key, answered),
        net::detached);
  };
  run_to_end(io, [&]() -> net::awaitable<void> { (void)co_await cache.ping(); });

  const std::size_t idle = bytes_in_use();
  const use first = measure([&](const std::string& key) { cache.get(key, count); });
  const double kept = static_cast<double>(bytes_in_use() - idle) / calls;
  const use get = measure([&](const std::string& key) { cache.get(key, count); });
  const use set =
      measure([&](const std::string& key) { cache.set(key, "20 bytes of a value.", count); });
  const use typed = measure([&](const std::string& key) { cache.get<std::string>(key, count); });
  const use coroutine = measure(in_coroutine);
  print("get, the first 10,000 at once", first.bytes, first.allocations);
  print("of which the client keeps for the next", kept, 0);
  print("get, the next 10,000: callback", get.bytes, get.allocations);
  print("set of 20 bytes: callback", set.bytes, set.allocations);
  print("get<std::string>: callback", typed.bytes, typed.allocations);
  print("get in a coroutine of its own", coroutine.bytes, coroutine.allocations);
  EXPECT_LT(first.bytes, 1'600);
  EXPECT_LT(kept, 300);
  EXPECT_LT(get.bytes, 1'250);
  EXPECT_LT(set.bytes, 1'100);
  EXPECT_LT(typed.bytes, 1'200);
  EXPECT_LT(coroutine.bytes, 3'000);
  EXPECT_LE(get.allocations, 1.1);
  EXPECT_LE(set.allocations, 1.1);
}

}  // namespace
}  // namespace memcxx::test
