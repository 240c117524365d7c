// A user's asynchronous program: an installed memcxx, its public headers, no server.
// Never here: anything of the source tree.
#include <iostream>

#include <memcxx/async_client.hpp>

namespace net = memcxx::net;

net::awaitable<void> greet(memcxx::async_client cache, int& failed) {
  const auto stored = co_await cache.set("greeting", "hello");
  const auto hit = co_await cache.get("greeting");
  const auto nothing = co_await cache.get<int>("nothing");
  failed =
      stored && hit && hit->value == "hello" && !nothing && nothing.error() == memcxx::errc::miss
          ? 0
          : 1;
}

int main() {
  int failed = 2;
  net::io_context io;
  memcxx::async_client cache(io, "memory://");
  net::co_spawn(io, greet(cache, failed), net::detached);
  io.run();
  std::cout << "asynchronous: " << (failed == 0 ? "hello" : "failed") << '\n';
  return failed;
}
