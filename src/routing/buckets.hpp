// Servers laid out in a row, each over as many buckets as its weight.
// Never here: hashing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "distributions.hpp"

namespace memcxx::routing {

// Holds two numbers per server, however large the weights are.
// Threads: immutable, so safe to share.
class buckets {
 public:
  // `most` is what a larger weight counts as.
  explicit buckets(servers_view servers,
                   std::uint32_t most = std::numeric_limits<std::uint32_t>::max())
      : buckets(servers, in_list_order(servers), most) {}

  // `order` holds the index of each server once.
  buckets(servers_view servers, std::vector<std::uint32_t> order,
          std::uint32_t most = std::numeric_limits<std::uint32_t>::max())
      : order_(std::move(order)) {
    ends_.reserve(order_.size());
    std::uint64_t end = 0;
    for (const std::uint32_t s : order_) ends_.push_back(end += std::min(servers[s].weight, most));
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return ends_.back(); }

  // The server of a bucket below count(); then those that follow in the row, which goes round.
  [[nodiscard]] std::uint32_t server(std::uint64_t bucket, unsigned attempt) const noexcept {
    std::uint64_t place = bucket;
    if (count() != ends_.size()) {
      place = static_cast<std::uint64_t>(std::ranges::upper_bound(ends_, bucket) - ends_.begin());
    }
    return order_[(place + attempt) % order_.size()];
  }

 private:
  static std::vector<std::uint32_t> in_list_order(servers_view servers) {
    std::vector<std::uint32_t> order(servers.size());
    std::iota(order.begin(), order.end(), 0U);
    return order;
  }

  std::vector<std::uint32_t> order_;
  std::vector<std::uint64_t> ends_;  // for each place in the row, the first bucket after it
};

// The server `steps` behind this one in the list, which goes round.
inline std::uint32_t next_server(std::uint32_t server, unsigned steps,
                                 std::uint32_t servers) noexcept {
  return static_cast<std::uint32_t>((std::uint64_t{server} + steps) % servers);
}

}  // namespace memcxx::routing
