// Options as a URI writes them, durations, and which options check() refuses.
// Never here: the syntax of servers (uri_test.cpp), sockets.
#include <chrono>
#include <cstddef>
#include <gtest/gtest.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/options.hpp>

#include "support.hpp"

namespace memcxx {
namespace {

using namespace std::chrono_literals;

// --- options of a URI ---------------------------------------------------------------------------

TEST(uri, defaults) {
  const auto o = parse_uri("a");
  ASSERT_TRUE(o) << o.error();
  EXPECT_EQ(o->protocol, protocol_choice::automatic);
  EXPECT_EQ(o->distribution, "ketama");
  EXPECT_EQ(o->timeout, 1000ms);
  EXPECT_EQ(o->connect_timeout, 500ms);
  EXPECT_EQ(o->pool_size, 32U);
  EXPECT_EQ(o->prefix, "");
  EXPECT_TRUE(o->prefix_in_hash);
  EXPECT_EQ(o->max_value_size, std::size_t{128} << 20);
  EXPECT_TRUE(o->check_keys);
  EXPECT_TRUE(o->keepalive);
  EXPECT_EQ(o->on_error, error_policy::surface);
  EXPECT_EQ(o->memory_limit, std::size_t{64} << 20);
}

TEST(uri, every_option) {
  const auto o = parse_uri(
      "a?protocol=classic&distribution=modula&timeout=250ms&connect_timeout=1.5s&pool_size=7&"
      "prefix=app%3a&prefix_in_hash=no&max_value_size=2MiB&check_keys=false&keepalive=0&"
      "on_error=miss&memory_limit=3KiB");
  ASSERT_TRUE(o) << o.error();
  EXPECT_EQ(o->protocol, protocol_choice::classic);
  EXPECT_EQ(o->distribution, "modula");
  EXPECT_EQ(o->timeout, 250ms);
  EXPECT_EQ(o->connect_timeout, 1500ms);
  EXPECT_EQ(o->pool_size, 7U);
  EXPECT_EQ(o->prefix, "app:");
  EXPECT_FALSE(o->prefix_in_hash);
  EXPECT_EQ(o->max_value_size, std::size_t{2} << 20);
  EXPECT_FALSE(o->check_keys);
  EXPECT_FALSE(o->keepalive);
  EXPECT_EQ(o->on_error, error_policy::miss);
  EXPECT_EQ(o->memory_limit, std::size_t{3072});
}

TEST(uri, every_protocol) {
  EXPECT_EQ(parse_uri("a?protocol=auto").value().protocol, protocol_choice::automatic);
  EXPECT_EQ(parse_uri("a?protocol=automatic").value().protocol, protocol_choice::automatic);
  EXPECT_EQ(parse_uri("a?protocol=classic").value().protocol, protocol_choice::classic);
  EXPECT_EQ(parse_uri("a?protocol=meta").value().protocol, protocol_choice::meta);
  EXPECT_EQ(parse_uri("a?protocol=binary").value().protocol, protocol_choice::binary);
}

TEST(uri, sizes) {
  const auto size = [](const string& s) {
    return parse_uri("a?max_value_size=" + s).value().max_value_size;
  };
  EXPECT_EQ(size("1"), 1U);
  EXPECT_EQ(size("4096"), 4096U);
  EXPECT_EQ(size("1KB"), 1000U);
  EXPECT_EQ(size("1KiB"), 1024U);
  EXPECT_EQ(size("5MB"), 5'000'000U);
  EXPECT_EQ(size("5MiB"), 5'242'880U);
  EXPECT_EQ(size("1GiB"), 1'073'741'824U);
  EXPECT_EQ(size("1073741824"), 1'073'741'824U);
}

TEST(uri, limits_of_numbers_are_included) {
  EXPECT_EQ(parse_uri("a?pool_size=1").value().pool_size, 1U);
  EXPECT_EQ(parse_uri("a?pool_size=10000").value().pool_size, 10'000U);
  EXPECT_EQ(parse_uri("a?timeout=1d").value().timeout, 24h);
  EXPECT_EQ(parse_uri("a?timeout=1ms").value().timeout, 1ms);
}

TEST(uri, a_binary_prefix_needs_a_protocol_that_carries_it) {
  EXPECT_EQ(parse_uri("a?prefix=%00x%ff&protocol=binary").value().prefix, string("\0x\xff", 3));
  EXPECT_EQ(parse_uri("a?protocol=meta&prefix=a%20b").value().prefix, "a b");
  EXPECT_EQ(parse_uri("a?prefix=" + string(249, 'p')).value().prefix.size(), 249U);
  EXPECT_EQ(parse_uri("a?prefix=x@y=z").value().prefix, "x@y=z");
}

TEST(bad_uris, option_values) {
  expect_all_refused(
      {{"a?tiemout=1s",
        "option \"tiemout\" in \"tiemout=1s\" is not known; known are protocol, "
        "distribution, timeout, connect_timeout, pool_size, prefix, prefix_in_hash, "
        "max_value_size, check_keys, keepalive, on_error, memory_limit"},
       {"a?Timeout=1s", "option \"Timeout\""},
       {"a?=1", "option \"\""},
       {"a?timeout", "option \"timeout\" in \"timeout\" has no value"},
       {"a?&timeout=1s", "empty option"},
       {"a?keepalive=1&&timeout=1s", "empty option"},
       {"a?timeout=1s&timeout=2s", "option \"timeout\" in"},
       {"a?prefix=%4", "without two hexadecimal digits"},
       {"a?prefix=%gg", "without two hexadecimal digits"},
       {"a?timeout=0", "option \"timeout\" is \"0\", and should be more than 0"},
       {"a?timeout=0ms", "option \"timeout\" is \"0ms\""},
       {"a?timeout=-1s", "\"-1s\""},
       {"a?timeout=", "\"\""},
       {"a?timeout=86401s", "at most 1 day"},
       {"a?timeout=soon", "\"soon\""},
       {"a?connect_timeout=0", "option \"connect_timeout\""},
       {"a?connect_timeout=2d", "at most 1 day"},
       {"a?pool_size=0", "option \"pool_size\" is \"0\", and should be from 1 to 10000"},
       {"a?pool_size=10001", "from 1 to 10000"},
       {"a?pool_size=-1", "from 1 to 10000"},
       {"a?pool_size=many", "\"many\""},
       {"a?max_value_size=0", "option \"max_value_size\" is \"0\""},
       {"a?max_value_size=1073741825", "from 1 to 1GiB"},
       {"a?max_value_size=2GiB", "from 1 to 1GiB"},
       {"a?max_value_size=99999999999999999999", "from 1 to 1GiB"},
       {"a?max_value_size=18014398509481985KiB", "from 1 to 1GiB"},
       {"a?max_value_size=1kb", "\"1kb\""},
       {"a?max_value_size=MiB", "\"MiB\""},
       {"a?max_value_size=1 MiB", "\"1 MiB\""},
       {"a?memory_limit=0", "\"0\""},
       {"a?protocol=ascii", "automatic (or auto), classic, meta or binary"},
       {"a?protocol=", "option \"protocol\" is \"\""},
       {"a?keepalive=maybe", "option \"keepalive\" is \"maybe\", and should be true"},
       {"a?prefix_in_hash=", "true or false"},
       {"a?check_keys=2", "true or false"},
       {"a?on_error=ignore", "surface or miss"},
       {"a?distribution=nonsense", "distribution \"nonsense\" is not known; known are "},
       {"a?prefix=a%20b", "prefix \"a b\" holds a space or a control byte"},
       {"a?prefix=a%0ab&protocol=classic", "prefix \"a\\x0ab\""},
       {"a?prefix=" + string(250, 'p'), "prefix of 250 bytes"},
       {"a?protocol=binary&prefix=" + string(250, 'p'), "prefix of 250 bytes"},
       {"a?protocol=meta&prefix=%01" + string(185, 'p'), "prefix of 186 bytes"},
       {"a?check_keys=false&protocol=meta", "check_keys=false needs protocol"},
       {"a?check_keys=false&protocol=binary", "not binary"}});
}

// --- options that hold already ------------------------------------------------------------------

TEST(uri, wins_over_defaults_and_keeps_the_rest) {
  options defaults;
  defaults.servers = {network("old")};
  defaults.timeout = 5s;
  defaults.pool_size = 3;
  const auto o = parse_uri("a?timeout=1s", defaults);
  ASSERT_TRUE(o) << o.error();
  EXPECT_EQ(names(*o), "a:11211");
  EXPECT_EQ(o->timeout, 1s);
  EXPECT_EQ(o->pool_size, 3U);
}

TEST(uri, a_driver_of_ones_own_is_a_scheme) {
  const auto o = parse_uri("mydriver://x,y*2?timeout=1s", with_driver("mydriver"));
  ASSERT_TRUE(o) << o.error();
  EXPECT_EQ(names(*o), "mydriver://x mydriver://y*2");
  EXPECT_TRUE(o->drivers.contains("mydriver"));
  const auto bare = parse_uri("mydriver://", with_driver("mydriver"));
  ASSERT_TRUE(bare) << bare.error();
  EXPECT_EQ(names(*bare), "mydriver://");
}

TEST(uri, an_unknown_scheme_lists_drivers_of_ones_own) {
  const auto o = parse_uri("other://x", with_driver("mydriver"));
  ASSERT_FALSE(o);
  EXPECT_EQ(o.error().message(),
            "scheme \"other\" is not known; known are memcached, unix, inet, inet6, memory, "
            "mydriver");
}

// --- durations ----------------------------------------------------------------------------------

TEST(duration, forms) {
  const auto ms = [](string_view text) { return parse_duration(text).value().count(); };
  EXPECT_EQ(ms("250ms"), 250);
  EXPECT_EQ(ms("2s"), 2'000);
  EXPECT_EQ(ms("1.5s"), 1'500);
  EXPECT_EQ(ms("10m"), 600'000);
  EXPECT_EQ(ms("1h"), 3'600'000);
  EXPECT_EQ(ms("30d"), 2'592'000'000);
  EXPECT_EQ(ms("7"), 7'000);
  EXPECT_EQ(ms("0.25"), 250);
  EXPECT_EQ(ms("0"), 0);
  EXPECT_EQ(ms("0.5d"), 43'200'000);
  EXPECT_EQ(ms("007s"), 7'000);
  EXPECT_EQ(ms("36500d"), 3'153'600'000'000);
}

TEST(duration, a_fraction_of_a_millisecond_is_rounded_up) {
  EXPECT_EQ(parse_duration("0.1ms").value(), 1ms);
  EXPECT_EQ(parse_duration("1.5ms").value(), 2ms);
  EXPECT_EQ(parse_duration("0.000000001s").value(), 1ms);
  EXPECT_EQ(parse_duration("0.000s").value(), 0ms);
}

TEST(duration, what_is_refused) {
  for (const string_view text : {"",
                                 "s",
                                 "ms",
                                 "-1",
                                 "+1",
                                 "-5s",
                                 "1 s",
                                 " 1s",
                                 "1s ",
                                 "1.s",
                                 ".5s",
                                 "1.2.3s",
                                 "1e3s",
                                 "1S",
                                 "1us",
                                 "1w",
                                 "0x10",
                                 "1,5s",
                                 "one",
                                 "1.0000000001s",
                                 "36501d",
                                 "99999999999999999999",
                                 "18446744073709551615d",
                                 "1s\n"}) {
    const auto d = parse_duration(text);
    ASSERT_FALSE(d) << text;
    EXPECT_EQ(d.error().code(), errc::invalid_argument);
    EXPECT_TRUE(d.error().message().starts_with("duration \"")) << d.error();
  }
  EXPECT_EQ(parse_duration("5 minutes").error().message(),
            "duration \"5 minutes\" is not a number with ms, s, m, h or d behind it");
}

// --- options as a whole -------------------------------------------------------------------------

options one_server() {
  options o;
  o.servers = {network("a")};
  return o;
}

void expect_refused(const options& o, string_view message) {
  const auto checked = check(o);
  ASSERT_FALSE(checked) << message;
  EXPECT_EQ(checked.error().code(), errc::invalid_argument);
  EXPECT_NE(checked.error().message().find(message), string_view::npos) << checked.error();
}

template <class Change>
void expect_refused_with(Change change, string_view message) {
  options o = one_server();
  change(o);
  expect_refused(o, message);
}

TEST(check_options, accepts_plain_ones) { EXPECT_TRUE(check(one_server())); }

TEST(check_options, names_the_culprit) {
  expect_refused(options{}, "there is no server");
  expect_refused_with([](options& o) { o.servers[0].host = ""; }, "host is empty");
  expect_refused_with([](options& o) { o.servers[0].host = "a b"; }, "host \"a b\"");
  expect_refused_with([](options& o) { o.servers[0].port = 0; }, "port 0 in \"a:0\"");
  expect_refused_with([](options& o) { o.servers[0].weight = 0; }, "weight 0 of \"a:11211\"");
  expect_refused_with([](options& o) { o.servers[0].weight = 65'536; }, "weight 65536");
  expect_refused_with([](options& o) { o.servers[0].scheme = "x"; }, "scheme \"x\"");
  expect_refused_with([](options& o) { o.servers[0].label = "a\n"; }, "label \"a\\x0a\"");
  expect_refused_with(
      [](options& o) {
        o.servers[0].is_unix = true;
        o.servers[0].host = "";
      },
      "path of the unix socket is empty");
  expect_refused_with(
      [](options& o) {
        o.servers[0].is_unix = true;
        o.servers[0].scheme = "memory";
      },
      "unix socket cannot be served by scheme \"memory\"");
  expect_refused_with([](options& o) { o.servers.push_back(o.servers[0]); }, "listed twice");
  expect_refused_with(
      [](options& o) {
        o.servers.push_back(network("b"));
        o.servers[1].label = "one";
        o.servers[0].label = "one";
      },
      "label \"one\" belongs to two servers");
  expect_refused_with([](options& o) { o.timeout = 0ms; }, "timeout of 0ms");
  expect_refused_with([](options& o) { o.timeout = -1ms; }, "timeout of -1ms");
  expect_refused_with([](options& o) { o.timeout = 24h + 1ms; }, "timeout of 86400001ms");
  expect_refused_with([](options& o) { o.connect_timeout = 0ms; }, "connect_timeout of 0ms");
  expect_refused_with([](options& o) { o.pool_size = 0; }, "pool_size of 0");
  expect_refused_with([](options& o) { o.pool_size = 10'001; }, "pool_size of 10001");
  expect_refused_with([](options& o) { o.max_value_size = 0; }, "max_value_size of 0");
  expect_refused_with([](options& o) { o.max_value_size = (std::size_t{1} << 30) + 1; },
                      "max_value_size of 1073741825");
  expect_refused_with([](options& o) { o.memory_limit = 0; }, "memory_limit of 0");
  expect_refused_with([](options& o) { o.prefix = " "; }, "prefix \" \"");
  expect_refused_with([](options& o) { o.distribution = ""; }, "distribution \"\"");
}

TEST(check_options, an_unknown_distribution_lists_the_known) {
  options o = one_server();
  o.distribution = "round_robin";
  const auto checked = check(o);
  ASSERT_FALSE(checked);
  for (const string_view name : distribution_names())
    EXPECT_NE(checked.error().message().find(name), string_view::npos) << checked.error();
}

TEST(check_options, a_custom_distribution_needs_no_name) {
  options o = one_server();
  o.distribution = "mine";
  o.custom_distribution = [](std::span<const server_address>) {
    return std::unique_ptr<distribution>();
  };
  EXPECT_TRUE(check(o));
}

TEST(check_options, every_known_distribution_passes) {
  for (const string_view name : distribution_names()) {
    options o = one_server();
    o.distribution = name;
    EXPECT_TRUE(check(o)) << name;
  }
}

TEST(check_options, labels_tell_equal_hosts_apart_no_further) {
  options o;
  o.servers = {network("a"), network("a")};
  o.servers[0].label = "x";
  o.servers[1].label = "y";
  expect_refused(o, "listed twice");
}

}  // namespace
}  // namespace memcxx
