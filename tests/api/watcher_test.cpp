// The watcher over a source of the test's own and servers in memory.
// Never here: sockets, a sleep.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <memcxx/source.hpp>

#include "support.hpp"

namespace memcxx {
namespace {

using namespace std::chrono_literals;
using servers = std::vector<server_address>;

servers in(std::initializer_list<const char*> hosts) {
  servers out;
  for (const char* h : hosts) out.push_back(in_memory(h));
  return out;
}

// Says what the test told it to say next, and the last of that for ever.
class told final : public server_source {
 public:
  struct script {
    std::mutex lock;
    std::deque<std::function<result<servers>()>> next;
    int asked = 0;
    std::promise<void> first;
  };
  explicit told(std::shared_ptr<script> s) : script_(std::move(s)) {}

  result<servers> fetch(std::chrono::steady_clock::time_point) override {
    std::function<result<servers>()> say;
    {
      const std::scoped_lock hold(script_->lock);
      if (script_->asked++ == 0) script_->first.set_value();
      say = script_->next.front();
      if (script_->next.size() > 1) script_->next.pop_front();
    }
    return say();
  }

 private:
  std::shared_ptr<script> script_;
};

class watcher_test : public testing::Test {
 protected:
  explicit watcher_test() {
    options o;
    o.servers = in({"a"});
    o.on_topology_change = [this](const std::vector<std::string>& now) {
      ++changes;
      if (on_change) on_change(now);
    };
    cache.emplace(o);
  }

  void say(result<servers> s) {
    what->next.push_back([s] { return s; });
  }
  void say(std::function<result<servers>()> f) { what->next.push_back(std::move(f)); }

  // The thread has taken the first answer, and asks for the next in an hour.
  watcher& start(std::function<void(const error&)> on_error = {}) {
    watching.emplace(
        *cache, std::make_unique<told>(what),
        watch_options{.interval = 1h, .timeout = 10s, .on_error = std::move(on_error)});
    what->first.get_future().wait();
    return *watching;
  }

  using strings = std::vector<std::string>;

  std::shared_ptr<told::script> what = std::make_shared<told::script>();
  std::atomic<int> changes{0};
  std::function<void(const std::vector<std::string>&)> on_change;
  std::optional<client> cache;
  std::optional<watcher> watching;
};

TEST_F(watcher_test, tells_the_client_of_changes_and_of_nothing_else) {
  say(in({"a"}));
  say(in({"a", "b"}));
  say(in({"a", "b"}));
  say(in({"c"}));
  watcher& w = start();
  EXPECT_EQ(w.refresh(), true);
  EXPECT_EQ(cache->servers(), (strings{"memory://a", "memory://b"}));
  EXPECT_EQ(w.refresh(), false);
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(w.refresh(), true);
  EXPECT_EQ(cache->servers(), strings{"memory://c"});
  EXPECT_EQ(w.refresh(), false);
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(w.last_error(), errc::ok);
}

TEST_F(watcher_test, the_first_answer_of_a_source_that_agrees_is_no_change) {
  say(std::unexpected(error(errc::timeout, "slow")));
  say(in({"a"}));
  watcher& w = start();
  EXPECT_EQ(w.refresh(), false);
  EXPECT_EQ(changes, 0);
}

TEST_F(watcher_test, weights_and_labels_are_changes) {
  say(in({"a", "b"}));
  servers heavy = in({"a", "b"});
  heavy[1].weight = 5;
  servers labelled = heavy;
  labelled[0].label = "first";
  say(heavy);
  say(labelled);
  watcher& w = start();
  EXPECT_EQ(w.refresh(), true);
  EXPECT_EQ(w.refresh(), true);
  EXPECT_EQ(w.refresh(), false);
  EXPECT_EQ(changes, 3);
}

TEST_F(watcher_test, a_failure_keeps_the_servers_and_is_told) {
  say(in({"a", "b"}));
  say(std::unexpected(error(errc::timeout, "slow", "cfg:1")));
  say(in({"a", "b"}));
  std::vector<std::string> told;
  watcher& w = start([&](const error& e) { told.push_back(e.what()); });
  const auto failed = w.refresh();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), errc::timeout);
  EXPECT_EQ(w.last_error(), errc::timeout);
  EXPECT_EQ(w.last_error().server(), "cfg:1");
  EXPECT_EQ(told, strings{failed.error().what()});
  EXPECT_EQ(cache->servers(), (strings{"memory://a", "memory://b"}));
  EXPECT_EQ(w.refresh(), false) << "what the client has already";
  EXPECT_EQ(w.last_error(), errc::ok);
  EXPECT_EQ(changes, 1);
}

TEST_F(watcher_test, what_the_client_refuses_is_a_failure_and_is_offered_again) {
  say(in({"a", "b"}));
  say(in({"x", "y", "x"}));
  say(servers{});
  say(in({"a", "b"}));
  int told = 0;
  watcher& w = start([&](const error&) { ++told; });
  auto refused = w.refresh();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), errc::invalid_argument);
  EXPECT_NE(refused.error().message().find("\"memory://x\" is listed twice"), std::string::npos);
  EXPECT_FALSE(w.refresh()) << "no server";
  EXPECT_EQ(told, 2);
  EXPECT_EQ(cache->servers(), (strings{"memory://a", "memory://b"}));
  EXPECT_EQ(w.refresh(), false);
  EXPECT_EQ(changes, 1);
}

TEST_F(watcher_test, a_source_that_throws_has_failed) {
  say(in({"a"}));
  say([]() -> result<servers> { throw std::runtime_error("torn"); });
  say([]() -> result<servers> { throw exception(error(errc::resolve_failed, "gone", "n")); });
  say([]() -> result<servers> { throw std::bad_alloc(); });
  say([]() -> result<servers> { throw 7; });
  watcher& w = start();
  EXPECT_EQ(w.refresh().error().message(), "the source threw: torn");
  EXPECT_EQ(w.refresh().error(), errc::resolve_failed);
  EXPECT_EQ(w.refresh().error(), errc::out_of_memory);
  EXPECT_EQ(w.refresh().error(), errc::invalid_argument);
  EXPECT_EQ(w.last_error(), errc::invalid_argument);
}

TEST_F(watcher_test, callbacks_may_use_the_client_and_the_watcher) {
  say(in({"a"}));
  say(in({"b"}));
  say(std::unexpected(error(errc::timeout, "slow")));
  say(in({"c"}));
  errc again = errc::ok;
  on_change = [&](const std::vector<std::string>&) {
    if (again != errc::ok) return;
    (void)watching->last_error();
    EXPECT_TRUE(cache->set("k", "v"));
    const auto within = watching->refresh();
    ASSERT_FALSE(within) << "it would wait for itself";
    again = within.error().code();
  };
  result<bool> nested = false;
  watcher& w = start([&](const error&) { nested = watching->refresh(); });
  EXPECT_EQ(w.refresh(), true);
  EXPECT_EQ(again, errc::invalid_argument);
  EXPECT_FALSE(w.refresh());
  EXPECT_EQ(nested, true) << "the question was over when on_error was called";
  EXPECT_EQ(cache->servers(), strings{"memory://c"});
}

TEST_F(watcher_test, an_exception_of_a_callback_reaches_the_caller_and_breaks_nothing) {
  say(in({"a"}));
  say(in({"b"}));
  say(std::unexpected(error(errc::timeout, "slow")));
  say(in({"b"}));
  say(in({"d"}));
  on_change = [](const std::vector<std::string>& now) {
    if (now.front() == "memory://b") throw std::runtime_error("mine");
  };
  watcher& w = start([](const error&) { throw std::runtime_error("mine too"); });
  EXPECT_THROW((void)w.refresh(), std::runtime_error);
  EXPECT_EQ(cache->servers(), strings{"memory://b"});
  EXPECT_THROW((void)w.refresh(), std::runtime_error);
  EXPECT_TRUE(w.refresh());
  EXPECT_EQ(w.refresh(), true);
  EXPECT_EQ(changes, 2);
}

TEST_F(watcher_test, one_question_at_a_time) {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  say([&]() -> result<servers> {
    most = std::max(most.load(), ++inside);
    std::this_thread::yield();
    --inside;
    return in({"a"});
  });
  watcher& w = start();
  std::vector<std::jthread> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&] {
      for (int n = 0; n < 100; ++n) EXPECT_EQ(w.refresh(), false);
    });
  }
  all.clear();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(what->asked, 401);
}

TEST_F(watcher_test, refresh_waits_for_the_question_under_way_no_longer_than_its_timeout) {
  std::promise<void> open;
  say([&]() -> result<servers> {
    open.get_future().wait();
    return in({"a"});
  });
  watching.emplace(*cache, std::make_unique<told>(what),
                   watch_options{.interval = 1h, .timeout = 20ms});
  what->first.get_future().wait();
  const auto late = watching->refresh();
  open.set_value();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error(), errc::timeout);
  EXPECT_EQ(what->asked, 1);
  EXPECT_EQ(watching->last_error(), errc::ok) << "no question failed";
}

TEST_F(watcher_test, the_thread_asks_again_and_again_and_survives_its_callbacks) {
  std::promise<void> enough;
  int asked = 0;
  say([&]() -> result<servers> {
    if (++asked == 5) enough.set_value();
    if (asked % 2 == 0) return std::unexpected(error(errc::timeout, "slow"));
    return asked % 4 == 1 ? in({"a"}) : in({"b"});
  });
  on_change = [](const std::vector<std::string>&) { throw std::runtime_error("mine"); };
  watching.emplace(*cache, std::make_unique<told>(what),
                   watch_options{.interval = 1ms, .timeout = 10s, .on_error = [](const error&) {
                                   throw std::runtime_error("mine");
                                 }});
  EXPECT_EQ(enough.get_future().wait_for(10s), std::future_status::ready);
  watching.reset();
  EXPECT_GE(changes, 1);
}

TEST_F(watcher_test, ends_at_once_while_it_waits) {
  say(in({"a"}));
  const auto before = std::chrono::steady_clock::now();
  start();
  watching.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s) << "and not after an hour";
}

TEST_F(watcher_test, absurd_times_are_refused) {
  using ms = std::chrono::milliseconds;
  for (const ms time : {ms::max(), ms::min(), ms(-1), ms(0)}) {
    const watch_options interval{.interval = time};
    const watch_options timeout{.timeout = time};
    EXPECT_THROW(watcher(*cache, std::make_unique<told>(what), interval), exception);
    EXPECT_THROW(watcher(*cache, std::make_unique<told>(what), timeout), exception);
  }
}

TEST_F(watcher_test, needs_a_source) { EXPECT_THROW(watcher(*cache, nullptr), exception); }

}  // namespace
}  // namespace memcxx
