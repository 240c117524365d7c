// Where a socket can connect to: an address that needs no more resolving.
// Never here: what memcached is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace memcxx::transport {

struct endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
  [[nodiscard]] int family() const noexcept { return address.ss_family; }
};

// A numeric IPv4 or IPv6 address (without brackets; a zone as in "fe80::1%eth0" is understood).
// Empty when `host` is a name.
std::optional<endpoint> numeric_endpoint(const std::string& host, std::uint16_t port);

// A unix socket. Empty when the path is too long for the system.
std::optional<endpoint> unix_endpoint(const std::string& path);

}  // namespace memcxx::transport
