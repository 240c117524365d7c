// Requests that nobody waits for any more: their replies are read and dropped, at whatever byte
// they were given up, with a last word or without, and the next request's answer is its own. Never
// here: time-outs themselves (an engine's).
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
      {meta, config, "MN\r\nCONFIG cluster 0 3\r\n1\nx\r\nEND\r\n", "VA 2 f0 O1\r\nOK\r\n"},
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

// The same with a last word: everybody who was not answered gets it, in order, and then nothing
// more.
TEST(abandon, with_a_code_at_every_byte_of_the_reply) {
  for (const scene& s : scenes()) {
    talk whole(s.o);
    s.asks(whole);
    whole.take();
    whole.read(s.reply);
    const lines answers = whole.to.log;
    for (std::size_t n = 0; n <= s.reply.size(); ++n) {
      for (const bool bytewise : {false, true}) {
        for (const bool gives_memory : {false, true}) {
          SCOPED_TRACE("after " + std::to_string(n) + " bytes of " + s.reply);
          auto t = std::make_unique<talk>(s.o, gives_memory);
          s.asks(*t);
          t->take();
          t->read(s.reply.substr(0, n));
          const std::size_t told = t->to.log.size();
          const auto answered = t->to.finals;
          t->c.abandon(t->to, errc::timeout, "no time left");

          ASSERT_TRUE(std::equal(t->to.log.begin(), t->to.log.begin() + static_cast<long>(told),
                                 answers.begin()));
          std::size_t at = told;
          for (std::uint32_t tag = 1; tag < t->next_tag; ++tag) {
            ASSERT_EQ(t->to.finals[tag], 1) << tag;
            if (answered.contains(tag) && answered.at(tag) == 1) continue;
            ASSERT_LT(at, t->to.log.size());
            ASSERT_EQ(t->to.log[at++], std::to_string(tag) + ": timeout 'no time left'");
          }
          ASSERT_EQ(at, t->to.log.size());
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
          ASSERT_EQ(gone.log.size(), at);
        }
      }
    }
  }
}

// A second abandonment finds nobody, and neither does the end of the connection.
TEST(abandon, with_a_code_is_the_last_word) {
  for (const auto& o : {classic, meta, binary}) {
    talk t(o);
    recorder other;
    request first{.key = "a"};
    if (o.protocol != protocol_choice::classic) first.opaque = 9;
    t.ask(first).ask({.op = verb::set, .key = "b", .value = "v"});
    ASSERT_FALSE(t.c.submit({.key = "c"}, other, 3));
    t.take();
    t.c.abandon(t.to, errc::cancelled, {});
    const lines told = o.protocol == protocol_choice::classic
                           ? lines{"1: cancelled", "2: cancelled"}
                           : lines{"1: cancelled O9", "2: cancelled"};
    EXPECT_EQ(t.to.log, told);
    t.c.abandon(t.to, errc::timeout, "late");
    t.c.abandon(t.to);
    EXPECT_EQ(t.c.unclaimed_errors(), 0u);
    t.c.closed();
    EXPECT_EQ(t.to.log, told);
    EXPECT_EQ(other.status[3], errc::connection_closed);
    EXPECT_EQ(other.finals[3], 1);
    EXPECT_EQ(t.c.unclaimed_errors(), 2u) << "what became of them, nobody was told";
    t.c.abandon(t.to, errc::timeout, "the connection has ended");
    EXPECT_EQ(t.to.log, told);
  }
}

// The handler may be gone as soon as it has its last response: nothing of it is touched then.
TEST(abandon, with_a_code_outlives_its_handler) {
  struct leaving final : protocol::response_handler {
    explicit leaving(std::unique_ptr<leaving>& s) : self(s) {}
    void on_response(std::uint32_t, const response& r) noexcept override {
      EXPECT_EQ(r.status, errc::cancelled);
      if (--left == 0) std::exchange(self, nullptr).reset();
    }
    std::unique_ptr<leaving>& self;
    int left = 3;
  };
  for (const auto& o : {classic, meta, binary}) {
    talk t(o);
    std::unique_ptr<leaving> handler;
    handler = std::make_unique<leaving>(handler);
    const std::string value(50'000, 'v');
    for (std::uint32_t tag = 0; tag < 3; ++tag) {
      ASSERT_FALSE(t.c.submit({.op = verb::set, .key = "k", .value = value}, *handler, tag));
    }
    t.c.abandon(*handler, errc::cancelled, "gone");
    EXPECT_EQ(handler, nullptr);
    EXPECT_EQ(t.c.in_flight(), 3u);
    EXPECT_GT(t.take().size(), 150'000u) << "it was submitted, and goes out whole";
  }
}

// Statistics come line by line; what came stays, and one last response ends them.
TEST(abandon, with_a_code_in_the_middle_of_statistics) {
  talk t(classic);
  t.ask({.op = verb::stats});
  t.take();
  t.read("STAT a 1\r\nSTAT b 2\r\n");
  t.c.abandon(t.to, errc::timeout, "late");
  EXPECT_EQ(t.to.log, (lines{"1: ok a =1 more", "1: ok b =2 more", "1: timeout 'late'"}));
  t.read("STAT c 3\r\nEND\r\n");
  EXPECT_FALSE(t.c.failed());
  EXPECT_EQ(t.to.log.size(), 3u);
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
  hit.quietly({.key = "d"}).quietly({.key = "e"}).fence();
  hit.take();
  hit.read("VALUE d 0 1\r\nx\r\nVALUE e 0 1\r\n");
  hit.c.abandon(hit.to);
  hit.c.closed();
  EXPECT_EQ(hit.c.unclaimed_errors(), 1u) << "one of them had its answer";
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
