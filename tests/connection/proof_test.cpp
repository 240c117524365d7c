// Where meta is spoken, no classic reply is the first on an idle connection, nor behind another
// classic one: a reply that tells what it answers goes before it. A stray line is nobody's answer.
// Never here: what stands in a line (lines_test.cpp).
#include "connection/runs.hpp"

namespace memcxx::script {
namespace {

const auto automatic = automatic_with_meta();
const auto meta = speaking(protocol_choice::meta);

// --- what is written

TEST(proof, the_first_key_of_a_run_of_gets_is_answered_by_name) {
  talk t(automatic);
  quiet_gets({"a", "b", "c"})(t);
  EXPECT_EQ(t.take(), "mg a v f O1\r\nget b c\r\n");
  quiet_gets({"d"})(t);
  EXPECT_EQ(t.take(), "mg d v f O2\r\n") << "behind the line of b and c";
  t.quietly(get("e")).ask(get("f"));
  EXPECT_EQ(t.take(), "get e f\r\n") << "behind d, which tells";
  for (const char* key : {"g", "h"}) t.quietly({.wants = want::value | want::cas, .key = key});
  t.fence();
  EXPECT_EQ(t.take(), "mg g v f c O3\r\ngets h\r\n");
}

TEST(proof, a_run_behind_a_meta_request_has_its_proof) {
  talk t(automatic);
  t.ask(set("a"));
  quiet_gets({"b", "c"})(t);
  EXPECT_EQ(t.take(), "ms a 1 O1\r\nv\r\nget b c\r\n");
  t.quietly(set("c"));
  t.quietly(get("d")).quietly(set("e")).fence();
  EXPECT_EQ(t.take(), "ms c 1 O2 q\r\nv\r\nmn\r\nget d\r\nms e 1 O3 q\r\nv\r\nmn\r\n");
  t.quietly(set("f")).fence();
  quiet_gets({"g", "h"})(t);
  EXPECT_EQ(t.take(), "ms f 1 O4 q\r\nv\r\nmn\r\nget g h\r\n");
}

// What was answered proves nothing any more.
TEST(proof, an_answered_request_is_no_proof) {
  talk t(automatic);
  t.ask(get("a"));
  t.take();
  t.read("EN O1\r\n");
  quiet_gets({"b", "c"})(t);
  EXPECT_EQ(t.take(), "mg b v f O2\r\nget c\r\n");
  t.read("EN O2\r\n");
  quiet_gets({"d", "e"})(t);
  EXPECT_EQ(t.take(), "mg d v f O3\r\nget e\r\n") << "the line of c is not answered";
  t.read("END\r\nEN O3\r\nEND\r\n");
  EXPECT_EQ(t.c.in_flight(), 0u);
  quiet_gets({"f", "g"})(t);
  EXPECT_EQ(t.take(), "mg f v f O4\r\nget g\r\n");
}

TEST(proof, a_long_run_has_a_proof_for_each_line) {
  for (const bool at_once : {false, true}) {
    talk t(automatic);
    std::vector<std::string> keys;
    for (int i = 0; i < 2000; ++i) keys.push_back("k" + std::to_string(i));
    if (at_once) {
      std::vector<connection::another> all;
      for (const std::string& k : keys) all.push_back({.key = k, .tag = t.next_tag++});
      std::span<const connection::another> rest = all;
      while (!rest.empty()) {
        ASSERT_FALSE(t.c.submit({.quiet = true, .key = rest.front().key}, t.to, rest.front().tag));
        rest = rest.subspan(1);
        rest = rest.subspan(t.c.submit_again(rest, t.to));
      }
    } else {
      for (const std::string& k : keys) t.quietly(get(k));
    }
    t.fence();
    const std::string out = t.take();
    std::string before;
    std::size_t lines_seen = 0;
    std::string reply;
    std::string all_keys;
    for (std::size_t at = 0; at < out.size();) {
      const std::size_t end = out.find("\r\n", at);
      const std::string line = out.substr(at, end - at);
      if (line.starts_with("get ")) {
        ASSERT_TRUE(before.starts_with("mg k")) << before;
        ++lines_seen;
        all_keys += line.substr(3);
        reply += "END\r\n";
      } else {
        ASSERT_TRUE(line.starts_with("mg k")) << line;
        all_keys += line.substr(2, line.find(' ', 3) - 2);
        reply += "EN " + line.substr(line.find(" O") + 1) + "\r\n";
      }
      before = line;
      at = end + 2;
    }
    EXPECT_EQ(lines_seen, 4u);
    std::string expected;
    for (const std::string& k : keys) expected += " " + k;
    EXPECT_EQ(all_keys, expected) << "each once, in order";
    t.read(reply);
    EXPECT_FALSE(t.c.failed()) << t.c.failure_text();
    EXPECT_EQ(t.c.in_flight(), 0u);
    EXPECT_EQ(t.to.finals.size(), 2000u);
  }
}

TEST(proof, what_has_no_meta_form_goes_behind_a_noop) {
  for (const auto& o : {automatic, meta}) {
    for (const request& r :
         {request{.op = verb::flush}, request{.op = verb::version}, request{.op = verb::verbosity},
          request{.op = verb::stats}, request{.op = verb::config, .key = "cluster"}}) {
      talk plain(speaking(protocol_choice::classic));
      plain.ask(r);
      const std::string alone = plain.take();
      talk t(o);
      t.ask(r);
      EXPECT_EQ(t.take(), "mn\r\n" + alone);
      t.ask(r);
      EXPECT_EQ(t.take(), "mn\r\n" + alone) << "behind a classic one";
      t.ask({.op = verb::ping}).ask(r);
      EXPECT_EQ(t.take(), "mn\r\n" + alone) << "behind a noop that was asked for";
      t.quietly(set("k")).ask(r);
      EXPECT_EQ(t.take(), "ms k 1 O2 q\r\nv\r\nmn\r\n" + alone) << "behind the fence of a run";
    }
    talk t(o);
    t.ask({.key = "a"}).ask({.op = verb::flush}).ask({.op = verb::flush});
    EXPECT_EQ(t.take(), "mg a v f O1\r\nflush_all\r\nmn\r\nflush_all\r\n");
  }
}

TEST(proof, nothing_is_needed_where_only_classic_is_spoken_or_only_meta_is_asked_for) {
  talk classic(speaking(protocol_choice::classic));
  quiet_gets({"a", "b"})(classic);
  classic.ask({.op = verb::flush});
  EXPECT_EQ(classic.take(), "get a b\r\nflush_all\r\n");
  talk all_meta(meta);
  quiet_gets({"a", "b"})(all_meta);
  EXPECT_EQ(all_meta.take(), "mg a v f O1 q\r\nmg b v f O2 q\r\nmn\r\n");
}

// --- what is told

TEST(proof, runs_of_gets_are_told_as_ever) {
  expect(automatic, quiet_gets({"a", "b", "c"}), "VA 1 f3 O1\r\nA\r\nVALUE c 0 1\r\nC\r\nEND\r\n",
         {"1: ok =A f3", "3: ok =C", "2: miss"});
  expect(automatic, quiet_gets({"a", "b", "c"}), "EN O1\r\nEND\r\n",
         {"1: miss", "2: miss", "3: miss"});
  expect_every_break(automatic, quiet_gets({"a", "b"}),
                     "VA 1 f0 O1\r\nA\r\nVALUE b 0 1\r\nB\r\nEND\r\n", {"1: ok =A", "2: ok =B"});
  expect(automatic, quiet_gets({"a"}), "VA 1 f0 O1\r\nA\r\n", {"1: ok =A"});
  expect(automatic, [](talk& t) { t.ask({.op = verb::flush}); }, "MN\r\nOK\r\n", {"1: ok"});
}

// Whatever nobody asked for, before the answer: the connection ends, and nobody is told a miss, a
// hit or a success.
TEST(proof, a_stray_line_is_nobody_s_answer) {
  const std::vector<std::string> strays = {"END\r\n",
                                           "VALUE a 0 1\r\nx\r\nEND\r\n",
                                           "VALUE b 0 1\r\nx\r\nEND\r\n",
                                           "STORED\r\n",
                                           "NOT_STORED\r\n",
                                           "OK\r\n",
                                           "DELETED\r\n",
                                           "NOT_FOUND\r\n",
                                           "VERSION 1\r\n",
                                           "STAT a 1\r\n",
                                           "7\r\n",
                                           "HD O9\r\n",
                                           "VA 1 f0 O9\r\nx\r\n",
                                           "EN O9\r\n"};
  struct asked {
    script asks;
    std::string reply;
    std::size_t requests;
  };
  const std::vector<asked> all = {
      {quiet_gets({"a", "b"}), "VA 1 f0 O1\r\nA\r\nVALUE b 0 1\r\nB\r\nEND\r\n", 2},
      {quiet_gets({"a"}), "EN O1\r\n", 1},
      {[](talk& t) { t.ask(set("a")); }, "NS O1\r\n", 1},
      {[](talk& t) { t.quietly(set("a")).quietly(set("b")).fence(); }, "NS O1\r\nMN\r\n", 2},
      {[](talk& t) { t.ask({.op = verb::remove, .key = "a"}); }, "NF O1\r\n", 1},
      {[](talk& t) { t.ask({.op = verb::flush}); }, "MN\r\nERROR\r\n", 1},
      {[](talk& t) { t.ask({.op = verb::stats}); }, "MN\r\nSTAT b 2\r\nEND\r\n", 1},
      {[](talk& t) { t.ask({.op = verb::version}); }, "MN\r\nVERSION 2\r\n", 1},
      {[](talk& t) { t.ask({.op = verb::verbosity}); }, "MN\r\nERROR\r\n", 1}};
  for (const asked& a : all) {
    for (const std::string& stray : strays) {
      SCOPED_TRACE(stray + a.reply);
      talk t(automatic);
      a.asks(t);
      t.take();
      t.read(stray + a.reply);
      ASSERT_EQ(t.c.failure(), errc::protocol_error);
      for (std::uint32_t tag = 1; tag <= a.requests; ++tag) {
        ASSERT_EQ(t.to.status[tag], errc::protocol_error);
        ASSERT_EQ(t.to.finals[tag], 1);
      }
      ASSERT_EQ(t.c.says(), verdict::failed);
    }
  }
}

// --- submit_again behind the head of a run

TEST(proof, a_run_that_has_begun_goes_on_with_another_key) {
  talk t(automatic);
  t.quietly({.wants = want::value | want::cas, .prefix = "p", .key = "a"});
  EXPECT_EQ(again(t, "b", 2), 1u);
  EXPECT_EQ(again(t, "c", 3), 1u);
  t.fence();
  EXPECT_EQ(again(t, "d", 4), 0u) << "the run has ended";
  EXPECT_EQ(t.take(), "mg pa v f c O1\r\ngets pb pc\r\n");
  t.read("EN O1\r\nVALUE pc 0 1 9\r\nC\r\nEND\r\n");
  EXPECT_EQ(t.to.log, (lines{"1: miss", "3: ok =C c9", "2: miss"}));
  EXPECT_FALSE(t.c.failed());
}

TEST(proof, a_run_of_one_can_still_go_on_when_it_was_written_and_not_when_it_was_answered) {
  talk t(automatic);
  t.quietly(get("a"));
  EXPECT_EQ(t.take(), "mg a v f O1\r\n");
  EXPECT_EQ(again(t, "b", 2), 1u);
  t.fence();
  EXPECT_EQ(t.take(), "get b\r\n");
  t.read("EN O1\r\nEND\r\n");
  t.quietly(get("c"));
  t.take();
  t.read("EN O2\r\n");
  EXPECT_EQ(again(t, "d", 4), 0u) << "it would be the first on an idle connection";
  EXPECT_EQ(t.c.in_flight(), 0u);
}

TEST(proof, nothing_goes_on_behind_what_is_no_run) {
  talk abandoned(automatic);
  abandoned.quietly(get("a"));
  abandoned.c.abandon(abandoned.to);
  EXPECT_EQ(again(abandoned, "b", 2), 0u) << "the prefix may be gone";

  talk other(automatic);
  other.quietly(get("a")).ask(set("b"));
  EXPECT_EQ(again(other, "c", 2), 0u);

  // One that was asked without the queue is none, either.
  talk lone(automatic);
  lone.quietly(get("a"));
  lone.take();
  lone.read("EN O1\r\n");
  request store{.op = verb::set, .text_key = true, .key = "b", .value = "v"};
  const std::size_t size = lone.c.ask(store).size();
  ASSERT_NE(size, 0u);
  lone.c.queue(lone.to, 2, size);
  EXPECT_EQ(again(lone, "c", 3), 0u);

  talk full(automatic);
  const std::vector<connection::another> more(10, {.key = "k", .tag = 2});
  EXPECT_EQ(full.c.submit_again(more, full.to), 0u) << "nothing before it";
  connection_options small = automatic;
  small.max_in_flight = 4;
  talk few(small);
  few.quietly(get("a"));
  EXPECT_EQ(few.c.submit_again(more, few.to), 3u);
  EXPECT_FALSE(few.c.has_room());
  EXPECT_EQ(few.take(), "mg a v f O1\r\nget k k k\r\n")
      << "a full queue that waits would wait for ever";
  for (const std::size_t room : {1U, 2U}) {
    small.max_in_flight = room;
    talk one(small);
    one.quietly(get("a"));
    EXPECT_EQ(one.c.submit_again(more, one.to), room - 1);
    EXPECT_TRUE(one.take().ends_with("\r\n"));
  }
}

}  // namespace
}  // namespace memcxx::script
