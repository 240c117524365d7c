// Looking a hash up on a ring.
// Never here: where the points come from.
#include "ring.hpp"

#include <algorithm>
#include <bit>
#include <bitset>

#include "distributions.hpp"

namespace memcxx::routing {

ring::ring(std::vector<ring_point> points) : points_(std::move(points)) {
  points_.shrink_to_fit();
  std::bitset<max_servers> seen;
  for (const ring_point& p : points_) seen.set(p.server);
  reachable_ = static_cast<std::uint32_t>(seen.count());

  const std::uint32_t last = points_.back().value;
  const auto wanted = static_cast<int>(std::bit_width(points_.size()) + 1);
  shift_ = static_cast<unsigned>(std::max(0, static_cast<int>(std::bit_width(last)) - wanted));
  stretches_.reserve((last >> shift_) + std::size_t{2});
  std::uint32_t at = 0;
  for (std::uint64_t begin = 0; begin <= last; begin += std::uint64_t{1} << shift_) {
    while (points_[at].value < begin) ++at;
    stretches_.push_back(at);
  }
  stretches_.push_back(static_cast<std::uint32_t>(points_.size()));
}

std::size_t ring::find(std::uint32_t hash) const noexcept {
  if (hash > points_.back().value) return 0;
  std::size_t at = stretches_[hash >> shift_];
  const std::size_t end = stretches_[(hash >> shift_) + 1];
  constexpr std::size_t few = 8;
  if (end - at > few) return search(at, end, hash);
  while (at != end && points_[at].value < hash) ++at;
  return at;
}

// For points that are not spread evenly.
std::size_t ring::search(std::size_t from, std::size_t to, std::uint32_t hash) const noexcept {
  const auto first = points_.begin() + static_cast<std::ptrdiff_t>(from);
  const auto end = points_.begin() + static_cast<std::ptrdiff_t>(to);
  return static_cast<std::size_t>(
      std::ranges::lower_bound(first, end, hash, {}, &ring_point::value) - points_.begin());
}

std::uint32_t ring::owner(std::uint32_t hash, unsigned attempt) const noexcept {
  std::size_t at = find(hash);
  std::bitset<max_servers> seen;
  for (unsigned left = attempt % reachable_; left > 0; --left) {
    seen.set(points_[at].server);
    while (seen[points_[at].server]) at = at + 1 == points_.size() ? 0 : at + 1;
  }
  return points_[at].server;
}

}  // namespace memcxx::routing
