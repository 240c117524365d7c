// The memo of a pickle: places from which objects come back on the stack.
// Never here: the objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "codec/pickle_graph.hpp"

namespace memcxx::codecs::pickle {

// Places that are numbered from 0 on, one after the other, as CPython does (its old cPickle from 1
// on); any others, which cost more.
class memo {
 public:
  explicit memo(std::size_t most) noexcept : most_(most) {}

  bool put(std::uint32_t place, ref object) {
    if (size_ >= most_ && get(place) == nullptr) return false;
    if (get(place) == nullptr) ++size_;
    if (place > dense_.size() + 1) {
      sparse_.insert_or_assign(place, object);
      return true;
    }
    if (place >= dense_.size()) dense_.resize(std::size_t{place} + 1, nothing);
    dense_[place] = object;
    return true;
  }
  [[nodiscard]] const ref* get(std::uint32_t place) const noexcept {
    if (place < dense_.size() && dense_[place] != nothing) return &dense_[place];
    const auto found = sparse_.find(place);
    return found == sparse_.end() ? nullptr : &found->second;
  }
  // How many places are taken: the next, to MEMOIZE.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  static constexpr ref nothing = UINT32_MAX;

  std::size_t most_;
  std::size_t size_ = 0;
  std::vector<ref> dense_;
  std::unordered_map<std::uint32_t, ref> sparse_;
};

}  // namespace memcxx::codecs::pickle
