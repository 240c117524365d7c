// The servers of a client at one moment, and which of them a key belongs to.
// Never here: connections, health, bytes on the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/distribution.hpp>
#include <memcxx/options.hpp>

namespace memcxx::routing {

struct topology {
  std::vector<server_address> servers;
  std::vector<std::string> names;  // servers[i].name()
  std::unique_ptr<const distribution> where;
  std::string prefix;
  bool prefix_in_hash = true;

  // The index of the server for a key (without the prefix).
  [[nodiscard]] std::uint32_t home(std::string_view key) const noexcept;
};

// Builds it from options that `check` accepted.
result<topology> make_topology(const options& o);

}  // namespace memcxx::routing
