// How a call can fail, whose fault that is, and the three ways to deal with it: look at the result,
// let it throw, or have failures count as misses.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [whose]
const char* what_to_do(const memcxx::error& e) {
  switch (e.whose()) {
    case memcxx::fault::none:
      return "nothing: it succeeded";
    case memcxx::fault::answer:  // miss, not_stored, exists, not_a_number
      return "an ordinary outcome";
    case memcxx::fault::caller:  // refused before a byte was sent
      return "correct the program";
    case memcxx::fault::server:
      return "look at the server";
    case memcxx::fault::network:
      return "go on without the cache, and look at the network";
    case memcxx::fault::clock:  // for a store: it may have happened, or not
      return "go on without the cache";
    case memcxx::fault::value:  // a typed read; the item is in the error
      return "compute it again, and look at who stores this key";
  }
  return "?";
}
// [end]

void show(const memcxx::error& e) { std::cout << e << "\n    -> " << what_to_do(e) << '\n'; }

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::client cache(named != nullptr ? named : "127.0.0.1");

  // Answers: the server did what was asked. They allocate nothing and carry no text.
  (void)cache.remove("errors:none");
  auto missing = cache.get("errors:none");
  expect(missing.error() == memcxx::errc::miss, "a miss");
  show(missing.error());

  // The caller's own faults are found before any I/O, and say what and where.
  auto spaced = cache.get("two words");
  expect(spaced.error() == memcxx::errc::invalid_key, "a key with a space is refused");
  show(spaced.error());
  auto late = cache.set("errors:late", "x", {.ttl = std::chrono::years(30)});
  expect(late.error() == memcxx::errc::invalid_argument, "a ttl beyond 2038 is refused");
  show(late.error());

  // The server's: a value over its item size (1 MiB unless it was started with -I).
  auto large = cache.set("errors:large", std::string(2'000'000, 'x'));
  expect(large.error() == memcxx::errc::value_too_large, "the server refuses 2 MB");
  show(large.error());
  expect(cache.ping()[0].reply.has_value(), "the connection survives");

  // The network's.
  // [throwing]
  memcxx::client nobody("127.0.0.1:1?timeout=250ms");
  try {
    nobody.set("errors:nobody", "x").value();
    expect(false, "value() throws");
  } catch (const std::bad_expected_access<memcxx::error>& e) {
    show(e.error());
  }
  // [end]

  // A client for which failures are misses. The caller's own faults still show.
  // [as_miss]
  memcxx::client calm("127.0.0.1:1?on_error=miss");
  expect(calm.get("errors:any").error() == memcxx::errc::miss, "a failure counts as a miss");
  expect(calm.get("two words").error() == memcxx::errc::invalid_key, "a bad key still shows");
  // [end]

  // What cannot be understood is refused when the client is made.
  // [uri]
  auto typo = memcxx::client::create("10.0.0.1?timeuot=1s");  // the constructor would throw
  expect(!typo, "an unknown option");
  std::cout << typo.error() << '\n';
  // [end]
}
