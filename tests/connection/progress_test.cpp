// How a connection tells an engine that it gets on: replies that were completed, and what is owed
// to nobody. Never here: what an engine makes of that.
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);

request quiet_get(std::string_view key) {
  request r;
  r.key = key;
  r.quiet = true;
  return r;
}

TEST(progress, a_reply_counts_with_its_last_byte) {
  const std::pair<connection_options, std::string> all[] = {
      {classic, "VALUE a 0 5\r\nhello\r\nEND\r\n"},
      {classic, "END\r\n"},
      {meta, "SERVER_ERROR busy\r\n"},
      {meta, "VA 5 f0 O1\r\nhello\r\n"},
      {meta, "EN\r\n"},
      {binary, binary_hit(1, "hello")},
  };
  for (const auto& [options, reply] : all) {
    SCOPED_TRACE(reply);
    talk t(options);
    t.ask({.key = "a"}).take();
    for (const char& byte : reply) {
      EXPECT_EQ(t.c.replies(), 0u);
      t.read({&byte, 1});
    }
    EXPECT_EQ(t.c.replies(), 1u);
    EXPECT_EQ(t.c.in_flight(), 0u);
  }
}

TEST(progress, an_abandoned_reply_counts_like_any) {
  for (const auto& [options, reply] :
       {std::pair{classic, "VALUE a 0 5\r\nhello\r\nEND\r\n"s},
        std::pair{meta, "VA 5 O1\r\nhello\r\n"s}, std::pair{binary, binary_hit(1, "hello")}}) {
    for (std::size_t n = 0; n < reply.size(); ++n) {
      SCOPED_TRACE("after " + std::to_string(n) + " bytes of " + reply);
      talk t(options);
      t.ask({.key = "a"}).take();
      t.read(reply.substr(0, n));
      EXPECT_EQ(t.c.abandoned(), 0u);
      t.c.abandon(t.to);
      // A classic value that was delivered left nothing to wait for but its END.
      const bool had_it = !t.to.log.empty();
      EXPECT_EQ(t.c.abandoned(), had_it ? 0u : 1u);
      t.read_bytewise(reply.substr(n, reply.size() - n - 1));
      EXPECT_EQ(t.c.replies(), 0u);
      EXPECT_EQ(t.c.abandoned(), had_it ? 0u : 1u);
      t.read(reply.substr(reply.size() - 1));
      EXPECT_EQ(t.c.replies(), 1u);
      EXPECT_EQ(t.c.abandoned(), 0u);
    }
  }
}

// The values of a line, a counter's silence, statistics: what a request has before its last word is
// no reply yet.
TEST(progress, parts_of_a_reply_do_not_count) {
  talk line(classic);
  line.quietly({.key = "a"}).quietly({.key = "b"}).fence().take();
  line.read("VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\n");
  EXPECT_EQ(line.c.replies(), 0u);
  line.read("END\r\n");
  EXPECT_EQ(line.c.replies(), 2u);

  talk stats(classic);
  stats.ask({.op = verb::stats}).take();
  stats.read("STAT a 1\r\nSTAT b 2\r\n");
  EXPECT_EQ(stats.c.replies(), 0u);
  stats.read("END\r\n");
  EXPECT_EQ(stats.c.replies(), 1u);
}

TEST(progress, silence_counts_when_the_next_answer_ends_it) {
  talk t(meta);
  t.quietly({.op = verb::set, .key = "a", .value = "1"});
  t.quietly({.op = verb::set, .key = "b", .value = "2"}).fence().take();
  EXPECT_EQ(t.c.replies(), 0u);
  t.read("MN\r\n");
  EXPECT_EQ(t.c.replies(), 3u) << "the fence's own, too";
}

TEST(progress, what_ends_here_is_no_reply) {
  talk t(classic);
  t.ask({.key = "a"}).ask({.key = "b"}).ask({.key = "c"}).take();
  t.read("END\r\n");
  t.c.abandon(t.to);
  EXPECT_EQ(t.c.abandoned(), 2u);
  t.c.fail(errc::timeout, "late");
  EXPECT_EQ(t.c.replies(), 1u);
  EXPECT_EQ(t.c.abandoned(), 0u);
  EXPECT_EQ(t.c.in_flight(), 0u);
}

TEST(progress, only_what_was_abandoned_is_owed_to_nobody) {
  talk t(meta);
  recorder gone;
  t.ask({.key = "a"});
  ASSERT_FALSE(t.c.submit({.key = "b"}, gone, 2));
  t.next_tag = 3;
  t.ask({.key = "c"}).take();
  t.c.abandon(gone, errc::timeout, "late");
  t.c.abandon(gone, errc::timeout, "late again");
  EXPECT_EQ(t.c.abandoned(), 1u);
  EXPECT_EQ(t.c.in_flight(), 3u);
  t.read("EN\r\nEN\r\n");
  EXPECT_EQ(t.c.abandoned(), 0u);
  EXPECT_EQ(t.c.in_flight(), 1u);
  // Its place in the queue is taken by others, which nobody abandoned.
  for (int i = 0; i < 40; ++i) {
    t.ask({.key = "d"}).take();
    t.read("EN\r\n");
  }
  EXPECT_EQ(t.c.abandoned(), 0u);
  EXPECT_EQ(t.c.replies(), 42u);
}

// --- whether somebody waits for what comes next

TEST(progress, the_reply_that_comes_next_is_awaited_until_it_was_given_up) {
  for (const auto& [options, reply] :
       {std::pair{classic, "VALUE a 0 5\r\nhello\r\nEND\r\n"s},
        std::pair{meta, "VA 5 O1\r\nhello\r\n"s}, std::pair{binary, binary_hit(1, "hello")}}) {
    for (std::size_t n = 0; n < reply.size(); ++n) {
      SCOPED_TRACE("after " + std::to_string(n) + " bytes of " + reply);
      talk t(options);
      EXPECT_FALSE(t.c.awaited());
      recorder other;
      t.ask({.key = "a"});
      ASSERT_FALSE(t.c.submit({.key = "b"}, other, 2));
      t.take();
      t.read(reply.substr(0, n));
      if (t.to.log.empty()) {
        EXPECT_TRUE(t.c.awaited());
      }
      t.c.abandon(t.to);
      EXPECT_FALSE(t.c.awaited()) << "who waits behind it waits for another";
      t.read(reply.substr(n));
      EXPECT_TRUE(t.c.awaited()) << "it is the next one's turn";
      t.c.abandon(other);
      EXPECT_FALSE(t.c.awaited());
    }
  }
}

// Of a line, and of what may stay silent, any may be the one that is answered.
TEST(progress, a_line_is_awaited_by_all_who_are_in_it) {
  for (const auto& options : {classic, meta, binary}) {
    talk t(options);
    recorder gone;
    ASSERT_FALSE(t.c.submit(quiet_get("a"), gone, 9));
    t.quietly({.key = "b"}).fence().take();
    t.c.abandon(gone);
    EXPECT_TRUE(t.c.awaited());
    t.c.abandon(t.to);
    EXPECT_FALSE(t.c.awaited());
  }
}

// A value that has begun to come belongs to one of them.
TEST(progress, the_value_that_is_coming_is_awaited_by_its_own_caller) {
  talk t(meta);
  recorder other;
  t.quietly({.key = "a"});
  ASSERT_FALSE(t.c.submit(quiet_get("b"), other, 2));
  t.fence().take();
  t.read("VA 5 O1\r\nhe");
  EXPECT_TRUE(t.c.awaited());
  t.c.abandon(t.to);
  EXPECT_FALSE(t.c.awaited());
  t.read("llo\r\n");
  EXPECT_TRUE(t.c.awaited());
}

}  // namespace
}  // namespace memcxx::script
