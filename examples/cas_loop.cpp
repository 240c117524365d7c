// Changing a value that others change at the same moment: read it with its cas token, store only if
// it is still the same, and begin again when it is not.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <memcxx/client.hpp>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [loop]
// Replaces the item's value by change(value); a missing item counts as empty. Bounded, because
// under enough contention one writer may lose for ever.
memcxx::result<memcxx::stored> update(memcxx::client& cache, std::string_view key,
                                      const std::function<std::string(std::string)>& change) {
  memcxx::result<memcxx::stored> outcome = std::unexpected(memcxx::errc::exists);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    auto item = cache.get(key);
    if (item) {
      outcome = cache.cas(key, change(item->value), item->cas, {.flags = item->flags});
    } else if (item.error() == memcxx::errc::miss) {
      outcome = cache.add(key, change({}));
    } else {
      return std::unexpected(item.error());
    }
    if (outcome) return outcome;
    const memcxx::errc why = outcome.error().code();
    const bool changed = why == memcxx::errc::exists          // somebody else stored
                         || why == memcxx::errc::miss         // somebody removed it
                         || why == memcxx::errc::not_stored;  // somebody else added it
    if (!changed) return outcome;  // a failure: after a timeout it may be stored, or not
  }
  return outcome;
}
// [end]

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::client cache(named != nullptr ? named : "127.0.0.1");
  (void)cache.remove("letters");  // which may be missing

  // A token that is no longer the item's does not store.
  cache.set("letters", "").value();
  const auto old = cache.get("letters").value();
  cache.set("letters", "").value();
  auto late = cache.cas("letters", "too late", old.cas);
  expect(late.error() == memcxx::errc::exists, "an old token");
  std::cout << "an old token: " << late.error() << '\n';

  // Four writers, each of whom adds its letter ten times; not one letter is lost.
  std::vector<std::thread> writers;
  for (char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([cache, letter]() mutable {
      for (int i = 0; i < 10; ++i) {
        update(cache, "letters", [letter](std::string s) { return s + letter; }).value();
      }
    });
  }
  for (std::thread& w : writers) w.join();

  const std::string letters = cache.get("letters").value().value;
  expect(letters.size() == 40, "40 letters");
  for (char letter : {'a', 'b', 'c', 'd'}) {
    expect(std::count(letters.begin(), letters.end(), letter) == 10, "10 of each");
  }
  std::cout << "40 letters by four writers, none lost\n";
}
