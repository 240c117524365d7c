// Counts and times the operations of one thread: a client runs `while (m.more()) operation();`.
// The first operations warm everything up and are not counted.
// Never here: what an operation is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "counted.hpp"

namespace memcxx::bench {

using steady = std::chrono::steady_clock;

// How long. Whichever comes first ends a phase; 0 operations: as many as the time allows.
struct limits {
  std::uint64_t warm_operations = 0;
  steady::duration warm_time{};
  std::uint64_t operations = 0;
  steady::duration time{};
  bool clocks = true;  // false: count operations alone, which costs next to nothing
};

// What was spent up to a moment.
struct spending {
  steady::time_point when;
  std::uint64_t cpu_us = 0;  // of the process
  std::uint64_t page_faults = 0;
  std::uint64_t allocations = 0;  // of the thread, as the calls
  call_counts calls = {};

  static spending now();
};

// Threads: one for each.
class meter {
 public:
  explicit meter(const limits& l);

  // Whether another operation is wanted. When it says no, the measurement is over; what is in
  // flight may come to its end.
  bool more() {
    if (left_ != 0) {
      --left_;
      return true;
    }
    return turn();
  }

  // Each turn of the loop is so many operations. Before the first.
  void count_each_as(std::uint64_t operations);
  // For calls that overlap: more() tells nothing about how long one takes, sample() does.
  void overlapping() noexcept;
  // Whether this operation is one of those to be timed.
  bool wants_sample() noexcept { return limits_.clocks && ++since_sample_ % stride_ == 0; }
  void sample(steady::duration took) noexcept;

  [[nodiscard]] std::uint64_t operations() const noexcept { return done_ * each_; }
  [[nodiscard]] const spending& begun() const noexcept { return begun_; }
  [[nodiscard]] const spending& ended() const noexcept { return ended_; }
  // Microseconds, not sorted.
  [[nodiscard]] const std::vector<float>& samples() const noexcept { return samples_; }

 private:
  bool turn();
  void next_batch() noexcept;

  limits limits_;
  std::uint64_t left_ = 0;    // of this batch
  std::uint64_t batch_ = 0;   // turns of the loop between two looks at the clock
  std::uint64_t stride_ = 1;  // its usual size
  std::uint64_t each_ = 1;
  std::uint64_t done_ = 0;
  std::uint64_t since_sample_ = 0;
  bool begun_warming_ = false, measuring_ = false, over_ = false, overlapping_ = false;
  steady::time_point last_, warm_until_, until_;
  spending begun_, ended_;
  std::vector<float> samples_;
};

}  // namespace memcxx::bench
