// Handlers on several threads: one that takes its time, or waits for another, holds up nobody.
// Never here: what fails at the server (storm_test), forks (fork_test).
#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "running.hpp"
#include "support/memcached_server.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

TEST(threads, a_handler_may_wait_for_one_whose_answer_came_with_its_own) {
  scripted_server server([](peer& p) {
    const std::string first = wire::hit(wire::read(p), "1");
    p.send(first + wire::hit(wire::read(p), "2"));
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  crew threads(io, 3);
  std::promise<std::string> waited;
  // The second is begun before the first may be answered: the server waits for both.
  std::promise<std::string> second;
  cache.get("a", [&](result<item> a) {
    auto other = second.get_future();
    const bool came = other.wait_for(5s) == std::future_status::ready;
    waited.set_value(value_of(a) + (came ? other.get() : " and nothing"));
  });
  cache.get("b", [&](result<item> b) { second.set_value(value_of(b)); });
  EXPECT_EQ(waited.get_future().get(), "12");
}

TEST(threads, a_handler_may_wait_for_a_call_that_it_makes) {
  scripted_server server([](peer& p) {
    for (;;) p.send(wire::hit(wire::read(p), "v"));
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  crew threads(io, 3);
  std::promise<std::string> waited;
  cache.get("a", [&](result<item>) {
    auto other = cache.get("b", net::use_future);
    const bool came = other.wait_for(5s) == std::future_status::ready;
    waited.set_value(came ? value_of(other.get()) : "nothing");
  });
  EXPECT_EQ(waited.get_future().get(), "v");
}

// A handler that computes for long does not hold back what other threads ask for.
TEST(threads, a_slow_handler_holds_up_no_other_thread_s_requests) {
  scripted_server server([](peer& p) {
    for (;;) p.send(wire::hit(wire::read(p), "v"));
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  crew threads(io, 3);
  std::promise<void> began;
  std::promise<void> may_end;
  cache.get("a", [&](result<item>) {
    began.set_value();
    may_end.get_future().wait_for(10s);
  });
  began.get_future().get();
  auto other = cache.get("b", net::use_future);
  const bool came = other.wait_for(5s) == std::future_status::ready;
  may_end.set_value();
  ASSERT_TRUE(came);
  EXPECT_EQ(value_of(other.get()), "v");
}

TEST(threads, many_threads_share_one_client) {
  const auto servers = start_servers(2);
  net::thread_pool pool(4);
  for (const std::size_t connections : {1U, 3U}) {
    async_client cache(pool.get_executor(), async_settings(list_of(servers)),
                       {.connections = connections});
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          const std::string key = "k" + std::to_string(t) + ":" + std::to_string(i % 7);
          const std::string value = key + "=" + std::to_string(i);
          if (!cache.set(key, value, net::use_future).get()) ++wrong;
          if (value_of(cache.get(key, net::use_future).get()) != value) ++wrong;
        }
      });
    }
    for (auto& c : callers) c.join();
    EXPECT_EQ(wrong, 0);
  }
  pool.join();
}

// Every handler of a strand runs on it, whatever thread found its answer.
TEST(threads, handlers_of_a_strand_run_one_at_a_time) {
  const auto servers = start_servers(1);
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers)));
  crew threads(io, 4);
  auto strand = net::make_strand(io);
  int running = 0;  // the strand's, and nobody else's
  int ran = 0;
  std::atomic<int> overlaps{0};
  std::promise<void> all;
  constexpr int calls = 2000;
  for (int i = 0; i < calls; ++i) {
    cache.set("k", std::to_string(i), net::bind_executor(strand, [&](result<stored> r) {
                if (++running != 1 || !r || !strand.running_in_this_thread()) ++overlaps;
                --running;
                if (++ran == calls) all.set_value();
              }));
  }
  ASSERT_EQ(all.get_future().wait_for(patience), std::future_status::ready);
  EXPECT_EQ(overlaps, 0);
}

// A client on a strand does all of its own work there.
TEST(threads, a_client_may_live_on_a_strand) {
  const auto servers = start_servers(2);
  net::io_context io;
  const auto strand = net::make_strand(io);
  async_client cache(net::any_io_executor(strand), async_settings(list_of(servers)));
  crew threads(io, 4);
  std::atomic<int> bad{0};
  std::atomic<int> ran{0};
  for (int i = 0; i < 500; ++i) {
    cache.set("k" + std::to_string(i), "v", [&](result<stored> r) {
      if (!r || !strand.running_in_this_thread()) ++bad;
      ++ran;
    });
  }
  EXPECT_TRUE(eventually([&] { return ran == 500; }));
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace memcxx::test
