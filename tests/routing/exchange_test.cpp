// One call on its way, without an engine: where its requests go, what is refused before anything is
// sent, and that a large call over little room ends.
// Never here: a socket, a clock, bytes of a protocol but where they show what was asked.
#include <regex>

#include "exchange_fixture.hpp"

namespace memcxx::routing {
namespace {

// --- where requests go

TEST_F(exchanging, each_key_goes_to_its_server_in_the_order_of_the_call) {
  settings = settings_for(3);
  calls.requests = {get("a2"), get("b0"), set("c2"), get("d0"), get("e2")};
  prepare();
  ASSERT_EQ(x->legs().size(), 2u);
  const std::vector<std::string> expected = {"get b0 d0\r\n",
                                             "get a2\r\nset c2 0 0 1\r\nv\r\nget e2\r\n"};
  for (std::size_t i = 0; i < 2; ++i) {
    leg& l = x->legs()[i];
    EXPECT_EQ(l.server(), i == 0 ? 0u : 2u);
    const auto c = fresh();
    l.begin(false);
    l.fill(*c);
    EXPECT_TRUE(l.submitted());
    EXPECT_FALSE(l.done());
    EXPECT_EQ(take(*c), expected[i]);
    read(*c,
         i == 0 ? "VALUE d0 0 1\r\nx\r\nEND\r\n" : "END\r\nSTORED\r\nVALUE e2 0 1\r\ny\r\nEND\r\n");
    EXPECT_TRUE(l.done());
  }
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(1), errc::miss);
  EXPECT_EQ(calls.status(2), errc::ok);
  EXPECT_EQ(calls.told[3].value, "x");
  EXPECT_EQ(calls.told[4].value, "y");
  EXPECT_EQ(calls.told[4].server, "s2:11211");
}

TEST_F(exchanging, everywhere_is_one_request_for_each_server) {
  settings = settings_for(3);
  calls.requests.assign(3, {.op = verb::flush});
  prepare(exchange::route::everywhere);
  ASSERT_EQ(x->legs().size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(x->legs()[i].server(), i);
}

TEST_F(exchanging, all_to_one_server) {
  settings = settings_for(3);
  calls.requests = {get("a0"), get("b1")};
  prepare(exchange::route::one, 2);
  EXPECT_EQ(only_leg().server(), 2u);
  calls.requests = {get("a0")};
  calls.told.clear();
  prepare(exchange::route::one, 1);
  EXPECT_EQ(only_leg().server(), 1u);
}

TEST_F(exchanging, a_call_of_nothing_has_no_legs) {
  prepare();
  EXPECT_TRUE(x->legs().empty());
}

TEST_F(exchanging, the_prefix_stands_before_every_key_and_may_count_in_the_hash) {
  settings.prefix = "p:";
  calls.requests = {get("a"), set("b"), {.op = verb::stats, .key = "items"}};
  prepare();
  const auto c = fresh();
  only_leg().fill(*c);
  EXPECT_EQ(take(*c), "get p:a\r\nset p:b 0 0 1\r\nv\r\nstats items\r\n");
}

// --- refusals

struct refused {
  std::string prefix;
  std::string key;
  std::string message;
};

TEST_F(exchanging, a_key_that_cannot_be_sent_is_refused_and_the_message_says_why_and_where) {
  for (const refused& r :
       std::initializer_list<refused>{{"", "ab\nc", "\\x0a at offset 2"},
                                      {"", " a", "\\x20 at offset 0"},
                                      {"pre:", "a\x7f", "\\x7f at offset 5"},
                                      {"pre:", "a\0b"s, "\\x00 at offset 5"},
                                      {"", std::string(251, 'k'), "251 bytes"},
                                      {"pre:", std::string(247, 'k'), "251 bytes"},
                                      {"", "", "empty"},
                                      {"pre:", "", "empty"},
                                      {"", "quote\"and\\and\t", "\\x22and\\x5cand\\x09"}}) {
    SCOPED_TRACE(r.prefix + r.key);
    settings.prefix = r.prefix;
    for (const std::size_t others : {0U, 2U}) {
      calls = {};
      calls.requests = {set(r.key, "flush_all\r\n")};
      for (std::size_t i = 0; i < others; ++i) calls.requests.push_back(get("fine"));
      prepare();
      ASSERT_TRUE(calls.told.contains(0));
      EXPECT_EQ(calls.status(0), errc::invalid_key);
      EXPECT_NE(calls.told[0].text.find(r.message), std::string::npos) << calls.told[0].text;
      EXPECT_EQ(calls.told[0].server, "");
      for (const char c : calls.told[0].text) {
        EXPECT_TRUE((c >= 0x20 && c < 0x7f) || (c & 0x80) != 0);
      }
      EXPECT_EQ(calls.told.size(), 1u);
      ASSERT_EQ(x->legs().size(), others == 0 ? 0u : 1u);
      if (others == 0) continue;
      const auto c = fresh();
      only_leg().fill(*c);
      const std::string key = r.prefix + "fine";
      EXPECT_EQ(take(*c), "get " + key + " " + key + "\r\n");
      read(*c, "END\r\n");
      expect_all_told();
    }
  }
}

TEST_F(exchanging, what_a_chosen_protocol_cannot_carry_is_refused_before_anything_is_sent) {
  settings.protocol = protocol_choice::classic;
  calls.requests = {{.wants = want::value | want::ttl, .key = "a"},
                    {.op = verb::debug, .key = "b"}};
  prepare();
  EXPECT_TRUE(x->legs().empty());
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(calls.status(i), errc::not_supported);
    EXPECT_EQ(calls.told[i].server, "");
  }
}

TEST_F(exchanging, meta_and_binary_keys_may_hold_any_byte) {
  for (const auto p : {protocol_choice::meta, protocol_choice::binary}) {
    settings.protocol = p;
    calls = {};
    calls.requests = {get("a b\n")};
    prepare();
    EXPECT_EQ(x->legs().size(), 1u);
    EXPECT_TRUE(calls.told.empty());
  }
}

TEST_F(exchanging, what_only_the_connection_can_refuse_names_no_server_and_stops_nothing) {
  settings.on_error = error_policy::miss;  // and is no miss
  calls.requests = {set("a"),
                    {.wants = want::value | want::ttl, .key = "b"},
                    get("c"),
                    {.op = verb::debug, .key = "d"}};
  prepare();
  const auto c = fresh();
  only_leg().fill(*c);
  EXPECT_EQ(take(*c), "set a 0 0 1\r\nv\r\nget c\r\n");
  read(*c, "STORED\r\nEND\r\n");
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::ok);
  EXPECT_EQ(calls.status(1), errc::not_supported);
  EXPECT_EQ(calls.told[1].server, "");
  EXPECT_EQ(calls.status(2), errc::miss);
  EXPECT_EQ(calls.status(3), errc::not_supported);
}

TEST_F(exchanging, a_value_over_the_limit_is_refused_with_both_sizes) {
  settings.max_value_size = 3;
  calls.requests = {set("a", "four"), set("b", "thr")};
  prepare();
  EXPECT_EQ(calls.status(0), errc::value_too_large);
  EXPECT_NE(calls.told[0].text.find("4 bytes"), std::string::npos) << calls.told[0].text;
  EXPECT_NE(calls.told[0].text.find("3"), std::string::npos);
  EXPECT_EQ(calls.told[0].server, "");
  EXPECT_EQ(only_leg().server(), 0u);
}

TEST_F(exchanging, a_command_that_refuses_itself_ends_before_anything_is_sent) {
  calls.requests = {get("a"), get("b")};
  calls.refusals[0] = {errc::invalid_argument, "a ttl that cannot be sent"};
  prepare();
  EXPECT_EQ(calls.status(0), errc::invalid_argument);
  const auto c = fresh();
  only_leg().fill(*c);
  EXPECT_EQ(take(*c), "get b\r\n");
}

// --- drivers

TEST_F(exchanging, a_driver_sees_each_request_once_in_order_and_with_its_prefix) {
  struct recording final : driver {
    void execute(const request& r, protocol::response_handler& to, std::uint32_t tag,
                 std::chrono::steady_clock::time_point) noexcept override {
      seen += std::string(protocol::name_of(r.op)) + " " + std::string(r.prefix) +
              std::string(r.key) + ";";
      response answer;
      if (r.op == verb::stats) {
        answer.more = true;
        answer.key = "a";
        to.on_response(tag, answer);
        answer = {};
      }
      if (r.op == verb::get) {
        const std::span<char> place = to.on_value(tag, answer, 1);
        EXPECT_TRUE(place.empty());
        answer.value = "x";
      }
      if (r.op == verb::incr) answer.status = errc::connection_closed;
      to.on_response(tag, answer);
    }
    std::string seen;
  } d;
  settings = settings_for(2);
  settings.prefix = "p:";
  calls.requests = {get("a1"), set("b0"), set("c1"), {.op = verb::incr, .key = "d1"}};
  prepare();
  for (leg& l : x->legs()) l.run_on(d, {});
  EXPECT_EQ(d.seen, "set p:b0;get p:a1;set p:c1;incr p:d1;");
  expect_all_told();
  EXPECT_EQ(calls.told[0].value, "x");
  EXPECT_EQ(calls.status(3), errc::connection_closed);
  EXPECT_EQ(calls.told[3].server, "s1:11211");
}

// --- large calls over little room

TEST_F(exchanging, a_large_call_over_a_connection_with_little_room_ends) {
  for (const auto p : {protocol_choice::classic, protocol_choice::meta, protocol_choice::automatic,
                       protocol_choice::binary}) {
    for (const std::size_t room : {1U, 2U, 7U, 64U, 600U, 4096U}) {
      for (const std::size_t unsent : {1U, 300U, 1U << 18}) {
        SCOPED_TRACE(std::string(name_of(p)) + " " + std::to_string(room));
        calls = {};
        std::vector<std::string> keys;
        for (int i = 0; i < 1500; ++i) keys.push_back("key" + std::to_string(i));
        for (std::size_t i = 0; i < keys.size(); ++i) {
          calls.requests.push_back(set(keys[i], keys[i]));
          calls.requests.back().quiet = i % 5 != 0;
        }
        for (std::size_t i = 0; i < keys.size(); ++i) {
          calls.requests.push_back(get(i % 3 == 0 ? "none"sv : std::string_view(keys[i])));
        }
        prepare();
        connection_options o;
        o.protocol = p;
        o.known = p == protocol_choice::automatic ? protocol_choice::meta : p;
        o.max_in_flight = room;
        o.max_unsent = unsent;
        connection c(o);
        c.open();
        script::reference_server server;
        leg& l = only_leg();
        std::size_t turns = 0;
        while (!l.done() && !c.failed() && ++turns < 20'000) {
          l.fill(c);
          EXPECT_LE(c.in_flight(), room + 1) << "its fence comes on top";
          while (c.has_output()) server.receive(take(c));
          if (!server.has_reply()) {
            ASSERT_TRUE(c.has_room()) << "it would wait forever";
            continue;
          }
          read(c, server.reply(700));
        }
        ASSERT_FALSE(c.failed()) << c.failure_text();
        expect_all_told();
        for (std::size_t i = 0; i < keys.size(); ++i) {
          ASSERT_EQ(calls.status(i), errc::ok) << i;
          ASSERT_EQ(calls.status(keys.size() + i), i % 3 == 0 ? errc::miss : errc::ok) << i;
          ASSERT_EQ(calls.told[keys.size() + i].value, i % 3 == 0 ? "" : keys[i]);
        }
      }
    }
  }
}

// A set without an answer and an error behind it: nobody waits for an answer that came already.
// Stores that are alike go by the dozen, and whatever is not among them ends that.
TEST_F(exchanging, quiet_stores_of_every_kind_are_sent_as_they_are) {
  for (const std::size_t servers : {1U, 2U}) {
    settings = settings_for(servers);
    settings.prefix = "p:";
    calls = {};
    std::vector<std::string> keys;
    for (int i = 0; i < 200; ++i) keys.push_back("k" + std::to_string(i));
    std::string expected[2];
    for (std::size_t i = 0; i < keys.size(); ++i) {
      request r = set(keys[i], i % 3 == 0 ? "" : "value");
      r.quiet = i % 50 != 49;
      r.wants = want::nothing;
      r.flags = i / 40 % 2 == 0 ? 0 : 7;
      r.ttl = i / 30 % 2 == 0 ? 0 : 60;
      if (i == 77) r.key = "not a key";
      if (i == 99) r.op = verb::add;
      calls.requests.push_back(r);
      if (i == 77) continue;
      std::string line = "p:" + std::string(r.key) + " " + std::to_string(r.value.size());
      if (r.flags != 0) line += " F7";
      if (r.ttl != 0) line += " T60";
      if (i == 99) line += " ME";
      if (r.quiet) line += " q";
      expected[by_last_digit(servers).pick(r.key, 0)] +=
          "ms " + line + "\r\n" + std::string(r.value) + "\r\n";
    }
    prepare();
    EXPECT_EQ(x->legs().size(), servers);
    for (leg& l : x->legs()) {
      auto c = fresh(protocol_choice::meta);
      l.begin(true);
      l.fill(*c);
      std::string out = std::regex_replace(take(*c), std::regex(" O[0-9]+"), "");
      out = std::regex_replace(out, std::regex("mn\r\n"), "");
      EXPECT_EQ(out, expected[l.server()]);
    }
    EXPECT_EQ(calls.status(77), errc::invalid_key);
    EXPECT_EQ(calls.told.size(), 1U);
  }
}

TEST_F(exchanging, an_error_behind_a_silent_request_is_told_at_once) {
  settings.protocol = protocol_choice::meta;
  calls.requests = {set("a"), set("b", script::reference_store::refused)};
  calls.requests[0].quiet = true;
  prepare();
  const auto c = fresh(protocol_choice::meta);
  script::reference_server server;
  only_leg().fill(*c);
  server.receive(take(*c));
  read(*c, server.reply(1000));
  expect_all_told();
  EXPECT_EQ(calls.status(0), errc::ok);
  EXPECT_EQ(calls.status(1), errc::value_too_large);
}

// One server gets everything, so that requests are checked as they are sent.
TEST_F(exchanging, what_cannot_be_sent_is_told_so_in_any_case) {
  calls.requests = {get("a"), get("b\n"), set("c"), get(""), get("d")};
  prepare();
  const auto c = fresh();
  only_leg().fill(*c);
  EXPECT_EQ(take(*c), "get a\r\nset c 0 0 1\r\nv\r\nget d\r\n");
  read(*c, "END\r\nSTORED\r\nEND\r\n");
  EXPECT_EQ(calls.status(1), errc::invalid_key);
  EXPECT_EQ(calls.status(3), errc::invalid_key);
  expect_all_told();

  for (const std::size_t first : {0U, 1U}) {
    calls.told.clear();
    calls.requests = {get("b\n"), get("a"), get("b\n"), get("b\n")};
    calls.requests.erase(calls.requests.begin(), calls.requests.begin() + static_cast<int>(first));
    prepare();
    only_leg().give_up(errc::connect_failed, "why");
    expect_all_told();
    for (std::size_t i = 0; i < calls.requests.size(); ++i) {
      EXPECT_EQ(calls.status(i), i + first == 1 ? errc::connect_failed : errc::invalid_key) << i;
    }
  }

  calls.told.clear();
  calls.requests = {get("b\n"), get("")};
  prepare();
  EXPECT_TRUE(x->legs().empty());
  expect_all_told();
}

// A value in pieces whose first piece has failed: the others are no longer to be stored.
TEST_F(exchanging, what_a_call_takes_back_is_not_sent) {
  settings = settings_for(2);
  for (const std::size_t taken_back : {0U, 1U, 2U}) {
    calls.told.clear();
    calls.refusals.clear();
    calls.requests = {set("a0"), set("b0"), set("c0"), get("d1")};
    prepare();
    ASSERT_EQ(x->legs().size(), 2u);
    calls.refusals[taken_back] = {errc::connect_failed, "another piece has failed"};
    const auto c = fresh();
    x->legs()[0].fill(*c);
    std::string expected;
    for (std::size_t i = 0; i < 3; ++i) {
      if (i != taken_back) {
        expected += "set " + std::string(calls.requests[i].key) + " 0 0 1\r\nv\r\n";
      }
    }
    EXPECT_EQ(take(*c), expected);
    EXPECT_EQ(calls.status(taken_back), errc::connect_failed);
    read(*c, "STORED\r\nSTORED\r\n");
    x->legs()[1].give_up(errc::timeout, "why");
    expect_all_told();
  }
}

// --- what may share a connection with other calls

TEST_F(exchanging, a_leg_is_lone_with_one_request_for_an_item_until_it_is_submitted) {
  calls.requests = {get("a0")};
  prepare();
  leg& l = only_leg();
  EXPECT_TRUE(l.is_lone());
  const auto c = fresh();
  l.begin(true);
  l.fill(*c);
  EXPECT_FALSE(l.is_lone());
}

TEST_F(exchanging, a_leg_of_several_requests_or_for_no_item_is_not_lone) {
  calls.requests = {get("a0"), get("b0")};
  prepare();
  EXPECT_FALSE(only_leg().is_lone());
  request version;
  version.op = verb::version;
  calls = {};
  calls.requests = {version};
  prepare();
  EXPECT_FALSE(only_leg().is_lone());
}

TEST_F(exchanging, a_leg_that_another_server_may_answer_for_is_not_lone) {
  settings = settings_for(2);
  settings.failover = failover_policy::next;
  calls.requests = {get("a0")};
  prepare();
  EXPECT_FALSE(only_leg().is_lone());
}

}  // namespace
}  // namespace memcxx::routing
