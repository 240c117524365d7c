// cache() on real memcached: many threads that want one value, dead servers, values that cannot be
// read, and forks while something is computed.
// Never here: what one thread sees (tests/api/cache_test.cpp), who waits for whom
// (tests/api/single_flight_test.cpp).
#include <atomic>
#include <latch>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "typed.hpp"

namespace memcxx::test::typed {
namespace {

class computed : public over_servers {};

constexpr int callers = 64;

// As many threads ask at once; whoever computes does so only when all have announced themselves,
// and a little later still.
class crowd {
 public:
  template <class Ask>
  explicit crowd(Ask ask) {
    for (int i = 0; i < callers; ++i) {
      threads_.emplace_back([this, ask] {
        arrived_.count_down();
        ask(*this);
      });
    }
    for (auto& t : threads_) t.join();
  }
  void gather() {
    ++computations;
    arrived_.wait();
    std::this_thread::sleep_for(100ms);
  }
  std::atomic<int> computations{0};

 private:
  std::latch arrived_{callers};
  std::vector<std::thread> threads_;
};

TEST_P(computed, sixty_four_threads_make_one_computation) {
  client cache = with();
  std::atomic<int> right{0};
  const crowd all([&](crowd& c) {
    client own = cache;  // copies are one client
    const auto got = own.cache("page", 60s, [&] {
      c.gather();
      return prose(50'000);
    });
    right += got && *got == prose(50'000);
  });
  EXPECT_EQ(all.computations, 1) << "who comes late finds it stored";
  EXPECT_EQ(right, callers);
  EXPECT_EQ(cache.get<string>("page").value(), prose(50'000));
}

TEST_P(computed, one_error_is_for_all_who_waited) {
  client cache = with();
  std::atomic<int> told{0};
  const crowd all([&](crowd& c) {
    const auto got = client(cache).cache("page", 60s, [&]() -> result<int> {
      c.gather();
      return std::unexpected(error(errc::server_error, "no database"));
    });
    told += !got && got.error().message() == "no database";
  });
  EXPECT_EQ(told, callers);
  // Who comes late computes anew: an error is not stored.
  EXPECT_LT(all.computations, callers / 2);
  EXPECT_TRUE(fails(cache.get<int>("page"), errc::miss));
}

TEST_P(computed, one_exception_is_for_all_who_waited) {
  client cache = with();
  std::atomic<int> told{0};
  const crowd all([&](crowd& c) {
    try {
      (void)client(cache).cache("page", 60s, [&]() -> int {
        c.gather();
        throw std::runtime_error("no database");
      });
    } catch (const std::runtime_error& e) {
      told += e.what() == string("no database");
    }
  });
  EXPECT_EQ(told, callers);
  EXPECT_LT(all.computations, callers / 2);
}

TEST_P(computed, many_keys_do_not_wait_for_each_other) {
  client cache = with();
  std::atomic<int> wrong{0};
  std::atomic<int> computations{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      client own = cache;
      for (int i = 0; i < 200; ++i) {
        const int k = (i + t * 25) % 200;
        // Each needs the one before it.
        const auto got = own.cache("n" + std::to_string(k), {}, [&]() -> result<int> {
          ++computations;
          if (k == 0) return 0;
          const auto before = own.cache("n" + std::to_string(k - 1), {}, [&] { return k - 1; });
          if (!before) return before;
          return *before + 1;
        });
        wrong += !got || *got != k;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(computations, 200);
}

TEST_P(computed, a_value_that_cannot_be_read_is_replaced) {
  client cache = with();
  ASSERT_TRUE(ok(cache.set("k", text{"words"})));
  EXPECT_EQ(cache.cache("k", 60s, [] { return 5; }).value(), 5);
  EXPECT_EQ(cache.cache("k", 60s, [] { return 6; }).value(), 5);
  ASSERT_TRUE(ok(cache.set("k", "\xff\xfe garbage", {.flags = 77})));
  EXPECT_EQ(cache.cache("k", 60s, [] { return 7; }).value(), 7);
  EXPECT_EQ(cache.get<int>("k").value(), 7);
}

TEST_P(computed, what_is_invalid_surfaces) {
  client cache = with();
  EXPECT_TRUE(fails(cache.cache(string(300, 'k'), {}, [] { return 1; }), errc::invalid_key));
}

MEMCXX_OVER_SERVERS(computed);

TEST(computed_without_servers, is_computed_each_time) {
  memcached_server server;
  memcxx::options o = settings_for(server.address(), protocol_choice::meta, 1s);
  client cache(o);
  EXPECT_EQ(cache.cache("k", 60s, [] { return 1; }).value(), 1);
  server.kill();
  EXPECT_EQ(cache.cache("k", 60s, [] { return 2; }).value(), 2);
  EXPECT_EQ(cache.cache("k", 60s, [] { return 3; }).value(), 3);
  server.restart();
  EXPECT_EQ(cache.cache("k", 60s, [] { return 4; }).value(), 4);
  EXPECT_EQ(cache.cache("k", 60s, [] { return 5; }).value(), 4) << "stored again";
  server.freeze();
  const stopwatch watch;
  EXPECT_EQ(cache.within(100ms).cache("k", 60s, [] { return 6; }).value(), 6);
  EXPECT_LT(watch.elapsed(), 1s);
  server.thaw();
}

TEST(computed_without_servers, a_crowd_computes_once_all_the_same) {
  client cache = client("127.0.0.1:1?timeout=2s");  // nobody listens there
  std::atomic<int> right{0};
  const crowd all([&](crowd& c) {
    right += client(cache).cache("k", 60s, [&] {
      c.gather();
      return 5;
    }) == 5;
  });
  EXPECT_EQ(right, callers);
  EXPECT_LT(all.computations, callers / 2);
}

// --- forks ---------------------------------------------------------------------------------------

// The address sanitizer's allocator does not survive a fork among threads.
#if defined(__SANITIZE_ADDRESS__)
#define MEMCXX_FORKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMCXX_FORKS 0
#endif
#endif
#ifndef MEMCXX_FORKS
#define MEMCXX_FORKS 1
#endif

#if MEMCXX_FORKS

// True when the child ended in time, and well.
bool ends_well(pid_t child) {
  int status = -1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

TEST(computed_over_a_fork, a_child_does_not_wait_for_its_parents_computation) {
  const memcached_server server;
  client cache = make_client(server.address(), protocol_choice::meta);
  std::latch computing{1};
  std::latch forked{1};
  std::thread busy([&] {
    EXPECT_EQ(cache
                  .cache("k", 60s,
                         [&] {
                           computing.count_down();
                           forked.wait();
                           return 1;
                         })
                  .value(),
              1);
  });
  computing.wait();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(10);
    const auto got = cache.cache("k", 60s, [] { return 2; });
    ::_exit(got && *got == 2 ? 0 : 1);
  }
  EXPECT_TRUE(ends_well(child));
  forked.count_down();
  busy.join();
  EXPECT_EQ(cache.cache("other", 60s, [] { return 3; }).value(), 3);
}

// The child has the one that computes, and nobody of those who wait for it.
TEST(computed_over_a_fork, a_computation_may_fork) {
  const memcached_server server;
  client cache = make_client(server.address(), protocol_choice::meta);
  for (int round = 0; round < 300; ++round) {
    const string key = "k" + std::to_string(round);
    std::latch announced{8};
    std::vector<std::thread> waiting;
    const auto computed_and_forked = cache.cache(key, 60s, [&] {
      // These come to wait while this forks: some have not begun yet, some are just about to.
      for (int t = 0; t < 8; ++t) {
        waiting.emplace_back([&] {
          announced.count_down();
          // Who comes late finds what the child has stored.
          const auto got = client(cache).cache(key, 60s, [] { return -1; });
          ASSERT_TRUE(ok(got));
          EXPECT_TRUE(*got == round || *got == -1 || *got == -2) << *got << " in " << round;
        });
      }
      announced.wait();
      if (const pid_t child = ::fork(); child == 0) {
        ::alarm(10);
        return -2;
      } else {
        EXPECT_TRUE(ends_well(child)) << "round " << round;
      }
      return round;
    });
    if (computed_and_forked == -2) {
      const bool fine = cache.cache("child" + key, 60s, [] { return 7; }) == 7;
      ::_exit(fine ? 0 : 1);
    }
    for (auto& t : waiting) t.join();
    ASSERT_EQ(computed_and_forked.value(), round);
    if (HasFailure()) break;
  }
}

#endif

}  // namespace
}  // namespace memcxx::test::typed
