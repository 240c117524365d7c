// Calls of many threads that travel together, as callers leave all the time, the server freezes,
// dies and comes back, and the process forks.
// Never here: a connection of one's own (late, load).
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <vector>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/one_core.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {

// Knows which thread has decoded it.
struct witness {
  std::thread::id by;
};

}  // namespace memcxx::test

template <>
struct memcxx::codec<memcxx::test::witness> {
  static result<value_view> encode(const test::witness&, std::string& scratch) {
    scratch = "witness";
    return value_view{value_kind::bytes, scratch};
  }
  static result<void> decode(const value_view&, test::witness& out) {
    out.by = std::this_thread::get_id();
    return {};
  }
};

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

// How long after its deadline a call may return on a machine with many more threads than cores; and
// in a storm, where processors are the least that is missing, what would be a hang.
constexpr auto slack = 500ms;
constexpr auto hang = 5s;
constexpr std::size_t many = 64;

// With too few connections those that find none go together; in a crowd all do.
enum class reason : std::uint8_t { few_connections, crowd };

class together : public testing::TestWithParam<std::tuple<protocol_choice, reason>> {
 protected:
  static protocol_choice protocol() { return std::get<0>(GetParam()); }
  static client make(std::string_view servers, std::chrono::milliseconds timeout) {
    memcxx::options o = settings_for(servers, protocol(), timeout);
    if (std::get<1>(GetParam()) == reason::few_connections) {
      o.pool_size = 3;
      return client(o);
    }
    const one_core pinned;
    return client(o);
  }
};

std::string name_of_case(const testing::TestParamInfo<together::ParamType>& info) {
  return std::string(name_of(std::get<0>(info.param))) +
         (std::get<1>(info.param) == reason::crowd ? "_crowd" : "_few");
}

void run_many(const std::function<void(unsigned)>& what) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < many; ++t) threads.emplace_back(what, t);
  for (auto& t : threads) t.join();
}

// A value tells key and number, and its filling follows from the number: short ones, ones that are
// read straight to their place, ones that are sent from where they are.
std::string value_for(const std::string& key, unsigned number) {
  static constexpr std::size_t sizes[] = {10, 100, 60,   900, 1100, 80, 5000,  200,
                                          0,  70,  3000, 40,  90,   30, 20000, 70000};
  std::string v = key + "=" + std::to_string(number) + ":";
  v.append(sizes[number % std::size(sizes)], static_cast<char>('a' + number % 26));
  return v;
}

// The number of a value that is one of this key's; -1 when it is not.
long number_in(const std::string& key, const std::string& value) {
  if (!value.starts_with(key + "=")) return -1;
  unsigned n = 0;
  const char* const from = value.data() + key.size() + 1;
  if (std::from_chars(from, value.data() + value.size(), n).ec != std::errc()) return -1;
  return value == value_for(key, n) ? static_cast<long>(n) : -1;
}

TEST_P(together, everybody_reads_what_they_wrote) {
  const memcached_server server;
  client cache = make(server.address(), 30s);
  std::atomic<int> wrong{0};
  std::atomic<int> failed{0};
  run_many([&](unsigned t) {
    client own = cache;
    const std::string key = "own" + std::to_string(t);
    for (unsigned i = 0; i < 200; ++i) {
      failed += !own.set(key, value_for(key, i)).has_value();
      const auto got = own.get(key);
      wrong += !got || number_in(key, got->value) != static_cast<long>(i);
      // In the caller's memory, which is too short for some.
      std::array<char, 1000> room;
      const auto view = own.get_into(key, room);
      const std::string whole = value_for(key, i);
      wrong += whole.size() <= room.size() ? !view || view->value != whole : view.has_value();
      wrong += !fails(own.get("none" + key), errc::miss);
      if (i % 50 == 0) {
        failed += !own.set("n" + key, "1").has_value();
        const auto sum = own.incr("n" + key, 41);
        wrong += !sum || sum->value != 42;
        wrong += !fails(own.add("n" + key, "2"), errc::not_stored);
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
}

TEST_P(together, values_are_decoded_by_the_thread_that_asks) {
  const memcached_server server;
  client cache = make(server.address(), 30s);
  ASSERT_TRUE(ok(cache.set("w", witness{})));
  std::atomic<int> elsewhere{0};
  run_many([&](unsigned) {
    client own = cache;
    for (int i = 0; i < 100; ++i) {
      const auto got = own.get<witness>("w");
      elsewhere += !got || got->by != std::this_thread::get_id();
    }
  });
  EXPECT_EQ(elsewhere, 0);
}

// What the storm's threads do: own keys and shared ones, with deadlines that many calls miss.
class storm {
 public:
  explicit storm(client& cache) {
    for (unsigned t = 0; t < many; ++t) threads_.emplace_back([this, t, cache] { act(t, cache); });
  }
  ~storm() { stop(); }
  storm(const storm&) = delete;
  storm& operator=(const storm&) = delete;

  void stop() {
    stop_ = true;
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

  std::atomic<int> wrong{0};
  std::atomic<int> late{0};
  std::atomic<int> hits{0};
  std::atomic<int> ran_out{0};

 private:
  void act(unsigned t, client cache) {
    std::minstd_rand random(t + 1);
    unsigned attempts = 0;
    while (!stop_) {
      const bool hurried = random() % 2 == 0;
      const std::chrono::milliseconds timeout(hurried ? 1 + random() % 5 : 1000);
      client within = cache.within(timeout);
      const bool shared = random() % 2 == 0;
      const std::string key =
          shared ? "shared" + std::to_string(random() % 20) : "own" + std::to_string(t);
      const stopwatch watch;
      if (random() % 4 == 0) {
        const auto done = within.set(key, value_for(key, ++attempts));
        if (!done) note(done.error());
      } else {
        const auto got = within.get(key);
        if (got) {
          const long n = number_in(key, got->value);
          wrong += n < 0 || (!shared && n > static_cast<long>(attempts));
          ++hits;
        } else {
          note(got.error());
        }
      }
      late += watch.elapsed() > timeout + hang;
    }
  }

  void note(const error& e) {
    ran_out += e == errc::timeout;
    wrong += e == errc::protocol_error || e == errc::cancelled || e == errc::unattributed;
  }

  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

TEST_P(together, storm_with_outages_and_forks_never_mixes_values) {
  memcached_server server;
  client cache = make(server.address(), 1s);
  storm all(cache);
  for (int round = 0; round < 4; ++round) {
    std::this_thread::sleep_for(100ms);
    server.freeze();
    std::this_thread::sleep_for(30ms);
    server.thaw();
    std::this_thread::sleep_for(20ms);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int wrong = 0;
      const std::string key = "child" + std::to_string(round);
      for (unsigned i = 0; i < 30; ++i) {
        client patient = cache.within(20s);
        wrong += !patient.set(key, value_for(key, i));
        const auto got = patient.get(key);
        wrong += !got || number_in(key, got->value) != static_cast<long>(i);
      }
      ::_exit(wrong == 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    server.kill();
    server.restart();
  }
  std::this_thread::sleep_for(200ms);
  all.stop();
  EXPECT_EQ(all.wrong, 0);
  EXPECT_EQ(all.late, 0);
  EXPECT_GT(all.hits, 100);
  EXPECT_GT(all.ran_out, 0);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(value_of(cache.get("k")), "v");
}

TEST_P(together, deadlines_hold_while_the_server_is_silent) {
  memcached_server server;
  client cache = make(server.address(), 5s);
  run_many([&](unsigned t) { (void)client(cache).set("k" + std::to_string(t), "v"); });
  server.freeze();
  std::atomic<int> early{0};
  std::atomic<int> late{0};
  std::atomic<int> other{0};
  run_many([&](unsigned t) {
    std::minstd_rand random(t + 1);
    for (int i = 0; i < 4; ++i) {
      const std::chrono::milliseconds timeout(1 + random() % 60);
      client hurried = cache.within(timeout);
      const stopwatch watch;
      const auto got = hurried.get("k" + std::to_string(t));
      early += watch.elapsed() < timeout - 1ms;
      late += watch.elapsed() > timeout + slack;
      other += !fails(got, errc::timeout) && !fails(got, errc::overloaded);
    }
  });
  server.thaw();
  EXPECT_EQ(early, 0);
  EXPECT_EQ(late, 0);
  EXPECT_EQ(other, 0);
  std::atomic<int> wrong{0};
  run_many(
      [&](unsigned t) { wrong += value_of(client(cache).get("k" + std::to_string(t))) != "v"; });
  EXPECT_EQ(wrong, 0);
}

TEST_P(together, connection_that_ends_in_the_middle_is_an_error_or_a_right_value) {
  scripted_server server([](peer& p) {
    for (int i = 0; i < 40; ++i) {
      const wire::request r = wire::read(p);
      p.send(wire::hit(r, value_for(r.key, 4)));
    }
    p.close();
  });
  client cache = make(server.address(), 5s);
  std::atomic<int> wrong{0};
  std::atomic<int> hits{0};
  run_many([&](unsigned t) {
    client own = cache;
    const std::string key = "k" + std::to_string(t);
    for (int i = 0; i < 40; ++i) {
      const auto got = own.get(key);
      if (got) {
        ++hits;
        wrong += number_in(key, got->value) != 4;
      } else {
        wrong += !fails(got, errc::connection_closed);
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(hits, 1000);
}

// Several requests come at once, or never do: classic replies do not say whose they are.
TEST_P(together, requests_travel_together_where_replies_tell_whose_they_are) {
  std::atomic<int> in_company{0};
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      in_company += p.has_more();
      p.send(wire::hit(r, value_for(r.key, 1)));
    }
  });
  client cache = make(server.address(), 30s);
  std::atomic<int> wrong{0};
  run_many([&](unsigned t) {
    client own = cache;
    const std::string key = "k" + std::to_string(t);
    for (int i = 0; i < 50; ++i) {
      const auto got = own.get(key);
      wrong += !got || number_in(key, got->value) != 1;
    }
  });
  EXPECT_EQ(wrong, 0);
  if (protocol() == protocol_choice::classic) {
    EXPECT_EQ(in_company, 0);
  } else {
    EXPECT_GT(in_company, 50);
  }
}

// Who cannot travel along gets the one connection all the same.
TEST_P(together, calls_that_travel_alone_are_not_starved) {
  const memcached_server server;
  memcxx::options o = settings_for(server.address(), protocol(), 10s);
  o.pool_size = 1;
  client cache(o);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  ASSERT_TRUE(ok(cache.set("l", "w")));
  std::atomic<int> busy{many - 4};
  std::atomic<int> wrong{0};
  run_many([&](unsigned t) {
    client own = cache;
    if (t < many - 4) {
      for (int i = 0; i < 500; ++i) wrong += value_of(own.get("k")) != "v";
      --busy;
      return;
    }
    int rounds = 0;
    while (busy > 0 || rounds == 0) {
      wrong += own.get_many({"k", "l"}).hits() != 2;
      rounds += busy > 0;
      if (busy == 0) break;
    }
    wrong += rounds < 5;
  });
  EXPECT_EQ(wrong, 0);
}

// A call that waits behind another for a connection says nothing about the server when it gives up.
TEST(together_for_one_connection, who_gives_up_in_the_queue_is_not_held_against_the_server) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.key == "slow") p.wait(400ms);
      p.send(wire::answer(r, {{"slow", "s"}, {"k", "v"}}));
    }
  });
  memcxx::options o = settings_for(server.address(), protocol_choice::meta, 5s);
  o.pool_size = 1;
  o.health.max_failures = 1;
  std::atomic<int> downs{0};
  o.on_server_down = [&](std::string_view, const error&) { ++downs; };
  client cache(o);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  std::thread alone([own = cache]() mutable { EXPECT_EQ(own.get_many({"slow", "k"}).hits(), 2u); });
  std::this_thread::sleep_for(50ms);
  std::thread first([own = cache]() mutable { EXPECT_EQ(value_of(own.get("k")), "v"); });
  std::this_thread::sleep_for(50ms);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(fails(cache.within(10ms).get("k"), errc::overloaded));
  }
  EXPECT_EQ(downs, 0);
  alone.join();
  first.join();
  EXPECT_EQ(value_of(cache.get("k")), "v");
}

// As for a call that travels alone: the fresh connection tells.
TEST(together_for_one_connection, one_that_ends_is_not_held_against_the_server_that_answers_anew) {
  std::atomic<int> asked{0};
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (p.index() == 0 && r.key == "k") {
        p.wait(100ms);  // the others queue, and then come at once
        if (++asked == 2) return p.close();
      }
      p.send(wire::hit(r, "v"));
    }
  });
  memcxx::options o = settings_for(server.address(), protocol_choice::meta, 10s);
  o.pool_size = 1;
  o.health.max_failures = 1;
  std::atomic<int> downs{0};
  o.on_server_down = [&](std::string_view, const error&) { ++downs; };
  client cache(o);
  ASSERT_TRUE(ok(cache.get("first")));
  std::atomic<int> wrong{0};
  run_many([&](unsigned) { wrong += value_of(client(cache).get("k")) != "v"; });
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(downs, 0);
}

INSTANTIATE_TEST_SUITE_P(fault, together,
                         testing::Combine(testing::ValuesIn(every_protocol),
                                          testing::Values(reason::few_connections, reason::crowd)),
                         name_of_case);

}  // namespace
}  // namespace memcxx::test
