// The memory driver and time: ttls, delayed flushes, clocks.
#include <chrono>
#include <cstdint>
#include <limits>
#include <new>

#include "memory_fixture.hpp"

namespace memcxx::test {
namespace {

class memory_ttl : public memory_fixture {};

TEST_F(memory_ttl, zero_is_never) {
  set("k", "v", 0);
  now += 1'000'000'000;
  EXPECT_EQ(get("k", want::ttl).head.ttl, -1);
}

TEST_F(memory_ttl, relative_seconds_up_to_30_days) {
  set("short", "v", 1);
  set("long", "v", 2'592'000);
  now += 1;
  EXPECT_EQ(read("short"), "(miss)");
  EXPECT_EQ(get("long", want::ttl).head.ttl, 2'591'999);
  now += 2'591'999;
  EXPECT_EQ(read("long"), "(miss)");
}

TEST_F(memory_ttl, longer_is_a_point_in_time) {
  set("past", "v", 2'592'001);
  EXPECT_EQ(read("past"), "(miss)");
  set("later", "v", static_cast<std::int32_t>(start + 10));
  EXPECT_EQ(get("later", want::ttl).head.ttl, 10);
  now += 10;
  EXPECT_EQ(read("later"), "(miss)");
  now = start + 10'000'000;
  set("far", "v", std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(read("far"), "v");
}

TEST_F(memory_ttl, negative_stores_and_is_gone) {
  set("k", "old");
  for (const std::int32_t ttl : {-1, -2'592'001, std::numeric_limits<std::int32_t>::min()}) {
    EXPECT_EQ(store(verb::set, "k", "v", ttl).status(), errc::ok);
    EXPECT_EQ(read("k"), "(miss)") << ttl;
  }
  EXPECT_EQ(store(verb::add, "k", "v").status(), errc::ok) << "an expired item is no item";
}

TEST_F(memory_ttl, no_verb_sees_an_expired_item) {
  const auto stored_and_expired = [&] {
    set("k", "1", 5);
    now += 5;
  };
  const auto cas = set("k", "1", 5);
  now += 5;
  EXPECT_EQ(store(verb::cas, "k", "v", 0, cas).status(), errc::miss);
  for (const verb op : {verb::replace, verb::append, verb::prepend}) {
    stored_and_expired();
    EXPECT_EQ(store(op, "k", "v").status(), errc::not_stored);
  }
  for (const verb op :
       {verb::get, verb::gat, verb::remove, verb::touch, verb::incr, verb::decr, verb::debug}) {
    stored_and_expired();
    EXPECT_EQ(ask({.op = op, .key = "k"}).status(), errc::miss) << static_cast<int>(op);
  }
}

TEST_F(memory_ttl, touch_and_gat_set_it) {
  EXPECT_EQ(ask({.op = verb::touch, .ttl = 5, .key = "k"}).status(), errc::miss);
  EXPECT_EQ(ask({.op = verb::gat, .ttl = 5, .key = "k"}).status(), errc::miss);
  const auto cas = set("k", "v", 5);
  EXPECT_EQ(ask({.op = verb::touch, .ttl = 100, .key = "k"}).status(), errc::ok);
  EXPECT_EQ(get("k").head.cas, cas) << "touching is not storing";
  now += 50;
  const answer hit =
      ask({.op = verb::gat, .wants = want::value | want::cas | want::ttl, .ttl = 200, .key = "k"});
  EXPECT_EQ(hit.value, "v");
  EXPECT_EQ(hit.head.cas, cas);
  EXPECT_EQ(hit.head.ttl, 200);
  EXPECT_EQ(ask({.op = verb::gat, .wants = want::value | want::ttl, .ttl = -1, .key = "k"}).value,
            "v")
      << "the last to read it";
  EXPECT_EQ(read("k"), "(miss)");
  set("k", "v");
  EXPECT_EQ(ask({.op = verb::touch, .ttl = -1, .key = "k"}).status(), errc::ok);
  EXPECT_EQ(read("k"), "(miss)");
}

TEST_F(memory_ttl, a_clock_set_back_or_out_of_range_does_no_harm) {
  set("k", "v", 10);
  now -= 100;
  EXPECT_EQ(get("k", want::last_access).head.last_access, 0u);
  now = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(read("k"), "v");
  now = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(read("k"), "(miss)");
  set("k", "v", 10);
  EXPECT_EQ(get("k", want::ttl).head.ttl, 10);
}

class memory_flush : public memory_fixture {};

TEST_F(memory_flush, flush_drops_everything) {
  set("a", "1");
  set("b", "2", 100);
  EXPECT_EQ(ask({.op = verb::flush}).status(), errc::ok);
  EXPECT_EQ(read("a"), "(miss)");
  EXPECT_EQ(read("b"), "(miss)");
  set("a", "3");
  EXPECT_EQ(read("a"), "3");
  EXPECT_EQ(ask({.op = verb::flush, .ttl = -1}).status(), errc::ok);
  EXPECT_EQ(read("a"), "(miss)");
}

TEST_F(memory_flush, a_delayed_flush_drops_what_is_there_when_it_is_due) {
  set("early", "1");
  EXPECT_EQ(ask({.op = verb::flush, .ttl = 10}).status(), errc::ok);
  now += 5;
  set("between", "2");
  now += 4;
  EXPECT_EQ(read("early"), "1");
  now += 1;
  EXPECT_EQ(read("early"), "(miss)");
  EXPECT_EQ(read("between"), "(miss)");
  set("after", "3");
  now += 100;
  EXPECT_EQ(read("after"), "3");
}

TEST_F(memory_flush, nothing_stored_after_a_due_flush_is_lost_to_it) {
  ask({.op = verb::flush, .ttl = 10});
  now += 1000;
  set("k", "v");
  EXPECT_EQ(read("k"), "v");
}

TEST_F(memory_flush, a_later_flush_replaces_a_pending_one) {
  ask({.op = verb::flush, .ttl = 10});
  ask({.op = verb::flush});
  set("k", "v");
  now += 20;
  EXPECT_EQ(read("k"), "v");
  ask({.op = verb::flush, .ttl = static_cast<std::int32_t>(now + 5)});
  EXPECT_EQ(read("k"), "v");
  now += 5;
  EXPECT_EQ(read("k"), "(miss)");
}

TEST(memory_clock, that_throws_is_an_answer) {
  bool broken = false;
  bool starved = false;
  memory_driver d({.clock = [&]() -> std::chrono::sys_seconds {
    if (broken) throw 1;
    if (starved) throw std::bad_alloc();
    return {};
  }});
  broken = true;
  EXPECT_EQ(ask(d, {.key = "k"}).status(), errc::server_error);
  broken = false;
  starved = true;
  EXPECT_EQ(ask(d, {.key = "k"}).status(), errc::out_of_memory);
  starved = false;
  EXPECT_EQ(ask(d, {.key = "k"}).status(), errc::miss);
}

TEST(memory_clock, is_the_systems_by_default) {
  memory_driver d;
  const auto hour_from_now = std::chrono::system_clock::now() + std::chrono::hours(1);
  const auto at = static_cast<std::int32_t>(
      std::chrono::floor<std::chrono::seconds>(hour_from_now).time_since_epoch().count());
  ask(d, {.op = verb::set, .ttl = at, .key = "k", .value = "v"});
  const answer hit = ask(d, {.wants = want::ttl, .key = "k"});
  ASSERT_EQ(hit.status(), errc::ok);
  EXPECT_LE(hit.head.ttl, 3600);
  EXPECT_GT(hit.head.ttl, 3500);
}

}  // namespace
}  // namespace memcxx::test
