// Signals while a call waits: options::on_interrupt hears of them, and may end the call.
// Never here: what Python makes of it (python/tests/test_signals.py).
#include <array>
#include <atomic>
#include <csignal>
#include <gtest/gtest.h>
#include <random>
#include <sys/time.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

struct interrupted {};

constexpr auto after = 100ms;   // when the signal comes
constexpr auto prompt = 500ms;  // until then the call is over
constexpr auto plenty = 4s;     // its own time

std::atomic<int> came = 0;  // signals

// SIGALRM, once or again and again, for as long as this lives.
class alarms {
 public:
  explicit alarms(microseconds first, microseconds every = 0us, int flags = 0) {
    came = 0;
    struct sigaction count{};
    count.sa_handler = [](int) { ++came; };
    count.sa_flags = flags;
    ::sigaction(SIGALRM, &count, &before_);
    start(first, every);
  }
  ~alarms() {
    start(0us, 0us);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  alarms(const alarms&) = delete;
  alarms& operator=(const alarms&) = delete;

  static void start(microseconds first, microseconds every = 0us) {
    const auto timeval_of = [](microseconds t) {
      return timeval{t.count() / 1'000'000, t.count() % 1'000'000};
    };
    const itimerval when{timeval_of(every), timeval_of(first)};
    ::setitimer(ITIMER_REAL, &when, nullptr);
  }

 private:
  struct sigaction before_{};
};

// As Python does: handlers run in the first thread only.
const auto first_thread = std::this_thread::get_id();
void throw_if_one_came() {
  if (std::this_thread::get_id() == first_thread && came.exchange(0) != 0) throw interrupted();
}

memcxx::options heard(std::string_view servers, protocol_choice protocol,
                      std::chrono::milliseconds timeout = plenty) {
  memcxx::options o = settings_for(servers, protocol, timeout);
  o.connect_timeout = timeout;
  o.on_interrupt = throw_if_one_came;
  return o;
}

template <class F>
void ends_promptly(F&& call) {
  const stopwatch watch;
  EXPECT_THROW(call(), interrupted);
  EXPECT_GE(watch.elapsed(), after - 10ms);
  EXPECT_LE(watch.elapsed(), prompt);
}

// Answers what knows this key, and leaves the rest unanswered.
script answering_only(const std::string& key) {
  return [key](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (wire::names(r, key)) p.send(wire::answer(r, {{key, "v"}}));
    }
  };
}

class interrupts : public over_protocols {};

TEST_P(interrupts, a_signal_ends_a_call_that_waits_and_its_connection) {
  for (const int flags : {0, SA_RESTART}) {
    scripted_server server(answering_only("answered"));
    memcxx::options o = heard(server.address(), GetParam());
    o.pool_size = 1;
    client cache(o);
    for (std::size_t n = 1; n < 4; ++n) {
      {
        const alarms one(after, 0us, flags);
        ends_promptly([&] { (void)cache.get("silent"); });
      }
      EXPECT_EQ(server.accepted(), n);
      // Over a connection of its own; the next round finds it idle.
      EXPECT_EQ(value_of(cache.get("answered")), "v");
    }
  }
}

TEST_P(interrupts, calls_of_every_kind_are_ended) {
  scripted_server first(answering_only("answered"));
  scripted_server second(answering_only("answered"));
  client cache(heard(first.address() + "," + second.address(), GetParam()));
  const alarms some(10s);
  const auto ends = [](auto&& call) {
    alarms::start(after);
    ends_promptly(call);
  };
  ends([&] { (void)cache.set("k", "v"); });
  ends([&] { (void)cache.get_many({"a", "b", "c", "d", "e", "f"}); });
  ends([&] { (void)cache.set_many({{.key = "a"}, {.key = "b"}, {.key = "c"}, {.key = "d"}}); });
  ends([&] { (void)cache.flush(); });
  auto own = cache.open(first.address());
  ASSERT_TRUE(ok(own));
  ends([&] { (void)own->get("k"); });
}

TEST_P(interrupts, so_are_connecting_and_the_handshake) {
  const dead_port dead;
  scripted_server mute([](peer&) {});
  const alarms some(10s);
  for (const std::string& address : {dead.address(), mute.address()}) {
    client cache(heard(address, GetParam()));
    alarms::start(after);
    ends_promptly([&] { (void)cache.get("k"); });
  }
  client cache(heard(dead.address(), GetParam()));
  auto own = cache.open(dead.address());
  ASSERT_TRUE(ok(own));
  alarms::start(after);
  ends_promptly([&] { (void)own->connect(); });
}

TEST_P(interrupts, so_is_waiting_for_a_connection) {
  scripted_server server(answering_only("answered"));
  memcxx::options o = heard(server.address(), GetParam());
  o.pool_size = 1;
  client cache(o);
  std::atomic<bool> under_way = false;
  std::thread other([&] {
    under_way = true;
    const items got = cache.within(1500ms).get_many({"a", "b"});
    EXPECT_EQ(got[0].status.code(), errc::timeout) << got[0].status;
  });
  while (!under_way) std::this_thread::yield();
  std::this_thread::sleep_for(50ms);
  {
    const alarms one(after);
    ends_promptly([&] { (void)cache.get("k"); });
  }
  other.join();
  EXPECT_EQ(value_of(cache.get("answered")), "v");
}

TEST_P(interrupts, a_call_that_goes_on_gets_its_answer) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      p.wait(150ms);
      p.dribble(wire::answer(r, {{"k", "v"}}), 2ms);
    }
  });
  memcxx::options o = heard(server.address(), GetParam());
  std::atomic<int> calls = 0;
  o.on_interrupt = [&] { ++calls; };
  client cache(o);
  const alarms many(5ms, 5ms);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(value_of(cache.get("k")), "v");
  EXPECT_GT(calls, 20);
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_P(interrupts, a_call_that_goes_on_keeps_its_deadline) {
  scripted_server server(answering_only("answered"));
  memcxx::options o = heard(server.address(), GetParam(), 400ms);
  o.on_interrupt = [] {};
  client cache(o);
  EXPECT_EQ(value_of(cache.get("answered")), "v");
  const alarms many(5ms, 5ms);
  for (int i = 0; i < 2; ++i) {
    const stopwatch watch;
    EXPECT_TRUE(fails(cache.get("silent"), errc::timeout));
    EXPECT_GE(watch.elapsed(), 399ms);
    EXPECT_LE(watch.elapsed(), 550ms);
  }
}

INSTANTIATE_TEST_SUITE_P(fault, interrupts, testing::ValuesIn(every_protocol), protocol_name);

TEST(hearing, nobody_is_asked_who_does_not_wait) {
  const memcached_server server;
  memcxx::options o = heard(server.address(), protocol_choice::automatic);
  int calls = 0;
  o.on_interrupt = [&] { ++calls; };
  client cache(o);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  calls = 0;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(value_of(cache.get("k")), "v");
  EXPECT_LE(calls, 2);  // unless the server was slow
}

// A signal that came just before the wait, or that another thread took.
TEST(hearing, what_interrupted_no_wait_is_heard_soon) {
  scripted_server server(answering_only("answered"));
  memcxx::options o = heard(server.address(), protocol_choice::automatic);
  std::atomic<bool> wanted = false;
  o.on_interrupt = [&] {
    if (wanted.exchange(false)) throw interrupted();
  };
  client cache(o);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(value_of(cache.get("answered")), "v");
    std::thread other([&] {
      std::this_thread::sleep_for(after);
      wanted = true;
    });
    ends_promptly([&] { (void)cache.get("silent"); });
    other.join();
  }
  // Also where something comes all the time.
  scripted_server drips([](peer& p) {
    wire::read(p);
    p.dribble("VALUE k 0 1000\r\n" + std::string(1000, 'x'), 5ms);
  });
  client slow([&] {
    auto with = o;
    with.servers = {parse_server(drips.address()).value()};
    with.protocol = protocol_choice::classic;
    return with;
  }());
  std::thread other([&] {
    std::this_thread::sleep_for(after);
    wanted = true;
  });
  ends_promptly([&] { (void)slow.get("k"); });
  other.join();
}

TEST(hearing, it_may_use_the_client) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (wire::names(r, "slow")) p.wait(200ms);
      p.send(wire::answer(r, {{"slow", "s"}, {"quick", "q"}}));
    }
  });
  memcxx::options o = heard(server.address(), protocol_choice::meta);
  client* used = nullptr;
  int asked = 0;
  o.on_interrupt = [&] {
    if (came.exchange(0) == 0) return;
    ++asked;
    EXPECT_EQ(value_of(used->get("quick")), "q");
    EXPECT_TRUE(ok(used->add_server(parse_server("127.0.0.1:1").value())));
    EXPECT_TRUE(ok(used->remove_server("127.0.0.1:1")));
    used->disconnect();
  };
  client cache(o);
  used = &cache;
  const alarms some(50ms, 50ms);
  EXPECT_EQ(value_of(cache.get("slow")), "s");
  EXPECT_GE(asked, 2);
}

TEST(hearing, what_was_found_out_about_servers_is_told_all_the_same) {
  const refusing_port refused;
  scripted_server silent(answering_only("answered"));
  memcxx::options o = heard(refused.address() + "," + silent.address(), protocol_choice::automatic);
  o.health.max_failures = 1;
  std::vector<std::string> down;
  o.on_server_down = [&](std::string_view server, const error&) { down.emplace_back(server); };
  client cache(o);
  const alarms one(after);
  ends_promptly([&] { (void)cache.get_many({"a", "b", "c", "d", "e", "f", "g", "h"}); });
  EXPECT_EQ(down, std::vector{refused.address()});
}

// A call that may be ended takes nobody along.
TEST(hearing, those_who_travel_together_are_not_harmed) {
  const memcached_server server;
  memcxx::options o = heard(server.address(), protocol_choice::meta, 20s);
  o.pool_size = 2;
  client cache(o);
  const auto value_for = [](const std::string& key) { return key + std::string(3000, '.'); };
  std::vector<std::string> keys;
  for (int i = 0; i < 16; ++i) keys.push_back("k" + std::to_string(i));
  for (const std::string& key : keys) ASSERT_TRUE(ok(cache.set(key, value_for(key))));
  std::atomic<bool> over = false;
  std::vector<std::thread> others;
  for (const std::string& key : keys) {
    others.emplace_back([&, key] {
      while (!over) {
        const auto got = cache.get(key);
        if (!got || got->value != value_for(key)) {
          ADD_FAILURE() << (got ? "another value" : got.error().what());
          return;
        }
      }
    });
  }
  int ended = 0;
  {
    const alarms some(500us, 500us);
    const stopwatch watch;
    for (std::size_t i = 0; watch.elapsed() < 1500ms; ++i) {
      const std::string& key = keys[i % keys.size()];
      try {
        EXPECT_EQ(value_of(cache.get(key)), value_for(key));
      } catch (const interrupted&) {
        ++ended;
      }
    }
  }
  over = true;
  for (std::thread& t : others) t.join();
  EXPECT_GT(ended, 20);
}

class storm_of_signals : public over_protocols {};

std::string value_for(std::string_view key) {
  return std::string(key) + std::string(key.back() % 4 == 0 ? 20'000 : 10, '.');
}

// Every answer takes its time, and comes in two pieces.
script slowly(const wire::store& items) {
  return [items](peer& p) {
    std::mt19937 random(static_cast<unsigned>(p.index()));
    const auto rest = [&] { std::this_thread::sleep_for(microseconds(random() % 80)); };
    for (;;) {
      const std::string answer = wire::answer(wire::read(p), items);
      const std::size_t half = answer.empty() ? 0 : random() % answer.size();
      rest();
      p.send(answer.substr(0, half));
      rest();
      p.send(answer.substr(half));
    }
  };
}

TEST_P(storm_of_signals, no_wrong_value_and_no_slot_lost) {
  std::array<std::string, 8> keys;
  wire::store items;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i] = "k" + std::to_string(i);
    items[keys[i]] = value_for(keys[i]);
  }
  scripted_server server(slowly(items));
  memcxx::options o = heard(server.address(), GetParam(), 20s);
  o.pool_size = 1;
  client cache(o);
  std::mt19937 random(1);
  int ended = 0;
  {
    const alarms some(10s);
    const stopwatch watch;
    for (std::size_t i = 0; ended < 10'000 && watch.elapsed() < 2s; ++i) {
      const std::string& key = keys[i % keys.size()];
      alarms::start(microseconds(1 + random() % 300));
      try {
        if (i % 3 == 0) {
          EXPECT_EQ(value_of(cache.get(key)), value_for(key));
        } else if (i % 3 == 1) {
          for (const auto& e : cache.get_many(std::span(keys).first(1 + i % keys.size())))
            EXPECT_EQ(e.value, value_for(e.key)) << e.status;
        } else {
          EXPECT_TRUE(ok(cache.set(key, value_for(key))));
        }
      } catch (const interrupted&) {
        ++ended;
      }
    }
  }
  EXPECT_GT(ended, 100);
  for (const std::string& key : keys) {
    EXPECT_EQ(value_of(cache.within(2s).get(key)), value_for(key));
  }
}

INSTANTIATE_TEST_SUITE_P(fault, storm_of_signals, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
