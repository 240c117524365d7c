// How long statistics may be: whatever a large server has to tell passes, and a stream of them
// without an end is cut off before it fills the memory, in every protocol.
// Never here: what a statistic means (tests/api).
#include "connection/script.hpp"
#include "protocol/binary_frames.hpp"

namespace memcxx::script {
namespace {

using protocol::testing::frame;

// Statistics are asked for in classic where meta is spoken.
constexpr protocol_choice protocols[] = {protocol_choice::classic, protocol_choice::meta,
                                         protocol_choice::binary};

class counter final : public protocol::response_handler {
 public:
  void on_response(std::uint32_t, const response& r) noexcept override {
    if (r.more) {
      ++lines;
      bytes += r.key.size() + r.value.size();
    } else {
      ++finals;
      status = r.status;
      text = r.text;
    }
  }
  std::size_t lines = 0;
  std::size_t bytes = 0;
  int finals = 0;
  errc status = errc::ok;
  std::string text;
};

struct asking {
  explicit asking(protocol_choice p) : protocol(p), t(speaking(p)) { ask(); }
  void ask() {
    to = {};
    ++asked;
    EXPECT_FALSE(t.c.submit({.op = verb::stats, .key = "items"}, to, 1));
    if (t.take().starts_with("mn\r\n")) t.read("MN\r\n");  // before what is classic
  }
  [[nodiscard]] std::string line(std::string_view word, const std::string& name,
                                 const std::string& value) const {
    if (protocol == protocol_choice::binary) {
      return frame{.opcode = 0x10, .key = name, .value = value, .opaque = asked}.bytes();
    }
    return std::string(word) + " " + name + " " + value + "\r\n";
  }
  [[nodiscard]] std::string end() const {
    if (protocol == protocol_choice::binary) {
      return frame{.opcode = 0x10, .opaque = asked}.bytes();
    }
    return "END\r\n";
  }
  // Reads these lines again and again, until it has had enough of them or `most` bytes.
  void read_endlessly(const std::string& lines, std::size_t most) {
    for (; read < most && !t.c.failed(); read += lines.size()) t.read(lines);
  }
  // The lines that `one(i)` makes, for i below n.
  template <class One>
  static std::string lines(std::size_t n, One one) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += one(i);
    return out;
  }

  protocol_choice protocol;
  talk t;
  counter to;
  std::uint32_t asked = 0;
  std::size_t read = 0;
};

constexpr std::size_t megabyte = std::size_t{1} << 20;

void expect_cut_off(asking& a) {
  EXPECT_TRUE(a.t.c.failed()) << "after " << a.read << " bytes";
  EXPECT_EQ(a.t.c.failure(), errc::protocol_error);
  EXPECT_EQ(a.to.finals, 1);
  EXPECT_EQ(a.to.status, errc::protocol_error);
  EXPECT_NE(a.to.text.find("statistics without end"), std::string::npos) << a.to.text;
  EXPECT_LE(a.to.lines, 262'144u);
  EXPECT_LE(a.to.bytes, 16 * megabyte);
}

TEST(statistics, short_lines_without_an_end_are_cut_off) {
  for (const protocol_choice p : protocols) {
    SCOPED_TRACE(name_of(p));
    asking a(p);
    a.read_endlessly(
        a.lines(1000, [&](std::size_t i) { return a.line("STAT", std::to_string(i), ""); }),
        40 * megabyte);
    expect_cut_off(a);
  }
}

TEST(statistics, long_lines_without_an_end_are_cut_off) {
  for (const protocol_choice p : protocols) {
    SCOPED_TRACE(name_of(p));
    asking a(p);
    a.read_endlessly(a.line("STAT", "name", std::string(8000, 'x')), 40 * megabyte);
    expect_cut_off(a);
    EXPECT_LE(a.read, 16 * megabyte + 8192);
  }
}

// "stats conns" of a server with 65,536 connections, as memcached 1.6.18 prints them.
TEST(statistics, a_server_full_of_connections_is_heard_to_the_end) {
  for (const protocol_choice p : protocols) {
    SCOPED_TRACE(name_of(p));
    asking a(p);
    const std::string some = a.lines(1024, [&](std::size_t) {
      return a.line("STAT", "65535:addr", "tcp:192.168.100.100:65535") +
             a.line("STAT", "65535:listen_addr", "tcp:192.168.100.101:11211") +
             a.line("STAT", "65535:state", "conn_read") +
             a.line("STAT", "65535:secs_since_last_cmd", "1234567");
    });
    a.read_endlessly(some, 64 * some.size());
    a.t.read(a.end());
    ASSERT_FALSE(a.t.c.failed()) << a.t.c.failure_text();
    EXPECT_EQ(a.to.status, errc::ok);
    EXPECT_EQ(a.to.lines, 4u * 65'536);
  }
}

TEST(statistics, of_each_answer_count_by_themselves) {
  asking a(protocol_choice::classic);
  const std::string most = a.lines(200'000, [](std::size_t) { return "STAT a 1\r\n"; });
  a.t.read(most + a.end());
  a.ask();
  a.t.read(most + a.end());
  EXPECT_EQ(a.to.lines, 200'000u);
  EXPECT_EQ(a.to.status, errc::ok);
  EXPECT_FALSE(a.t.c.failed()) << a.t.c.failure_text();
}

// memcached's own limit is 2 MiB, and the shortest of its lines has 19 bytes; and a line for each
// of 50,000 prefixes.
TEST(statistics, dumps_are_heard_to_the_end) {
  asking a(protocol_choice::classic);
  const std::string item = a.line("ITEM", "k", "[1 b; 0 s]");
  a.read_endlessly(item, 2 * megabyte);
  a.t.read(a.end());
  EXPECT_EQ(a.to.status, errc::ok);
  a.ask();
  a.t.read(a.lines(50'000, [&](std::size_t i) {
    return a.line("PREFIX", "a-prefix-of-some-length-" + std::to_string(i),
                  "get 123456789 hit 123456789 set 123456789 del 123456789");
  }));
  a.t.read(a.end());
  EXPECT_EQ(a.to.status, errc::ok);
  EXPECT_EQ(a.to.lines, 50'000u);
  EXPECT_FALSE(a.t.c.failed());
}

// Whoever has left does not keep the connection open for ever.
TEST(statistics, that_nobody_waits_for_any_more_are_cut_off_as_well) {
  asking a(protocol_choice::classic);
  a.t.c.abandon(a.to, errc::timeout, "late");
  a.read_endlessly(a.lines(1000, [](std::size_t) { return "STAT a 1\r\n"; }), 40 * megabyte);
  EXPECT_EQ(a.t.c.failure(), errc::protocol_error);
  EXPECT_EQ(a.to.finals, 1);
  EXPECT_EQ(a.to.lines, 0u);
}

}  // namespace
}  // namespace memcxx::script
