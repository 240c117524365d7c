// Addresses that need no resolving. See endpoint.hpp.
#include "transport/endpoint.hpp"

#include <cstddef>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace memcxx::transport {

std::optional<endpoint> numeric_endpoint(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  endpoint e;
  std::memcpy(&e.address, found->ai_addr, found->ai_addrlen);
  e.length = found->ai_addrlen;
  ::freeaddrinfo(found);
  return e;
}

std::optional<endpoint> unix_endpoint(const std::string& path) {
  endpoint e;
  auto* un = reinterpret_cast<sockaddr_un*>(&e.address);
  if (path.size() >= sizeof un->sun_path) return {};
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
  e.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return e;
}

}  // namespace memcxx::transport
