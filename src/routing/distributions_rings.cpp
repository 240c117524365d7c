// Rings whose clients search them in a way of their own. Each is laid out so that the plain search
// of `ring` gives the same answer.
// Never here: libmemcached's family.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "buckets.hpp"
#include "decimal.hpp"
#include "distributions.hpp"
#include "md5.hpp"
#include "names.hpp"
#include "ring.hpp"
#include "sha1.hpp"

namespace memcxx::routing {
namespace {

constexpr std::uint32_t last_value = std::numeric_limits<std::uint32_t>::max();

class dalli final : public distribution {
 public:
  dalli(std::vector<ring_point> points, servers_view servers)
      : ring_(std::move(points)), servers_(static_cast<std::uint32_t>(servers.size())) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    if (attempt == 0) return ring_.owner(crc32(key));
    // The number of the failed try is written before the key. Dalli gives up after its last try;
    // here the list is then followed.
    const unsigned tries = std::min(attempt, last_try);
    const std::uint32_t hash = crc32_after(crc32(decimal(tries - 1).view()), key);
    return next_server(ring_.owner(hash), attempt - tries, servers_);
  }

 private:
  static constexpr unsigned last_try = 19;

  ring ring_;
  std::uint32_t servers_;
};

}  // namespace

distribution_ptr make_gomemcached(servers_view servers, hash_function) {
  constexpr std::uint32_t digests = 40;
  std::vector<ring_point> points;
  for (std::uint32_t index = 0; index < servers.size(); ++index) {
    const std::string begin = label_or(plain_name, servers[index]) + '#';
    for (std::uint32_t i = 0; i < digests; ++i) {
      for (const std::uint32_t value : md5_words(begin + std::to_string(i))) {
        points.push_back({value, index});
      }
    }
  }
  // Of points with one value, the server that was added last owns it.
  std::ranges::sort(points, [](const ring_point& a, const ring_point& b) {
    return a.value != b.value ? a.value < b.value : a.server > b.server;
  });
  // A hash up to the first point selects the second; one past the last, the first.
  points.push_back({last_value, points[0].server});
  points[0].server = points[1].server;
  return std::make_unique<ring_distribution>(crc32, std::move(points));
}

distribution_ptr make_dalli(servers_view servers, hash_function) {
  constexpr std::uint64_t points_each = 160;
  std::uint64_t total = 0;
  for (const server_address& s : servers) total += s.weight;
  std::vector<ring_point> entries;
  for (std::uint32_t index = 0; index < servers.size(); ++index) {
    const std::string begin = label_or(plain_name, servers[index]) + ':';
    const double share = static_cast<double>(servers.size() * points_each * servers[index].weight) /
                         static_cast<double>(total);
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(share); ++i) {
      entries.push_back({sha1_first_word(begin + std::to_string(i)), index});
    }
  }
  std::ranges::sort(entries);
  // A key belongs to the last entry at or before its hash, and before the first to the last: so
  // each entry's stretch ends where the next one begins.
  std::vector<ring_point> points;
  points.reserve(entries.size() + 1);
  std::uint32_t before = entries.back().server;
  for (const ring_point& entry : entries) {
    if (entry.value > 0) points.push_back({entry.value - 1, before});
    before = entry.server;
  }
  points.push_back({last_value, before});
  return std::make_unique<dalli>(std::move(points), servers);
}

}  // namespace memcxx::routing
