// See arena.hpp.
#include "arena.hpp"

#include <algorithm>
#include <new>

namespace memcxx::python {

namespace {

constexpr std::size_t first_block = std::size_t{16} << 10;

struct kept_buffers {
  std::string all[2];
  std::size_t wanted = first_block;  // so many bytes the last call took that had to have more
};
thread_local kept_buffers kept;

// All of it counts as bytes.
void fill_up(std::string& s, std::size_t n) {
  s.resize_and_overwrite(n, [n](char*, std::size_t) { return n; });
}

}  // namespace

std::string thread_buffer::take(use what) noexcept {
  std::string out = std::exchange(kept.all[static_cast<int>(what)], {});
  out.clear();
  return out;
}

void thread_buffer::give_back(use what, std::string&& buffer) noexcept {
  const std::size_t room = buffer.capacity();
  if (room < least || room > most) return;
  std::string& mine = kept.all[static_cast<int>(what)];
  if (room > mine.capacity()) mine = std::move(buffer);
}

void arena::add_block(std::size_t n) {
  std::string next;
  std::size_t size = std::max(n, first_block);
  if (block_.empty()) {
    next = thread_buffer::take(thread_buffer::use::reading);
    size = std::max({n, next.capacity(), std::min(kept.wanted, thread_buffer::most)});
  } else {
    size = std::max(n, std::min(block_.size() * 2, thread_buffer::most));
    full_.reserve(full_.size() + 1);
  }
  if (size > next.capacity()) next = {};  // its bytes need not be copied
  fill_up(next, size);
  if (!block_.empty()) {
    taken_ += block_.size();
    full_.push_back(std::move(block_));
  }
  block_ = std::move(next);
  at_ = block_.data();
  free_ = block_.size();
}

arena::~arena() {
  if (full_.empty()) {
    thread_buffer::give_back(thread_buffer::use::reading, std::move(block_));
  } else {
    // The next call gets one block for all of it.
    kept.wanted = std::min(taken_ + block_.size() - free_, thread_buffer::most);
  }
}

}  // namespace memcxx::python
