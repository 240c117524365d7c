// A ring: points on a circle of 32 bits, each owned by a server.
// Never here: how a client in the field names or counts its points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/distribution.hpp>

#include "hash.hpp"

namespace memcxx::routing {

struct ring_point {
  std::uint32_t value;
  std::uint32_t server;
  auto operator<=>(const ring_point&) const = default;
};

// A key belongs to the first point at or after its hash; past the last point, to the first.
// Threads: immutable, so safe to share.
class ring {
 public:
  // At least one point, ascending by value; of several with one value the first counts.
  explicit ring(std::vector<ring_point> points);

  [[nodiscard]] std::uint32_t owner(std::uint32_t hash) const noexcept {
    return points_[find(hash)].server;
  }
  // The server met `attempt` servers after the owner, going along the ring; starts again at the
  // owner once every server was met.
  [[nodiscard]] std::uint32_t owner(std::uint32_t hash, unsigned attempt) const noexcept;

 private:
  [[nodiscard]] std::size_t find(std::uint32_t hash) const noexcept;
  [[nodiscard]] std::size_t search(std::size_t from, std::size_t to,
                                   std::uint32_t hash) const noexcept;

  std::vector<ring_point> points_;
  // The circle up to the last point in stretches of equal length: where each begins among the
  // points. There are two to four times as many as points, so that most have one or none.
  std::vector<std::uint32_t> stretches_;
  unsigned shift_ = 0;           // hash >> shift_ is its stretch
  std::uint32_t reachable_ = 0;  // how many servers own a point
};

// Threads: immutable, so safe to share.
class ring_distribution final : public distribution {
 public:
  ring_distribution(hash_function key_hash, std::vector<ring_point> points)
      : ring_(std::move(points)), key_hash_(key_hash) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    return attempt == 0 ? ring_.owner(key_hash_(key)) : ring_.owner(key_hash_(key), attempt);
  }

  void pick_each(std::span<const std::string_view> keys,
                 std::span<std::uint32_t> out) const noexcept override {
    hash_each(key_hash_, keys, out);
    for (std::uint32_t& place : out.first(keys.size())) place = ring_.owner(place);
  }

 private:
  ring ring_;
  hash_function key_hash_;
};

}  // namespace memcxx::routing
