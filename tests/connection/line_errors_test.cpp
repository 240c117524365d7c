// Errors in the answer to a classic line of gets: of a proxy one for each key whose server is gone,
// anywhere among the values, and END; of memcached one in place of END. Only the keys that failed
// fail, and nobody else's answer is taken.
// Never here: every answer there is (explored_test.cpp).
#include "connection/runs.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);

std::string item(std::string_view key, std::string_view value) {
  return "VALUE " + std::string(key) + " 0 " + std::to_string(value.size()) + "\r\n" +
         std::string(value) + "\r\n";
}

constexpr auto more_errors =
    "protocol_error 'the server sent more errors than there were requests'"sv;

// --- among the values

// Each of three keys is hit, missed or on a server that is gone.
TEST(line_errors, of_a_proxy_in_every_combination) {
  const std::vector<std::string> keys = {"a", "b", "c"};
  for (unsigned n = 0; n < 27; ++n) {
    const unsigned what[] = {n % 3, n / 3 % 3, n / 9};
    std::string reply;
    lines told;
    std::vector<std::string> open;
    std::size_t errors = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string tag = std::to_string(i + 1);
      if (what[i] == 0) {
        reply += item(keys[i], tag);
        told.push_back(tag + ": ok =" + tag);
        continue;
      }
      open.push_back(tag);
      if (what[i] == 2) {
        reply += "SERVER_ERROR gone " + tag + "\r\n";
        ++errors;
      }
    }
    reply += "END\r\n";
    for (const std::string& tag : open) {
      if (errors == 0) {
        told.push_back(tag + ": miss");
      } else if (errors == open.size()) {
        told.push_back(tag + ": server_error 'gone " + tag + "'");
      } else {  // which of them missed, and which failed?
        const std::string first = std::to_string(std::ranges::find(what, 2U) - what + 1);
        told.push_back(tag + ": unattributed '" + std::to_string(errors) + " of " +
                       std::to_string(open.size()) + " keys failed: gone " + first + "'");
      }
    }
    expect(classic, quiet_gets(keys), reply, told);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(line_errors, of_a_proxy_in_every_order) {
  std::vector<std::string> order = {item("a", "1"), item("b", "2"), "SERVER_ERROR gone\r\n",
                                    "SERVER_ERROR gone\r\n"};
  std::ranges::sort(order);
  do {
    const bool a_first =
        std::ranges::find(order, item("a", "1")) < std::ranges::find(order, item("b", "2"));
    const lines hits = a_first ? lines{"1: ok =1", "3: ok =2"} : lines{"3: ok =2", "1: ok =1"};
    lines told = hits;
    told.emplace_back("2: server_error 'gone'");
    told.emplace_back("4: server_error 'gone'");
    std::string reply;
    for (const std::string& each : order) reply += each;
    expect(classic, quiet_gets({"a", "x", "b", "y"}), reply + "END\r\n", told);
  } while (std::ranges::next_permutation(order).found);
}

// Every kind of error that is no refusal of the whole command.
TEST(line_errors, of_every_kind) {
  struct kind {
    std::string line;
    std::string told;
  };
  for (const kind& k : std::initializer_list<kind>{
           {"SERVER_ERROR backend failure", "server_error 'backend failure'"},
           {"SERVER_ERROR out of memory", "out_of_memory 'out of memory'"},
           {"SERVER_ERROR object too large for cache",
            "value_too_large 'object too large for cache'"},
           {"CLIENT_ERROR what", "client_error 'what'"}}) {
    expect(classic, quiet_gets({"a"}), k.line + "\r\nEND\r\n", {"1: " + k.told});
    expect(classic, quiet_gets({"a", "b"}), item("a", "1") + k.line + "\r\nEND\r\n",
           {"1: ok =1", "2: " + k.told});
    expect(classic, quiet_gets({"a", "b"}), k.line + "\r\n" + item("b", "2") + "END\r\n",
           {"2: ok =2", "1: " + k.told});
    expect(classic, [](talk& t) { t.ask({.op = verb::gat, .ttl = 9, .key = "a"}); },
           k.line + "\r\nEND\r\n", {"1: " + k.told});
  }
}

TEST(line_errors, of_eleven_of_twenty_keys_leave_nine_hits) {
  for (const auto& o : {classic, automatic_with_meta()}) {
    const bool head = o.protocol == protocol_choice::automatic;
    std::vector<std::string> keys;
    std::string reply;
    lines told;
    lines failed;
    for (int i = 0; i < 20; ++i) {
      const std::string n = std::to_string(i);
      const std::string tag = std::to_string(i + 1) + ": ";
      keys.push_back("k" + n);
      if (head && i == 0) {
        reply += "SERVER_ERROR gone\r\n";
        told.push_back(tag + "server_error 'gone'");
      } else if (i % 2 == 0 || i == 1) {
        reply += "SERVER_ERROR gone\r\n";
        failed.push_back(tag + "server_error 'gone'");
      } else {
        reply += item("k" + n, n);
        told.push_back(tag + "ok =" + n);
      }
    }
    told.insert(told.end(), failed.begin(), failed.end());
    const auto is_hit = [](const std::string& line) {
      return line.find("ok") != std::string::npos;
    };
    EXPECT_EQ(std::ranges::count_if(told, is_hit), 9);
    expect(o, quiet_gets(keys), reply + "END\r\n", told);
  }
}

// What comes next gets its own answer, whatever the line met.
TEST(line_errors, leave_the_next_answer_alone) {
  for (const std::string error : {"", "SERVER_ERROR gone\r\n"}) {
    talk t(classic);
    quiet_gets({"a", "b", "c"})(t);
    t.take();
    t.read(item("a", "old") + error + item("c", "old"));
    EXPECT_FALSE(t.c.failed());
    t.read("END\r\n");
    t.answer_fence();
    t.ask(get("c")).ask(set("d"));
    t.take();
    t.read("END\r\nNOT_STORED\r\n");
    EXPECT_EQ(t.to.log.back(), "5: not_stored");
    EXPECT_EQ(t.to.log[3], "4: miss");
    EXPECT_FALSE(t.c.failed());
  }
}

// --- whether END comes

TEST(line_errors, are_told_from_the_end_by_a_fence) {
  for (const auto& o : {classic, automatic_with_meta()}) {
    const bool speaks_meta = o.protocol == protocol_choice::automatic;
    const std::string fence = speaks_meta ? "mn\r\n" : "version\r\n";
    const std::string answer = speaks_meta ? "MN\r\n" : "VERSION 1\r\n";
    const std::string head = speaks_meta ? "EN O1\r\n" : "";
    const script asks = [&](talk& t) {
      if (speaks_meta) t.quietly(get("z"));
      t.next_tag = 11;
      quiet_gets({"a", "b", "c"})(t);
    };
    const std::string error = "SERVER_ERROR gone\r\n";

    talk in_place(o);  // of END: of all that did not come
    asks(in_place);
    in_place.take();
    in_place.read(head + item("a", "1") + error);
    EXPECT_EQ(in_place.take(), fence);
    EXPECT_EQ(in_place.to.finals[12], 0);
    in_place.read(answer);
    EXPECT_EQ(in_place.to.log.back(), "13: server_error 'gone'");
    EXPECT_EQ(in_place.to.status[12], errc::server_error);
    EXPECT_EQ(in_place.c.in_flight(), 0u);
    EXPECT_FALSE(in_place.c.failed());
    EXPECT_FALSE(in_place.c.has_output());

    talk before_it(o);
    asks(before_it);
    before_it.take();
    before_it.read(head + error);
    EXPECT_EQ(before_it.take(), fence);
    before_it.read(item("b", "2"));
    EXPECT_FALSE(before_it.c.has_output()) << "one fence is enough";
    before_it.read("END\r\n");
    EXPECT_EQ(before_it.to.log.back(), "13: unattributed '1 of 2 keys failed: gone'");
    EXPECT_EQ(before_it.c.in_flight(), 1u);
    EXPECT_FALSE(before_it.c.failed());
    before_it.read(answer);
    EXPECT_EQ(before_it.c.in_flight(), 0u);
    EXPECT_FALSE(before_it.c.failed());
  }
}

TEST(line_errors, need_no_fence_when_more_has_come_or_is_to_come) {
  talk more(classic);
  quiet_gets({"a", "b"})(more);
  more.take();
  more.read("SERVER_ERROR gone\r\nE");
  EXPECT_FALSE(more.c.has_output()) << "END is on its way";
  more.read("ND\r\n");
  EXPECT_EQ(more.to.finals.size(), 2u);
  EXPECT_FALSE(more.c.has_output());

  talk behind(classic);
  quiet_gets({"a", "b"})(behind);
  behind.ask(set("c"));
  behind.take();
  behind.read("SERVER_ERROR gone\r\n");
  EXPECT_FALSE(behind.c.has_output()) << "the next reply tells";
  behind.read("STORED\r\n");
  EXPECT_EQ(behind.to.log, (lines{"1: server_error 'gone'", "2: server_error 'gone'", "3: ok"}));
  EXPECT_EQ(behind.c.in_flight(), 0u);
}

// The value in the middle of which a fence would be written, or that is not proven yet.
TEST(line_errors, before_a_large_value) {
  const std::string large(40'000, 'L');
  for (const bool gives_memory : {false, true}) {
    talk t(classic, gives_memory);
    quiet_gets({"a", "b"})(t);
    t.take();
    const std::string reply = "SERVER_ERROR gone\r\n" + item("b", large) + "END\r\n";
    t.read(reply.substr(0, 100));
    EXPECT_FALSE(t.c.has_output());
    t.read(reply.substr(100));
    EXPECT_FALSE(t.c.has_output());
    EXPECT_EQ(t.to.log, (lines{"2: ok =" + large, "1: server_error 'gone'"}));
    EXPECT_EQ(t.c.in_flight(), 0u);
  }
}

// A proxy may ask a server for the fence as well.
TEST(line_errors, and_one_more_for_the_fence) {
  const std::string error = "SERVER_ERROR gone\r\n";
  talk alone(classic);
  quiet_gets({"a"})(alone);
  alone.take();
  alone.read(error);
  EXPECT_EQ(alone.take(), "version\r\n");
  alone.read(error);
  EXPECT_EQ(alone.to.log, (lines{"1: server_error 'gone'"}));
  EXPECT_EQ(alone.c.in_flight(), 0u);
  EXPECT_FALSE(alone.c.failed());

  // One more key's, or the fence's: another fence tells, unless that meets an error as well.
  for (const std::string& then :
       {"END\r\nVERSION 1\r\n"s + error, item("c", "3") + "END\r\n" + error + error}) {
    talk t(classic);
    quiet_gets({"a", "b", "c"})(t);
    t.take();
    t.read(error);
    EXPECT_EQ(t.take(), "version\r\n");
    t.read(error);
    EXPECT_EQ(t.take(), "version\r\n");
    t.read(then);
    EXPECT_FALSE(t.c.failed()) << t.c.failure_text();
    EXPECT_FALSE(t.c.has_output());
    EXPECT_EQ(t.c.in_flight(), 0u);
    if (then.starts_with("END")) {
      EXPECT_EQ(t.to.log.back(), "3: unattributed '2 of 3 keys failed: gone'");
    } else {
      EXPECT_EQ(t.to.log, (lines{"3: ok =3", "1: server_error 'gone'", "2: server_error 'gone'"}));
    }
  }
  for (const std::string& then : {"VERSION 1\r\n"s, error}) {
    talk t(classic);
    quiet_gets({"a", "b"})(t);
    t.take();
    t.read(error);
    EXPECT_EQ(t.take(), "version\r\n");
    t.read(error);
    EXPECT_EQ(t.take(), "version\r\n");
    t.read(then);
    EXPECT_TRUE(t.c.failed()) << then;
    EXPECT_EQ(t.to.log, (lines{"1: server_error 'gone'", "2: server_error 'gone'"}));
    EXPECT_EQ(t.c.says(), verdict::answered);
  }

  // mn is answered by whoever reads it.
  talk many(automatic_with_meta());
  many.quietly(get("z"));
  quiet_gets({"a", "b", "c"})(many);
  many.take();
  many.read("EN O1\r\n" + error);
  EXPECT_EQ(many.take(), "mn\r\n");
  many.read(error);
  many.read(item("c", "3"));
  many.read("END\r\nMN\r\n");
  EXPECT_EQ(many.to.log,
            (lines{"1: miss", "4: ok =3", "2: server_error 'gone'", "3: server_error 'gone'"}));
  EXPECT_FALSE(many.c.failed());
  EXPECT_EQ(many.c.in_flight(), 0u);
}

TEST(line_errors, in_place_of_end_fail_all_that_did_not_come) {
  const std::string error = "SERVER_ERROR out of memory writing get response\r\n";
  const std::string said = "out_of_memory 'out of memory writing get response'";
  expect(classic, quiet_gets({"a", "b", "c"}), error, {"1: " + said, "2: " + said, "3: " + said});
  expect(classic, quiet_gets({"a", "b", "c"}), item("a", "1") + error,
         {"1: ok =1", "2: " + said, "3: " + said});
  expect(classic, quiet_gets({"a", "b", "c"}), item("c", "1") + error,
         {"3: ok =1", "1: " + said, "2: " + said});
  expect(classic, [](talk& t) { t.quietly(get("a")).ask(get("b")).ask(set("c")); },
         "SERVER_ERROR busy\r\nSTORED\r\n",
         {"1: server_error 'busy'", "2: server_error 'busy'", "3: ok"});
  for (const std::string one : {"SERVER_ERROR busy", "CLIENT_ERROR line too long"}) {
    const bool is_server = one.starts_with("S");
    const std::string told =
        is_server ? "1: server_error 'busy'" : "1: client_error 'line too long'";
    expect(classic, [](talk& t) { t.ask(get("k")); }, one + "\r\n", {told});
  }
}

// The server has left: it is not known of which key, but all know why.
TEST(line_errors, are_told_when_the_server_closes_after_them) {
  for (const std::string before : {"", "b"}) {
    talk t(classic);
    quiet_gets({"a", "b", "c"})(t);
    t.take();
    t.read((before.empty() ? "" : item("b", "2")) + "SERVER_ERROR shutting down\r\n");
    t.c.closed();
    EXPECT_EQ(t.c.failure(), errc::connection_closed);
    EXPECT_EQ(t.to.status[1], errc::server_error);
    EXPECT_EQ(t.to.status[2], before.empty() ? errc::server_error : errc::ok);
    EXPECT_EQ(t.to.status[3], errc::server_error);
    for (const auto& [tag, n] : t.to.finals) EXPECT_EQ(n, 1) << tag;
    EXPECT_EQ(t.c.in_flight(), 0u);
    EXPECT_EQ(t.c.says(), verdict::answered);
  }
}

// --- the connection ends

TEST(line_errors, more_than_there_are_keys_without_an_answer) {
  const std::string error = "SERVER_ERROR gone\r\n";
  const auto wrong = [](int tag) { return std::to_string(tag) + ": " + std::string(more_errors); };
  expect(classic, quiet_gets({"a", "b"}), item("a", "1") + item("b", "2") + error,
         {"1: ok =1", "2: ok =2"}, ended(errc::protocol_error));
  expect(
      classic, [](talk& t) { t.quietly(get("a")).quietly(get("b")).fence().ask(set("c")); },
      item("a", "1") + error + error, {"1: ok =1", wrong(2), wrong(3)},
      ended(errc::protocol_error));
  expect(
      classic, [](talk& t) { t.ask(get("a")).ask(set("b")); }, error + error, {wrong(1), wrong(2)},
      ended(errc::protocol_error));
}

// Whose is the END that comes next?
TEST(line_errors, with_another_line_behind_end_the_connection) {
  const std::string closed = "connection_closed 'closed after: gone'";
  for (const std::string rest : {"END\r\n", "END\r\nEND\r\n", "VALUE c 0 1\r\n9\r\nEND\r\n",
                                 "VALUE b 0 1\r\n9\r\nEND\r\nEND\r\n"}) {
    expect(
        classic,
        [](talk& t) {
          t.quietly(get("a")).quietly(get("b")).fence();
          t.quietly(get("b")).quietly(get("c")).fence();
        },
        "SERVER_ERROR gone\r\n" + rest,
        {"1: unattributed '1 of 2 keys failed: gone'", "2: unattributed '1 of 2 keys failed: gone'",
         "3: " + closed, "4: " + closed},
        ended(errc::connection_closed));
  }
  for (const request& behind : {request{.op = verb::stats}, request{.op = verb::config, .key = "c"},
                                request{.op = verb::gat, .key = "c"}}) {
    expect(
        classic, [&](talk& t) { t.ask(get("a")).ask(behind); }, "SERVER_ERROR gone\r\nEND\r\n",
        {"1: server_error 'gone'", "2: " + closed},
        [](talk& t) {
          EXPECT_EQ(t.c.failure(), errc::connection_closed);
          EXPECT_EQ(t.c.says(), verdict::answered);
        });
  }
}

// The first stood in place of END, the second was the answer to the set.
TEST(line_errors, two_of_them_and_no_end_do_not_give_a_store_another_s_success) {
  const std::string closed = "connection_closed 'closed after: gone'";
  expect(
      classic,
      [](talk& t) { t.quietly(get("a")).quietly(get("b")).fence().ask(set("c")).ask(set("d")); },
      "SERVER_ERROR gone\r\nSERVER_ERROR full\r\nSTORED\r\n",
      {"1: server_error 'gone'", "2: server_error 'full'", "3: " + closed, "4: " + closed},
      ended(errc::connection_closed));
  expect(
      automatic_with_meta(),
      [](talk& t) {
        t.quietly(get("z")).quietly(get("a")).quietly(get("b")).fence();
        t.quietly(set("c")).quietly(set("d")).fence();
      },
      "EN O1\r\nSERVER_ERROR gone\r\nSERVER_ERROR full\r\nMN\r\n",
      {"1: miss", "2: server_error 'gone'", "3: server_error 'full'", "4: " + closed,
       "5: " + closed},
      ended(errc::connection_closed));
  // One that tells what it answers shows that both were the line's.
  expect(automatic_with_meta(),
         [](talk& t) {
           t.quietly(get("z")).quietly(get("a")).quietly(get("b")).quietly(get("x")).fence();
           t.ask(get("c"));
         },
         "EN O1\r\nSERVER_ERROR gone\r\nSERVER_ERROR full\r\nVA 1 f0 O2\r\nC\r\n",
         {"1: miss", "2: server_error 'gone'", "3: server_error 'gone'", "4: server_error 'gone'",
          "5: ok =C"});
}

TEST(line_errors, a_line_two_behind_does_not_lend_its_end) {
  talk t(classic);
  t.quietly(get("a")).quietly(get("b")).fence().ask(set("c"));
  t.quietly(get("a")).quietly(get("b")).fence().ask(set("d"));
  t.take();
  t.read("SERVER_ERROR gone\r\nSERVER_ERROR full\r\nEND\r\nSTORED\r\n");
  EXPECT_TRUE(t.c.failed());
  for (const std::uint32_t tag : {3U, 4U, 5U, 6U}) {
    EXPECT_EQ(t.to.status[tag], errc::connection_closed) << tag;
  }
}

// A refusal of the whole command; what follows it on this connection is suspect.
TEST(line_errors, error_alone_ends_the_connection) {
  expect(classic, quiet_gets({"a", "b"}), "ERROR\r\n",
         {"1: not_supported 'ERROR'", "2: not_supported 'ERROR'"}, ended(errc::connection_closed));
}

// An error that comes before the line was written to its end answers nothing.
TEST(line_errors, to_an_open_line_end_the_connection) {
  for (const std::string before : {"", "END\r\n"}) {
    talk t(classic);
    if (!before.empty()) t.ask(get("z"));
    t.quietly(get("a")).quietly(get("b"));
    t.take();
    t.read(before + "ERROR\r\n");
    EXPECT_EQ(t.c.failure(), errc::protocol_error);
    EXPECT_EQ(t.c.in_flight(), 0u);
    for (const auto& [tag, n] : t.to.finals) EXPECT_EQ(n, 1) << tag;
    EXPECT_EQ(t.to.finals.size(), before.empty() ? 2u : 3u);
  }
}

// A configuration is a line of one; servers that are no cluster's refuse it, and the connection
// stays.
TEST(line_errors, to_a_configuration) {
  for (const auto& o : {classic, meta}) {
    const request config{.op = verb::config, .key = "cluster"};
    const std::string head = o.protocol == protocol_choice::meta ? "MN\r\n" : "";
    expect(o, [&](talk& t) { t.ask(config); }, head + "ERROR\r\n", {"1: not_supported 'ERROR'"});
    expect(o, [&](talk& t) { t.ask(config); }, head + "SERVER_ERROR no\r\nEND\r\n",
           {"1: server_error 'no'"});
  }
}

// --- nobody waits

TEST(line_errors, that_nobody_waits_for_are_counted) {
  talk t(classic);
  quiet_gets({"a", "b", "c"})(t);
  t.take();
  t.c.abandon(t.to);
  t.read(item("a", "1") + "SERVER_ERROR gone\r\n");
  EXPECT_EQ(t.c.unclaimed_errors(), 0u);
  EXPECT_EQ(t.take(), "version\r\n");
  t.read("VERSION 1\r\n");
  EXPECT_FALSE(t.c.failed());
  EXPECT_EQ(t.c.unclaimed_errors(), 2u);
  EXPECT_TRUE(t.to.log.empty());

  // Given up in between: what is told is the last word, and no fence is lost.
  talk between(classic);
  quiet_gets({"a", "b"})(between);
  between.take();
  between.read("SERVER_ERROR gone\r\n");
  between.c.abandon(between.to, errc::timeout, "late");
  EXPECT_EQ(between.to.log, (lines{"1: timeout 'late'", "2: timeout 'late'"}));
  EXPECT_EQ(between.take(), "version\r\n");
  between.read("VERSION 1\r\n");
  EXPECT_FALSE(between.c.failed());
  EXPECT_EQ(between.c.in_flight(), 0u);
  EXPECT_EQ(between.to.log.size(), 2u);
  EXPECT_EQ(between.c.unclaimed_errors(), 2u);
}

TEST(line_errors, that_time_runs_out_for) {
  talk t(classic);
  quiet_gets({"a", "b"})(t);
  t.take();
  t.read("SERVER_ERROR gone\r\n");
  t.c.fail(errc::timeout, "late");
  EXPECT_EQ(t.to.log, (lines{"1: timeout 'late'", "2: timeout 'late'"}));
  EXPECT_EQ(t.c.says(), verdict::failed);
}

}  // namespace
}  // namespace memcxx::script
