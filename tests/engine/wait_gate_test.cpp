// When it pays to look for an answer instead of sleeping.
#include "engine/wait_gate.hpp"

#include <chrono>
#include <gtest/gtest.h>

namespace memcxx::engine {
namespace {

using namespace std::chrono_literals;

TEST(wait_gate, opens_when_answers_are_near) {
  wait_gate g;
  EXPECT_FALSE(g.is_open()) << "nothing is known yet";
  for (int i = 0; i < 100; ++i) g.waited(20us);
  EXPECT_TRUE(g.is_open());
}

TEST(wait_gate, stays_closed_for_servers_that_are_far) {
  wait_gate g;
  for (int i = 0; i < 1000; ++i) g.waited(200us);
  EXPECT_FALSE(g.is_open());
}

// A slice of another thread's time, or a server that stopped.
TEST(wait_gate, closes_at_the_first_long_wait_and_opens_again_later) {
  wait_gate g;
  for (int i = 0; i < 100; ++i) g.waited(20us);
  g.waited(4ms);
  EXPECT_FALSE(g.is_open());
  int waits = 0;
  for (; !g.is_open(); ++waits) g.waited(20us);
  EXPECT_GT(waits, 5);
  EXPECT_LT(waits, 50);
  g.waited(1h);
  EXPECT_FALSE(g.is_open());
}

}  // namespace
}  // namespace memcxx::engine
