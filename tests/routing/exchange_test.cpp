// One call on its way, without an engine: where its requests go, what is refused before anything is
// sent, what is sent again, and that each request has exactly one outcome.
// Never here: a socket, a clock, bytes of a protocol but where they show what was asked.
#include "routing/exchange.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connection/reference_server.hpp"
#include "routing/topology.hpp"

namespace memcxx::routing {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

// A key goes to the server that its last digit names.
class by_last_digit final : public distribution {
 public:
  explicit by_last_digit(std::size_t n) : n_(n) {}
  std::uint32_t pick(std::string_view key, unsigned) const noexcept override {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(key.back() - '0') % n_);
  }

 private:
  std::size_t n_;
};

class outcomes final : public call {
 public:
  struct outcome {
    errc status;
    std::string value;
    std::string text;
    std::string server;
  };

  std::size_t size() const noexcept override { return requests.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    out = requests[i];
    const auto at = refusals.find(i);
    return at == refusals.end() ? protocol::refusal{} : at->second;
  }
  void on_response(std::size_t i, const response& r, std::string_view server) noexcept override {
    if (r.more) return;
    if (!told.emplace(i, outcome{r.status, std::string(r.value), std::string(r.text),
                                 std::string(server)})
             .second) {
      ADD_FAILURE() << "a second outcome of request " << i;
    }
  }
  bool quiet() const noexcept override { return is_quiet; }

  errc status(std::size_t i) const { return told.at(i).status; }

  std::vector<protocol::request> requests;
  std::map<std::size_t, protocol::refusal> refusals;
  std::map<std::size_t, outcome> told;
  bool is_quiet = false;
};

options settings_for(std::size_t servers) {
  options o;
  for (std::size_t i = 0; i < servers; ++i) {
    server_address s;
    s.host = "s" + std::to_string(i);
    o.servers.push_back(s);
  }
  o.custom_distribution = [](std::span<const server_address> all) {
    return std::make_unique<by_last_digit>(all.size());
  };
  return o;
}

request get(std::string_view key) { return {.key = key}; }
request set(std::string_view key, std::string_view value = "v") {
  return {.op = verb::set, .key = key, .value = value};
}

class exchanging : public testing::Test {
 protected:
  void prepare(exchange::route how = exchange::route::by_key, std::uint32_t only = 0) {
    map = *make_topology(settings);
    x = std::make_unique<exchange>(calls, map, settings);
    x->prepare(how, only);
  }
  // The connection of a leg, and all that it writes.
  std::unique_ptr<connection> fresh(protocol_choice p = protocol_choice::classic) {
    connection_options o;
    o.protocol = p;
    o.known = p;
    auto c = std::make_unique<connection>(o);
    c->open();
    return c;
  }
  static std::string take(connection& c, std::size_t most = SIZE_MAX) {
    std::string out;
    for (const auto piece : c.output()) out.append(piece.data(), piece.size());
    out.resize(std::min(out.size(), most));
    c.sent(out.size());
    return out;
  }
  static void read(connection& c, std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> room = c.input().front();
      const std::size_t n = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), n);
      c.received(n);
      bytes.remove_prefix(n);
    }
  }
  leg& only_leg() {
    EXPECT_EQ(x->legs().size(), 1u);
    return x->legs()[0];
  }
  void expect_all_told() {
    EXPECT_EQ(calls.told.size(), calls.requests.size());
    for (leg& l : x->legs()) EXPECT_TRUE(l.done());
  }

  options settings = settings_for(1);
  topology map;
  outcomes calls;
  std::unique_ptr<exchange> x;
};

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

// --- what is sent again

// Answers everything on a fresh connection after the first was lost.
TEST_F(exchanging, a_read_over_a_stale_connection_goes_again_once) {
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

TEST_F(exchanging, but_not_twice) {
  calls.requests = {get("a"), get("b")};
  prepare();
  leg& l = only_leg();
  for (const bool again : {true, false}) {
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

TEST_F(exchanging, not_over_a_new_connection_and_not_after_another_failure) {
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
TEST_F(exchanging, a_written_mutation_is_never_sent_again) {
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
TEST_F(exchanging, reads_that_change_something_are_not_repeated) {
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

TEST_F(exchanging, what_was_answered_before_the_loss_is_not_asked_again) {
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

// --- endings

// However much was submitted, written and answered.
TEST_F(exchanging, giving_up_tells_each_request_once) {
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

TEST_F(exchanging, giving_up_before_there_was_a_connection) {
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

TEST_F(exchanging, nobody_waits_for_a_quiet_call_and_each_request_has_one_outcome) {
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
TEST_F(exchanging, a_quiet_call_that_was_sent_again) {
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

TEST_F(exchanging, failures_turn_into_misses_for_those_who_ask_and_callers_errors_do_not) {
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
  EXPECT_EQ(calls.status(1), errc::invalid_key);
  const auto c = fresh();
  only_leg().fill(*c);
  take(*c);
  read(*c, "SERVER_ERROR object too large for cache\r\nSERVER_ERROR out of memory\r\n");
  EXPECT_EQ(calls.status(0), errc::miss);
  EXPECT_EQ(calls.status(2), errc::miss);
  expect_all_told();
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

// --- topology

TEST(topology_test, the_prefix_counts_in_the_hash_only_when_it_shall) {
  struct first_byte final : distribution {
    std::uint32_t pick(std::string_view key, unsigned) const noexcept override {
      return key.starts_with('p') ? 1 : 0;
    }
  };
  options o = settings_for(2);
  o.prefix = "p:";
  o.custom_distribution = [](std::span<const server_address>) {
    return std::make_unique<first_byte>();
  };
  EXPECT_EQ(make_topology(o)->home("key"), 1u);
  o.prefix_in_hash = false;
  EXPECT_EQ(make_topology(o)->home("key"), 0u);
}

TEST(topology_test, a_distribution_that_is_not_made_is_the_callers_error) {
  options o = settings_for(2);
  o.custom_distribution = [](std::span<const server_address>) { return nullptr; };
  const auto made = make_topology(o);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), errc::invalid_argument);
}

TEST(topology_test, one_server_has_every_key_and_names_are_addresses) {
  const auto one = make_topology(settings_for(1));
  ASSERT_TRUE(one);
  for (const std::string key : {"a7", "b8", "9"}) EXPECT_EQ(one->home(key), 0u);
  const auto three = make_topology(settings_for(3));
  EXPECT_EQ(three->names, (std::vector<std::string>{"s0:11211", "s1:11211", "s2:11211"}));
  EXPECT_EQ(three->home("a2"), 2u);
}

}  // namespace
}  // namespace memcxx::routing
