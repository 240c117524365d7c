// Connections over which nothing comes any more when nobody is left who waits: run() returns all
// the same. What is slow and alive stays.
// Never here: what the caller hears who gives up (giving_up_test), one long reply
// (slow_reply_test).
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "giving_up.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// run() to its end. False when it goes on for much longer than anything here should take.
[[nodiscard]] bool returns(net::io_context& io) {
  io.restart();
  io.run_for(20s);
  return io.stopped();
}

// Answers the first read with so many bytes of a hit, and is never heard of again. Later
// connections are served.
std::vector<script> silent_after(std::size_t bytes) {
  return {[bytes](peer& p) {
            const auto r = wire::read(p);
            p.send(std::string_view(wire::hit(r, std::string(100'000, 'v'))).substr(0, bytes));
          },
          wire::serve({{"k", "v"}})};
}

// Everybody has given up, or asked for no answer: the connection ends on its own, and the next call
// has another.
void expect_over(net::io_context& io, async_client& cache, scripted_server& server) {
  EXPECT_TRUE(returns(io)) << "run() goes on for ever";
  std::string value;
  cache.get("k", [&](result<item> r) { value = value_of(r); });
  cache.async_close(net::detached);
  EXPECT_TRUE(returns(io));
  EXPECT_EQ(value, "v");
  EXPECT_EQ(server.accepted(), 2u);
}

class falling_silent : public testing::TestWithParam<way_out> {};

// Before the answer, in its head, and in its value.
TEST_P(falling_silent, behind_a_call_that_was_given_up_ends_the_connection) {
  for (const std::size_t bytes : {0U, 5U, 60'000U}) {
    SCOPED_TRACE(bytes);
    scripted_server server(silent_after(bytes));
    net::io_context io;
    async_client cache(io, async_settings(server.address(), protocol_choice::meta, 600ms));
    given_up g(io, GetParam());
    async_client caller = g.client_for(cache, 50ms);
    caller.get("k", g.handler());
    if (GetParam() != way_out::deadline) io.run_for(20ms);
    g.end();
    g.expect_given_up();
    expect_over(io, cache, server);
  }
}

INSTANTIATE_TEST_SUITE_P(async, falling_silent, testing::ValuesIn(every_way_out),
                         [](const auto& named) { return name_of(named.param); });

// The answer of a quiet store is awaited by nobody.
TEST(silence, ends_the_connection_of_a_quiet_store) {
  scripted_server server({[](peer& p) {
                            p.send(wire::hit(wire::read(p), "v"));
                            wire::read(p);
                          },
                          wire::serve({{"k", "v"}})});
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 800ms));
  int ended = 0;
  cache.get("k", [&](result<item> r) {
    EXPECT_EQ(value_of(r), "v");
    ++ended;
    cache.set("k", "w", {.quiet = true}, [&](result<stored> s) {
      EXPECT_TRUE(ok(s));
      ++ended;
    });
  });
  expect_over(io, cache, server);
  EXPECT_EQ(ended, 2);
}

// Given up behind others that wait: theirs is the connection, until it has been silent for too
// long.
TEST(silence, ends_the_connection_under_those_who_are_more_patient) {
  scripted_server server(silent_after(0));
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 800ms));
  async_client patient = cache.within(60s);
  // A store is not sent again.
  errc store = errc::ok;
  patient.set("other", "v", [&](result<stored> r) { store = r ? errc::ok : r.error().code(); });
  given_up g(io, way_out::terminal);
  cache.get("k", g.handler());
  io.run_for(20ms);
  g.end();
  g.expect_given_up();
  EXPECT_EQ(store, errc::ok);
  EXPECT_TRUE(returns(io)) << "a connection that does not answer is kept";
  EXPECT_EQ(store, errc::connection_closed);
}

// Nobody gave up: patience is honoured. Nor does run() go on until the deadline of a call that has
// ended.
TEST(silence, of_a_server_that_somebody_waits_for_is_no_reason) {
  scripted_server server([](peer& p) {
    const auto r = wire::read(p);
    p.wait(900ms);
    p.send(wire::hit(r, "late"));
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 200ms));
  std::string value;
  cache.within(60s).get("k", [&](result<item> r) { value = value_of(r); });
  EXPECT_TRUE(returns(io));
  EXPECT_EQ(value, "late");
}

// Calls were given up, and their answers take long, but one is completed before each timeout is
// over.
TEST(silence, is_not_what_a_slow_connection_has) {
  scripted_server server([](peer& p) {
    for (;;) {
      const auto r = wire::read(p);
      p.dribble(wire::hit(r, r.key == "slow" ? "takes long" : "v"), 20ms);
    }
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 3s));
  const stopwatch watch;
  for (int i = 0; i < 6; ++i) {
    given_up g(io, way_out::terminal);
    cache.get("slow", g.handler());
    io.run_for(5ms);
    g.end();
    g.expect_given_up();
  }
  EXPECT_TRUE(returns(io));
  EXPECT_GE(watch.elapsed(), 3s) << "the answers are read to their end";
  std::string value;
  cache.within(10s).get("k", [&](result<item> r) { value = value_of(r); });
  EXPECT_TRUE(returns(io));
  EXPECT_EQ(value, "v");
  EXPECT_EQ(server.accepted(), 1u);
}

}  // namespace
}  // namespace memcxx::test
