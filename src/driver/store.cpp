// The store of the memory driver: order of use, limit, expiry.
// Never here: locks, clocks, verbs.
#include "store.hpp"

#include <utility>

namespace memcxx::detail {

stored_item* lru_store::find(std::string_view key, epoch_seconds now) noexcept {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  if (found->second->expired(now)) {
    drop(found->second);
    return nullptr;
  }
  return &*found->second;
}

stored_item* lru_store::put(std::string_view key, std::string value, epoch_seconds now) {
  if (!fits(key.size(), value.size())) return nullptr;
  const auto found = index_.find(key);
  stored_item& item = found == index_.end() ? link(key) : *found->second;
  item.expires = stored_item::never;
  item.flags = 0;
  item.fetched = item.stale = item.token_sent = false;
  assign(item, std::move(value), now);
  return &item;
}

bool lru_store::assign(stored_item& item, std::string value, epoch_seconds now) noexcept {
  if (!fits(item.key.size(), value.size())) return false;
  bytes_ = bytes_ - item.value.size() + value.size();
  // Swapped, not assigned: a short value must not sit in the long one's memory, which nobody
  // counts.
  item.value.swap(value);
  renew_cas(item);
  use(item, now);
  // This item is in front and fits, so it is never the one that goes.
  while (bytes_ > limit_) {
    evictions_ += !items_.back().expired(now);
    drop(std::prev(items_.end()));
  }
  return true;
}

void lru_store::use(const stored_item& item, epoch_seconds now) noexcept {
  const auto at = index_.find(item.key)->second;
  at->accessed = now;
  items_.splice(items_.begin(), items_, at);
}

void lru_store::erase(std::string_view key) noexcept {
  if (const auto found = index_.find(key); found != index_.end()) drop(found->second);
}

void lru_store::clear() noexcept {
  index_.clear();
  items_.clear();
  bytes_ = 0;
}

// Adds an empty item; when it throws, nothing has changed.
stored_item& lru_store::link(std::string_view key) {
  order fresh(1);
  fresh.front().key.assign(key);
  index_.emplace(fresh.front().key, fresh.begin());
  bytes_ += charge(key.size(), 0);
  items_.splice(items_.begin(), fresh);
  return items_.front();
}

void lru_store::drop(order::iterator item) noexcept {
  bytes_ -= charge(item->key.size(), item->value.size());
  index_.erase(item->key);
  items_.erase(item);
}

}  // namespace memcxx::detail
