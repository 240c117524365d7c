// Where a key goes: a distribution maps keys to servers.
// Never here: which servers are up (that is health's), addresses' sockets, prefixes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <memcxx/error.hpp>

namespace memcxx {

struct server_address;

// Threads: immutable once made, so safe to share.
class distribution {
 public:
  virtual ~distribution() = default;

  // The index of the server for this key, less than the number of servers it was made for.
  // `attempt` 0 is the key's home; 1, 2, … are where to look next when the earlier ones cannot be
  // used, in this distribution's own order.
  [[nodiscard]] virtual std::uint32_t pick(std::string_view key,
                                           unsigned attempt = 0) const noexcept = 0;

  // The homes of many keys: out[i] = pick(keys[i]). `out` has at least as many places as there are
  // keys. Overridden where many keys cost less together than one by one; must agree with pick().
  virtual void pick_each(std::span<const std::string_view> keys,
                         std::span<std::uint32_t> out) const noexcept {
    for (std::size_t i = 0; i < keys.size(); ++i) out[i] = pick(keys[i]);
  }
};

// Makes a distribution for a list of servers (at least one). May throw memcxx::exception.
using distribution_factory =
    std::function<std::unique_ptr<distribution>(std::span<const server_address> servers)>;

// The distributions that memcxx brings, by name ("ketama", "modula", …; see docs/clusters.md).
// An unknown name is errc::invalid_argument and lists the known ones.
result<std::unique_ptr<distribution>> make_distribution(std::string_view name,
                                                        std::span<const server_address> servers);
// A "/HASH" behind the name chooses the hash where the client has a choice ("modula/md5").
std::vector<std::string_view> distribution_names();

// A hash of one's own, for presets whose hash can be chosen: options::custom_distribution may be
//   [](auto servers) { return memcxx::make_distribution("modula", servers, my_hash).value(); }
using key_hash = std::uint32_t (*)(std::string_view key) noexcept;
result<std::unique_ptr<distribution>> make_distribution(std::string_view name,
                                                        std::span<const server_address> servers,
                                                        key_hash own);

}  // namespace memcxx
