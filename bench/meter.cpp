// Phases, clocks and samples. The contract is in the header.
#include "meter.hpp"

#include <algorithm>
#include <limits>
#include <sys/resource.h>

#ifdef MEMCXX_HAS_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#endif

namespace memcxx::bench {
namespace {

constexpr std::size_t most_samples = std::size_t{1} << 20;
// Of calls that overlap, one in so many is timed, and the clock is looked at as rarely.
constexpr std::uint64_t sparse = 16;
constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();

}  // namespace

spending spending::now() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& t) {
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(t.tv_usec);
  };
  return {steady::now(), us(used.ru_utime) + us(used.ru_stime),
          static_cast<std::uint64_t>(used.ru_minflt), allocations_of_this_thread(),
          calls_of_this_thread()};
}

meter::meter(const limits& l) : limits_(l) {
  // Touched now, so that samples fault no page in later.
  if (limits_.clocks) samples_.assign(most_samples, 0);
  samples_.clear();
}

void meter::count_each_as(std::uint64_t operations) {
  each_ = operations;
  limits_.operations = (limits_.operations + operations - 1) / operations;
  limits_.warm_operations = (limits_.warm_operations + operations - 1) / operations;
}

void meter::overlapping() noexcept {
  overlapping_ = true;
  stride_ = sparse;
}

void meter::sample(steady::duration took) noexcept {
  if (measuring_ && samples_.size() < most_samples) {
    samples_.push_back(std::chrono::duration<float, std::micro>(took).count());
  }
}

void meter::next_batch() noexcept {
  const std::uint64_t most = measuring_ ? limits_.operations : limits_.warm_operations;
  const std::uint64_t room = most == 0 ? endless : most - done_;
  batch_ = limits_.clocks ? std::min(stride_, room) : room;
  left_ = batch_ - 1;
}

bool meter::turn() {
  if (over_) return false;
  const auto time = limits_.clocks ? steady::now() : steady::time_point();
  const auto passed = [&](std::uint64_t operations, steady::time_point until) {
    return (operations != 0 && done_ >= operations) || (limits_.clocks && time >= until);
  };
  if (!begun_warming_) {
    begun_warming_ = true;
    warm_until_ = time + limits_.warm_time;
  }
  done_ += batch_;
  if (measuring_) {
    if (limits_.clocks && !overlapping_) sample((time - last_) / batch_);
    if (passed(limits_.operations, until_)) {
      CALLGRIND_TOGGLE_COLLECT;
      ended_ = spending::now();
      over_ = true;
      return false;
    }
  } else if (passed(limits_.warm_operations, warm_until_)) {
    measuring_ = true;
    done_ = 0;
    begun_ = spending::now();
    until_ = begun_.when + limits_.time;
    CALLGRIND_TOGGLE_COLLECT;
  }
  next_batch();
  last_ = limits_.clocks ? (done_ == 0 && measuring_ ? begun_.when : time) : time;
  return true;
}

}  // namespace memcxx::bench
