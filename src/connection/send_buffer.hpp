// Bytes on their way out, as pieces: small ones copied side by side, large ones referred to.
// Lives here: the order of the pieces and how far the stream was written.
// Never here: what the bytes mean, sockets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace memcxx::detail {

class send_buffer {
 public:
  // Room for `n` bytes at the end; write at most that many, then commit().
  char* reserve(std::size_t n) {
    if (capacity_ - size_ < n) grow(n);
    return bytes_.get() + size_;
  }
  void commit(std::size_t n) {
    if (n == 0) return;
    if (!pieces_.empty() && pieces_.back().from == nullptr) {
      pieces_.back().size += n;
    } else {
      pieces_.push_back({nullptr, size_, n});
    }
    size_ += n;
    end_ += n;
  }
  void append(std::string_view s) {
    if (s.empty()) return;  // it may have no address
    std::memcpy(reserve(s.size()), s.data(), s.size());
    commit(s.size());
  }
  // Sends `s` from where it is; it must stay there until it is written, or until own_all().
  void refer(std::string_view s) {
    if (s.empty()) return;
    pieces_.push_back({s.data(), 0, s.size()});
    end_ += s.size();
  }

  // Positions in the stream of all bytes ever queued.
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
  [[nodiscard]] std::size_t unsent() const noexcept {
    return static_cast<std::size_t>(end_ - written_);
  }

  [[nodiscard]] std::span<const std::span<const char>> output() noexcept;
  void sent(std::size_t n) noexcept;
  // Copies what is only referred to, so that its owner may go.
  void own_all();
  // Forgets what was not written.
  void drop() noexcept;

 private:
  struct piece {
    const char* from;    // nullptr: in bytes_ at `offset`
    std::size_t offset;  // in bytes_
    std::size_t size;
  };
  void grow(std::size_t n);

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::vector<piece> pieces_;
  std::size_t first_ = 0;  // index in pieces_ of the first unsent one
  std::uint64_t end_ = 0;
  std::uint64_t written_ = 0;
  std::array<std::span<const char>, 64> shown_;
};

}  // namespace memcxx::detail
