// Counters: creating one with its first value, counting up and down, and the outcomes that are not
// a number.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <string_view>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [read]
// The server counts down in place, and fills a number that became shorter with spaces: "10" less 1
// reads back as "9 ". incr and decr return numbers; a get returns these bytes.
std::uint64_t number_in(std::string_view text) {
  std::uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}
// [end]

// [portable]
// The classic protocol cannot create a counter. This can, with any protocol: add stores only when
// nobody else was faster, and either way there is something to count on afterwards.
memcxx::result<memcxx::counter> count_visit(memcxx::client& cache, std::string_view key) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto n = cache.incr(key);
    if (n || n.error() != memcxx::errc::miss) return n;
    auto added = cache.add(key, "0", {.ttl = 1h});
    if (!added && added.error() != memcxx::errc::not_stored) return std::unexpected(added.error());
  }
  return std::unexpected(memcxx::errc::miss);
}
// [end]

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::client cache(named != nullptr ? named : "127.0.0.1");
  (void)cache.remove_many({"counter", "portable", "text"});

  // [count]
  auto nothing = cache.incr("counter");                               // errc::miss
  auto first = cache.incr("counter", 1, {.initial = 10, .ttl = 1h});  // created as 10
  auto second = cache.incr("counter", 5);                             // 15
  auto third = cache.decr("counter", 100);                            // 0: it stops there
  // [end]
  expect(nothing.error() == memcxx::errc::miss, "nothing to count on yet");
  expect(first && *first == 10U, "the initial value, not yet counted up");
  expect(second && second->value == 15, "15");
  expect(third && third->value == 0, "decr stops at 0");
  std::cout << *first << ", " << *second << ", " << *third << '\n';

  cache.set("counter", "10").value();
  cache.decr("counter").value();
  const auto item = cache.get("counter").value();
  std::cout << "read back: \"" << item.value << "\", which is " << number_in(item.value) << '\n';
  expect(number_in(item.value) == 9, "9, padded or not");

  cache.incr("counter", std::numeric_limits<std::uint64_t>::max() - 9).value();
  expect(cache.incr("counter").value() == 0U, "incr wraps at 2^64");

  cache.set("text", "not a number").value();
  auto wrong = cache.incr("text");
  expect(wrong.error() == memcxx::errc::not_a_number, "not a number");
  std::cout << "incr on text: " << wrong.error() << '\n';

  memcxx::options o = cache.settings();
  o.protocol = memcxx::protocol_choice::classic;
  memcxx::client classic(o);
  auto refused = classic.incr("portable", 1, {.initial = 1});
  expect(refused.error() == memcxx::errc::not_supported, "classic cannot create a counter");
  std::cout << refused.error() << '\n';
  expect(count_visit(classic, "portable").value() == 1U, "the first visit");
  expect(count_visit(classic, "portable").value() == 2U, "the second visit");
}
