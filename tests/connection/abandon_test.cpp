// Requests that nobody waits for any more: their replies are read and dropped, at whatever byte
// they were given up, and the next request's answer is its own. Never here: time-outs themselves
// (an engine's).
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);

struct scene {
  connection_options o;
  script asks;
  std::string reply;
  std::string next;  // the reply to a get of "next" that follows
};

std::vector<scene> scenes() {
  const script get = [](talk& t) { t.ask({.prefix = "p:", .key = "a"}); };
  const script gets = [](talk& t) {
    t.quietly({.key = "a"}).quietly({.key = "b"}).quietly({.key = "c"}).fence();
  };
  const script store = [](talk& t) {
    t.quietly({.op = verb::set, .key = "a", .value = "v"}).ask({.op = verb::incr, .key = "b"});
  };
  const script stats = [](talk& t) { t.ask({.op = verb::stats}); };
  const script config = [](talk& t) { t.ask({.op = verb::config, .key = "cluster"}); };
  const std::string next = "VALUE next 0 2\r\nOK\r\nEND\r\n";
  return {
      {classic, get, "VALUE p:a 0 5\r\nhello\r\nEND\r\n", next},
      {classic, get, "END\r\n", next},
      {classic, gets, "VALUE a 0 3\r\nEND\r\nVALUE c 0 0\r\n\r\nEND\r\n", next},
      {classic, gets, "VALUE c 0 4\r\nlast\r\nVALUE a 0 3\r\nEND\r\nEND\r\n", next},
      {classic, store, "STORED\r\n12\r\n", next},
      {classic, stats, "STAT a 1\r\nSTAT b 2\r\nEND\r\n", next},
      {classic, config, "CONFIG cluster 0 3\r\n1\nx\r\nEND\r\n", next},
      {meta, config, "CONFIG cluster 0 3\r\n1\nx\r\nEND\r\n", "VA 2 f0 O1\r\nOK\r\n"},
      {meta, get, "VA 5 f0 O1\r\nhello\r\n", "VA 2 f0 O2\r\nOK\r\n"},
      {meta, gets, "VA 3 O2\r\nx\r\n\r\nMN\r\n", "VA 2 f0 O4\r\nOK\r\n"},
      {meta, store, "NS O1\r\nMN\r\nVA 2 O2\r\n12\r\n", "VA 2 f0 O3\r\nOK\r\n"},
      {binary, get, binary_hit(1, "hello"), binary_hit(2, "OK")},
      {binary, gets, binary_hit(2, "hello") + std::string(frame{.opcode = 0x0a, .opaque = 4}),
       binary_hit(5, "OK")},
  };
}

// Given up at every byte of the reply, read on in one piece or byte by byte.
TEST(abandon, at_every_byte_of_the_reply) {
  for (const scene& s : scenes()) {
    for (std::size_t n = 0; n <= s.reply.size(); ++n) {
      for (const bool bytewise : {false, true}) {
        for (const bool gives_memory : {false, true}) {
          SCOPED_TRACE("after " + std::to_string(n) + " bytes of " + s.reply);
          auto t = std::make_unique<talk>(s.o, gives_memory);
          s.asks(*t);
          t->take();
          t->read(s.reply.substr(0, n));
          t->c.abandon(t->to);
          const auto told = t->to.log.size();
          const recorder gone = std::exchange(t->to, recorder());  // its memory for values, too

          recorder other(true);
          ASSERT_FALSE(t->c.submit({.key = "next"}, other, 7));
          t->take();
          const std::string rest = s.reply.substr(n) + s.next;
          if (bytewise) {
            t->read_bytewise(rest);
          } else {
            t->read(rest);
          }
          ASSERT_FALSE(t->c.failed()) << t->c.failure_text();
          ASSERT_EQ(other.log, (lines{"7: ok =OK"}));
          ASSERT_EQ(t->c.in_flight(), 0u);
          ASSERT_TRUE(t->to.log.empty()) << "told to somebody who had gone";
          ASSERT_EQ(gone.log.size(), told);
          ASSERT_EQ(t->c.unclaimed_errors(), 0u);
        }
      }
    }
  }
}

// Keys are compared after their owner has gone.
TEST(abandon, keeps_the_keys_that_it_compares) {
  talk t(classic);
  {
    const std::string prefix = "a prefix that is too long for a short string:"s.substr(9, 20);
    const std::string key(100, 'k');
    ASSERT_FALSE(t.c.submit({.prefix = "pre:", .key = key}, t.to, 1));
    t.take();
    t.c.abandon(t.to);
  }
  t.read("VALUE pre:" + std::string(100, 'k') + " 0 1\r\nx\r\nEND\r\n");
  EXPECT_FALSE(t.c.failed()) << t.c.failure_text();
  EXPECT_EQ(t.c.in_flight(), 0u);

  {
    const std::string key(100, 'k');
    ASSERT_FALSE(t.c.submit({.key = key}, t.to, 1));
    t.c.abandon(t.to);
  }
  t.take();
  t.read("VALUE other 0 1\r\nx\r\nEND\r\n");
  EXPECT_EQ(t.c.failure(), errc::protocol_error) << "dropped replies are verified";
}

// What is only referred to is copied, however much of it was written.
TEST(abandon, copies_values_that_still_wait_to_be_written) {
  for (const auto& o : {classic, meta, binary}) {
    for (const std::size_t before : {0U, 5U, 20U, 60U, 10'000U, 50'020U}) {
      connection_options small = o;
      small.copy_below = 100;
      talk whole(small);
      const std::string kept(50'000, 'v');
      whole.ask({.op = verb::set, .key = "a", .value = kept}).ask({.op = verb::remove, .key = "b"});
      const std::string expected = whole.take();

      talk t(small);
      {
        auto value = std::make_unique<std::string>(50'000, 'v');
        t.ask({.op = verb::set, .key = "a", .value = *value}).ask({.op = verb::remove, .key = "b"});
        std::string out;
        for (const auto piece : t.c.output()) out.append(piece.data(), piece.size());
        ASSERT_EQ(out, expected);
        t.c.sent(before);
        t.c.abandon(t.to);
        std::ranges::fill(*value, 'X');
        value.reset();
      }
      EXPECT_EQ(t.take(777), expected.substr(std::min(before, expected.size())));
    }
  }
}

// A server may refuse a value before it has read it; the rest of it is sent after its owner has
// heard, and may be gone.
TEST(abandon, is_not_needed_for_a_value_that_was_answered_too_early) {
  for (const auto& o : {classic, meta, binary}) {
    connection_options small = o;
    small.copy_below = 100;
    const std::string reply =
        o.protocol == protocol_choice::binary
            ? std::string(frame{.opcode = 1, .opaque = 1, .status = 3, .value = "Too large."})
            : "SERVER_ERROR object too large for cache\r\n";
    talk t(small);
    std::string expected;
    {
      auto value = std::make_unique<std::string>(50'000, 'v');
      t.ask({.op = verb::set, .key = "a", .value = *value});
      for (const auto piece : t.c.output()) expected.append(piece.data(), piece.size());
      t.c.sent(1000);
      t.read(reply);
      EXPECT_EQ(t.to.status[1], errc::value_too_large);
      std::ranges::fill(*value, 'X');
    }
    ASSERT_FALSE(t.c.failed());
    EXPECT_EQ(t.take(), expected.substr(1000));
  }
}

TEST(abandon, errors_that_nobody_was_told_are_counted) {
  talk t(classic);
  t.ask({.op = verb::set, .key = "a", .value = "v"});
  t.ask({.op = verb::add, .key = "b", .value = "v"});
  t.ask({.op = verb::remove, .key = "c"});
  t.ask({.key = "d"});
  t.ask({.op = verb::stats});
  t.take();
  t.c.abandon(t.to);
  t.read("SERVER_ERROR out of memory\r\nNOT_STORED\r\nNOT_FOUND\r\n");
  EXPECT_EQ(t.c.unclaimed_errors(), 1u) << "answers are no errors";
  t.c.closed();
  EXPECT_EQ(t.c.unclaimed_errors(), 3u);
  EXPECT_TRUE(t.to.log.empty());

  talk hit(classic);
  hit.ask({.key = "d"});
  hit.take();
  hit.read("VALUE d 0 1\r\nx\r\n");
  hit.c.abandon(hit.to);
  hit.c.closed();
  EXPECT_EQ(hit.c.unclaimed_errors(), 0u) << "it had its answer";
}

TEST(abandon, leaves_others_alone) {
  for (const auto& o : {classic, meta, binary}) {
    talk t(o);
    recorder gone;
    t.ask({.key = "a"});
    ASSERT_FALSE(t.c.submit({.key = "b"}, gone, 2));
    t.next_tag = 3;
    t.ask({.key = "c"});
    t.take();
    t.c.abandon(gone);
    const std::string replies =
        o.protocol == protocol_choice::classic
            ? "VALUE a 0 1\r\n1\r\nEND\r\nVALUE b 0 1\r\n2\r\nEND\r\nVALUE c 0 1\r\n3\r\nEND\r\n"
        : o.protocol == protocol_choice::meta
            ? "VA 1 O1\r\n1\r\nVA 1 O2\r\n2\r\nVA 1 O3\r\n3\r\n"
            : binary_hit(1, "1") + binary_hit(2, "2") + binary_hit(3, "3");
    t.read_bytewise(replies);
    EXPECT_EQ(t.to.log, (lines{"1: ok =1", "3: ok =3"}));
    EXPECT_TRUE(gone.log.empty());
  }
}

// A line that was left open is joined by whoever comes next, or ended.
TEST(abandon, an_open_line) {
  talk t(classic);
  t.quietly({.key = "a"});
  t.c.abandon(t.to);
  recorder other;
  ASSERT_FALSE(t.c.submit({.key = "b"}, other, 2));
  EXPECT_EQ(t.take(), "get a b\r\n");
  t.read("VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n");
  EXPECT_EQ(other.log, (lines{"2: ok =2"}));
  EXPECT_TRUE(t.to.log.empty());
}

TEST(abandon, after_a_failure_or_with_nothing_in_flight_does_nothing) {
  talk t(classic);
  t.c.abandon(t.to);
  t.ask({.key = "a"});
  t.c.closed();
  t.c.abandon(t.to);
  EXPECT_EQ(t.to.finals[1], 1);
}

}  // namespace
}  // namespace memcxx::script
