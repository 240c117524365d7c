// The first program: store, read, count, ask for many keys at once, and see a failure.
// The README shows the part between the marks, and a test compares its output with the README's.
#include <chrono>
#include <cstdlib>
#include <expected>
#include <iostream>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

int main() try {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const char* servers = named != nullptr ? named : "127.0.0.1";
  // [hello]
  memcxx::client cache(servers);  // "10.0.0.1,10.0.0.2:11212?timeout=250ms", "unix:/run/mc.sock", …

  cache.set("greeting", "hello", {.ttl = 60s}).value();  // value() throws, for those who want that

  if (auto hit = cache.get("greeting")) {
    std::cout << hit->value << '\n';
  } else if (hit.error() == memcxx::errc::miss) {
    std::cout << "nobody has greeted yet\n";
  } else {
    std::cout << hit.error() << '\n';  // which server, and what it said
  }

  auto visits = cache.incr("visits", 1, {.initial = 1, .ttl = 1h}).value();
  std::cout << "visit number " << visits << '\n';

  // Over all servers at once. Each key has its own outcome: a hit, a miss or an error.
  for (const auto& e : cache.get_many({"greeting", "visits", "unheard-of"})) {
    std::cout << e.key << ": " << (e ? e.value : memcxx::name_of(e.status.code())) << '\n';
  }

  memcxx::client nobody("127.0.0.1:1");
  std::cout << nobody.get("greeting").error() << '\n';  // a failure is never taken for a miss
  // [end]
} catch (const std::bad_expected_access<memcxx::error>& e) {
  std::cerr << e.error() << '\n';  // what() of the exception itself does not know the reason
  return 1;
}
