// One reply that takes long, of those who wait for it and of those who gave up: it takes no server
// from anybody else.
// Never here: connections over which nothing comes at all (silence_test).
#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "giving_up.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// How "big" is answered: so large a value, in pieces with a pause between them.
struct pace {
  const char* name;
  std::size_t size;
  std::size_t piece;
  std::chrono::milliseconds pause;
};
constexpr pace megabyte_a_second{"megabyte_a_second", 10'000'000, 20'000, 20ms};
constexpr pace drip{"drip", 10'000, 1, 20ms};

// Every other key is answered at once.
script answers_slowly(pace how) {
  return [how](peer& p) {
    const std::string value(how.size, 'x');
    for (;;) {
      const auto r = wire::read(p);
      if (r.key == "big") {
        p.pour(wire::hit(r, value), how.piece, how.pause);
      } else {
        p.send(r.value.empty() ? wire::hit(r, value_for(r.key)) : wire::stored(r));
      }
    }
  };
}

constexpr int small_gets = 59;
// One after the other, up to the first that fails. How many were answered.
net::awaitable<int> get_small(async_client cache) {
  for (int i = 0; i < small_gets; ++i) {
    const std::string key = "k" + std::to_string(i);
    const auto r = co_await cache.get(key);
    if (value_of(r) != value_for(key)) co_return i;
  }
  co_return small_gets;
}

class slow_reply : public testing::TestWithParam<pace> {
 protected:
  // Gives "big" up when it was sent, or after so long.
  void give_up_big(async_client& cache, way_out how, std::chrono::milliseconds limit = 1s) {
    given_up g(io, how);
    async_client caller = g.client_for(cache, limit);
    const std::size_t before = server.count("big");
    caller.get("big", g.handler());
    if (how != way_out::deadline) {
      EXPECT_TRUE(run_until(io, [&] { return server.count("big") == before + 1; }));
      io.run_for(50ms);
    }
    g.end();
    g.expect_given_up();
  }

  scripted_server server{answers_slowly(GetParam())};
  net::io_context io;
};

// Once nothing was completed for a whole timeout, and nobody is left who waits for it, its
// connection ends, whatever still comes.
TEST_P(slow_reply, that_ran_out_of_time_takes_no_server_with_it) {
  for (const auto p : {protocol_choice::classic, protocol_choice::meta, protocol_choice::binary}) {
    for (const std::size_t connections : {1U, 4U}) {
      SCOPED_TRACE(std::string(name_of(p)) + ", connections: " + std::to_string(connections));
      async_client cache(io, async_settings(server.address(), p, 1s), {.connections = connections});
      const std::size_t before = server.accepted();
      run_to_end(io, [&]() -> net::awaitable<void> {
        EXPECT_TRUE(fails(co_await cache.get("big"), errc::timeout));
        EXPECT_EQ(co_await get_small(cache), small_gets);
      });
      // Where there are more, one of those that come before it ends may open another.
      EXPECT_LE(server.accepted() - before, connections == 1 ? 2u : 3u);
    }
  }
}

// What is owed to those who left is load: others take another connection, long before the one that
// is held up ends.
TEST_P(slow_reply, that_was_given_up_is_load) {
  for (const auto& [how, held_up] :
       {std::pair{way_out::deadline, 1U}, std::pair{way_out::terminal, 3U}}) {
    SCOPED_TRACE(name_of(how));
    async_client cache(io, async_settings(server.address(), protocol_choice::meta, 60s),
                       {.connections = 4});
    const std::size_t before = server.accepted();
    for (unsigned i = 0; i < held_up; ++i) give_up_big(cache, how);
    run_to_end(io, [&]() -> net::awaitable<void> {
      EXPECT_EQ(co_await get_small(cache.within(10s)), small_gets);
    });
    EXPECT_EQ(server.accepted() - before, held_up + 1);
  }
}

// Those who already wait behind it are answered over one other connection, and not over many.
TEST_P(slow_reply, that_was_given_up_holds_up_those_behind_it_for_a_timeout) {
  async_client cache(io, async_settings(server.address(), protocol_choice::meta, 500ms));
  give_up_big(cache, way_out::terminal);
  int answered = 0;
  int hits = 0;
  const stopwatch watch;
  for (int i = 0; i < small_gets; ++i) {
    const std::string key = "k" + std::to_string(i);
    cache.within(20s).get(key, [&, key](result<item> r) {
      ++answered;
      hits += value_of(r) == value_for(key);
    });
  }
  EXPECT_TRUE(run_until(io, [&] { return answered == small_gets; }));
  EXPECT_LT(watch.elapsed(), 5s);
  EXPECT_EQ(hits, small_gets);
  EXPECT_EQ(server.accepted(), 2u);
}

// Nobody is left: the program ends.
TEST_P(slow_reply, that_was_given_up_does_not_keep_run_from_returning) {
  for (const way_out how : every_way_out) {
    SCOPED_TRACE(name_of(how));
    async_client cache(io, async_settings(server.address(), protocol_choice::meta, 300ms));
    give_up_big(cache, how, 300ms);
    io.restart();
    io.run_for(20s);
    EXPECT_TRUE(io.stopped()) << "run() goes on for as long as it drips";
  }
}

// One caller ran out of time: that is one failure, though the connection ends of it as well.
TEST_P(slow_reply, that_ran_out_of_time_is_one_failure) {
  memcxx::options o = async_settings(server.address(), protocol_choice::meta, 300ms);
  o.health.max_failures = 2;
  std::atomic<int> downs{0};
  o.on_server_down = [&](std::string_view, const error&) { ++downs; };
  async_client cache(io, o);
  cache.get("big", [](const result<item>& r) { EXPECT_TRUE(fails(r, errc::timeout)); });
  io.run_for(20s);
  EXPECT_TRUE(io.stopped());
  EXPECT_EQ(downs, 0);
}

// The server is down because of it. Whoever tries it again does not stand behind what made it so;
// and those who are patient keep what they wait for.
TEST_P(slow_reply, is_not_what_a_probe_waits_behind) {
  for (const bool somebody_waits : {false, true}) {
    SCOPED_TRACE(somebody_waits ? "with somebody patient" : "with nobody left");
    memcxx::options o = async_settings(server.address(), protocol_choice::meta, 30s);
    o.health.max_failures = 1;
    o.health.retry_min = 5ms;
    o.health.retry_max = 10ms;
    std::atomic<int> downs{0};
    std::atomic<int> ups{0};
    o.on_server_down = [&](std::string_view, const error&) { ++downs; };
    o.on_server_up = [&](std::string_view) { ++ups; };
    async_client cache(io, o);
    const auto patient_ended = std::make_shared<bool>(false);
    const std::size_t before = server.accepted();
    run_to_end(io, [&]() -> net::awaitable<void> {
      if (somebody_waits)
        cache.get("big", [patient_ended](const result<item>&) { *patient_ended = true; });
      const auto hurried = co_await cache.within(500ms).get(somebody_waits ? "k" : "big");
      EXPECT_TRUE(fails(hurried, errc::timeout));
      const stopwatch watch;
      bool up = false;
      while (!up && watch.elapsed() < 10s) {
        net::steady_timer pause(io, 10ms);
        co_await pause.async_wait(net::use_awaitable);
        up = (co_await cache.within(1s).get("k1")).has_value();
      }
      EXPECT_TRUE(up) << "each probe waits behind the reply that made the server down";
      EXPECT_EQ(co_await get_small(cache), small_gets) << "and others do, too";
    });
    EXPECT_EQ(downs, 1);
    EXPECT_EQ(ups, 1);
    EXPECT_EQ(server.accepted() - before, 2u);
    EXPECT_FALSE(*patient_ended);
  }
}

INSTANTIATE_TEST_SUITE_P(async, slow_reply, testing::Values(megabyte_a_second, drip),
                         [](const auto& named) { return std::string(named.param.name); });

// --- whoever waits, and has time
// ------------------------------------------------------------------

constexpr pace a_second_long{"a_second_long", 1'000'000, 20'000, 20ms};

// Others give up behind it all the while. As long as it comes, that is no silence.
TEST(slow_reply_that_is_waited_for, is_read_to_its_end) {
  for (const auto p : {protocol_choice::classic, protocol_choice::meta, protocol_choice::binary}) {
    SCOPED_TRACE(name_of(p));
    scripted_server server(answers_slowly(a_second_long));
    net::io_context io;
    async_client cache(io, async_settings(server.address(), p, 400ms));
    std::string value;
    cache.within(20s).get("big", [&](result<item> r) { value = value_of(r); });
    int late = 0;
    run_to_end(io, [&]() -> net::awaitable<void> {
      while (value.empty()) late += fails(co_await cache.get("k"), errc::timeout);
      EXPECT_EQ(value_of(co_await cache.within(5s).get("k")), value_for("k"));
    });
    EXPECT_EQ(value, std::string(a_second_long.size, 'x'));
    EXPECT_GE(late, 1);
    EXPECT_EQ(server.accepted(), 1u);
  }
}

// In the middle of a long value a connection is the last that anybody else takes.
TEST(slow_reply_that_is_waited_for, holds_up_nobody_where_there_are_more_connections) {
  scripted_server server(answers_slowly(megabyte_a_second));
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::meta, 30s),
                     {.connections = 2});
  given_up g(io, way_out::terminal);
  cache.get("big", g.handler());
  EXPECT_TRUE(run_until(io, [&] { return server.count("big") == 1; }));
  io.run_for(1s);
  int ended = 0;
  int hits = 0;
  for (int i = 0; i < small_gets; ++i) {
    const std::string key = "k" + std::to_string(i);
    cache.within(10s).get(key, [&, key](result<item> r) {
      ++ended;
      hits += value_of(r) == value_for(key);
    });
  }
  EXPECT_TRUE(run_until(io, [&] { return ended == small_gets; }));
  EXPECT_EQ(hits, small_gets);
  EXPECT_EQ(server.accepted(), 2u);
  g.end();
}

}  // namespace
}  // namespace memcxx::test
