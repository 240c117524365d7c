// The result of get_many. See item.hpp.
#include "api/items.hpp"

#include <algorithm>

namespace memcxx {

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

}  // namespace memcxx
