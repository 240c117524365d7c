// The memory driver: vivify, recache, invalidate. One caller wins the right to refresh an item, the
// others are told so.
#include <cstdint>
#include <string>

#include "memory_fixture.hpp"

namespace memcxx::test {
namespace {

class memory_marks : public memory_fixture {
 protected:
  answer vivify(std::string_view key, std::int32_t ttl) {
    return ask({.wants = want::value | want::ttl, .key = key, .vivify_ttl = ttl});
  }
  answer recache(std::string_view key, std::int32_t ttl) {
    return ask({.wants = want::value | want::ttl, .key = key, .recache_ttl = ttl});
  }
  answer invalidate(std::string_view key, std::int32_t ttl = 0, std::uint64_t cas = 0) {
    return ask({.op = verb::remove, .ttl = ttl, .key = key, .cas = cas, .invalidate = true});
  }
  // As meta writes them: W won, X stale, Z another has won.
  static std::string marks(const answer& a) {
    if (a.status() != errc::ok) return "(none)";
    return std::string(a.head.won ? "W" : "") + (a.head.stale ? "X" : "") +
           (a.head.already_won ? "Z" : "");
  }
};

TEST_F(memory_marks, vivify_makes_a_stub_that_one_caller_wins) {
  const answer first = vivify("k", 30);
  EXPECT_EQ(marks(first), "W");
  EXPECT_EQ(first.value, "");
  EXPECT_EQ(first.head.ttl, 30);
  const answer second = vivify("k", 99);
  EXPECT_EQ(marks(second), "Z");
  EXPECT_EQ(second.head.ttl, 30);
  EXPECT_EQ(marks(get("k")), "Z");
  EXPECT_EQ(get("k").head.flags, 0u);
  const request r{.wants = want::hit_before, .key = "other", .vivify_ttl = 30};
  EXPECT_EQ(ask(r).head.hit_before, false);
  EXPECT_EQ(ask(r).head.hit_before, true) << "who makes the stub has read it";
}

TEST_F(memory_marks, a_stub_is_an_item_to_every_verb) {
  vivify("k", 30);
  EXPECT_EQ(read("k"), "");
  EXPECT_EQ(store(verb::add, "k", "v").status(), errc::not_stored);
  EXPECT_EQ(count(verb::incr, "k").status(), errc::not_a_number);
  EXPECT_EQ(store(verb::append, "k", "q").status(), errc::ok);
  const answer hit = get("k", want::value | want::ttl);
  EXPECT_EQ(hit.value, "q");
  EXPECT_EQ(hit.head.ttl, 30);
  EXPECT_EQ(marks(hit), "");
}

TEST_F(memory_marks, storing_ends_a_stub_and_expiry_frees_it) {
  vivify("k", 30);
  set("k", "v");
  EXPECT_EQ(marks(vivify("k", 30)), "");
  EXPECT_EQ(read("k"), "v");
  vivify("other", 30);
  now += 30;
  EXPECT_EQ(marks(vivify("other", 30)), "W");
}

TEST_F(memory_marks, vivify_with_no_or_negative_ttl) {
  EXPECT_EQ(vivify("k", 0).head.ttl, -1);
  EXPECT_EQ(marks(vivify("gone", -1)), "W");
  EXPECT_EQ(marks(vivify("gone", -1)), "W");
  EXPECT_EQ(read("gone"), "(miss)");
}

TEST_F(memory_marks, gat_can_vivify_too) {
  const request r{.op = verb::gat, .wants = want::ttl, .ttl = 100, .key = "k", .vivify_ttl = 20};
  const answer first = ask(r);
  EXPECT_EQ(marks(first), "W");
  EXPECT_EQ(first.head.ttl, 20);
  EXPECT_EQ(ask(r).head.ttl, 100) << "an item that is there gets the gat's ttl";
}

TEST_F(memory_marks, recache_is_won_once_when_less_than_that_is_left) {
  set("k", "v", 30);
  EXPECT_EQ(marks(recache("k", 30)), "");
  EXPECT_EQ(marks(recache("k", 31)), "W");
  EXPECT_EQ(marks(recache("k", 31)), "Z");
  EXPECT_EQ(marks(get("k")), "Z");
  EXPECT_EQ(read("k"), "v");
  set("k", "w", 30);
  EXPECT_EQ(marks(get("k")), "");
  now += 10;
  EXPECT_EQ(marks(recache("k", 20)), "");
  EXPECT_EQ(marks(recache("k", 21)), "W");
}

TEST_F(memory_marks, recache_never_wins_an_item_without_end_nor_with_a_useless_edge) {
  set("k", "v");
  EXPECT_EQ(marks(recache("k", 1000)), "");
  set("k", "v", 30);
  for (const std::int32_t edge : {0, -1, 99'999'999}) EXPECT_EQ(marks(recache("k", edge)), "");
  EXPECT_EQ(marks(recache("k", static_cast<std::int32_t>(now + 31))), "W") << "a point in time";
}

TEST_F(memory_marks, recache_in_a_gat_looks_at_the_ttl_before) {
  set("k", "v", 30);
  const answer a =
      ask({.op = verb::gat, .wants = want::ttl, .ttl = 500, .key = "k", .recache_ttl = 60});
  EXPECT_EQ(marks(a), "W");
  EXPECT_EQ(a.head.ttl, 500);
}

TEST_F(memory_marks, recache_and_vivify_together) {
  const request r{.key = "k", .vivify_ttl = 30, .recache_ttl = 60};
  EXPECT_EQ(marks(ask(r)), "W");
  EXPECT_EQ(marks(ask(r)), "Z") << "the stub is won already";
}

TEST_F(memory_marks, invalidate_keeps_the_item_as_stale) {
  EXPECT_EQ(invalidate("k").status(), errc::miss);
  const auto cas = set("k", "v", 100);
  EXPECT_EQ(invalidate("k").status(), errc::ok);
  const answer winner = get("k", want::value | want::ttl | want::cas);
  EXPECT_EQ(marks(winner), "WX");
  EXPECT_EQ(winner.value, "v");
  EXPECT_EQ(winner.head.ttl, 100) << "its ttl stays when none is given";
  EXPECT_GT(winner.head.cas, cas);
  EXPECT_EQ(marks(get("k")), "XZ");
  EXPECT_EQ(store(verb::cas, "k", "w", 0, cas).status(), errc::exists);
  EXPECT_EQ(store(verb::cas, "k", "w", 0, winner.head.cas).status(), errc::ok);
  EXPECT_EQ(marks(get("k")), "");
}

TEST_F(memory_marks, invalidate_again_lets_another_win) {
  set("k", "v");
  invalidate("k", 30);
  EXPECT_EQ(get("k", want::ttl).head.ttl, 30);
  EXPECT_EQ(marks(get("k")), "XZ");
  EXPECT_EQ(invalidate("k").status(), errc::ok);
  EXPECT_EQ(marks(get("k")), "WX");
  now += 30;
  EXPECT_EQ(read("k"), "(miss)");
}

TEST_F(memory_marks, invalidate_takes_a_cas) {
  const auto cas = set("k", "v");
  EXPECT_EQ(invalidate("k", 0, cas + 1).status(), errc::exists);
  EXPECT_EQ(marks(get("k")), "");
  EXPECT_EQ(invalidate("k", 0, cas).status(), errc::ok);
  EXPECT_EQ(marks(get("k")), "WX");
}

TEST_F(memory_marks, touch_leaves_the_marks) {
  set("k", "v", 100);
  invalidate("k");
  ask({.op = verb::touch, .ttl = 50, .key = "k"});
  const answer a = ask({.op = verb::gat, .wants = want::ttl, .ttl = 10, .key = "k"});
  EXPECT_EQ(marks(a), "WX");
  EXPECT_EQ(a.head.ttl, 10);
}

TEST_F(memory_marks, an_older_cas_with_invalidate_stores_as_stale) {
  const auto older = ask({.op = verb::set, .flags = 7, .ttl = 100, .key = "k", .value = "x"});
  const auto newer = set("k", "y", 100);
  const answer stored = ask({.op = verb::cas,
                             .flags = 9,
                             .ttl = 500,
                             .key = "k",
                             .value = "z",
                             .cas = older.head.cas,
                             .invalidate = true});
  ASSERT_EQ(stored.status(), errc::ok);
  EXPECT_GT(stored.head.cas, newer);
  const answer hit = get("k", want::value | want::ttl | want::cas);
  EXPECT_EQ(hit.value, "z");
  EXPECT_EQ(hit.head.flags, 9u);
  EXPECT_EQ(hit.head.ttl, 100) << "the ttl is the replaced item's";
  EXPECT_EQ(hit.head.cas, stored.head.cas);
  EXPECT_EQ(marks(hit), "WX");
  EXPECT_EQ(marks(get("k")), "XZ");

  // Who has won stays so over another such store.
  ask({.op = verb::set, .key = "k", .value = "q", .cas = older.head.cas, .invalidate = true});
  EXPECT_EQ(read("k"), "q");
  EXPECT_EQ(marks(get("k")), "XZ");
  set("k", "fresh");
  EXPECT_EQ(marks(get("k")), "");
}

TEST_F(memory_marks, a_cas_that_is_not_older_is_compared_as_ever) {
  const auto cas = set("k", "v");
  const request r{.op = verb::cas, .key = "k", .value = "w", .cas = cas + 1, .invalidate = true};
  EXPECT_EQ(ask(r).status(), errc::exists);
  const request same{.op = verb::cas, .key = "k", .value = "w", .cas = cas, .invalidate = true};
  EXPECT_EQ(ask(same).status(), errc::ok);
  EXPECT_EQ(marks(get("k")), "");
  const request missing{
      .op = verb::cas, .key = "none", .value = "w", .cas = cas, .invalidate = true};
  EXPECT_EQ(ask(missing).status(), errc::miss);
}

TEST_F(memory_marks, counting_leaves_the_marks_and_appending_ends_them) {
  set("n", "10");
  invalidate("n");
  EXPECT_EQ(count(verb::decr, "n").head.number, 9u);
  EXPECT_EQ(marks(get("n")), "WX");
  store(verb::append, "n", "1");
  EXPECT_EQ(marks(get("n")), "");
}

}  // namespace
}  // namespace memcxx::test
