// Replies that nobody asked for, that are somebody else's, or that are no replies: the connection
// ends, every request has one outcome, and none of them is a success or a miss that was not said.
// Never here: quiet runs.
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);

// The reply ends the connection, and the one request has this outcome; in every split.
void expect_ends(const connection_options& o, const request& asked, const std::string& reply,
                 errc outcome = errc::protocol_error) {
  for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
    SCOPED_TRACE(reply + " split at " + std::to_string(cut));
    talk t(o);
    t.ask(asked);
    t.take();
    t.read(reply.substr(0, cut));
    t.read(reply.substr(cut));
    ASSERT_TRUE(t.c.failed());
    ASSERT_EQ(t.to.status[1], outcome);
    ASSERT_EQ(t.to.finals[1], 1);
    ASSERT_EQ(t.c.in_flight(), 0u);
    t.read("STORED\r\n");
    ASSERT_EQ(t.to.finals[1], 1) << "nothing is told after the end";
    ASSERT_TRUE(t.c.submit({.key = "k"}, t.to, 9));
  }
}

TEST(hostile, a_key_that_was_not_asked_for) {
  for (const std::string key : {"K", "kk", "", "k2", "p:k2", "p", ":k"}) {
    expect_ends(classic, {.key = "k"}, "VALUE " + key + " 0 1\r\nx\r\nEND\r\n");
    expect_ends(classic, {.op = verb::gat, .key = "k"}, "VALUE " + key + " 0 1\r\nx\r\nEND\r\n");
  }
  for (const std::string key : {"k", "p:", "p:K", "p:kk", "pp:k", "p;k"}) {
    expect_ends(classic, {.prefix = "p:", .key = "k"}, "VALUE " + key + " 0 1\r\nx\r\nEND\r\n");
  }
}

TEST(hostile, a_configuration_is_no_item_and_an_item_no_configuration) {
  expect_ends(classic, {.key = "k"}, "CONFIG k 0 1\r\nx\r\nEND\r\n");
  expect_ends(classic, {.op = verb::gat, .key = "k"}, "CONFIG k 0 1\r\nx\r\nEND\r\n");
  for (const auto& o : {classic, meta}) {
    const request config{.op = verb::config, .key = "cluster"};
    expect_ends(o, config, "VALUE cluster 0 1\r\nx\r\nEND\r\n");
    expect_ends(o, config, "CONFIG another 0 1\r\nx\r\nEND\r\n");
    expect_ends(o, config, "CONFIG cluster 0 1\r\nxx\r\nEND\r\n");
    expect_ends(o, config, "VA 1 f0 O1\r\nx\r\n");
    expect_ends(o, {.op = verb::version}, "CONFIG cluster 0 1\r\nx\r\nEND\r\n");
  }
}

TEST(hostile, queue_servers_may_answer_with_another_key_when_asked_to) {
  connection_options o = classic;
  o.check_keys = false;
  expect(o, [](talk& t) { t.ask({.key = "queue/t=5"}); }, "VALUE queue 0 1\r\nx\r\nEND\r\n",
         {"1: ok =x"});
  // But a run of gets cannot be told apart without their keys.
  talk t(o);
  t.quietly({.key = "a"}).quietly({.key = "b"}).fence();
  t.take();
  t.read("VALUE c 0 1\r\nx\r\nVALUE c 0 1\r\ny\r\nEND\r\n");
  EXPECT_EQ(t.c.failure(), errc::protocol_error);
  EXPECT_NE(t.to.status[1], errc::ok);
}

TEST(hostile, another_opaque) {
  for (const std::string reply :
       {"HD O2\r\n", "HD O0\r\n", "HD O11\r\n", "HD\r\n", "NF O2\r\n", "NS\r\n", "EX O9\r\n"}) {
    expect_ends(meta, {.op = verb::set, .opaque = 2, .key = "k", .value = "v"}, reply);
  }
  for (const std::string reply : {"VA 1 O2\r\nx\r\n", "VA 1\r\nx\r\n", "VA 1 f0 O0\r\nx\r\n",
                                  "EN O2\r\n", "HD\r\n", "MN\r\n", "ME k x\r\n"}) {
    expect_ends(meta, {.key = "k"}, reply);
  }
  for (const std::uint32_t opaque : {0U, 2U, 0x01000000U}) {
    expect_ends(binary, {.key = "k"}, binary_hit(opaque, "x"));
    expect_ends(binary, {.op = verb::set, .key = "k"}, frame{.opcode = 1, .opaque = opaque});
    expect_ends(binary, {.op = verb::set, .key = "k"},
                frame{.opcode = 1, .opaque = opaque, .status = 0x82});
  }
}

// Classic replies are known by their place alone, so each word must be one that its verb has.
TEST(hostile, an_answer_to_another_verb) {
  const std::vector<std::string> words = {
      "STORED",   "NOT_STORED", "EXISTS",    "NOT_FOUND", "DELETED", "TOUCHED", "OK",
      "RESET",    "7",          "END",       "HD",        "EN",      "MN",      "NF",
      "STAT a b", "VERSION 1",  "VA 1\r\nx", "ME k a=b",  "HD O1"};
  struct accepted {
    verb op;
    std::vector<std::string> words;
  };
  for (const accepted& a :
       std::initializer_list<accepted>{{verb::get, {"END"}},
                                       {verb::gat, {"END"}},
                                       {verb::set, {"STORED", "NOT_STORED"}},
                                       {verb::append, {"STORED", "NOT_STORED"}},
                                       {verb::cas, {"STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"}},
                                       {verb::remove, {"DELETED", "NOT_FOUND"}},
                                       {verb::touch, {"TOUCHED", "NOT_FOUND", "NOT_STORED"}},
                                       {verb::incr, {"7", "NOT_FOUND"}},
                                       {verb::flush, {"OK"}},
                                       {verb::verbosity, {"OK"}},
                                       {verb::version, {"VERSION 1"}},
                                       {verb::ping, {"VERSION 1"}},
                                       {verb::config, {"END"}},
                                       {verb::stats, {"END", "STAT a b", "OK", "RESET"}}}) {
    for (const std::string& word : words) {
      talk t(classic);
      t.ask({.op = a.op, .key = a.op == verb::stats ? "" : "k", .cas = a.op == verb::cas});
      t.take();
      t.read(word + "\r\n");
      const bool takes = std::ranges::find(a.words, word) != a.words.end();
      EXPECT_EQ(t.c.failed(), !takes) << protocol::name_of(a.op) << " answered with " << word;
    }
  }
}

TEST(hostile, meta_requests_take_no_classic_answers) {
  for (const std::string word :
       {"STORED", "END", "NOT_FOUND", "DELETED", "OK", "VERSION 1", "7", "VALUE k 0 1\r\nx"}) {
    expect_ends(meta, {.key = "k"}, word + "\r\n");
    expect_ends(meta, {.op = verb::set, .key = "k"}, word + "\r\n");
    expect_ends(meta, {.op = verb::incr, .key = "k"}, word + "\r\n");
    expect_ends(meta, {.op = verb::ping}, word + "\r\n");
    expect_ends(meta, {.op = verb::debug, .key = "k"}, word + "\r\n");
  }
}

TEST(hostile, an_answer_to_the_next_request) {
  talk t(classic);
  t.ask({.op = verb::remove, .key = "a"}).ask({.op = verb::set, .key = "b"});
  t.take();
  t.read("STORED\r\nDELETED\r\n");
  EXPECT_EQ(t.c.failure(), errc::protocol_error);
  EXPECT_EQ(t.to.status[1], errc::protocol_error);
  EXPECT_EQ(t.to.status[2], errc::protocol_error);
  for (const auto& o : {meta, binary}) {
    talk two(o);
    two.ask({.key = "a"}).ask({.key = "b"});
    two.take();
    two.read(o.protocol == protocol_choice::meta ? "VA 1 O2\r\nx\r\nVA 1 O1\r\ny\r\n"
                                                 : binary_hit(2, "x") + binary_hit(1, "y"));
    EXPECT_EQ(two.to.status[1], errc::protocol_error);
    EXPECT_EQ(two.to.status[2], errc::protocol_error);
  }
}

TEST(hostile, the_same_reply_twice) {
  struct twice {
    connection_options o;
    std::string reply;
  };
  for (const twice& w : {twice{classic, "STORED\r\n"}, twice{meta, "HD O1\r\n"},
                         twice{binary, frame{.opcode = 1, .opaque = 1}}}) {
    const request set{.op = verb::set, .key = "k", .value = "v"};
    talk t(w.o);
    t.ask(set);
    t.take();
    t.read(w.reply);
    EXPECT_FALSE(t.c.failed());
    t.read(w.reply);
    EXPECT_EQ(t.c.failure(), errc::protocol_error);
    EXPECT_EQ(t.to.finals[1], 1);
    EXPECT_EQ(t.to.status[1], errc::ok);
  }
  // With another request behind it, where it can be told.
  for (const twice& w : {twice{classic, "VALUE a 0 1\r\nx\r\nEND\r\n"},
                         twice{meta, "VA 1 O1\r\nx\r\n"}, twice{binary, binary_hit(1, "x")}}) {
    talk t(w.o);
    t.ask({.key = "a"}).ask({.key = "b"});
    t.take();
    t.read(w.reply + w.reply);
    EXPECT_EQ(t.to.status[1], errc::ok);
    EXPECT_EQ(t.to.status[2], errc::protocol_error);
  }
}

TEST(hostile, bytes_that_nothing_asked_for) {
  for (const auto& o : {classic, meta, binary}) {
    for (const std::string bytes : {"x", "\r\n", "STORED\r\n", "\x81", "ERROR\r\n"}) {
      talk t(o);
      t.read(bytes);
      EXPECT_EQ(t.c.failure(), errc::protocol_error);
      EXPECT_TRUE(t.c.submit({.key = "k"}, t.to, 1));
    }
  }
}

TEST(hostile, garbage_at_every_byte_of_a_reply) {
  struct spoken {
    connection_options o;
    std::string reply;
  };
  for (const spoken& s :
       {spoken{classic, "VALUE k 0 5\r\nhello\r\nEND\r\n"}, spoken{meta, "VA 5 f0 O1\r\nhello\r\n"},
        spoken{binary, binary_hit(1, "hello")}}) {
    const std::size_t value = s.reply.find("hello");
    for (std::size_t at = 0; at < s.reply.size(); ++at) {
      if (at >= value && at < value + 5) continue;  // nobody can tell
      const bool tells_length = at == 2 || at == 3 || at == 4 || (at >= 8 && at < 12);
      if (s.o.protocol == protocol_choice::binary && tells_length) continue;
      for (int b = 0; b < 256; ++b) {
        std::string bad = s.reply;
        bad[at] = static_cast<char>(b);
        talk t(s.o);
        t.ask({.key = "k"}).ask({.op = verb::remove, .key = "other"});
        t.take();
        t.read(bad);
        // Another length, other flags or a wait for more may come of it, but no other answer.
        if (t.to.finals[1] != 0 && t.to.status[1] == errc::ok) {
          EXPECT_TRUE(t.to.log[0].starts_with("1: ok =hello")) << at << " " << b << t.to.log[0];
        }
        EXPECT_NE(t.to.status[2], errc::miss);
        EXPECT_EQ(t.to.finals[2], t.c.failed() ? 1 : 0);
        t.c.closed();
        EXPECT_EQ(t.to.finals[1], 1);
        EXPECT_EQ(t.to.finals[2], 1);
      }
    }
  }
}

TEST(hostile, a_line_without_an_end_is_bounded) {
  for (const auto& o : {classic, meta}) {
    talk t(o);
    t.ask({.key = "k"});
    t.take();
    std::size_t n = 0;
    while (!t.c.failed() && n < 100'000) {
      t.read("x");
      ++n;
    }
    EXPECT_LE(n, 8192u);
    EXPECT_EQ(t.to.status[1], errc::protocol_error);
  }
  talk t(binary);
  t.ask({.op = verb::version});
  t.take();
  std::string head = frame{.opcode = 0x0b, .opaque = 1};
  head[9] = 1;  // 64 KiB of version
  t.read(head);
  EXPECT_EQ(t.c.failure(), errc::protocol_error);
}

// A value that the server did not take may be run as commands.
TEST(hostile, client_error_to_a_store_ends_the_connection_and_to_a_read_does_not) {
  for (const std::string error : {"CLIENT_ERROR bad data chunk\r\n", "ERROR\r\n"}) {
    const errc own = error[0] == 'C' ? errc::client_error : errc::not_supported;
    for (const auto& o : {classic, meta}) {
      for (const verb op : {verb::set, verb::add, verb::replace, verb::append, verb::prepend}) {
        talk t(o);
        t.ask({.op = op, .key = "k", .value = "delete other\r\n"});
        t.ask({.op = verb::remove, .key = "other"});
        t.take();
        t.read(error + "DELETED\r\n");
        EXPECT_EQ(t.to.status[1], own);
        EXPECT_EQ(t.to.status[2], errc::connection_closed);
        EXPECT_EQ(t.c.failure(), errc::connection_closed);
      }
      talk read(o);
      read.ask({.key = "k"});
      read.take();
      read.read("CLIENT_ERROR line too long\r\n");
      read.answer_fence();
      EXPECT_EQ(read.to.status[1], errc::client_error);
      EXPECT_FALSE(read.c.failed());
    }
  }
  for (const std::string error :
       {"SERVER_ERROR out of memory storing object\r\n", "SERVER_ERROR busy\r\n",
        "SERVER_ERROR object too large for cache\r\n"}) {
    for (const auto& o : {classic, meta}) {
      talk t(o);
      for (int i = 0; i < 100; ++i) {
        t.ask({.op = verb::set, .key = "k", .value = "v"});
        t.take();
        t.read(error);
      }
      EXPECT_FALSE(t.c.failed());
      EXPECT_EQ(t.c.in_flight(), 0u);
    }
  }
}

}  // namespace
}  // namespace memcxx::script
