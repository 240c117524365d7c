// A batch: any verbs, queued and sent in one go. Each reply has its own type.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include <memcxx/client.hpp>

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
  memcxx::client cache(named != nullptr ? named : "127.0.0.1");
  cache.set("batch:name", "Ada").value();
  (void)cache.remove_many({"batch:visits", "batch:session", "batch:none"});

  // [batch]
  memcxx::batch b;
  auto name = b.get("batch:name");                             // batch_reply<item>
  auto visits = b.incr("batch:visits", 1, {.initial = 1});     // batch_reply<counter>
  auto session = b.set("batch:session", "…", {.ttl = 30min});  // batch_reply<stored>
  auto none = b.get("batch:none");

  auto outcome = cache.run(b);  // the first error that is no plain answer, if there is one
  if (*name) std::cout << "name: " << (*name)->value << '\n';
  if (*visits) std::cout << "visits: " << (*visits)->value << '\n';
  if (!*none) std::cout << "none: " << none->error() << '\n';
  // [end]
  expect(outcome.has_value(), "a miss is a plain answer");
  expect(*name && (*name)->value == "Ada", "the name");
  expect(*visits && **visits == 1U, "the first visit");
  expect(session->has_value(), "stored");
  expect(none->error() == memcxx::errc::miss, "a miss");

  // Requests to one server keep their order: the counter below is set before it is read.
  memcxx::batch ordered;
  ordered.set("batch:visits", "41", {.quiet = true});  // only errors are answered
  auto after = ordered.incr("batch:visits");
  expect(cache.run(ordered).has_value() && **after == 42U, "in the order queued");
  std::cout << "in order: " << (*after)->value << '\n';

  // What cannot be sent fails by itself, and is what run() reports.
  memcxx::batch bad;
  auto refused = bad.get("two words");
  auto fine = bad.get("batch:name");
  auto first = cache.run(bad);
  expect(!first && first.error() == memcxx::errc::invalid_key, "the batch tells of the failure");
  expect(refused->error() == memcxx::errc::invalid_key && fine->has_value(), "the rest was run");
  std::cout << first.error() << '\n';

  // Outside a batch, a quiet store returns as soon as it is written.
  // [quiet]
  cache.set("batch:last-seen", "today", {.quiet = true}).value();  // value(): it was written
  std::uint64_t lost = cache.unclaimed_errors();  // failures that were learned of afterwards
  // [end]
  expect(lost == 0 && cache.get("batch:last-seen").has_value(), "stored");
}
