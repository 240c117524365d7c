// A hash modulo the number of servers, or of buckets; and jump, which is its steady kin.
// Never here: rings, or rules that hash again after a failure.
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "buckets.hpp"
#include "distributions.hpp"
#include "md5.hpp"
#include "names.hpp"

namespace memcxx::routing {
namespace {

// Every server counts once, whatever its weight.
class modula final : public distribution {
 public:
  modula(hash_function key_hash, servers_view servers)
      : key_hash_(key_hash), servers_(static_cast<std::uint32_t>(servers.size())) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    return next_server(key_hash_(key) % servers_, attempt, servers_);
  }

  void pick_each(std::span<const std::string_view> keys,
                 std::span<std::uint32_t> out) const noexcept override {
    hash_each(key_hash_, keys, out);
    for (std::uint32_t& place : out.first(keys.size())) place %= servers_;
  }

 private:
  hash_function key_hash_;
  std::uint32_t servers_;
};

class weighted_modula final : public distribution {
 public:
  weighted_modula(hash_function key_hash, buckets row)
      : key_hash_(key_hash), buckets_(std::move(row)) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    return buckets_.server(key_hash_(key) % buckets_.count(), attempt);
  }

  void pick_each(std::span<const std::string_view> keys,
                 std::span<std::uint32_t> out) const noexcept override {
    hash_each(key_hash_, keys, out);
    for (std::uint32_t& place : out.first(keys.size()))
      place = buckets_.server(place % buckets_.count(), 0);
  }

 private:
  hash_function key_hash_;
  buckets buckets_;
};

// Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm". Moves the fewest keys
// when servers come and go at the end of the list.
class jump final : public distribution {
 public:
  jump(hash_function key_hash, servers_view servers) : key_hash_(key_hash), buckets_(servers) {}

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    return buckets_.server(bucket_of(key_hash_(key)), attempt);
  }

  void pick_each(std::span<const std::string_view> keys,
                 std::span<std::uint32_t> out) const noexcept override {
    hash_each(key_hash_, keys, out);
    for (std::uint32_t& place : out.first(keys.size()))
      place = buckets_.server(bucket_of(place), 0);
  }

 private:
  [[nodiscard]] std::uint64_t bucket_of(std::uint64_t state) const noexcept {
    constexpr auto two_to_31 = static_cast<double>(std::uint64_t{1} << 31);
    const auto end = static_cast<double>(buckets_.count());
    std::uint64_t bucket = 0;
    for (double next = 0; next < end;) {
      bucket = static_cast<std::uint64_t>(next);
      state = state * 2862933555777941757U + 1;
      next = static_cast<double>(bucket + 1) * (two_to_31 / static_cast<double>((state >> 33) + 1));
    }
    return bucket;
  }

  hash_function key_hash_;
  buckets buckets_;
};

std::uint32_t rustymem_hash(std::string_view key) noexcept {
  // The first four bytes as a big-endian number; md5_words() reads them the other way round.
  const std::uint32_t w = md5_words(key)[0];
  return w << 24 | (w << 8 & 0xff0000) | (w >> 8 & 0xff00) | w >> 24;
}

// It copies a key into a buffer of this size before it hashes.
std::uint32_t gomemcache_hash(std::string_view key) noexcept { return crc32(key.substr(0, 256)); }

std::uint32_t cmemcache_hash(std::string_view key) noexcept {
  const std::uint32_t h = crc32_high(key);
  return h == 0 ? 1 : h;
}

}  // namespace

distribution_ptr make_modula(servers_view servers, hash_function key_hash) {
  return std::make_unique<modula>(key_hash, servers);
}

// It sorts its servers by name when it reads them, shorter names first.
distribution_ptr make_twemproxy_modula(servers_view servers, hash_function key_hash) {
  std::vector<std::pair<std::string, std::uint32_t>> names;
  for (std::uint32_t i = 0; i < servers.size(); ++i) {
    names.emplace_back(label_or(twemproxy_name, servers[i]), i);
  }
  std::ranges::sort(names, [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a < b;
  });
  std::vector<std::uint32_t> order;
  for (const auto& [name, index] : names) order.push_back(index);
  return std::make_unique<weighted_modula>(key_hash, buckets(servers, std::move(order)));
}

distribution_ptr make_rustymem(servers_view servers, hash_function) {
  return std::make_unique<modula>(rustymem_hash, servers);
}

distribution_ptr make_gomemcache(servers_view servers, hash_function) {
  return std::make_unique<modula>(gomemcache_hash, servers);
}

distribution_ptr make_cmemcache(servers_view servers, hash_function) {
  constexpr std::uint32_t heaviest = 15;
  return std::make_unique<weighted_modula>(cmemcache_hash, buckets(servers, heaviest));
}

distribution_ptr make_jump(servers_view servers, hash_function key_hash) {
  return std::make_unique<jump>(key_hash, servers);
}

}  // namespace memcxx::routing
