// Options as a URI writes them, durations, and which options check() refuses.
// Never here: the syntax of servers (uri_test.cpp), sockets.
#include <chrono>
#include <cstddef>
#include <gtest/gtest.h>
#include <limits>
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
  EXPECT_EQ(o->wait, wait_policy::block);
  EXPECT_EQ(o->memory_limit, std::size_t{64} << 20);
  EXPECT_EQ(o->failover, failover_policy::surface);
  EXPECT_TRUE(o->gutter.empty());
  EXPECT_EQ(o->gutter_ttl, 10s);
  EXPECT_EQ(o->replicas, 1U);
  EXPECT_EQ(o->zone, "");
  EXPECT_EQ(o->hash_tag, "");
  EXPECT_EQ(o->health.max_failures, 3U);
  EXPECT_EQ(o->health.max_failure_rate, 0);
  EXPECT_EQ(o->health.retry_min, 50ms);
  EXPECT_EQ(o->health.retry_max, 2s);
  EXPECT_FALSE(o->flush_on_reconnect);
}

TEST(uri, every_option) {
  const auto o = parse_uri(
      "a?protocol=classic&distribution=modula&timeout=250ms&connect_timeout=1.5s&pool_size=7&"
      "prefix=app%3a&prefix_in_hash=no&max_value_size=2MiB&check_keys=false&keepalive=0&"
      "wait=adaptive&on_error=miss&memory_limit=3KiB");
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
  EXPECT_EQ(o->wait, wait_policy::adaptive);
  EXPECT_EQ(o->on_error, error_policy::miss);
  EXPECT_EQ(o->memory_limit, std::size_t{3072});
}

TEST(uri, every_option_of_a_cluster) {
  const auto o = parse_uri(
      "a,b,c?failover=gutter&gutter=g:1%2Ch*2%3Blabel%3Dx&gutter_ttl=30&zone=east&"
      "hash_tag={}&max_failures=5&max_failure_rate=0.25&retry_min=100ms&retry_max=5s&"
      "flush_on_reconnect=true");
  ASSERT_TRUE(o) << o.error();
  EXPECT_EQ(o->failover, failover_policy::gutter);
  ASSERT_EQ(o->gutter.size(), 2U);
  EXPECT_EQ(o->gutter[0], network("g", 1));
  EXPECT_EQ(o->gutter[1].name(), "h:11211");
  EXPECT_EQ(o->gutter[1].weight, 2U);
  EXPECT_EQ(o->gutter[1].label, "x");
  EXPECT_EQ(names(*o), "a:11211 b:11211 c:11211");
  EXPECT_EQ(o->gutter_ttl, 30s);
  EXPECT_EQ(o->zone, "east");
  EXPECT_EQ(o->hash_tag, "{}");
  EXPECT_EQ(o->health.max_failures, 5U);
  EXPECT_EQ(o->health.max_failure_rate, 0.25);
  EXPECT_EQ(o->health.retry_min, 100ms);
  EXPECT_EQ(o->health.retry_max, 5s);
  EXPECT_TRUE(o->flush_on_reconnect);
}

TEST(uri, replicas) {
  EXPECT_EQ(parse_uri("a,b,c?replicas=2")->replicas, 2U);
  EXPECT_FALSE(parse_uri("a,b,c?replicas=2&failover=next"));
}

TEST(uri, every_failover) {
  const auto policy = [](const string& uri) { return parse_uri(uri).value().failover; };
  EXPECT_EQ(policy("a?failover=surface"), failover_policy::surface);
  EXPECT_EQ(policy("a?failover=next"), failover_policy::next);
  EXPECT_EQ(policy("a?failover=rehash"), failover_policy::next);
  EXPECT_EQ(policy("a?failover=gutter&gutter=g"), failover_policy::gutter);
}

TEST(uri, a_gutter_is_written_as_servers_are) {
  const auto gutter = [](const string& list) {
    options o;
    o.servers = parse_uri("a?failover=gutter&gutter=" + list).value().gutter;
    return names(o);
  };
  EXPECT_EQ(gutter("b,c:2"), "b:11211 c:2");
  EXPECT_EQ(gutter("b%20c"), "b:11211 c:11211");
  EXPECT_EQ(gutter("memcached://b,unix:/s"), "b:11211 unix:/s");
  EXPECT_EQ(gutter("unix:/a%2520b"), "unix:/a%20b");
  EXPECT_EQ(gutter("memory://"), "memory://");
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
        "option \"tiemout\" is not known; known are protocol, distribution, timeout, "
        "connect_timeout, pool_size, prefix, prefix_in_hash, hash_tag, max_value_size, "
        "check_keys, keepalive, wait, on_error, failover, gutter, gutter_ttl, replicas, zone, "
        "max_failures, max_failure_rate, retry_min, retry_max, flush_on_reconnect, "
        "memory_limit"},
       {"a?Timeout=1s", "option \"Timeout\""},
       {"a?=1", "option \"\""},
       {"a?timeout", "option \"timeout\" has no value"},
       {"a?&timeout=1s", "empty option"},
       {"a?keepalive=1&&timeout=1s", "empty option"},
       {"a?timeout=1s&timeout=2s", "option \"timeout\" is given twice"},
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
       {"a?wait=spin", "block or adaptive"},
       {"a?distribution=nonsense", "distribution \"nonsense\" is not known; known are "},
       {"a?prefix=a%20b", "prefix \"a b\" holds a space or a control byte"},
       {"a?prefix=a%0ab&protocol=classic", "prefix \"a\\x0ab\""},
       {"a?prefix=" + string(250, 'p'), "prefix of 250 bytes"},
       {"a?protocol=binary&prefix=" + string(250, 'p'), "prefix of 250 bytes"},
       {"a?protocol=meta&prefix=%01" + string(185, 'p'), "prefix of 186 bytes"},
       {"a?check_keys=false&protocol=meta", "check_keys=false needs protocol"},
       {"a?check_keys=false&protocol=binary", "not binary"}});
}

TEST(bad_uris, option_values_of_a_cluster) {
  expect_all_refused(
      {{"a?failover=ignore", "should be surface, next (or rehash) or gutter"},
       {"a?failover=gutter", "failover=gutter needs servers in gutter"},
       {"a?gutter=b", "gutter names \"b:11211\", and failover is not gutter"},
       {"a?failover=next&gutter=b", "gutter names \"b:11211\""},
       {"a?failover=gutter&gutter=", "gutter: there is no server in \"\""},
       {"a?failover=gutter&gutter=b,,c", "gutter: server 2 of \"b,,c\" is empty"},
       {"a?failover=gutter&gutter=b:0", "gutter: port \"0\""},
       {"a?failover=gutter&gutter=b,a", "gutter: server \"a:11211\" is listed twice"},
       {"a?failover=gutter&gutter=b,B", "gutter: server \"B:11211\" is listed twice"},
       {"a;label=x?failover=gutter&gutter=b;label=x", "gutter: label \"x\" belongs to two"},
       {"a?failover=gutter&gutter=b;label=x%2520y", "gutter: label \"x y\""},
       {"a?failover=gutter&gutter=u:secret%40b", "gutter: authentication", errc::not_supported},
       {"a?gutter_ttl=0", "should be whole seconds, from 1s to 30d"},
       {"a?gutter_ttl=1.5s", "whole seconds"},
       {"a?gutter_ttl=500ms", "whole seconds"},
       {"a?gutter_ttl=31d", "whole seconds"},
       {"a?gutter_ttl=soon", "whole seconds"},
       {"a?replicas=0", "should be from 1 to 16"},
       {"a?replicas=17", "should be from 1 to 16"},
       {"a?replicas=two", "should be from 1 to 16"},
       {"a,b?replicas=3", "replicas of 3 is more than there are servers, which is 2"},
       {"a?zone=x%20y", "zone \"x y\" holds a space or a control byte"},
       {"a?zone=" + string(251, 'z'), "is longer than 250 bytes"},
       {"a?hash_tag={", "hash_tag \"{\" is not two different printable characters"},
       {"a?hash_tag={}}", "hash_tag \"{}}\""},
       {"a?hash_tag=%25%25", "hash_tag \"%%\""},
       {"a?hash_tag=%20}", "hash_tag \" }\""},
       {"a?hash_tag=%c3%a9", "hash_tag \"\\xc3\\xa9\""},
       {"a?max_failures=-1", "should be from 0 to 1000000"},
       {"a?max_failures=1000001", "should be from 0 to 1000000"},
       {"a?max_failures=", "should be from 0 to 1000000"},
       {"a?max_failure_rate=1.1", "should be from 0 to 1, as 0.5"},
       {"a?max_failure_rate=-0.5", "should be from 0 to 1"},
       {"a?max_failure_rate=nan", "should be from 0 to 1"},
       {"a?max_failure_rate=inf", "should be from 0 to 1"},
       {"a?max_failure_rate=1e-1", "should be from 0 to 1"},
       {"a?max_failure_rate=0.5.5", "should be from 0 to 1"},
       {"a?max_failure_rate=", "should be from 0 to 1"},
       {"a?max_failure_rate=.", "should be from 0 to 1"},
       {"a?max_failures=0&max_failure_rate=0.5", "max_failure_rate needs a max_failures"},
       {"a?max_failures=0&flush_on_reconnect=1", "flush_on_reconnect needs a max_failures"},
       {"a?retry_min=0", "option \"retry_min\" is \"0\", and should be more than 0"},
       {"a?retry_max=2d", "at most 1 day"},
       {"a?retry_min=3s", "retry_min of 3000ms is longer than retry_max of 2000ms"},
       {"a?flush_on_reconnect=maybe", "true or false"}});
}

TEST(uri, limits_of_a_cluster_are_included) {
  EXPECT_EQ(parse_uri("a?max_failures=0").value().health.max_failures, 0U);
  EXPECT_EQ(parse_uri("a?max_failure_rate=1").value().health.max_failure_rate, 1);
  EXPECT_EQ(parse_uri("a?max_failure_rate=0.0").value().health.max_failure_rate, 0);
  EXPECT_EQ(parse_uri("a?retry_min=2s").value().health.retry_min, 2s);
  EXPECT_EQ(parse_uri("a?gutter_ttl=1").value().gutter_ttl, 1s);
  EXPECT_EQ(parse_uri("a?gutter_ttl=30d").value().gutter_ttl, std::chrono::days(30));
  EXPECT_EQ(parse_uri("a,b?replicas=2").value().replicas, 2U);
}

TEST(bad_uris, nothing_is_told_of_a_gutters_password) {
  for (const char* uri :
       {"a?gutter=u:secret%40b&tiemout=1s", "a?gutter=u:secret%40b&&", "a?gutter=u:secret%40b%zz",
        "a?gutter=u:secret%40b", "a?tiemout=1&gutter=u:secret%40b"}) {
    const auto o = parse_uri(uri);
    ASSERT_FALSE(o);
    EXPECT_EQ(o.error().what().find("secret"), string::npos) << o.error();
  }
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

TEST(check_options, names_the_culprit_of_a_cluster) {
  const auto with_gutter = [](auto change) {
    return [change](options& o) {
      o.failover = failover_policy::gutter;
      o.gutter = {network("g")};
      change(o);
    };
  };
  expect_refused_with([](options& o) { o.failover = failover_policy::gutter; },
                      "failover=gutter needs servers");
  expect_refused_with([](options& o) { o.gutter = {network("g")}; }, "gutter names \"g:11211\"");
  expect_refused_with(with_gutter([](options& o) { o.gutter[0].port = 0; }), "gutter: port 0");
  expect_refused_with(with_gutter([](options& o) { o.gutter[0].weight = 0; }), "gutter: weight 0");
  expect_refused_with(with_gutter([](options& o) { o.gutter[0].host = "a."; }),
                      "gutter: server \"a.:11211\" is listed twice");
  expect_refused_with(with_gutter([](options& o) { o.gutter[0].label = "a:11211"; }),
                      "gutter: label \"a:11211\" belongs to two servers");
  expect_refused_with([](options& o) { o.gutter_ttl = 0s; }, "gutter_ttl of 0s");
  expect_refused_with([](options& o) { o.gutter_ttl = std::chrono::days(30) + 1s; },
                      "gutter_ttl of 2592001s");
  expect_refused_with([](options& o) { o.replicas = 0; }, "replicas of 0");
  expect_refused_with([](options& o) { o.replicas = 17; }, "replicas of 17");
  expect_refused_with([](options& o) { o.replicas = 2; }, "replicas of 2 is more");
  expect_refused_with(with_gutter([](options& o) { o.replicas = 2; }), "replicas and failover");
  expect_refused_with([](options& o) { o.zone = "a\tb"; }, "zone \"a\\x09b\"");
  expect_refused_with([](options& o) { o.servers[0].zone = "a b"; }, "zone \"a b\" of \"a:11211\"");
  expect_refused_with([](options& o) { o.servers[0].label = "a b"; }, "label \"a b\"");
  for (const char* tag : {"{", "{{", "{}x", "a ", "\x7f}"})
    expect_refused_with([tag](options& o) { o.hash_tag = tag; }, "hash_tag ");
  expect_refused_with([](options& o) { o.health.retry_min = 0ms; }, "retry_min of 0ms");
  expect_refused_with([](options& o) { o.health.retry_max = -1ms; }, "retry_max of -1ms");
  expect_refused_with([](options& o) { o.health.retry_max = 25h; }, "retry_max of 90000000ms");
  expect_refused_with([](options& o) { o.health.retry_max = 49ms; }, "retry_min of 50ms is longer");
  for (const double rate : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity()})
    expect_refused_with([rate](options& o) { o.health.max_failure_rate = rate; },
                        "max_failure_rate of ");
}

// What one server is called on a ring must not be what another is called.
TEST(check_options, a_label_is_no_other_servers_name) {
  for (const char* list :
       {"a,b;label=a", "a:11211,b,c;label=b", "[::1],b;label=::1", "a,b;label=/a:11211",
        "[::1]:1,b;label=::1:1", "a;label=x,b;label=x", "unix:/s,b;label=/s"}) {
    const auto o = parse_uri(list);
    ASSERT_FALSE(o) << list;
    EXPECT_NE(o.error().message().find("belongs to two servers"), string_view::npos) << o.error();
  }
  // Here each has a label, so nobody is called by an address.
  EXPECT_TRUE(parse_uri("a;label=b,b;label=a"));
  EXPECT_TRUE(parse_uri("a;label=a,b"));
}

TEST(check_options, accepts_a_whole_cluster) {
  options o;
  o.servers = {network("a"), network("b"), network("c")};
  o.servers[0].label = o.servers[0].zone = "x";  // a label and a zone are two things
  o.servers[1].zone = "x";
  o.failover = failover_policy::gutter;
  o.gutter = {network("g"), unix_socket("/g"), in_memory("g")};
  o.hash_tag = "[]";
  o.zone = "x";
  o.flush_on_reconnect = true;
  o.health.max_failure_rate = 1;
  EXPECT_TRUE(check(o));
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
