// The exact bytes of every classic command, and what the classic protocol refuses.
#include <gtest/gtest.h>
#include <string>

#include <memcxx/protocol/classic.hpp>

#include "parsing.hpp"
#include "protocol/plain.hpp"

namespace memcxx::protocol {
namespace {

std::string bytes(const request& r) {
  EXPECT_FALSE(classic::check(r)) << classic::check(r).why;
  return testing::encoded(classic::encode, r, classic::max_head);
}

errc refused(const request& r) {
  const refusal no = classic::check(r);
  EXPECT_EQ(no.code == errc::ok, no.why.empty());
  return no.code;
}

TEST(classic_encode, reads) {
  EXPECT_EQ(bytes({.key = "k"}), "get k\r\n");
  EXPECT_EQ(bytes({.quiet = true, .prefix = "p:", .key = "k"}), "get p:k\r\n");
  EXPECT_EQ(bytes({.wants = want::value | want::cas, .key = "k"}), "gets k\r\n");
  EXPECT_EQ(bytes({.op = verb::gat, .ttl = 60, .key = "k"}), "gat 60 k\r\n");
  EXPECT_EQ(bytes({.op = verb::gat, .ttl = -1, .prefix = "p", .key = "k"}), "gat 2592001 pk\r\n");
  EXPECT_EQ(bytes({.op = verb::gat, .wants = want::value | want::cas, .key = "k"}), "gats 0 k\r\n");
}

TEST(classic_encode, many_keys_in_one_line) {
  char out[classic::max_head];
  std::size_t n = classic::open_get({.prefix = "p", .key = "a"}, out);
  n += plain::another_get("p", "b", out + n);
  n += plain::another_get({}, "c", out + n);
  EXPECT_EQ(std::string(out, n), "get pa pb c");
  n = classic::open_get({.wants = want::value | want::cas, .key = "a"}, out);
  EXPECT_EQ(std::string(out, n), "gets a");
  n = classic::open_get({.op = verb::gat, .ttl = 9, .key = "a"}, out);
  EXPECT_EQ(std::string(out, n), "gat 9 a");
}

TEST(classic_encode, stores) {
  request r{.op = verb::set, .flags = 5, .ttl = 60, .key = "k", .value = "hello"};
  EXPECT_EQ(bytes(r), "set k 5 60 5\r\n");
  r.quiet = true;
  EXPECT_EQ(bytes(r), "set k 5 60 5 noreply\r\n");
  r.quiet = false;
  r.op = verb::add;
  EXPECT_EQ(bytes(r), "add k 5 60 5\r\n");
  r.op = verb::replace;
  EXPECT_EQ(bytes(r), "replace k 5 60 5\r\n");
  r.op = verb::append;
  EXPECT_EQ(bytes(r), "append k 0 0 5\r\n");
  r.op = verb::prepend;
  r.quiet = true;
  EXPECT_EQ(bytes(r), "prepend k 0 0 5 noreply\r\n");
  r.op = verb::cas;
  r.cas = UINT64_MAX;
  EXPECT_EQ(bytes(r), "cas k 5 60 5 18446744073709551615 noreply\r\n");
  r.wants = want::value | want::cas;  // classic does not tell it: not a reason to refuse a store
  EXPECT_FALSE(classic::check(r));
}

TEST(classic_encode, numbers_at_their_limits) {
  EXPECT_EQ(bytes({.op = verb::set, .flags = UINT32_MAX, .ttl = INT32_MIN, .key = "k"}),
            "set k 4294967295 2592001 0\r\n");
  EXPECT_EQ(bytes({.op = verb::set, .ttl = INT32_MAX, .key = "k"}), "set k 0 2147483647 0\r\n");
  EXPECT_EQ(bytes({.op = verb::incr, .key = "k", .delta = UINT64_MAX}),
            "incr k 18446744073709551615\r\n");
  EXPECT_EQ(bytes({.op = verb::decr, .key = "k", .delta = 0}), "decr k 0\r\n");
}

// Not every server takes a negative one, and some that refuse it run the value: a point in time
// long ago says the same. What ignores its ttl has none.
TEST(classic_encode, a_ttl_that_is_over) {
  for (const std::int32_t over : {-1, -60, INT32_MIN}) {
    for (const verb v : {verb::set, verb::add, verb::replace, verb::cas}) {
      const std::string out = bytes({.op = v, .ttl = over, .key = "k", .cas = v == verb::cas});
      EXPECT_TRUE(out.ends_with(v == verb::cas ? " 2592001 0 1\r\n" : " 2592001 0\r\n")) << out;
    }
    EXPECT_EQ(bytes({.op = verb::append, .ttl = over, .key = "k"}), "append k 0 0 0\r\n");
    EXPECT_EQ(bytes({.op = verb::touch, .ttl = over, .key = "k"}), "touch k 2592001\r\n");
    EXPECT_EQ(bytes({.op = verb::gat, .ttl = over, .key = "k"}), "gat 2592001 k\r\n");
  }
  EXPECT_EQ(bytes({.op = verb::touch, .ttl = 0, .key = "k"}), "touch k 0\r\n");
  EXPECT_EQ(bytes({.op = verb::touch, .ttl = 1, .key = "k"}), "touch k 1\r\n");
}

TEST(classic_encode, the_longest_head_fits) {
  const std::string key(250, 'k');
  const request r{.op = verb::cas,
                  .quiet = true,
                  .flags = UINT32_MAX,
                  .ttl = INT32_MAX,
                  .key = key,
                  .cas = UINT64_MAX};
  EXPECT_LE(bytes(r).size() + 19, classic::max_head);  // and 20 digits of length instead of one
}

TEST(classic_encode, the_rest) {
  EXPECT_EQ(bytes({.op = verb::remove, .key = "k"}), "delete k\r\n");
  EXPECT_EQ(bytes({.op = verb::remove, .quiet = true, .key = "k"}), "delete k noreply\r\n");
  EXPECT_EQ(bytes({.op = verb::touch, .ttl = 30, .key = "k"}), "touch k 30\r\n");
  EXPECT_EQ(bytes({.op = verb::touch, .quiet = true, .key = "k"}), "touch k 0 noreply\r\n");
  EXPECT_EQ(bytes({.op = verb::incr, .key = "k"}), "incr k 1\r\n");
  EXPECT_EQ(bytes({.op = verb::decr, .quiet = true, .key = "k", .delta = 3}),
            "decr k 3 noreply\r\n");
  EXPECT_EQ(bytes({.op = verb::flush}), "flush_all\r\n");
  EXPECT_EQ(bytes({.op = verb::flush, .quiet = true, .ttl = 10}), "flush_all 10 noreply\r\n");
  EXPECT_EQ(bytes({.op = verb::flush, .ttl = -1}), "flush_all\r\n");
  EXPECT_EQ(bytes({.op = verb::stats}), "stats\r\n");
  EXPECT_EQ(bytes({.op = verb::stats, .key = "detail on"}), "stats detail on\r\n");
  EXPECT_EQ(bytes({.op = verb::stats, .prefix = "p", .key = "items"}), "stats items\r\n");
  EXPECT_EQ(bytes({.op = verb::version}), "version\r\n");
  EXPECT_EQ(bytes({.op = verb::ping}), "version\r\n");
  EXPECT_EQ(bytes({.op = verb::config, .key = "cluster"}), "config get cluster\r\n");
  EXPECT_EQ(bytes({.op = verb::config, .quiet = true, .key = "c"}), "config get c\r\n");
  EXPECT_EQ(bytes({.op = verb::verbosity, .delta = 2}), "verbosity 2\r\n");
  EXPECT_EQ(bytes({.op = verb::verbosity, .quiet = true, .delta = 0}), "verbosity 0 noreply\r\n");
}

TEST(classic_check, refuses_what_only_meta_carries) {
  for (const want w : {want::ttl, want::last_access, want::hit_before, want::size}) {
    EXPECT_EQ(refused({.wants = want::value | w, .key = "k"}), errc::not_supported);
    EXPECT_EQ(refused({.op = verb::gat, .wants = want::value | w, .key = "k"}),
              errc::not_supported);
  }
  EXPECT_EQ(refused({.wants = want::nothing, .key = "k"}), errc::not_supported);
  EXPECT_EQ(refused({.wants = want::cas, .key = "k"}), errc::not_supported);
  EXPECT_EQ(refused({.opaque = 7, .key = "k"}), errc::not_supported);
  EXPECT_EQ(refused({.key = "k", .vivify_ttl = 30}), errc::not_supported);
  EXPECT_EQ(refused({.key = "k", .recache_ttl = 30}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::remove, .key = "k", .invalidate = true}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::set, .key = "k", .invalidate = true}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::incr, .key = "k", .initial = 0}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::decr, .key = "k", .initial = 0}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::debug, .key = "k"}), errc::not_supported);
  for (const verb v : {verb::get, verb::gat, verb::set, verb::add, verb::replace, verb::append,
                       verb::prepend, verb::remove, verb::touch, verb::incr, verb::decr})
    EXPECT_EQ(refused({.op = v, .key = "k", .cas = 5}), errc::not_supported) << name_of(v);
}

TEST(classic_check, names_the_feature_and_the_protocol) {
  const std::string_view why = classic::check({.key = "k", .vivify_ttl = 30}).why;
  EXPECT_NE(why.find("classic"), why.npos);
  EXPECT_NE(why.find("vivify"), why.npos);
}

TEST(classic_check, arguments) {
  EXPECT_EQ(refused({.op = verb::cas, .key = "k", .cas = 0}), errc::invalid_argument);
  for (const std::string_view group :
       {" ", " a", "a ", "a  b", "a\r\nflush_all", "a\n", "\x7f", "\xc3\xa9", "a\tb"})
    EXPECT_EQ(refused({.op = verb::stats, .key = group}), errc::invalid_argument) << group;
  const std::string long_group(201, 'g');
  EXPECT_EQ(refused({.op = verb::stats, .key = long_group}), errc::invalid_argument);
  EXPECT_EQ(refused({.op = verb::stats, .key = std::string_view(long_group).substr(1)}), errc::ok);
  EXPECT_EQ(refused({.op = verb::verbosity, .delta = 1ULL << 32}), errc::invalid_argument);
  for (const std::string_view name : {"", "a b", "a\r\nflush_all"})
    EXPECT_EQ(refused({.op = verb::config, .key = name}), errc::invalid_key) << name;
  // Never read: the length decides.
  EXPECT_EQ(refused({.op = verb::set, .key = "k", .value = {"v", 0x7fffffff}}),
            errc::value_too_large);
  EXPECT_EQ(refused({.op = verb::set, .key = "k", .value = {"v", 0x7ffffffd}}), errc::ok);
}

}  // namespace
}  // namespace memcxx::protocol
