// Bytes on their way out: any partial write, limits, and what the memory for it costs.
// Never here: replies, but for what ends a request.
#include <atomic>
#include <cstdlib>
#include <new>

#include "connection/script.hpp"

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> largest{0};

void* counted(std::size_t n) {
  ++allocations;
  if (n > largest) largest = n;
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t n) { return counted(n); }
void* operator new[](std::size_t n) { return counted(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(n == 0 ? 1 : n);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(n == 0 ? 1 : n);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);
const auto meta = speaking(protocol_choice::meta);
const auto binary = speaking(protocol_choice::binary);

struct counting final : protocol::response_handler {
  std::span<char> on_value(std::uint32_t, const response&, std::size_t size) noexcept override {
    return {place.data(), size};
  }
  void on_response(std::uint32_t, const response& r) noexcept override {
    ++responses;
    last = r.status;
  }
  int responses = 0;
  errc last = errc::ok;
  std::string place = std::string(100'000, '\0');
};

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
TEST(sending, memory_does_not_grow_with_what_was_written_long_ago) {
  for (const auto& o : {classic, meta, binary}) {
    connection c(o);
    c.open();
    counting to;
    const std::string value(1000, 'v');
    const std::string large(20'000, 'v');
    largest = 0;
    std::size_t total = 0;
    for (int i = 0; i < 20'000; ++i) {
      const request r{.op = verb::set, .key = "k", .value = i % 50 == 0 ? large : value};
      ASSERT_FALSE(c.submit(r, to, 0));
      std::size_t shown = 0;
      for (const auto piece : c.output()) shown += piece.size();
      const std::size_t n = shown > 3000 ? shown - 3000 : 0;  // always something is left
      c.sent(n);
      total += n;
      if (i >= 3) {
        const std::string reply =
            o.protocol == protocol_choice::classic ? "STORED\r\n"
            : o.protocol == protocol_choice::meta
                ? "HD O" + std::to_string(i - 2) + "\r\n"
                : std::string(frame{.opcode = 1, .opaque = static_cast<std::uint32_t>(i - 2)});
        std::memcpy(c.input().front().data(), reply.data(), reply.size());
        c.received(reply.size());
      }
    }
    ASSERT_FALSE(c.failed()) << c.failure_text();
    EXPECT_GT(total, 20'000'000u);
    EXPECT_LT(largest, 300'000u);
  }
}

TEST(sending, a_get_allocates_nothing_once_warm) {
  for (const auto& o : {classic, meta, binary, automatic_with_meta()}) {
    connection c(o);
    c.open();
    counting to;
    const std::string value(5000, 'v');
    std::uint32_t opaque = 0;
    std::size_t before = 0;
    for (int i = 0; i < 2000; ++i) {
      std::array<char, 6000> reply{};
      std::size_t n = 0;
      ++opaque;
      if (o.protocol == protocol_choice::classic) {
        n = static_cast<std::size_t>(std::snprintf(
            reply.data(), reply.size(), "VALUE key 0 5000\r\n%s\r\nEND\r\n", value.c_str()));
      } else if (o.protocol == protocol_choice::binary) {
        const std::string head = binary_hit(opaque, value);
        n = head.size();
        std::memcpy(reply.data(), head.data(), n);
      } else {
        n = static_cast<std::size_t>(std::snprintf(
            reply.data(), reply.size(), "VA 5000 f0 O%u\r\n%s\r\n", opaque, value.c_str()));
      }
      if (i >= 100) before = allocations;
      const auto refused = c.submit({.key = "key"}, to, 0);
      std::size_t out = 0;
      for (const auto piece : c.output()) out += piece.size();
      c.sent(out);
      // In two reads, so that the value goes to the handler's memory.
      for (std::size_t at = 0; at < n;) {
        std::size_t put = 0;
        for (const auto room : c.input()) {
          const std::size_t part = std::min({room.size(), n - at - put, 3000 - put});
          std::memcpy(room.data(), reply.data() + at + put, part);
          put += part;
        }
        c.received(put);
        at += put;
      }
      if (i >= 100) {
        ASSERT_EQ(allocations, before) << i;
      }
      ASSERT_FALSE(refused);
      ASSERT_EQ(to.responses, i + 1) << c.failure_text();
      ASSERT_EQ(to.last, errc::ok);
    }
    to = counting();
  }
}

}  // namespace
}  // namespace memcxx::script
