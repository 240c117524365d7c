// How long an item lives. Lives here: the `ttl` type, which keeps a duration apart from a point in
// time. Never here: reading a clock (the caller of `on_wire` brings the time).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace memcxx {

// A time to live: never (the default), a duration from now, or a point in time.
// A zero duration means never, as memcached has it; a negative one, or a point in the past, means
// that the item expires at once. Fractions of a second are rounded up, so that a short ttl does not
// become "never". Threads: a value type.
class ttl {
 public:
  constexpr ttl() = default;  // never expires

  template <class Rep, class Period>
  constexpr ttl(std::chrono::duration<Rep, Period> d)  // implicit: {.ttl = 60s}
      : kind_(kind::duration), seconds_(saturate(d)) {}

  constexpr ttl(std::chrono::sys_seconds at)
      : kind_(kind::point), seconds_(at.time_since_epoch().count()) {}

  template <class Duration>
  constexpr ttl(std::chrono::time_point<std::chrono::system_clock, Duration> at)
      : ttl(std::chrono::ceil<std::chrono::seconds>(at)) {}

  // True when `on_wire` needs the time: a long duration, or a point in time.
  [[nodiscard]] constexpr bool needs_clock() const noexcept {
    return kind_ == kind::point || seconds_ > longest_relative;
  }

  // The exptime as every protocol carries it (protocol.txt, "Expiration times"): 0 for never, -1
  // for at once, up to 30 days as seconds from now, anything longer as seconds since the epoch.
  // `now` is only read when `needs_clock()`. Empty when the protocol has no number for it: a point
  // after 2038-01-19, where the server's signed 32 bits end.
  [[nodiscard]] constexpr std::optional<std::int32_t> on_wire(
      std::chrono::sys_seconds now) const noexcept {
    if (kind_ == kind::duration) {
      if (seconds_ == 0) return 0;
      if (seconds_ < 0) return -1;
      if (seconds_ <= longest_relative) return static_cast<std::int32_t>(seconds_);
    }
    const std::int64_t present = now.time_since_epoch().count();
    if (kind_ == kind::duration && seconds_ > INT32_MAX) return std::nullopt;
    const std::int64_t at = kind_ == kind::duration ? present + seconds_ : seconds_;
    if (at <= present) return -1;
    if (at > INT32_MAX) return std::nullopt;
    return static_cast<std::int32_t>(at);
  }

  constexpr bool operator==(const ttl&) const = default;

  static constexpr std::int64_t longest_relative = 60 * 60 * 24 * 30;

 private:
  enum class kind : std::uint8_t { duration, point };

  template <class Rep, class Period>
  static constexpr std::int64_t saturate(std::chrono::duration<Rep, Period> d) {
    using wide = std::chrono::duration<long double>;
    if (wide(d) > wide(1e15L)) return std::int64_t{1'000'000'000'000'000};
    if (wide(d) < wide(-1e15L)) return std::int64_t{-1'000'000'000'000'000};
    const auto whole = std::chrono::ceil<std::chrono::seconds>(d).count();
    // A negative fraction rounds up to zero, which would mean never.
    return whole == 0 && d < d.zero() ? -1 : whole;
  }

  kind kind_ = kind::duration;
  std::int64_t seconds_ = 0;
};

}  // namespace memcxx
