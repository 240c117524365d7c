// Where a client's servers and options come from: a URI, a struct, or both; a prefix before every
// key; which server a key lives on; deadlines; and a distribution of one's own.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [distribution]
// Keys go by their first letter.
class alphabetical final : public memcxx::distribution {
 public:
  explicit alphabetical(std::size_t servers) : servers_(static_cast<std::uint32_t>(servers)) {}
  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    const auto letter = key.empty() ? 0U : static_cast<unsigned char>(key.front());
    return (letter + attempt) % servers_;
  }

 private:
  std::uint32_t servers_;
};
// [end]

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const std::string servers = named != nullptr ? named : "127.0.0.1";

  // [uri]
  memcxx::client shop(servers + "?prefix=shop:&timeout=250ms&connect_timeout=100ms&pool_size=8");
  shop.set("cart", "3 apples").value();  // stored as "shop:cart"
  // [end]
  memcxx::client plain(servers);
  expect(plain.get("shop:cart").value().value == "3 apples", "the prefix stands before the key");
  const memcxx::items carts = shop.get_many({"cart"});
  expect(carts[0].key == "cart", "results tell the key as it was asked for");

  // [options]
  memcxx::options defaults;  // the URI wins over what is set here
  defaults.timeout = 250ms;
  defaults.protocol = memcxx::protocol_choice::classic;
  auto parsed = memcxx::parse_uri(servers + "?protocol=meta", defaults);
  if (!parsed) {
    std::cerr << parsed.error() << '\n';  // what is wrong, and where
    return 1;
  }
  memcxx::client cache(*std::move(parsed));
  // [end]
  expect(cache.settings().timeout == 250ms, "the default holds");
  expect(cache.settings().protocol == memcxx::protocol_choice::meta, "the URI wins");

  // [which]
  for (const char* key : {"user:1", "user:2", "user:3"}) {
    const std::string server = cache.which(key);  // asks nobody
    cache.set(key, server).value();
  }
  // [end]
  for (const char* key : {"user:1", "user:2", "user:3"}) {
    memcxx::client one(cache.which(key));
    expect(one.get(key).has_value(), "the key is where which() says");
  }

  // [within]
  auto hurried = cache.within(20ms);  // the same servers and connections, another deadline
  auto item = hurried.get("user:1");
  // [end]
  expect(item.has_value() || item.error().whose() == memcxx::fault::clock, "a hit, or out of time");

  // [labels]
  // A label is what a server is called on the ring: a machine that takes another's place under the
  // same label takes over its keys, and no other key moves.
  memcxx::options before;
  for (int i = 1; i <= 3; ++i) {
    auto server = memcxx::parse_server("10.0.0." + std::to_string(i)).value();
    server.label = "cache-" + std::to_string(i);
    before.servers.push_back(server);
  }
  memcxx::options after = before;
  after.servers[1].host = "10.0.7.99";
  // [end]
  memcxx::client old_ring(before);
  memcxx::client new_ring(after);
  for (int i = 0; i < 100; ++i) {
    const std::string key = "user:" + std::to_string(i);
    const std::string then = old_ring.which(key);
    expect(new_ring.which(key) == (then == "10.0.0.2:11211" ? "10.0.7.99:11211" : then),
           "no key moves");
  }

  // [custom]
  memcxx::options by_letter = cache.settings();
  by_letter.custom_distribution = [](std::span<const memcxx::server_address> all) {
    return std::make_unique<alphabetical>(all.size());
  };
  memcxx::client sorted(std::move(by_letter));
  // [end]
  expect(sorted.which("apple") == sorted.which("avocado"), "the same letter, the same server");
  std::cout << "apple and avocado live together, on " << (sorted.servers().size())
            << " servers sorted by letter\n";
}
