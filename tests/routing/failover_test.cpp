// What becomes of requests whose server cannot be used: which other one is asked, and which never.
// Never here: replicated items (replicas_test.cpp), a socket, a clock.
#include <random>

#include "failover_fixture.hpp"

namespace memcxx::routing {
namespace {

// Every verb that names an item, as a request that a caller could make.
std::vector<request> every_request() {
  return {get("k0"),
          {.op = verb::gat, .ttl = 1, .key = "k0"},
          set("k0"),
          {.op = verb::add, .key = "k0", .value = "v"},
          {.op = verb::replace, .key = "k0", .value = "v"},
          {.op = verb::append, .key = "k0", .value = "v"},
          {.op = verb::prepend, .key = "k0", .value = "v"},
          {.op = verb::remove, .key = "k0"},
          {.op = verb::touch, .ttl = 1, .key = "k0"},
          {.op = verb::incr, .key = "k0"},
          {.op = verb::decr, .key = "k0"},
          {.op = verb::debug, .key = "k0"},
          {.op = verb::get, .key = "k0", .vivify_ttl = 5},
          {.op = verb::get, .key = "k0", .recache_ttl = 5}};
}

bool only_reads(const request& r) {
  return (r.op == verb::get || r.op == verb::debug) && !r.vivify_ttl && !r.recache_ttl;
}

TEST_F(failing_over, by_default_the_error_is_the_callers_to_see) {
  calls.requests = {get("k0"), set("k0"), get("k1")};
  answers[0] = unreachable;
  run();
  EXPECT_EQ(rounds, 1);
  EXPECT_EQ(calls.status(0), errc::connect_failed);
  EXPECT_EQ(calls.told[0].server, "s0:11211");
  EXPECT_EQ(calls.status(1), errc::connect_failed);
  EXPECT_EQ(calls.status(2), errc::ok);
}

TEST_F(failing_over, what_was_not_sent_goes_to_the_next_server) {
  settings.failover = failover_policy::next;
  for (const errc code : {errc::connect_failed, errc::server_down, errc::resolve_failed,
                          errc::connection_closed, errc::timeout}) {
    SCOPED_TRACE(code);
    answers[0] = says(code, true);
    calls.requests = every_request();
    run();
    EXPECT_EQ(rounds, 2);
    for (std::size_t i = 0; i < calls.requests.size(); ++i) {
      EXPECT_EQ(calls.status(i), errc::ok) << i;
      EXPECT_EQ(calls.told[i].server, "s1:11211");
    }
  }
}

TEST_F(failing_over, of_what_was_sent_only_reads_do) {
  settings.failover = failover_policy::next;
  for (const errc code : {errc::connection_closed, errc::protocol_error}) {
    SCOPED_TRACE(code);
    answers[0] = says(code);
    calls.requests = every_request();
    run();
    for (std::size_t i = 0; i < calls.requests.size(); ++i) {
      SCOPED_TRACE(protocol::name_of(calls.requests[i].op));
      const bool again = only_reads(calls.requests[i]);
      EXPECT_EQ(calls.status(i), again ? errc::ok : code);
      EXPECT_EQ(calls.told[i].server, again ? "s1:11211" : "s0:11211");
    }
  }
}

TEST_F(failing_over, a_server_that_answers_or_is_slow_is_not_passed_over) {
  settings.failover = failover_policy::next;
  calls.requests = {get("k0"), set("k0")};
  for (const errc code :
       {errc::miss, errc::not_stored, errc::exists, errc::server_error, errc::out_of_memory,
        errc::client_error, errc::value_too_large, errc::not_supported, errc::timeout}) {
    answers[0] = says(code);
    run();
    EXPECT_EQ(rounds, 1) << code;
    EXPECT_EQ(calls.status(0), code);
    EXPECT_EQ(calls.status(1), code);
  }
  answers[0] = says(errc::overloaded, true);  // the pool is busy, the server is fine
  run();
  EXPECT_EQ(rounds, 1);
}

// The token is of one server; another's may be the same number by chance.
TEST_F(failing_over, a_condition_on_a_cas_token_goes_nowhere_else) {
  for (const failover_policy policy : {failover_policy::next, failover_policy::gutter}) {
    use(3, 1);
    settings.failover = policy;
    answers[0] = unreachable;
    calls.requests = {{.op = verb::cas, .key = "k0", .value = "v", .cas = 7},
                      {.op = verb::set, .key = "k0", .value = "v", .cas = 7},
                      {.op = verb::remove, .key = "k0", .cas = 7},
                      {.op = verb::incr, .key = "k0", .cas = 7}};
    run();
    EXPECT_EQ(rounds, 1);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(calls.status(i), errc::connect_failed);
  }
}

TEST_F(failing_over, the_next_one_and_the_next_until_one_answers) {
  use(5);
  settings.failover = failover_policy::next;
  calls.requests = {get("k3")};
  for (const int s : {3, 4, 0}) answers[static_cast<std::size_t>(s)] = unreachable;
  run();
  EXPECT_EQ(asked(), servers({3, 4, 0, 1}));
  EXPECT_EQ(calls.told[0].server, "s1:11211");
}

TEST_F(failing_over, when_all_fail_the_first_failure_is_told) {
  settings.failover = failover_policy::next;
  calls.requests = {get("k1")};
  answers = {says(errc::resolve_failed, true), down, broken};
  run();
  EXPECT_EQ(asked(), servers({1, 2, 0}));
  EXPECT_EQ(calls.status(0), errc::server_down);
  EXPECT_EQ(calls.told[0].server, "s1:11211");
  EXPECT_EQ(calls.told[0].text, "s1");
}

TEST_F(failing_over, a_mutation_that_was_sent_to_the_second_ends_there) {
  settings.failover = failover_policy::next;
  calls.requests = {set("k0")};
  answers = {unreachable, broken, good};
  run();
  EXPECT_EQ(asked(), servers({0, 1}));
  EXPECT_EQ(calls.status(0), errc::connection_closed);
  EXPECT_EQ(calls.told[0].server, "s1:11211");
}

TEST_F(failing_over, of_many_keys_only_those_of_the_dead_server_move) {
  settings.failover = failover_policy::next;
  calls.requests = {get("a0"), get("b1"), get("c2"), get("d1"), get("e0")};
  answers = {holds("zero"), down, holds("two")};
  run();
  EXPECT_EQ(rounds, 2);
  for (const std::size_t i : {0U, 4U}) EXPECT_EQ(calls.told[i].value, "zero");
  for (const std::size_t i : {1U, 2U, 3U}) EXPECT_EQ(calls.told[i].value, "two");
  EXPECT_EQ(log.size(), 7u);
}

TEST_F(failing_over, what_waits_for_a_round_that_never_comes_has_the_outcome_it_had) {
  settings.failover = failover_policy::next;
  calls.requests = {get("k0"), get("k1"), set("k0")};
  answers[0] = unreachable;
  prepare();
  round();
  ASSERT_TRUE(x->has_next_round());
  EXPECT_EQ(calls.told.size(), 1u);
  x->conclude();
  EXPECT_FALSE(x->has_next_round());
  EXPECT_EQ(calls.told.size(), 3u);
  for (const std::size_t i : {0U, 2U}) {
    EXPECT_EQ(calls.status(i), errc::connect_failed);
    EXPECT_EQ(calls.told[i].server, "s0:11211");
    EXPECT_EQ(calls.told[i].text, "s0");
  }
}

TEST_F(failing_over, failures_become_misses_only_at_the_end) {
  settings.failover = failover_policy::next;
  settings.on_error = error_policy::miss;
  calls.requests = {get("k0")};
  answers[0] = unreachable;
  answers[1] = holds("v");
  run();
  EXPECT_EQ(calls.told[0].value, "v");
  answers.assign(3, down);
  run();
  EXPECT_EQ(calls.status(0), errc::miss);
}

TEST_F(failing_over, calls_for_a_server_rather_than_a_key_stay_there) {
  settings.failover = failover_policy::next;
  answers[1] = unreachable;
  calls.requests = {{.op = verb::version}, {.op = verb::version}, {.op = verb::version}};
  prepare(exchange::route::everywhere);
  round();
  EXPECT_FALSE(x->has_next_round());
  EXPECT_EQ(calls.status(1), errc::connect_failed);
}

// --- over a connection: bytes tell what was sent.

TEST_F(failing_over, not_one_byte_of_a_mutation_may_have_been_written) {
  settings.failover = failover_policy::next;
  const std::string all = "get k0\r\nset k0 0 0 1\r\nv\r\n";
  const std::size_t set_at = all.find("set");
  for (std::size_t n = 0; n <= all.size(); ++n) {
    SCOPED_TRACE(n);
    calls.told.clear();
    calls.requests = {get("k0"), set("k0")};
    prepare();
    leg& l = only_leg();
    const auto c = fresh();
    l.begin(false);
    l.fill(*c);
    ASSERT_EQ(take(*c, n), all.substr(0, n));
    c->closed();
    EXPECT_FALSE(l.lost(*c));
    ASSERT_TRUE(x->has_next_round());
    x->next_round();
    EXPECT_EQ(only_leg().server(), 1u);
    round();
    EXPECT_EQ(calls.status(0), errc::ok);
    EXPECT_EQ(calls.status(1), n <= set_at ? errc::ok : errc::connection_closed);
  }
}

TEST_F(failing_over, half_a_value_of_one_server_is_none_of_the_next) {
  settings.failover = failover_policy::next;
  calls.requests = {get("k0")};
  prepare();
  leg& l = only_leg();
  const auto c = fresh();
  l.begin(false);
  l.fill(*c);
  take(*c);
  read(*c, "VALUE k0 0 10\r\nhalf");
  c->closed();
  EXPECT_FALSE(l.lost(*c));
  ASSERT_TRUE(x->has_next_round());
  x->next_round();
  answers[1] = miss;
  round();
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.told[0].value, "");
}

TEST_F(failing_over, a_stale_connection_is_tried_again_before_another_server) {
  settings.failover = failover_policy::next;
  calls.requests = {get("k0")};
  prepare();
  leg& l = only_leg();
  const auto c = fresh();
  l.begin(true);
  l.fill(*c);
  take(*c);
  c->closed();
  EXPECT_TRUE(l.lost(*c));
  EXPECT_FALSE(x->has_next_round());
  l.give_up(errc::connect_failed, "why");
  EXPECT_TRUE(x->has_next_round());
}

// --- nobody waits

TEST_F(failing_over, a_quiet_mutation_moves_when_its_server_is_known_to_be_down) {
  settings.failover = failover_policy::next;
  calls.is_quiet = true;
  calls.requests = {set("k0"), set("j0"), set("k1")};
  for (request& r : calls.requests) r.quiet = true;
  prepare();
  for (leg& l : x->legs()) {
    if (l.server() == 0) {
      l.give_up(errc::server_down, "why");
    } else {
      l.finish_unanswered();
    }
    EXPECT_TRUE(l.done());
  }
  ASSERT_TRUE(x->has_next_round());
  x->next_round();
  only_leg().finish_unanswered();
  expect_all_told();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(calls.status(i), errc::ok);
    EXPECT_EQ(calls.told[i].server, "s1:11211");
  }
}

// --- gutter

TEST_F(failing_over, the_gutter_takes_what_its_home_cannot) {
  use(2, 2);
  settings.failover = failover_policy::gutter;
  answers[0] = down;
  calls.requests = {get("k0"), get("k2"), set("k4"), get("k1")};
  run();
  EXPECT_EQ(rounds, 2);
  EXPECT_EQ(calls.told[0].server, "g0:11211");
  EXPECT_EQ(calls.told[3].server, "s1:11211");
}

TEST_F(failing_over, when_the_gutter_fails_too_the_homes_failure_is_told) {
  use(1, 2);
  settings.failover = failover_policy::gutter;
  answers = {down, unreachable, good};
  calls.requests = {get("k0"), set("k0")};
  run();
  EXPECT_EQ(rounds, 2);  // one try in the gutter
  EXPECT_EQ(calls.status(0), errc::server_down);
  EXPECT_EQ(calls.told[1].server, "s0:11211");
  answers[1] = miss;
  run();
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.told[0].server, "g0:11211");
}

TEST_F(failing_over, without_servers_in_the_gutter_the_failure_is_told) {
  settings.failover = failover_policy::gutter;
  answers[0] = down;
  calls.requests = {get("k0")};
  run();
  EXPECT_EQ(calls.status(0), errc::server_down);
}

TEST_F(failing_over, nothing_lives_longer_in_the_gutter_than_its_ttl) {
  use(1, 1);
  settings.failover = failover_policy::gutter;
  answers[0] = down;
  constexpr std::int32_t month = 60 * 60 * 24 * 30;
  for (const auto& [ttl, expected] :
       std::vector<std::pair<std::int32_t, std::int32_t>>{{0, 10},
                                                          {1, 1},
                                                          {9, 9},
                                                          {10, 10},
                                                          {11, 10},
                                                          {month, 10},
                                                          {month + 1, 10},
                                                          {INT32_MAX, 10},
                                                          {-1, -1},
                                                          {INT32_MIN, INT32_MIN}}) {
    for (const verb op : {verb::set, verb::add, verb::touch, verb::gat, verb::incr}) {
      calls.requests = {{.op = op, .ttl = ttl, .key = "k0"}};
      if (op == verb::incr) calls.requests[0].initial = 0;
      run();
      ASSERT_EQ(log.size(), 2u);
      EXPECT_EQ(log[0].ttl, ttl);  // at home as it was asked for
      EXPECT_EQ(log[1].ttl, expected) << protocol::name_of(op) << " " << ttl;
    }
  }
}

TEST_F(failing_over, nor_longer_than_its_own_date) {
  use(1, 1);
  settings.failover = failover_policy::gutter;
  answers[0] = down;
  constexpr std::int32_t today = 1'800'000'000;
  now = std::chrono::sys_seconds(std::chrono::seconds(today));
  for (const auto& [ttl, expected] : std::vector<std::pair<std::int32_t, std::int32_t>>{
           {today + 3600, 10}, {today + 10, 10}, {today + 3, 3}, {today, -1}, {today - 9, -1}}) {
    calls.requests = {set("k0")};
    calls.requests[0].ttl = ttl;
    run();
    EXPECT_EQ(log.at(1).ttl, expected) << ttl - today;
  }
}

TEST_F(failing_over, nor_does_a_stub) {
  use(1, 1);
  settings.failover = failover_policy::gutter;
  answers[0] = down;
  std::optional<std::int32_t> asked_for;
  answers[1] = [&](const request& r) {
    asked_for = r.vivify_ttl;
    return said{};
  };
  for (const auto& [ttl, expected] :
       std::vector<std::pair<std::int32_t, std::int32_t>>{{0, 10}, {3, 3}, {3600, 10}}) {
    calls.requests = {{.key = "k0", .vivify_ttl = ttl}};
    run();
    EXPECT_EQ(asked_for, expected);
  }
  calls.requests = {get("k0")};
  run();
  EXPECT_EQ(asked_for, std::nullopt);
}

// Zero would mean for ever, and more than 30 days a date.
TEST_F(failing_over, a_gutter_ttl_is_never_read_as_something_else) {
  constexpr std::int32_t month = 60 * 60 * 24 * 30;
  for (const auto& [given, expected] : std::vector<std::pair<std::int64_t, std::int32_t>>{
           {0, 1}, {-5, 1}, {1, 1}, {month, month}, {month + 1, month}, {INT64_MAX, month}}) {
    use(1, 1);
    settings.failover = failover_policy::gutter;
    settings.gutter_ttl = std::chrono::seconds(given);
    answers[0] = down;
    calls.requests = {set("k0")};
    run();
    EXPECT_EQ(log.at(1).ttl, expected) << given;
  }
}

// --- all at once

TEST_F(failing_over, every_request_has_one_outcome_whatever_happens) {
  std::minstd_rand random(1);
  constexpr errc codes[] = {errc::ok,           errc::miss,           errc::connect_failed,
                            errc::server_down,  errc::timeout,        errc::connection_closed,
                            errc::server_error, errc::protocol_error, errc::not_supported};
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE(i);
    use(1 + random() % 5, random() % 3);
    settings.failover = static_cast<failover_policy>(random() % 3);
    settings.replicas = random() % 2 == 0 ? 1 : 1 + static_cast<unsigned>(random() % 5);
    for (behaviour& s : answers) {
      s = [&](const request&) {
        return said{codes[random() % std::size(codes)], random() % 2 == 0};
      };
    }
    calls = {};
    const std::size_t n = random() % 6;
    static const std::vector<std::string> keys = {"k0", "k1", "k2", "k3", "k4"};
    const auto all = every_request();
    for (std::size_t k = 0; k < n; ++k) {
      request r = all[random() % all.size()];
      r.key = keys[random() % keys.size()];
      calls.requests.push_back(r);
    }
    run();  // a second outcome is a failure of its own
  }
}

}  // namespace
}  // namespace memcxx::routing
