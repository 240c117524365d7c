// Whether a server may be used now. See health.hpp.
#include "routing/health.hpp"

#include <algorithm>
#include <utility>

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
  // This call is the probe; the others wait for its outcome, or for the next.
  probing_ = true;
  next_probe_ = now + jittered(backoff_);
  return true;
}

health::change health::go_down(time_point now) noexcept {
  if (down_) {
    // Calls that were under way say nothing new; only a probe does.
    if (!probing_) return change::none;
    backoff_ = std::min<std::chrono::nanoseconds>(backoff_ * 2, options_.retry_max);
  } else {
    backoff_ = options_.retry_min;
  }
  const bool was_down = std::exchange(down_, true);
  probing_ = false;
  next_probe_ = now + jittered(backoff_);
  return was_down ? change::none : change::went_down;
}

health::change health::failed(time_point began, time_point now) noexcept {
  if (options_.max_failures == 0) return change::none;
  if (down_) return go_down(now);
  if (samples_ < rate_window) ++samples_;
  failure_rate_ += (1.0 - failure_rate_) / rate_window;
  if (began >= last_incident_) {
    ++incidents_;
    last_incident_ = now;
  }
  const bool too_many = incidents_ >= options_.max_failures;
  const bool too_often = options_.max_failure_rate > 0 && samples_ == rate_window &&
                         failure_rate_ >= options_.max_failure_rate;
  return too_many || too_often ? go_down(now) : change::none;
}

health::change health::answered() noexcept {
  if (samples_ < rate_window) ++samples_;
  failure_rate_ -= failure_rate_ / rate_window;
  incidents_ = 0;
  if (!down_) return change::none;
  down_ = probing_ = false;
  samples_ = 0;
  failure_rate_ = 0;
  return change::came_up;
}

}  // namespace memcxx::routing
