// Distributions without a client: how many keys move when a server is added, by distribution. Asks
// no server.
#include <cstddef>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

#include <memcxx/distribution.hpp>
#include <memcxx/options.hpp>

namespace {

// [moved]
// How many of 100 keys move to another server, on average.
std::size_t moved(std::string_view name, std::span<const memcxx::server_address> before,
                  std::span<const memcxx::server_address> after) {
  const auto old_places = memcxx::make_distribution(name, before).value();
  const auto new_places = memcxx::make_distribution(name, after).value();
  std::size_t n = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = "user:" + std::to_string(i);
    if (old_places->pick(key) != new_places->pick(key)) ++n;
  }
  return n / 100;
}
// [end]

}  // namespace

int main() {
  // [use]
  auto five = memcxx::parse_uri("10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5").value().servers;
  const std::span four(five.data(), 4);
  for (const char* name :
       {"ketama", "jump", "maglev", "pymemcache", "python-memcached", "modula"}) {
    std::cout << name << ": " << moved(name, four, five) << " of 100 keys move\n";
  }
  // [end]

  // Whatever is listed can be made, and a hash can be named only where one can be chosen.
  for (const std::string_view name : memcxx::distribution_names()) {
    if (memcxx::make_distribution(name, five)) continue;
    std::cerr << "not as expected: " << name << " is listed\n";
    return 1;
  }
  const bool chosen = memcxx::make_distribution("twemproxy-ketama/murmur", five).has_value();
  const auto refused = memcxx::make_distribution("dalli/md5", five);
  if (!chosen || refused) {
    std::cerr << "not as expected: twemproxy has many hashes, dalli one\n";
    return 1;
  }
}
