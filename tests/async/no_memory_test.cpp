// Calls that run out of memory, at each allocation between their beginning and their end: whoever
// began one is thrown at, or its handler is called once.
// Never here: bounds that one sets (servers_test), what is in use (memory_test).
#include <functional>
#include <gtest/gtest.h>
#include <new>
#include <string>
#include <vector>

#include "counting.hpp"
#include "running.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

const std::string longer = "a-key-that-no-string-holds-without-memory-of-its-own";

script answering() {
  return [](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      p.send(r.verb == "version" ? "VERSION 1.6.0\r\n" : wire::answer(r, {{"k", "v"}}));
    }
  };
}
// Answers once, and ends with what comes next.
script resetting(std::string last) {
  return [last = std::move(last)](peer& p) {
    p.send(wire::answer(wire::read(p), {{"k", "v"}}));
    (void)wire::read(p);
    p.send(last);
    p.reset();
  };
}

// Begins a call, and counts how often its handler is called.
using begin_call = std::function<void(async_client&, int&)>;

void run_out(std::vector<script> scripts, std::size_t servers, const begin_call& begin) {
  if (!MEMCXX_COUNTS) GTEST_SKIP() << "sanitizers have malloc to themselves";
  bool ran_out = true;
  for (long allowed = 0; ran_out && !testing::Test::HasFailure(); ++allowed) {
    SCOPED_TRACE("allocations: " + std::to_string(allowed));
    std::vector<std::unique_ptr<scripted_server>> all;
    std::string list;
    while (all.size() < servers) {
      all.push_back(std::make_unique<scripted_server>(scripts));
      list += (list.empty() ? "" : ",") + all.back()->address();
    }
    net::io_context io;
    async_client cache(io, async_settings(list, protocol_choice::classic, 500ms));
    int ready = 0;
    for (const std::string key : {"k", "x", "y", "z"}) {
      cache.get(key, [&](const auto&) { ++ready; });
      ASSERT_TRUE(run_until(io, [&, n = ready] { return ready > n; }));
      if (servers == 1) break;
    }
    int called = 0;
    bool thrown = false;
    mallocs_left = allowed;
    try {
      begin(cache, called);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    const auto limit = std::chrono::steady_clock::now() + 3s;
    while (!thrown && called == 0 && std::chrono::steady_clock::now() < limit) {
      try {
        io.restart();
        io.run_one_for(10ms);
      } catch (const std::bad_alloc&) {  // somebody else's, for all that run() knows
      }
    }
    ran_out = mallocs_left < 0;
    mallocs_left = -1;
    EXPECT_EQ(called, thrown ? 0 : 1);
  }
}

void get(async_client& cache, int& called) {
  cache.get("k", [&called](const result<item>& r) {
    ++called;
    EXPECT_EQ(r ? r->value : "v", "v");
  });
}

TEST(no_memory, for_a_request) { run_out({answering()}, 1, get); }
TEST(no_memory, for_a_request_whose_connection_is_lost) {
  run_out({resetting(""), answering()}, 1, get);
}
TEST(no_memory, for_a_request_whose_connection_is_lost_in_the_middle) {
  run_out({resetting("VALUE k 0 10\r\nabc"), answering()}, 1, get);
}
TEST(no_memory, for_a_typed_read) {
  run_out({answering()}, 1, [](async_client& cache, int& called) {
    cache.get<std::string>(longer, [&called](const auto&) { ++called; });
  });
}
TEST(no_memory, for_replies_of_every_server) {
  run_out({answering()}, 2, [](async_client& cache, int& called) {
    cache.version([&called](const auto&) { ++called; });
  });
}
TEST(no_memory, for_items) {
  run_out({answering()}, 2, [](async_client& cache, int& called) {
    cache.get_many({"k", "x", longer}, {}, [&called](const items&) { ++called; });
  });
}
TEST(no_memory, for_values) {
  run_out({answering()}, 2, [](async_client& cache, int& called) {
    const std::vector<std::string_view> keys{"k", "x", longer};
    cache.get_many<std::string>(keys, {}, [&called](const auto&) { ++called; });
  });
}
TEST(no_memory, for_outcomes) {
  run_out({answering()}, 2, [](async_client& cache, int& called) {
    const std::vector<std::string_view> keys{"k", "x", longer};
    cache.remove_many(keys, [&called](const auto&) { ++called; });
  });
}

// The timer is set anew for a call that ends sooner than others; theirs has to go on without it.
TEST(no_memory, of_a_call_in_a_hurry_leaves_the_deadlines_of_others) {
  if (!MEMCXX_COUNTS) GTEST_SKIP() << "sanitizers have malloc to themselves";
  // Twice each: what a thread gave back is taken first.
  for (long round = 0; round < 8 && !HasFailure(); ++round) {
    const long allowed = round / 2;
    SCOPED_TRACE("allocations: " + std::to_string(allowed));
    scripted_server server([](peer& p) { p.wait(5s); });
    net::io_context io;
    async_client cache(io, async_settings(server.address(), protocol_choice::classic, 200ms));
    int patient = 0;
    int hurried = 0;
    cache.get("k", [&](const auto&) { ++patient; });
    mallocs_left = allowed;
    try {
      cache.within(100ms).get("k", [&](const auto&) { ++hurried; });
    } catch (const std::bad_alloc&) {
      ++hurried;
    }
    mallocs_left = -1;
    const auto limit = std::chrono::steady_clock::now() + 2s;
    while (patient + hurried < 2 && std::chrono::steady_clock::now() < limit) {
      io.restart();
      io.run_one_for(10ms);
    }
    EXPECT_EQ(hurried, 1);
    EXPECT_EQ(patient, 1);
  }
}

}  // namespace
}  // namespace memcxx::test
