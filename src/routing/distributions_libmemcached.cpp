// libmemcached's rings, and those of the clients that descend from them.
// Never here: rings with rules of their own.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "distributions.hpp"
#include "md5.hpp"
#include "names.hpp"
#include "ring.hpp"

namespace memcxx::routing {
namespace {

// Of points with one value, the server that stands first in the list owns it.
distribution_ptr make_ring(hash_function key_hash, std::vector<ring_point> points) {
  std::ranges::sort(points);
  return std::make_unique<ring_distribution>(key_hash, std::move(points));
}

distribution_ptr make_hundred_points(servers_view servers, hash_function key_hash,
                                     hash_function point_hash, server_name name) {
  constexpr std::uint32_t points_each = 100;
  std::vector<ring_point> points;
  points.reserve(servers.size() * points_each);
  for (std::uint32_t index = 0; index < servers.size(); ++index) {
    const std::string begin = label_or(name, servers[index]) + '-';
    for (std::uint32_t i = 0; i < points_each; ++i) {
      points.push_back({point_hash(begin + std::to_string(i)), index});
    }
  }
  return make_ring(key_hash, std::move(points));
}

void add_digests(std::vector<ring_point>& points, const std::string& begin, std::uint32_t digests,
                 std::uint32_t index) {
  for (std::uint32_t i = 0; i < digests; ++i) {
    for (const std::uint32_t value : md5_words(begin + std::to_string(i))) {
      points.push_back({value, index});
    }
  }
}

// Digests per server, four points each. Whether an even share lands on 40 or on 39 hangs on single
// precision. Each operation is computed in double and rounded, which is what single precision
// gives, and leaves a compiler nothing to fuse.
std::uint32_t weighted_digests(std::uint32_t weight, std::uint64_t total, std::size_t servers) {
  const auto rounded = [](double x) { return static_cast<float>(x); };
  const float pct = rounded(double{static_cast<float>(weight)} / double{static_cast<float>(total)});
  const float points = rounded(double{pct} * 160.0);
  const float digests = rounded(double{points} / 4.0);
  const float all = rounded(double{digests} * double{static_cast<float>(servers)});
  return static_cast<std::uint32_t>(std::floor(rounded(double{all} + double{0.0000000001F})));
}

std::vector<ring_point> weighted_points(servers_view servers, server_name name) {
  std::uint64_t total = 0;
  for (const server_address& s : servers) total += s.weight;
  std::vector<ring_point> points;
  points.reserve(servers.size() * 160);
  for (std::uint32_t index = 0; index < servers.size(); ++index) {
    add_digests(points, label_or(name, servers[index]) + '-',
                weighted_digests(servers[index].weight, total, servers.size()), index);
  }
  return points;
}

bool any_weight(servers_view servers) {
  return std::ranges::any_of(servers, [](const server_address& s) { return s.weight > 1; });
}

// A weight over 1 turns weighted mode on, behind the user's back: md5 points, but still the chosen
// hash for keys.
distribution_ptr make_consistent(servers_view servers, hash_function key_hash, server_name name) {
  if (any_weight(servers)) return make_ring(key_hash, weighted_points(servers, name));
  return make_hundred_points(servers, key_hash, key_hash, name);
}

}  // namespace

distribution_ptr make_libmemcached_consistent(servers_view servers, hash_function key_hash) {
  return make_consistent(servers, key_hash, libmemcached_name);
}

distribution_ptr make_libmemcached_spy(servers_view servers, hash_function key_hash) {
  return make_consistent(servers, key_hash, libmemcached_spy_name);
}

distribution_ptr make_libmemcached_weighted(servers_view servers, hash_function key_hash) {
  return make_ring(key_hash, weighted_points(servers, libmemcached_name));
}

distribution_ptr make_twemproxy_ketama(servers_view servers, hash_function key_hash) {
  return make_ring(key_hash, weighted_points(servers, twemproxy_name));
}

distribution_ptr make_libmc(servers_view servers, hash_function key_hash) {
  return make_hundred_points(servers, key_hash, md5_hash, libmemcached_name);
}

distribution_ptr make_spymemcached(servers_view servers, hash_function) {
  std::vector<ring_point> points;
  if (any_weight(servers)) {
    points = weighted_points(servers, plain_name);
  } else {
    for (std::uint32_t index = 0; index < servers.size(); ++index) {
      add_digests(points, label_or(plain_name, servers[index]) + '-', 40, index);
    }
  }
  // It keeps points in a map: of those with one value, the server that was added last owns it.
  std::ranges::sort(points, [](const ring_point& a, const ring_point& b) {
    return a.value != b.value ? a.value < b.value : a.server > b.server;
  });
  return std::make_unique<ring_distribution>(md5_hash, std::move(points));
}

}  // namespace memcxx::routing
