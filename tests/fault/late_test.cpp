// Faults of time: answers that come late, slowly, or never.
// Never here: connections that end (truncated), bytes that are wrong (hostile).
#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

// How long after its deadline a call may return on a busy machine.
constexpr auto slack = 150ms;

class late : public over_protocols {};

void expect_timeout_at(std::chrono::milliseconds deadline, const stopwatch& watch) {
  EXPECT_GE(watch.elapsed(), deadline - 1ms);
  EXPECT_LE(watch.elapsed(), deadline + slack);
}

// Row: another caller's data after a timeout.
TEST_P(late, reply_to_a_after_its_deadline_is_never_given_to_b) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.key.starts_with("A")) p.wait(120ms);
      p.send(wire::hit(r, r.key + "="));
    }
  });
  client cache = make_client(server.address(), GetParam(), 1s);
  for (int round = 0; round < 4; ++round) {
    const std::string n = std::to_string(round);
    EXPECT_TRUE(fails(cache.within(60ms).get("A" + n), errc::timeout));
    const auto at_once = cache.get("B" + n);
    ASSERT_TRUE(ok(at_once));
    EXPECT_EQ(at_once->value, "B" + n + "=");
    std::this_thread::sleep_for(80ms);  // now A's reply has come, wherever it went
    const auto afterwards = cache.get("C" + n);
    ASSERT_TRUE(ok(afterwards));
    EXPECT_EQ(afterwards->value, "C" + n + "=");
  }
}

TEST_P(late, reply_cut_in_two_by_the_deadline_is_never_given_to_b) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      const std::string reply = wire::hit(r, r.key + "=");
      if (r.key.starts_with("A")) {
        const auto half = std::min(std::stoul(r.key.substr(1)), reply.size() - 6);
        p.send(std::string_view(reply).substr(0, half));
        p.wait(60ms);
        p.send(std::string_view(reply).substr(half));
      } else {
        p.send(reply);
      }
    }
  });
  client cache = make_client(server.address(), GetParam(), 1s);
  for (int half = 1; half <= 22; half += 3) {
    EXPECT_TRUE(fails(cache.within(30ms).get("A" + std::to_string(half)), errc::timeout)) << half;
    const auto next = cache.get("B");
    ASSERT_TRUE(ok(next));
    EXPECT_EQ(next->value, "B=");
  }
}

// The same, at random and with every verb that answers with a value, for as long as CI allows.
TEST_P(late, random_operations_under_random_delays_never_mix_values) {
  scripted_server server([](peer& p) {
    std::minstd_rand random(static_cast<unsigned>(p.index()) + 1);
    for (;;) {
      const wire::request r = wire::read(p);
      const std::string reply = wire::hit(r, r.key + "=" + std::string(random() % 200, 'x'));
      switch (random() % 40) {
        case 0:
          p.wait(12ms);
          break;
        case 1:
          p.send_split(reply, {random() % reply.size()});
          continue;
        case 2:
          p.send(std::string_view(reply).substr(0, random() % reply.size()));
          return;
        case 3:
          p.reset();
          return;
        default:
          break;
      }
      p.send(reply);
    }
  });
  std::atomic<int> wrong{0};
  std::atomic<int> hits{0};
  std::atomic<int> missed{0};
  std::vector<std::thread> threads;
  client shared = make_client(server.address(), GetParam(), 2s);
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t, cache = shared]() mutable {
      std::minstd_rand random(t + 1);
      for (int i = 0; i < 500; ++i) {
        const std::string key =
            "k" + std::to_string(t) + "-" + std::to_string(i) + "-" + std::to_string(random() % 9);
        const auto got = cache.within(random() % 10 == 0 ? 5ms : 25ms).get(key);
        if (got) {
          ++hits;
          wrong += !got->value.starts_with(key + "=");
        } else {
          missed += got.error() == errc::miss;
        }
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(missed, 0) << "a fault was reported as a miss";
  EXPECT_GT(hits, 1000);
}

// Row: a timeout reported as a miss.
TEST_P(late, silent_server_is_a_timeout_and_not_a_miss) {
  scripted_server server([](peer& p) { wire::read(p); });
  client cache = make_client(server.address(), GetParam(), 100ms);
  const auto timed = [&](const auto& call) {
    const stopwatch watch;
    const auto outcome = call();
    EXPECT_TRUE(fails(outcome, errc::timeout));
    if (!outcome) {
      EXPECT_EQ(outcome.error().server(), server.address());
    }
    expect_timeout_at(100ms, watch);
  };
  timed([&] { return cache.get("k"); });
  timed([&] { return cache.set("k", "v"); });
  timed([&] { return cache.remove("k"); });
  timed([&] { return cache.incr("k"); });
  timed([&] { return cache.touch("k", 1s); });
  timed([&] { return cache.gat("k", 1s); });
  timed([&] { return cache.cas("k", "v", 1); });
  timed([&] { return cache.version()[0].reply; });
  timed([&] { return cache.ping()[0].reply; });
  timed([&] { return cache.set_many({{"k", "v", {}}})[0]; });
  timed([&] { return cache.remove_many({"k"})[0]; });
  const stopwatch watch;
  const items got = cache.get_many({"a", "b"});
  expect_timeout_at(100ms, watch);
  for (const auto& e : got) EXPECT_EQ(e.status.code(), errc::timeout) << e.status;
}

TEST_P(late, server_that_accepts_and_never_speaks_is_a_timeout) {
  // Not even the handshake is answered.
  scripted_server server([](peer&) {});
  client cache = make_client(server.address(), GetParam(), 100ms);
  const stopwatch watch;
  EXPECT_TRUE(fails(cache.get("k"), errc::timeout));
  expect_timeout_at(100ms, watch);
}

TEST_P(late, a_large_store_to_a_server_that_does_not_read_is_a_timeout) {
  scripted_server server([](peer& p) {
    if (GetParam() == protocol_choice::meta || GetParam() == protocol_choice::automatic)
      p.expect(wire::question), p.send(wire::speaks_meta);
    p.wait(3s);
  });
  client cache = make_client(server.address(), GetParam(), 200ms);
  const std::string large(32 << 20, 'x');
  const stopwatch watch;
  EXPECT_TRUE(fails(cache.set("k", large), errc::timeout));
  expect_timeout_at(200ms, watch);
}

TEST_P(late, slow_reply_within_the_deadline_is_read) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      p.dribble(wire::hit(r, "slow value", 5), 1ms);
    }
  });
  client cache = make_client(server.address(), GetParam(), 3s);
  for (int i = 0; i < 3; ++i) {
    const auto got = cache.get("k");
    ASSERT_TRUE(ok(got));
    EXPECT_EQ(got->value, "slow value");
    EXPECT_EQ(got->flags, 5u);
  }
  EXPECT_EQ(server.accepted(), 1u);
}

// The connection is idle, nothing is sent, and nothing will come.
TEST_P(late, what_is_refused_is_not_waited_for) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      p.send(wire::hit(r, "v"));
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_TRUE(ok(cache.get("k")));
  const stopwatch watch;
  EXPECT_FALSE(cache.append("k", "v", {.cas = 7, .invalidate = true}));
  EXPECT_FALSE(cache.stats("two  spaces")[0].reply);
  EXPECT_LT(watch.elapsed(), 1s);
  ASSERT_TRUE(ok(cache.get("k")));
  EXPECT_EQ(server.accepted(), 1u);
}

// Answers at once, late, in two parts, or not at all, to a client that looks for them.
TEST_P(late, an_adaptive_wait_reads_what_comes_and_keeps_its_deadline) {
  std::atomic<int> turn{0};
  std::atomic<bool> silent{false};
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (silent) {
        p.wait(2s);
        return;
      }
      const std::string answer = wire::hit(r, "value of " + r.key);
      const std::size_t half = answer.size() / 2;
      switch (turn++ % 8) {
        case 5:
          p.wait(2ms);
          p.send(answer);
          break;
        case 6:
          p.send(answer.substr(0, half));
          p.wait(1ms);
          p.send(answer.substr(half));
          break;
        default:
          p.send(answer);
      }
    }
  });
  memcxx::options o = settings_for(server.address(), GetParam(), 500ms);
  o.wait = wait_policy::adaptive;
  client cache(o);
  for (int i = 0; i < 400; ++i) {
    const std::string key = "k" + std::to_string(i);
    const auto got = cache.get(key);
    ASSERT_TRUE(ok(got));
    EXPECT_EQ(got->value, "value of " + key);
  }
  EXPECT_EQ(server.accepted(), 1u);
  silent = true;
  const stopwatch watch;
  EXPECT_TRUE(fails(cache.get("k"), errc::timeout));
  expect_timeout_at(500ms, watch);
}

TEST_P(late, every_split_of_a_reply_is_read) {
  std::atomic<std::size_t> split{1};
  scripted_server server([&](peer& p) {
    for (;;) p.send_split(wire::hit(wire::read(p), "0123456789", 77), {split});
  });
  client cache = make_client(server.address(), GetParam(), 3s);
  for (; split < 50; ++split) {
    const auto got = cache.get("k");
    ASSERT_TRUE(ok(got)) << split;
    EXPECT_EQ(got->value, "0123456789") << split;
  }
}

TEST_P(late, dribbling_server_does_not_extend_the_deadline) {
  // One byte every 20 ms: each wait for bytes succeeds, and only the whole call's deadline ends it.
  scripted_server server(
      [](peer& p) { p.dribble(wire::hit(wire::read(p), std::string(200, 'x')), 20ms); });
  client cache = make_client(server.address(), GetParam(), 150ms);
  const stopwatch watch;
  EXPECT_TRUE(fails(cache.get("k"), errc::timeout));
  expect_timeout_at(150ms, watch);
}

TEST_P(late, dribbling_handshake_does_not_extend_the_deadline) {
  scripted_server server([](peer& p) {
    p.read(1);
    p.dribble(std::string(200, 'V'), 20ms);
  });
  client cache = make_client(server.address(), GetParam(), 150ms);
  const stopwatch watch;
  const auto got = cache.get("k");
  EXPECT_FALSE(got);
  EXPECT_FALSE(fails(got, errc::miss));
  EXPECT_LE(watch.elapsed(), 150ms + slack);
}

// Row: one slow server stalls all.
TEST_P(late, one_frozen_server_of_four_stalls_nobody_else) {
  auto servers = start_servers(4);
  client cache = make_client(list_of(servers), GetParam(), 2s);
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back("k" + std::to_string(i));
  for (const auto& k : keys) ASSERT_TRUE(ok(cache.set(k, k + "=")));
  const std::string frozen = servers[1].name();
  servers[1].freeze();

  std::vector<std::chrono::milliseconds> times;
  for (const auto& k : keys) {
    if (cache.which(k) == frozen) continue;
    const stopwatch watch;
    ASSERT_TRUE(ok(cache.get(k)));
    times.push_back(watch.elapsed());
  }
  std::sort(times.begin(), times.end());
  EXPECT_LE(times[times.size() * 99 / 100], 20ms);

  // Together: all that can be had within the deadline is had, the rest says timeout.
  const stopwatch watch;
  const items got = cache.within(200ms).get_many(keys);
  expect_timeout_at(200ms, watch);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (cache.which(keys[i]) == frozen) {
      EXPECT_EQ(got[i].status.code(), errc::timeout) << got[i].status;
      EXPECT_EQ(got[i].status.server(), frozen);
    } else {
      ASSERT_TRUE(got[i].hit()) << got[i].status;
      EXPECT_EQ(got[i].value, keys[i] + "=");
    }
  }
  servers[1].thaw();
  for (const auto& e : cache.get_many(keys)) EXPECT_EQ(e.value, std::string(e.key) + "=");
}

TEST_P(late, batch_keeps_what_came_before_the_deadline) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::store held = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
      const wire::request r = wire::read(p);
      if (wire::names(r, "never")) {
        p.send(wire::answer_up_to(r, "never", held));
        return;
      }
      p.send(wire::answer(r, held));
    }
  });
  client cache = make_client(server.address(), GetParam(), 150ms);
  batch b;
  const auto a = b.get("a");
  const auto two = b.get("b");
  const auto never = b.get("never");
  const auto after = b.get("c");
  const auto outcome = cache.run(b);
  EXPECT_TRUE(fails(outcome, errc::timeout));
  EXPECT_TRUE(ok(*a));
  // A classic value counts when what follows shows where it ended, and nothing did.
  const bool in_line =
      GetParam() == protocol_choice::classic || GetParam() == protocol_choice::automatic;
  EXPECT_TRUE(in_line ? fails(*two, errc::timeout) : ok(*two));
  EXPECT_TRUE(fails(*never, errc::timeout));
  EXPECT_TRUE(fails(*after, errc::timeout));
}

INSTANTIATE_TEST_SUITE_P(fault, late, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
