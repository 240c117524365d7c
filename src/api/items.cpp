// The result of get_many, and how it is gathered: one arena for keys and values, one entry for each
// key. See item.hpp and operation.hpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include <memcxx/operation.hpp>

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
  // Null when there is no memory for it.
  const char* copy(std::string_view s) noexcept try {
    char* const to = take(s.size());
    if (!s.empty()) std::memcpy(to, s.data(), s.size());
    return to;
  } catch (...) {
    return nullptr;
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  std::size_t free_ = 0;
  std::size_t next_ = std::size_t{16} << 10;
};

items::items() = default;
items::~items() = default;
items::items(items&&) noexcept = default;
items& items::operator=(items&&) noexcept = default;

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
  gathered_.arena_ = std::make_unique<items::arena>();
  gathered_.entries_.reserve(keys);
  if (bytes != 0) room_ = key_room({gathered_.arena_->take(bytes), bytes});
}

protocol::refusal items_call::request(std::size_t i, protocol::request& out) const noexcept {
  if (!options_.value || options_.ttl || options_.last_access || options_.hit_before ||
      options_.size || options_.vivify || options_.recache) {
    return {errc::invalid_argument,
            "get_many reads value, flags and cas; a batch of gets reads everything"};
  }
  return commands::get{gathered_.entries_[i].key, options_}.to_request(out);
}

protocol::refusal items_call::request_after(std::size_t i, protocol::request& out) const noexcept {
  out.key = gathered_.entries_[i].key;  // one request() was not refused, and only the keys differ
  return {};
}

std::span<char> items_call::on_value(std::size_t i, const protocol::response&,
                                     std::size_t n) noexcept try {
  char* const at = gathered_.arena_->take(n);
  gathered_.entries_[i].value = {at, n};
  return {at, n};
} catch (...) {
  return {};
}

void items_call::on_response(std::size_t i, const protocol::response& r,
                             std::string_view server) noexcept {
  items::entry& e = gathered_.entries_[i];
  if (r.status != errc::ok) return fail(e, r, server);
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
