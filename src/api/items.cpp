// The result of get_many, and how it is gathered: one arena for keys and values, one entry for each
// key. See item.hpp and many.hpp.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <memcxx/many.hpp>
#include <memcxx/operation.hpp>

namespace memcxx {

// Memory that grows by blocks, so that what was given out stays where it is. It begins as one
// block, in which itself lies, and behind it the entries, the keys, and room for values: most
// results take no other.
class items::arena {
 public:
  using owner = std::unique_ptr<arena, end_arena>;

  static owner make(std::size_t entries, std::size_t bytes) {
    const std::size_t more = entries * sizeof(entry) + bytes + first_room;
    auto memory = std::make_unique_for_overwrite<std::byte[]>(sizeof(arena) + more);
    auto* const at = reinterpret_cast<arena*>(memory.get());
    owner made(std::construct_at(at, reinterpret_cast<char*>(at + 1), more));
    (void)memory.release();  // the owner's
    auto* const first = reinterpret_cast<entry*>(made->take(entries * sizeof(entry)));
    std::uninitialized_default_construct_n(first, entries);
    made->entries_ = {first, entries};
    // Until they have their outcome.
    for (entry& e : made->entries_) e.status = errc::cancelled;
    return made;
  }

  arena(char* at, std::size_t free) noexcept : at_(at), free_(free) {}
  ~arena() { std::ranges::destroy(entries_); }
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  [[nodiscard]] std::span<entry> entries() const noexcept { return entries_; }
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
  // Null when there is no memory for it.
  const char* copy(std::string_view s) noexcept try {
    char* const to = take(s.size());
    if (!s.empty()) std::memcpy(to, s.data(), s.size());
    return to;
  } catch (...) {
    return nullptr;
  }

 private:
  static constexpr std::size_t first_room = std::size_t{16} << 10;

  char* at_;
  std::size_t free_;
  std::size_t next_ = 2 * first_room;
  std::span<entry> entries_;
  std::vector<std::unique_ptr<char[]>> blocks_;
};

void items::end_arena::operator()(arena* a) const noexcept {
  const std::unique_ptr<std::byte[]> memory(reinterpret_cast<std::byte*>(a));
  std::destroy_at(a);
}

items::items() = default;
items::~items() = default;
items::items(items&& other) noexcept
    : arena_(std::move(other.arena_)), entries_(std::exchange(other.entries_, {})) {}
items& items::operator=(items&& other) noexcept {
  entries_ = std::exchange(other.entries_, {});
  arena_ = std::move(other.arena_);
  return *this;
}

const items::entry* items::find(std::string_view key) const& noexcept {
  const auto at = std::ranges::find(entries_, key, &entry::key);
  return at == entries_.end() ? nullptr : &*at;
}

std::size_t items::hits() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(entries_, &entry::hit));
}

std::size_t items::failures() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const entry& e) { return !e.hit() && !e.miss(); }));
}

// --- gathering ---------------------------------------------------------------------------------

items_call::items_call(std::size_t keys, std::size_t bytes, const get_options& o) : options_(o) {
  gathered_.arena_ = items::arena::make(keys, bytes);
  gathered_.entries_ = entries_ = gathered_.arena_->entries();
  room_ = key_room({gathered_.arena_->take(bytes), bytes});
}

protocol::refusal items_call::request(std::size_t i, protocol::request& out) const noexcept {
  if (!options_.value || options_.ttl || options_.last_access || options_.hit_before ||
      options_.size || options_.vivify || options_.recache) {
    return {errc::invalid_argument,
            "get_many reads value, flags and cas; a batch of gets reads everything"};
  }
  return commands::get{entries_[i].key, options_}.to_request(out);
}

protocol::refusal items_call::request_after(std::size_t i, protocol::request& out) const noexcept {
  out.key = entries_[i].key;  // one request() was not refused, and only the keys differ
  return {};
}

std::span<char> items_call::on_value(std::size_t i, const protocol::response&,
                                     std::size_t n) noexcept try {
  char* const at = gathered_.arena_->take(n);
  entries_[i].value = {at, n};
  return {at, n};
} catch (...) {
  return {};
}

void items_call::on_response(std::size_t i, const protocol::response& r,
                             std::string_view server) noexcept {
  items::entry& e = entries_[i];
  if (r.status != errc::ok) return fail(e, r, server);
  if (reading_.refuses(r, options_)) {
    e.value = {};
    e.status = plain_reading::why(r, server);
    return;
  }
  // Either it was read straight into the arena, or it is still in the receive buffer.
  if (r.value.data() != e.value.data()) {
    const char* const at = gathered_.arena_->copy(r.value);
    if (at == nullptr) {
      e.value = {};
      e.status = errc::out_of_memory;
      return;
    }
    e.value = {at, r.value.size()};
  }
  e.status = {};
  e.flags = r.flags;
  e.cas = r.cas;
}

void items_call::fail(items::entry& e, const protocol::response& r,
                      std::string_view server) noexcept try {
  e.value = {};
  e.status = error_of(r, server);
} catch (...) {
  e.status = errc::out_of_memory;
}

}  // namespace memcxx
