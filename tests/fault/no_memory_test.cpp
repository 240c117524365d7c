// Calls that run out of memory, at every allocation of theirs: they throw or fail, and leave
// nothing behind that somebody looks at later. Never here: values that are too large (load_test).
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

#include <memcxx/session.hpp>

#include "../support/clients.hpp"
#include "../support/scripted_server.hpp"
#include "engine/server.hpp"

// The thread sanitizer has the operators to itself. What is looked for here is found without it,
// and by the address sanitizer.
#if defined(__SANITIZE_THREAD__)
#define MEMCXX_FAILS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MEMCXX_FAILS_MEMORY 0
#endif
#endif
#ifndef MEMCXX_FAILS_MEMORY
#define MEMCXX_FAILS_MEMORY 1
#endif

#if MEMCXX_FAILS_MEMORY
namespace {

// How many allocations of this thread still succeed; below 0: all of them.
thread_local long left = -1;
thread_local bool failed = false;

void* give(std::size_t n) noexcept {
  if (left == 0) {
    failed = true;
    return nullptr;
  }
  if (left > 0) --left;
  return std::malloc(n == 0 ? 1 : n);
}
void* give_or_throw(std::size_t n) {
  if (void* p = give(n)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t n) { return give_or_throw(n); }
void* operator new[](std::size_t n) { return give_or_throw(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return give(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return give(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

// The first get is answered; to the second comes `reply`.
void play(const std::string& reply) {
  bool ran_out = true;
  for (long allowed = 0; ran_out; ++allowed) {
    SCOPED_TRACE("allocations: " + std::to_string(allowed));
    scripted_server server([&](peer& p) {
      p.read_line();
      p.send("VALUE k 0 1\r\nx\r\nEND\r\n");
      p.read_line();
      p.send(reply);
    });
    client cache = make_client(server.address(), protocol_choice::classic, 300ms);
    ASSERT_TRUE(cache.get("k"));
    failed = false;
    left = allowed;
    bool threw = false;
    bool hit = false;
    try {
      hit = cache.get("k").has_value();
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    left = -1;
    ran_out = failed;
    EXPECT_FALSE(hit);
    EXPECT_TRUE(ran_out || !threw);
  }
}

TEST(no_memory, for_an_answer_that_is_none) { play("an answer that is none\r\n"); }
TEST(no_memory, for_an_error) { play("SERVER_ERROR out of everything\r\n"); }
TEST(no_memory, for_a_value_that_ends_early) { play("VALUE k 0 100\r\nxxxx"); }
TEST(no_memory, for_another_key) { play("VALUE other 0 1\r\nx\r\nEND\r\n"); }

// Nothing was sent before over a connection that was opened early.
TEST(no_memory, for_the_first_request_of_a_connection) {
  bool ran_out = true;
  for (long allowed = 0; ran_out; ++allowed) {
    SCOPED_TRACE("allocations: " + std::to_string(allowed));
    scripted_server server([&](peer& p) {
      p.read_line();
      p.send("SERVER_ERROR out of everything\r\n");
    });
    client cache = make_client(server.address(), protocol_choice::classic, 300ms);
    session own = cache.open(server.address()).value();
    ASSERT_TRUE(own.connect());
    failed = false;
    left = allowed;
    try {
      EXPECT_FALSE(own.get("k"));
    } catch (const std::bad_alloc&) {
    }
    left = -1;
    ran_out = failed;
  }
}

struct told final : protocol::response_handler {
  void on_response(std::uint32_t, const protocol::response& r) noexcept override {
    status = r.status;
  }
  errc status = errc::ok;
};

// Nobody else tells them.
TEST(no_memory, for_the_words_of_a_loss_that_those_in_flight_are_told_of) {
  connection_options o;
  o.protocol = protocol_choice::classic;
  connection c(o);
  c.open();
  told to;
  protocol::request r;
  r.key = "k";
  ASSERT_FALSE(c.submit(r, to, 0));
  left = 0;
  try {
    c.closed();
  } catch (const std::bad_alloc&) {
  }
  left = -1;
  EXPECT_TRUE(c.failed());
  EXPECT_EQ(to.status, errc::connection_closed);
  EXPECT_EQ(c.in_flight(), 0u);
}

// Else those who share a connection would make way forever for somebody who is gone.
TEST(no_memory, for_a_dead_connection_found_by_somebody_who_waits_for_one) {
  const memcxx::options o = parse_uri("127.0.0.1:11211").value();
  engine::server s(o.servers[0], o);
  ASSERT_TRUE(s.try_claim(engine::clock::now()).may_open);
  s.give_back(std::make_unique<engine::link>(connection_options{}));  // was never open
  left = 0;
  EXPECT_THROW((void)s.wait_claim(engine::clock::now() + 5s), std::bad_alloc);
  left = -1;
  EXPECT_FALSE(s.has_waiters());
  EXPECT_EQ(s.slots(), 0u);
}

}  // namespace
}  // namespace memcxx::test
#endif
