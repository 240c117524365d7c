// The time, for those who ask for every call and need not know it exactly.
// Never here: timers.
#pragma once

#include <chrono>
#include <cstdint>

#include "engine/link.hpp"

namespace memcxx::engine {

// Reading steady_clock costs as much as all else that a lock is held for. The processor's counter
// of cycles costs a quarter, and tells whether the clock was read just before. Only where the
// kernel keeps its own time by it: there it is the same on all processors, and never stands still.
// Threads: one at a time.
class async_clock {
 public:
  struct time {
    clock::time_point at;
    bool exact = true;  // or `slack` may have passed since
  };
  static constexpr std::chrono::microseconds slack{1100};

  [[nodiscard]] time look() noexcept {
#if defined(__x86_64__)
    const std::uint64_t cycles = __builtin_ia32_rdtsc();
    if (counts_ && cycles - read_at_ < few_cycles) return {read_, false};
    read_at_ = cycles;
#endif
    read_ = clock::now();
    return {read_, true};
  }

 private:
  // Less than `slack` on every processor of 500 MHz and more.
  static constexpr std::uint64_t few_cycles = 1U << 19U;
  [[nodiscard]] static bool kernel_counts_cycles() noexcept;

  const bool counts_ = kernel_counts_cycles();
  clock::time_point read_{};
  std::uint64_t read_at_ = 0;
};

}  // namespace memcxx::engine
