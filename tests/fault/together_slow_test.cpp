// One reply that takes long, on a connection that threads share: it holds up those who ride behind
// it for a timeout at most, and nobody else.
// Never here: calls with a connection of their own (late_test).
#include <atomic>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "../support/clients.hpp"
#include "../support/one_core.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

constexpr auto slack = 500ms;  // see together_test
constexpr int small_gets = 59;

// How "big" is answered: so large a value, in pieces with a pause between them.
struct pace {
  const char* name;
  std::size_t size;
  std::size_t piece;
  std::chrono::milliseconds pause;
};
constexpr pace megabyte_a_second{"megabyte_a_second", 10'000'000, 20'000, 20ms};
constexpr pace drip{"drip", 10'000, 1, 20ms};

// "wait…" is answered after so many milliseconds, every other key at once. `asked` counts how often
// "big" was asked for.
script answers_slowly(pace how, std::atomic<int>* asked = nullptr) {
  return [how, asked](peer& p) {
    const std::string value(how.size, 'x');
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.key == "big") {
        if (asked != nullptr) ++*asked;
        p.pour(wire::hit(r, value), how.piece, how.pause);
        continue;
      }
      if (r.key.starts_with("wait")) p.wait(std::chrono::milliseconds(std::stoi(r.key.substr(4))));
      p.send(wire::hit(r, r.key));
    }
  };
}

class together_slow : public testing::TestWithParam<pace> {
 protected:
  // With so few connections that calls share one.
  client make(std::size_t connections, std::chrono::milliseconds timeout) {
    memcxx::options o = settings_for(server.address(), protocol_choice::meta, timeout);
    o.pool_size = connections;
    client made(o);
    EXPECT_TRUE(ok(made.get("first")));
    return made;
  }
  std::thread& start(std::function<void()> what) { return threads_.emplace_back(std::move(what)); }
  // Answered in time, or late by no more than a busy machine may be.
  void expect_hit(client cache, const std::string& key, std::chrono::milliseconds limit) {
    const stopwatch watch;
    const auto got = cache.within(limit).get(key);
    if (value_of(got) == key) {
      ++hits;
    } else {
      ADD_FAILURE() << key << ": " << value_of(got);
    }
    EXPECT_LE(watch.elapsed(), limit + slack);
  }
  // The only connection that is left is taken for so long; who calls meanwhile shares it then. The
  // first of them is "big".
  void share(client cache, std::chrono::milliseconds taken,
             std::chrono::milliseconds limit_of_big) {
    start([this, cache, taken]() mutable {
      expect_hit(cache, "wait" + std::to_string(taken.count()), 10s);
    });
    std::this_thread::sleep_for(taken / 3);
    start([cache, limit_of_big]() mutable {
      const stopwatch watch;
      EXPECT_TRUE(fails(cache.within(limit_of_big).get("big"), errc::timeout));
      EXPECT_LE(watch.elapsed(), limit_of_big + slack);
    });
    std::this_thread::sleep_for(taken / 3);
  }
  void join() {
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

  scripted_server server{answers_slowly(GetParam())};
  std::atomic<int> hits{0};

 private:
  std::vector<std::thread> threads_;
};

// They ride behind it, and their calls go on over another connection when it has completed nothing
// for a timeout.
TEST_P(together_slow, reply_that_ran_out_of_time_ends_its_connection) {
  client cache = make(1, 1s);
  share(cache, 300ms, 1s);
  std::this_thread::sleep_for(400ms);
  std::atomic<int> next{0};
  for (int t = 0; t < 6; ++t) {
    start([&, cache] {
      while (next++ < small_gets) expect_hit(cache, "k", 2s);
    });
  }
  join();
  EXPECT_EQ(hits, small_gets + 1);
  EXPECT_EQ(server.accepted(), 2u) << "what was lost goes over one other connection";
}

// Somebody patient rides behind it. Whoever comes now does not, but takes the connection that
// becomes free.
TEST_P(together_slow, reply_that_its_caller_gave_up_on_is_boarded_behind_by_nobody) {
  client cache = make(2, 4s);
  const stopwatch since_the_patient;
  start([&, cache] { expect_hit(cache, "wait900", 10s); });
  std::this_thread::sleep_for(50ms);
  share(cache, 150ms, 300ms);
  start([&, cache] { expect_hit(cache, "patient", 20s); });
  std::this_thread::sleep_for(500ms);
  const stopwatch watch;
  std::atomic<int> next{0};
  std::vector<std::thread> small;
  for (int t = 0; t < 6; ++t) {
    small.emplace_back([&, cache] {
      while (next++ < small_gets) expect_hit(cache, "k", 3s);
    });
  }
  for (auto& t : small) t.join();
  EXPECT_LT(watch.elapsed(), 2s);
  join();
  EXPECT_EQ(hits, small_gets + 3);
}

// In a crowd there are connections enough.
TEST_P(together_slow, reply_in_a_crowd_holds_up_those_behind_it_for_a_timeout) {
  memcxx::options o = settings_for(server.address(), protocol_choice::meta, 500ms);
  client cache = [&] {
    const one_core pinned;
    return client(o);
  }();
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0};
  for (int t = 0; t < 64; ++t) {
    start([&, cache] {
      while (!stop) {
        expect_hit(cache, "k", 3s);
        ++calls;
      }
    });
  }
  std::this_thread::sleep_for(300ms);
  for (int i = 0; i < 5; ++i) {
    const stopwatch watch;
    EXPECT_TRUE(fails(cache.within(100ms).get("big"), errc::timeout));
    EXPECT_LE(watch.elapsed(), 100ms + slack);
  }
  stop = true;
  join();
  EXPECT_GT(calls, 64);
}

INSTANTIATE_TEST_SUITE_P(fault, together_slow, testing::Values(megabyte_a_second, drip),
                         [](const auto& named) { return std::string(named.param.name); });

// Its caller waits, and has time: others give up behind it, and it is read to its end.
TEST(together_slow_reply_that_is_waited_for, is_read_to_its_end) {
  std::atomic<int> asked{0};
  scripted_server server(answers_slowly({"a_second_long", 1'000'000, 20'000, 20ms}, &asked));
  memcxx::options o = settings_for(server.address(), protocol_choice::meta, 400ms);
  o.pool_size = 1;
  client cache(o);
  ASSERT_TRUE(ok(cache.get("first")));
  std::thread first([cache]() mutable { EXPECT_TRUE(ok(cache.within(10s).get("wait150"))); });
  std::this_thread::sleep_for(50ms);
  std::atomic<bool> over{false};
  std::thread patient([&, cache]() mutable {
    const auto got = cache.within(20s).get("big");
    EXPECT_EQ(value_of(got), std::string(1'000'000, 'x'));
    over = true;
  });
  std::this_thread::sleep_for(200ms);
  int late = 0;
  while (!over) late += fails(cache.get("k"), errc::timeout);
  EXPECT_GE(late, 1);
  first.join();
  patient.join();
  EXPECT_EQ(value_of(cache.within(5s).get("k")), "k");
  // The answers that are still owed to those who left come behind it, or the connection ends then.
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace memcxx::test
