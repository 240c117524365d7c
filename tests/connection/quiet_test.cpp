// Runs of quiet requests: what silence means, and whose an error is that names nobody.
// Never here: a false success, a false miss, a wait without an end; classic lines (lines_test.cpp).
#include "connection/runs.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);

// --- meta runs

TEST(meta_run, is_fenced_before_anything_else) {
  talk t(meta);
  t.quietly(set("a")).quietly(get("b")).ask(set("c"));
  EXPECT_EQ(t.take(), "ms a 1 O1 q\r\nv\r\nmg b v f O2 q\r\nmn\r\nms c 1 O3\r\nv\r\n");
  t.fence().fence();
  EXPECT_FALSE(t.c.has_output());
}

TEST(meta_run, of_which_each_has_answered_needs_no_fence) {
  talk t(meta);
  t.quietly(set("a"));
  t.take();
  t.read("NS O1\r\n");
  EXPECT_EQ(t.to.log, (lines{"1: not_stored"}));
  t.fence();
  EXPECT_FALSE(t.c.has_output());
  EXPECT_FALSE(t.c.failed());
}

TEST(meta_run, silence_is_the_usual_outcome) {
  expect(meta, [](talk& t) { t.quietly(set("a")).quietly(get("b")).fence(); }, "MN\r\n",
         {"1: ok", "2: miss"});
  expect(meta, quiet_gets({"a", "b", "c"}), "VA 1 f0 O2\r\nx\r\nMN\r\n",
         {"1: miss", "2: ok =x", "3: miss"});
  expect(meta, [](talk& t) { t.quietly(set("a")).quietly(set("b")).quietly(set("c")).fence(); },
         "NS O2\r\nMN\r\n", {"1: ok", "2: not_stored", "3: ok"});
  expect_every_break(meta, quiet_gets({"a", "b"}), "VA 1 f0 O2\r\nx\r\nMN\r\n",
                     {"1: miss", "2: ok =x"});
}

TEST(meta_run, is_bounded) {
  const auto fences_of = [](talk& t, int requests) {
    for (int i = 0; i < requests; ++i) t.quietly(set("k"));
    const std::string out = t.take();
    std::size_t fences = 0;
    for (std::size_t at = 0; (at = out.find("mn\r\n", at)) != std::string::npos; ++at) ++fences;
    return fences;
  };
  talk t(meta);
  EXPECT_EQ(fences_of(t, 1100), 2u);
  // After an error that named nobody fewer are in doubt.
  talk doubtful(meta);
  doubtful.quietly(set("a")).quietly(set("b")).fence();
  doubtful.take();
  doubtful.read("SERVER_ERROR out of memory storing object\r\nMN\r\n");
  EXPECT_EQ(fences_of(doubtful, 200), 3u);
}

std::size_t store_again(talk& t, std::string_view key, std::string_view value, std::uint32_t tag) {
  const connection::another one{.key = key, .value = value, .tag = tag};
  return t.c.submit_again({&one, 1}, t.to);
}

TEST(meta_run, goes_on_with_another_store) {
  const script stores = [](talk& t) {
    t.quietly({.op = verb::set,
               .text_key = true,
               .flags = 3,
               .ttl = 60,
               .prefix = "p",
               .key = "a",
               .value = "A"});
    EXPECT_EQ(store_again(t, "b", "", 2), 1U);
    EXPECT_EQ(store_again(t, "c", "CC", 3), 1U);
    t.fence();
  };
  talk t(meta);
  stores(t);
  EXPECT_EQ(t.take(),
            "ms pa 1 F3 T60 O1 q\r\nA\r\nms pb 0 F3 T60 q\r\n\r\nms pc 2 F3 T60 q\r\nCC\r\nmn\r\n");
  expect(meta, stores, "MN\r\n", {"1: ok", "2: ok", "3: ok"});
  const std::string error = "SERVER_ERROR out of memory storing object\r\n";
  const std::string one_of_three = "'1 of 3 requests failed: out of memory storing object'";
  expect(meta, stores, error + "MN\r\n",
         {"1: unattributed " + one_of_three, "2: unattributed " + one_of_three,
          "3: unattributed " + one_of_three});
  expect(meta, stores, error + error + error + "MN\r\n",
         {"1: out_of_memory 'out of memory storing object'",
          "2: out_of_memory 'out of memory storing object'",
          "3: out_of_memory 'out of memory storing object'"});
  expect_every_break(meta, stores, "MN\r\n", {"1: ok", "2: ok", "3: ok"});
  // They may not answer success, nor anything without a name.
  for (const std::string reply : {"HD\r\n", "NS\r\n", "STORED\r\n", "HD O0\r\n", "HD O2\r\n"}) {
    talk odd(meta);
    stores(odd);
    odd.take();
    odd.read(reply);
    EXPECT_EQ(odd.c.failure(), errc::protocol_error) << reply;
    for (std::uint32_t tag = 1; tag <= 3; ++tag) EXPECT_NE(odd.to.status[tag], errc::ok) << reply;
  }
}

TEST(meta_run, has_no_store_behind_anything_else) {
  const request plain{
      .op = verb::set, .wants = want::nothing, .text_key = true, .key = "a", .value = "A"};
  const auto with = [&](auto change) {
    request r = plain;
    change(r);
    return r;
  };
  for (const request& before :
       {with([](request& r) { r.op = verb::add; }), with([](request& r) { r.cas = 7; }),
        with([](request& r) { r.opaque = 7; }), with([](request& r) { r.op = verb::remove; }),
        with([](request& r) { r.op = verb::append; })}) {
    talk t(meta);
    t.quietly(before);
    EXPECT_EQ(store_again(t, "b", "B", 2), 0U) << protocol::name_of(before.op);
  }
  talk t(meta);
  EXPECT_EQ(store_again(t, "b", "B", 2), 0U) << "nothing before it";
  t.ask(plain);
  EXPECT_EQ(store_again(t, "b", "B", 2), 0U) << "that one is answered";
  t.quietly(plain);
  EXPECT_EQ(store_again(t, "b", "B", 2), 1U);
  EXPECT_EQ(store_again(t, "c", std::string(20'000, 'x'), 2), 0U) << "it is not copied";
  t.quietly(get("g"));
  EXPECT_EQ(store_again(t, "b", "B", 2), 0U) << "behind a get";
  t.quietly(plain);
  t.fence();
  EXPECT_EQ(store_again(t, "b", "B", 2), 0U) << "the run has ended";
  t.quietly(plain);
  t.c.abandon(t.to);
  EXPECT_EQ(store_again(t, "b", "B", 2), 0U) << "the prefix may be gone";
  talk old(classic);
  old.quietly(plain);
  EXPECT_EQ(store_again(old, "b", "B", 2), 0U) << "classic answers each";
}

TEST(meta_run, takes_as_many_stores_as_there_is_room_for) {
  const std::vector<connection::another> more(600, {.key = "k", .value = "v", .tag = 2});
  request first = set("a");
  first.text_key = true;
  talk t(meta);
  t.quietly(first);
  EXPECT_EQ(t.c.submit_again(more, t.to), 511U);
  EXPECT_EQ(t.c.submit_again(more, t.to), 0U) << "the run is full";
  auto small = meta;
  small.max_unsent = 1000;
  talk unsent(small);
  unsent.quietly(first);
  const std::size_t n = unsent.c.submit_again(more, unsent.to);
  EXPECT_GT(n, 5U);
  EXPECT_LT(n, 100U) << "1,000 bytes are to wait at most";
  small.max_unsent = meta.max_unsent;
  small.max_in_flight = 40;
  talk full(small);
  full.quietly(first);
  EXPECT_EQ(full.c.submit_again(more, full.to), 39U);
  EXPECT_FALSE(full.c.has_room());
  EXPECT_TRUE(full.take().ends_with("mn\r\n")) << "a full queue that is silent would wait for ever";
}

TEST(meta_run, an_error_of_a_lone_request_is_its_own) {
  expect(meta, [](talk& t) { t.quietly(set("a")).ask(set("b")); },
         "SERVER_ERROR out of memory storing object\r\nMN\r\nHD O2\r\n",
         {"1: out_of_memory 'out of memory storing object'", "2: ok"});
  // The loud one's error is the loud one's.
  expect(meta, [](talk& t) { t.quietly(set("a")).ask(set("b")); },
         "MN\r\nSERVER_ERROR out of memory storing object\r\n",
         {"1: ok", "2: out_of_memory 'out of memory storing object'"});
}

TEST(meta_run, fewer_errors_than_requests_are_nobodys) {
  const std::string error = "SERVER_ERROR out of memory storing object\r\n";
  expect(meta, [](talk& t) { t.quietly(set("a")).quietly(get("b")).ask(get("c")); },
         error + "MN\r\nEN O3\r\n",
         {"1: unattributed '1 of 2 requests failed: out of memory storing object'",
          "2: unattributed '1 of 2 requests failed: out of memory storing object'", "3: miss"});
  // What answered by name is out of it, and what came before it is known by it.
  expect(meta, [](talk& t) { t.quietly(set("a")).quietly(set("b")).quietly(set("c")).fence(); },
         error + "NS O2\r\nMN\r\n",
         {"1: out_of_memory 'out of memory storing object'", "2: not_stored", "3: ok"});
}

TEST(meta_run, as_many_errors_as_requests_are_one_each_and_each_its_own) {
  expect(meta,
         [](talk& t) {
           t.quietly(set("a"));
           t.quietly({.op = verb::incr, .key = "b"});
           t.quietly(set("c")).fence();
         },
         "SERVER_ERROR object too large for cache\r\n"
         "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
         "SERVER_ERROR out of memory storing object\r\nMN\r\n",
         {"1: value_too_large 'object too large for cache'",
          "2: not_a_number 'cannot increment or decrement non-numeric value'",
          "3: out_of_memory 'out of memory storing object'"});
}

TEST(meta_run, more_errors_than_requests_end_the_connection) {
  talk t(meta);
  t.quietly(set("a")).quietly(set("b")).fence().ask(set("c"));
  t.take();
  for (int i = 0; i < 3; ++i) t.read("SERVER_ERROR busy\r\n");
  EXPECT_EQ(t.c.failure(), errc::protocol_error);
  for (std::uint32_t tag = 1; tag <= 3; ++tag) {
    EXPECT_EQ(t.to.status[tag], errc::protocol_error);
    EXPECT_EQ(t.to.finals[tag], 1);
  }
}

// An error after a request that answered by name cannot be of one before it.
TEST(meta_run, more_errors_than_silent_requests_before_a_reply_end_the_connection) {
  expect(
      meta, [](talk& t) { t.quietly(set("a")).quietly(set("b")).fence(); },
      "SERVER_ERROR busy\r\nNS O1\r\nMN\r\n",
      {"1: protocol_error 'the server sent more errors than there were requests'",
       "2: protocol_error 'the server sent more errors than there were requests'"},
      ended(errc::protocol_error));
}

// The server did not take a command, and may take the value behind it for the next: whoever of the
// run it was, if one of them has a value, the connection ends.
TEST(meta_run, a_client_error_with_a_store_in_the_run_ends_the_connection) {
  for (const std::string error : {"CLIENT_ERROR bad data chunk", "ERROR"}) {
    talk t(meta);
    t.quietly(get("a")).quietly(set("b", "mg a O3 v")).ask(get("c"));
    t.take();
    t.read(error + "\r\nVA 1 O3\r\nx\r\n");
    EXPECT_EQ(t.c.failure(), errc::connection_closed) << error;
    EXPECT_EQ(t.to.status[1], errc::unattributed);
    EXPECT_EQ(t.to.status[2], errc::unattributed);
    EXPECT_EQ(t.to.status[3], errc::connection_closed) << "it was not this one's";
    for (const auto& [tag, n] : t.to.finals) EXPECT_EQ(n, 1) << tag;
  }
  talk alone(meta);
  alone.quietly(set("b")).fence().ask(get("c"));
  alone.take();
  alone.read("CLIENT_ERROR bad data chunk\r\n");
  EXPECT_EQ(alone.to.status[1], errc::client_error);
  EXPECT_EQ(alone.to.status[2], errc::connection_closed);
}

TEST(meta_run, the_connection_ends_before_an_error_found_its_request) {
  talk t(meta);
  t.quietly(set("a")).quietly(set("b")).fence();
  t.take();
  t.read("SERVER_ERROR busy\r\n");
  t.c.closed();
  EXPECT_EQ(t.to.status[1], errc::connection_closed);
  EXPECT_EQ(t.to.status[2], errc::connection_closed);
}

// Requests that have no quiet form are answered, with an opaque or without.
TEST(meta_run, a_quiet_touch_ping_or_debug_is_answered) {
  expect(meta,
         [](talk& t) {
           t.quietly(set("a"));
           t.quietly({.op = verb::touch, .ttl = 1, .key = "b"});
           t.quietly({.op = verb::debug, .key = "c"});
           t.quietly({.op = verb::ping});
         },
         "MN\r\nEN\r\nME c exp=1\r\nMN\r\n", {"1: ok", "2: miss", "3: ok 'exp=1'", "4: ok"});
}

// Opaques that callers give may be alike, or like those that the connection gives.
TEST(meta_run, the_same_opaque_twice_never_mixes_values) {
  for (const auto& o : {meta, automatic_with_meta()}) {
    for (const std::uint32_t given : {1U, 2U, 7U}) {
      talk t(o);
      t.quietly({.opaque = given, .key = "a"});
      t.quietly({.opaque = given, .key = "b"});
      t.quietly({.wants = want::value | want::ttl, .key = "c"});
      t.fence();
      const std::string out = t.take();
      // Only b is there: answer with the opaque that stands in its line.
      const std::size_t line = out.find("mg b ");
      ASSERT_NE(line, std::string::npos) << out;
      const std::size_t at = out.find(" O", line);
      const std::string opaque = out.substr(at, out.find_first_of(" \r", at + 1) - at);
      t.read("VA 1 f0" + opaque + "\r\nx\r\nMN\r\n");
      const std::string own = " O" + std::to_string(given);
      EXPECT_EQ(t.to.log, (lines{"1: miss" + own, "2: ok =x" + own, "3: miss"}));
    }
  }
}

TEST(meta_run, a_full_queue_is_never_silent) {
  for (const auto& o : {meta, classic, automatic_with_meta()}) {
    for (const std::size_t room : {1U, 2U, 5U, 64U, 65U, 100U, 600U}) {
      connection_options limited = o;
      limited.max_in_flight = room;
      for (const bool reads : {false, true}) {
        talk t(limited);
        while (t.c.has_room()) t.quietly(reads ? get("k") : set("k"));
        EXPECT_GE(t.c.in_flight(), room);
        const std::string out = t.take();
        const bool is_told = out.starts_with("get ") || out.starts_with("mg k v f O1\r\n");
        EXPECT_TRUE(out.ends_with("mn\r\n") || is_told ||
                    limited.protocol == protocol_choice::classic);
        EXPECT_TRUE(out.ends_with("\r\n")) << "a line was left open";
      }
    }
  }
}

// --- binary runs

TEST(binary_run, silence_is_the_usual_outcome) {
  const std::string noop = frame{.opcode = 0x0a, .opaque = 4};
  expect(binary, quiet_gets({"a", "b", "c"}), noop, {"1: miss", "2: miss", "3: miss"});
  std::string hit = binary_hit(2, "x");
  hit[1] = 0x09;
  expect(binary, quiet_gets({"a", "b", "c"}), hit + noop, {"1: miss", "2: ok =x", "3: miss"});
  const std::string refused = frame{.opcode = 0x11, .opaque = 2, .status = 0x82};
  expect(binary, [](talk& t) { t.quietly(set("a")).quietly(set("b")).quietly(set("c")).fence(); },
         refused + noop, {"1: ok", "2: out_of_memory 'Out of memory'", "3: ok"});
  expect_every_break(binary, quiet_gets({"a", "b", "c"}), hit + noop,
                     {"1: miss", "2: ok =x", "3: miss"});
}

TEST(binary_run, a_loud_request_ends_it) {
  expect(binary, [](talk& t) { t.quietly(get("a")).ask(get("b")); }, binary_hit(2, "x"),
         {"1: miss", "2: ok =x"});
}

TEST(binary_run, a_late_answer_ends_the_connection) {
  expect(
      binary, [](talk& t) { t.quietly(get("a")).quietly(get("b")).ask(get("c")); },
      binary_hit(2, "x") + binary_hit(1, "y"),
      {"1: miss", "2: ok =x",
       "3: protocol_error 'the server answered with a key or opaque that was not asked for'"},
      ended(errc::protocol_error));
}

}  // namespace
}  // namespace memcxx::script
