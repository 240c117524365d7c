// The first exchange: what a connection asks, what it makes of the answer, and how it ends.
// Never here: a socket, what several connections learn together (negotiation_test.cpp).
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

// A store that stores nothing, whose value is a command, that command, and one that ends it: all in
// one write.
const std::string question = "ms memcxx:is-this-read-as-a-store 2 MR\r\nmn\r\nmn\r\nversion\r\n";
const std::string meta_answer = "NS\r\nMN\r\nVERSION 1.6.18\r\n";
const std::string classic_answer = "ERROR\r\nERROR\r\nERROR\r\nVERSION 1.4.33\r\n";

connection_options asking(protocol_choice p = protocol_choice::automatic) {
  connection_options o;
  o.protocol = p;
  return o;
}

// Split at every byte, and byte by byte: nothing is known before the last of them.
void expect_speaks(const connection_options& o, const std::string& answer, protocol_choice speaks) {
  for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
    SCOPED_TRACE(answer + " split at " + std::to_string(cut));
    talk t(o);
    ASSERT_FALSE(t.c.ready());
    ASSERT_EQ(t.c.speaks(), protocol_choice::automatic);
    ASSERT_EQ(t.c.output().size(), 1u) << "one write";
    ASSERT_EQ(t.take(), question);
    ASSERT_EQ(t.c.in_flight(), 1u);
    t.read(std::string_view(answer).substr(0, cut));
    ASSERT_EQ(t.c.ready(), cut == answer.size());
    ASSERT_FALSE(t.c.failed()) << t.c.failure_text();
    if (cut != answer.size()) {
      ASSERT_TRUE(t.c.submit({.key = "k"}, t.to, 1)) << "before the answer";
    }
    t.read_bytewise(std::string_view(answer).substr(cut));
    ASSERT_TRUE(t.c.ready()) << t.c.failure_text();
    ASSERT_EQ(t.c.speaks(), speaks);
    ASSERT_EQ(t.c.in_flight(), 0u);
    ASSERT_FALSE(t.c.has_output()) << "nothing more is asked";
    ASSERT_FALSE(t.c.retry_as_classic());
    ASSERT_TRUE(t.to.log.empty());
  }
}

TEST(handshake, a_server_that_reads_the_store_speaks_meta) {
  for (const auto p : {protocol_choice::automatic, protocol_choice::meta}) {
    for (const std::string store :
         {"NS", "HD", "EX", "NF", "NS b", "SERVER_ERROR out of memory storing object",
          "SERVER_ERROR backend failure"}) {
      for (const std::string end : {"VERSION 1.6.18", "ERROR", "CLIENT_ERROR what", "SERVER_ERROR",
                                    "ERROR: unknown command"}) {
        expect_speaks(asking(p), store + "\r\nMN\r\n" + end + "\r\n", protocol_choice::meta);
      }
    }
  }
}

// What each of them was seen to say; a proxy may say that in other words.
TEST(handshake, a_server_that_does_not_read_the_store_speaks_classic) {
  for (const std::string& answer : std::initializer_list<std::string>{
           // memcached 1.6.0 to 1.6.9: the value is run
           "CLIENT_ERROR bad data chunk\r\nMN\r\nMN\r\nVERSION 1.6.9\r\n",
           "CLIENT_ERROR bad command line format\r\nMN\r\nMN\r\nVERSION 1.6.0\r\n",
           "CLIENT_ERROR bad data chunk\r\nEN\r\nEN\r\nVERSION 1.5.22\r\n", classic_answer,
           "ERROR\r\nMN\r\nVERSION 1.6.0\r\n",  // Infinispan
           "ERROR\r\nMN\r\nMN\r\nVERSION 1.6.0\r\n", "ERROR\r\nERROR\r\nERROR\r\nERROR\r\n",
           "CLIENT_ERROR what\r\nCLIENT_ERROR what\r\nCLIENT_ERROR what\r\nVERSION 1\r\n",
           "SERVER_ERROR no\r\nSERVER_ERROR no\r\nSERVER_ERROR no\r\nSERVER_ERROR no\r\n",
           "ERROR: unknown\r\nERROR: unknown\r\nERROR: unknown\r\nVERSION 1\r\n", "VERSION 1\r\n",
           "EN\r\nEN\r\nEN\r\nVERSION 1\r\n", "MN\r\nMN\r\nMN\r\nVERSION 1\r\n",
           // The store is answered as one, and its value is run all the same.
           "NS\r\nMN\r\nMN\r\nVERSION 1\r\n",
           "SERVER_ERROR backend failure\r\nMN\r\nMN\r\nVERSION 1\r\n",
           "HD\r\nMN\r\nMN\r\nERROR\r\n",
           // It reads the store, and knows nothing of the rest.
           "NS\r\nERROR\r\nVERSION 1\r\n", "NS\r\nERROR\r\nMN\r\nVERSION 1\r\n",
           "NS\r\nMN\r\nEN\r\nVERSION 1\r\n", "NS\r\nEN\r\nVERSION 1\r\n", "NS\r\nVERSION 1\r\n"}) {
    expect_speaks(asking(), answer, protocol_choice::classic);
  }
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
  for (const bool prove : {false, true}) {
    connection_options o = asking(protocol_choice::meta);
    o.known = protocol_choice::classic;
    o.prove_known = prove;
    talk t(o);
    EXPECT_EQ(t.take(), question);
  }
}

// The value of an ms would be run as commands by a server that does not read it as one.
TEST(handshake, a_server_without_meta_is_not_supported_and_sees_nothing_of_a_store) {
  for (const std::string& answer : std::initializer_list<std::string>{
           classic_answer, "CLIENT_ERROR bad data chunk\r\nMN\r\nMN\r\nVERSION 1.6.9\r\n",
           "CLIENT_ERROR bad data chunk\r\nEN\r\nEN\r\nVERSION 1.5.22\r\n",
           "ERROR\r\nMN\r\nVERSION 1.6.0\r\n", "NS\r\nMN\r\nMN\r\nVERSION 1\r\n"}) {
    for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
      talk t(asking(protocol_choice::meta));
      const request store{.op = verb::set, .key = "k", .value = "flush_all\r\n"};
      EXPECT_TRUE(t.c.submit(store, t.to, 1)) << "before the answer";
      EXPECT_EQ(t.take(), question);
      t.read(answer.substr(0, cut));
      EXPECT_TRUE(t.c.submit(store, t.to, 1)) << "in the middle of it";
      EXPECT_EQ(t.c.failed(), cut == answer.size());
      t.read(answer.substr(cut));
      EXPECT_EQ(t.c.failure(), errc::not_supported) << answer;
      EXPECT_FALSE(t.c.ready());
      EXPECT_FALSE(t.c.retry_as_classic());
      EXPECT_TRUE(t.c.submit(store, t.to, 2));
      EXPECT_FALSE(t.c.has_output());
      EXPECT_TRUE(t.to.log.empty());
      EXPECT_EQ(t.c.says(), verdict::answered);
    }
  }
  talk t(asking(protocol_choice::meta));
  t.take();
  t.read("CLIENT_ERROR bad data chunk\r\nMN\r\nMN\r\nVERSION 1.6.9\r\n");
  EXPECT_TRUE(t.c.failure_text().ends_with(": bad data chunk")) << t.c.failure_text();
}

TEST(handshake, a_close_at_every_byte_asks_for_another_try_as_classic) {
  for (const std::string& answer : std::initializer_list<std::string>{
           meta_answer, classic_answer, "CLIENT_ERROR bad data chunk\r\nMN\r\nMN\r\nVERSION 1\r\n",
           "CLIENT_ERROR malformed request\r\n"}) {  // mcrouter closes behind that
    const bool is_whole = answer.find("VERSION") != std::string::npos;
    for (std::size_t n = 0; n < answer.size() + (is_whole ? 0 : 1); ++n) {
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

  for (const std::string& answer : {meta_answer, classic_answer}) {
    talk after(asking());
    after.take();
    after.read(answer);
    after.c.closed();
    EXPECT_FALSE(after.c.retry_as_classic());
  }
}

TEST(handshake, an_answer_to_something_else_is_refused) {
  for (const std::string& bytes : std::initializer_list<std::string>{
           "STORED\r\n"s, "VALUE k 0 1\r\nx\r\nEND\r\n"s, "VA 1\r\nx\r\n"s, "END\r\n"s, "7\r\n"s,
           "OK\r\n"s, "ME k x\r\n"s, "HTTP/1.1 400 Bad Request\r\n"s, "\x81\x0a\r\n"s,
           "-ERR unknown command 'ms'\r\n"s, std::string(9000, 'x')}) {
    // At first, and behind what may come.
    for (const std::string before : {"", "NS\r\n", "NS\r\nMN\r\n", "CLIENT_ERROR x\r\nMN\r\n"}) {
      for (const bool bytewise : {false, true}) {
        talk t(asking());
        t.take();
        if (bytewise) {
          t.read_bytewise(before + bytes);
        } else {
          t.read(before + bytes);
        }
        EXPECT_EQ(t.c.failure(), errc::protocol_error) << before << bytes.substr(0, 40);
        EXPECT_TRUE(t.c.retry_as_classic()) << before << bytes.substr(0, 40);
        EXPECT_EQ(t.c.in_flight(), 0u);
      }
    }
  }
  for (const std::string behind : {"HD\r\n", "NS\r\n", "EX\r\n", "NF\r\n"}) {
    talk t(asking());
    t.take();
    t.read("MN\r\n" + behind);
    EXPECT_EQ(t.c.failure(), errc::protocol_error) << "only the first is the store's";
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
    EXPECT_EQ(t.c.says(), verdict::failed);
  }
}

TEST(handshake, bytes_behind_the_answer_end_the_connection) {
  for (const std::string& answer :
       {meta_answer, classic_answer, "ERROR\r\nERROR\r\nERROR\r\nERROR\r\n"s}) {
    for (const std::string behind : {"MN\r\n", "VERSION 1\r\n", "E"}) {
      talk t(asking());
      t.take();
      t.read(answer + behind);
      EXPECT_EQ(t.c.failure(), errc::protocol_error) << answer << behind;
      EXPECT_FALSE(t.c.ready());
      EXPECT_FALSE(t.c.retry_as_classic()) << "it has answered";
    }
  }
}

TEST(handshake, is_written_in_any_pieces) {
  talk t(asking());
  EXPECT_EQ(t.take(1), question);
  t.read(meta_answer);
  EXPECT_TRUE(t.c.ready());
}

// These two refuse a longer line when it comes in more than one packet.
TEST(handshake, lines_are_short_for_the_versions_that_want_them_short) {
  for (const std::string version : {"1.6.10", "1.6.11", "1.6.12", "1.6.13", "1.6.110"}) {
    talk t(asking());
    t.take();
    t.read("NS\r\nMN\r\nVERSION " + version + "\r\n");
    ASSERT_EQ(t.c.speaks(), protocol_choice::meta);
    const std::string key(200, 'k');
    for (int i = 0; i < 40; ++i) t.quietly({.key = key});
    t.fence();
    const std::string out = t.take();
    std::size_t longest = 0;
    for (std::size_t at = 0, end = 0; (end = out.find('\n', at)) != std::string::npos;
         at = end + 1) {
      longest = std::max(longest, end + 1 - at);
    }
    if (version == "1.6.11" || version == "1.6.12") {
      EXPECT_LE(longest, 1024u);
      EXPECT_GT(longest, 1024u - 201);
    } else {
      EXPECT_GT(longest, 7000u);
    }
  }
}

// --- known as classic, and to be seen to be so

connection_options proving() {
  connection_options o;
  o.known = protocol_choice::classic;
  o.prove_known = true;
  return o;
}

const std::string probe = "get memcxx:is-this-read-as-a-store\r\n";

void expect_proof(const std::string& answer) {
  for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
    SCOPED_TRACE(answer + " split at " + std::to_string(cut));
    talk t(proving());
    ASSERT_FALSE(t.c.ready());
    ASSERT_EQ(t.take(), probe);
    t.read(answer.substr(0, cut));
    ASSERT_EQ(t.c.ready(), cut == answer.size());
    if (cut != answer.size()) {
      ASSERT_TRUE(t.c.submit({.key = "k"}, t.to, 1)) << "before the answer";
    }
    t.read(answer.substr(cut));
    ASSERT_FALSE(t.c.has_output());
    ASSERT_TRUE(t.c.ready()) << t.c.failure_text();
    ASSERT_EQ(t.c.speaks(), protocol_choice::classic);
    ASSERT_EQ(t.c.in_flight(), 0u);
    ASSERT_FALSE(t.c.retry_as_classic());
  }
}

TEST(handshake, what_is_known_as_classic_is_proven_by_a_get) {
  expect_proof("END\r\n");
  expect_proof("VALUE memcxx:is-this-read-as-a-store 0 1\r\nx\r\nEND\r\n");
}

// A proxy whose server is gone answers so; and memcached an error alone.
TEST(handshake, an_error_proves_it_as_well) {
  for (const std::string error : {"SERVER_ERROR backend failure\r\n", "CLIENT_ERROR what\r\n"}) {
    for (const bool at_once : {false, true}) {
      talk t(proving());
      t.take();
      t.read(error + (at_once ? "END\r\n" : ""));
      if (!at_once) {
        EXPECT_FALSE(t.c.ready());
        EXPECT_EQ(t.take(), "version\r\n");
        t.read("END\r\n");
        EXPECT_FALSE(t.c.ready()) << "the fence is not answered";
        t.read("VERSION 1\r\n");
      }
      EXPECT_TRUE(t.c.ready()) << t.c.failure_text();
      EXPECT_EQ(t.c.speaks(), protocol_choice::classic);
    }
    // In place of END; the fence is answered with what the server has, or with one more error.
    for (const std::string fence : {"VERSION 1\r\n", "SERVER_ERROR backend failure\r\n"}) {
      talk t(proving());
      t.take();
      t.read(error);
      EXPECT_EQ(t.take(), "version\r\n");
      t.read(fence);
      EXPECT_TRUE(t.c.ready()) << t.c.failure_text();
      EXPECT_EQ(t.c.in_flight(), 0u);
    }
  }
}

TEST(handshake, what_proves_nothing) {
  for (const std::string& answer : std::initializer_list<std::string>{
           "STORED\r\n"s, "VALUE other 0 1\r\nx\r\nEND\r\n"s, "VERSION 1\r\n"s, "\x81\x0a\r\n"s,
           "END\r\nEND\r\n"s, "NS\r\n"s, "END\r\nx"s}) {
    talk t(proving());
    t.take();
    t.read(answer);
    EXPECT_EQ(t.c.failure(), errc::protocol_error) << answer;
    EXPECT_FALSE(t.c.ready());
    EXPECT_FALSE(t.c.retry_as_classic());
    EXPECT_EQ(t.c.says(), verdict::failed);
  }
  // It knows no get at all.
  talk t(proving());
  t.take();
  t.read("ERROR\r\n");
  EXPECT_EQ(t.c.failure(), errc::connection_closed);
  EXPECT_FALSE(t.c.retry_as_classic());

  for (std::size_t n = 0; n < 5; ++n) {
    talk closes(proving());
    closes.take();
    closes.read("END\r\n"s.substr(0, n));
    closes.c.closed();
    EXPECT_EQ(closes.c.failure(), errc::connection_closed);
    EXPECT_FALSE(closes.c.retry_as_classic());
    EXPECT_EQ(closes.c.says(), verdict::failed);
  }
}

}  // namespace
}  // namespace memcxx::script
