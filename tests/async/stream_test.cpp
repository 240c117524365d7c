// get_each: outcomes of many keys as they arrive, their order, their end, and every way to stop
// before it.
// Never here: get_many and the other verbs of the asynchronous client.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <memcxx/async_client.hpp>

#include "support/clients.hpp"
#include "support/scripted_server.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using stream = get_stream<item, net::use_awaitable_t<>>;
using entry = stream::entry;

memcxx::options options_for(std::string_view servers) {
  return settings_for(servers, protocol_choice::classic);
}

// Runs a coroutine to its end, and whatever else there is to do meanwhile.
template <class F>
void run(net::io_context& io, F&& f) {
  bool ended = false;
  net::co_spawn(io, std::forward<F>(f), [&ended](std::exception_ptr thrown) {
    ended = true;
    if (thrown) std::rethrow_exception(thrown);
  });
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (!ended && std::chrono::steady_clock::now() < limit) io.run_one_for(1s);
  io.restart();
  ASSERT_TRUE(ended) << "it hangs";
}

// A step of a script that the test allows.
class gate {
 public:
  void open() { may_.release(); }
  void pass() { EXPECT_TRUE(may_.try_acquire_for(10s)) << "nobody opened it"; }

 private:
  std::counting_semaphore<> may_{0};
};

// --- what arrives --------------------------------------------------------------------------------

TEST(stream, hands_out_an_answer_while_the_server_still_owes_the_next) {
  gate second;
  scripted_server server([&](peer& p) {
    p.expect("get a b c\r\n");
    // A value counts when the head of the next shows where it ended.
    p.send("VALUE b 0 1\r\n2\r\nVALUE c 0 1\r\n");
    second.pass();
    p.send("3\r\nEND\r\n");
  });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  run(io, [&]() -> net::awaitable<void> {
    auto arriving = cache.get_each({"a", "b", "c"});
    auto first = co_await arriving.next();
    EXPECT_TRUE(first && first->reply);
    if (!first || !first->reply) co_return;
    EXPECT_EQ(first->key, "b");
    EXPECT_EQ(first->index, 1u);
    EXPECT_EQ(first->reply->value, "2");
    EXPECT_EQ(arriving.left(), 2u);
    second.open();
    std::map<std::string, std::string> rest;
    while (auto e = co_await arriving.next()) rest[std::string(e->key)] = value_of(e->reply);
    EXPECT_EQ(rest, (std::map<std::string, std::string>{{"a", "miss"}, {"c", "3"}}));
  });
}

TEST(stream, one_server_s_answers_do_not_wait_for_another_s) {
  gate slow;
  const auto answer = [](peer& p) {
    const std::string line = p.read_line();
    std::string all;
    for (std::size_t at = 4; at < line.size() - 2;) {
      const std::size_t end = line.find_first_of(" \r", at);
      const std::string key = line.substr(at, end - at);
      all += "VALUE " + key + " 0 " + std::to_string(key.size()) + "\r\n" + key + "\r\n";
      at = end + 1;
    }
    p.send(all + "END\r\n");
  };
  scripted_server quick([&](peer& p) { answer(p); });
  scripted_server late([&](peer& p) {
    slow.pass();
    answer(p);
  });
  net::io_context io;
  async_client cache(io, options_for(quick.address() + "," + late.address()));
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back("key" + std::to_string(i));
  const auto on_quick = static_cast<std::size_t>(std::ranges::count_if(
      keys, [&](const auto& k) { return cache.which(k) == quick.address(); }));
  ASSERT_TRUE(on_quick > 0 && on_quick < keys.size());

  run(io, [&]() -> net::awaitable<void> {
    auto arriving = cache.get_each(keys);
    std::vector<int> seen(keys.size());
    std::size_t n = 0;
    while (auto e = co_await arriving.next()) {
      EXPECT_EQ(e->key, keys[e->index]);
      EXPECT_EQ(value_of(e->reply), e->key);
      EXPECT_EQ(cache.which(e->key), n < on_quick ? quick.address() : late.address());
      ++seen[e->index];
      if (++n == on_quick) slow.open();
    }
    EXPECT_EQ(seen, std::vector<int>(keys.size(), 1));
  });
}

TEST(stream, tells_of_every_key_once_whatever_became_of_it) {
  const refusing_port gone;
  net::io_context io;
  async_client cache(io, options_for("memory://one,two," + gone.address()));
  run(io, [&]() -> net::awaitable<void> {
    std::vector<std::string> keys;
    for (int i = 0; i < 100; ++i) keys.push_back("k" + std::to_string(i));
    for (std::size_t i = 0; i < 50; ++i) (void)co_await cache.set(keys[i], keys[i]);
    keys.push_back("two words");
    keys.push_back("k1");  // once more
    keys.push_back("");

    auto arriving = cache.get_each(keys);
    std::vector<int> seen(keys.size());
    while (auto e = co_await arriving.next()) {
      const std::size_t i = e->index;
      ++seen[i];
      EXPECT_EQ(e->key, keys[i]);
      if (i == 100 || i == 102) {
        EXPECT_TRUE(fails(e->reply, errc::invalid_key));
      } else if (cache.which(keys[i]) == gone.address()) {
        EXPECT_TRUE(fails(e->reply, errc::connect_failed));
        EXPECT_TRUE(!e->reply && e->reply.error().server() == gone.address());
      } else {
        EXPECT_EQ(value_of(e->reply), i < 50 || i == 101 ? keys[i] : "miss");
      }
    }
    EXPECT_EQ(seen, std::vector<int>(keys.size(), 1));
    EXPECT_EQ(arriving.left(), 0u);
    EXPECT_FALSE(co_await arriving.next());
    EXPECT_FALSE(co_await arriving.next()) << "it stays at its end";
  });
}

TEST(stream, of_no_keys_ends_at_once) {
  net::io_context io;
  async_client cache(io, "memory://");
  run(io, [&]() -> net::awaitable<void> {
    auto arriving = cache.get_each(std::vector<std::string>());
    EXPECT_FALSE(co_await arriving.next());
  });
}

TEST(stream, keys_and_the_range_they_came_from_may_go) {
  net::io_context io;
  async_client cache(io, "memory://");
  run(io, [&]() -> net::awaitable<void> {
    const std::string longer(200, 'x');
    (void)co_await cache.set(longer, "here");
    auto keys = std::make_unique<std::vector<std::string>>(3, longer);
    auto arriving = cache.get_each(*keys);
    keys.reset();
    while (auto e = co_await arriving.next()) {
      EXPECT_EQ(e->key, longer);
      EXPECT_EQ(value_of(e->reply), "here");
    }
    // Made while they are read: each key lives no longer than its turn.
    auto made = std::views::iota(0, 3) |
                std::views::transform([&](int i) { return longer + std::to_string(i); });
    auto more = cache.get_each(made);
    while (auto e = co_await more.next()) EXPECT_EQ(e->key, longer + std::to_string(e->index));
  });
}

TEST(stream, reads_typed_values_and_those_of_several_items) {
  net::io_context io;
  async_client cache(io, "memory://a,b?split_over=10000");
  run(io, [&]() -> net::awaitable<void> {
    const std::string page(45'000, 'p');
    (void)co_await cache.set<std::string>("page", page);
    (void)co_await cache.set<std::string>("line", "short");
    (void)co_await cache.set("number", 42);

    auto texts = cache.get_each<std::string>({"page", "line", "number", "none"});
    std::map<std::string, std::string> found;
    while (auto e = co_await texts.next()) {
      found[std::string(e->key)] =
          e->reply ? *e->reply : std::string(name_of(e->reply.error().code()));
    }
    EXPECT_EQ(found.size(), 4u);
    EXPECT_TRUE(found["page"] == page);
    EXPECT_EQ(found["line"], "short");
    EXPECT_EQ(found["number"], "42");
    EXPECT_EQ(found["none"], "miss");

    auto numbers = cache.get_each<int>({"number", "line"});
    while (auto e = co_await numbers.next()) {
      EXPECT_TRUE(e->index == 0 ? e->reply == 42 : bool(fails(e->reply, errc::wrong_type)));
    }
  });
}

TEST(stream, has_the_attributes_that_were_asked_for) {
  net::io_context io;
  async_client cache(io, "memory://");
  run(io, [&]() -> net::awaitable<void> {
    (void)co_await cache.set("k", "v", {.flags = 7, .ttl = 60s});
    auto arriving = cache.get_each({"k"}, {.ttl = true, .size = true});
    const auto e = co_await arriving.next();
    EXPECT_TRUE(e && e->reply);
    if (!e || !e->reply) co_return;
    EXPECT_EQ(e->reply->flags, 7u);
    EXPECT_NE(e->reply->cas, 0u);
    EXPECT_TRUE(e->reply->ttl && *e->reply->ttl <= 60s);
    EXPECT_EQ(e->reply->size, 1u);
  });
}

// --- its end before the end ----------------------------------------------------------------------

TEST(stream, destroyed_early_leaves_the_connection_in_step) {
  gate rest;
  scripted_server server([&](peer& p) {
    p.expect("get a b c\r\n");
    p.send("VALUE a 0 1\r\n1\r\nVALUE b 0 5\r\nwr");
    rest.pass();
    p.send("ong\r\nVALUE c 0 5\r\nwrong\r\nEND\r\n");
    p.expect("get b\r\n");
    p.send("VALUE b 0 5\r\nright\r\nEND\r\n");
  });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  run(io, [&]() -> net::awaitable<void> {
    {
      auto arriving = cache.get_each({"a", "b", "c"});
      const auto e = co_await arriving.next();
      EXPECT_TRUE(e && e->key == "a");
    }
    rest.open();
    const auto after = co_await cache.get("b", {.cas = false});
    EXPECT_EQ(value_of(after), "right");
  });
  EXPECT_EQ(server.accepted(), 1u);
}

TEST(stream, destroyed_at_once_it_leaves_nothing_behind) {
  net::io_context io;
  async_client cache(io, "memory://one");
  for (int i = 0; i < 3; ++i) (void)cache.get_each({"a", "b"});
  io.run();
  // Nor when its executor never runs again.
  (void)cache.get_each({"a", "b"});
}

TEST(stream, destroyed_under_a_handler_that_waits_lets_it_know) {
  scripted_server server([](peer& p) { p.read_line(); });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  std::optional<stream> arriving(cache.get_each({"a", "b"}));
  bool called = false;
  arriving->next([&](std::optional<entry> e) {
    called = true;
    ASSERT_TRUE(e);
    EXPECT_TRUE(e->key == "a" || e->key == "b") << "the key is there as long as the handler runs";
    EXPECT_TRUE(fails(e->reply, errc::cancelled));
  });
  io.run_one_for(100ms);
  arriving.reset();
  const stopwatch w;
  while (!called && w.elapsed() < 5s) io.run_one_for(1s);
  EXPECT_TRUE(called);
}

TEST(stream, cancelling_who_waits_ends_the_call_and_no_key_is_lost) {
  for (const auto how : {net::cancellation_type::total, net::cancellation_type::partial,
                         net::cancellation_type::terminal}) {
    scripted_server server([](peer& p) {
      p.expect("get a b c\r\n");
      p.send("VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n");
    });
    net::io_context io;
    async_client cache(io, options_for(server.address()));
    net::cancellation_signal signal;
    auto arriving = cache.get_each({"a", "b", "c"});
    std::map<std::string, errc> found;
    bool over = false;
    const auto note = [&](std::optional<entry> e) {
      if (e) found[std::string(e->key)] = e->reply ? errc::ok : e->reply.error().code();
      over = !e;
    };
    arriving.next(note);
    while (found.empty()) io.run_one_for(5s);
    arriving.next(net::bind_cancellation_slot(signal.slot(), note));
    signal.emit(how);
    while (found.size() < 2) io.run_one_for(5s);
    arriving.next(note);
    arriving.next(note);
    while (!over) io.run_one_for(5s);
    EXPECT_EQ(found, (std::map<std::string, errc>{
                         {"a", errc::ok}, {"b", errc::cancelled}, {"c", errc::cancelled}}));
  }
}

TEST(stream, a_coroutine_that_is_cancelled_while_it_waits_ends) {
  scripted_server server([](peer& p) { p.read_line(); });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  net::cancellation_signal signal;
  int told = 0;
  bool ended = false;
  net::co_spawn(
      io,
      [&]() -> net::awaitable<void> {
        auto arriving = cache.get_each({"a", "b"});
        while (auto e = co_await arriving.next()) {
          ++told;
          EXPECT_TRUE(fails(e->reply, errc::cancelled));
        }
      },
      net::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { ended = true; }));
  io.run_one_for(100ms);
  signal.emit(net::cancellation_type::terminal);
  const stopwatch w;
  while (!ended && w.elapsed() < 5s) io.run_one_for(1s);
  EXPECT_TRUE(ended);
  EXPECT_EQ(told, 1) << "the next co_await throws";
  EXPECT_LT(w.elapsed(), 2s);
}

TEST(stream, cancel_tells_of_what_has_come_and_of_what_has_not) {
  scripted_server server([](peer& p) {
    p.read_line();
    p.send("VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n");
  });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  run(io, [&]() -> net::awaitable<void> {
    auto arriving = cache.get_each({"a", "b"});
    auto first = co_await arriving.next();
    EXPECT_TRUE(first && first->reply);
    arriving.cancel();
    auto second = co_await arriving.next();
    EXPECT_TRUE(second && fails(second->reply, errc::cancelled));
    EXPECT_FALSE(co_await arriving.next());
    arriving.cancel();
  });
}

TEST(stream, ends_at_its_deadline) {
  scripted_server server([](peer& p) {
    p.read_line();
    p.send("VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n");
  });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  run(io, [&]() -> net::awaitable<void> {
    const stopwatch w;
    auto arriving = cache.within(50ms).get_each({"a", "b"});
    auto first = co_await arriving.next();
    EXPECT_TRUE(first && first->reply);
    auto second = co_await arriving.next();
    EXPECT_TRUE(second && fails(second->reply, errc::timeout));
    EXPECT_FALSE(co_await arriving.next());
    EXPECT_GE(w.elapsed(), 50ms);
    EXPECT_LT(w.elapsed(), 3s);
  });
}

TEST(stream, outlives_the_client_with_errors) {
  scripted_server server([](peer& p) { p.read_line(); });
  net::io_context io;
  std::optional<async_client> cache(std::in_place, io, options_for(server.address()));
  run(io, [&]() -> net::awaitable<void> {
    auto arriving = cache->get_each({"a", "b"});
    cache.reset();
    int n = 0;
    while (auto e = co_await arriving.next()) {
      ++n;
      EXPECT_TRUE(fails(e->reply, errc::cancelled));
    }
    EXPECT_EQ(n, 2);
  });
}

TEST(stream, more_than_may_be_under_way_is_overloaded) {
  net::io_context io;
  scripted_server server([](peer& p) { p.expect("get first\r\n"); });
  async_client cache(io, options_for(server.address()), {.max_requests = 2});
  run(io, [&]() -> net::awaitable<void> {
    auto first = cache.get_each({"first"});
    auto arriving = cache.get_each({"a", "b"});
    int n = 0;
    while (auto e = co_await arriving.next()) {
      ++n;
      EXPECT_TRUE(fails(e->reply, errc::overloaded));
    }
    EXPECT_EQ(n, 2);
  });
}

TEST(stream, one_put_in_place_of_another_ends_it) {
  scripted_server server([](peer& p) {
    p.expect("get first\r\n");
    p.send("END\r\n");
    p.expect("get a\r\nget b\r\n");
    p.send("VALUE a 0 1\r\n1\r\nEND\r\nVALUE b 0 1\r\n2\r\nEND\r\n");
  });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  run(io, [&]() -> net::awaitable<void> {
    (void)co_await cache.get("first", {.cas = false});
    auto arriving = cache.get_each({"a"});
    co_await net::post(net::use_awaitable);  // until it is sent
    arriving = cache.get_each({"b"});
    EXPECT_EQ(arriving.left(), 1u);
    const auto e = co_await arriving.next();
    EXPECT_TRUE(e && e->key == "b" && value_of(e->reply) == "2");
    EXPECT_FALSE(co_await arriving.next());
  });
}

// --- who waits -----------------------------------------------------------------------------------

TEST(stream, several_may_wait_at_once_and_each_gets_another_key) {
  net::io_context io;
  async_client cache(io, "memory://");
  auto arriving = cache.get_each({"a", "b", "c"});
  std::vector<std::string> found;
  int over = 0;
  for (int i = 0; i < 5; ++i) {
    arriving.next([&](std::optional<entry> e) {
      if (e) {
        found.emplace_back(e->key);
      } else {
        ++over;
      }
    });
    EXPECT_EQ(static_cast<int>(found.size()) + over, 0) << "never inside the function that starts";
  }
  io.run();
  std::ranges::sort(found);
  EXPECT_EQ(found, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(over, 2);
}

TEST(stream, takes_other_tokens) {
  net::io_context io;
  async_client cache(io, "memory://");
  auto arriving = cache.get_each({"a"});
  auto first = arriving.next(net::use_future);
  auto second = arriving.next(net::use_future);
  io.run();
  const auto e = first.get();
  ASSERT_TRUE(e);
  EXPECT_TRUE(fails(e->reply, errc::miss));
  EXPECT_FALSE(second.get());
}

TEST(stream, calls_a_handler_where_its_executor_says) {
  net::io_context io;
  net::io_context other;
  async_client cache(io, "memory://");
  auto arriving = cache.get_each({"a"});
  bool called = false;
  arriving.next(net::bind_executor(other, [&](std::optional<entry>) { called = true; }));
  io.run();
  EXPECT_FALSE(called);
  other.run();
  EXPECT_TRUE(called);
}

// Counts what is allocated and not yet given back.
template <class T>
struct counting_allocator {
  using value_type = T;
  int* held;
  explicit counting_allocator(int& n) noexcept : held(&n) {}
  template <class U>
  counting_allocator(const counting_allocator<U>& other) noexcept : held(other.held) {}
  T* allocate(std::size_t n) {
    ++*held;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) noexcept {
    --*held;
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const counting_allocator&, const counting_allocator&) = default;
};

struct frugal_handler {
  using allocator_type = counting_allocator<char>;
  int* held;
  int* at_the_call;
  [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type(*held); }
  void operator()(std::optional<entry>) const { *at_the_call = *held; }
};

TEST(stream, gives_a_handler_s_memory_back_before_it_is_called) {
  scripted_server server([](peer& p) {
    p.read_line();
    p.send("VALUE a 0 1\r\n1\r\nEND\r\n");
  });
  net::io_context io;
  async_client cache(io, options_for(server.address()));
  auto arriving = cache.get_each({"a"});
  int held = 0;
  int at_the_call = -1;
  arriving.next(frugal_handler{&held, &at_the_call});
  EXPECT_GT(held, 0);
  const stopwatch w;
  while (at_the_call < 0 && w.elapsed() < 5s) io.run_one_for(1s);
  EXPECT_EQ(at_the_call, 0);
}

TEST(stream, consumers_on_many_threads_share_what_arrives) {
  net::thread_pool pool(4);
  async_client cache(net::any_io_executor(pool.get_executor()), options_for("memory://a,b,c"));
  constexpr std::size_t n = 2000;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < n; ++i) keys.push_back("k" + std::to_string(i));
  for (std::size_t i = 0; i < n; i += 2) {
    ASSERT_TRUE(cache.set(keys[i], keys[i], net::use_future).get());
  }
  for (int round = 0; round < 5; ++round) {
    auto arriving = cache.get_each(keys);
    std::vector<std::atomic<int>> seen(n);
    std::atomic<int> wrong = 0;
    std::vector<std::future<void>> consumers;
    for (int c = 0; c < 4; ++c) {
      consumers.push_back(net::co_spawn(
          pool,
          [&]() -> net::awaitable<void> {
            while (auto e = co_await arriving.next()) {
              ++seen[e->index];
              const bool right = e->index % 2 == 0 ? value_of(e->reply) == keys[e->index]
                                                   : fails(e->reply, errc::miss);
              if (!right || e->key != keys[e->index]) ++wrong;
            }
          },
          net::use_future));
    }
    for (auto& c : consumers) c.get();
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(std::ranges::all_of(seen, [](const auto& s) { return s == 1; }));
  }
}

TEST(stream, is_destroyed_on_one_thread_while_answers_come_on_others) {
  net::thread_pool pool(3);
  async_client cache(net::any_io_executor(pool.get_executor()), options_for("memory://a,b,c"));
  std::vector<std::string> keys(300, "k");
  for (int round = 0; round < 200; ++round) {
    auto arriving = cache.get_each(keys);
    auto one = arriving.next(net::use_future);
    if (round % 2 == 0) (void)one.get();
    auto gone = std::move(arriving);
  }
}

}  // namespace
}  // namespace memcxx::test
