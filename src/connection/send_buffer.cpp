// The send buffer's slower half. See send_buffer.hpp.
#include "connection/send_buffer.hpp"

#include <algorithm>

namespace memcxx::detail {

// A stream that is written as fast as it is queued stays in the memory it has: what was written is
// dropped first, and there is more memory only for what still waits.
void send_buffer::grow(std::size_t n) {
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
  const auto kept = std::ranges::find_if(pieces_, [](const piece& p) { return p.from == nullptr; });
  const std::size_t dropped = kept == pieces_.end() ? size_ : kept->offset;
  const std::size_t live = size_ - dropped;

  // Moving costs no more than was written since the last move.
  if (live > dropped || capacity_ - live < n) {
    const std::size_t wanted = std::max<std::size_t>({live + n, live * 2, capacity_, 4096});
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (live != 0) std::memcpy(larger.get(), bytes_.get() + dropped, live);
    bytes_ = std::move(larger);
    capacity_ = wanted;
  } else if (live != 0) {
    std::memmove(bytes_.get(), bytes_.get() + dropped, live);
  }
  size_ = live;
  for (piece& p : pieces_) {
    if (p.from == nullptr) p.offset -= dropped;
  }
}

std::span<const std::span<const char>> send_buffer::output() noexcept {
  std::size_t n = 0;
  for (std::size_t i = first_; i < pieces_.size() && n < shown_.size(); ++i, ++n) {
    const piece& p = pieces_[i];
    shown_[n] = {p.from != nullptr ? p.from : bytes_.get() + p.offset, p.size};
  }
  return {shown_.data(), n};
}

void send_buffer::sent(std::size_t n) noexcept {
  n = std::min(n, unsent());
  written_ += n;
  while (n > 0) {
    piece& p = pieces_[first_];
    const std::size_t taken = std::min(n, p.size);
    (p.from != nullptr ? p.from += taken, p.offset : p.offset += taken);
    p.size -= taken;
    n -= taken;
    if (p.size == 0) ++first_;
  }
  if (first_ == pieces_.size()) {
    pieces_.clear();
    first_ = 0;
    size_ = 0;
  }
}

void send_buffer::drop() noexcept {
  pieces_.clear();
  first_ = 0;
  size_ = 0;
  end_ = written_;
}

void send_buffer::own_all() {
  const auto refers = [](const piece& p) { return p.from != nullptr; };
  if (std::none_of(pieces_.begin() + static_cast<std::ptrdiff_t>(first_), pieces_.end(), refers)) {
    return;
  }
  const std::size_t total = unsent();
  auto flat = std::make_unique_for_overwrite<char[]>(total);
  std::size_t at = 0;
  for (std::size_t i = first_; i < pieces_.size(); ++i) {
    const piece& p = pieces_[i];
    std::memcpy(flat.get() + at, p.from != nullptr ? p.from : bytes_.get() + p.offset, p.size);
    at += p.size;
  }
  bytes_ = std::move(flat);
  capacity_ = size_ = total;
  pieces_.assign(1, {nullptr, 0, total});
  first_ = 0;
}

}  // namespace memcxx::detail
