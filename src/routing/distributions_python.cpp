// The rules of python-memcached and of memcached2: one hash of 15 bits, and what each makes of a
// server that is down.
// Never here: rings of md5 points.
#include <algorithm>
#include <bitset>
#include <vector>

#include "buckets.hpp"
#include "decimal.hpp"
#include "distributions.hpp"

namespace memcxx::routing {
namespace {

// Both give up after this many servers. Here the list is then followed, so that every server is
// found at last.
constexpr unsigned rehash_limit = 10;

std::uint32_t or_one(std::uint32_t hash) noexcept { return hash == 0 ? 1 : hash; }
std::uint32_t high_bits(std::uint32_t crc) noexcept { return crc >> 16 & 0x7fff; }

// The `or 1` was dropped in 1.60.
template <bool ZeroIsOne>
class python_memcached final : public distribution {
 public:
  explicit python_memcached(servers_view servers) : buckets_(servers) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    const unsigned rehashes = std::min(attempt, rehash_limit - 1);
    std::uint32_t hash = settled(crc32(key));
    for (unsigned i = 0; i < rehashes; ++i) {
      const decimal before(hash);
      const decimal count(i);
      hash = settled(crc32_after(crc32(before.view()), count.view()));
    }
    return buckets_.server(hash % buckets_.count(), attempt - rehashes);
  }

 private:
  static std::uint32_t settled(std::uint32_t crc) noexcept {
    return ZeroIsOne ? or_one(high_bits(crc)) : high_bits(crc);
  }

  buckets buckets_;
};

// memcached2's hash of the key with the attempt's number written behind it.
std::uint32_t memcached2_hash(std::string_view key, unsigned attempt) noexcept {
  std::uint32_t crc = crc32(key);
  if (attempt > 0) crc = crc32_after(crc, decimal(attempt - 1).view());
  return or_one(high_bits(crc));
}

class memcached2_rehash final : public distribution {
 public:
  explicit memcached2_rehash(servers_view servers)
      : servers_(static_cast<std::uint32_t>(servers.size())) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    const unsigned rehashes = std::min(attempt, rehash_limit);
    return next_server(memcached2_hash(key, rehashes) % servers_, attempt - rehashes, servers_);
  }

 private:
  std::uint32_t servers_;
};

// Each failure takes a server off the list and hashes again over those that are left.
class memcached2_fractal final : public distribution {
 public:
  explicit memcached2_fractal(servers_view servers)
      : servers_(static_cast<std::uint32_t>(servers.size())) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    attempt %= servers_;
    if (attempt == 0) return memcached2_hash(key, 0) % servers_;
    std::bitset<max_servers> gone;
    std::uint32_t server = 0;
    for (unsigned i = 0; i <= attempt; ++i) {
      std::uint32_t position = memcached2_hash(key, i) % (servers_ - i);
      for (server = 0; gone[server] || position > 0; ++server) position -= gone[server] ? 0U : 1U;
      gone.set(server);
    }
    return server;
  }

 private:
  std::uint32_t servers_;
};

// A ring of the squares of the number of servers, found with bisect((hash, 0)): a bucket that holds
// server 0 begins behind its hash, every other at it. Below the first bucket the last one answers,
// and the first is then passed over.
class memcached2_consistent final : public distribution {
 public:
  explicit memcached2_consistent(servers_view servers) {
    const auto count = static_cast<std::uint32_t>(servers.size());
    constexpr std::uint32_t hashes = 0x8000;
    std::vector<std::uint32_t> owner(hashes, count);  // `count`: no bucket
    for (std::uint32_t i = 0; i < count * count; ++i) {
      owner[memcached2_hash(decimal(i).view(), 0)] = i % count;  // of equal hashes the last stays
    }
    std::bitset<max_servers> seen;
    for (std::uint32_t h = 0; h < hashes; ++h) {
      if (owner[h] == count) continue;
      buckets_.push_back({h, owner[h]});
      seen.set(owner[h]);
    }
    reachable_ = static_cast<std::uint32_t>(seen.count());
  }

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    const std::uint32_t hash = memcached2_hash(key, 0);
    const auto offset = static_cast<std::size_t>(
        std::ranges::upper_bound(buckets_, bucket{hash, 0}) - buckets_.begin());
    if (attempt == 0) return at(hash, offset);
    attempt %= reachable_;
    std::bitset<max_servers> seen;
    std::uint32_t server = at(hash, offset);
    for (std::size_t i = 1; attempt > 0 && i < buckets_.size(); ++i) {
      seen.set(server);
      if (const std::uint32_t next = at(hash, offset + i); !seen[next]) {
        server = next;
        --attempt;
      }
    }
    return server;
  }

 private:
  struct bucket {
    std::uint32_t hash;
    std::uint32_t server;
    auto operator<=>(const bucket&) const = default;
  };

  [[nodiscard]] std::uint32_t at(std::uint32_t hash, std::size_t offset) const noexcept {
    offset %= buckets_.size();
    if (offset == 0 && hash < buckets_.front().hash) return buckets_.back().server;
    return buckets_[offset].server;
  }

  std::vector<bucket> buckets_;
  std::uint32_t reachable_ = 0;
};

}  // namespace

distribution_ptr make_python_memcached(servers_view servers, hash_function) {
  return std::make_unique<python_memcached<false>>(servers);
}

distribution_ptr make_python_memcached_159(servers_view servers, hash_function) {
  return std::make_unique<python_memcached<true>>(servers);
}

distribution_ptr make_memcached2_rehash(servers_view servers, hash_function) {
  return std::make_unique<memcached2_rehash>(servers);
}

distribution_ptr make_memcached2_fractal(servers_view servers, hash_function) {
  return std::make_unique<memcached2_fractal>(servers);
}

distribution_ptr make_memcached2_consistent(servers_view servers, hash_function) {
  return std::make_unique<memcached2_consistent>(servers);
}

}  // namespace memcxx::routing
