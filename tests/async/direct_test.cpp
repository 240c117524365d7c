// Handlers that are called without a detour: what they throw, and how they are aligned.
// Never here: who else may wait for them (threads_test).
#include <cstdint>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <string>

#include "running.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

script answering() {
  return [](peer& p) {
    for (;;) p.send(wire::hit(wire::read(p), "v"));
  };
}

// Asio calls what is bound to the strand that it is on, and lets through what is thrown there.
TEST(direct, what_a_handler_bound_to_the_client_s_strand_throws_comes_out_of_run) {
  scripted_server server(answering());
  net::io_context io;
  const auto strand = net::make_strand(io);
  async_client cache(net::any_io_executor(strand),
                     async_settings(server.address(), protocol_choice::classic));
  int called = 0;
  int thrown = 0;
  for (int i = 0; i < 3; ++i) {
    cache.get("k", net::bind_executor(strand, [&](result<item> r) {
                EXPECT_TRUE(ok(r));
                ++called;
                throw std::runtime_error("the handler's");
              }));
  }
  for (int rounds = 0; (called < 3 || thrown < 3) && rounds < 1000; ++rounds) {
    try {
      io.restart();
      io.run_one_for(10ms);
    } catch (const std::exception&) {
      ++thrown;
    }
  }
  EXPECT_EQ(called, 3);
  EXPECT_EQ(thrown, 3);
}

// As what holds vectors of floats.
struct alignas(64) wide {
  std::uintptr_t where() const { return reinterpret_cast<std::uintptr_t>(this) % 64; }
};

TEST(direct, a_handler_may_be_aligned_more_strictly_than_most) {
  scripted_server server(answering());
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol_choice::classic));
  int called = 0;
  for (int i = 0; i < 5; ++i) {
    cache.get("k", [&called, w = wide()](result<item> r) {
      EXPECT_TRUE(ok(r));
      EXPECT_EQ(w.where(), 0U);
      ++called;
    });
  }
  EXPECT_TRUE(run_until(io, [&] { return called == 5; }));
}

}  // namespace
}  // namespace memcxx::test
