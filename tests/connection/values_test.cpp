// Values on their way in: in place, over many reads, into the handler's memory, of no length, too
// long, and with a wrong end.
// Never here: which request a value belongs to.
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

std::string text_of(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + i * 7 % 26);
  return out;
}

struct spoken {
  protocol_choice protocol;
  std::function<std::string(const std::string&)> hit;
};

const std::vector<spoken>& each_protocol() {
  static const std::vector<spoken> all = {
      {protocol_choice::classic,
       [](const std::string& v) {
         return "VALUE k 0 " + std::to_string(v.size()) + "\r\n" + v + "\r\nEND\r\n";
       }},
      {protocol_choice::meta,
       [](const std::string& v) {
         return "VA " + std::to_string(v.size()) + " f0 O1\r\n" + v + "\r\n";
       }},
      {protocol_choice::binary, [](const std::string& v) { return binary_hit(1, v); }}};
  return all;
}

TEST(values, of_every_small_size_in_every_split) {
  for (const spoken& s : each_protocol()) {
    for (const std::size_t size : {0U, 1U, 2U, 3U, 17U}) {
      const std::string value = text_of(size);
      expect(speaking(s.protocol), [](talk& t) { t.ask({.key = "k"}); }, s.hit(value),
             {"1: ok" + (value.empty() ? "" : " =" + value)});
    }
  }
}

// Bytes that look like replies are a value's all the same.
TEST(values, that_look_like_replies) {
  for (const spoken& s : each_protocol()) {
    const std::string value = "x\r\nEND\r\nVALUE k 0 1\r\ny\r\nEND\r\nVA 1 O1\r\n\x81"s + "\r\n";
    expect(speaking(s.protocol), [](talk& t) { t.ask({.key = "k"}); }, s.hit(value),
           {"1: ok =" + value});
  }
}

// Longer than the receive buffer, read in pieces of many sizes, with the next reply behind it.
TEST(values, larger_than_the_receive_buffer) {
  for (const spoken& s : each_protocol()) {
    for (const std::size_t size : {15000UL, 16384UL, 20000UL, 70000UL, 300000UL}) {
      const std::string value = text_of(size);
      for (const bool gives_memory : {false, true}) {
        for (const std::size_t step : {1 + size / 7, 16384UL, 4097UL, 1000000UL}) {
          talk t(speaking(s.protocol), gives_memory);
          t.ask({.key = "k"}).ask({.op = verb::version});
          t.take();
          std::string reply = s.hit(value);
          reply += s.protocol == protocol_choice::binary
                       ? std::string(frame{.opcode = 0x0b, .opaque = 2, .value = "1.6"})
                       : "VERSION 1.6\r\n";
          for (std::size_t at = 0; at < reply.size(); at += step) t.read(reply.substr(at, step));
          ASSERT_EQ(t.to.log, (lines{"1: ok =" + value, "2: ok '1.6'"})) << t.c.failure_text();
          EXPECT_FALSE(t.c.failed());
        }
      }
    }
  }
}

// The end of the connection at any byte of a value is an error, never a shorter value.
TEST(values, are_never_cut_short) {
  for (const spoken& s : each_protocol()) {
    const std::string reply = s.hit(text_of(40));
    for (std::size_t n = 0; n < reply.size(); ++n) {
      for (const bool gives_memory : {false, true}) {
        talk t(speaking(s.protocol), gives_memory);
        t.ask({.key = "k"});
        t.take();
        t.read(reply.substr(0, n));
        ASSERT_EQ(t.to.log.size(), 0u) << n;  // in classic END is part of it
        t.c.closed();
        ASSERT_EQ(t.to.finals[1], 1);
        ASSERT_EQ(t.to.status[1], errc::connection_closed) << n;
      }
    }
  }
}

TEST(values, with_a_wrong_end_are_a_protocol_error) {
  for (const spoken& s : each_protocol()) {
    if (s.protocol == protocol_choice::binary) continue;  // has no end
    for (const std::string end : {"\r ", "\n\r", "xx", "\r\r", "\n\n", "0\r"}) {
      std::string reply = s.hit("hello");
      reply.replace(reply.find("hello") + 5, 2, end);
      for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
        for (const bool gives_memory : {false, true}) {
          talk t(speaking(s.protocol), gives_memory);
          t.ask({.key = "k"});
          t.take();
          t.read(reply.substr(0, cut));
          t.read(reply.substr(cut));
          ASSERT_EQ(t.c.failure(), errc::protocol_error) << end << cut;
          ASSERT_EQ(t.to.finals[1], 1);
          ASSERT_EQ(t.to.status[1], errc::protocol_error);
        }
      }
    }
  }
}

// A length that is one too long or too short never gives a value.
TEST(values, with_a_wrong_length_are_a_protocol_error) {
  for (const int off : {-1, +1}) {
    talk classic(speaking(protocol_choice::classic));
    classic.ask({.key = "k"});
    classic.take();
    classic.read("VALUE k 0 " + std::to_string(5 + off) + "\r\nhello\r\nEND\r\n");
    EXPECT_EQ(classic.to.status[1], errc::protocol_error);
    talk meta(speaking(protocol_choice::meta));
    meta.ask({.key = "k"});
    meta.take();
    meta.read("VA " + std::to_string(5 + off) + " O1\r\nhello\r\nHD O2\r\n");
    EXPECT_EQ(meta.to.status[1], errc::protocol_error);
  }
}

TEST(values, over_the_limit_are_refused_before_memory_is_asked_for) {
  for (const spoken& s : each_protocol()) {
    connection_options o = speaking(s.protocol);
    o.max_value_size = 10;
    talk fits(o);
    fits.ask({.key = "k"});
    fits.take();
    fits.read(s.hit(text_of(10)));
    EXPECT_EQ(fits.to.status[1], errc::ok);

    talk over(o);
    over.ask({.key = "k"}).ask({.op = verb::remove, .key = "other"});
    over.take();
    const std::string reply = s.hit(text_of(11));
    over.read(reply.substr(0, reply.find(text_of(11))));
    EXPECT_EQ(over.to.status[1], errc::value_too_large);
    EXPECT_EQ(over.to.status[2], errc::connection_closed);
    EXPECT_EQ(over.to.offered, 0);
    EXPECT_TRUE(over.c.failed());
  }
}

// The longest length that a head can tell costs nothing.
TEST(values, of_four_gigabytes_are_only_announced) {
  for (const std::string head : {"VALUE k 0 4294967295\r\n", "VA 4294967295 O1\r\n"}) {
    talk t(speaking(head[2] == 'L' ? protocol_choice::classic : protocol_choice::meta));
    t.ask({.key = "k"});
    t.take();
    t.read(head);
    EXPECT_EQ(t.to.status[1], errc::value_too_large) << head;
  }
}

// --- flags that are no number of 32 bits: the item's error alone

const std::string wrong_flags = "unknown_flags 'the item's flags are no 32-bit number'";

TEST(flags, beyond_32_bits_are_the_items_error_alone) {
  for (const std::string flags : {"4294967296", "18446744073709551615"}) {
    for (const std::size_t size : {0UL, 5UL, 9000UL, 16384UL, 40'000UL}) {
      const std::string value = text_of(size);
      const std::string bytes = std::to_string(size);
      const std::string classic = "VALUE k " + flags + " " + bytes + "\r\n" + value + "\r\nEND\r\n";
      const std::string meta = "VA " + bytes + " f" + flags + " O1\r\n" + value + "\r\n";
      for (const auto& o : {speaking(protocol_choice::classic), speaking(protocol_choice::meta),
                            automatic_with_meta()}) {
        const bool is_classic = o.protocol == protocol_choice::classic;
        const std::string& reply = is_classic ? classic : meta;
        const std::string next = is_classic ? "STORED\r\n" : "HD O2\r\n";
        for (const std::size_t step : {SIZE_MAX, 1UL, 16'384UL, 4097UL}) {
          if (step == 1 && size > 9000) continue;
          for (const bool gives_memory : {false, true}) {
            talk t(o, gives_memory);
            t.ask({.key = "k"}).ask({.op = verb::set, .key = "next", .value = "v"});
            t.take();
            const std::string all = reply + next;
            for (std::size_t at = 0; at < all.size(); at += std::min(step, all.size())) {
              t.read(std::string_view(all).substr(at, step));
            }
            ASSERT_EQ(t.to.log, (lines{"1: " + wrong_flags, "2: ok"})) << size << " " << step;
            ASSERT_FALSE(t.c.failed());
            ASSERT_EQ(t.c.in_flight(), 0u);
            ASSERT_EQ(t.to.offered, 0) << "it is not kept";
          }
        }
      }
    }
  }
}

// Infinispan tells flags of 32 bits as signed ones.
TEST(flags, below_zero_too) {
  expect(speaking(protocol_choice::classic), [](talk& t) { t.ask({.key = "k"}); },
         "VALUE k -1 5\r\nhello\r\nEND\r\n", {"1: " + wrong_flags});
}

TEST(flags, of_one_item_among_others) {
  for (const std::size_t size : {1UL, 9000UL, 20'000UL}) {
    const std::string value = text_of(size);
    const std::string bytes = " " + std::to_string(size) + "\r\n" + value + "\r\n";
    for (const std::size_t step : {SIZE_MAX, 5000UL, 13UL}) {
      talk t(speaking(protocol_choice::classic));
      for (const char* key : {"a", "b", "c", "d"}) t.quietly({.key = key});
      t.fence();
      t.take();
      const std::string all =
          "VALUE a 7" + bytes + "VALUE b 4294967296" + bytes + "VALUE d 0" + bytes + "END\r\n";
      for (std::size_t at = 0; at < all.size(); at += std::min(step, all.size())) {
        t.read(std::string_view(all).substr(at, step));
      }
      ASSERT_EQ(t.to.status[1], errc::ok);
      ASSERT_EQ(t.to.status[2], errc::unknown_flags);
      ASSERT_EQ(t.to.status[3], errc::miss);
      ASSERT_EQ(t.to.status[4], errc::ok);
      for (const auto& [tag, n] : t.to.finals) ASSERT_EQ(n, 1) << tag;
      ASSERT_FALSE(t.c.failed()) << t.c.failure_text();
      ASSERT_EQ(t.c.in_flight(), 0u);
    }
  }
  // The first and the last of a line, a run that meta begins, and quiet ones.
  expect(speaking(protocol_choice::classic),
         [](talk& t) { t.quietly({.key = "a"}).quietly({.key = "b"}).fence(); },
         "VALUE b 4294967296 1\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\n",
         {"2: " + wrong_flags, "1: ok =y"});
  expect(automatic_with_meta(),
         [](talk& t) { t.quietly({.key = "a"}).quietly({.key = "b"}).fence(); },
         "VA 1 f4294967296 O1\r\nx\r\nVALUE b 4294967296 1\r\ny\r\nEND\r\n",
         {"1: " + wrong_flags, "2: " + wrong_flags});
  expect(
      speaking(protocol_choice::meta),
      [](talk& t) {
        for (const char* key : {"a", "b", "c"}) t.quietly({.opaque = 9, .key = key});
        t.fence();
      },
      "VA 1 f4294967296 O2\r\nx\r\nMN\r\n",
      {"1: miss O9", "2: unknown_flags O9 'the item's flags are no 32-bit number'", "3: miss O9"});
}

// Its frame is looked at all the same, and it counts once.
TEST(flags, do_not_excuse_a_wrong_frame) {
  for (const std::string reply :
       {"VALUE k 4294967296 5\r\nhelloxxEND\r\n", "VALUE k 4294967296 5\r\nhello\r\nSTORED\r\n",
        "VALUE k 4294967296 5\r\nhello\r\nVALUE k 0 1\r\nx\r\nEND\r\n",
        "VALUE k 4294967296 5\r\nhello\r\nSERVER_ERROR x\r\nSTORED\r\n"}) {
    for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
      talk t(speaking(protocol_choice::classic));
      t.ask({.key = "k"}).ask({.op = verb::set, .key = "b", .value = "v"});
      t.take();
      t.read(reply.substr(0, cut));
      t.read(reply.substr(cut));
      ASSERT_EQ(t.c.failure(), errc::protocol_error) << reply << cut;
      ASSERT_EQ(t.to.finals[1], 1);
      ASSERT_EQ(t.to.finals[2], 1);
      ASSERT_NE(t.to.status[1], errc::ok);
      ASSERT_EQ(t.to.status[2], errc::protocol_error);
    }
  }
}

TEST(flags, of_what_nobody_waits_for) {
  for (const auto& o : {speaking(protocol_choice::classic), speaking(protocol_choice::meta)}) {
    const bool is_classic = o.protocol == protocol_choice::classic;
    const std::string reply = is_classic ? "VALUE k 4294967296 5\r\nhello\r\nEND\r\n"s
                                         : "VA 5 f4294967296 O1\r\nhello\r\n"s;
    for (std::size_t n = 0; n <= reply.size(); ++n) {
      talk t(o);
      t.ask({.key = "k"});
      t.take();
      t.read(reply.substr(0, n));
      const bool told = !t.to.log.empty();
      t.c.abandon(t.to);
      t.read(reply.substr(n));
      ASSERT_FALSE(t.c.failed());
      ASSERT_EQ(t.c.in_flight(), 0u);
      ASSERT_EQ(t.to.log.size(), told ? 1u : 0u);
      ASSERT_EQ(t.c.unclaimed_errors(), told ? 0u : 1u) << n;
    }
  }
}

TEST(values, memory_of_another_size_is_not_used) {
  struct careless final : protocol::response_handler {
    std::span<char> on_value(std::uint32_t, const response&, std::size_t) noexcept override {
      return {place.data(), 3};
    }
    void on_response(std::uint32_t, const response& r) noexcept override {
      got = std::string(r.value);
    }
    std::string place = "...";
    std::string got;
  } to;
  connection c(speaking(protocol_choice::classic));
  c.open();
  ASSERT_FALSE(c.submit({.key = "k"}, to, 1));
  talk bytes(speaking(protocol_choice::classic));
  for (const char b : "VALUE k 0 5\r\nhello\r\nEND\r\n"sv) {
    c.input().front().front() = b;
    c.received(1);
  }
  EXPECT_EQ(to.got, "hello");
  EXPECT_EQ(to.place, "...");
}

TEST(values, a_counter_that_is_no_number_or_too_long_is_a_protocol_error) {
  for (const std::string reply : {"VA 1 O1\r\nx\r\n", "VA 0 O1\r\n\r\n", "VA 3 O1\r\n1x \r\n",
                                  "VA 2 O1\r\n-1\r\n", "VA 20 O1\r\n99999999999999999999\r\n",
                                  "VA 2 O1\r\n10xx", "VA 2 O1\r\n 1\r\n", "VA 5 O1\r\n     \r\n"}) {
    for (std::size_t cut = 0; cut < reply.size(); ++cut) {
      talk t(speaking(protocol_choice::meta));
      t.ask({.op = verb::incr, .key = "k"});
      t.take();
      t.read(reply.substr(0, cut));
      t.read(reply.substr(cut));
      ASSERT_EQ(t.to.status[1], errc::protocol_error) << reply;
    }
  }
  talk t(speaking(protocol_choice::meta));
  t.ask({.op = verb::incr, .key = "k"});
  t.take();
  t.read("VA 33 O1\r\n");
  EXPECT_EQ(t.c.failure(), errc::protocol_error);
}

}  // namespace
}  // namespace memcxx::script
