// Whether it pays to look for an answer again and again instead of sleeping until it is there.
// Passive: it is told how long answers took. Never here: clocks, sockets.
#pragma once

#include <chrono>

namespace memcxx::engine {

// A thread that sleeps is woken some ten microseconds after its answer came; on another core's
// server that is more than the server takes. Looking costs the processor's time instead, which is
// given to whoever wants it between two looks (sched_yield). Where others do, or the server is far,
// answers take longer, and the gate closes.
class wait_gate {
 public:
  using duration = std::chrono::nanoseconds;

  [[nodiscard]] bool is_open() const noexcept { return average_ <= worth_looking; }
  void waited(duration d) noexcept { average_ += (d - average_) / 8; }

  // Nobody looks for longer than this: whoever has waited that long sleeps for the rest.
  static constexpr duration longest_look = std::chrono::microseconds(30);

 private:
  static constexpr duration worth_looking = std::chrono::microseconds(50);
  duration average_ = 2 * worth_looking;  // moving; the first answers tell
};

}  // namespace memcxx::engine
