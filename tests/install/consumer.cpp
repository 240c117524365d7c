// What a user's program is made of: an installed memcxx, its public headers, no server.
// Never here: anything of the source tree.
#include <iostream>
#include <vector>

#include <memcxx/client.hpp>
#include <memcxx/msgpack.hpp>
#include <memcxx/version.hpp>

int main() {
  memcxx::client cache{"memory://"};
  if (!cache.set("greeting", "hello")) return 1;

  const auto hit = cache.get("greeting");
  if (!hit || hit->value != "hello") return 2;
  if (!cache.set("list", std::vector<int>{1, 2})) return 4;
  if (cache.get<std::vector<int>>("list").value_or(std::vector<int>{}).size() != 2) return 5;
  const auto nothing = cache.get("nothing");
  if (nothing || nothing.error() != memcxx::errc::miss) return 3;

  std::cout << "memcxx " << memcxx::library_version << " says " << hit->value << '\n';
}
