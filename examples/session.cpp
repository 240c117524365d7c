// Low-level access: one connection to one server, and verbs that go to a server instead of a key.
#include <cstdlib>
#include <iostream>
#include <variant>

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

  // [everywhere]
  for (const auto& [server, version] : cache.version()) {
    if (!version) std::cout << server << " does not answer: " << version.error() << '\n';
  }
  // [end]
  expect(cache.version()[0].reply.has_value(), "the first server answers");

  // [session]
  const std::string first = cache.servers().front();
  memcxx::session one = cache.open(first).value();
  one.connect().value();  // or at the first request
  std::cout << "speaks " << memcxx::name_of(one.speaks()) << '\n';

  one.set("here", "on this server, wherever its key would live").value();
  auto settings = one.execute(memcxx::commands::stats{"settings"}).value();
  // [end]
  expect(one.connected() && one.server() == first, "connected");
  expect(one.get("here").has_value(), "the item is on this server");

  // Statistics are numbers where the server prints one, else text.
  const auto limit = settings.find("maxbytes");
  expect(limit != settings.end() && std::holds_alternative<std::uint64_t>(limit->second),
         "maxbytes is a number");
  std::cout << "maxbytes " << std::get<std::uint64_t>(limit->second) << '\n';

  one.disconnect();
  expect(!one.connected(), "disconnected");
  expect(one.remove("here").has_value(), "the next call opens another connection");

  auto unknown = cache.open("nowhere:11211");
  expect(unknown.error() == memcxx::errc::invalid_argument, "not one of the client's servers");
  std::cout << unknown.error() << '\n';
}
