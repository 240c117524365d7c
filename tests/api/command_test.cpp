// Each verb becomes a request, and a response becomes its reply.
// Never here: I/O, an encoded byte.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <variant>

#include <memcxx/command.hpp>
#include <memcxx/operation.hpp>

namespace memcxx {
namespace {

using namespace std::chrono_literals;
using protocol::asks;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

template <class Command>
request request_of(const Command& c) {
  request r;
  const protocol::refusal no = c.to_request(r);
  EXPECT_FALSE(no) << no.why;
  return r;
}

template <class Command>
protocol::refusal refusal_of(const Command& c) {
  request r;
  return c.to_request(r);
}

constexpr std::chrono::hours too_long{24 * 365 * 30};

TEST(commands_test, a_get_asks_for_value_and_cas_unless_told_otherwise) {
  const request plain = request_of(commands::get{"k", {}});
  EXPECT_EQ(plain.op, verb::get);
  EXPECT_EQ(plain.key, "k");
  EXPECT_EQ(plain.wants, want::value | want::cas);
  EXPECT_FALSE(plain.quiet);
  EXPECT_FALSE(plain.vivify_ttl);

  EXPECT_EQ(request_of(commands::get{"k", {.value = false, .cas = false}}).wants, want::nothing);
  const request all = request_of(commands::get{"k",
                                               {.value = false,
                                                .cas = false,
                                                .ttl = true,
                                                .last_access = true,
                                                .hit_before = true,
                                                .size = true,
                                                .vivify = 30s,
                                                .recache = 5s,
                                                .opaque = 9}});
  EXPECT_EQ(all.wants, want::ttl | want::last_access | want::hit_before | want::size);
  EXPECT_EQ(all.vivify_ttl, 30);
  EXPECT_EQ(all.recache_ttl, 5);
  EXPECT_EQ(all.opaque, 9u);
}

TEST(commands_test, a_gat_is_a_get_with_a_ttl) {
  const request r = request_of(commands::gat{"k", 60s, {.size = true}});
  EXPECT_EQ(r.op, verb::gat);
  EXPECT_EQ(r.ttl, 60);
  EXPECT_TRUE(asks(r.wants, want::size));
}

TEST(commands_test, a_store_carries_all_that_it_was_given) {
  for (const verb op : {verb::set, verb::add, verb::replace, verb::append, verb::prepend}) {
    const request r = request_of(commands::store{
        op,
        "k",
        "v",
        {.flags = 0xffffffff, .ttl = -1s, .cas = UINT64_MAX, .invalidate = true, .opaque = 3}});
    EXPECT_EQ(r.op, op);
    EXPECT_EQ(r.value, "v");
    EXPECT_EQ(r.flags, 0xffffffffu);
    EXPECT_EQ(r.ttl, -1);
    EXPECT_EQ(r.cas, UINT64_MAX);
    EXPECT_TRUE(r.invalidate);
    EXPECT_EQ(r.opaque, 3u);
    EXPECT_TRUE(asks(r.wants, want::cas));
  }
  const request quiet = request_of(commands::store{verb::set, "k", "v", {.quiet = true}});
  EXPECT_TRUE(quiet.quiet);
  EXPECT_EQ(quiet.wants, want::nothing);
}

TEST(commands_test, a_cas_needs_a_token) {
  EXPECT_EQ(refusal_of(commands::store{verb::cas, "k", "v", {}}).code, errc::invalid_argument);
  EXPECT_EQ(request_of(commands::store{verb::cas, "k", "v", {.cas = 1}}).cas, 1u);
}

TEST(commands_test, removes_touches_and_counts) {
  const request remove =
      request_of(commands::remove{"k", {.cas = 4, .invalidate = true, .ttl = 9s, .quiet = true}});
  EXPECT_EQ(remove.op, verb::remove);
  EXPECT_EQ(remove.cas, 4u);
  EXPECT_EQ(remove.ttl, 9);
  EXPECT_TRUE(remove.invalidate);
  EXPECT_TRUE(remove.quiet);
  EXPECT_EQ(refusal_of(commands::remove{"k", {.ttl = 9s}}).code, errc::invalid_argument);

  EXPECT_EQ(request_of(commands::touch{"k", 7s}).ttl, 7);

  const request count = request_of(
      commands::count{verb::decr, "k", UINT64_MAX, {.initial = 5, .ttl = 60s, .opaque = 2}});
  EXPECT_EQ(count.op, verb::decr);
  EXPECT_EQ(count.delta, UINT64_MAX);
  EXPECT_EQ(count.initial, 5u);
  EXPECT_EQ(count.ttl, 60);
  EXPECT_FALSE(request_of(commands::count{verb::incr, "k", 1, {}}).initial);
}

TEST(commands_test, verbs_for_a_server) {
  EXPECT_EQ(request_of(commands::flush{}).ttl, 0);
  EXPECT_EQ(request_of(commands::flush{30s}).ttl, 30);
  EXPECT_EQ(refusal_of(commands::flush{-1s}).code, errc::invalid_argument);
  EXPECT_EQ(request_of(commands::stats{"items"}).key, "items");
  EXPECT_EQ(request_of(commands::verbosity{2}).delta, 2u);
  EXPECT_EQ(request_of(commands::version{}).op, verb::version);
  EXPECT_EQ(request_of(commands::ping{}).op, verb::ping);
  EXPECT_EQ(request_of(commands::debug{"k"}).op, verb::debug);
  EXPECT_EQ(request_of(commands::cluster_config{}).op, verb::config);
  EXPECT_EQ(request_of(commands::cluster_config{}).key, "cluster");
}

TEST(commands_test, a_ttl_that_cannot_be_sent_is_refused_wherever_it_stands) {
  EXPECT_EQ(refusal_of(commands::store{verb::set, "k", "v", {.ttl = too_long}}).code,
            errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::gat{"k", too_long, {}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::touch{"k", too_long}).code, errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::get{"k", {.vivify = too_long}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::get{"k", {.recache = too_long}}).code, errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::count{verb::incr, "k", 1, {.ttl = too_long}}).code,
            errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::remove{"k", {.invalidate = true, .ttl = ttl(too_long)}}).code,
            errc::invalid_argument);
  EXPECT_EQ(refusal_of(commands::flush{too_long}).code, errc::invalid_argument);
}

TEST(commands_test, a_long_ttl_is_sent_as_a_point_in_time) {
  const auto before = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::chrono::seconds month = std::chrono::days(31);
  const request r = request_of(commands::touch{"k", month});
  const auto after = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  EXPECT_GE(r.ttl, (before + month).time_since_epoch().count());
  EXPECT_LE(r.ttl, (after + month).time_since_epoch().count());
}

// --- replies

TEST(commands_test, an_item_tells_what_the_response_told) {
  response r;
  r.flags = 7;
  r.cas = 8;
  r.ttl = -1;
  r.last_access = 3;
  r.hit_before = true;
  r.size = 5;
  r.won = r.stale = r.already_won = true;
  r.has_opaque = true;
  r.opaque = 9;
  item out;
  commands::get::read(r, out);
  EXPECT_EQ(out.flags, 7u);
  EXPECT_EQ(out.cas, 8u);
  EXPECT_EQ(out.ttl, -1s);
  EXPECT_EQ(out.last_access, 3s);
  EXPECT_EQ(out.hit_before, true);
  EXPECT_EQ(out.size, 5u);
  EXPECT_TRUE(out.won && out.stale && out.already_won);
  EXPECT_EQ(out.opaque, 9u);

  item bare;
  commands::get::read(response{}, bare);
  EXPECT_FALSE(bare.ttl || bare.last_access || bare.hit_before || bare.size);
  EXPECT_EQ(bare.opaque, 0u);
}

TEST(commands_test, statistics_are_numbers_where_the_server_printed_one) {
  statistics out;
  const auto tell = [&out](std::string_view name, std::string_view value) {
    response r;
    r.more = true;
    r.key = name;
    r.value = value;
    commands::stats::read(r, out);
  };
  tell("pid", "42");
  tell("big", "18446744073709551615");
  tell("neg", "-7");
  tell("least", "-9223372036854775808");
  tell("long", "1.500000000000000000000000");
  tell("rusage", "1.250000");
  tell("version", "1.6.18");
  tell("empty", "");
  tell("word", "on");
  tell("dash", "-");
  tell("path", "/a b");
  tell("pid", "43");
  // What does not fit in 64 bits keeps its digits.
  const std::initializer_list<std::string_view> wide = {
      "18446744073709551616", "-9223372036854775809", "340282366920938463463374607431768211456",
      "00000000000000000000000000000000000000000000000000000000000000018446744073709551616"};
  for (const std::string_view digits : wide) tell(digits, digits);
  commands::stats::read(response{}, out);  // the end
  EXPECT_EQ(out.size(), 11u + wide.size());
  for (const std::string_view digits : wide) {
    EXPECT_EQ(out[std::string(digits)], stat_value(std::string(digits)));
  }
  EXPECT_EQ(out["least"], stat_value(INT64_MIN));
  EXPECT_EQ(out["long"], stat_value(1.5));
  EXPECT_EQ(out["pid"], stat_value(std::uint64_t{43}));
  EXPECT_EQ(out["big"], stat_value(UINT64_MAX));
  EXPECT_EQ(out["neg"], stat_value(std::int64_t{-7}));
  EXPECT_EQ(out["rusage"], stat_value(1.25));
  for (const auto& [name, text] : std::initializer_list<std::pair<std::string, std::string>>{
           {"version", "1.6.18"}, {"empty", ""}, {"word", "on"}, {"dash", "-"}, {"path", "/a b"}}) {
    EXPECT_EQ(out[name], stat_value(text)) << name;
  }
}

TEST(commands_test, an_answer_is_a_bare_code_and_a_failure_says_who_and_what) {
  response r;
  r.status = errc::miss;
  r.text = "NOT_FOUND";
  EXPECT_TRUE(error_of(r, "s:1").server().empty());
  EXPECT_TRUE(error_of(r, "s:1").message().empty());
  // Somebody stored a word where this caller counts: who, and where, is worth knowing.
  for (const errc code : {errc::server_error, errc::not_a_number}) {
    r.status = code;
    r.text = "busy";
    const error e = error_of(r, "s:1");
    EXPECT_EQ(e, code);
    EXPECT_EQ(e.server(), "s:1");
    EXPECT_EQ(e.message(), "busy");
  }
}

// --- gathering

response hit(std::string_view value) {
  response r;
  r.value = value;
  return r;
}

TEST(gathered_test, a_value_that_was_read_into_its_place_is_not_copied) {
  gathered<commands::get> g;
  EXPECT_EQ(g.outcome().error(), errc::cancelled) << "before anything came";
  const std::span<char> place = g.on_value(100);
  ASSERT_EQ(place.size(), 100u);
  std::memset(place.data(), 'x', 100);
  const char* const at = place.data();
  g.on_response(hit({place.data(), place.size()}), "s:1");
  ASSERT_TRUE(g.outcome());
  EXPECT_EQ(g.outcome()->value, std::string(100, 'x'));
  EXPECT_EQ(g.outcome()->value.data(), at);
}

TEST(gathered_test, a_value_in_the_receive_buffer_is_taken_out) {
  gathered<commands::get> g;
  std::string buffer = "hello";
  g.on_response(hit(buffer), "s:1");
  buffer = "XXXXX";
  EXPECT_EQ(g.outcome()->value, "hello");
}

// A read that was lost halfway and asked again.
TEST(gathered_test, what_a_first_attempt_left_behind_is_gone) {
  for (const std::size_t first : {3U, 10U, 500U}) {
    for (const std::string_view second : {"", "ab", "a value of another length"}) {
      gathered<commands::get> g;
      std::memset(g.on_value(first).data(), 'x', first);
      g.on_response(hit(second), "s:1");
      EXPECT_EQ(g.outcome()->value, second);

      // As a connection does: a place of another size is not used.
      gathered<commands::get> placed;
      std::memset(placed.on_value(first).data(), 'x', first);
      const std::span<char> place = placed.on_value(second.size());
      if (place.size() == second.size()) std::ranges::copy(second, place.begin());
      placed.on_response(hit(place.size() == second.size() ? std::string_view(place) : second),
                         "s:1");
      EXPECT_EQ(placed.outcome()->value, second);
    }
    gathered<commands::get> missed;
    std::memset(missed.on_value(first).data(), 'x', first);
    response miss;
    miss.status = errc::miss;
    missed.on_response(miss, "s:1");
    EXPECT_EQ(missed.outcome().error(), errc::miss);
  }
}

TEST(gathered_test, a_value_that_no_memory_is_there_for_is_left_to_the_connection) {
  gathered<commands::get> g;
  EXPECT_TRUE(g.on_value(SIZE_MAX / 2 + 10).empty());
}

TEST(gathered_test, a_reply_that_is_text_takes_a_value_or_the_text) {
  gathered<commands::cluster_config> placed;
  const std::span<char> place = placed.on_value(100);
  ASSERT_EQ(place.size(), 100u);
  std::memset(place.data(), 'x', 100);
  const char* const at = place.data();
  placed.on_response(hit({place.data(), place.size()}), "s:1");
  ASSERT_TRUE(placed.outcome());
  EXPECT_EQ(*placed.outcome(), std::string(100, 'x'));
  EXPECT_EQ(placed.outcome()->data(), at);

  gathered<commands::cluster_config> buffered;
  (void)buffered.on_value(7);  // a first attempt, lost halfway
  std::string buffer = "hello";
  buffered.on_response(hit(buffer), "s:1");
  buffer = "XXXXX";
  EXPECT_EQ(buffered.outcome(), "hello");

  gathered<commands::version> text;
  response r;
  r.text = "1.6.18";
  text.on_response(r, "s:1");
  EXPECT_EQ(text.outcome(), "1.6.18");
}

TEST(gathered_test, statistics_come_in_many_responses) {
  gathered<commands::stats> g;
  response line;
  line.more = true;
  line.key = "pid";
  line.value = "1";
  g.on_response(line, "s:1");
  EXPECT_FALSE(g.outcome());
  line.key = "uptime";
  g.on_response(line, "s:1");
  g.on_response(response{}, "s:1");
  ASSERT_TRUE(g.outcome());
  EXPECT_EQ(g.outcome()->size(), 2u);

  gathered<commands::stats> broken;
  broken.on_response(line, "s:1");
  response lost;
  lost.status = errc::connection_closed;
  broken.on_response(lost, "s:1");
  EXPECT_EQ(broken.outcome().error(), errc::connection_closed) << "never a part of them";
}

TEST(single_call_test, is_one_request_and_quiet_when_its_options_say_so) {
  const commands::store loud{verb::set, "k", "v", {}};
  const commands::store quiet{verb::set, "k", "v", {.quiet = true}};
  const commands::version none{};
  EXPECT_FALSE(single_call(loud).quiet());
  EXPECT_TRUE(single_call(quiet).quiet());
  EXPECT_FALSE(single_call(none).quiet());
  single_call c(loud);
  EXPECT_EQ(c.size(), 1u);
  response r;
  r.cas = 5;
  c.on_response(0, r, "s:1");
  EXPECT_EQ(c.take()->cas, 5u);
}

}  // namespace
}  // namespace memcxx
