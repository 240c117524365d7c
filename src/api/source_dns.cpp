// Servers that a name resolves to. See source.hpp.
// Never here: resolving (engine), sockets.
#include "api/source_dns.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <tuple>
#include <utility>

#include "api/text.hpp"
#include "engine/resolve.hpp"

namespace memcxx {

namespace {

// IPv4 before IPv6, each by number: 10.0.0.2 stands before 10.0.0.10. The text settles what differs
// only in its zone.
auto place_of(const std::string& address) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  const bool v4 = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  if (!v4) ::inet_pton(AF_INET6, address.substr(0, address.find('%')).c_str(), bytes.data());
  return std::tuple(!v4, bytes, address);
}

class dns final : public server_source {
 public:
  dns(std::string name, std::uint16_t port, api::resolver resolve)
      : name_(std::move(name)), port_(port), resolve_(std::move(resolve)) {}

  result<std::vector<server_address>> fetch(
      std::chrono::steady_clock::time_point deadline) override {
    if (std::string fault = api::host_fault(name_); !fault.empty())
      return api::invalid(std::move(fault));
    if (port_ == 0) return api::invalid("port 0 of " + api::in_quotes(name_) + " is none");
    auto addresses = resolve_(name_, deadline);
    if (!addresses) return std::unexpected(std::move(addresses).error());
    // Resolvers turn the order from answer to answer, and the order may decide where keys go.
    std::ranges::sort(*addresses, {}, place_of);
    const auto repeated = std::ranges::unique(*addresses);
    addresses->erase(repeated.begin(), repeated.end());
    if (addresses->empty())
      return std::unexpected(error(errc::resolve_failed, "the name has no address", name_));
    std::vector<server_address> out;
    for (std::string& a : *addresses) {
      server_address& s = out.emplace_back();
      s.host = std::move(a);
      s.port = port_;
    }
    return out;
  }

 private:
  std::string name_;
  std::uint16_t port_;
  api::resolver resolve_;
};

}  // namespace

std::unique_ptr<server_source> api::dns_source(std::string name, std::uint16_t port,
                                               resolver resolve) {
  return std::make_unique<dns>(std::move(name), port, std::move(resolve));
}

std::unique_ptr<server_source> dns_source(std::string name, std::uint16_t port) {
  return api::dns_source(std::move(name), port, engine::resolve);
}

}  // namespace memcxx
