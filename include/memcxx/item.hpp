// What calls answer: items, counters, statistics, and the results of calls over many keys.
// Never here: I/O, protocol bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <memcxx/error.hpp>

namespace memcxx {

// What is known of an item beside its value. What was not asked for, or what the protocol does not
// tell, is empty or 0.
struct item_attributes {
  std::uint32_t flags = 0;
  std::uint64_t cas = 0;                            // for cas(); 0: not told
  std::optional<std::chrono::seconds> ttl;          // left to live; -1s: for ever, 0s: expired
  std::optional<std::chrono::seconds> last_access;  // since it was last read
  std::optional<bool> hit_before;                   // read since it was stored
  std::optional<std::uint64_t> size;                // bytes
  bool won = false;          // this caller is to refresh the item (vivify, recache, invalidate)
  bool stale = false;        // marked stale by invalidate
  bool already_won = false;  // another caller is refreshing it
  bool stub = false;         // typed reads: there is no value yet, somebody is filling it (vivify)
  std::uint32_t opaque = 0;  // as given in the options
};

template <class T>
struct item_of : item_attributes {
  T value{};
};
// A stored item as it is: its bytes and its flags (see get_options::packed).
using item = item_of<std::string>;
// The same in the memory of whoever asked (get_into).
using item_view = item_of<std::string_view>;

// The outcome of a store.
struct stored {
  std::uint64_t cas = 0;  // the item's new cas; 0 where the protocol does not tell
};

// The outcome of incr and decr.
struct counter {
  std::uint64_t value = 0;
  std::uint64_t cas = 0;  // 0 where the protocol does not tell
  operator std::uint64_t() const noexcept { return value; }
};

// The outcome of verbs that have nothing to tell but success.
struct done {};

// A statistic: a number where the server printed one, else its text. A whole number beyond 64 bits
// stays text.
using stat_value = std::variant<std::uint64_t, std::int64_t, double, std::string>;
using statistics = std::map<std::string, stat_value, std::less<>>;

// One server's reply to a call that goes to every server.
template <class T>
struct server_reply {
  std::string server;
  result<T> reply;
};

// The result of get_many: for every key, in the order asked, a hit, a miss or an error. Values and
// keys live in one arena and are valid as long as this object. Threads: a value; move-only.
class items {
 public:
  struct entry {
    std::string_view key;
    std::string_view value;
    std::uint32_t flags = 0;
    std::uint64_t cas = 0;
    error status;  // errc::ok for a hit, errc::miss, or what went wrong

    [[nodiscard]] bool hit() const noexcept { return status == errc::ok; }
    [[nodiscard]] bool miss() const noexcept { return status == errc::miss; }
    explicit operator bool() const noexcept { return hit(); }
  };

  items();
  ~items();
  items(items&&) noexcept;
  items& operator=(items&&) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  // Entry `i` belongs to the i-th key that was asked for. Not of a temporary: the views would
  // dangle.
  [[nodiscard]] const entry& operator[](std::size_t i) const& noexcept { return entries_[i]; }
  const entry& operator[](std::size_t i) const&& = delete;
  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }
  // The first entry with this key; nullptr when it was not asked for. Linear.
  [[nodiscard]] const entry* find(std::string_view key) const& noexcept;
  const entry* find(std::string_view key) const&& = delete;
  [[nodiscard]] std::size_t hits() const noexcept;
  // Entries that are neither hit nor miss. Zero means that the result is complete.
  [[nodiscard]] std::size_t failures() const noexcept;

 private:
  friend class items_call;
  class arena;
  struct end_arena {
    void operator()(arena* a) const noexcept;
  };
  std::unique_ptr<arena, end_arena> arena_;  // everything lies there
  std::span<const entry> entries_;
};

// The result of get_many<T>: for every key, in the order asked, a value or the reason why there is
// none. Threads: a value.
template <class T>
class values_of {
 public:
  struct entry {
    std::string_view key;  // in memory of the result
    result<T> value;
  };

  values_of() = default;
  values_of(std::unique_ptr<char[]> keys, std::vector<entry> entries) noexcept
      : keys_(std::move(keys)), entries_(std::move(entries)) {}

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  // What was found for the i-th key. Values may be moved out.
  [[nodiscard]] result<T>& operator[](std::size_t i) & noexcept { return entries_[i].value; }
  [[nodiscard]] const result<T>& operator[](std::size_t i) const& noexcept {
    return entries_[i].value;
  }
  const result<T>& operator[](std::size_t i) const&& = delete;
  [[nodiscard]] auto begin() noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() noexcept { return entries_.end(); }
  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }
  // The first entry's value with this key; nullptr when it was not asked for, or not found. Linear.
  [[nodiscard]] const T* find(std::string_view key) const& noexcept {
    for (const entry& e : entries_) {
      if (e.key == key) return e.value ? &*e.value : nullptr;
    }
    return nullptr;
  }
  const T* find(std::string_view key) const&& = delete;
  [[nodiscard]] std::size_t hits() const noexcept {
    std::size_t n = 0;
    for (const entry& e : entries_) n += e.value.has_value();
    return n;
  }
  // Entries that are neither hit nor miss. Zero means that the result is complete.
  [[nodiscard]] std::size_t failures() const noexcept {
    std::size_t n = 0;
    for (const entry& e : entries_) n += !e.value && !(e.value.error() == errc::miss);
    return n;
  }

 private:
  std::unique_ptr<char[]> keys_;
  std::vector<entry> entries_;
};

// The result of set_many and remove_many: for every key, in the order given, what became of it.
// Takes memory for outcomes only when they are not all alike.
template <class T>
class many {
 public:
  class iterator {
   public:
    using value_type = result<T>;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    iterator(const many& of, std::size_t at) noexcept : of_(&of), at_(at) {}
    const result<T>& operator*() const noexcept { return (*of_)[at_]; }
    const result<T>* operator->() const noexcept { return &(*of_)[at_]; }
    iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    iterator operator++(int) noexcept { return {*of_, at_++}; }
    bool operator==(const iterator&) const = default;

   private:
    const many* of_ = nullptr;
    std::size_t at_ = 0;
  };

  many() = default;
  explicit many(std::vector<result<T>> replies)
      : size_(replies.size()), replies_(std::move(replies)) {}
  // All of them succeeded, and have no more to tell.
  explicit many(std::size_t size) noexcept : size_(size) {}
  many(const many&) = default;
  // What was moved from is empty.
  many(many&& other) noexcept
      : size_(std::exchange(other.size_, 0)), replies_(std::exchange(other.replies_, {})) {}
  many& operator=(const many&) = default;
  many& operator=(many&& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    replies_ = std::exchange(other.replies_, {});
    return *this;
  }
  ~many() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const result<T>& operator[](std::size_t i) const noexcept {
    return replies_.empty() ? alike_ : replies_[i];
  }
  [[nodiscard]] iterator begin() const noexcept { return {*this, 0}; }
  [[nodiscard]] iterator end() const noexcept { return {*this, size_}; }
  // How many did not succeed, plain answers (a miss, not stored) included.
  [[nodiscard]] std::size_t failures() const noexcept {
    std::size_t n = 0;
    for (const auto& r : replies_) n += !r.has_value();
    return n;
  }
  [[nodiscard]] bool all() const noexcept { return failures() == 0; }

 private:
  std::size_t size_ = 0;
  std::vector<result<T>> replies_;  // empty when all are `alike_`
  result<T> alike_ = T{};
};

}  // namespace memcxx
