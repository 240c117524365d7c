// Requests whose connection ended at another request: they go again, and not for ever.
// Never here: what else is sent again (exchange_again_test).
#include "exchange_fixture.hpp"

namespace memcxx::routing {
namespace {

request counting(std::string_view key) { return {.op = verb::incr, .key = key}; }

class exchanging_behind : public exchanging {
 protected:
  // Another leg's request goes first over a connection, and is refused: it ends.
  std::unique_ptr<connection> refused_before(leg& l, protocol_choice p) {
    outcomes others;
    others.requests = {counting("word")};
    exchange other(others, map, settings);
    other.prepare(exchange::route::by_key);
    auto c = fresh(p);
    leg& first = other.legs()[0];
    first.begin(false);
    first.fill(*c);
    l.begin(false);
    l.fill(*c);
    take(*c);
    read(*c, "CLIENT_ERROR not here\r\n");
    EXPECT_EQ(others.status(0), errc::client_error);
    return c;
  }
  // A classic connection with room for so many.
  static std::unique_ptr<connection> narrow(std::size_t most) {
    connection_options o;
    o.protocol = o.known = protocol_choice::classic;
    o.max_in_flight = most;
    auto c = std::make_unique<connection>(o);
    c->open();
    return c;
  }
};

TEST_F(exchanging_behind, others_a_read_is_asked_again_and_again) {
  for (const protocol_choice p : {protocol_choice::classic, protocol_choice::meta}) {
    calls = {};
    calls.requests = {get("a")};
    prepare();
    leg& l = only_leg();
    for (int round = 0; round < 18; ++round) {
      const auto c = refused_before(l, p);
      ASSERT_TRUE(calls.told.empty()) << "round " << round;
      ASSERT_TRUE(l.lost(*c)) << "round " << round;
    }
    auto c = fresh(p);
    l.begin(false);
    l.fill(*c);
    take(*c);
    read(*c, p == protocol_choice::classic ? "VALUE a 0 1\r\nx\r\nEND\r\n" : "VA 1 f0 O1\r\nx\r\n");
    expect_all_told();
    EXPECT_EQ(calls.told[0].value, "x");
  }
}

// Errors that named nobody: only what they left in doubt is asked key by key, after all the rest.
TEST_F(exchanging_behind, errors_of_one_line_the_other_lines_stay_lines) {
  for (const char* key : {"a", "b", "c", "d", "e"}) calls.requests.push_back(get(key));
  prepare();
  leg& l = only_leg();
  const auto held = narrow(2);
  connection& c = *held;
  l.begin(false);
  l.fill(c);
  EXPECT_EQ(take(c), "get a b\r\n");
  read(c, "SERVER_ERROR gone\r\nEND\r\n");
  EXPECT_FALSE(l.submitted());
  l.fill(c);
  EXPECT_EQ(take(c), "get c d\r\n");
  EXPECT_FALSE(l.asks_apart(c));
  read(c, "VALUE c 0 1\r\nx\r\nEND\r\n");
  l.fill(c);
  EXPECT_EQ(take(c), "get e\r\n");
  read(c, "END\r\n");
  for (const std::string key : {"a", "b"}) {
    l.fill(c);
    EXPECT_EQ(take(c), "get " + key + "\r\n");
    EXPECT_TRUE(l.asks_apart(c));
    read(c, key == "a" ? "SERVER_ERROR gone\r\n" : "END\r\n");
    if (key == "b") break;
    EXPECT_EQ(take(c), "version\r\n") << "is there an END behind it?";
    read(c, "VERSION 1.6.45\r\n");
  }
  expect_all_told();
}

// A call of many, of which some are refused: the reads behind them have their answers all the same,
// and what was written of the others is not repeated.
TEST_F(exchanging_behind, its_own_what_changes_nothing_goes_again) {
  calls.requests = {counting("w"), get("a"), counting("w"), get("b"), set("c"), get("d")};
  prepare();
  leg& l = only_leg();
  auto c = fresh(protocol_choice::meta);
  l.begin(false);
  l.fill(*c);
  take(*c);
  read(*c, "CLIENT_ERROR not here\r\n");
  ASSERT_TRUE(l.lost(*c));
  EXPECT_EQ(calls.status(0), errc::client_error);
  EXPECT_EQ(calls.status(2), errc::connection_closed) << "it may have been executed";
  EXPECT_EQ(calls.status(4), errc::connection_closed);
  c = fresh(protocol_choice::meta);
  l.begin(false);
  l.fill(*c);
  EXPECT_EQ(take(*c), "mg a v f O1 q\r\nmg b v f O2 q\r\nmg d v f O3 q\r\nmn\r\n");
  read(*c, "VA 1 f0 O2\r\nx\r\nMN\r\n");
  expect_all_told();
  for (const std::size_t i : {1U, 5U}) EXPECT_EQ(calls.status(i), errc::miss);
  EXPECT_EQ(calls.told[3].value, "x");
}

TEST_F(exchanging_behind, others_a_read_fails_in_the_end) {
  calls.requests = {get("a")};
  prepare();
  leg& l = only_leg();
  for (int round = 0; round <= 18; ++round) {
    const auto c = refused_before(l, protocol_choice::meta);
    ASSERT_EQ(l.lost(*c), round != 18) << "round " << round;
  }
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::connection_closed);
}

// What there was no room for goes on, over one connection after the other: over a few.
TEST_F(exchanging_behind, its_own_what_was_not_submitted_yet_goes_on) {
  for (int i = 0; i < 9; ++i) calls.requests.push_back(counting("word"));
  prepare();
  leg& l = only_leg();
  for (int i = 0; i < 4; ++i) {
    const auto c = narrow(1);
    l.begin(false);
    l.fill(*c);
    EXPECT_TRUE(take(*c).starts_with("incr word 1\r\n"));
    read(*c, "CLIENT_ERROR not here\r\n");
    ASSERT_TRUE(c->failed());
    EXPECT_EQ(l.lost(*c), i != 3) << i;
  }
  expect_all_told();
  for (std::size_t i = 0; i < 9; ++i)
    EXPECT_EQ(calls.status(i), i < 4 ? errc::client_error : errc::connection_closed) << i;
}

}  // namespace
}  // namespace memcxx::routing
