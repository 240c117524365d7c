// How an operation's outcome reaches its caller: completion tokens, executors, allocators; and that
// every verb has a form for each.
// Never here: what the verbs do (integration), cancellation (giving_up_test).
#include <array>
#include <cstdint>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <memcxx/batch.hpp>

#include "experimental.hpp"
#include "running.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

class tokens : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    servers_ = std::make_unique<std::vector<memcached_server>>(start_servers(2));
  }
  static void TearDownTestSuite() { servers_.reset(); }

  static inline std::unique_ptr<std::vector<memcached_server>> servers_;
  net::io_context io;
  async_client cache{io, async_settings(list_of(*servers_))};
};

TEST_F(tokens, a_callback_may_be_move_only_and_is_called_once) {
  int called = 0;
  cache.set("k", "v", [&, only = std::make_unique<int>(3)](result<stored> r) {
    EXPECT_TRUE(ok(r));
    called += *only;
  });
  EXPECT_EQ(called, 0);
  EXPECT_TRUE(run_until(io, [&] { return called != 0; }));
  io.run_for(1ms);
  EXPECT_EQ(called, 3);
}

TEST_F(tokens, arguments_need_not_outlive_the_call) {
  std::string key = "a-key-that-is-longer-than-any-short-string,-and-goes";
  std::string value(100'000, 'v');
  std::optional<result<stored>> stored_it;
  cache.set(key, value, [&](result<stored> r) { stored_it = std::move(r); });
  std::vector<std::string> keys{key, "b"};
  std::optional<items> got;
  std::ranges::fill(value, 'X');
  key.assign(key.size(), 'X');
  EXPECT_TRUE(run_until(io, [&] { return stored_it.has_value(); }));
  EXPECT_TRUE(ok(*stored_it));
  cache.get_many(keys, {}, [&](items i) { got = std::move(i); });
  for (auto& k : keys) std::ranges::fill(k, 'X');
  keys.clear();
  EXPECT_TRUE(run_until(io, [&] { return got.has_value(); }));
  EXPECT_EQ(got->hits(), 1u);
}

TEST_F(tokens, futures) {
  crew threads(io, 1);
  EXPECT_TRUE(ok(cache.set("f", "v", net::use_future).get()));
  EXPECT_EQ(value_of(cache.get("f", net::use_future).get()), "v");
  EXPECT_EQ(cache.version(net::use_future).get().size(), 2u);
  auto length =
      cache.get("f", net::use_future([](result<item> r) { return r.value().value.size(); }));
  EXPECT_EQ(length.get(), 1u);
}

TEST_F(tokens, coroutines) {
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(ok(co_await cache.set("c", "v")));
    EXPECT_EQ(value_of(co_await cache.get("c", net::use_awaitable)), "v");
    auto [r] = co_await cache.get("c", net::experimental::as_tuple(net::use_awaitable));
    EXPECT_EQ(value_of(r), "v");
  });
}

TEST_F(tokens, deferred_operations_begin_when_they_are_launched) {
  auto later = cache.set("d", std::string(100, 'v'), net::experimental::deferred);
  auto never = cache.set("e", "v", net::experimental::deferred);
  io.run_for(5ms);
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(fails(co_await cache.get("d"), errc::miss));
    EXPECT_TRUE(ok(co_await std::move(later)(net::use_awaitable)));
    EXPECT_EQ(value_of(co_await cache.get("d")), std::string(100, 'v'));
    EXPECT_TRUE(fails(co_await cache.get("e"), errc::miss));
  });
  (void)never;
}

TEST_F(tokens, operators_over_awaitables) {
  using namespace net::experimental::awaitable_operators;
  run_to_end(io, [&]() -> net::awaitable<void> {
    auto [a, b] = co_await (cache.set("x", "1") && cache.set("y", "2"));
    EXPECT_TRUE(ok(a));
    EXPECT_TRUE(ok(b));
    net::steady_timer timer(io, 10s);
    const auto first = co_await (cache.get("x") || timer.async_wait(net::use_awaitable));
    EXPECT_EQ(first.index(), 0u) << "the reply came first";
    if (first.index() == 0) {
      EXPECT_EQ(value_of(std::get<0>(first)), "1");
    }
  });
}

TEST_F(tokens, groups) {
  std::optional<std::string> read;
  net::experimental::make_parallel_group(cache.set("g", "1", net::experimental::deferred),
                                         cache.set("h", "2", net::experimental::deferred))
      .async_wait(net::experimental::wait_for_all(),
                  [&](std::array<std::size_t, 2>, result<stored> a, result<stored> b) {
                    read = a && b ? "both" : "not both";
                  });
  EXPECT_TRUE(run_until(io, [&] { return read.has_value(); }));
  EXPECT_EQ(*read, "both");
}

TEST_F(tokens, another_default) {
  auto by_future = cache.with(net::use_future);
  crew threads(io, 1);
  EXPECT_TRUE(ok(by_future.set("o", "v").get()));
  EXPECT_EQ(value_of(by_future.within(5s).get("o").get()), "v");
}

TEST_F(tokens, a_handler_runs_where_it_belongs) {
  net::io_context other;
  bool there = false;
  cache.get("k", net::bind_executor(other, [&](result<item>) {
              there = other.get_executor().running_in_this_thread();
            }));
  bool here = false;
  cache.get("k", [&](result<item>) { here = io.get_executor().running_in_this_thread(); });
  EXPECT_TRUE(run_until(io, [&] { return here; }));
  EXPECT_FALSE(there);
  EXPECT_TRUE(run_until(other, [&] { return there; }));
}

// --- allocators
// -----------------------------------------------------------------------------------

struct tally {
  std::size_t allocations = 0;
  std::size_t bytes = 0;  // now
};
template <class T>
struct counting_allocator {
  using value_type = T;
  explicit counting_allocator(tally& t) : all(&t) {}
  template <class U>
  counting_allocator(const counting_allocator<U>& other) : all(other.all) {}
  T* allocate(std::size_t n) {
    ++all->allocations;
    all->bytes += n * sizeof(T);
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) {
    all->bytes -= n * sizeof(T);
    std::allocator<T>().deallocate(p, n);
  }
  template <class U>
  bool operator==(const counting_allocator<U>& other) const {
    return all == other.all;
  }
  tally* all;
};
template <class F>
struct with_allocator {
  using allocator_type = counting_allocator<char>;
  allocator_type get_allocator() const noexcept { return allocator_type(*all); }
  template <class R>
  void operator()(R&& r) {
    at_call = all->bytes;
    f(std::forward<R>(r));
  }
  tally* all;
  std::size_t& at_call;
  F f;
};

TEST_F(tokens, an_associated_allocator_holds_the_operation_until_the_handler_is_called) {
  tally all;
  std::size_t at_call = 1;
  bool called = false;
  const auto f = [&](const auto&) { called = true; };
  cache.get("k", with_allocator<decltype(f)>{&all, at_call, f});
  EXPECT_GT(all.allocations, 0u);
  EXPECT_GT(all.bytes, 100u);
  EXPECT_TRUE(run_until(io, [&] { return called; }));
  EXPECT_EQ(at_call, 0u) << "its memory goes before the handler is called";
  EXPECT_EQ(all.bytes, 0u);
}

TEST_F(tokens, an_associated_allocator_that_has_nothing_left_is_the_caller_s_to_hear_of) {
  struct no_memory {
    using allocator_type = std::pmr::polymorphic_allocator<char>;
    allocator_type get_allocator() const noexcept {
      return allocator_type(std::pmr::null_memory_resource());
    }
    void operator()(const result<item>&) const { ADD_FAILURE(); }
  };
  EXPECT_THROW(cache.get("k", no_memory{}), std::bad_alloc);
  bool called = false;
  cache.get("k", [&](result<item>) { called = true; });
  EXPECT_TRUE(run_until(io, [&] { return called; }));
}

// --- every verb, with and without options and token
// -----------------------------------------------

TEST_F(tokens, every_verb) {
  run_to_end(io, [&]() -> net::awaitable<void> {
    constexpr auto use = net::use_awaitable;
    for (const auto& r : co_await cache.flush()) EXPECT_TRUE(ok(r.reply));
    EXPECT_TRUE(ok(co_await cache.set("k", "v", {.flags = 7}, use)));
    EXPECT_TRUE(ok(co_await cache.set("k", "v", use)));
    EXPECT_TRUE(fails(co_await cache.add("k", "v", use), errc::not_stored));
    EXPECT_TRUE(fails(co_await cache.add("k", "v", {}, use), errc::not_stored));
    EXPECT_TRUE(ok(co_await cache.replace("k", "w", use)));
    EXPECT_TRUE(ok(co_await cache.append("k", "x", use)));
    EXPECT_TRUE(ok(co_await cache.prepend("k", "u", use)));
    const auto got = co_await cache.get("k", use);
    EXPECT_EQ(value_of(got), "uwx");
    EXPECT_TRUE(ok(co_await cache.cas("k", "new", got->cas, use)));
    EXPECT_TRUE(fails(co_await cache.cas("k", "newer", got->cas, {}, use), errc::exists));
    EXPECT_EQ(value_of(co_await cache.gat("k", 1h, use)), "new");
    EXPECT_TRUE(ok(co_await cache.touch("k", 1h, use)));
    std::array<char, 16> buffer{};
    const auto into = co_await cache.get_into("k", buffer, use);
    EXPECT_EQ(into->value, "new");
    EXPECT_EQ((co_await cache.get<std::string>("k", use)).value(), "new");
    EXPECT_TRUE(ok(co_await cache.set("n", 40, use)));
    EXPECT_EQ((co_await cache.get<int>("n", use)).value(), 40);
    EXPECT_EQ((co_await cache.get_item<int>("n", use)).value().value, 40);
    EXPECT_EQ((co_await cache.gat<int>("n", 1h, use)).value(), 40);
    EXPECT_EQ((co_await cache.incr("n", 3, use)).value().value, 43u);
    EXPECT_EQ((co_await cache.decr("n", 1, {}, use)).value().value, 42u);
    EXPECT_EQ((co_await cache.incr("n")).value().value, 43u);
    EXPECT_TRUE(fails(co_await cache.incr("n", -1, use), errc::invalid_argument));
    EXPECT_TRUE(ok(co_await cache.debug("k", use)));
    EXPECT_TRUE(ok(co_await cache.remove("k", use)));
    EXPECT_TRUE(fails(co_await cache.remove("k", {}, use), errc::miss));
    EXPECT_TRUE(fails(co_await cache.get("k\n", use), errc::invalid_key));
    EXPECT_TRUE(fails(co_await cache.get(std::string(300, 'k')), errc::invalid_key));

    const std::map<std::string, std::string> pairs{{"a", "1"}, {"b", "2"}, {"c", "3"}};
    const auto stores = co_await cache.set_many(pairs, {}, use);
    for (const auto& r : stores) EXPECT_TRUE(ok(r));
    const std::vector<std::string> keys{"c", "no", "a"};
    const auto many = co_await cache.get_many(keys, {}, use);
    EXPECT_EQ(many.hits(), 2u);
    const auto typed = co_await cache.get_many<std::string>(keys, {}, use);
    EXPECT_EQ(typed.size(), 3u);
    EXPECT_EQ(typed[0].value(), "3");
    EXPECT_TRUE(fails(typed[1], errc::miss));
    const auto removed = co_await cache.remove_many(keys, use);
    EXPECT_TRUE(ok(removed[0]));
    EXPECT_TRUE(fails(removed[1], errc::miss));
    const std::vector<std::string> none;
    EXPECT_EQ((co_await cache.get_many(none)).size(), 0u);

    batch b;
    auto x = b.set("x", "1");
    auto y = b.get("x");
    auto z = b.get("missing");
    EXPECT_TRUE(ok(co_await cache.run(b)));
    EXPECT_TRUE(ok(x.get()));
    EXPECT_TRUE(fails(z.get(), errc::miss));
    EXPECT_EQ(value_of(y.get()), "1");
    EXPECT_FALSE(co_await cache.run(b)) << "a batch is run once";

    for (const auto& r : co_await cache.stats({}, use)) EXPECT_TRUE(ok(r.reply));
    for (const auto& r : co_await cache.version(use)) EXPECT_TRUE(ok(r.reply));
    for (const auto& r : co_await cache.ping(use)) EXPECT_TRUE(ok(r.reply));
  });
}

}  // namespace
}  // namespace memcxx::test
