// Where a key goes. See topology.hpp.
#include "routing/topology.hpp"

#include <array>
#include <cstring>
#include <utility>

#include <memcxx/protocol/request.hpp>

namespace memcxx::routing {

std::uint32_t topology::home(std::string_view key) const noexcept {
  if (servers.size() == 1) return 0;
  if (prefix.empty() || !prefix_in_hash) return where->pick(key);
  std::array<char, protocol::max_key_size> whole;
  if (prefix.size() + key.size() > whole.size()) return where->pick(key);  // refused elsewhere
  std::memcpy(whole.data(), prefix.data(), prefix.size());
  if (!key.empty()) std::memcpy(whole.data() + prefix.size(), key.data(), key.size());
  return where->pick({whole.data(), prefix.size() + key.size()});
}

result<topology> make_topology(const options& o) {
  topology t;
  t.servers = o.servers;
  for (const server_address& s : t.servers) t.names.push_back(s.name());
  t.prefix = o.prefix;
  t.prefix_in_hash = o.prefix_in_hash;
  if (o.custom_distribution) {
    t.where = o.custom_distribution(t.servers);
    if (t.where == nullptr) {
      return std::unexpected(
          error(errc::invalid_argument, "custom_distribution made no distribution"));
    }
  } else {
    auto made = make_distribution(o.distribution, t.servers);
    if (!made) return std::unexpected(std::move(made).error());
    t.where = std::move(*made);
  }
  return t;
}

}  // namespace memcxx::routing
