// The first exchange: what a connection asks, what it makes of the answer, and how it ends.
// Never here: a socket.
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

connection_options asking(protocol_choice p = protocol_choice::automatic) {
  connection_options o;
  o.protocol = p;
  return o;
}

struct answer {
  std::string bytes;
  protocol_choice speaks;
};

void expect_speaks(const connection_options& o, const answer& a) {
  for (std::size_t cut = 0; cut <= a.bytes.size(); ++cut) {
    SCOPED_TRACE(a.bytes + " split at " + std::to_string(cut));
    talk t(o);
    ASSERT_FALSE(t.c.ready());
    ASSERT_EQ(t.c.speaks(), protocol_choice::automatic);
    ASSERT_EQ(t.take(), "mn\r\n");
    ASSERT_EQ(t.c.in_flight(), 1u);
    t.read(std::string_view(a.bytes).substr(0, cut));
    ASSERT_EQ(t.c.ready(), cut == a.bytes.size());
    t.read(std::string_view(a.bytes).substr(cut));
    ASSERT_TRUE(t.c.ready()) << t.c.failure_text();
    ASSERT_EQ(t.c.speaks(), a.speaks);
    ASSERT_EQ(t.c.in_flight(), 0u);
    ASSERT_FALSE(t.c.retry_as_classic());
  }
}

TEST(handshake, finds_out_what_the_server_speaks) {
  for (const answer& a : std::initializer_list<answer>{
           {"MN\r\n", protocol_choice::meta},
           {"ERROR\r\n", protocol_choice::classic},
           {"ERROR unknown command\r\n", protocol_choice::classic},
           {"CLIENT_ERROR bad command line format\r\n", protocol_choice::classic},
           {"SERVER_ERROR Command not supported\r\n", protocol_choice::classic},
           {"EN\r\n", protocol_choice::classic}}) {
    expect_speaks(asking(), a);
  }
  expect_speaks(asking(protocol_choice::meta), {"MN\r\n", protocol_choice::meta});
}

TEST(handshake, is_left_out_where_there_is_nothing_to_ask) {
  for (const auto p : {protocol_choice::classic, protocol_choice::binary}) {
    talk t(asking(p));
    EXPECT_TRUE(t.c.ready());
    EXPECT_EQ(t.c.speaks(), p);
    EXPECT_FALSE(t.c.has_output());
  }
  for (const auto known : {protocol_choice::classic, protocol_choice::meta}) {
    connection_options o;
    o.known = known;
    talk t(o);
    EXPECT_TRUE(t.c.ready());
    EXPECT_EQ(t.c.speaks(), known);
    EXPECT_FALSE(t.c.has_output());
  }
}

TEST(handshake, meta_asks_although_the_server_was_known_as_classic) {
  connection_options o = asking(protocol_choice::meta);
  o.known = protocol_choice::classic;
  talk t(o);
  EXPECT_EQ(t.take(), "mn\r\n");
}

// The value of an ms would be run as commands by a server that does not know ms.
TEST(handshake, a_server_without_meta_is_not_supported_and_sees_nothing_of_a_store) {
  for (const std::string& bytes : std::initializer_list<std::string>{
           "ERROR\r\n", "CLIENT_ERROR bad command line format\r\n", "EN\r\n"}) {
    talk t(asking(protocol_choice::meta));
    const request store{.op = verb::set, .key = "k", .value = "flush_all\r\n"};
    EXPECT_TRUE(t.c.submit(store, t.to, 1)) << "before the answer";
    EXPECT_EQ(t.take(), "mn\r\n");
    t.read(bytes);
    EXPECT_EQ(t.c.failure(), errc::not_supported) << bytes;
    EXPECT_FALSE(t.c.ready());
    EXPECT_FALSE(t.c.retry_as_classic());
    EXPECT_TRUE(t.c.submit(store, t.to, 2));
    EXPECT_FALSE(t.c.has_output());
    EXPECT_TRUE(t.to.log.empty());
  }
}

TEST(handshake, a_close_at_every_byte_asks_for_another_try_as_classic) {
  const std::string answer = "MN\r\n";
  for (std::size_t n = 0; n < answer.size(); ++n) {
    for (const bool reset : {false, true}) {
      talk t(asking());
      t.take();
      t.read(answer.substr(0, n));
      if (reset) {
        t.c.fail(errc::connection_closed, "read: Connection reset by peer");
      } else {
        t.c.closed();
      }
      EXPECT_TRUE(t.c.failed());
      EXPECT_TRUE(t.c.retry_as_classic()) << n;
      EXPECT_EQ(t.c.failure(), errc::connection_closed);
      EXPECT_EQ(t.c.in_flight(), 0u);
    }
  }
}

TEST(handshake, a_close_means_nothing_more_to_those_who_want_meta_or_have_waited_too_long) {
  talk meta(asking(protocol_choice::meta));
  meta.take();
  meta.c.closed();
  EXPECT_TRUE(meta.c.failed());
  EXPECT_FALSE(meta.c.retry_as_classic());

  talk late(asking());
  late.take();
  late.c.fail(errc::timeout, "no answer");
  late.c.closed();
  EXPECT_EQ(late.c.failure(), errc::timeout);
  EXPECT_FALSE(late.c.retry_as_classic());

  talk after(asking());
  after.take();
  after.read("MN\r\n");
  after.c.closed();
  EXPECT_FALSE(after.c.retry_as_classic());
}

TEST(handshake, an_answer_to_something_else_is_refused) {
  for (const std::string& bytes : std::initializer_list<std::string>{
           "STORED\r\n"s, "VALUE k 0 1\r\nx\r\nEND\r\n"s, "VA 1\r\nx\r\n"s, "END\r\n"s, "7\r\n"s,
           "VERSION 1.6\r\n"s, "HD\r\n"s, "NS\r\n"s, "HTTP/1.1 400 Bad Request\r\n"s,
           "\x81\x0a\r\n"s, "-ERR unknown command 'mn'\r\n"s, std::string(9000, 'x')}) {
    for (const bool bytewise : {false, true}) {
      talk t(asking());
      t.take();
      if (bytewise) {
        t.read_bytewise(bytes);
      } else {
        t.read(bytes);
      }
      EXPECT_EQ(t.c.failure(), errc::protocol_error) << bytes.substr(0, 40);
      EXPECT_TRUE(t.c.retry_as_classic()) << bytes.substr(0, 40);
      EXPECT_EQ(t.c.in_flight(), 0u);
    }
  }
}

// That says nothing of what it speaks.
TEST(handshake, a_server_in_trouble_is_not_taken_for_a_classic_one) {
  for (const auto p : {protocol_choice::automatic, protocol_choice::meta}) {
    talk t(asking(p));
    t.take();
    t.read("ERROR Too many open connections\r\n");
    EXPECT_EQ(t.c.failure(), errc::server_error);
    EXPECT_EQ(t.c.speaks(), protocol_choice::automatic);
    EXPECT_FALSE(t.c.retry_as_classic());
  }
}

TEST(handshake, bytes_behind_the_answer_end_the_connection) {
  talk t(asking());
  t.take();
  t.read("MN\r\nMN\r\n");
  EXPECT_EQ(t.c.failure(), errc::protocol_error);
  EXPECT_FALSE(t.c.ready());
}

TEST(handshake, is_written_in_any_pieces) {
  talk t(asking());
  EXPECT_EQ(t.take(1), "mn\r\n");
  t.read("MN\r\n");
  EXPECT_TRUE(t.c.ready());
}

}  // namespace
}  // namespace memcxx::script
