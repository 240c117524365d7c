// What of a call is sent again over another connection, and how a call ends: each request has
// exactly one outcome.
// Never here: a socket, a clock.
#include <ranges>

#include "exchange_fixture.hpp"

namespace memcxx::routing {
namespace {

using exchanging_again = exchanging;

// --- what is sent again

// Answers everything on a fresh connection after the first was lost.
TEST_F(exchanging_again, a_read_over_a_stale_connection_goes_again_once) {
  calls.requests = {get("a")};
  prepare();
  leg& l = only_leg();
  auto c = fresh();
  l.begin(true);
  l.fill(*c);
  take(*c);
  c->closed();
  EXPECT_TRUE(calls.told.empty());
  ASSERT_TRUE(l.lost(*c));
  c = fresh();
  l.begin(false);
  EXPECT_FALSE(l.submitted());
  l.fill(*c);
  EXPECT_EQ(take(*c), "get a\r\n");
  read(*c, "VALUE a 0 1\r\nx\r\nEND\r\n");
  expect_all_told();
  EXPECT_EQ(calls.told[0].value, "x");
}

// Once as it was, and once key by key, since the server may close at a line of several.
TEST_F(exchanging_again, but_not_for_ever) {
  calls.requests = {get("a"), get("b")};
  prepare();
  leg& l = only_leg();
  for (const bool again : {true, true, false}) {
    const auto c = fresh();
    l.begin(true);
    l.fill(*c);
    take(*c);
    c->closed();
    EXPECT_EQ(l.lost(*c), again);
  }
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::connection_closed);
  EXPECT_EQ(calls.told[0].server, "s0:11211");
}

TEST_F(exchanging_again, not_over_a_new_connection_and_not_after_another_failure) {
  for (const errc code : {errc::connection_closed, errc::timeout, errc::protocol_error,
                          errc::cancelled, errc::server_error}) {
    const bool reused = code != errc::connection_closed;
    calls = {};
    calls.requests = {get("a"), set("b")};
    prepare();
    leg& l = only_leg();
    const auto c = fresh();
    l.begin(reused);
    l.fill(*c);
    take(*c, 3);
    c->fail(code, "why");
    EXPECT_FALSE(l.lost(*c));
    expect_all_told();
    EXPECT_EQ(calls.status(0), code);
    EXPECT_EQ(calls.status(1), code);
  }
}

// At every byte: a mutation of which one byte was written is never sent again; everything else is.
TEST_F(exchanging_again, a_written_mutation_is_never_sent_again) {
  const auto requests = [] {
    return std::vector<request>{get("a"), set("b"), get("c"), {.op = verb::incr, .key = "d"}};
  };
  const std::string all = "get a\r\nset b 0 0 1\r\nv\r\nget c\r\nincr d 1\r\n";
  const std::size_t set_at = all.find("set");
  const std::size_t incr_at = all.find("incr");
  for (std::size_t n = 0; n <= all.size(); ++n) {
    SCOPED_TRACE(n);
    calls = {};
    calls.requests = requests();
    prepare();
    leg& l = only_leg();
    auto c = fresh();
    l.begin(true);
    l.fill(*c);
    ASSERT_EQ(take(*c, n), all.substr(0, n));
    c->closed();
    ASSERT_TRUE(l.lost(*c));
    c = fresh();
    l.begin(false);
    l.fill(*c);
    const bool stored = n <= set_at;
    const bool counted = n <= incr_at;
    EXPECT_EQ(take(*c), "get a"s + (stored ? "\r\nset b 0 0 1\r\nv\r\nget c\r\n" : " c\r\n") +
                            (counted ? "incr d 1\r\n" : ""));
    read(*c, "END\r\n"s + (stored ? "STORED\r\nEND\r\n" : "") + (counted ? "7\r\n" : ""));
    expect_all_told();
    EXPECT_EQ(calls.status(0), errc::miss);
    EXPECT_EQ(calls.status(1), stored ? errc::ok : errc::connection_closed);
    EXPECT_EQ(calls.status(3), counted ? errc::ok : errc::connection_closed);
  }
}

// A gat sets a ttl, a vivifying get may win, and statistics may have been told in part.
TEST_F(exchanging_again, reads_that_change_something_are_not_repeated) {
  settings.protocol = protocol_choice::meta;
  calls.requests = {{.op = verb::gat, .key = "a"},
                    {.key = "b", .vivify_ttl = 1},
                    {.key = "c", .recache_ttl = 1},
                    {.op = verb::stats}};
  prepare();
  leg& l = only_leg();
  const auto c = fresh(protocol_choice::meta);
  l.begin(true);
  l.fill(*c);
  take(*c);
  c->closed();
  EXPECT_FALSE(l.lost(*c)) << "nothing is left";
  expect_all_told();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(calls.status(i), errc::connection_closed);
}

TEST_F(exchanging_again, what_was_answered_before_the_loss_is_not_asked_again) {
  calls.requests = {get("a"), set("b"), get("c")};
  prepare();
  leg& l = only_leg();
  auto c = fresh();
  l.begin(true);
  l.fill(*c);
  take(*c);
  read(*c, "VALUE a 0 1\r\nx\r\nEND\r\nSTORED\r\nVALUE c 0 10\r\nhal");
  c->closed();
  ASSERT_TRUE(l.lost(*c));
  c = fresh();
  l.begin(false);
  l.fill(*c);
  EXPECT_EQ(take(*c), "get c\r\n");
  read(*c, "END\r\n");
  expect_all_told();
  EXPECT_EQ(calls.told[0].value, "x");
  EXPECT_EQ(calls.status(2), errc::miss);
}

// --- reads that stayed silent beside an error that named nobody

TEST_F(exchanging_again, silent_reads_beside_an_error_are_asked_one_by_one) {
  settings.protocol = protocol_choice::meta;
  calls.requests = {get("a"), get("b"), get("c")};
  prepare();
  leg& l = only_leg();
  const auto c = fresh(protocol_choice::meta);
  l.begin(false);
  l.fill(*c);
  EXPECT_EQ(take(*c), "mg a v f O1 q\r\nmg b v f O2 q\r\nmg c v f O3 q\r\nmn\r\n");
  EXPECT_TRUE(l.submitted());
  read(*c, "SERVER_ERROR gone\r\nMN\r\n");
  EXPECT_TRUE(calls.told.empty());
  EXPECT_FALSE(l.done());
  EXPECT_FALSE(l.submitted());
  l.fill(*c);
  EXPECT_EQ(take(*c), "mg a v f O4\r\nmg b v f O5\r\nmg c v f O6\r\n") << "none may be silent";
  EXPECT_TRUE(l.submitted());
  read(*c, "EN O4\r\nSERVER_ERROR gone\r\nVA 1 f0 O6\r\nx\r\n");
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(1), errc::server_error);
  EXPECT_EQ(calls.told[1].text, "gone");
  EXPECT_EQ(calls.told[2].value, "x");
}

TEST_F(exchanging_again, of_a_line_those_that_did_not_come_are_asked_one_by_one) {
  calls.requests = {get("a"), get("b"), get("c"), get("d")};
  prepare();
  leg& l = only_leg();
  const auto c = fresh_automatic();
  l.begin(false);
  l.fill(*c);
  EXPECT_EQ(take(*c), "mg a v f O1\r\nget b c d\r\n");
  read(*c, "EN O1\r\nSERVER_ERROR gone\r\nVALUE c 0 1\r\nC\r\nEND\r\n");
  EXPECT_EQ(calls.told.size(), 2u);
  l.fill(*c);
  EXPECT_EQ(take(*c), "mg b v f O2\r\nmg d v f O3\r\n");
  read(*c, "SERVER_ERROR gone\r\nEN O3\r\n");
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(1), errc::server_error);
  EXPECT_EQ(calls.told[2].value, "C");
  EXPECT_EQ(calls.status(3), errc::miss);
}

// There a reply does not say what it answers: one must be over before the next begins.
TEST_F(exchanging_again, in_classic_one_after_the_other) {
  calls.requests = {get("a"), get("b"), get("c")};
  prepare();
  leg& l = only_leg();
  const auto c = fresh();
  l.begin(false);
  l.fill(*c);
  EXPECT_EQ(take(*c), "get a b c\r\n");
  read(*c, "SERVER_ERROR gone\r\nEND\r\n");
  EXPECT_TRUE(calls.told.empty());
  const std::string replies[] = {"END\r\n", "SERVER_ERROR gone\r\nEND\r\n",
                                 "VALUE c 0 1\r\nC\r\nEND\r\n"};
  for (std::size_t i = 0; i < 3; ++i) {
    l.fill(*c);
    l.fill(*c);
    EXPECT_EQ(take(*c), "get "s + "abc"[i] + "\r\n");
    EXPECT_EQ(l.submitted(), i == 2);
    read(*c, replies[i]);
  }
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(1), errc::server_error);
  EXPECT_EQ(calls.told[2].value, "C");
}

// More keys than the connection takes at once: what is still to come is asked as well.
TEST_F(exchanging_again, silent_reads_of_a_call_that_is_not_wholly_sent) {
  std::vector<std::string> keys;
  for (int i = 0; i < 40; ++i) keys.push_back("k" + std::to_string(i));
  for (const std::string& k : keys) calls.requests.push_back(get(k));
  settings.protocol = protocol_choice::meta;
  prepare();
  connection_options o;
  o.protocol = o.known = protocol_choice::meta;
  o.max_in_flight = 8;
  connection c(o);
  c.open();
  leg& l = only_leg();
  l.begin(false);
  bool erred = false;
  for (int rounds = 0; rounds < 100 && !l.done(); ++rounds) {
    l.fill(c);
    std::string reply;
    for (const std::string out = take(c);
         const std::string_view line :
         std::views::split(out, "\r\n"sv) |
             std::views::transform([](auto r) { return std::string_view(r); })) {
      if (line == "mn") {
        if (!erred) reply += "SERVER_ERROR gone\r\n";
        erred = true;
        reply += "MN\r\n";
      } else if (!line.empty() && !line.ends_with(" q")) {
        reply += "EN " + std::string(line.substr(line.find(" O") + 1)) + "\r\n";
      }
    }
    read(c, reply);
    ASSERT_FALSE(c.failed()) << c.failure_text();
  }
  expect_all_told();
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(calls.status(i), errc::miss) << i;
}

TEST_F(exchanging_again, silent_writes_beside_an_error_are_not_repeated) {
  settings.protocol = protocol_choice::meta;
  calls.is_quiet = false;
  calls.requests = {set("a"),
                    set("b"),
                    {.op = verb::gat, .quiet = true, .key = "c"},
                    {.quiet = true, .key = "d", .vivify_ttl = 1},
                    get("e")};
  for (request& r : calls.requests) r.quiet = true;
  prepare();
  leg& l = only_leg();
  const auto c = fresh(protocol_choice::meta);
  l.begin(true);
  l.fill(*c);
  EXPECT_TRUE(take(*c).ends_with("mn\r\n"));
  read(*c, "SERVER_ERROR gone\r\nMN\r\n");
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(calls.status(i), errc::unattributed) << i;
  EXPECT_FALSE(calls.told.contains(4));
  l.fill(*c);
  EXPECT_EQ(take(*c), "mg e v f O6\r\n");
  read(*c, "EN O6\r\n");
  expect_all_told();
  EXPECT_EQ(calls.status(4), errc::miss);
}

// The connection is lost while they are asked one by one.
TEST_F(exchanging_again, silent_reads_over_a_connection_that_is_lost) {
  for (const bool reused : {true, false}) {
    calls = {};
    calls.requests = {get("a"), get("b"), get("c")};
    prepare();
    leg& l = only_leg();
    auto c = fresh_automatic();
    l.begin(reused);
    l.fill(*c);
    take(*c);
    read(*c, "EN O1\r\nSERVER_ERROR gone\r\nEND\r\n");
    l.fill(*c);
    take(*c);
    c->closed();
    EXPECT_EQ(l.lost(*c), reused);
    if (reused) {
      c = fresh_automatic();
      l.begin(false);
      l.fill(*c);
      EXPECT_EQ(take(*c), "mg b v f O1\r\nmg c v f O2\r\n");
      read(*c, "EN O1\r\nEN O2\r\n");
    }
    expect_all_told();
    for (const std::size_t i : {1U, 2U}) {
      EXPECT_EQ(calls.status(i), reused ? errc::miss : errc::connection_closed);
    }
  }
}

// --- a server that was taken for what it is not

TEST_F(exchanging_again, a_read_that_was_misjudged_goes_again_over_a_fresh_connection) {
  for (const bool many : {false, true}) {
    calls = {};
    calls.requests = {get("a")};
    if (many) calls.requests = {get("a"), get("b"), get("c")};
    prepare();
    leg& l = only_leg();
    auto c = fresh_automatic();
    l.begin(false);  // it need not have been idle for that
    l.fill(*c);
    EXPECT_TRUE(take(*c).starts_with("mg a v f O1\r\n"));
    read(*c, "ERROR\r\n");
    EXPECT_TRUE(calls.told.empty());
    ASSERT_TRUE(l.lost(*c));
    c = fresh();
    l.begin(false);
    l.fill(*c);
    EXPECT_EQ(take(*c), many ? "get a b c\r\n" : "get a\r\n");
    read(*c, "VALUE a 0 1\r\nx\r\nEND\r\n");
    expect_all_told();
    EXPECT_EQ(calls.told[0].value, "x");
  }
}

TEST_F(exchanging_again, but_that_once) {
  calls.requests = {get("a")};
  prepare();
  leg& l = only_leg();
  for (const bool again : {true, false}) {
    const auto c = fresh_automatic();
    l.begin(false);
    l.fill(*c);
    take(*c);
    read(*c, "ERROR\r\n");
    EXPECT_EQ(l.lost(*c), again);
  }
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::connection_closed);
}

TEST_F(exchanging_again, a_write_that_was_misjudged_is_not_repeated) {
  calls.requests = {{.op = verb::remove, .key = "a"}, get("b"), set("c")};
  prepare();
  leg& l = only_leg();
  auto c = fresh_automatic();
  l.begin(false);
  l.fill(*c);
  take(*c);
  read(*c, "ERROR\r\n");
  ASSERT_TRUE(l.lost(*c));
  EXPECT_EQ(calls.status(0), errc::not_supported);
  EXPECT_EQ(calls.status(2), errc::connection_closed);
  c = fresh();
  l.begin(false);
  l.fill(*c);
  EXPECT_EQ(take(*c), "get b\r\n");
  read(*c, "END\r\n");
  expect_all_told();
}

// --- a line at which the server closes without a word

TEST_F(exchanging_again, the_keys_of_a_line_at_which_the_server_closed_are_asked_one_by_one) {
  for (const bool reused : {false, true}) {
    calls = {};
    calls.requests = {get("a"), get("b"), get("c")};
    prepare();
    leg& l = only_leg();
    for (const bool was_idle : {true, false}) {
      if (was_idle && !reused) continue;
      const auto c = fresh();
      l.begin(was_idle);
      l.fill(*c);
      EXPECT_EQ(take(*c), "get a b c\r\n");
      c->closed();
      ASSERT_TRUE(l.lost(*c)) << was_idle;
    }
    const auto c = fresh();
    l.begin(false);
    l.fill(*c);
    EXPECT_EQ(take(*c), "get a\r\n");
    read(*c, "VALUE a 0 1\r\nx\r\nEND\r\n");
    l.fill(*c);
    EXPECT_EQ(take(*c), "get b\r\n");
    c->closed();
    EXPECT_FALSE(l.lost(*c));
    expect_all_told();
    EXPECT_EQ(calls.told[0].value, "x");
    EXPECT_EQ(calls.status(1), errc::connection_closed);
    EXPECT_EQ(calls.status(2), errc::connection_closed);
  }
}

TEST_F(exchanging_again, not_when_it_has_said_something_or_was_asked_for_one_key) {
  calls.requests = {get("a"), get("b")};
  prepare();
  auto c = fresh();
  only_leg().begin(false);
  only_leg().fill(*c);
  take(*c);
  read(*c, "VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\n");
  EXPECT_EQ(calls.told.size(), 1u);
  c->closed();
  EXPECT_FALSE(only_leg().lost(*c));
  expect_all_told();

  calls = {};
  calls.requests = {get("a")};
  prepare();
  c = fresh();
  only_leg().begin(false);
  only_leg().fill(*c);
  take(*c);
  c->closed();
  EXPECT_FALSE(only_leg().lost(*c));
  expect_all_told();
}

// --- endings

// However much was submitted, written and answered.
TEST_F(exchanging_again, giving_up_tells_each_request_once) {
  for (std::size_t answered = 0; answered <= 3; ++answered) {
    for (const bool dials_again : {false, true}) {
      calls = {};
      calls.requests = {set("a"), set("b"), set("c")};
      prepare();
      leg& l = only_leg();
      const auto c = fresh();
      l.begin(dials_again);
      l.fill(*c);
      take(*c, dials_again && answered == 0 ? 0 : SIZE_MAX);
      for (std::size_t i = 0; i < answered; ++i) read(*c, "STORED\r\n");
      c->closed();
      if (l.lost(*c)) l.give_up(errc::connect_failed, "refused");
      expect_all_told();
      for (std::size_t i = 0; i < 3; ++i) {
        const errc lost =
            dials_again && answered == 0 ? errc::connect_failed : errc::connection_closed;
        EXPECT_EQ(calls.status(i), i < answered ? errc::ok : lost);
      }
    }
  }
}

TEST_F(exchanging_again, giving_up_before_there_was_a_connection) {
  for (const errc code : {errc::connection_closed, errc::overloaded, errc::timeout}) {
    calls = {};
    calls.requests = {get("a"), set("b")};
    prepare();
    only_leg().begin(true);
    only_leg().give_up(code, "why");
    expect_all_told();
    EXPECT_EQ(calls.status(0), code);
    EXPECT_EQ(calls.told[1].text, "why");
  }
}

// Whatever was to be sent again.
TEST_F(exchanging_again, giving_up_after_a_connection_was_lost) {
  for (const errc code : {errc::connection_closed, errc::connect_failed, errc::timeout}) {
    calls = {};
    calls.requests = {get("a"), get("b"), set("c")};
    prepare();
    const auto c = fresh();
    only_leg().begin(true);
    only_leg().fill(*c);
    c->closed();
    ASSERT_TRUE(only_leg().lost(*c));
    only_leg().give_up(code, "why");
    expect_all_told();
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(calls.status(i), code);
  }
}

TEST_F(exchanging_again, nobody_waits_for_a_quiet_call_and_each_request_has_one_outcome) {
  calls.is_quiet = true;
  // The second is refused while the first is on its way.
  calls.requests = {set("a"), {.op = verb::debug, .key = "b"}, set("c"), set("d")};
  for (const std::size_t answered : {0U, 1U, 2U, 3U}) {
    calls.told.clear();
    prepare();
    leg& l = only_leg();
    const auto c = fresh();
    l.fill(*c);
    take(*c);
    for (std::size_t i = 0; i < answered; ++i) read(*c, "NOT_STORED\r\n");
    c->abandon(l);
    l.finish_unanswered();
    l.finish_unanswered();
    expect_all_told();
    EXPECT_EQ(calls.status(0), answered > 0 ? errc::not_stored : errc::ok);
    EXPECT_EQ(calls.status(1), errc::not_supported);
    EXPECT_EQ(calls.status(3), answered > 2 ? errc::not_stored : errc::ok);
  }
  calls = {};
  calls.is_quiet = true;
  calls.requests = {set("a")};
  prepare();
  only_leg().finish_unanswered();
  EXPECT_EQ(calls.status(0), errc::ok);
}

// The first attempt ended some of them out of order.
TEST_F(exchanging_again, a_quiet_call_that_was_sent_again) {
  calls.is_quiet = true;
  calls.requests = {get("a"), set("b"), get("c")};
  prepare();
  leg& l = only_leg();
  auto c = fresh();
  l.begin(true);
  l.fill(*c);
  take(*c);
  c->closed();
  ASSERT_TRUE(l.lost(*c));
  c = fresh();
  l.begin(false);
  l.fill(*c);
  take(*c);
  c->abandon(l);
  l.finish_unanswered();
  expect_all_told();
  EXPECT_EQ(calls.status(1), errc::connection_closed);
}

TEST_F(exchanging_again, failures_turn_into_misses_for_those_who_ask_and_callers_errors_do_not) {
  settings.on_error = error_policy::miss;
  struct seen {
    errc code;
    errc told;
  };
  for (const seen& s :
       std::initializer_list<seen>{{errc::connect_failed, errc::miss},
                                   {errc::timeout, errc::miss},
                                   {errc::connection_closed, errc::miss},
                                   {errc::protocol_error, errc::miss},
                                   {errc::overloaded, errc::miss},
                                   {errc::resolve_failed, errc::miss},
                                   {errc::server_error, errc::miss},
                                   {errc::invalid_argument, errc::invalid_argument}}) {
    calls = {};
    calls.requests = {get("a"), set("b"), {.op = verb::stats}};
    prepare();
    only_leg().give_up(s.code, "why");
    EXPECT_EQ(calls.status(0), s.told) << s.code;
    EXPECT_EQ(calls.status(1), s.told) << s.code;
    EXPECT_EQ(calls.status(2), s.code) << "no item: nothing that could be missed";
  }
  calls = {};
  calls.requests = {set("a"), get("b\n"), set("c")};
  prepare();
  const auto c = fresh();
  only_leg().fill(*c);
  EXPECT_EQ(calls.status(1), errc::invalid_key);
  take(*c);
  read(*c, "SERVER_ERROR object too large for cache\r\nSERVER_ERROR out of memory\r\n");
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(2), errc::miss);
  expect_all_told();
}

}  // namespace
}  // namespace memcxx::routing
