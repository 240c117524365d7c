// Servers laid out in a row, each over as many buckets as its weight.
// Never here: hashing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "distributions.hpp"

namespace memcxx::routing {

// Holds one number per server, however large the weights are.
// Threads: immutable, so safe to share.
class buckets {
 public:
  // `most` is what a larger weight counts as.
  explicit buckets(servers_view servers,
                   std::uint32_t most = std::numeric_limits<std::uint32_t>::max()) {
    ends_.reserve(servers.size());
    std::uint64_t end = 0;
    for (const server_address& s : servers) ends_.push_back(end += std::min(s.weight, most));
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return ends_.back(); }
  [[nodiscard]] std::uint32_t servers() const noexcept {
    return static_cast<std::uint32_t>(ends_.size());
  }
  // The server of a bucket below count().
  [[nodiscard]] std::uint32_t server(std::uint64_t bucket) const noexcept {
    if (count() == ends_.size()) return static_cast<std::uint32_t>(bucket);
    return static_cast<std::uint32_t>(std::ranges::upper_bound(ends_, bucket) - ends_.begin());
  }

 private:
  std::vector<std::uint64_t> ends_;  // for each server, the first bucket after its own
};

// The server `steps` behind this one in the list, which goes round.
inline std::uint32_t next_server(std::uint32_t server, unsigned steps,
                                 std::uint32_t servers) noexcept {
  return static_cast<std::uint32_t>((std::uint64_t{server} + steps) % servers);
}

}  // namespace memcxx::routing
