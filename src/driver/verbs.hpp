// memcached's verbs over the store, for the memory driver.
// Lives here: what each verb does and answers, ttls as the wire has them, statistics.
// Never here: how items are kept (that is the store's), locks, clocks (the caller brings the time).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

#include "store.hpp"

namespace memcxx::detail {

// Threads: not safe to share.
class memory_verbs {
 public:
  memory_verbs(std::size_t limit, std::size_t max_item_size, epoch_seconds now) noexcept
      : items_(limit), max_item_size_(max_item_size), started_(now) {}

  // Executes one request and fills `out`, the last response to it; the lines of statistics go to
  // `to` before that. Views in `out` stay valid until the next call, and as long as the request.
  // Throws std::bad_alloc with the items unchanged.
  void run(const protocol::request& r, epoch_seconds now, protocol::response& out,
           protocol::response_handler& to, std::uint32_t tag);

 private:
  // One request on its way through a verb. `key` is prefix and key in one.
  struct call {
    const protocol::request& r;
    std::string_view key;
    epoch_seconds now;
    protocol::response& out;

    void refuse(errc status, std::string_view why = {}) const noexcept;
    void tell_cas(const stored_item& it) const noexcept;
  };
  struct counters {
    std::uint64_t total_items = 0, cmd_get = 0, cmd_set = 0, cmd_touch = 0, cmd_flush = 0;
    std::uint64_t get_hits = 0, get_misses = 0, touch_hits = 0, touch_misses = 0;
  };

  void read(const call& c);
  void store(const call& c);
  void extend(const call& c);
  void remove(const call& c);
  void touch(const call& c);
  void count(const call& c);
  void debug(const call& c);
  void flush(const call& c);
  void stats(const call& c, protocol::response_handler& to, std::uint32_t tag);

  bool has_room_for(const call& c);
  stored_item* put(const call& c, std::string value, std::uint32_t flags, epoch_seconds expires);
  void count_read(bool touches, bool hit) noexcept;
  void drop_what_was_flushed(epoch_seconds now) noexcept;

  lru_store items_;
  std::size_t max_item_size_;
  epoch_seconds started_;
  epoch_seconds flush_due_ = stored_item::never;
  counters counters_;
  std::string text_;  // what response::text points to when it is not static
};

}  // namespace memcxx::detail
