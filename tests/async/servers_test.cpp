// Servers that change, go down, come back, or are no servers at all; several connections to one;
// limits of what may be under way.
// Never here: random faults (storm_test), cancellation (giving_up_test).
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <memcxx/driver.hpp>

#include "running.hpp"
#include "support/memcached_server.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

std::string value_for(std::string_view key) { return "value of " + std::string(key); }

void serve_values(peer& p) {
  for (;;) {
    const wire::request r = wire::read(p);
    p.send(r.value.empty() ? wire::hit(r, value_for(r.key)) : wire::stored(r));
  }
}

std::string key_on(const async_client& cache, const std::string& server, int from = 0) {
  for (int i = from;; ++i) {
    std::string key = "k" + std::to_string(i);
    if (cache.which(key) == server) return key;
  }
}

// --- servers that change
// --------------------------------------------------------------------------

TEST(servers, that_leave_are_disconnected_when_their_last_call_is_over) {
  std::atomic<bool> go_on{false};
  std::atomic<bool> disconnected{false};
  scripted_server leaves([&](peer& p) {
    const wire::request r = wire::read(p);
    while (!go_on) p.wait(1ms);
    p.send(wire::hit(r, value_for(r.key)));
    struct note {
      std::atomic<bool>& seen;
      ~note() { seen = true; }
    } at_end{disconnected};
    p.read(1);
  });
  scripted_server stays(serve_values);
  net::io_context io;
  async_client cache(io, async_settings(leaves.address() + "," + stays.address()));
  std::string value;
  const std::string key = key_on(cache, leaves.address());
  cache.get(key, [&](result<item> r) { value = value_of(r); });
  ASSERT_TRUE(run_until(io, [&] { return leaves.count(key + " ") != 0; }));
  ASSERT_TRUE(ok(cache.remove_server(leaves.address())));
  std::string moved;
  cache.get(key, [&](result<item> r) { moved = value_of(r); });
  ASSERT_TRUE(run_until(io, [&] { return !moved.empty(); }));
  EXPECT_EQ(moved, value_for(key));
  EXPECT_TRUE(value.empty());
  EXPECT_FALSE(disconnected);
  go_on = true;
  ASSERT_TRUE(run_until(io, [&] { return !value.empty(); }));
  EXPECT_EQ(value, value_for(key)) << "a call ends on the servers with which it began";
  EXPECT_TRUE(run_until(io, [&] { return disconnected.load(); }));
  EXPECT_EQ(stays.accepted(), 1u);
}

TEST(servers, that_leave_without_a_call_are_disconnected_by_the_next) {
  std::atomic<bool> disconnected{false};
  scripted_server leaves([&](peer& p) {
    p.send(wire::hit(wire::read(p), "v"));
    struct note {
      std::atomic<bool>& seen;
      ~note() { seen = true; }
    } at_end{disconnected};
    p.read(1);
  });
  scripted_server stays(serve_values);
  net::io_context io;
  async_client cache(io, async_settings(leaves.address() + "," + stays.address()));
  const std::string key = key_on(cache, leaves.address());
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(ok(co_await cache.get(key)));
    EXPECT_TRUE(ok(cache.remove_server(leaves.address())));
    EXPECT_TRUE(ok(co_await cache.get(key)));
  });
  EXPECT_TRUE(run_until(io, [&] { return disconnected.load(); }));
}

// A call's second step may need a server that nobody else has any more.
TEST(servers, that_left_are_dialled_for_an_old_call_and_left_again) {
  const auto real = start_servers(2);
  net::io_context io;
  memcxx::options o = async_settings(list_of(real));
  o.values.split_over = 1024;
  async_client cache(io, o);
  const std::string value(200'000, 'v');
  const auto connections = [&](std::size_t i) {
    return std::stoi(real[i].statistic("curr_connections"));
  };
  const int idle = connections(1);
  for (int round = 0; round < 10; ++round) {
    run_to_end(io, [&]() -> net::awaitable<void> {
      EXPECT_TRUE(ok(co_await cache.set<std::string>("long", value)));
    });
    // The first step asks the home of the key; its pieces are everywhere.
    const std::string home = cache.which("long");
    const std::size_t other = home == real[0].address() ? 1 : 0;
    const std::string pieces_read = real[other].statistic("cmd_get");
    bool called = false;
    cache.get<std::string>("long", [&](result<std::string> r) {
      called = true;
      EXPECT_TRUE(r && *r == value) << (r ? "" : r.error().what());
    });
    ASSERT_TRUE(ok(cache.remove_server(real[other].address())));
    // Another call notices, and closes what nobody uses.
    cache.get("x", [](result<item>) {});
    ASSERT_TRUE(run_until(io, [&] { return called; }));
    EXPECT_NE(real[other].statistic("cmd_get"), pieces_read) << "it has some of the pieces";
    EXPECT_TRUE(run_until(io, [&] { return connections(other) == idle; }))
        << "a connection to a server that left stays open";
    ASSERT_TRUE(ok(cache.add_server(parse_server(real[other].address()).value())));
  }
}

TEST(servers, may_change_all_the_time) {
  const auto real = start_servers(3);
  net::io_context io;
  async_client cache(io, async_settings(list_of(real)));
  int under_way = 0;
  int ended = 0;
  int failed = 0;
  std::function<void(int)> call = [&](int i) {
    ++under_way;
    const std::string key = "k" + std::to_string(i % 100);
    cache.set(key, value_for(key), [&, i, key](result<stored> s) {
      failed += !s;
      cache.get(key, [&, i, key](result<item> r) {
        // Where the key now is, it may never have been.
        failed += !r && r.error() != errc::miss;
        if (r) {
          EXPECT_EQ(r->value, value_for(key));
        }
        --under_way;
        if (++ended < 5000) call(i + 1);
      });
    });
  };
  for (int i = 0; i < 50; ++i) call(i * 100);
  for (int change = 0; ended < 5000; ++change) {
    const auto at = static_cast<std::size_t>(change % 3);
    if (cache.servers().size() == 3) {
      ASSERT_TRUE(ok(cache.remove_server(real[at].address())));
    } else {
      ASSERT_TRUE(ok(cache.replace_servers(parse_uri(list_of(real)).value().servers)));
    }
    io.run_for(1ms);
    if (io.stopped()) io.restart();
  }
  EXPECT_TRUE(run_until(io, [&] { return under_way == 0; }));
  EXPECT_EQ(failed, 0);
}

// --- servers that go down and come back
// ------------------------------------------------------------

TEST(servers, that_go_down_fail_at_once_and_are_told_of) {
  memcached_server real;
  net::io_context io;
  memcxx::options o = async_settings(real.address());
  o.health = {.max_failures = 3, .retry_min = 20ms, .retry_max = 40ms};
  std::vector<std::string> told;
  o.on_server_down = [&](std::string_view s, const error&) {
    told.push_back("-" + std::string(s));
  };
  o.on_server_up = [&](std::string_view s) { told.push_back("+" + std::string(s)); };
  async_client cache(io, o);
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(ok(co_await cache.set("k", "v")));
    real.kill();
    int refused = 0;
    for (int i = 0; i < 10; ++i) {
      const auto r = co_await cache.get("k");
      refused += !r && r.error() == errc::server_down;
      EXPECT_FALSE(r.has_value());
    }
    EXPECT_GT(refused, 0);
    real.restart();
    net::steady_timer timer(io);
    for (int i = 0; i < 1000; ++i) {
      if ((co_await cache.get("k")).error() == errc::miss) break;
      timer.expires_after(5ms);
      co_await timer.async_wait(net::use_awaitable);
    }
    EXPECT_TRUE(ok(co_await cache.set("k", "w")));
  });
  EXPECT_EQ(told, (std::vector<std::string>{"-" + real.address(), "+" + real.address()}));
}

// The probe of a server that hung is not sent over the connection from before: what the server
// holds is to be dropped first.
TEST(servers, that_hung_are_flushed_before_they_are_used_again) {
  scripted_server server({[](peer& p) {
                            std::vector<wire::request> asked;
                            for (int i = 0; i < 4; ++i) asked.push_back(wire::read(p));
                            for (const auto& r : asked) p.send(wire::hit(r, "stale"));
                            for (;;) p.send(wire::hit(wire::read(p), "stale"));
                          },
                          [](peer& p) {
                            p.expect("flush_all\r\n");
                            p.send("OK\r\n");
                            for (;;) p.send(wire::hit(wire::read(p), "fresh"));
                          }});
  net::io_context io;
  memcxx::options o = async_settings(server.address(), protocol_choice::classic);
  o.flush_on_reconnect = true;
  o.health = {.max_failures = 3, .retry_min = 5ms, .retry_max = 10ms};
  async_client cache(io, o);
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(fails(co_await cache.within(10ms).get("k"), errc::timeout));
    }
    net::steady_timer timer(io);
    std::string value;
    for (int i = 0; i < 1000 && value.empty(); ++i) {
      const auto r = co_await cache.get("k");
      if (r) {
        value = r->value;
      } else {
        EXPECT_EQ(r.error(), errc::server_down) << r.error();
      }
      timer.expires_after(1ms);
      co_await timer.async_wait(net::use_awaitable);
    }
    EXPECT_EQ(value, "fresh");
  });
}

TEST(servers, that_are_gone_are_replaced_by_failover_and_gutter) {
  for (const bool gutter : {false, true}) {
    const auto real = start_servers(2);
    refusing_port gone;
    net::io_context io;
    memcxx::options o = async_settings(gone.address() + "," + real[0].address());
    o.failover = gutter ? failover_policy::gutter : failover_policy::next;
    if (gutter) o.gutter = {parse_server(real[1].address()).value()};
    async_client cache(io, o);
    client blocking(o);
    const std::string key = key_on(cache, gone.address());
    run_to_end(io, [&]() -> net::awaitable<void> {
      EXPECT_TRUE(ok(co_await cache.set(key, "v")));
      EXPECT_EQ(value_of(co_await cache.get(key)), "v");
      std::map<std::string, std::string> pairs;
      std::vector<std::string> keys;
      for (int i = 0; i < 50; ++i) {
        keys.push_back("m" + std::to_string(i));
        pairs[keys.back()] = value_for(keys.back());
      }
      for (const auto& r : co_await cache.set_many(pairs)) EXPECT_TRUE(ok(r));
      const auto got = co_await cache.get_many(keys);
      EXPECT_EQ(got.hits(), keys.size());
      for (const auto& e : got) EXPECT_EQ(e.value, value_for(e.key));
      EXPECT_EQ(value_of(blocking.get(key)), "v") << "the blocking client looks in the same place";
    });
  }
}

TEST(servers, replicas_are_written_to_all_and_read_from_one) {
  auto real = start_servers(3);
  net::io_context io;
  memcxx::options o = async_settings(list_of(real));
  o.replicas = 2;
  async_client cache(io, o);
  std::vector<std::string> keys;
  std::map<std::string, std::string> pairs;
  for (int i = 0; i < 60; ++i) {
    keys.push_back("k" + std::to_string(i));
    pairs[keys.back()] = value_for(keys.back());
  }
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (const auto& r : co_await cache.set_many(pairs)) EXPECT_TRUE(ok(r));
  });
  real[0].kill();
  run_to_end(io, [&]() -> net::awaitable<void> {
    const auto got = co_await cache.get_many(keys);
    EXPECT_EQ(got.hits(), keys.size());
    for (const auto& e : got) EXPECT_EQ(e.value, value_for(e.key));
    for (const auto& key : keys) EXPECT_EQ(value_of(co_await cache.get(key)), value_for(key));
  });
}

// --- no servers at all
// ----------------------------------------------------------------------------

TEST(servers, in_memory) {
  net::io_context io;
  memcxx::options o = parse_uri("memory://a,b").value();
  o.values.split_over = 1024;
  async_client cache(io, o);
  const std::string value(10'000, 'v');
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(fails(co_await cache.get("k"), errc::miss));
    EXPECT_TRUE(ok(co_await cache.set("k", "v")));
    EXPECT_EQ(value_of(co_await cache.get("k")), "v");
    EXPECT_TRUE(ok(co_await cache.set<std::string>("long", value)));
    EXPECT_EQ((co_await cache.get<std::string>("long")).value(), value);
    EXPECT_EQ((co_await cache.version()).size(), 2u);
  });
}

// What a driver throws or says is the call's, and it is asked on the servers of the call.
TEST(servers, of_a_driver_beside_others) {
  struct echo final : driver {
    void execute(const protocol::request& r, protocol::response_handler& to, std::uint32_t tag,
                 std::chrono::steady_clock::time_point) noexcept override {
      protocol::response answer;
      const std::string value = value_for(r.key);
      if (r.op == protocol::verb::get) answer.value = value;
      to.on_response(tag, answer);
    }
  };
  scripted_server server(serve_values);
  net::io_context io;
  memcxx::options defaults;
  defaults.drivers["echo"] = [](const server_address&, const memcxx::options&) {
    return std::make_shared<echo>();
  };
  memcxx::options o = parse_uri("echo://one", defaults).value();
  o.servers.push_back(parse_server(server.address()).value());
  async_client cache(io, o);
  std::vector<std::string> keys;
  for (int i = 0; i < 20; ++i) keys.push_back("k" + std::to_string(i));
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (const auto& key : keys) EXPECT_EQ(value_of(co_await cache.get(key)), value_for(key));
  });
}

// --- several connections
// --------------------------------------------------------------------------

TEST(connections, several_to_one_server_are_opened_when_they_are_needed) {
  std::atomic<bool> go_on{false};
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      while (!go_on) p.wait(1ms);
      p.send(wire::hit(r, value_for(r.key)));
    }
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic),
                     {.connections = 3});
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    cache.get(key, [&, key](result<item> r) {
      ++answered;
      EXPECT_EQ(value_of(r), value_for(key));
    });
    io.poll();
  }
  EXPECT_TRUE(run_until(io, [&] { return server.accepted() == 3; }));
  go_on = true;
  EXPECT_TRUE(run_until(io, [&] { return answered == 100; }));
  EXPECT_EQ(server.accepted(), 3u);
}

TEST(connections, one_that_hangs_is_avoided_by_those_that_come_later) {
  scripted_server server({[](peer& p) { p.wait(30s); }, serve_values});
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic),
                     {.connections = 2});
  bool first = false;
  cache.get("hangs", [&](result<item>) { first = true; });
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      const std::string key = "k" + std::to_string(i);
      EXPECT_EQ(value_of(co_await cache.get(key)), value_for(key));
    }
  });
  EXPECT_FALSE(first);
}

// --- limits
// ---------------------------------------------------------------------------------------

TEST(limits, one_request_too_many_is_overloaded_and_nothing_else) {
  scripted_server server([](peer& p) {
    std::vector<wire::request> asked;
    for (int i = 0; i < 10; ++i) asked.push_back(wire::read(p));
    p.wait(20ms);
    for (const auto& r : asked) p.send(wire::hit(r, value_for(r.key)));
    serve_values(p);
  });
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic),
                     {.max_requests = 10, .max_bytes = 1000});
  int answered = 0;
  int refused = 0;
  const auto count = [&](const result<item>& r) {
    ++answered;
    refused += !r && r.error() == errc::overloaded;
  };
  for (int i = 0; i < 10; ++i) cache.get("k" + std::to_string(i), count);
  EXPECT_EQ(answered, 0);
  cache.get("one too many", {}, count);
  EXPECT_EQ(answered, 0) << "not even that is told at once";
  EXPECT_TRUE(run_until(io, [&] { return answered == 1; }));
  EXPECT_EQ(refused, 1);
  EXPECT_TRUE(run_until(io, [&] { return answered == 11; }));
  EXPECT_EQ(refused, 1);

  run_to_end(io, [&]() -> net::awaitable<void> {
    const std::vector<std::string> ten(10, "k");
    cache.get("beside", count);
    EXPECT_TRUE(fails(co_await cache.set("k", std::string(1000, 'v')), errc::overloaded));
    cache.get("beside", count);
    EXPECT_TRUE(ok(co_await cache.set("k", std::string(900, 'v'))));
    cache.get("beside", count);
    const auto many = co_await cache.get_many(ten);
    for (const auto& e : many) EXPECT_EQ(e.status, errc::overloaded);
    EXPECT_EQ(value_of(co_await cache.get("k")), value_for("k"));
  });
}

// What one call asks for is its caller's to bound.
TEST(limits, a_call_alone_is_never_overloaded) {
  scripted_server server(serve_values);
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic),
                     {.max_requests = 10, .max_bytes = 1000});
  const std::vector<std::string> many(1000, "k");
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(ok(co_await cache.set("k", std::string(2000, 'v'))));
      const auto got = co_await cache.get_many(many);
      for (const auto& e : got) EXPECT_NE(e.status, errc::overloaded);
    }
  });
}

// What ends, however it ends, makes room.
TEST(limits, are_given_back_whatever_becomes_of_a_call) {
  scripted_server server([](peer& p) { p.wait(20s); });
  refusing_port gone;
  net::io_context io;
  async_client cache(
      io, async_settings(server.address() + "," + gone.address(), protocol_choice::classic, 30ms),
      {.max_requests = 5, .max_bytes = 100});
  run_to_end(io, [&]() -> net::awaitable<void> {
    int overloaded = 0;
    const std::vector<std::string> keys{"bad key", "a", "b", "c", "d"};
    for (int i = 0; i < 60; ++i) {
      const auto r = co_await cache.within(2ms).set("k" + std::to_string(i), std::string(80, 'v'));
      overloaded += !r && r.error() == errc::overloaded;
      (void)co_await cache.get("bad key");
      (void)co_await cache.get_many(keys);
    }
    EXPECT_EQ(overloaded, 0);
  });
}

}  // namespace
}  // namespace memcxx::test
