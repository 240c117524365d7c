// Bytes that came in and were not yet understood. A fixed size: every head of a reply fits.
// Never here: what the bytes mean, values that are read straight into their final place.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace memcxx::detail {

class receive_buffer {
 public:
  // Larger first reads double the cost of a large value (they copy what could be read in place);
  // smaller ones cost calls. Must hold the longest line and its "\r\n".
  static constexpr std::size_t capacity = 16 * 1024;

  receive_buffer() : bytes_(std::make_unique_for_overwrite<char[]>(capacity)) {}

  [[nodiscard]] std::string_view data() const noexcept {
    return {bytes_.get() + begin_, end_ - begin_};
  }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }

  // Where to read. Never empty while less than `capacity` is held.
  [[nodiscard]] std::span<char> room() noexcept {
    if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (begin_ != 0 && capacity - end_ < capacity / 2) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    return {bytes_.get() + end_, capacity - end_};
  }
  void added(std::size_t n) noexcept { end_ += n; }
  void consume(std::size_t n) noexcept { begin_ += n; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace memcxx::detail
