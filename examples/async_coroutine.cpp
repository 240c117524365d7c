// The first program of the asynchronous client: hello.cpp with coroutines, on one thread. The page
// on the asynchronous client shows the parts between the marks, and a test compares its output.
#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

#include <memcxx/async_client.hpp>

// [hello]
namespace net = memcxx::net;  // asio, or boost::asio
using namespace std::chrono_literals;

net::awaitable<void> hello(memcxx::async_client cache) {
  (co_await cache.set("greeting", "hello", {.ttl = 60s})).value();

  if (auto hit = co_await cache.get("greeting")) {
    std::cout << hit->value << '\n';
  } else if (hit.error() == memcxx::errc::miss) {
    std::cout << "nobody has greeted yet\n";
  } else {
    std::cout << hit.error() << '\n';  // which server, and what it said
  }

  auto visits = (co_await cache.incr("visits", 1, {.initial = 1, .ttl = 1h})).value();
  std::cout << "visit number " << visits << '\n';

  const std::array<std::string_view, 3> keys = {"greeting", "visits", "unheard-of"};
  auto found = co_await cache.get_many(keys);  // over all servers at once
  for (const auto& e : found) {
    std::cout << e.key << ": " << (e ? e.value : memcxx::name_of(e.status.code())) << '\n';
  }

  memcxx::async_client nobody(cache.get_executor(), "127.0.0.1:1");
  std::cout << (co_await nobody.get("greeting")).error() << '\n';

  co_await cache.async_close();  // so that run() returns now, and not a timeout later
}
// [end]

int main() try {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const char* servers = named != nullptr ? named : "127.0.0.1";
  // [main]
  net::io_context io;
  memcxx::async_client cache(io, servers);  // lists, URIs and options as memcxx::client
  net::co_spawn(io, hello(cache), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);  // out of run()
  });
  io.run();
  // [end]
} catch (const std::bad_expected_access<memcxx::error>& e) {
  std::cerr << e.error() << '\n';
  return 1;
}
