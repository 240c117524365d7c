// Whether a server may be used now. Passive: it is told what happened and when.
// Never here: where keys go (distribution), sockets, clocks, locks.
#pragma once

#include <chrono>
#include <cstdint>

#include <memcxx/options.hpp>

namespace memcxx::routing {

// Threads: none of its own; its owner locks.
class health {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  // `seed` spreads the probes of many clients over time.
  health(const health_options& o, std::uint64_t seed) noexcept
      : options_(o), random_(seed != 0 ? seed : 1) {}

  enum class change : std::uint8_t { none, went_down, came_up };

  // May a call that begins now use the server? While it is down, one call in a while may: the
  // probe.
  [[nodiscard]] bool admit(time_point now) noexcept;
  // A call that began at `began` got no connection, or no answer. Calls that overlap are one
  // incident, however many.
  change failed(time_point began, time_point now) noexcept;
  // The server answered.
  change answered() noexcept;

  [[nodiscard]] bool is_down() const noexcept { return down_; }
  // Nothing is held against the server: answered() would change nothing.
  [[nodiscard]] bool is_spotless() const noexcept {
    return !down_ && incidents_ == 0 && options_.max_failure_rate <= 0;
  }
  [[nodiscard]] time_point next_probe() const noexcept { return next_probe_; }

 private:
  void count(bool failed) noexcept;
  [[nodiscard]] std::chrono::nanoseconds jittered(std::chrono::nanoseconds d) noexcept;

  health_options options_;
  std::uint64_t random_;
  bool down_ = false;
  bool probing_ = false;
  time_point probe_began_{};
  unsigned incidents_ = 0;  // in a row
  time_point last_incident_{};
  std::uint32_t recent_ = 0;  // the last calls, a bit for each that failed
  int samples_ = 0;           // how many of them there are
  std::chrono::nanoseconds backoff_{0};
  time_point next_probe_{};

  static constexpr int rate_window = 32;
};

}  // namespace memcxx::routing
