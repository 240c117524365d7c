// memory://: memcached's semantics inside the process, for tests and for programs that may run
// without a server. A test sets the clock and needs not sleep to see an item expire.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include <memcxx/client.hpp>
#include <memcxx/memory.hpp>

using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// What a program would test: it is given a client, and does not know what is behind it.
bool log_in(memcxx::client& cache, std::string_view user) {
  return cache.add(std::string("session:").append(user), "…", {.ttl = 30min}).has_value();
}

}  // namespace

int main() {
  memcxx::client simple("memory://?memory_limit=16MiB");
  expect(log_in(simple, "ada"), "the first time");
  expect(!log_in(simple, "ada"), "she is in already");

  // [clock]
  std::chrono::sys_seconds now{1'700'000'000s};
  memcxx::options o;
  o.drivers["memory"] = [&now](const memcxx::server_address&, const memcxx::options&) {
    return std::make_shared<memcxx::memory_driver>(
        memcxx::memory_options{.clock = [&now] { return now; }});
  };
  memcxx::client cache(memcxx::parse_uri("memory://", o).value());

  log_in(cache, "ada");
  now += 29min;
  const bool too_early = log_in(cache, "ada");  // false: the session is still there
  now += 2min;
  const bool expired = log_in(cache, "ada");  // true
  // [end]
  expect(!too_early && expired, "thirty minutes and no more");

  // Several of them make a cluster, and everything else is as with servers.
  memcxx::client cluster("memory://one,two,three");
  for (int i = 0; i < 30; ++i) cluster.set("key:" + std::to_string(i), "value").value();
  for (const auto& [server, stats] : cluster.stats()) {
    std::cout << server << ": " << std::get<std::uint64_t>(stats.value().at("curr_items"))
              << " items\n";
  }
  expect(cluster.get_many({"key:1", "key:2", "key:30"}).hits() == 2, "hits and a miss");
}
