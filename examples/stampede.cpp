// When a popular item is missing, about to expire, or out of date, let one caller refresh it, and
// the others go on with what there is. The server picks the one; needs the meta protocol.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

std::atomic<int> computed = 0;

std::string compute() {
  ++computed;
  std::this_thread::sleep_for(20ms);  // a slow query
  return "the answer";
}

// [read]
// The value from the cache, or computed by one caller for all. The stub that holds the place of a
// missing item lives for 30 s, in case its winner never comes back.
std::string read_through(memcxx::client& cache, std::string_view key) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto item = cache.get(key, {.vivify = 30s, .recache = 10s});
    if (!item) break;  // a failure: work without the cache
    if (item->won) {   // this caller is to refresh the item
      std::string value = compute();
      (void)cache.set(key, value, {.ttl = 60s});  // what is not stored is computed again
      return value;
    }
    const bool stub = item->already_won && item->value.empty();
    if (!stub) return item->value;  // fresh, or old but good enough while somebody refreshes it
    std::this_thread::sleep_for(5ms);
  }
  return compute();
}
// [end]

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::client cache(named != nullptr ? named : "127.0.0.1");
  (void)cache.remove("popular");

  // Missing: sixteen callers at once, and one of them computes.
  std::vector<std::thread> callers;
  std::atomic<int> right = 0;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([cache, &right]() mutable {
      if (read_through(cache, "popular") == "the answer") ++right;
    });
  }
  for (std::thread& c : callers) c.join();
  expect(right == 16 && computed == 1, "one computes for all");
  std::cout << right << " callers, computed " << computed << " time\n";

  // About to expire: the first reader wins, the others keep reading what there is.
  cache.set("popular", "old", {.ttl = 5s}).value();
  auto first = cache.get("popular", {.recache = 10s}).value();
  auto second = cache.get("popular", {.recache = 10s}).value();
  expect(first.won && first.value == "old", "the first is to refresh it");
  expect(!second.won && second.already_won && second.value == "old", "the second is not");
  std::cout << "about to expire: the first reader refreshes, the others read \"" << second.value
            << "\"\n";

  // [stale]
  // Out of date: instead of removing an item, mark it. Readers go on, one of them refreshes.
  cache.set("popular", "out of date", {.ttl = 60s}).value();
  cache.remove("popular", {.invalidate = true, .ttl = 30s}).value();
  auto winner = cache.get("popular").value();
  if (winner.stale && winner.won) {
    // With the token, so that a newer invalidation is not overwritten.
    cache.cas("popular", "up to date", winner.cas, {.ttl = 60s}).value();
  }
  // [end]
  expect(winner.won && winner.stale && winner.value == "out of date", "stale, and won");
  auto fresh = cache.get("popular").value();
  expect(!fresh.stale && !fresh.won && fresh.value == "up to date", "refreshed");
  std::cout << "out of date: marked stale, then \"" << fresh.value << "\"\n";
}
