// When a server counts as down, when it is tried again, and when it is back. Time is whatever the
// test says.
// Never here: a clock, a socket, failover.
#include "routing/health.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace memcxx::routing {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using change = health::change;

health::time_point at(milliseconds t) { return health::time_point(1h + t); }

health_options of(unsigned failures, double rate = 0) {
  health_options o;
  o.max_failures = failures;
  o.max_failure_rate = rate;
  return o;
}

// Marked down at 0ms by three calls that were refused at once.
health down(std::uint64_t seed = 1) {
  health h(of(3), seed);
  h.failed(at(-2ms), at(-2ms));
  h.failed(at(-1ms), at(-1ms));
  EXPECT_EQ(h.failed(at(0ms), at(0ms)), change::went_down);
  return h;
}

// When each probe is let through, to somebody who asks every millisecond; each fails after `took`.
std::vector<milliseconds> probes(health& h, milliseconds until, milliseconds took = 0ms) {
  std::vector<milliseconds> out;
  std::size_t failed = 0;
  for (milliseconds t = 1ms; t <= until; ++t) {
    for (; failed < out.size() && out[failed] + took <= t; ++failed) {
      h.failed(at(out[failed]), at(t));
    }
    if (h.admit(at(t))) out.push_back(t);
  }
  return out;
}

TEST(health_test, so_many_failures_in_a_row_mark_it_down_and_it_is_told_once) {
  health h(of(3), 1);
  EXPECT_TRUE(h.is_spotless());
  EXPECT_EQ(h.failed(at(0ms), at(1ms)), change::none);
  EXPECT_FALSE(h.is_spotless());
  EXPECT_EQ(h.failed(at(2ms), at(3ms)), change::none);
  EXPECT_TRUE(h.admit(at(3ms)));
  EXPECT_EQ(h.failed(at(4ms), at(5ms)), change::went_down);
  EXPECT_TRUE(h.is_down());
  EXPECT_FALSE(h.admit(at(5ms)));
  EXPECT_EQ(h.failed(at(4ms), at(6ms)), change::none);
  EXPECT_FALSE(h.is_spotless());
}

TEST(health_test, an_answer_in_between_begins_the_row_anew) {
  health h(of(3), 1);
  for (milliseconds t = 0ms; t < 1s; t += 10ms) {
    EXPECT_EQ(h.failed(at(t), at(t + 1ms)), change::none);
    EXPECT_EQ(h.failed(at(t + 2ms), at(t + 3ms)), change::none);
    EXPECT_EQ(h.answered(), change::none);
    EXPECT_TRUE(h.is_spotless());
  }
}

TEST(health_test, failures_that_overlap_are_one_incident) {
  health h(of(2), 1);
  // A hundred calls that waited for the same slow second.
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(h.failed(at(milliseconds(i)), at(milliseconds(1000 + i))), change::none);
  }
  // The next that begins after that is another.
  EXPECT_EQ(h.failed(at(1100ms), at(2100ms)), change::went_down);
}

TEST(health_test, eight_threads_over_a_dead_server_are_as_many_incidents_as_one) {
  health h(of(3), 1);
  for (milliseconds t = 1000ms;; t += 125ms) {  // one of the eight ends its second
    ASSERT_LE(t, 4s);
    if (h.failed(at(t - 1s), at(t)) == change::went_down) {
      EXPECT_GE(t, 3s);
      return;
    }
  }
}

TEST(health_test, one_slow_call_never_ejects) {
  for (const double rate : {0.0, 0.5}) {
    health h(of(3, rate), 1);
    for (int i = 0; i < 1000; ++i) {
      const auto t = milliseconds(i * 10);
      if (i % 10 == 0) {
        ASSERT_EQ(h.failed(at(t - 500ms), at(t)), change::none);
      } else {
        ASSERT_EQ(h.answered(), change::none);
      }
    }
  }
}

TEST(health_test, zero_means_never) {
  for (const double rate : {0.0, 0.5}) {
    health h(of(0, rate), 1);
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(h.failed(at(milliseconds(i)), at(milliseconds(i))), change::none);
    }
    EXPECT_EQ(h.is_spotless(), rate == 0);
  }
}

constexpr unsigned many = 1'000'000;

// Every `period`-th call fails; how many calls until it is down.
int calls_until_down(double rate, int period) {
  health h(of(many, rate), 1);
  for (int i = 1; i <= 2000; ++i) {
    const auto t = at(milliseconds(i));
    if ((i % period == 0 ? h.failed(t, t) : h.answered()) == change::went_down) return i;
  }
  return 0;
}

TEST(health_test, a_share_of_the_last_calls_marks_it_down) {
  EXPECT_EQ(calls_until_down(1, 1), 32);
  EXPECT_EQ(calls_until_down(0.5, 1), 32);  // no sooner: there are no 32 calls yet
  EXPECT_EQ(calls_until_down(0.5, 2), 32);
  EXPECT_EQ(calls_until_down(0.25, 4), 32);
  EXPECT_EQ(calls_until_down(0.5, 3), 0);
  EXPECT_EQ(calls_until_down(0.25, 5), 0);
}

TEST(health_test, after_a_return_the_share_is_counted_anew) {
  health h(of(many, 0.5), 1);
  for (int i = 0; i < 32; ++i) h.failed(at(milliseconds(i)), at(milliseconds(i)));
  ASSERT_TRUE(h.is_down());
  EXPECT_EQ(h.answered(), change::came_up);
  EXPECT_FALSE(h.is_spotless());  // every call counts
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(h.failed(at(1s), at(1s)), change::none);
    EXPECT_EQ(h.answered(), change::none);
  }
}

TEST(health_test, the_probe_is_let_through_alone) {
  health h = down();
  for (milliseconds t = 0ms; t < 37ms; ++t) EXPECT_FALSE(h.admit(at(t)));
  EXPECT_TRUE(h.admit(at(63ms)));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(h.admit(at(63ms)));
  EXPECT_TRUE(h.is_down());
}

TEST(health_test, while_a_probe_hangs_others_follow_ever_more_rarely) {
  health h = down();
  // A stopped server: it accepts, and no call learns anything for a second.
  EXPECT_LE(probes(h, 1s, 1s).size(), 5u);
}

TEST(health_test, a_probe_of_which_nothing_is_heard_is_not_waited_for_for_ever) {
  health h = down();
  EXPECT_TRUE(h.admit(at(1s)));
  milliseconds t = 1s;
  while (!h.admit(at(t)) && t < 10s) ++t;
  EXPECT_LE(t, 1s + 2500ms);
}

TEST(health_test, late_failures_of_calls_from_before_say_nothing_new) {
  health h = down();
  ASSERT_TRUE(h.admit(at(70ms)));
  const auto next = h.next_probe();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(h.failed(at(-500ms), at(71ms)), change::none);
  EXPECT_EQ(h.next_probe(), next);
  EXPECT_EQ(h.failed(at(70ms), at(72ms)), change::none);  // the probe itself
  EXPECT_NE(h.next_probe(), next);
}

TEST(health_test, the_wait_doubles_up_to_its_cap) {
  health h = down();
  const auto all = probes(h, 60s);
  ASSERT_GE(all.size(), 20u);
  milliseconds before = 0ms;
  milliseconds usual = 50ms;
  for (const milliseconds t : all) {
    EXPECT_GE(t - before, usual * 3 / 4);
    EXPECT_LE(t - before, usual * 5 / 4 + 2ms);
    before = t;
    usual = std::min<milliseconds>(usual * 2, 2000ms);
  }
}

TEST(health_test, the_jitter_uses_its_whole_range) {
  health h = down(7);
  const auto all = probes(h, 600s);
  milliseconds shortest = 1h;
  milliseconds longest = 0ms;
  for (std::size_t i = 10; i + 1 < all.size(); ++i) {
    shortest = std::min(shortest, all[i + 1] - all[i]);
    longest = std::max(longest, all[i + 1] - all[i]);
  }
  EXPECT_GE(shortest, 1500ms);
  EXPECT_LT(shortest, 1600ms);
  EXPECT_LE(longest, 2501ms);
  EXPECT_GT(longest, 2400ms);
}

TEST(health_test, clients_that_fail_together_come_back_apart) {
  std::set<health::time_point> first;
  for (std::uint64_t seed = 0; seed < 100; ++seed) first.insert(down(seed).next_probe());
  EXPECT_GE(first.size(), 75u);  // of 501 steps
}

TEST(health_test, dials_are_bounded_over_an_hour_of_outage) {
  for (const milliseconds took : {0ms, 500ms}) {
    health h = down(3);
    const auto all = probes(h, 1h, took);
    for (std::size_t i = 0; i + 8 < all.size(); ++i) EXPECT_GE(all[i + 8] - all[i], 1s);
    EXPECT_LE(all.size(), 3600u / 2 + 100);
    EXPECT_GE(all.size(), 3600u / 3);
  }
}

TEST(health_test, it_comes_back) {
  health h = down();
  probes(h, 60s);
  EXPECT_EQ(h.answered(), change::came_up);
  EXPECT_TRUE(h.is_spotless());
  EXPECT_EQ(h.answered(), change::none);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(h.admit(at(60s)));
  // And all begins anew: three failures, and the shortest wait.
  EXPECT_EQ(h.failed(at(61s), at(61s)), change::none);
  EXPECT_EQ(h.failed(at(62s), at(62s)), change::none);
  EXPECT_EQ(h.failed(at(63s), at(63s)), change::went_down);
  EXPECT_FALSE(h.admit(at(63s + 37ms)));
  EXPECT_TRUE(h.admit(at(63s + 63ms)));
}

}  // namespace
}  // namespace memcxx::routing
