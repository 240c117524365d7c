// Items in memory: found by key, kept in their order of use, within a limit of bytes.
// Lives here: expiry, eviction, cas tokens. Never here: locks, clocks (the caller brings the time),
// what a verb means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace memcxx::detail {

// Seconds since the epoch, never negative.
using epoch_seconds = std::int64_t;

struct stored_item {
  static constexpr epoch_seconds never = std::numeric_limits<epoch_seconds>::max();

  [[nodiscard]] bool expired(epoch_seconds now) const noexcept { return expires <= now; }

  std::string key;
  std::string value;
  std::uint64_t cas = 0;
  epoch_seconds expires = never;
  epoch_seconds accessed = 0;
  std::uint32_t flags = 0;
  bool fetched = false;     // read since it was stored
  bool stale = false;       // marked by an invalidation
  bool token_sent = false;  // somebody won the right to refresh it
};

// Threads: not safe to share. A pointer to an item holds until the next call of put, assign, find,
// erase or clear, which may drop it.
class lru_store {
 public:
  explicit lru_store(std::size_t limit) noexcept : limit_(limit) {}
  lru_store(const lru_store&) = delete;
  lru_store& operator=(const lru_store&) = delete;

  // The bytes that an item counts for: key, value, and an estimate of the bookkeeping.
  static constexpr std::size_t charge(std::size_t key, std::size_t value) noexcept {
    return key + value + bookkeeping;
  }
  // Whether such an item has room when everything else is gone.
  [[nodiscard]] bool fits(std::size_t key, std::size_t value) const noexcept {
    return key <= limit_ && value <= limit_ && charge(key, value) <= limit_;
  }

  // nullptr when there is none. An expired item is dropped on the way.
  stored_item* find(std::string_view key, epoch_seconds now) noexcept;

  // An item as new, in place of what the key had: no flags, no ttl, no marks, a fresh cas, the most
  // recently used. Others may be evicted for it. nullptr when it does not fit. When it does not
  // fit, or throws std::bad_alloc, nothing has changed.
  stored_item* put(std::string_view key, std::string value, epoch_seconds now);

  // A new value and cas for an item that keeps its flags, ttl and marks. False when it does not
  // fit; nothing has changed then.
  bool assign(stored_item& item, std::string value, epoch_seconds now) noexcept;

  // Makes it the most recently used.
  void use(const stored_item& item, epoch_seconds now) noexcept;
  // The item gets a cas that no item had before.
  void renew_cas(stored_item& item) noexcept { item.cas = ++last_cas_; }

  void erase(std::string_view key) noexcept;
  void clear() noexcept;

  // Items and bytes may include what has expired and was not looked at since.
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  // Live items that were dropped to make room, since the last reset.
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }
  void reset_evictions() noexcept { evictions_ = 0; }

 private:
  using order = std::list<stored_item>;

  // An item's list node, its index node and its share of the buckets.
  static constexpr std::size_t bookkeeping = sizeof(stored_item) + 10 * sizeof(void*);

  stored_item& link(std::string_view key);
  void drop(order::iterator item) noexcept;

  std::size_t limit_;
  std::size_t bytes_ = 0;
  std::uint64_t last_cas_ = 0;
  std::uint64_t evictions_ = 0;
  order items_;  // the most recently used first
  // The keys are views of the items' own.
  std::unordered_map<std::string_view, order::iterator> index_;
};

}  // namespace memcxx::detail
