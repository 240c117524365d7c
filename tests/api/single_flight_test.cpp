// One computation for all who want the same thing at the same time: who computes, who waits, and
// what those who wait get. No test sleeps: that a thread waits is proved, see `waiters`.
// Never here: a client, a socket, forks (tests/integration).
#include <algorithm>
#include <atomic>
#include <barrier>
#include <gtest/gtest.h>
#include <latch>
#include <memory>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <memcxx/single_flight.hpp>

namespace memcxx {
namespace {

using std::string;

constexpr std::string_view shared = "shared";

// Threads that ask for `shared` while somebody else computes it. Whoever waits cannot be seen from
// outside; but a wait for somebody who waits for oneself is refused. So each of these threads asks
// from within a computation of its own, and is known to wait once the one that computes `shared`
// may not wait for that.
class waiters {
 public:
  using ask = std::function<void(std::size_t)>;  // asks for `shared`, and keeps what comes of it

  waiters(single_flight& flights, std::size_t n, const ask& what) : flights_(flights) {
    for (std::size_t i = 0; i < n; ++i) {
      threads_.emplace_back([this, i, what] {
        began_.wait();
        // Too early or too late is "again".
        while (flights_.run<string>(own(i), [&]() -> result<string> {
          refused_ = false;
          what(i);
          return refused_ ? "again" : "done";
        }) != "done") {
        }
      });
    }
  }
  ~waiters() { join(); }
  void join() {
    for (std::thread& t : threads_) {
      if (t.joinable()) t.join();
    }
  }

  // For the computation of `shared`: returns when all of them wait for it.
  void all_wait() {
    began_.count_down();
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      while (flights_.run<string>(own(i), [] { return string("not yet"); }).has_value()) {
        std::this_thread::yield();
      }
    }
  }

  // For `ask`: what was answered, unless it was that this thread may not wait just now.
  template <class T>
  static std::optional<result<T>> unless_refused(result<T> r) {
    refused_ = !r && r.error() == errc::invalid_argument;
    if (refused_) return std::nullopt;
    return r;
  }

 private:
  static string own(std::size_t i) { return "own " + std::to_string(i); }
  static inline thread_local bool refused_ = false;

  single_flight& flights_;
  std::latch began_{1};
  std::vector<std::thread> threads_;
};

constexpr std::size_t many = 8;

string value_of(const std::optional<result<string>>& r) {
  return !r ? "nothing" : !*r ? r->error().what() : **r;
}

TEST(single_flight, many_callers_get_one_computation) {
  single_flight flights;
  std::atomic<int> computed{0};
  std::vector<std::optional<result<string>>> got(many);
  waiters others(flights, many, [&](std::size_t i) {
    got[i] = waiters::unless_refused(flights.run<string>(shared, [&] {
      ++computed;
      return string("of a waiter");
    }));
  });
  const auto mine = flights.run<string>(shared, [&] {
    ++computed;
    others.all_wait();
    return string("of the first");
  });
  others.join();
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(value_of(mine), "of the first");
  for (const auto& r : got) EXPECT_EQ(value_of(r), "of the first");
}

TEST(single_flight, an_error_is_everybodys) {
  single_flight flights;
  std::vector<std::optional<result<string>>> got(many);
  waiters others(flights, many, [&](std::size_t i) {
    got[i] =
        waiters::unless_refused(flights.run<string>(shared, [] { return string("of a waiter"); }));
  });
  const auto mine = flights.run<string>(shared, [&]() -> result<string> {
    others.all_wait();
    return std::unexpected(error(errc::server_error, "no such page"));
  });
  others.join();
  EXPECT_EQ(mine.error(), errc::server_error);
  for (const auto& r : got) {
    ASSERT_TRUE(r && !*r);
    EXPECT_EQ(r->error(), errc::server_error);
    EXPECT_EQ(r->error().message(), "no such page");
  }
}

TEST(single_flight, an_exception_is_everybodys) {
  single_flight flights;
  std::vector<string> caught(many);
  waiters others(flights, many, [&](std::size_t i) {
    try {
      (void)waiters::unless_refused(
          flights.run<string>(shared, [] { return string("of a waiter"); }));
    } catch (const std::runtime_error& e) {
      caught[i] = e.what();
    }
  });
  // Kept until the others have ended: the thread sanitizer does not see how exceptions are counted.
  std::exception_ptr mine;
  try {
    (void)flights.run<string>(shared, [&]() -> result<string> {
      others.all_wait();
      throw std::runtime_error("no memory of it");
    });
  } catch (const std::runtime_error&) {
    mine = std::current_exception();
  }
  EXPECT_TRUE(mine);
  others.join();
  for (const string& what : caught) EXPECT_EQ(what, "no memory of it");
}

TEST(single_flight, each_gets_a_copy_of_its_own) {
  single_flight flights;
  std::vector<std::optional<result<string>>> got(many);
  std::barrier<> all_have_theirs(many);
  waiters others(flights, many, [&](std::size_t i) {
    got[i] = waiters::unless_refused(flights.run<string>(shared, [] { return string(); }));
    if (!got[i]) return;
    got[i]->value()[0] = static_cast<char>('0' + i);
    all_have_theirs.arrive_and_wait();
  });
  const auto mine = flights.run<string>(shared, [&] {
    others.all_wait();
    return string(100, 'v');
  });
  others.join();
  EXPECT_EQ(value_of(mine), string(100, 'v'));
  for (std::size_t i = 0; i < many; ++i) {
    EXPECT_EQ(value_of(got[i]), static_cast<char>('0' + i) + string(99, 'v'));
  }
}

TEST(single_flight, a_computation_that_asks_for_itself_is_refused) {
  single_flight flights;
  int inner = 0;
  const auto r = flights.run<int>("k", [&] {
    const auto again = flights.run<int>("k", [&] { return ++inner; });
    EXPECT_EQ(again.error(), errc::invalid_argument);
    EXPECT_EQ(again.error().message(), "this computation waits for itself");
    return 1;
  });
  EXPECT_EQ(r, 1);
  EXPECT_EQ(inner, 0);
}

TEST(single_flight, a_computation_that_asks_for_itself_over_others_is_refused) {
  single_flight flights;
  const auto r = flights.run<int>("a", [&] {
    return flights.run<int>("b", [&] {
      return flights.run<int>("c", [&] { return flights.run<int>("a", [] { return 1; }); });
    });
  });
  EXPECT_EQ(r.error(), errc::invalid_argument);
  EXPECT_EQ(flights.run<int>("a", [] { return 2; }), 2) << "nothing is left behind";
}

// Each of n threads computes its own key, and in it asks for the next one's.
void ask_in_a_circle(std::size_t n) {
  SCOPED_TRACE(n);
  single_flight flights;
  std::barrier<> all_compute(static_cast<std::ptrdiff_t>(n));
  std::vector<result<string>> got(n);
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < n; ++i) {
    threads.emplace_back([&, i] {
      got[i] = flights.run<string>(std::to_string(i), [&]() -> result<string> {
        all_compute.arrive_and_wait();
        auto next = flights.run<string>(std::to_string((i + 1) % n),
                                        [] { return string("computed anew"); });
        if (!next && next.error() == errc::invalid_argument &&
            next.error().message().find("waits for itself") != std::string_view::npos) {
          ++refused;
          return "refused";
        }
        return next;
      });
    });
  }
  for (std::thread& t : threads) t.join();
  // Whoever closes the circle is refused, and the rest get its word for it: unless the one that
  // was refused ends before somebody has asked, who then computes anew.
  EXPECT_GE(refused, 1);
  for (const auto& r : got) {
    ASSERT_TRUE(r) << r.error();
    EXPECT_TRUE(*r == "refused" || *r == "computed anew") << *r;
  }
}

TEST(single_flight, threads_that_wait_for_each_other_do_not_hang) {
  for (int round = 0; round < 200; ++round) {
    for (const std::size_t n : {2u, 3u, 5u}) ask_in_a_circle(n);
  }
}

TEST(single_flight, a_thread_may_wait_for_another_while_it_computes) {
  single_flight flights;
  string got;
  {
    // Waits for `shared` from within a computation of its own: that alone is no circle.
    waiters other(flights, 1, [&](std::size_t) {
      if (auto r = waiters::unless_refused(flights.run<string>(shared, [] { return string(); }))) {
        got = r->value();
      }
    });
    EXPECT_TRUE(flights.run<string>(shared, [&] {
      other.all_wait();
      return string("v");
    }));
  }
  EXPECT_EQ(got, "v");
}

TEST(single_flight, other_types_and_other_keys_are_other_computations) {
  single_flight flights;
  const auto r = flights.run<int>("k", [&] {
    EXPECT_EQ(flights.run<string>("k", [] { return string("text"); }), "text");
    EXPECT_EQ(flights.run<long>("k", [] { return 3L; }), 3L);
    EXPECT_EQ(flights.run<int>("k2", [] { return 2; }), 2);
    EXPECT_EQ(flights.run<int>("", [] { return 4; }), 4);
    return 1;
  });
  EXPECT_EQ(r, 1);
}

TEST(single_flight, what_has_ended_is_computed_again) {
  single_flight flights;
  int computed = 0;
  const auto count = [&] { return flights.run<int>("k", [&] { return ++computed; }); };
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(flights.run<int>("k", [] { return result<int>(std::unexpected(errc::miss)); }).error(),
            errc::miss);
  EXPECT_EQ(count(), 3);
  EXPECT_THROW((void)flights.run<int>("k", []() -> result<int> { throw std::logic_error(""); }),
               std::logic_error);
  EXPECT_EQ(count(), 4);
}

TEST(single_flight, nothing_of_a_computation_outlives_it) {
  single_flight flights;
  const auto alive = std::make_shared<int>(1);
  ASSERT_TRUE(flights.run<std::shared_ptr<int>>("k", [&] { return alive; }));
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(single_flight, a_copy_that_throws_is_the_callers_alone) {
  struct reluctant {
    explicit reluctant(bool f) : fails(f) {}
    reluctant(reluctant&&) = default;
    reluctant(const reluctant& other) : fails(other.fails) {
      if (fails) throw std::runtime_error("will not be copied");
    }
    bool fails;
  };
  single_flight flights;
  const auto run = [&](bool fails) {
    return flights.run<reluctant>("k", [&] { return reluctant(fails); }).has_value();
  };
  EXPECT_THROW((void)run(true), std::runtime_error);
  EXPECT_TRUE(run(false));
}

// A thread that ends in the middle of it unwinds by something that is no exception.
TEST(single_flight, a_thread_that_ends_while_it_computes_leaves_an_error) {
  single_flight flights;
  std::optional<result<string>> got;
  waiters other(flights, 1, [&](std::size_t) {
    got = waiters::unless_refused(flights.run<string>(shared, [] { return string("computed"); }));
  });
  std::thread([&] {
    (void)flights.run<string>(shared, [&]() -> result<string> {
      other.all_wait();
      ::pthread_exit(nullptr);
    });
  }).join();
  other.join();
  ASSERT_TRUE(got && !*got);
  EXPECT_EQ(got->error(), errc::cancelled);
}

TEST(single_flight, a_fork_leaves_the_parent_as_it_was) {
  single_flight flights;
  const auto r = flights.run<int>("k", [&] {
    flights.before_fork();
    flights.after_fork();
    EXPECT_EQ(flights.run<int>("k", [] { return 2; }).error(), errc::invalid_argument);
    return 1;
  });
  EXPECT_EQ(r, 1);
}

TEST(single_flight, a_child_knows_nothing_of_what_its_parent_computes) {
  single_flight flights;
  int inner = 0;
  const auto r = flights.run<int>("k", [&] {
    // As in a computation that forks, in the child.
    flights.before_fork();
    flights.in_child();
    EXPECT_EQ(flights.run<int>("k", [&] { return ++inner; }), 1);
    // One that is under way when the parent's ends stays what it is.
    return flights.run<int>("k", [&] { return ++inner; });
  });
  EXPECT_EQ(r, 2);
  EXPECT_EQ(flights.run<int>("k", [&] { return ++inner; }), 3);
}

TEST(single_flight, what_ends_in_a_child_does_not_end_the_childs_own) {
  single_flight flights;
  std::latch parents_computes{1};
  std::latch childs_computes{1};
  std::latch parents_ended{1};
  std::thread old([&] {
    EXPECT_EQ(flights.run<int>("k",
                               [&] {
                                 parents_computes.count_down();
                                 childs_computes.wait();
                                 return 1;
                               }),
              1);
    parents_ended.count_down();
  });
  parents_computes.wait();
  flights.before_fork();
  flights.in_child();
  const auto r = flights.run<int>("k", [&] {
    childs_computes.count_down();
    parents_ended.wait();
    EXPECT_EQ(flights.run<int>("k", [] { return 3; }).error(), errc::invalid_argument)
        << "the child's own is still on";
    return 2;
  });
  EXPECT_EQ(r, 2);
  old.join();
}

// Threads that come and go as they like: never two computations of one key at a time, and each
// answer is that of a computation which had not ended when it was asked for.
TEST(single_flight, any_number_of_threads_in_any_order) {
  single_flight flights;
  constexpr std::size_t keys = 3;
  std::atomic<int> computing[keys]{};
  std::atomic<int> ended[keys]{};
  std::atomic<int> overlaps{0};
  std::atomic<int> stale{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < many; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const std::size_t k = (i * 7 + t) % keys;
        const int before = ended[k];
        const auto r = flights.run<int>(std::to_string(k), [&] {
          overlaps += ++computing[k] != 1;
          const int number = ++ended[k];
          --computing[k];
          return number;
        });
        stale += !r || *r < before;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(overlaps, 0);
  EXPECT_EQ(stale, 0);
}

}  // namespace
}  // namespace memcxx
