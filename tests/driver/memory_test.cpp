// The memory driver: stores, counters, and the verbs of a server.
#include <cstdint>
#include <limits>
#include <string>

#include "memory_fixture.hpp"

namespace memcxx::test {
namespace {

class memory_verbs : public memory_fixture {};

TEST_F(memory_verbs, gives_back_bytes_flags_and_cas) {
  const std::string bytes("a\0\r\nb", 5);
  const answer stored = ask({.op = verb::set, .flags = 0xfffffffe, .key = "k", .value = bytes});
  ASSERT_EQ(stored.status(), errc::ok);
  const answer hit = get("k");
  EXPECT_EQ(hit.status(), errc::ok);
  EXPECT_EQ(hit.value, bytes);
  EXPECT_EQ(hit.head.flags, 0xfffffffe);
  EXPECT_TRUE(hit.head.has_cas);
  EXPECT_EQ(hit.head.cas, stored.head.cas);
  EXPECT_EQ(get("other").status(), errc::miss);
}

TEST_F(memory_verbs, tells_only_what_is_wanted) {
  set("k", "value", 100);
  const answer bare = get("k", want::nothing);
  EXPECT_EQ(bare.status(), errc::ok);
  EXPECT_EQ(bare.value, "");
  EXPECT_FALSE(bare.head.has_cas);
  EXPECT_FALSE(bare.head.ttl || bare.head.last_access || bare.head.hit_before || bare.head.size);
  now += 30;
  const answer all =
      get("k", want::value | want::ttl | want::size | want::last_access | want::hit_before);
  EXPECT_EQ(all.value, "value");
  EXPECT_EQ(all.head.ttl, 70);
  EXPECT_EQ(all.head.size, 5u);
  EXPECT_EQ(all.head.last_access, 30u);
  EXPECT_EQ(all.head.hit_before, true);
  EXPECT_EQ(get("k", want::last_access).head.last_access, 0u);
}

TEST_F(memory_verbs, hit_before_tells_of_earlier_reads_only) {
  set("k", "v");
  EXPECT_EQ(get("k", want::hit_before).head.hit_before, false);
  EXPECT_EQ(get("k", want::hit_before).head.hit_before, true);
  set("k", "v");
  EXPECT_EQ(get("k", want::hit_before).head.hit_before, false);
  set("k", "v");
  ask({.op = verb::touch, .key = "k"});
  EXPECT_EQ(get("k", want::hit_before).head.hit_before, true);
}

TEST_F(memory_verbs, prefix_and_key_are_one_name) {
  ask({.op = verb::set, .prefix = "app:", .key = "k", .value = "v"});
  EXPECT_EQ(read("app:k"), "v");
  EXPECT_EQ(ask({.prefix = "app", .key = ":k"}).value, "v");
  EXPECT_EQ(read("k"), "(miss)");
}

TEST_F(memory_verbs, keys_are_any_1_to_250_bytes) {
  const std::string any("\0 \n\x7f\xff", 5);
  set(any, "v");
  EXPECT_EQ(read(any), "v");
  const std::string longest(250, 'k');
  set(longest, "v");
  EXPECT_EQ(read(longest), "v");
  EXPECT_EQ(store(verb::set, longest + "k", "v").status(), errc::invalid_key);
  EXPECT_EQ(ask({.prefix = "p", .key = longest}).status(), errc::invalid_key);
  EXPECT_EQ(get("").status(), errc::invalid_key);
}

TEST_F(memory_verbs, opaque_comes_back) {
  const answer a = ask({.opaque = 42, .key = "none"});
  EXPECT_EQ(a.status(), errc::miss);
  EXPECT_TRUE(a.head.has_opaque);
  EXPECT_EQ(a.head.opaque, 42u);
  EXPECT_FALSE(get("none").head.has_opaque);
}

TEST_F(memory_verbs, quiet_requests_are_answered) {
  EXPECT_EQ(ask({.op = verb::set, .quiet = true, .key = "k", .value = "v"}).status(), errc::ok);
  EXPECT_EQ(ask({.quiet = true, .key = "none"}).status(), errc::miss);
}

TEST_F(memory_verbs, add_and_replace_look_first) {
  EXPECT_EQ(store(verb::replace, "k", "r").status(), errc::not_stored);
  EXPECT_EQ(store(verb::add, "k", "a").status(), errc::ok);
  EXPECT_EQ(store(verb::add, "k", "b").status(), errc::not_stored);
  EXPECT_EQ(read("k"), "a");
  EXPECT_EQ(store(verb::replace, "k", "r").status(), errc::ok);
  EXPECT_EQ(read("k"), "r");
}

TEST_F(memory_verbs, append_and_prepend_keep_flags_and_ttl) {
  EXPECT_EQ(store(verb::append, "k", "x").status(), errc::not_stored);
  EXPECT_EQ(store(verb::prepend, "k", "x").status(), errc::not_stored);
  ask({.op = verb::set, .flags = 3, .ttl = 50, .key = "k", .value = "b"});
  const auto before = get("k").head.cas;
  const answer a = ask({.op = verb::append, .flags = 9, .ttl = 99, .key = "k", .value = "c"});
  EXPECT_EQ(a.status(), errc::ok);
  EXPECT_GT(a.head.cas, before);
  EXPECT_EQ(ask({.op = verb::prepend, .flags = 9, .ttl = 99, .key = "k", .value = "a"}).status(),
            errc::ok);
  const answer hit = get("k", want::value | want::ttl);
  EXPECT_EQ(hit.value, "abc");
  EXPECT_EQ(hit.head.flags, 3u);
  EXPECT_EQ(hit.head.ttl, 50);
}

TEST_F(memory_verbs, every_store_has_a_cas_of_its_own) {
  std::uint64_t last = 0;
  const auto grows = [&](const answer& a) {
    EXPECT_EQ(a.status(), errc::ok);
    EXPECT_TRUE(a.head.has_cas);
    EXPECT_GT(a.head.cas, last);
    last = a.head.cas;
  };
  grows(store(verb::set, "a", "1"));
  grows(store(verb::add, "b", "1"));
  grows(store(verb::replace, "a", "1"));
  grows(store(verb::append, "a", "1"));
  grows(store(verb::prepend, "b", "1"));
  grows(count(verb::incr, "a"));
  grows(store(verb::cas, "a", "1", 0, last));
  ask({.op = verb::flush});
  grows(store(verb::set, "a", "1"));
}

TEST_F(memory_verbs, cas_stores_only_over_what_was_read) {
  EXPECT_EQ(store(verb::cas, "k", "v", 0, 1).status(), errc::miss);
  const auto cas = set("k", "one");
  EXPECT_EQ(store(verb::cas, "k", "v", 0, cas + 1).status(), errc::exists);
  EXPECT_EQ(store(verb::cas, "k", "two", 0, cas).status(), errc::ok);
  EXPECT_EQ(store(verb::cas, "k", "three", 0, cas).status(), errc::exists);
  EXPECT_EQ(read("k"), "two");
}

TEST_F(memory_verbs, other_stores_take_a_cas_as_the_server_does) {
  // With a token, set and replace are cas: without an item that is a miss.
  EXPECT_EQ(store(verb::set, "k", "v", 0, 5).status(), errc::miss);
  EXPECT_EQ(store(verb::replace, "k", "v", 0, 5).status(), errc::miss);
  EXPECT_EQ(store(verb::append, "k", "v", 0, 5).status(), errc::not_stored);
  auto cas = set("k", "b");
  for (const verb op : {verb::set, verb::replace, verb::append, verb::prepend})
    EXPECT_EQ(store(op, "k", "x", 0, cas + 1).status(), errc::exists) << static_cast<int>(op);
  EXPECT_EQ(read("k"), "b");
  cas = store(verb::append, "k", "c", 0, cas).head.cas;
  cas = store(verb::prepend, "k", "a", 0, cas).head.cas;
  EXPECT_EQ(read("k"), "abc");
  EXPECT_EQ(store(verb::set, "k", "s", 0, cas).status(), errc::ok);
}

TEST_F(memory_verbs, a_condition_that_would_be_ignored_is_refused) {
  const auto cas = set("k", "1");
  const auto refused = [&](const request& r, errc code) {
    const answer a = ask(r);
    EXPECT_EQ(a.status(), code);
    EXPECT_NE(a.text, "");
  };
  for (const verb op : {verb::get, verb::gat, verb::touch, verb::add})
    refused({.op = op, .ttl = -1, .key = "k", .cas = cas}, errc::not_supported);
  for (const verb op : {verb::incr, verb::decr})
    refused({.op = op, .key = "k", .cas = cas, .initial = 1}, errc::not_supported);
  refused({.op = verb::cas, .key = "k", .value = "v"}, errc::invalid_argument);
  for (const verb op : {verb::get, verb::gat, verb::touch, verb::add, verb::append, verb::prepend,
                        verb::incr, verb::decr})
    refused({.op = op, .ttl = -1, .key = "k", .value = "v", .invalidate = true},
            errc::not_supported);
  EXPECT_EQ(get("k").head.cas, cas) << "nothing was touched";
}

TEST_F(memory_verbs, remove_takes_a_cas) {
  EXPECT_EQ(ask({.op = verb::remove, .key = "k"}).status(), errc::miss);
  const auto cas = set("k", "v");
  EXPECT_EQ(ask({.op = verb::remove, .key = "k", .cas = cas + 1}).status(), errc::exists);
  EXPECT_EQ(read("k"), "v");
  EXPECT_EQ(ask({.op = verb::remove, .key = "k", .cas = cas}).status(), errc::ok);
  EXPECT_EQ(read("k"), "(miss)");
  set("k", "v");
  EXPECT_EQ(ask({.op = verb::remove, .key = "k"}).status(), errc::ok);
  EXPECT_EQ(ask({.op = verb::remove, .key = "k"}).status(), errc::miss);
}

class memory_counters : public memory_fixture {};

TEST_F(memory_counters, wrap_above_and_stop_below) {
  EXPECT_EQ(count(verb::incr, "n").status(), errc::miss);
  set("n", "10", 60);
  EXPECT_EQ(count(verb::decr, "n").head.number, 9u);
  EXPECT_EQ(read("n"), "9");
  EXPECT_EQ(count(verb::incr, "n", 5).head.number, 14u);
  EXPECT_EQ(count(verb::decr, "n", 15).head.number, 0u);
  EXPECT_EQ(read("n"), "0");
  set("n", "18446744073709551615", 60);
  EXPECT_EQ(count(verb::incr, "n").head.number, 0u);
  set("n", "18446744073709551615", 60);
  EXPECT_EQ(count(verb::incr, "n", std::numeric_limits<std::uint64_t>::max()).head.number,
            18446744073709551614u);
  EXPECT_EQ(get("n", want::ttl).head.ttl, 60);
}

TEST_F(memory_counters, read_numbers_as_the_server_does) {
  const auto after_incr = [&](std::string_view text) {
    set("n", text);
    return count(verb::incr, "n");
  };
  const auto number = [&](std::string_view text) {
    const answer a = after_incr(text);
    EXPECT_EQ(a.status(), errc::ok) << text;
    return a.head.number;
  };
  EXPECT_EQ(number("1 "), 2u);
  EXPECT_EQ(number("9         "), 10u);
  EXPECT_EQ(number(" 5"), 6u);
  EXPECT_EQ(number("\t7"), 8u);
  EXPECT_EQ(number("+5"), 6u);
  EXPECT_EQ(number("-0"), 1u);
  EXPECT_EQ(number("007"), 8u);
  EXPECT_EQ(number("12 abc"), 13u);
  EXPECT_EQ(number(std::string_view("5\0x", 3)), 6u);
  for (const std::string_view bad :
       {"", " ", "-5", "5x", "abc", "0x10", "18446744073709551616", "99999999999999999999999999"}) {
    const answer a = after_incr(bad);
    EXPECT_EQ(a.status(), errc::not_a_number) << bad;
    EXPECT_NE(a.text, "");
    EXPECT_EQ(read("n"), bad);
  }
}

TEST_F(memory_counters, initial_creates_with_its_ttl_only_when_missing) {
  const request r{.op = verb::incr, .ttl = 50, .key = "n", .delta = 3, .initial = 13};
  EXPECT_EQ(ask(r).head.number, 13u);
  EXPECT_EQ(get("n", want::value | want::ttl).value, "13");
  EXPECT_EQ(get("n", want::ttl).head.ttl, 50);
  now += 20;
  EXPECT_EQ(ask(r).head.number, 16u);
  EXPECT_EQ(get("n", want::ttl).head.ttl, 30);
  now += 30;
  EXPECT_EQ(ask(r).head.number, 13u) << "created anew once expired";
}

TEST_F(memory_counters, take_a_cas) {
  const auto cas = set("n", "1");
  EXPECT_EQ(ask({.op = verb::incr, .key = "n", .cas = cas + 1}).status(), errc::exists);
  EXPECT_EQ(ask({.op = verb::incr, .key = "n", .cas = cas}).head.number, 2u);
  EXPECT_EQ(ask({.op = verb::incr, .key = "none", .cas = cas}).status(), errc::miss);
}

class memory_server : public memory_fixture {};

TEST_F(memory_server, statistics) {
  set("a", "1");
  get("a");
  get("none");
  ask({.op = verb::touch, .key = "a"});
  ask({.op = verb::gat, .key = "none"});
  now += 7;
  const answer a = ask({.op = verb::stats});
  EXPECT_EQ(a.status(), errc::ok);
  auto lines = a.lines;
  EXPECT_EQ(lines["uptime"], "7");
  EXPECT_EQ(lines["curr_items"], "1");
  EXPECT_EQ(lines["total_items"], "1");
  EXPECT_EQ(lines["limit_maxbytes"], "67108864");
  EXPECT_EQ(lines["cmd_get"], "2");
  EXPECT_EQ(lines["cmd_set"], "1");
  EXPECT_EQ(lines["get_hits"], "1");
  EXPECT_EQ(lines["get_misses"], "1");
  EXPECT_EQ(lines["cmd_touch"], "2");
  EXPECT_EQ(lines["touch_hits"], "1");
  EXPECT_EQ(lines["touch_misses"], "1");
  EXPECT_EQ(lines["evictions"], "0");
  EXPECT_NE(lines["bytes"], "0");

  EXPECT_EQ(ask({.op = verb::stats, .key = "reset"}).status(), errc::ok);
  EXPECT_EQ(stat("cmd_get"), "0");
  EXPECT_EQ(stat("curr_items"), "1");
  const answer other = ask({.op = verb::stats, .key = "slabs"});
  EXPECT_EQ(other.status(), errc::not_supported);
  EXPECT_NE(other.text, "");
  EXPECT_TRUE(other.lines.empty());
}

TEST_F(memory_server, version_verbosity_ping_debug) {
  EXPECT_TRUE(ask({.op = verb::version}).text.starts_with("memcxx-memory "));
  EXPECT_EQ(ask({.op = verb::verbosity, .delta = 2}).status(), errc::ok);
  EXPECT_EQ(ask({.op = verb::ping}).status(), errc::ok);
  EXPECT_EQ(ask({.op = verb::debug, .key = "k"}).status(), errc::miss);
  const auto cas = set("k", "v");
  now += 2;
  const std::string expected = "exp=-1 la=2 cas=" + std::to_string(cas) + " fetch=no size=";
  EXPECT_TRUE(ask({.op = verb::debug, .key = "k"}).text.starts_with(expected));
  EXPECT_TRUE(ask({.op = verb::debug, .key = "k"}).text.starts_with(expected))
      << "looking is no use";
  get("k");
  EXPECT_NE(ask({.op = verb::debug, .key = "k"}).text.find("la=0"), std::string::npos);
  EXPECT_NE(ask({.op = verb::debug, .key = "k"}).text.find("fetch=yes"), std::string::npos);
}

TEST_F(memory_server, an_unknown_verb_is_not_supported) {
  EXPECT_EQ(ask({.op = static_cast<verb>(200), .key = "k"}).status(), errc::not_supported);
}

}  // namespace
}  // namespace memcxx::test
