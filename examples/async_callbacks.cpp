// The asynchronous client with callbacks: a counter of logins per user, which reads, counts and
// stores without a thread that waits, and without coroutines.
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include <memcxx/async_client.hpp>

namespace net = memcxx::net;
using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [callbacks]
// A handler gets one result, of the type that the blocking client's call returns. It runs on the
// client's executor, never inside the call that was given it.
void log_in(memcxx::async_client cache, const std::string& user, std::function<void()> then) {
  cache.incr("logins:" + user, 1, {.initial = 1, .ttl = 1h},
             [cache, user, then](memcxx::result<memcxx::counter> n) mutable {
               if (!n) {
                 std::cout << "nobody counts: " << n.error() << '\n';
                 return then();
               }
               std::cout << user << " logs in, number " << n->value << '\n';
               cache.set("last", user, [then](memcxx::result<memcxx::stored> kept) {
                 if (!kept) std::cout << "not kept: " << kept.error() << '\n';
                 then();
               });
             });
}
// [end]

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  net::io_context io;
  memcxx::async_client cache(io, named != nullptr ? named : "127.0.0.1");
  memcxx::async_client nobody(io, "127.0.0.1:1");

  // [strand]
  // One handler at a time, however many threads are in run().
  auto strand = net::make_strand(io);
  auto last = std::make_shared<std::string>();
  auto keep = net::bind_executor(strand, [last](memcxx::result<memcxx::item> r) {
    if (r) *last = r->value;
  });
  // [end]

  log_in(cache, "ada", [&] {
    log_in(cache, "ada", [&] {
      log_in(nobody, "ada", [&] {
        cache.get("last", keep);
        cache.async_close(net::detached);  // when that is answered
        nobody.async_close(net::detached);
      });
    });
  });
  io.run();
  expect(*last == "ada", "the last one is kept");
}
