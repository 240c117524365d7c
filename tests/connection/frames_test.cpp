// A value of a classic get counts once what follows it shows that it ended there: END, another of
// the line's items, or an error. Whatever the lengths say, nobody is given bytes that are not the
// value.
// Never here: whose an error is (line_errors_test.cpp); meta and binary, whose values carry their
// opaque.
#include "connection/runs.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);

std::string item(std::string_view key, std::string_view value) {
  return "VALUE " + std::string(key) + " 0 " + std::to_string(value.size()) + "\r\n" +
         std::string(value) + "\r\n";
}

constexpr auto no_end = "protocol_error 'what follows a value shows that it did not end there'"sv;

// How a reply is read: in one piece, in two, byte by byte, or in pieces of a size.
struct pieces {
  std::size_t first = SIZE_MAX;
  std::size_t then = SIZE_MAX;
};
void read_in(talk& t, std::string_view reply, pieces p) {
  t.read(reply.substr(0, p.first));
  for (std::size_t at = std::min(p.first, reply.size()); at < reply.size(); at += p.then) {
    t.read(reply.substr(at, p.then));
    if (p.then == SIZE_MAX) break;
  }
}

// A small value is told at the first byte from which its end is certain.
TEST(frames, are_proven_by_what_follows) {
  struct proof {
    std::string follows;
    std::size_t enough;  // so many bytes of it
  };
  for (const proof& p : std::initializer_list<proof>{{"END\r\n", 5},
                                                     {"VALUE b 0 1\r\n", 13},
                                                     {"VALUE b 7 1 99\r\n", 16},
                                                     {"SERVER_ERROR gone\r\n", 19},
                                                     {"CLIENT_ERROR what\r\n", 19}}) {
    const std::string reply = item("a", "x") + p.follows;
    for (std::size_t n = 0; n <= reply.size(); ++n) {
      for (const bool gives_memory : {false, true}) {
        for (const bool bytewise : {false, true}) {
          talk t(classic, gives_memory);
          quiet_gets({"a", "b"})(t);
          t.take();
          if (bytewise) {
            t.read_bytewise(reply.substr(0, n));
          } else {
            t.read(reply.substr(0, n));
          }
          ASSERT_FALSE(t.c.failed()) << t.c.failure_text();
          const bool is_told = n >= reply.size() - p.follows.size() + p.enough;
          ASSERT_EQ(t.to.log.size() > 0, is_told) << n << " of " << reply;
          if (is_told) {
            ASSERT_EQ(t.to.log[0], "1: ok =x");
          }
        }
      }
    }
  }
}

TEST(frames, are_broken_by_everything_else) {
  for (const std::string follows : {"STORED\r\n",
                                    "VALUE c 0 1\r\nx\r\nEND\r\n",
                                    "VALUE a 0 1\r\nx\r\nEND\r\n",
                                    "\r\nEND\r\n",
                                    "xEND\r\n",
                                    "ENDED\r\n",
                                    "END\n",
                                    "VALUE\r\n",
                                    "VALUE b x 1\r\n",
                                    "VALUE b 0 1 \r\n",
                                    "VALUES b 0 1\r\n",
                                    "SERVER_ERRORS\r\n",
                                    "ERRORS\r\n",
                                    "STAT a 1\r\n",
                                    "MN\r\n",
                                    "VA 1 f0 O1\r\nx\r\n",
                                    "HD\r\n",
                                    "CONFIG b 0 1\r\nx\r\nEND\r\n",
                                    "7\r\n",
                                    "OK\r\n"}) {
    const lines told = {"1: " + std::string(no_end), "2: " + std::string(no_end)};
    expect(classic, quiet_gets({"a", "b"}), item("a", "x") + follows, told,
           ended(errc::protocol_error));
  }
}

// "VALUE a …" for a length that lies by any number of bytes: not one byte of what is no value.
TEST(frames, a_length_that_lies_is_never_a_hit) {
  const std::string value = "hello, world";
  const std::string behind = "\r\nEND\r\n";
  for (int off = -12; off <= 40; ++off) {
    if (off == 0) continue;
    const std::size_t size = value.size() + static_cast<std::size_t>(off);
    const std::string lies = "VALUE a 0 " + std::to_string(size) + "\r\n" + value + behind;
    for (std::size_t cut = 0; cut <= lies.size(); ++cut) {
      for (const bool gives_memory : {false, true}) {
        SCOPED_TRACE(lies + " split at " + std::to_string(cut));
        talk t(classic, gives_memory);
        t.ask(get("a")).ask(set("b"));
        t.take();
        read_in(t, lies, {.first = cut});
        ASSERT_NE(t.to.status[1], errc::miss);
        ASSERT_EQ(t.to.finals[1], t.c.failed() ? 1 : 0) << "it fails, or waits for more";
        t.read("STORED\r\n");  // more
        ASSERT_TRUE(t.to.finals[1] == 0 || t.c.failed());
        ASSERT_TRUE(t.to.finals[2] == 0 || t.c.failed());
        t.c.closed();
        ASSERT_GE(t.to.status[1], errc::connection_closed);
        ASSERT_GE(t.to.status[2], errc::connection_closed);
      }
    }
  }
}

// In a line: what follows shows it before the next key is believed.
TEST(frames, a_length_that_lies_among_others) {
  for (const int off : {-5, -2, -1, 1, 2, 3, 5, 14, 17, 18}) {
    for (std::size_t which = 0; which < 3; ++which) {
      const std::vector<std::string> keys = {"a", "b", "c"};
      std::string reply;
      for (std::size_t i = 0; i < 3; ++i) {
        const int size = 5 + (i == which ? off : 0);
        reply += "VALUE " + keys[i] + " 0 " + std::to_string(size) + "\r\nhell" +
                 std::to_string(i) + "\r\n";
      }
      reply += "END\r\n";
      for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
        talk t(classic);
        quiet_gets(keys)(t);
        t.take();
        read_in(t, reply, {.first = cut});
        t.c.closed();
        for (std::size_t i = 0; i < 3; ++i) {
          const auto tag = static_cast<std::uint32_t>(i + 1);
          ASSERT_NE(t.to.status[tag], errc::miss);
          if (i >= which) {
            ASSERT_NE(t.to.status[tag], errc::ok) << reply << " split at " << cut;
          }
        }
        for (const std::string& line : t.to.log) {
          ASSERT_TRUE(line.find("ok") == std::string::npos || line.ends_with("=hell0") ||
                      line.ends_with("=hell1"))
              << line;
        }
      }
    }
  }
}

// What follows does not fit into the receive buffer (16 KiB) beside the value, or just does.
TEST(frames, of_values_around_the_size_of_the_receive_buffer) {
  constexpr std::size_t buffer = 16 * 1024;
  std::vector<std::size_t> sizes = {buffer / 2 - 40, buffer / 2, buffer / 2 + 40, 3 * buffer};
  for (std::size_t size = buffer - 40; size <= buffer + 4; ++size) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    const std::string large(size, 'L');
    for (const bool gives_memory : {false, true}) {
      for (const pieces p : {pieces{}, pieces{.first = size}, pieces{.first = size + 13},
                             pieces{.first = size + 17}, pieces{.first = 1, .then = 4096}}) {
        SCOPED_TRACE(std::to_string(size) + " in pieces of " + std::to_string(p.first));
        talk t(classic, gives_memory);
        quiet_gets({"a", "b", "c"})(t);
        t.take();
        read_in(t, item("a", large) + item("c", large) + "END\r\n", p);
        ASSERT_EQ(t.to.log, (lines{"1: ok =" + large, "3: ok =" + large, "2: miss"}));
        ASSERT_EQ(t.c.in_flight(), 0u);
        // Nothing of it where the next line is none of its line's.
        for (const std::string behind : {"STORED\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"}) {
          talk bad(classic, gives_memory);
          quiet_gets({"a", "b", "c"})(bad);
          bad.take();
          read_in(bad, item("a", large) + behind, p);
          ASSERT_EQ(bad.c.failure(), errc::protocol_error);
          for (const std::uint32_t tag : {1U, 2U, 3U}) {
            ASSERT_EQ(bad.to.status[tag], errc::protocol_error);
            ASSERT_EQ(bad.to.finals[tag], 1);
          }
        }
        // Nor where nothing follows at all.
        talk alone(classic, gives_memory);
        quiet_gets({"a"})(alone);
        alone.take();
        read_in(alone, item("a", large), p);
        ASSERT_TRUE(alone.to.log.empty());
        ASSERT_FALSE(alone.c.failed());
        alone.c.closed();
        ASSERT_EQ(alone.to.status[1], errc::connection_closed);
      }
    }
  }
}

// Each place is asked for once, however often the value is looked at before its proof is here.
TEST(frames, memory_is_asked_for_once) {
  for (const std::size_t size : {1UL, 100UL, 9000UL, 20'000UL}) {
    const std::string value(size, 'v');
    talk t(classic, true);
    quiet_gets({"a", "b"})(t);
    t.take();
    t.read_bytewise(item("a", value) + item("b", value) + "END\r\n");
    EXPECT_EQ(t.to.log, (lines{"1: ok =" + value, "2: ok =" + value}));
    EXPECT_LE(t.to.offered, 2);
  }
}

TEST(frames, the_same_value_twice_is_never_a_hit) {
  const lines all = {"1: " + std::string(no_end), "2: " + std::string(no_end),
                     "3: " + std::string(no_end)};
  expect(classic, quiet_gets({"a", "b", "c"}), item("b", "1") + item("b", "1") + "END\r\n", all,
         ended(errc::protocol_error));
  expect(classic, quiet_gets({"a", "b", "c"}), item("a", "1") + item("a", "2") + "END\r\n", all,
         ended(errc::protocol_error));
  // With another in between, that one has proven the first.
  expect(classic, quiet_gets({"a", "b", "c"}),
         item("a", "1") + item("b", "1") + item("a", "2") + "END\r\n", {"1: ok =1", all[1], all[2]},
         ended(errc::protocol_error));
  // One key alone.
  expect(
      classic, [](talk& t) { t.ask(get("a")); }, item("a", "1") + item("a", "2") + "END\r\n",
      {all[0]}, ended(errc::protocol_error));
}

TEST(frames, a_value_that_was_not_asked_for_is_never_a_hit) {
  const std::string not_asked =
      "protocol_error 'the server answered with a key or opaque that was not asked for'";
  expect(classic, quiet_gets({"a", "b"}), item("c", "1") + "END\r\n",
         {"1: " + not_asked, "2: " + not_asked}, ended(errc::protocol_error));
  expect(classic, quiet_gets({"a", "b"}), item("a", "1") + item("c", "1") + "END\r\n",
         {"1: " + std::string(no_end), "2: " + std::string(no_end)}, ended(errc::protocol_error));
  // Of the next line.
  expect(
      classic, [](talk& t) { t.ask(get("a")).ask(get("b")); },
      item("a", "1") + item("b", "2") + "END\r\nEND\r\n",
      {"1: " + std::string(no_end), "2: " + std::string(no_end)}, ended(errc::protocol_error));
}

// Its key may be any other, but not that of two.
TEST(frames, of_a_queue_s_item) {
  connection_options o = classic;
  o.check_keys = false;
  expect(o, [](talk& t) { t.ask(get("queue/t=5")); }, item("queue", "x") + "END\r\n", {"1: ok =x"});
  expect(
      o, [](talk& t) { t.ask(get("queue/t=5")); },
      item("queue", "x") + item("queue", "y") + "END\r\n", {"1: " + std::string(no_end)},
      ended(errc::protocol_error));
  expect(
      o, [](talk& t) { t.ask(get("queue/t=5")).ask(set("k")); }, item("queue", "x") + "STORED\r\n",
      {"1: " + std::string(no_end), "2: " + std::string(no_end)}, ended(errc::protocol_error));
}

TEST(frames, of_what_nobody_waits_for_are_proven_as_well) {
  for (const std::size_t size : {5UL, 20'000UL}) {
    const std::string value(size, 'v');
    for (std::size_t n : {std::size_t{0}, std::size_t{10}, size + 14, size + 20}) {
      const std::string reply = item("a", value) + "STORED\r\n";
      n = std::min(n, reply.size() - 9);
      talk t(classic);
      quiet_gets({"a", "b"})(t);
      t.take();
      t.read(reply.substr(0, n));
      t.c.abandon(t.to);
      t.read(reply.substr(n));
      EXPECT_EQ(t.c.failure(), errc::protocol_error) << size << " " << n;
    }
  }
}

// An end of the connection is no end of a value.
TEST(frames, a_close_proves_nothing) {
  const std::string reply = item("a", "x") + item("b", "y") + "END\r\n";
  for (std::size_t n = 0; n < reply.size(); ++n) {
    talk t(classic);
    quiet_gets({"a", "b"})(t);
    t.take();
    t.read(reply.substr(0, n));
    t.c.closed();
    const bool first = n >= item("a", "x").size() + item("b", "").size() - 2;
    EXPECT_EQ(t.to.status[1], first ? errc::ok : errc::connection_closed) << n;
    EXPECT_EQ(t.to.status[2], errc::connection_closed) << n;
  }
}

}  // namespace
}  // namespace memcxx::script
