// Bytes on their way out: any partial write, and limits.
// Never here: replies, but for what ends a request; what memory costs (memory_test.cpp).
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);

TEST(sending, in_any_pieces) {
  for (const auto& o : {classic, meta, binary}) {
    connection_options small = o;
    small.copy_below = 8;
    const std::string large(1000, 'L');
    const script asks = [&](talk& t) {
      t.ask({.op = verb::set, .key = "a", .value = large});
      t.quietly({.key = "b"}).quietly({.key = "c"}).fence();
      t.ask({.op = verb::set, .key = "d", .value = "short"});
      t.ask({.op = verb::append, .key = "e", .value = large});
      t.ask({.op = verb::set, .key = "f"});
    };
    talk whole(small);
    asks(whole);
    const std::string expected = whole.take();
    for (const std::size_t step : {1U, 2U, 3U, 7U, 64U, 999U, 1001U}) {
      talk t(small);
      asks(t);
      EXPECT_EQ(t.take(step), expected) << step;
      EXPECT_FALSE(t.c.has_output());
      EXPECT_TRUE(t.c.output().empty());
    }
    // With requests that join while others are half written.
    for (const std::size_t step : {1U, 13U, 500U}) {
      talk t(small);
      std::string out;
      const auto write_some = [&] {
        if (!t.c.has_output()) return;
        const auto piece = t.c.output().front();
        const std::size_t n = std::min(step, piece.size());
        out.append(piece.data(), n);
        t.c.sent(n);
      };
      std::string together;
      talk other(small);
      for (int i = 0; i < 200; ++i) {
        const request r{.op = verb::set, .key = "k", .value = i % 3 == 0 ? large : "v"sv};
        t.ask(r);
        other.ask(r);
        together += other.take();
        write_some();
      }
      out += t.take();
      EXPECT_EQ(out, together);
    }
  }
}

TEST(sending, large_values_are_referred_to_and_small_ones_copied) {
  talk t(classic);
  const std::string large((16 << 10) + 1, 'L');
  const std::string small(16 << 10, 's');
  t.ask({.op = verb::set, .key = "a", .value = large});
  t.ask({.op = verb::set, .key = "b", .value = small});
  int referred = 0;
  for (const auto piece : t.c.output()) {
    if (piece.data() == large.data() && piece.size() == large.size()) ++referred;
    EXPECT_FALSE(piece.data() >= small.data() && piece.data() < small.data() + small.size());
  }
  EXPECT_EQ(referred, 1);
}

TEST(sending, at_most_64_pieces_at_once) {
  talk t(classic);
  const std::string large(20'000, 'L');
  for (int i = 0; i < 100; ++i) t.ask({.op = verb::set, .key = "k", .value = large});
  EXPECT_EQ(t.c.output().size(), 64u);
  const std::string out = t.take();
  EXPECT_EQ(out.size(), 100 * ("set k 0 0 20000\r\n\r\n"sv.size() + large.size()));
}

TEST(sending, has_room_until_much_waits_and_again_when_half_of_it_is_gone) {
  connection_options o = classic;
  o.max_in_flight = 4;
  talk t(o);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(t.c.has_room());
    t.ask({.op = verb::version});
  }
  EXPECT_FALSE(t.c.has_room());
  t.ask({.op = verb::version});  // all the same
  t.take();
  EXPECT_FALSE(t.c.has_room());
  t.read("VERSION 1\r\nVERSION 1\r\nVERSION 1\r\n");
  EXPECT_TRUE(t.c.has_room());

  connection_options bytes = classic;
  bytes.max_unsent = 100;
  talk b(bytes);
  b.ask({.op = verb::set, .key = "k", .value = "12345"});
  EXPECT_TRUE(b.c.has_room());
  const std::string large(200, 'v');
  b.ask({.op = verb::set, .key = "k", .value = large});
  EXPECT_FALSE(b.c.has_room());
  b.take();
  EXPECT_TRUE(b.c.has_room());
}

// A queue that never runs empty, because the socket takes a little less than is queued, stays
// small.

}  // namespace
}  // namespace memcxx::script
