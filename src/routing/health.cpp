// Whether a server may be used now. See health.hpp.
#include "routing/health.hpp"

#include <algorithm>
#include <bit>

namespace memcxx::routing {

// Between 75 and 125 per cent, so that clients that failed together do not come back together.
std::chrono::nanoseconds health::jittered(std::chrono::nanoseconds d) noexcept {
  random_ ^= random_ << 13U;  // xorshift64 (Marsaglia, 2003)
  random_ ^= random_ >> 7U;
  random_ ^= random_ << 17U;
  const auto spread = static_cast<std::int64_t>(random_ % 501);  // 0 … 500
  return d * (750 + spread) / 1000;
}

bool health::admit(time_point now) noexcept {
  if (!down_) return true;
  if (now < next_probe_) return false;
  // This call is the probe; the others wait for its outcome. Should that take long, the next probe
  // follows after twice as long, so that a server that hangs holds up few calls.
  probing_ = true;
  probe_began_ = now;
  backoff_ = std::min<std::chrono::nanoseconds>(backoff_ * 2, options_.retry_max);
  next_probe_ = now + jittered(backoff_);
  return true;
}

void health::count(bool failed) noexcept {
  recent_ = recent_ << 1U | (failed ? 1U : 0U);
  samples_ = std::min(samples_ + 1, rate_window);
}

health::change health::failed(time_point began, time_point now) noexcept {
  if (options_.max_failures == 0) return change::none;
  if (down_) {
    // Calls from before say nothing new; only the probe does.
    if (probing_ && began >= probe_began_) {
      probing_ = false;
      next_probe_ = now + jittered(backoff_);
    }
    return change::none;
  }
  count(true);
  if (began >= last_incident_) {
    ++incidents_;
    last_incident_ = now;
  }
  const bool too_many = incidents_ >= options_.max_failures;
  const bool too_often = options_.max_failure_rate > 0 && samples_ == rate_window &&
                         std::popcount(recent_) >= options_.max_failure_rate * rate_window;
  if (!too_many && !too_often) return change::none;
  down_ = true;
  probing_ = false;
  backoff_ = options_.retry_min;
  next_probe_ = now + jittered(backoff_);
  return change::went_down;
}

health::change health::answered() noexcept {
  count(false);
  incidents_ = 0;
  if (!down_) return change::none;
  down_ = probing_ = false;
  recent_ = 0;
  samples_ = 0;
  return change::came_up;
}

}  // namespace memcxx::routing
