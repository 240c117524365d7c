// Many gets, one after the other, over one connection and with a deadline each: what a get costs in
// system calls. Takes the number of gets and the protocol. Run it under strace:
//   scripts/with_servers 1 strace -f -c build/bin/example_sequential_gets 10000 auto
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const int gets = argc > 1 ? std::atoi(argv[1]) : 1000;
  auto options = memcxx::parse_uri(std::string(named != nullptr ? named : "127.0.0.1") +
                                   "?protocol=" + (argc > 2 ? argv[2] : "auto"));
  if (!options) {
    std::cerr << options.error() << '\n';
    return 2;
  }
  memcxx::client cache(*std::move(options));

  auto hurried = cache.within(250ms);
  hurried.set("sequential", std::string(100, 'x')).value();
  for (int i = 0; i < gets; ++i) {
    if (hurried.get("sequential").value().value.size() != 100) {
      std::cerr << "not as expected: the value has 100 bytes\n";
      return 1;
    }
  }
  std::cout << gets << " gets\n";
}
