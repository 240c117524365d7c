// Requests that nobody waits for, and stores that a server refuses: errors find their request, a
// success is never claimed for what failed, and the connection goes on.
// Never here: connections that end (truncated).
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class quiet : public over_protocols {};

// Row: an oversize store hangs, breaks or lies.
TEST_P(quiet, oversize_stores_of_every_kind_are_value_too_large_and_the_connection_goes_on) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  const std::string large((1 << 20) + 1, 'x');
  ASSERT_TRUE(ok(cache.set("k", "v")));
  const std::size_t connections = std::stoul(server.statistic("total_connections"));
  EXPECT_TRUE(fails(cache.set("k", large), errc::value_too_large));
  EXPECT_TRUE(fails(cache.add("new", large), errc::value_too_large));
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_TRUE(fails(cache.replace("k", large), errc::value_too_large));
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_TRUE(fails(cache.append("k", large), errc::value_too_large));
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_TRUE(fails(cache.cas("k", large, cache.get("k")->cas), errc::value_too_large));
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(value_of(cache.get("k")), "v");
  EXPECT_EQ(std::stoul(server.statistic("total_connections")), connections + 1);
}

// Row: errors of quiet requests misattributed.
TEST_P(quiet, one_oversize_value_among_many_is_the_one_that_fails) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  const std::string large(3 << 20, 'x');
  for (const std::size_t bad : {0u, 1u, 49u, 98u, 99u}) {
    std::vector<std::string> names;
    for (int i = 0; i < 100; ++i)
      names.push_back("k" + std::to_string(bad) + "-" + std::to_string(i));
    std::vector<store_entry> entries;
    for (std::size_t i = 0; i < names.size(); ++i)
      entries.push_back({names[i], i == bad ? std::string_view(large) : names[i], {}});
    const auto done = cache.set_many(entries);
    ASSERT_EQ(done.size(), entries.size());
    EXPECT_FALSE(done[bad]) << "a refused value was reported as stored";
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool there = cache.get(names[i]).has_value();
      EXPECT_EQ(there, i != bad) << names[i];
      // A protocol that does not say which one it was may leave it open; it never says "stored"
      // of the one that is not, nor "too large" of one that is.
      if (done[i]) {
        ASSERT_TRUE(there) << names[i];
      } else if (i == bad) {
        ASSERT_TRUE(fails(done[i], errc::value_too_large) || fails(done[i], errc::unattributed));
      } else {
        ASSERT_TRUE(fails(done[i], errc::unattributed)) << names[i];
      }
    }
  }
}

TEST_P(quiet, several_failures_of_several_kinds_in_one_batch) {
  const memcached_server server;
  client cache = make_client(server.address(), GetParam());
  const std::string large(2 << 20, 'x');
  ASSERT_TRUE(ok(cache.set("word", "not a number")));
  batch b;
  std::vector<std::pair<std::string, batch_reply<stored>>> stores;
  const store_options silent{.quiet = true};
  for (int i = 0; i < 30; ++i) {
    const std::string k = "k" + std::to_string(i);
    stores.emplace_back(k, b.set(k, i % 7 == 3 ? large : k, silent));
    if (i % 5 == 0) (void)b.get("none");
  }
  const auto word = b.incr("word");
  const auto again = b.add("k0", "x", silent);
  const auto last = b.get("k1");
  (void)cache.run(b);
  for (std::size_t i = 0; i < stores.size(); ++i) {
    const auto& [k, reply] = stores[i];
    const bool there = cache.get(k).has_value();
    EXPECT_EQ(there, i % 7 != 3) << k;
    if (reply->has_value()) {
      EXPECT_TRUE(there) << k << " is reported as stored, and is not there";
    } else {
      EXPECT_TRUE(fails(*reply, errc::unattributed) ||
                  (!there && fails(*reply, errc::value_too_large)))
          << k;
    }
  }
  EXPECT_FALSE(*word);
  EXPECT_FALSE(*again);
  ASSERT_TRUE(ok(*last));
  EXPECT_EQ((*last)->value, "k1");
}

TEST_P(quiet, a_failing_store_behind_a_quiet_one_is_answered_at_once) {
  // The error could be the quiet one's; the client has to find out, not to wait.
  const memcached_server server;
  client cache = make_client(server.address(), GetParam(), 2s);
  const std::string large(2 << 20, 'x');
  batch b;
  const auto first = b.set("first", "v", {.quiet = true});
  const auto second = b.set("second", large);
  const stopwatch watch;
  EXPECT_FALSE(cache.run(b));
  EXPECT_LT(watch.elapsed(), 1s);
  EXPECT_TRUE(*first || fails(*first, errc::unattributed));
  EXPECT_TRUE(fails(*second, errc::value_too_large) || fails(*second, errc::unattributed));
  EXPECT_EQ(value_of(cache.get("first")), "v");
}

TEST_P(quiet, an_error_line_without_a_name_is_nobodys_success) {
  // The server refuses one of three quiet stores with a line that does not say which.
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.key == "b")
        p.send(wire::failed(r, "out of memory storing object"));
      else if (const std::string said = wire::answer(r, {}); !said.empty())
        p.send(said);
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  const auto done = cache.set_many({{"a", "1", {}}, {"b", "2", {}}, {"c", "3", {}}});
  ASSERT_FALSE(done[1]);
  EXPECT_TRUE(fails(done[1], errc::out_of_memory) || fails(done[1], errc::unattributed));
  for (const std::size_t i : {0u, 2u})
    EXPECT_TRUE(done[i] || fails(done[i], errc::unattributed)) << i;
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_P(quiet, a_single_quiet_call_does_not_wait_and_does_not_confuse_the_next) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.key == "q") {
        p.wait(30ms);
        p.send(wire::failed(r, "out of memory storing object"));
      } else if (const std::string said = wire::answer(r, {{"k", "k="}}); !said.empty()) {
        p.send(said);
      }
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_TRUE(ok(cache.get("k")));
  for (int i = 0; i < 10; ++i) {
    const stopwatch watch;
    ASSERT_TRUE(ok(cache.set("q", "v", {.quiet = true})));
    EXPECT_LT(watch.elapsed(), 25ms) << "a quiet call waited for its answer";
    const auto got = cache.get("k");
    ASSERT_TRUE(ok(got));
    EXPECT_EQ(got->value, "k=");
  }
  const stopwatch watch;
  while (cache.unclaimed_errors() < 10 && watch.elapsed() < 2s) {
    EXPECT_EQ(value_of(cache.get("k")), "k=");
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(cache.unclaimed_errors(), 10u);
}

TEST_P(quiet, a_quiet_flush_does_not_wait_and_does_not_confuse_the_next) {
  const auto flushes = [](const wire::request& r) {
    return r.verb == "flush_all" || r.verb == "0x08" || r.verb == "0x18";
  };
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (flushes(r)) {
        p.wait(30ms);
        p.send(wire::failed(r, "not now"));
      } else if (const std::string said = wire::answer(r, {{"k", "k="}}); !said.empty()) {
        p.send(said);
      }
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_TRUE(ok(cache.get("k")));
  for (int i = 0; i < 3; ++i) {
    const stopwatch watch;
    const auto flushed = cache.flush({}, true);
    EXPECT_LT(watch.elapsed(), 25ms) << "a quiet call waited for its answer";
    ASSERT_EQ(flushed.size(), 1u);
    EXPECT_TRUE(ok(flushed[0].reply));
    EXPECT_EQ(value_of(cache.get("k")), "k=");
  }
  EXPECT_EQ(cache.unclaimed_errors(), 3u);
  EXPECT_EQ(server.accepted(), 1u);
  EXPECT_FALSE(ok(cache.flush()[0].reply));
}

// Row: a reconnect for every SERVER_ERROR.
TEST_P(quiet, ten_thousand_out_of_memory_answers_on_one_connection) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      p.send(r.verb == "mn" || r.key.empty() ? wire::answer(r, {})
                                             : wire::failed(r, "out of memory storing object"));
    }
  });
  client cache = make_client(server.address(), GetParam(), 5s);
  for (int i = 0; i < 10'000; ++i) {
    const auto refused = cache.set("k", "v");
    ASSERT_TRUE(fails(refused, errc::out_of_memory)) << i;
    ASSERT_EQ(refused.error().server(), server.address());
    ASSERT_NE(refused.error().message().find("out of memory"), std::string_view::npos);
  }
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_P(quiet, other_server_errors_keep_the_connection_too) {
  scripted_server server([](peer& p) {
    for (;;) p.send(wire::failed(wire::read(p), "temporary failure of something"));
  });
  client cache = make_client(server.address(), GetParam(), 5s);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(fails(cache.set("k", "v"), errc::server_error));
    const auto got = cache.get("k");
    EXPECT_TRUE(fails(got, errc::server_error));
    EXPECT_NE(got.error().message().find("temporary failure"), std::string_view::npos);
  }
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_P(quiet, a_full_server_without_evictions_says_so_and_keeps_its_connection) {
  const memcached_server server(transport::v4, {"-M", "-m", "2", "-o", "no_lru_crawler"});
  client cache = make_client(server.address(), GetParam());
  const std::string value(200'000, 'x');
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    const auto set = cache.set("k" + std::to_string(i), value);
    if (set) continue;
    ASSERT_TRUE(fails(set, errc::out_of_memory)) << i;
    ++refused;
  }
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(ok(cache.ping()[0].reply));
  // One look, and the handful that was there before: nothing near one for each refusal.
  EXPECT_LE(std::stoul(server.statistic("total_connections")), 5u);
}

TEST_P(quiet, a_client_error_is_typed_and_named) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      p.send(r.speaks == wire::dialect::binary ? wire::binary_reply(r, 4, "", "", "Invalid")
                                               : "CLIENT_ERROR bad data chunk\r\n");
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  const auto set = cache.set("k", "v");
  ASSERT_TRUE(fails(set, errc::client_error));
  EXPECT_EQ(set.error().server(), server.address());
  EXPECT_FALSE(set.error().message().empty());
}

// Of a server that is marked down by its first failure, and answers nothing behind what is "stuck".
class probed : public over_protocols {
 protected:
  [[nodiscard]] static memcxx::options strict(const scripted_server& server) {
    memcxx::options o = settings_for(server.address(), GetParam(), 5s);
    o.health.max_failures = 1;
    o.health.retry_min = 1ms;
    o.health.retry_max = 2ms;
    return o;
  }
  static void get_stuck(peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.value == "stuck" || r.key == "stuck") p.wait(10s);
      if (r.key == "slow") p.wait(300ms);
      p.send(wire::answer(r, {{"slow", "s"}, {"k", "v"}}));
    }
  }
  // While it is in flight, another call has another connection.
  std::thread a_slow_get() {
    std::thread other([own = cache]() mutable { EXPECT_EQ(value_of(own.get("slow")), "s"); });
    EXPECT_TRUE(server.saw("slow"));
    return other;
  }
  void expect_a_probe_to_succeed() {
    result<item> got = cache.within(1s).get("k");
    for (int i = 0; i < 1000 && fails(got, errc::server_down); ++i) {
      std::this_thread::sleep_for(1ms);
      got = cache.within(1s).get("k");
    }
    EXPECT_EQ(value_of(got), "v");
  }

  scripted_server server{get_stuck};
  client cache{strict(server)};
};

// What it owes elsewhere may be why it is down.
TEST_P(probed, it_waits_behind_no_answers_that_do_not_come) {
  // Two connections, and a store on each.
  std::thread other = a_slow_get();
  ASSERT_TRUE(ok(cache.set("a", "stuck", {.quiet = true})));
  other.join();
  ASSERT_TRUE(ok(cache.set("b", "stuck", {.quiet = true})));
  EXPECT_TRUE(server.saw("stuck", 2));
  EXPECT_EQ(server.accepted(), 2u);

  EXPECT_TRUE(fails(cache.within(100ms).get("k"), errc::timeout));
  expect_a_probe_to_succeed();
}

// A connection that is idle meanwhile may be dead without a word.
TEST_P(probed, it_has_a_connection_of_its_own) {
  std::thread other = a_slow_get();
  EXPECT_TRUE(fails(cache.within(800ms).get("stuck"), errc::timeout));
  other.join();
  EXPECT_EQ(server.accepted(), 2u);
  expect_a_probe_to_succeed();
  EXPECT_EQ(server.accepted(), 3u);
}

INSTANTIATE_TEST_SUITE_P(fault, probed, testing::ValuesIn(every_protocol), protocol_name);
INSTANTIATE_TEST_SUITE_P(fault, quiet, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
