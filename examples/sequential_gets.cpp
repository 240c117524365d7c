// Many gets, one after the other, over one connection and with a deadline each: what a get costs in
// system calls. Run it under strace:
//   scripts/with_servers 1 strace -f -c build/bin/example_sequential_gets 10000
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::client cache(named != nullptr ? named : "127.0.0.1");
  const int gets = argc > 1 ? std::atoi(argv[1]) : 1000;

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
