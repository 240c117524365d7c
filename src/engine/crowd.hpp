// Whether there are so many calls at a server that they are better off together than with a
// connection each. Passive: it is told what is found, and when.
// Never here: clocks, sockets, how calls travel together (combining).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>

namespace memcxx::engine {

// A crowd is known by the connections that are in use at once. That it is still there is found out
// anew now and then: each call takes a connection of its own again, unless more are needed.
//
// Those are no crowd that wait for a server far away rather than for a processor: together a call
// would wait twice, for those before it and for its own answer. The fastest answers tell.
//
// Threads: what is not const is the leader's, but for has_come(), which is anybody's.
class crowd {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  // With more connections in use than `enough`.
  explicit crowd(std::size_t enough) noexcept : enough_(enough) {}
  [[nodiscard]] std::size_t enough() const noexcept { return enough_; }

  // A call found no idle connection, with so many open: has a crowd come?
  [[nodiscard]] bool has_come(std::size_t connections, time_point now) noexcept {
    if (connections <= enough_ || now < apart_until_.load(std::memory_order_relaxed)) return false;
    until_.store(now + lasts, std::memory_order_relaxed);
    return true;
  }

  // The time from a sending to the first answer, with nothing else on its way.
  void answer_took(duration d) noexcept {
    fastest_ = std::min(fastest_, d);
    ++answers_;
  }
  // It is time to find out whether the crowd is still there.
  [[nodiscard]] bool is_over(time_point now) noexcept {
    if (now < until_.load(std::memory_order_relaxed)) return false;
    if (answers_ >= enough_answers) {
      if (fastest_ > far) apart_until_.store(now + stays_far, std::memory_order_relaxed);
      answers_ = 0;
      fastest_ = duration::max();
    }
    return true;
  }
  // It was time long ago, and no leader was there to see it.
  [[nodiscard]] bool is_forgotten(time_point now) const noexcept {
    return now >= until_.load(std::memory_order_relaxed) + lasts;
  }

  static constexpr std::chrono::milliseconds lasts{100};
  static constexpr std::chrono::microseconds far{200};
  static constexpr std::chrono::seconds stays_far{10};
  static constexpr unsigned enough_answers = 16;

 private:
  const std::size_t enough_;
  std::atomic<time_point> until_{};
  std::atomic<time_point> apart_until_{};
  unsigned answers_ = 0;
  duration fastest_ = duration::max();
};

}  // namespace memcxx::engine
