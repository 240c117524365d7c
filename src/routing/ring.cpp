// Looking a hash up on a ring.
// Never here: where the points come from.
#include "ring.hpp"

#include <bitset>

#include "distributions.hpp"

namespace memcxx::routing {

ring::ring(std::vector<ring_point> points) : points_(std::move(points)) {
  points_.shrink_to_fit();
  std::bitset<max_servers> seen;
  for (const ring_point& p : points_) seen.set(p.server);
  reachable_ = static_cast<std::uint32_t>(seen.count());
}

std::size_t ring::find(std::uint32_t hash) const noexcept {
  // Halves the range without a branch on the outcome, which is a coin toss to a predictor. Written
  // as a product, because compilers make a branch of a conditional.
  const ring_point* points = points_.data();
  std::size_t at = 0;
  for (std::size_t left = points_.size(); left > 1;) {
    const std::size_t half = left / 2;
    at += half * static_cast<std::size_t>(points[at + half - 1].value < hash);
    left -= half;
  }
  at += points[at].value < hash ? 1U : 0U;
  return at == points_.size() ? 0 : at;
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
