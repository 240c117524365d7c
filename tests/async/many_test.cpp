// Ten thousand coroutines at once, on four real servers over one connection each: every value is
// its own, every order is kept, and most requests share a system call with others. Prints the table
// of docs/async.md.
// Never here: faults (storm_test), what a request costs in memory (memory_test).
#include <cstdint>
#include <cstdio>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "counting.hpp"
#include "running.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

// System calls since it was made, and by how many requests.
class system_calls {
 public:
  [[nodiscard]] double writes_for(std::uint64_t requests) const {
    return share(counted.writes - writes_, requests);
  }
  [[nodiscard]] double reads_for(std::uint64_t requests) const {
    return share(counted.reads - reads_, requests);
  }
  void print(const char* what, std::uint64_t requests) const {
    if (!MEMCXX_COUNTS) return;
    std::printf("| %-33s | %8s | %8s | %8s | %8s | %12s |\n", "", "requests", "writes", "reads",
                "waits", "reads+writes");
    std::printf("| %-33s | %8llu | %8zu | %8zu | %8zu | %12.4f | in %lld ms\n", what,
                static_cast<unsigned long long>(requests), counted.writes - writes_,
                counted.reads - reads_, counted.waits - waits_,
                writes_for(requests) + reads_for(requests),
                static_cast<long long>(watch_.elapsed().count()));
  }

 private:
  static double share(std::size_t calls, std::uint64_t requests) {
    return static_cast<double>(calls) / static_cast<double>(requests);
  }
  std::size_t writes_ = counted.writes;
  std::size_t reads_ = counted.reads;
  std::size_t waits_ = counted.waits;
  stopwatch watch_;
};

struct tally {
  int left = 0;
  int wrong = 0;
  std::uint64_t requests = 0;
  std::string first_wrong;

  void expect(bool so, const std::string& what) {
    if (so) return;
    if (wrong++ == 0) first_wrong = what;
  }
};

// One caller, whose requests depend on one another: any reply that is not its own, or not the one
// of its turn, shows.
net::awaitable<void> one(async_client cache, int number, tally& all) {
  const std::string own = "coroutine-" + std::to_string(number);
  const std::string counter = own + ":n";
  for (int round = 1; round <= 3; ++round) {
    const std::string value =
        own + "=" + std::string(static_cast<std::size_t>(number % 90), 'x') + std::to_string(round);
    all.expect((co_await cache.set(own, value)).has_value(), own + " is not stored");
    all.expect(value_of(co_await cache.get(own)) == value, own + " is another's, or an old one");
    const auto counted_to = co_await cache.incr(counter, 1, {.initial = 1});
    all.expect(counted_to && counted_to->value == static_cast<std::uint64_t>(round),
               counter + " is out of order");
    all.requests += 3;
  }
  const std::vector<std::string> keys{own, own + ":missing", counter};
  const items got = co_await cache.get_many(keys);
  all.expect(got[0].value.starts_with(own + "="), own + " is wrong among many");
  all.expect(got[1].miss(), own + ":missing is not missing");
  all.expect(got[2].value == "3", counter + " is wrong among many");
  all.expect((co_await cache.remove(own)).has_value(), own + " is not removed");
  const auto gone = co_await cache.get(own);
  all.expect(!gone && gone.error() == errc::miss, own + " is still there");
  all.requests += 5;
  --all.left;
}

TEST(many, ten_thousand_coroutines_share_four_connections_and_most_system_calls) {
  constexpr int coroutines = MEMCXX_COUNTS ? 10'000 : 2'000;
  const auto servers = start_servers(4);
  const auto connections = [](const memcached_server& s) {
    return std::stoi(s.statistic("total_connections"));
  };
  std::vector<int> before;
  for (const auto& s : servers) before.push_back(connections(s));
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers), protocol_choice::automatic, 60s));
  run_to_end(io, [&]() -> net::awaitable<void> { (void)co_await cache.ping(); });

  tally all;
  all.left = coroutines;
  const system_calls calls;
  for (int i = 0; i < coroutines; ++i) net::co_spawn(io, one(cache, i, all), net::detached);
  ASSERT_TRUE(run_until(io, [&] { return all.left == 0; })) << all.left << " did not end";
  const double writes = calls.writes_for(all.requests);
  const double reads = calls.reads_for(all.requests);
  calls.print("10,000 coroutines, four servers", all.requests);

  EXPECT_EQ(all.wrong, 0) << all.first_wrong;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    EXPECT_EQ(connections(servers[i]) - before[i], 2) << "the client's, and this question's";
  }
  if (!MEMCXX_COUNTS) GTEST_SKIP() << "sanitizers have send and recv to themselves";
  EXPECT_GT(writes, 0.0);
  EXPECT_GT(reads, 0.0);
  EXPECT_LT(writes + reads, 0.1);
}

// Asked for without waiting, over one connection: the server sees them, and the caller hears of
// them, in the order of the calls.
TEST(many, requests_of_one_caller_keep_their_order) {
  const auto servers = start_servers(1);
  for (const auto protocol : every_protocol) {
    net::io_context io;
    async_client cache(io, async_settings(list_of(servers), protocol, 60s));
    const std::string counter = "order-" + std::string(name_of(protocol));
    run_to_end(
        io, [&]() -> net::awaitable<void> { EXPECT_TRUE(ok(co_await cache.set(counter, "0"))); });
    constexpr std::uint64_t calls = 5000;
    std::uint64_t heard = 0;
    std::uint64_t out_of_order = 0;
    for (std::uint64_t i = 1; i <= calls; ++i) {
      cache.incr(counter, 1, [&, i](result<memcxx::counter> r) {
        ++heard;
        if (heard != i || !r || r->value != i) ++out_of_order;
      });
      if (i % 700 == 0) io.run_for(1ms);
    }
    ASSERT_TRUE(run_until(io, [&] { return heard == calls; }));
    EXPECT_EQ(out_of_order, 0u) << counter;
  }
}

// A lone request leaves at once, and costs what it costs the blocking client.
TEST(many, one_after_the_other_cost_a_write_and_a_read_each) {
  const auto servers = start_servers(1);
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers)));
  constexpr int requests = MEMCXX_COUNTS ? 10'000 : 1'000;
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(ok(co_await cache.set("k", "v")));
    const system_calls calls;
    int wrong = 0;
    for (int i = 0; i < requests; ++i) wrong += value_of(co_await cache.get("k")) != "v";
    EXPECT_EQ(wrong, 0);
    calls.print("one after the other, one server", requests);
    if (MEMCXX_COUNTS) {
      EXPECT_EQ(calls.writes_for(requests), 1.0);
      EXPECT_GE(calls.reads_for(requests), 1.0);
      EXPECT_LE(calls.reads_for(requests), 1.01);
    }
  });
}

}  // namespace
}  // namespace memcxx::test
