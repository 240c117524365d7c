// Items that live on several servers: where writes and reads go, and which answer counts.
// Never here: failover of items that live on one, a socket, a clock.
#include "failover_fixture.hpp"

namespace memcxx::routing {
namespace {

class replicas_test : public failing_over {
 protected:
  replicas_test() { with(2); }
  void with(unsigned replicas, std::size_t servers = 3) {
    use(servers);
    settings.replicas = replicas;
  }
  void put_in_zone(std::size_t server, const std::string& zone) {
    settings.servers[server].zone = zone;
    settings.zone = "here";
  }
};

TEST_F(replicas_test, a_write_goes_to_all_places_at_once) {
  calls.requests = {set("k2")};
  run();
  EXPECT_EQ(rounds, 1);
  EXPECT_EQ(asked(), servers({0, 2}));
  EXPECT_EQ(calls.told[0].server, "s2:11211");
}

TEST_F(replicas_test, no_more_places_than_servers) {
  with(16, 3);
  calls.requests = {set("k1"), get("k1")};
  answers.assign(3, miss);
  run();
  EXPECT_EQ(log.size(), 6u);
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(1), errc::miss);
}

TEST_F(replicas_test, the_answer_of_the_first_place_is_the_answer) {
  // The order in which they answer is that of the servers: here the first place answers last.
  calls.requests = {{.op = verb::incr, .key = "k2"}, {.op = verb::add, .key = "k2", .value = "v"}};
  answers[0] = [](const request&) { return said{.number = 5}; };
  answers[2] = [](const request& r) {
    return r.op == verb::incr ? said{.number = 7} : said{errc::not_stored};
  };
  run();
  EXPECT_EQ(calls.status(1), errc::not_stored);
  EXPECT_EQ(calls.told[1].server, "s2:11211");
}

TEST_F(replicas_test, an_answer_counts_more_than_a_failure) {
  calls.requests = {set("k0"), {.op = verb::remove, .key = "k0"}};
  for (const behaviour& bad : {behaviour(unreachable), behaviour(broken), says(errc::timeout),
                               says(errc::server_error), says(errc::not_supported)}) {
    answers = {bad, good, good};
    run();
    EXPECT_EQ(rounds, 1);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(calls.status(i), errc::ok);
      EXPECT_EQ(calls.told[i].server, "s1:11211");
    }
    answers = {good, bad, good};
    run();
    EXPECT_EQ(calls.status(0), errc::ok);
    EXPECT_EQ(calls.told[0].server, "s0:11211");
  }
}

TEST_F(replicas_test, when_all_writes_fail_the_failure_of_the_first_place_is_told) {
  calls.requests = {set("k2")};
  answers = {broken, good, says(errc::timeout)};
  run();
  EXPECT_EQ(calls.status(0), errc::timeout);
  EXPECT_EQ(calls.told[0].server, "s2:11211");
  EXPECT_EQ(calls.told[0].text, "s2");
}

TEST_F(replicas_test, a_read_asks_one_and_the_next_on_a_miss) {
  with(3, 4);
  calls.requests = {get("k1")};
  answers = {good, holds("one"), holds("two"), holds("three")};
  run();
  EXPECT_EQ(asked(), servers({1}));
  EXPECT_EQ(calls.told[0].value, "one");
  answers[1] = miss;
  answers[2] = unreachable;
  run();
  EXPECT_EQ(asked(), servers({1, 2, 3}));
  EXPECT_EQ(calls.told[0].value, "three");
}

TEST_F(replicas_test, the_next_on_a_failure_too) {
  calls.requests = {get("k0")};
  answers[1] = holds("one");
  for (const behaviour& bad : {behaviour(unreachable), behaviour(down), behaviour(broken),
                               behaviour(says(errc::server_error))}) {
    answers[0] = bad;
    run();
    EXPECT_EQ(calls.told[0].value, "one");
  }
  // The error is told, and not the other's miss: the first may have had the item.
  answers[1] = miss;
  run();
  EXPECT_EQ(calls.status(0), errc::server_error);
}

TEST_F(replicas_test, a_miss_is_told_only_when_all_missed) {
  with(3, 4);
  calls.requests = {get("k0")};
  answers.assign(4, miss);
  run();
  EXPECT_EQ(asked(), servers({0, 1, 2}));
  EXPECT_EQ(calls.status(0), errc::miss);
  // Whichever failed may have had it.
  for (std::size_t bad = 0; bad < 3; ++bad) {
    answers.assign(4, miss);
    answers[bad] = unreachable;
    run();
    EXPECT_EQ(calls.status(0), errc::connect_failed) << bad;
    EXPECT_EQ(calls.told[0].server, "s" + std::to_string(bad) + ":11211");
  }
}

TEST_F(replicas_test, the_places_are_the_policy) {
  // failover says nothing about items that have places enough.
  settings.failover = failover_policy::next;
  calls.requests = {get("k0"), set("k0")};
  answers.assign(3, unreachable);
  run();
  EXPECT_EQ(log.size(), 4u);
  EXPECT_EQ(calls.status(0), errc::connect_failed);
}

TEST_F(replicas_test, reads_ask_their_own_zone_first) {
  with(3, 4);
  put_in_zone(2, "here");
  put_in_zone(3, "here");  // not a place of the key
  calls.requests = {get("k0"), set("k0")};
  answers[2] = holds("near");
  run();
  EXPECT_EQ(calls.told[0].value, "near");
  EXPECT_EQ(calls.told[1].server, "s0:11211");  // a write's answer is still its first place's
  answers[2] = miss;
  answers[0] = holds("home");
  run();
  EXPECT_EQ(calls.told[0].value, "home");
  EXPECT_EQ(log.size(), 5u);
}

// It sets a ttl, but what it is for is the value.
TEST_F(replicas_test, a_gat_has_the_value_of_the_server_that_answered) {
  calls.requests = {{.op = verb::gat, .ttl = 5, .key = "k0"}};
  answers[0] = holds("zero");
  answers[1] = holds("one");
  run();
  EXPECT_EQ(calls.status(0), errc::ok);
  EXPECT_EQ(calls.told[0].value, "zero");
  EXPECT_EQ(asked(), servers({0}));
  answers[0] = miss;
  run();
  EXPECT_EQ(calls.told[0].value, "one");
  answers[0] = unreachable;
  run();
  EXPECT_EQ(calls.told[0].value, "one");
}

// Each server counts its tokens for itself.
TEST_F(replicas_test, a_condition_on_a_cas_token_is_refused) {
  calls.requests = {{.op = verb::cas, .key = "k0", .value = "v", .cas = 7},
                    {.op = verb::remove, .key = "k0", .cas = 7},
                    set("k0")};
  run();
  EXPECT_EQ(calls.status(0), errc::not_supported);
  EXPECT_EQ(calls.status(1), errc::not_supported);
  EXPECT_NE(calls.told[0].text, "");
  EXPECT_EQ(calls.told[0].server, "");
  EXPECT_EQ(calls.status(2), errc::ok);
}

// A connection may refuse what the client could not know to be beyond it.
TEST_F(replicas_test, a_refusal_by_one_connection_is_one_of_the_outcomes) {
  settings.protocol = protocol_choice::automatic;
  const request marks{.op = verb::remove, .key = "k0", .invalidate = true};
  for (const auto& [first, second] :
       {std::pair(protocol_choice::classic, protocol_choice::meta),
        std::pair(protocol_choice::meta, protocol_choice::classic),
        std::pair(protocol_choice::classic, protocol_choice::classic)}) {
    calls = {};
    calls.requests = {marks};
    prepare();
    ASSERT_EQ(x->legs().size(), 2u);
    for (leg& l : x->legs()) {
      const bool meta = (l.server() == 0 ? first : second) == protocol_choice::meta;
      const auto c = fresh(meta ? protocol_choice::meta : protocol_choice::classic);
      l.begin(false);
      l.fill(*c);
      if (meta) {
        EXPECT_TRUE(take(*c).starts_with("md k0"));
        read(*c, "HD O1\r\n");
      }
      EXPECT_TRUE(l.done());
    }
    ASSERT_EQ(calls.told.size(), 1u);
    const bool done = first == protocol_choice::meta || second == protocol_choice::meta;
    EXPECT_EQ(calls.status(0), done ? errc::ok : errc::not_supported);
  }
}

TEST_F(replicas_test, what_is_no_item_has_no_replicas) {
  calls.requests = {{.op = verb::stats, .key = "group1"}};
  run();
  EXPECT_EQ(asked(), servers({1}));
  EXPECT_EQ(calls.told[0].server, "s1:11211");
}

TEST_F(replicas_test, nobody_waits_for_a_quiet_write_at_any_place) {
  calls.is_quiet = true;
  calls.requests = {set("k0"), set("k1")};
  for (request& r : calls.requests) r.quiet = true;
  prepare();
  for (leg& l : x->legs()) {
    if (l.server() == 1) {
      l.give_up(errc::server_down, "why");
    } else {
      l.finish_unanswered();
    }
  }
  EXPECT_FALSE(x->has_next_round());
  expect_all_told();
  EXPECT_EQ(calls.told[0].server, "s0:11211");
  EXPECT_EQ(calls.told[1].server, "s2:11211");
}

TEST_F(replicas_test, many_keys_each_from_its_own_place) {
  calls.requests = {get("a0"), get("b1"), get("c2"), get("d0")};
  answers = {miss, holds("one"), holds("two")};
  run();
  EXPECT_EQ(rounds, 2);
  EXPECT_EQ(calls.told[0].value, "one");
  EXPECT_EQ(calls.told[1].value, "one");
  EXPECT_EQ(calls.told[2].value, "two");
  EXPECT_EQ(calls.told[3].value, "one");
}

}  // namespace
}  // namespace memcxx::routing
