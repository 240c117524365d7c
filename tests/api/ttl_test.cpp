// How long an item lives, as it stands on the wire.
// Never here: a clock; the time is given.
#include <chrono>
#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <optional>

#include <memcxx/ttl.hpp>

namespace memcxx {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::sys_seconds;

constexpr sys_seconds now{1'700'000'000s};
constexpr sys_seconds last{std::chrono::seconds(INT32_MAX)};

std::int64_t wire(const ttl& t, sys_seconds at = now) {
  const auto sent = t.on_wire(at);
  EXPECT_TRUE(sent.has_value());
  return sent.value_or(-999);
}

TEST(ttl_test, never_is_zero) {
  EXPECT_EQ(wire({}), 0);
  EXPECT_EQ(wire(0s), 0);
  EXPECT_EQ(wire(0ns), 0);
  EXPECT_FALSE(ttl().needs_clock());
  EXPECT_EQ(ttl(), ttl(0s));
}

TEST(ttl_test, up_to_thirty_days_is_relative_and_needs_no_clock) {
  EXPECT_EQ(wire(1s), 1);
  EXPECT_EQ(wire(60s), 60);
  EXPECT_EQ(wire(2min), 120);
  EXPECT_EQ(wire(days(30)), 2'592'000);
  EXPECT_FALSE(ttl(days(30)).needs_clock());
  EXPECT_EQ(ttl(60s), ttl(1min));
}

TEST(ttl_test, longer_is_absolute) {
  EXPECT_TRUE(ttl(days(30) + 1s).needs_clock());
  EXPECT_EQ(wire(days(30) + 1s), 1'700'000'000 + 2'592'001);
  EXPECT_EQ(wire(days(365)), 1'700'000'000 + 365 * 86'400);
}

TEST(ttl_test, fractions_round_up_so_that_short_is_not_never) {
  EXPECT_EQ(wire(1ns), 1);
  EXPECT_EQ(wire(999ms), 1);
  EXPECT_EQ(wire(1001ms), 2);
  EXPECT_EQ(wire(std::chrono::duration<double>(0.25)), 1);
  EXPECT_TRUE(ttl(std::chrono::nanoseconds(days(30)) + 1ns).needs_clock());
}

TEST(ttl_test, negative_is_at_once_and_never_never) {
  for (const auto& t : {ttl(-1s), ttl(-1ns), ttl(-999ms), ttl(-days(400)),
                        ttl(std::chrono::duration<double>(-0.001)), ttl(std::chrono::hours::min()),
                        ttl(std::chrono::nanoseconds::min())}) {
    EXPECT_EQ(wire(t), -1);
    EXPECT_FALSE(t.needs_clock());
  }
}

TEST(ttl_test, a_point_in_time_is_absolute_however_near) {
  EXPECT_TRUE(ttl(now).needs_clock());
  EXPECT_EQ(wire(now + 1s), 1'700'000'001);
  EXPECT_EQ(wire(now + days(1)), 1'700'086'400);
  EXPECT_EQ(wire(ttl(std::chrono::time_point_cast<std::chrono::milliseconds>(now) + 1ms)),
            1'700'000'001);
  EXPECT_NE(ttl(sys_seconds{60s}), ttl(60s));
}

TEST(ttl_test, a_point_that_is_not_in_the_future_is_at_once) {
  EXPECT_EQ(wire(now), -1);
  EXPECT_EQ(wire(now - 1s), -1);
  EXPECT_EQ(wire(sys_seconds{0s}), -1);   // and not never
  EXPECT_EQ(wire(sys_seconds{60s}), -1);  // and not relative
  EXPECT_EQ(wire(sys_seconds::min()), -1);
}

TEST(ttl_test, after_2038_there_is_no_number) {
  EXPECT_EQ(wire(last), INT32_MAX);
  EXPECT_EQ(ttl(last + 1s).on_wire(now), std::nullopt);
  EXPECT_EQ(ttl(sys_seconds::max()).on_wire(now), std::nullopt);
  EXPECT_EQ(wire(last - now), INT32_MAX);
  EXPECT_EQ(ttl(last - now + 1s).on_wire(now), std::nullopt);
  EXPECT_EQ(ttl(std::chrono::seconds(INT32_MAX)).on_wire(now), std::nullopt);
}

TEST(ttl_test, durations_beyond_any_number_do_not_wrap) {
  for (const auto& t :
       {ttl(std::chrono::hours::max()), ttl(std::chrono::seconds::max()),
        ttl(std::chrono::years(10'000)), ttl(std::chrono::duration<double>(1e300)),
        ttl(std::chrono::duration<double>(std::numeric_limits<double>::infinity()))}) {
    EXPECT_TRUE(t.needs_clock());
    EXPECT_EQ(t.on_wire(now), std::nullopt);
  }
  EXPECT_EQ(wire(std::chrono::duration<double>(-1e300)), -1);
}

// A clock that is wrong by decades changes what is absolute, never what is relative.
TEST(ttl_test, with_a_clock_at_the_epoch) {
  constexpr sys_seconds epoch{0s};
  EXPECT_EQ(wire(60s, epoch), 60);
  EXPECT_EQ(wire(days(31), epoch), 31 * 86'400);
}

static_assert(ttl(60s).on_wire(now) == 60, "can be computed by the compiler");

}  // namespace
}  // namespace memcxx
