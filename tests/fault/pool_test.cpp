// Slots of a server's pool, as several threads wait for them.
// Never here: connections over the network, calls.
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "engine/server.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using engine::server;

// Who leads a crowd waits with a limit of its own.
TEST(pool, wake_up_that_one_could_not_use_reaches_the_next) {
  memcxx::options o = parse_uri("127.0.0.1:11211").value();
  o.pool_size = 2;
  server s(o.servers[0], o);
  ASSERT_TRUE(s.try_claim(engine::clock::now()).may_open);
  ASSERT_TRUE(s.try_claim(engine::clock::now()).may_open);
  std::thread limited(
      [&] { EXPECT_FALSE(s.wait_claim(engine::clock::now() + 200ms, 1).granted()); });
  while (!s.has_waiters()) std::this_thread::yield();
  std::thread unlimited([&] {
    const stopwatch watch;
    EXPECT_TRUE(s.wait_claim(engine::clock::now() + 5s).may_open);
    EXPECT_LT(watch.elapsed(), 2s);
  });
  std::this_thread::sleep_for(50ms);
  s.give_back_slot();
  limited.join();
  unlimited.join();
  EXPECT_EQ(s.slots(), 2u);
  EXPECT_FALSE(s.has_waiters());
}

}  // namespace
}  // namespace memcxx::test
