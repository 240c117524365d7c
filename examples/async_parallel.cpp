// Many calls at once: one after the other, side by side, whichever is first, within a deadline, and
// given up half-way. The coroutines and their calls share one connection to each server.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/async_client.hpp>

#if defined(MEMCXX_BOOST_ASIO)
#include <boost/asio/experimental/awaitable_operators.hpp>
#else
#include <asio/experimental/awaitable_operators.hpp>
#endif

namespace net = memcxx::net;
using namespace net::experimental::awaitable_operators;
using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [both]
net::awaitable<std::string> page_for(memcxx::async_client cache, std::string user) {
  // Side by side: what takes longest is what this takes.
  auto [name, visits, theme] =
      co_await (cache.get("name:" + user) && cache.incr("visits:" + user, 1, {.initial = 1}) &&
                cache.get("theme:" + user));
  std::string page = name ? name->value : "somebody";
  if (visits) page += ", visit " + std::to_string(visits->value);
  co_return page + ", " + (theme ? theme->value : "plain");
}
// [end]

// [many]
net::awaitable<std::size_t> spread(memcxx::async_client cache, std::vector<std::string> keys) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& k : keys) pairs.emplace_back(k, "value of " + k);
  auto stored = co_await cache.set_many(pairs, {.ttl = 60s});  // stored[i]: of pairs[i]
  auto found = co_await cache.get_many(keys);                  // found[i]: of keys[i]
  co_return stored.all() ? found.hits() : 0;
}
// [end]

// [batch]
net::awaitable<std::string> in_one_go(memcxx::async_client cache) {
  memcxx::batch b;  // stays where it is until run() has answered
  b.set("batch:name", "ada");
  auto name = b.get("batch:name");
  auto visits = b.incr("batch:visits", 1, {.initial = 1});
  auto outcome = co_await cache.run(b);
  if (!outcome) co_return outcome.error().what();
  co_return (*name)->value + " " + std::to_string((*visits)->value);
}
// [end]

// [deadline]
net::awaitable<memcxx::result<memcxx::item>> hurried(memcxx::async_client cache) {
  co_return co_await cache.within(50ms).get("slow");  // errc::timeout when it is late
}
// [end]

// [race]
// The item, or `otherwise` after `patience`: the other one is cancelled.
net::awaitable<std::string> get_or(memcxx::async_client cache, std::string key,
                                   std::string otherwise, std::chrono::milliseconds patience) {
  net::steady_timer alarm(co_await net::this_coro::executor, patience);
  auto first = co_await (cache.get(key) || alarm.async_wait(net::use_awaitable));
  if (first.index() == 1) co_return otherwise;
  auto& item = std::get<0>(first);
  co_return item ? item->value : otherwise;
}
// [end]

// [cancel]
void give_up(memcxx::async_client& cache) {
  // Stays until the handler was called.
  auto stop = std::make_shared<net::cancellation_signal>();
  auto handler = [stop](memcxx::result<memcxx::item> r) {
    if (!r && r.error() == memcxx::errc::cancelled) std::cout << "gave up\n";
  };
  cache.get("slow", net::bind_cancellation_slot(stop->slot(), handler));
  stop->emit(net::cancellation_type::total);
}
// [end]

net::awaitable<void> run(memcxx::async_client cache, memcxx::async_client slow) {
  (co_await cache.set("name:1", "ada")).value();
  const std::string page = co_await page_for(cache, "1");
  expect(page == "ada, visit 1, plain", "a page of three items");

  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back("parallel:" + std::to_string(i));
  expect(co_await spread(cache, keys) == keys.size(), "all are hits");
  expect(co_await in_one_go(cache) == "ada 1", "what the batch stored");
  std::cout << page << "; " << keys.size() << " others side by side\n";

  const auto late = co_await hurried(slow);
  expect(!late && late.error() == memcxx::errc::timeout, "nobody answers");
  expect(co_await get_or(cache, "name:1", "nobody", 10s) == "ada", "in time");
  expect(co_await get_or(slow, "name:1", "nobody", 50ms) == "nobody", "too late");
  give_up(slow);
  co_await slow.async_close();
  co_await cache.async_close();
}

}  // namespace

int main() {
  net::io_context io;
  // A server that takes connections and never answers.
  net::ip::tcp::acceptor silent(io, {net::ip::address_v4::loopback(), 0});
  memcxx::async_client slow(io, "127.0.0.1:" + std::to_string(silent.local_endpoint().port()));

  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::async_client cache(io, named != nullptr ? named : "127.0.0.1");
  net::co_spawn(io, run(cache, slow), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}
