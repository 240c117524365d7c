// The asynchronous client with futures: for threads that want many answers at once and have no
// event loop. One thread in the background serves them all.
#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include <memcxx/async_client.hpp>

namespace net = memcxx::net;
using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const char* servers = named != nullptr ? named : "127.0.0.1";
  // [futures]
  net::thread_pool loop(1);
  memcxx::async_client cache(loop, servers);

  // Nobody waits yet: all of these share one connection to each server.
  std::vector<std::future<memcxx::result<memcxx::stored>>> stores;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "future:" + std::to_string(i);
    stores.push_back(cache.set(key, key, {.ttl = 60s}, net::use_future));
  }
  for (auto& s : stores) s.get().value();  // get(): the result; value(): it was stored

  std::future<memcxx::result<int>> pending = cache.get<int>("future:none", net::use_future);
  // [end]
  const memcxx::result<int> none = pending.get();
  expect(!none && none.error() == memcxx::errc::miss, "a miss comes as a result, too");

  // [with]
  auto futures = cache.with(net::use_future);  // the same client, where that is said once
  std::string value = futures.get("future:7").get().value().value;
  // [end]
  expect(value == "future:7", "its own value");
  std::cout << "100 stores in flight at once, and \"" << value << "\" came back\n";

  // [close]
  cache.async_close(net::use_future).get();  // waits for calls under way
  loop.join();
  // [end]
  auto late = cache.get("future:7", net::use_future);
  expect(late.valid(), "a closed client still answers");
}
