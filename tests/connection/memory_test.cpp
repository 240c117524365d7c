// What a connection costs in memory: counted by a hook in operator new.
// Never here: what is sent or answered.
#include <atomic>
#include <cstdlib>
#include <new>

#include "connection/script.hpp"

// The thread sanitizer's runtime has its own operator new, and leaves no place for another: in that
// build memory is not counted.
#if defined(__SANITIZE_THREAD__)
#define MEMCXX_COUNTS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MEMCXX_COUNTS_MEMORY 0
#endif
#endif
#ifndef MEMCXX_COUNTS_MEMORY
#define MEMCXX_COUNTS_MEMORY 1
#endif

#if MEMCXX_COUNTS_MEMORY
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

TEST(memory, memory_does_not_grow_with_what_was_written_long_ago) {
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

TEST(memory, a_get_allocates_nothing_once_warm) {
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

#endif
