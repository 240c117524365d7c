// How get_many gathers its items: one arena for keys and values, one entry for each key.
// Never here: I/O.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/item.hpp>

namespace memcxx {

// Memory that grows by blocks, so that what was given out stays where it is.
class items::arena {
 public:
  char* take(std::size_t n) {
    if (n > free_) {
      const std::size_t size = std::max(n, next_);
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
      at_ = blocks_.back().get();
      free_ = size;
      next_ = std::min<std::size_t>(next_ * 2, std::size_t{1} << 20);
    }
    free_ -= n;
    return std::exchange(at_, at_ + n);
  }
  std::string_view copy(std::string_view s) {
    if (s.empty()) return {};
    char* const to = take(s.size());
    std::memcpy(to, s.data(), s.size());
    return {to, s.size()};
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  std::size_t free_ = 0;
  std::size_t next_ = std::size_t{16} << 10;
};

// `Keys` is a span of string_view or string.
class get_many_call final : public call {
 public:
  template <class Key>
  get_many_call(std::span<const Key> keys, const get_options& o) : options_(o) {
    gathered_.arena_ = std::make_unique<items::arena>();
    gathered_.entries_.resize(keys.size());
    // The result outlives the caller's keys.
    for (std::size_t i = 0; i < keys.size(); ++i) {
      gathered_.entries_[i].key = gathered_.arena_->copy(keys[i]);
      gathered_.entries_[i].status = errc::cancelled;
    }
  }

  std::size_t size() const noexcept override { return gathered_.entries_.size(); }

  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    if (!options_.value || options_.ttl || options_.last_access || options_.hit_before ||
        options_.size || options_.vivify || options_.recache) {
      return {errc::invalid_argument,
              "get_many reads value, flags and cas; a batch of gets reads everything"};
    }
    return commands::get{gathered_.entries_[i].key, options_}.to_request(out);
  }

  std::span<char> on_value(std::size_t i, const protocol::response&,
                           std::size_t n) noexcept override try {
    char* const at = gathered_.arena_->take(n);
    gathered_.entries_[i].value = {at, n};
    return {at, n};
  } catch (...) {
    return {};
  }

  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    items::entry& e = gathered_.entries_[i];
    try {
      e.status = error_of(r, server);
      if (r.status != errc::ok) {
        e.value = {};
        return;
      }
      // Either it was read straight into the arena, or it is still in the receive buffer.
      if (r.value.data() != e.value.data()) e.value = gathered_.arena_->copy(r.value);
      e.flags = r.flags;
      e.cas = r.cas;
    } catch (...) {
      e.value = {};
      e.status = errc::out_of_memory;
    }
  }

  items take() { return std::move(gathered_); }

 private:
  get_options options_;
  items gathered_;
};

}  // namespace memcxx
