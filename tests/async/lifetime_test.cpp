// Beginnings and ends: of clients, of contexts, of calls in between; who throws at whom; what keeps
// run() busy.
// Never here: cancellation by slots and deadlines (giving_up_test), threads (threads_test).
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "running.hpp"
#include "support/memcached_server.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// Reads one request and answers nothing.
const script silent = [](peer& p) { wire::read(p); };

// --- contexts that end first
// ----------------------------------------------------------------------

TEST(lifetime, a_context_destroys_the_handlers_of_calls_under_way) {
  scripted_server server(silent);
  const auto kept = std::make_shared<int>(1);
  {
    net::io_context io;
    async_client cache(io, async_settings(server.address(), protocol_choice::classic));
    // The handler keeps the client, and the client the handler.
    cache.get("k", [kept, cache](result<item>) { FAIL(); });
    cache.get_many({"a", "b"}, {}, [kept, cache](const items&) { FAIL(); });
    io.poll();
    ASSERT_EQ(kept.use_count(), 3);
  }
  EXPECT_EQ(kept.use_count(), 1) << "calls under way stay behind";
}

TEST(lifetime, a_context_destroys_coroutines_that_wait_for_an_answer) {
  scripted_server server(silent);
  const auto kept = std::make_shared<int>(1);
  {
    net::io_context io;
    const auto waits = [](async_client cache, std::shared_ptr<int>) -> net::awaitable<void> {
      (void)co_await cache.get("k");
      ADD_FAILURE();
    };
    const auto streams = [](async_client cache, std::shared_ptr<int>) -> net::awaitable<void> {
      auto arriving = cache.get_each({"a", "b"});
      (void)co_await arriving.next();
      ADD_FAILURE();
    };
    async_client cache(io, async_settings(server.address(), protocol_choice::classic));
    net::co_spawn(io, waits(cache, kept), net::detached);
    net::co_spawn(io, streams(cache, kept), net::detached);
    io.poll();
    ASSERT_GE(kept.use_count(), 3);
  }
  EXPECT_EQ(kept.use_count(), 1) << "coroutines stay behind";
}

TEST(lifetime, a_client_may_outlive_its_context_if_it_is_not_used_any_more) {
  scripted_server server(silent);
  std::optional<async_client> cache;
  {
    net::io_context io;
    cache.emplace(io, async_settings(server.address(), protocol_choice::classic));
    cache->get("k", [](result<item>) { FAIL(); });
    io.poll();
  }
  EXPECT_EQ(cache->servers().size(), 1u);
  cache.reset();
}

TEST(lifetime, a_pool_destroys_what_is_under_way) {
  scripted_server server(silent);
  const auto kept = std::make_shared<int>(1);
  {
    net::thread_pool pool(2);
    async_client cache(pool.get_executor(),
                       async_settings(server.address(), protocol_choice::classic));
    for (int i = 0; i < 10; ++i) cache.get("k", [kept, cache](result<item>) { FAIL(); });
    EXPECT_TRUE(server.saw("gets k\r\n"));
  }
  EXPECT_EQ(kept.use_count(), 1);
}

// --- clients that end first
// -----------------------------------------------------------------------

TEST(lifetime, the_last_copy_cancels_what_is_under_way) {
  scripted_server server(silent);
  net::io_context io;
  std::vector<errc> ended;
  {
    async_client cache(io, async_settings(server.address(), protocol_choice::classic));
    const async_client copy = cache;
    for (int i = 0; i < 3; ++i) {
      cache.get("k", [&](result<item> r) { ended.push_back(r.error().code()); });
    }
    io.poll();
    async_client third = copy.within(5s);
    third.set("k", "v", [&](result<stored> r) { ended.push_back(r.error().code()); });
    EXPECT_TRUE(ended.empty());
  }
  EXPECT_TRUE(ended.empty()) << "never inside the function that ends them";
  const stopwatch watch;
  io.restart();
  io.run();
  EXPECT_EQ(ended, (std::vector<errc>(4, errc::cancelled)));
  EXPECT_LT(watch.elapsed(), 5s) << "nothing of the client keeps run() busy";
}

TEST(lifetime, a_handler_may_destroy_the_client) {
  const auto servers = start_servers(2);
  net::io_context io;
  auto cache = std::make_unique<async_client>(io, async_settings(list_of(servers)));
  int ended = 0;
  int cancelled = 0;
  for (int i = 0; i < 100; ++i) {
    cache->get("k" + std::to_string(i), [&](result<item> r) {
      ++ended;
      if (!r && r.error() == errc::cancelled) ++cancelled;
      if (cache != nullptr && ended == 10) {
        cache->set("more", "v", [&](result<stored> s) {
          ++ended;
          if (!s && s.error() == errc::cancelled) ++cancelled;
        });
        cache.reset();
      }
    });
  }
  EXPECT_TRUE(run_until(io, [&] { return ended == 101; }));
  EXPECT_GT(cancelled, 0);
}

TEST(lifetime, a_client_that_ends_while_it_opens_connections_lets_go_of_them) {
  for (const bool accepts : {false, true}) {
    std::optional<dead_port> dead;
    std::optional<scripted_server> mute;
    if (accepts) {
      mute.emplace([](peer&) {});  // not even the handshake is answered
    } else {
      dead.emplace();
    }
    net::io_context io;
    std::optional<async_client> cache;
    cache.emplace(io, async_settings(accepts ? mute->address() : dead->address()));
    errc code = errc::ok;
    cache->get("k", [&](result<item> r) { code = r.error().code(); });
    io.run_for(20ms);
    EXPECT_EQ(code, errc::ok);
    cache.reset();
    const stopwatch watch;
    io.restart();
    io.run();
    EXPECT_EQ(code, errc::cancelled);
    EXPECT_LT(watch.elapsed(), 5s);
  }
}

TEST(lifetime, closing_waits_for_what_is_under_way_and_takes_no_more) {
  scripted_server server([](peer& p) {
    const auto r = wire::read(p);
    p.wait(50ms);
    p.send(wire::hit(r, "v"));
    p.read(1);
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  std::string order;
  cache.get("k", [&](result<item> r) { order += value_of(r) + " "; });
  cache.async_close([&] { order += "closed "; });
  cache.get("k", [&](result<item> r) { order += std::string(name_of(r.error().code())) + " "; });
  EXPECT_TRUE(order.empty());
  EXPECT_TRUE(run_until(io, [&] { return order.size() >= 18; }));
  EXPECT_EQ(order, "cancelled v closed ");
  // Again, and it is at once.
  bool again = false;
  cache.async_close([&] { again = true; });
  EXPECT_FALSE(again);
  EXPECT_TRUE(run_until(io, [&] { return again; }));
  cache.get("k", [&](result<item> r) { order += std::string(name_of(r.error().code())); });
  EXPECT_TRUE(run_until(io, [&] { return order.ends_with("closed cancelled"); }));
}

TEST(lifetime, the_last_copy_ends_a_closing_that_still_waits) {
  scripted_server server(silent);
  net::io_context io;
  std::string order;
  {
    async_client cache(io, async_settings(server.address(), protocol_choice::classic));
    cache.get("k", [&](result<item> r) { order += std::string(name_of(r.error().code())); });
    cache.async_close([&] { order += " closed"; });
  }
  EXPECT_TRUE(run_until(io, [&] { return order.ends_with("closed"); }));
  EXPECT_EQ(order.size(), std::string("cancelled closed").size());
}

// --- what run() does
// ------------------------------------------------------------------------------

TEST(lifetime, run_returns_when_all_is_done_and_not_before) {
  scripted_server server([](peer& p) {
    for (;;) {
      const auto r = wire::read(p);
      p.wait(100ms);
      p.send(wire::hit(r, "v"));
    }
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 500ms));
  for (int round = 0; round < 2; ++round) {
    std::string read;
    cache.get("k", [&](result<item> r) { read = value_of(r); });
    const stopwatch watch;
    io.restart();
    io.run();
    EXPECT_EQ(read, "v");
    EXPECT_LT(watch.elapsed(), 5s) << "at most options::timeout later";
  }
}

// A handler's executor is kept busy by its call, wherever the client lives.
TEST(lifetime, a_handler_s_own_context_waits_for_it) {
  scripted_server server([](peer& p) {
    const auto r = wire::read(p);
    p.wait(50ms);
    p.send(wire::hit(r, "v"));
  });
  net::io_context own;
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  crew threads(io, 1);
  std::string read;
  cache.get("k", net::bind_executor(own, [&](result<item> r) { read = value_of(r); }));
  own.run();
  EXPECT_EQ(read, "v");
}

// --- who throws at whom
// ---------------------------------------------------------------------------

TEST(lifetime, what_a_handler_throws_comes_out_of_run_and_the_others_are_called) {
  const auto servers = start_servers(1);
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers)));
  int called = 0;
  int thrown = 0;
  for (int i = 0; i < 10; ++i) {
    cache.get("k", [&, i](result<item>) {
      ++called;
      if (i % 3 == 0) throw std::runtime_error("the handler's");
    });
  }
  for (int rounds = 0; called < 10 && rounds < 1000; ++rounds) {
    try {
      io.restart();
      io.run_one_for(10ms);
    } catch (const std::exception&) {  // Asio throws several as one
      ++thrown;
    }
  }
  EXPECT_EQ(called, 10);
  EXPECT_GE(thrown, 1);
}

// What a server's failure leads to is told later, not to whoever holds a lock around a call.
TEST(lifetime, callbacks_are_never_called_by_the_function_that_starts_a_call) {
  net::io_context io;
  memcxx::options o = async_settings("unix:/nonexistent/memcached.socket");
  o.health.max_failures = 1;
  bool inside = true;
  int down = 0;
  o.on_server_down = [&](std::string_view, const error&) {
    EXPECT_FALSE(inside);
    ++down;
  };
  async_client cache(io, o);
  errc code = errc::ok;
  cache.get("k", [&](result<item> r) { code = r.error().code(); });
  inside = false;
  EXPECT_TRUE(run_until(io, [&] { return code != errc::ok && down != 0; }));
  EXPECT_EQ(code, errc::connect_failed);
  EXPECT_EQ(down, 1);
}

TEST(lifetime, what_a_callback_throws_comes_out_of_run_and_the_handler_is_called_once) {
  net::io_context io;
  memcxx::options o = async_settings("unix:/nonexistent/memcached.socket");
  o.health.max_failures = 1;
  o.on_server_down = [&](std::string_view, const error&) {
    throw std::runtime_error("the callback's");
  };
  async_client cache(io, o);
  int called = 0;
  EXPECT_NO_THROW(cache.get("k", [&](result<item>) { ++called; }));
  int thrown = 0;
  for (int rounds = 0; rounds < 100; ++rounds) {
    try {
      io.restart();
      io.run_one_for(1ms);
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  EXPECT_EQ(called, 1);
  EXPECT_EQ(thrown, 1);
}

// --- what nobody waited for
// -----------------------------------------------------------------------

TEST(lifetime, failures_of_quiet_calls_are_counted_while_the_connection_lives) {
  scripted_server server([](peer& p) {
    for (;;) {
      const auto r = wire::read(p);
      p.send(r.verb == "set" ? wire::failed(r, "out of order") : wire::hit(r, "v"));
    }
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(ok(co_await cache.get("k")));
    EXPECT_TRUE(ok(co_await cache.set("k", "v", {.quiet = true})));
    EXPECT_TRUE(ok(co_await cache.get("k")));
  });
  EXPECT_EQ(server.accepted(), 1u);
  EXPECT_EQ(cache.unclaimed_errors(), 1u);
}

}  // namespace
}  // namespace memcxx::test
