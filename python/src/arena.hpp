// Memory of one call, and what a thread keeps of it for its next one: memory that is given back is
// paid for again, page by page.
// Never here: Python objects, what lies in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace memcxx::python {

// The buffers that a thread keeps, up to a bound: one for what is read, and one for what is
// unpacked of it. Whoever takes one has it alone.
class thread_buffer {
 public:
  enum class use : std::uint8_t { reading, unpacking };
  static constexpr std::size_t least = std::size_t{4} << 10;
  static constexpr std::size_t most = std::size_t{4} << 20;

  // What is kept, without bytes; no memory either when there is none, or somebody has it.
  static std::string take(use what) noexcept;
  // Kept if it is better than what is.
  static void give_back(use what, std::string&& buffer) noexcept;
};

// What was taken stays where it is until the arena goes. Threads: for one call, on one thread.
class arena {
 public:
  arena() noexcept {}
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;
  ~arena();

  // Throws std::bad_alloc or std::length_error.
  char* take(std::size_t n) {
    if (n > free_) [[unlikely]]
      add_block(n);
    free_ -= n;
    return std::exchange(at_, at_ + n);
  }
  std::string_view copy(std::string_view s) {
    if (s.empty()) return {};
    char* const to = take(s.size());
    std::memcpy(to, s.data(), s.size());
    return {to, s.size()};
  }
  // `n` of these, with their defaults.
  template <class T>
    requires std::is_trivially_destructible_v<T>
  T* array(std::size_t n) {
    if (n > (SIZE_MAX - alignof(T)) / sizeof(T)) throw std::bad_alloc();
    const std::size_t size = n * sizeof(T);
    std::size_t room = size + alignof(T) - 1;
    void* at = take(room);
    T* const out = static_cast<T*>(std::align(alignof(T), size, at, room));
    std::uninitialized_value_construct_n(out, n);
    return out;
  }

 private:
  void add_block(std::size_t n);

  char first_[256];    // enough for a call of one small value
  std::string block_;  // of which at_ is in, once there is one
  char* at_ = first_;
  std::size_t free_ = sizeof(first_);
  std::size_t taken_ = 0;          // of the blocks before
  std::vector<std::string> full_;  // blocks before
};

}  // namespace memcxx::python
