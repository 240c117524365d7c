// Calls given up at every point where they wait, by each kind of cancellation and by the deadline;
// each followed by 1,000 verified reads on the same client.
// Never here: the bytes of a reply (every_byte_test), the end of the client (lifetime_test).
#include "giving_up.hpp"

#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/memcached_server.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// Answers every read with its key's value, and everything else with success.
void serve_values(peer& p) {
  std::string out;
  for (;;) {
    const wire::request r = wire::read(p);
    out += r.key.empty() || r.value.empty() == false ? wire::stored(r)
                                                     : wire::hit(r, value_for(r.key));
    if (p.has_more() && out.size() < 16'384) continue;
    p.send(out);
    out.clear();
  }
}

class giving_up : public testing::TestWithParam<way_out> {
 protected:
  // Another server, for the thousand reads, when the first does not serve any more. Keys of the
  // first begin with `here`.
  static std::string key_on(const async_client& cache, const std::string& server) {
    for (int i = 0;; ++i) {
      std::string key = "x" + std::to_string(i);
      if (cache.which(key) == server) return key;
    }
  }

  net::io_context io;
};

TEST_P(giving_up, while_the_name_is_looked_up) {
  scripted_server server(serve_values);
  async_client cache(io, async_settings("localhost:" + std::to_string(server.port())));
  for (int round = 0; round < 5; ++round) {
    given_up g(io, GetParam());
    async_client caller = g.client_for(cache, 1ms);
    caller.get("k", g.handler());
    if (GetParam() == way_out::deadline) {
      // The name may resolve in less than that.
      ASSERT_TRUE(run_until(io, [&] { return g.called() == 1; }));
    } else {
      g.end();
      g.expect_given_up();
    }
    verify_thousand(io, cache);
    EXPECT_EQ(g.called(), 1);
  }
}

TEST_P(giving_up, while_it_connects) {
  dead_port dead;
  scripted_server server(serve_values);
  async_client cache(
      io, async_settings(dead.address() + "," + server.address(), protocol_choice::automatic, 2s));
  const std::string key = key_on(cache, dead.address());
  // What waits for a connection of its own holds up nobody.
  std::string prefix;
  for (int round = 0; round < 3; ++round) {
    given_up g(io, GetParam());
    async_client caller = g.client_for(cache);
    caller.set(key, "v", g.handler());
    io.run_for(2ms);
    g.end();
    g.expect_given_up();
    int answered = 0;
    int asked = 0;
    for (int i = 0; asked < 1000; ++i) {
      const std::string other = "k" + std::to_string(i);
      if (cache.which(other) != server.address()) continue;
      ++asked;
      cache.get(other, [&, other](result<item> r) {
        EXPECT_EQ(value_of(r), value_for(other));
        ++answered;
      });
    }
    EXPECT_TRUE(run_until(io, [&] { return answered == asked; }));
  }
}

// At every byte of the handshake's answer.
TEST_P(giving_up, while_hands_are_shaken) {
  for (std::size_t n = 0; n < wire::speaks_meta.size(); ++n) {
    std::atomic<bool> go_on{false};
    std::atomic<bool> stopped{false};
    scripted_server server([&](peer& p) {
      p.expect(wire::question);
      p.send(wire::speaks_meta.substr(0, n));
      stopped = true;
      while (!go_on) p.wait(1ms);
      p.send(wire::speaks_meta.substr(n));
      serve_values(p);
    });
    async_client cache(io, async_settings(server.address(), protocol_choice::meta));
    given_up g(io, GetParam());
    async_client caller = g.client_for(cache);
    caller.set("k", "v", g.handler());
    if (GetParam() != way_out::deadline) {
      ASSERT_TRUE(run_until(io, [&] { return stopped.load(); }));
    }
    g.end();
    g.expect_given_up();
    go_on = true;
    verify_thousand(io, cache);
    EXPECT_EQ(server.accepted(), 1u) << "the connection that was being opened is used";
    EXPECT_EQ(server.count("ms k "), 0u) << "a call that was given up is not sent";
  }
}

// A server that was away is flushed first; given up at every byte of that answer.
TEST_P(giving_up, while_the_items_of_a_server_that_was_away_are_dropped) {
  for (std::size_t n = 0; n < 4; ++n) {
    std::atomic<bool> go_on{false};
    std::atomic<bool> stopped{false};
    scripted_server server({[](peer& p) {
                              wire::read(p);
                              p.reset();
                            },
                            [&](peer& p) {
                              p.expect("flush_all\r\n");
                              p.send(std::string_view("OK\r\n").substr(0, n));
                              stopped = true;
                              while (!go_on) p.wait(1ms);
                              p.send(std::string_view("OK\r\n").substr(n));
                              serve_values(p);
                            }});
    memcxx::options o = async_settings(server.address(), protocol_choice::classic);
    o.flush_on_reconnect = true;
    o.health.max_failures = 1;
    o.health.retry_min = 1ms;
    o.health.retry_max = 2ms;
    async_client cache(io, o);
    run_to_end(io, [&]() -> net::awaitable<void> {
      EXPECT_TRUE(fails(co_await cache.set("k", "v"), errc::connection_closed));
    });
    io.run_for(5ms);
    given_up g(io, GetParam());
    async_client caller = g.client_for(cache);
    caller.set("k", "v", g.handler());
    if (GetParam() != way_out::deadline) {
      ASSERT_TRUE(run_until(io, [&] { return stopped.load(); }));
    }
    g.end();
    g.expect_given_up();
    go_on = true;
    // The probe was given up: the next one may have to wait for its turn.
    EXPECT_TRUE(run_until(io, [&] {
      bool answered = false;
      bool up = false;
      cache.get("k", [&](result<item> r) {
        answered = true;
        up = r.has_value();
      });
      return run_until(io, [&] { return answered; }) && up;
    }));
    verify_thousand(io, cache);
    EXPECT_EQ(server.count("flush_all\r\n"), 1u);
  }
}

TEST_P(giving_up, while_the_server_does_not_read) {
  std::atomic<bool> go_on{false};
  scripted_server server(
      [&](peer& p) {
        while (!go_on) p.wait(1ms);
        serve_values(p);
      },
      4096);
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  given_up g(io, GetParam());
  async_client caller = g.client_for(cache, 50ms);
  {
    // The rest of what was begun has to be sent, and its owner is gone by then.
    const std::string large(20 << 20, 'v');
    caller.set("large", large, g.handler());
  }
  io.run_for(10ms);
  if (GetParam() == way_out::total) {
    EXPECT_EQ(g.called(), 0);
    g.signal().emit(net::cancellation_type::total);
    io.poll();
    EXPECT_EQ(g.called(), 0) << "part of it was sent";
    go_on = true;
    EXPECT_TRUE(run_until(io, [&] { return g.called() == 1; }));
    EXPECT_EQ(g.code(), errc::ok);
  } else {
    g.end();
    g.expect_given_up();
    go_on = true;
  }
  verify_thousand(io, cache);
  EXPECT_EQ(server.accepted(), 1u);
  server.stop();
  EXPECT_EQ(server.count("set large "), 1u);
}

TEST_P(giving_up, while_it_waits_for_room_behind_others) {
  std::atomic<bool> go_on{false};
  scripted_server server([&](peer& p) {
    while (!go_on) p.wait(1ms);
    serve_values(p);
  });
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  constexpr int before = 6000;  // more than a connection takes at once
  int answered = 0;
  for (int i = 0; i < before; ++i) {
    const std::string key = "k" + std::to_string(i);
    cache.get(key, [&, key](result<item> r) {
      EXPECT_EQ(value_of(r), value_for(key));
      ++answered;
    });
  }
  io.run_for(5ms);
  given_up g(io, GetParam());
  async_client caller = g.client_for(cache);
  caller.set("late", "v", g.handler());
  io.run_for(1ms);
  g.end();
  g.expect_given_up();
  go_on = true;
  EXPECT_TRUE(run_until(io, [&] { return answered == before; }));
  verify_thousand(io, cache);
  server.stop();
  EXPECT_EQ(server.count("set late "), 0u) << "it was never sent";
}

// The first server refuses, the next one in the distribution's order is asked.
TEST_P(giving_up, while_another_server_is_asked) {
  for (const bool replicas : {false, true}) {
    refusing_port refuses;
    std::atomic<bool> go_on{false};
    std::atomic<bool> stopped{false};
    scripted_server server([&](peer& p) {
      const auto r = wire::read(p);
      stopped = true;
      while (!go_on) p.wait(1ms);
      p.send(wire::hit(r, value_for(r.key)));
      serve_values(p);
    });
    memcxx::options o = async_settings(refuses.address() + "," + server.address());
    if (replicas) {
      o.replicas = 2;
    } else {
      o.failover = failover_policy::next;
    }
    async_client cache(io, o);
    const std::string key = key_on(cache, refuses.address());
    given_up g(io, GetParam());
    async_client caller = g.client_for(cache, 30ms);
    caller.get(key, g.handler());
    if (GetParam() != way_out::deadline) {
      ASSERT_TRUE(run_until(io, [&] { return stopped.load(); }));
    }
    g.end();
    // With replicas one of them failed before; that is said rather than the way out.
    EXPECT_EQ(g.called(), 1);
    EXPECT_NE(g.code(), errc::ok);
    EXPECT_NE(g.code(), errc::miss);
    go_on = true;
    verify_thousand(io, cache);
  }
}

// The answer has come, and its handler is still to be called.
TEST_P(giving_up, after_the_answer) {
  scripted_server server(serve_values);
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  for (int round = 0; round < 20; ++round) {
    net::io_context other;
    std::optional<std::string> value;
    net::cancellation_signal signal;
    cache.get("k1", net::bind_cancellation_slot(signal.slot(),
                                                net::bind_executor(other, [&](result<item> r) {
                                                  EXPECT_FALSE(value.has_value());
                                                  value = value_of(r);
                                                })));
    // A later one, whose handler says that the first was answered.
    bool answered = false;
    cache.get("k2", [&](result<item>) { answered = true; });
    ASSERT_TRUE(run_until(io, [&] { return answered; }));
    if (GetParam() != way_out::deadline) signal.emit(type_of(GetParam()));
    other.run();
    ASSERT_TRUE(value.has_value());
    EXPECT_EQ(*value, value_for("k1"));
    signal.emit(net::cancellation_type::terminal);
  }
  verify_thousand(io, cache);
}

// Inside handlers: of the call itself, and of others.
TEST_P(giving_up, inside_handlers) {
  scripted_server server(serve_values);
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  constexpr int calls = 300;
  std::vector<std::unique_ptr<net::cancellation_signal>> signals;
  for (int i = 0; i < calls; ++i) signals.push_back(std::make_unique<net::cancellation_signal>());
  std::vector<int> called(calls, 0);
  int ended = 0;
  for (int i = 0; i < calls; ++i) {
    const auto place = static_cast<std::size_t>(i);
    cache.get("k" + std::to_string(i),
              net::bind_cancellation_slot(signals[place]->slot(), [&, place](result<item> r) {
                ++called[place];
                ++ended;
                EXPECT_TRUE(r ? r->value == value_for("k" + std::to_string(place))
                              : r.error() == errc::cancelled);
                const auto how = GetParam() == way_out::deadline ? net::cancellation_type::all
                                                                 : type_of(GetParam());
                signals[place]->emit(how);
                signals[(place * 7 + 13) % calls]->emit(how);
              }));
  }
  EXPECT_TRUE(run_until(io, [&] { return ended == calls; }));
  io.poll();
  for (const int n : called) EXPECT_EQ(n, 1);
  verify_thousand(io, cache);
}

INSTANTIATE_TEST_SUITE_P(async, giving_up, testing::ValuesIn(every_way_out),
                         [](const auto& named) { return name_of(named.param); });

// --- what total cancellation promises: nothing was changed
// ----------------------------------------

// Sent over a connection that was lost, and waiting for another: it may have been executed.
TEST(total_cancellation, is_not_heeded_by_what_was_sent_before) {
  // Of four stores two are answered, then the connection ends: what is repeated is not known to be
  // without effect any more.
  scripted_server server([](peer& p) {
    if (p.index() == 0) {
      p.send(wire::hit(wire::read(p), "v"));
      for (int i = 0; i < 2; ++i) p.send(wire::stored(wire::read(p)));
      p.reset();
      return;
    }
    p.wait(10s);
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  run_to_end(io, [&]() -> net::awaitable<void> { (void)co_await cache.get("first"); });
  given_up g(io, way_out::total);
  // Enough that much of it was not written when the connection ends.
  std::map<std::string, std::string> pairs;
  for (int i = 0; i < 100; ++i) pairs[std::to_string(i)] = std::string(200'000, 'v');
  cache.set_many(pairs, {}, g.handler());
  ASSERT_TRUE(run_until(io, [&] { return server.accepted() == 2 || g.called() != 0; }));
  if (g.called() == 0) {
    g.signal().emit(net::cancellation_type::total);
    io.run_for(5ms);
    EXPECT_EQ(g.called(), 0) << g.code();
    g.signal().emit(net::cancellation_type::terminal);
    EXPECT_TRUE(run_until(io, [&] { return g.called() == 1; }));
  }
}

TEST(total_cancellation, is_heeded_by_reads_and_pings) {
  scripted_server server([](peer& p) {
    wire::read(p);
    p.wait(10s);
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  const std::function<void(given_up&)> reads[] = {
      [&](given_up& g) { cache.get("k", g.handler()); },
      [&](given_up& g) { cache.get<int>("k", g.handler()); },
      [&](given_up& g) { cache.get_many({"a", "b"}, {}, g.handler()); },
      [&](given_up& g) { cache.version(g.handler()); },
      [&](given_up& g) { cache.ping(g.handler()); },
  };
  for (const auto& read : reads) {
    given_up g(io, way_out::total);
    read(g);
    io.run_for(2ms);
    g.end();
    g.expect_given_up();
  }
  given_up gat(io, way_out::total);
  cache.gat("k", 1h, gat.handler());
  io.run_for(2ms);
  gat.signal().emit(net::cancellation_type::total);
  io.poll();
  EXPECT_EQ(gat.called(), 0) << "it sets a ttl";
  gat.signal().emit(net::cancellation_type::partial);
  EXPECT_TRUE(run_until(io, [&] { return gat.called() == 1; }));
}

// --- deadlines
// -------------------------------------------------------------------------------------

// Of different lengths, over one connection to a silent server: each ends in its own time.
TEST(deadlines, of_different_lengths_each_end_in_their_own_time) {
  scripted_server server([](peer& p) { p.wait(20s); });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 5s));
  constexpr int calls = 200;
  int ended = 0;
  for (int i = 0; i < calls; ++i) {
    const auto limit = 1ms * (1 + i * 37 % 150);
    cache.within(limit).get("k", [&, limit, watch = stopwatch()](result<item> r) {
      ++ended;
      EXPECT_TRUE(fails(r, errc::timeout));
      EXPECT_GE(watch.elapsed() + 1ms, limit);
      EXPECT_LT(watch.elapsed(), limit + 3s);
    });
  }
  EXPECT_TRUE(run_until(io, [&] { return ended == calls; }));
}

// A client in a hurry, and a call that is not: it has its whole time for the first words of a
// connection, too.
TEST(deadlines, of_a_patient_call_hold_while_its_connection_is_opened) {
  const memcached_server real;
  scripted_server server([port = real.port()](peer& p) {
    p.wait(600ms);
    p.relay(port);
  });
  net::io_context io;
  options hurried = async_settings(server.address(), protocol_choice::automatic, 150ms);
  hurried.connect_timeout = 10s;
  async_client cache(io, hurried);
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_EQ((co_await cache.within(5s).get("nothing")).error(), errc::miss);
  });
  EXPECT_EQ(server.accepted(), 1u);

  scripted_server mute([](peer& p) { p.wait(20s); });
  hurried = async_settings(mute.address(), protocol_choice::automatic, 100ms);
  hurried.connect_timeout = 10s;
  async_client other(io, hurried);
  run_to_end(io, [&]() -> net::awaitable<void> {
    const stopwatch watch;
    const auto r = co_await other.within(700ms).get("k");
    EXPECT_TRUE(fails(r, errc::timeout));
    EXPECT_GE(watch.elapsed() + 1ms, 700ms);
  });
}

// A connection from which nothing comes is closed, and the next call has a fresh one.
TEST(deadlines, a_silent_connection_is_closed_after_the_timeout) {
  scripted_server server({[](peer& p) { p.wait(20s); }, serve_values});
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 100ms));
  run_to_end(io, [&]() -> net::awaitable<void> {
    const auto r = co_await cache.get("k");
    EXPECT_TRUE(fails(r, errc::timeout));
  });
  EXPECT_TRUE(run_until(io, [&] {
    cache.get("k", [](const result<item>&) {});
    return server.accepted() == 2;
  }));
  verify_thousand(io, cache);
  EXPECT_EQ(server.accepted(), 2u);
}

// Deadlines of a few are no reason to close it for all. Whoever then still waits for it when it has
// been silent for too long is answered over another.
TEST(deadlines, of_a_few_close_a_connection_only_after_the_timeout) {
  scripted_server server({[](peer& p) { p.wait(20s); }, serve_values});
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 2s));
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (int i = 0; i < 2; ++i) {
      const auto hurried = co_await cache.within(400ms).get("k");
      EXPECT_TRUE(fails(hurried, errc::timeout));
    }
    EXPECT_EQ(server.accepted(), 1u);
    const auto r = co_await cache.get("k");
    EXPECT_EQ(value_of(r), value_for("k"));
  });
  EXPECT_EQ(server.accepted(), 2u);
}

// One whose answers come in time, slowly, is not.
TEST(deadlines, a_slow_connection_stays) {
  scripted_server server([](peer& p) {
    for (;;) p.dribble(wire::hit(wire::read(p), "v"), 4ms);
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic, 1s));
  run_to_end(io, [&]() -> net::awaitable<void> {
    int timeouts = 0;
    for (int i = 0; i < 5; ++i) {
      const auto r = co_await cache.within(40ms).get("k");
      timeouts += !r && r.error() == errc::timeout;
    }
    EXPECT_GT(timeouts, 0);
  });
  EXPECT_EQ(server.accepted(), 1u);
}

}  // namespace
}  // namespace memcxx::test
