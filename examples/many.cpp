// Many keys in one call: all servers are asked at once, and what one server fails to answer does
// not take the others' answers away.
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/client.hpp>

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

  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back("many:" + std::to_string(i));

  // [store]
  std::vector<memcxx::store_entry> entries;
  for (const std::string& k : keys) {
    entries.push_back({.key = k, .value = "value", .options = {.ttl = std::chrono::hours(1)}});
  }
  auto outcome = cache.set_many(entries);  // outcome[i] is what became of entries[i]
  std::cout << outcome.size() - outcome.failures() << " of " << outcome.size() << " stored\n";
  // [end]
  expect(outcome.all(), "all are stored");

  auto all = cache.get_many(keys);
  expect(all.hits() == keys.size() && all.failures() == 0, "all are hits");

  // The same servers, and one that is not there: the keys that live on it fail, the rest do not.
  memcxx::options o = cache.settings();
  o.servers.push_back(memcxx::parse_server("127.0.0.1:1").value());
  memcxx::client partly(std::move(o));

  // [partial]
  auto found = partly.get_many(keys);
  std::size_t misses = 0;
  memcxx::error last;
  for (const auto& e : found) {
    if (e.hit()) continue;  // e.value, e.flags; e.cas if it was asked for
    if (e.miss()) {
      ++misses;
    } else {
      last = e.status;  // what went wrong, and at which server
    }
  }
  std::cout << found.hits() << " hits, " << misses << " misses, " << found.failures()
            << " failures: " << last << '\n';
  // [end]
  expect(found.size() == keys.size(), "an entry for each key, in order");
  expect(found[7].key == keys[7], "in the order asked");
  expect(found.failures() > 0 && found.hits() > 0, "some fail, some do not");
  expect(last == memcxx::errc::connect_failed && last.server() == "127.0.0.1:1", "it says where");

  // A key that cannot be sent fails alone.
  auto mixed = cache.get_many({"many:1", "two words", "many:2"});
  expect(mixed[0].hit() && mixed[1].status == memcxx::errc::invalid_key && mixed[2].hit(),
         "a bad key fails alone");

  auto removed = cache.remove_many({"many:1", "many:2", "many:none"});
  expect(removed[0] && removed[1] && removed[2].error() == memcxx::errc::miss, "two were there");
  std::cout << "the third was not there: " << removed[2].error() << '\n';
}
