// What the end of a connection says of its server, what it says of what the server speaks, and for
// how long one that is idle is trusted.
// Never here: what is counted (tests/routing/health_test.cpp), the handshake.
#include "connection/runs.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);
const auto automatic = automatic_with_meta();

std::string hit(const connection_options& o, std::uint32_t opaque = 1) {
  if (o.protocol == protocol_choice::classic) return "VALUE k 0 1\r\nx\r\nEND\r\n";
  if (o.protocol == protocol_choice::binary) return binary_hit(opaque, "x");
  return "VA 1 f0 O" + std::to_string(opaque) + "\r\nx\r\n";
}

// A connection that has answered a get, and was idle since.
std::unique_ptr<talk> idle(const connection_options& o) {
  auto t = std::make_unique<talk>(o);
  t->ask(get("k"));
  t->take();
  t->read(hit(o));
  EXPECT_EQ(t->to.status[1], errc::ok) << t->c.failure_text();
  return t;
}

TEST(verdict, an_end_while_nothing_is_in_flight_says_nothing) {
  for (const auto& o : {classic, meta, binary, automatic}) {
    talk fresh(o);
    fresh.c.closed();
    EXPECT_EQ(fresh.c.says(), verdict::nothing);
    const auto t = idle(o);
    t->c.closed();
    EXPECT_EQ(t->c.says(), verdict::nothing);
  }
}

TEST(verdict, a_close_at_the_first_request_says_that_the_server_failed) {
  for (const auto& o : {classic, meta, binary, automatic}) {
    for (const std::size_t written : {std::size_t{0}, std::size_t{3}, SIZE_MAX}) {
      talk t(o);
      t.ask(get("k"));
      if (written != 0) t.take();
      t.c.closed();
      EXPECT_EQ(t.c.says(), verdict::failed);
    }
    // One that was put aside at once has been idle.
    talk rested(o);
    rested.c.rest();
    rested.ask(get("k"));
    rested.take();
    rested.c.closed();
    EXPECT_EQ(rested.c.says(), verdict::nothing);
  }
}

TEST(verdict, a_close_at_the_first_request_after_a_pause_says_nothing) {
  for (const auto& o : {classic, meta, binary, automatic}) {
    for (const bool reset : {false, true}) {
      const auto t = idle(o);
      t->ask(get("k")).ask(set("b"));
      t->take();
      if (reset) {
        t->c.fail(errc::connection_closed, "read: Connection reset by peer");
      } else {
        t->c.closed();
      }
      EXPECT_EQ(t->c.says(), verdict::nothing);
      EXPECT_EQ(t->to.status[2], errc::connection_closed);
    }
  }
}

TEST(verdict, a_close_after_some_of_what_was_asked_was_answered_says_that_it_failed) {
  for (const auto& o : {classic, meta, binary, automatic}) {
    const auto t = idle(o);
    t->ask(get("k")).ask(get("k"));
    t->take();
    t->read(hit(o, 2));
    EXPECT_EQ(t->to.status[2], errc::ok);
    t->c.closed();
    EXPECT_EQ(t->c.says(), verdict::failed);
  }
}

// As the engines see it: idle again, and asked again.
TEST(verdict, begins_anew_with_each_pause) {
  for (const auto& o : {classic, meta, automatic}) {
    const auto t = idle(o);
    for (std::uint32_t n = 2; n < 6; ++n) {
      t->ask(get("k"));
      t->take();
      t->read(hit(o, n));
    }
    t->ask(get("k"));
    t->take();
    t->c.closed();
    EXPECT_EQ(t->c.says(), verdict::nothing);
  }
}

// The lane for one request, without the queue.
TEST(verdict, of_what_was_asked_without_the_queue) {
  for (const auto& o : {classic, meta, automatic}) {
    for (const bool used : {false, true}) {
      const auto t = used ? idle(o) : std::make_unique<talk>(o);
      request r = get("k");
      const std::size_t size = t->c.ask(r).size();
      t->c.queue(t->to, 9, size);
      t->c.closed();
      EXPECT_EQ(t->c.says(), used ? verdict::nothing : verdict::failed);
    }
    const auto t = idle(o);
    request r{.op = verb::touch, .key = "k"};
    const std::size_t size = t->c.ask(r).size();
    t->c.queue(t->to, 9, size);
    t->c.closed();
    EXPECT_EQ(t->c.says(), verdict::nothing);
  }
}

// Not every server has these; some close the connection instead of saying so.
TEST(verdict, a_close_at_a_verb_that_may_be_refused_says_nothing) {
  const request refusable[] = {{.op = verb::gat, .ttl = 9, .key = "k"},
                               {.op = verb::touch, .ttl = 9, .key = "k"},
                               {.op = verb::debug, .key = "k"},
                               {.op = verb::flush},
                               {.op = verb::stats},
                               {.op = verb::version},
                               {.op = verb::verbosity},
                               {.op = verb::ping},
                               {.op = verb::config, .key = "cluster"},
                               {.op = verb::set, .ttl = -1, .key = "k", .value = "v"}};
  const request plain[] = {get("k"),
                           set("k"),
                           {.op = verb::add, .key = "k", .value = "v"},
                           {.op = verb::remove, .key = "k"},
                           {.op = verb::incr, .key = "k"},
                           {.op = verb::set, .ttl = 60, .key = "k", .value = "v"}};
  for (const auto& o : {classic, meta, binary, automatic}) {
    for (const request& r : refusable) {
      talk t(o);
      if (t.c.submit(r, t.to, 1)) continue;  // this protocol has no such verb
      t.take();
      t.c.closed();
      EXPECT_EQ(t.c.says(), verdict::nothing) << protocol::name_of(r.op);
      EXPECT_EQ(t.to.status[1], errc::connection_closed);
    }
    for (const request& r : plain) {
      talk t(o);
      t.ask(r);
      t.take();
      t.c.closed();
      EXPECT_EQ(t.c.says(), verdict::failed) << protocol::name_of(r.op);
    }
    // Servers answer in order: it closed at the first without an answer.
    talk first(o);
    first.ask({.op = verb::flush}).ask(get("k"));
    first.take();
    first.c.closed();
    EXPECT_EQ(first.c.says(), verdict::nothing);
    talk second(o);
    second.ask(get("k")).ask({.op = verb::flush});
    second.take();
    second.c.closed();
    EXPECT_EQ(second.c.says(), verdict::failed);
    talk reached(o);
    reached.ask(get("k")).ask({.op = verb::version});
    reached.take();
    reached.read(hit(o));
    reached.c.closed();
    EXPECT_EQ(reached.c.says(), verdict::nothing);
  }
  // Behind the noop that proves its answer.
  talk t(automatic);
  t.ask({.op = verb::flush});
  t.take();
  t.read("MN\r\n");
  t.c.closed();
  EXPECT_EQ(t.c.says(), verdict::nothing);
  EXPECT_EQ(t.to.status[1], errc::connection_closed);
}

TEST(verdict, a_timeout_and_nonsense_are_failures) {
  for (const auto& o : {classic, meta, binary, automatic}) {
    for (const request& r : {get("k"), request{.op = verb::flush}}) {
      const auto late = idle(o);
      late->ask(r);
      late->take();
      late->c.fail(errc::timeout, "no answer");
      EXPECT_EQ(late->c.says(), verdict::failed);
      const auto odd = idle(o);
      odd->ask(r);
      odd->take();
      odd->read("what is this?\r\nand this, which is more than a head of 24 bytes\r\n");
      EXPECT_EQ(odd->c.failure(), errc::protocol_error);
      EXPECT_EQ(odd->c.says(), verdict::failed);
    }
    const auto unasked = idle(o);
    unasked->read("STORED\r\n");
    EXPECT_EQ(unasked->c.says(), verdict::failed);
  }
}

TEST(verdict, what_we_end_ourselves_says_nothing_unless_it_is_said) {
  for (const errc code : {errc::cancelled, errc::out_of_memory, errc::overloaded}) {
    talk t(classic);
    t.ask(get("k"));
    t.c.fail(code, "why");
    EXPECT_EQ(t.c.says(), verdict::nothing);
  }
  for (const verdict says : {verdict::nothing, verdict::failed, verdict::answered}) {
    talk t(classic);
    t.ask(get("k"));
    t.c.fail(errc::connection_closed, "why", says);
    EXPECT_EQ(t.c.says(), says);
    t.c.fail(errc::timeout, "later", verdict::failed);
    t.c.closed();
    EXPECT_EQ(t.c.says(), says) << "it has ended";
    EXPECT_EQ(t.c.failure(), errc::connection_closed);
  }
}

// --- because of an answer

TEST(verdict, a_connection_that_ends_because_of_an_answer_says_that_the_server_is_there) {
  struct answer {
    connection_options o;
    request asked;
    std::string reply;
    errc ends_with = errc::connection_closed;
  };
  auto small = classic;
  small.max_value_size = 3;
  for (const answer& a :
       std::initializer_list<answer>{{classic, set("k"), "CLIENT_ERROR bad data chunk\r\n"},
                                     {classic, set("k"), "ERROR\r\n"},
                                     {classic, get("k"), "ERROR\r\n"},
                                     {meta, set("k"), "CLIENT_ERROR bad data chunk\r\n"},
                                     {automatic, get("k"), "ERROR\r\n"},
                                     {small, get("k"), "VALUE k 0 4\r\nfour\r\nEND\r\n"}}) {
    talk t(a.o);
    t.ask(a.asked);
    t.take();
    t.read(a.reply);
    EXPECT_EQ(t.c.failure(), a.ends_with) << a.reply;
    EXPECT_EQ(t.c.says(), verdict::answered) << a.reply;
  }
}

TEST(verdict, a_close_after_an_error_says_that_the_server_is_there) {
  for (const auto& o : {classic, meta, automatic}) {
    for (const request& next : {get("k"), set("k")}) {
      const auto t = idle(o);
      t->ask(set("k")).ask(next);
      t->take();
      t->read("SERVER_ERROR shutting down\r\n");
      EXPECT_FALSE(t->c.failed());
      t->c.closed();
      EXPECT_EQ(t->c.says(), verdict::answered);
    }
    // Not when something else was answered in between.
    talk t(o);
    t.ask(set("k")).ask(get("k")).ask(get("k"));
    t.take();
    t.read("SERVER_ERROR busy\r\n" + hit(o, 2));
    EXPECT_EQ(t.to.status[2], errc::ok);
    t.c.closed();
    EXPECT_EQ(t.c.says(), verdict::failed);
  }
  // An error among values, and then more of them.
  for (const bool bytewise : {false, true}) {
    talk t(classic);
    quiet_gets({"a", "b", "c", "d"})(t);
    t.take();
    const std::string reply =
        "SERVER_ERROR gone\r\nVALUE b 0 1\r\nx\r\nVALUE c 0 1\r\ny\r\nVALUE d 0 5\r\nz";
    if (bytewise) {
      t.read_bytewise(reply);
    } else {
      t.read(reply);
    }
    t.c.fail(errc::connection_closed, "reset");
    EXPECT_EQ(t.c.says(), verdict::failed) << bytewise;
  }
  // It is over with the next pause.
  talk t(classic);
  t.ask(set("k"));
  t.take();
  t.read("SERVER_ERROR busy\r\n");
  t.ask(get("k"));
  t.take();
  t.c.closed();
  EXPECT_EQ(t.c.says(), verdict::nothing) << "it was idle";
}

TEST(verdict, a_quiet_run_that_ends_with_an_error_was_answered) {
  talk t(meta);
  t.quietly(set("a")).quietly(set("b")).fence();
  t.take();
  t.read("CLIENT_ERROR bad data chunk\r\n");
  EXPECT_EQ(t.c.failure(), errc::connection_closed);
  EXPECT_EQ(t.c.says(), verdict::answered);
  talk closes(meta);
  closes.quietly(set("a")).quietly(set("b")).fence();
  closes.take();
  closes.read("SERVER_ERROR busy\r\n");
  closes.c.closed();
  EXPECT_EQ(closes.c.says(), verdict::answered);
  talk silent(meta);
  silent.quietly(set("a")).quietly(set("b")).fence();
  silent.take();
  silent.c.closed();
  EXPECT_EQ(silent.c.says(), verdict::failed);
}

// --- who was in flight with a request that the connection ended at

// We end it at a refusal; a server that closes after one; one that closes without a word.
TEST(bystander, is_who_was_in_flight_behind_the_request_that_the_connection_ended_at) {
  for (const connection_options& o : {classic, meta}) {
    for (const bool closes : {false, true}) {
      talk t(o);
      t.ask({.op = closes ? verb::get : verb::incr, .key = "word"}).ask(get("b")).ask(set("c"));
      t.take();
      t.read("CLIENT_ERROR no\r\n");
      if (closes) t.c.closed();
      ASSERT_EQ(t.c.failure(), errc::connection_closed);
      ASSERT_EQ(t.to.log.size(), 3u);
      EXPECT_EQ(t.to.log[0], "1: client_error 'no'");
      for (const std::uint32_t tag : {2U, 3U}) {
        EXPECT_EQ(t.to.status[tag], errc::connection_closed);
        EXPECT_TRUE(t.to.bystander[tag]);
      }
    }
    talk t(o);
    t.ask({.op = verb::flush}).ask(get("b"));
    t.take();
    t.c.closed();
    ASSERT_EQ(t.to.log.size(), 2u);
    EXPECT_FALSE(t.to.bystander[1]) << "it may have been executed";
    EXPECT_TRUE(t.to.bystander[2]);
  }
}

// To ask again without end what was in flight must come to an end: it does where each time another
// request has its outcome. Nobody has one here.
// What came last was a value, and no error any more.
TEST(bystander, is_nobody_behind_an_answer_that_is_none) {
  talk t(classic);
  t.ask({.op = verb::incr, .key = "n"}).ask(get("a")).ask(get("b"));
  t.take();
  t.read("SERVER_ERROR busy\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
  t.c.closed();
  EXPECT_EQ(t.to.status[3], errc::connection_closed);
  EXPECT_EQ(t.c.says(), verdict::failed);
  EXPECT_FALSE(t.to.bystander[3]);
}

TEST(bystander, is_nobody_where_no_request_had_its_outcome) {
  const auto nobody = [](const talk& t) {
    for (const auto& [tag, is] : t.to.bystander) EXPECT_FALSE(is) << tag;
  };
  for (const connection_options& o : {classic, meta}) {
    talk plain(o);  // closed, for whatever reason
    plain.ask(get("a")).ask(get("b"));
    plain.take();
    plain.c.closed();
    nobody(plain);
    talk run(o);  // an error of a run, which names nobody, and then nothing
    run.quietly(get("a")).quietly(get("b"));
    run.fence();
    run.take();
    run.read("SERVER_ERROR no\r\n");
    run.c.closed();
    nobody(run);
    talk late(o);
    late.ask(get("a")).ask(get("b"));
    late.take();
    late.c.fail(errc::timeout, "late");
    nobody(late);
    // Given up behind an error, since nothing more comes: nobody closed it.
    talk silent(o);
    silent.ask({.op = verb::incr, .key = "n"}).ask(get("b"));
    silent.take();
    silent.read("SERVER_ERROR busy\r\n");
    silent.c.fail(errc::connection_closed, "silence", verdict::failed);
    EXPECT_EQ(silent.to.status[2], errc::connection_closed);
    EXPECT_EQ(silent.c.says(), verdict::failed);
    nobody(silent);
    talk first(o);
    first.ask({.op = verb::flush}).ask(get("b"));
    first.take();
    first.c.fail(errc::connection_closed, "the server was down", verdict::nothing);
    nobody(first);
  }
}

// --- ERROR to a meta command: the server was taken for what it is not

TEST(misjudged, a_read_may_go_again_over_a_connection_that_speaks_classic) {
  for (const request& r : {get("k"), request{.op = verb::gat, .ttl = 9, .key = "k"},
                           request{.wants = want::value | want::ttl, .key = "k"}}) {
    for (const std::string error : {"ERROR\r\n", "ERROR unknown command\r\n"}) {
      talk t(automatic);
      t.ask(r);
      t.take();
      t.read(error);
      EXPECT_EQ(t.c.failure(), errc::connection_closed);
      EXPECT_TRUE(t.c.retry_as_classic());
      EXPECT_EQ(t.to.status[1], errc::connection_closed);
      EXPECT_TRUE(t.to.log[0].ends_with(" misjudged")) << t.to.log[0];
      EXPECT_EQ(t.to.finals[1], 1);
      EXPECT_EQ(t.c.says(), verdict::answered);
    }
  }
}

TEST(misjudged, a_write_has_its_error_and_what_is_behind_it_may_go_again_if_it_is_a_read) {
  for (const verb op : {verb::set, verb::remove, verb::incr, verb::touch}) {
    talk t(automatic);
    t.ask({.op = op, .key = "k"}).ask(get("b")).ask(set("c"));
    t.take();
    t.read("ERROR\r\n");
    EXPECT_TRUE(t.c.retry_as_classic());
    EXPECT_EQ(t.to.log, (lines{"1: not_supported 'ERROR'",
                               "2: connection_closed 'closed after: ERROR' misjudged",
                               "3: connection_closed 'closed after: ERROR' misjudged"}));
  }
}

TEST(misjudged, a_run_of_gets) {
  talk t(automatic);
  quiet_gets({"a", "b", "c"})(t);
  t.take();
  t.read("ERROR\r\nEND\r\n");
  EXPECT_TRUE(t.c.retry_as_classic());
  for (const std::string& line : t.to.log) {
    EXPECT_NE(line.find("connection_closed"), std::string::npos) << line;
    EXPECT_TRUE(line.ends_with(" misjudged")) << line;
  }
  EXPECT_EQ(t.to.log.size(), 3u);
}

// Nobody knows which of them it was, but a server that knows one knows them all.
TEST(misjudged, a_run_of_quiet_requests) {
  talk reads(automatic);
  for (const char* key : {"a", "b"}) {
    reads.quietly({.wants = want::value | want::ttl, .key = key});
  }
  reads.fence();
  reads.take();
  reads.read("ERROR\r\n");
  EXPECT_TRUE(reads.c.failed());
  EXPECT_TRUE(reads.c.retry_as_classic());
  EXPECT_EQ(reads.to.log.size(), 2u);
  for (const std::string& line : reads.to.log) {
    EXPECT_NE(line.find("connection_closed"), std::string::npos) << line;
    EXPECT_TRUE(line.ends_with(" misjudged")) << line;
  }

  talk mixed(automatic);
  mixed.quietly(set("a"));
  mixed.quietly({.wants = want::value | want::ttl, .key = "b"});
  mixed.quietly({.op = verb::remove, .key = "c"}).fence();
  mixed.take();
  mixed.read("ERROR\r\n");
  EXPECT_TRUE(mixed.c.failed());
  EXPECT_TRUE(mixed.c.retry_as_classic());
  EXPECT_EQ(mixed.to.status[1], errc::unattributed);
  EXPECT_EQ(mixed.to.status[2], errc::connection_closed);
  EXPECT_EQ(mixed.to.status[3], errc::unattributed);
  for (const auto& [tag, n] : mixed.to.finals) EXPECT_EQ(n, 1) << tag;
}

TEST(misjudged, only_by_error_itself_and_only_where_it_is_found_out) {
  struct other {
    connection_options o;
    request asked;
    std::string reply;
  };
  for (const other& x : std::initializer_list<other>{
           {meta, get("k"), "ERROR\r\n"},
           {classic, get("k"), "ERROR\r\n"},
           {automatic, get("k"), "CLIENT_ERROR bad command line format\r\n"},
           {automatic, get("k"), "CLIENT_ERROR invalid flag\r\n"},
           {automatic, get("k"), "SERVER_ERROR gone\r\n"},
           // memcached has no `me` for some keys, and its proxy has none at all
           {automatic, {.op = verb::debug, .key = "k"}, "ERROR\r\n"},
           {automatic, {.op = verb::flush}, "MN\r\nERROR\r\n"},
           {automatic, {.op = verb::verbosity}, "MN\r\nERROR\r\n"}}) {
    talk t(x.o);
    t.ask(x.asked);
    t.take();
    t.read(x.reply);
    EXPECT_FALSE(t.c.retry_as_classic()) << protocol::name_of(x.asked.op) << " " << x.reply;
    ASSERT_FALSE(t.to.log.empty()) << x.reply;
    EXPECT_FALSE(t.to.log[0].ends_with(" misjudged")) << t.to.log[0];
    t.c.closed();
    EXPECT_FALSE(t.c.retry_as_classic());
  }
}

TEST(misjudged, without_the_queue) {
  talk t(automatic);
  request r = get("k");
  const std::string bytes(t.c.ask(r));
  const std::string_view error = "ERROR\r\n";
  std::memcpy(t.c.input().front().data(), error.data(), error.size());
  EXPECT_EQ(t.c.answered(error.size()), nullptr);
  t.c.queue(t.to, 1, bytes.size());
  EXPECT_TRUE(t.c.retry_as_classic());
  EXPECT_EQ(t.to.log, lines{"1: connection_closed 'ERROR' misjudged"});
}

// --- idle

TEST(trust, is_short_where_replies_do_not_tell_what_they_answer) {
  using namespace std::chrono_literals;
  EXPECT_EQ(talk(classic).c.trusted_idle(), 100us);
  EXPECT_EQ(talk(meta).c.trusted_idle(), 1ms) << "a miss does not";
  EXPECT_EQ(talk(binary).c.trusted_idle(), 50ms);
  EXPECT_EQ(talk(automatic).c.trusted_idle(), 1ms);
  talk found{connection_options{}};
  found.take();
  found.read("ERROR\r\nERROR\r\nERROR\r\nVERSION 1.4.33\r\n");
  EXPECT_EQ(found.c.trusted_idle(), 100us);
}

}  // namespace
}  // namespace memcxx::script
