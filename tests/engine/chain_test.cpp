// Chains: order, moving between them, leaving them from any place and by being destroyed.
#include "engine/chain.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace memcxx::engine {
namespace {

struct bead : chained<bead> {
  explicit bead(int n) : number(n) {}
  int number;
};

// Takes everything out, from the front.
std::vector<int> numbers_of(chain<bead>& c) {
  std::vector<int> out;
  while (!c.empty()) {
    out.push_back(c.front().number);
    c.front().unchain();
  }
  return out;
}

TEST(chain, begins_empty_and_keeps_the_order_in_which_it_was_filled) {
  bead a(1);
  bead b(2);
  bead c(3);
  chain<bead> all;
  EXPECT_TRUE(all.empty());
  EXPECT_EQ(all.size(), 0u);
  for (bead* x : {&a, &b, &c}) all.push_back(*x);
  EXPECT_EQ(all.size(), 3u);
  EXPECT_TRUE(b.is_chained());
  EXPECT_EQ(numbers_of(all), (std::vector<int>{1, 2, 3}));
  EXPECT_FALSE(b.is_chained());
  EXPECT_EQ(all.size(), 0u);
}

TEST(chain, whoever_leaves_is_missed_by_nobody) {
  for (int leaving = 1; leaving <= 3; ++leaving) {
    std::vector<bead> beads;
    for (int n = 1; n <= 3; ++n) beads.emplace_back(n);
    chain<bead> all;
    for (bead& b : beads) all.push_back(b);
    bead& gone = beads[static_cast<std::size_t>(leaving - 1)];
    gone.unchain();
    gone.unchain();  // it is in no chain: nothing happens
    EXPECT_EQ(all.size(), 2u);
    std::vector<int> left{1, 2, 3};
    std::erase(left, leaving);
    EXPECT_EQ(numbers_of(all), left);
  }
}

TEST(chain, the_only_one_may_leave_and_come_back) {
  bead a(1);
  chain<bead> all;
  for (int round = 0; round < 3; ++round) {
    all.push_back(a);
    EXPECT_EQ(&all.front(), &a);
    a.unchain();
    EXPECT_TRUE(all.empty());
  }
}

TEST(chain, pushing_moves_from_one_chain_to_another) {
  bead a(1);
  bead b(2);
  bead c(3);
  chain<bead> first;
  chain<bead> second;
  for (bead* x : {&a, &b, &c}) first.push_back(*x);
  second.push_back(b);
  EXPECT_EQ(first.size(), 2u);
  EXPECT_EQ(second.size(), 1u);
  EXPECT_EQ(numbers_of(second), (std::vector<int>{2}));
  EXPECT_EQ(numbers_of(first), (std::vector<int>{1, 3}));
}

TEST(chain, pushing_what_is_in_it_moves_it_to_the_end) {
  bead a(1);
  bead b(2);
  chain<bead> all;
  all.push_back(a);
  all.push_back(a);
  EXPECT_EQ(all.size(), 1u);
  all.push_back(b);
  all.push_back(a);
  EXPECT_EQ(all.size(), 2u);
  EXPECT_EQ(numbers_of(all), (std::vector<int>{2, 1}));
}

TEST(chain, what_is_destroyed_leaves) {
  chain<bead> all;
  bead a(1);
  all.push_back(a);
  {
    bead b(2);
    all.push_back(b);
  }
  auto c = std::make_unique<bead>(3);
  all.push_back(*c);
  EXPECT_EQ(all.size(), 2u);
  c.reset();
  EXPECT_EQ(numbers_of(all), (std::vector<int>{1}));
}

// A vector of them may grow as long as none of them is in a chain.
TEST(chain, moving_one_that_is_in_no_chain_takes_no_link_along) {
  chain<bead> all;
  bead a(1);
  bead b = std::move(a);
  EXPECT_FALSE(b.is_chained());
  all.push_back(b);
  EXPECT_EQ(numbers_of(all), (std::vector<int>{1}));
}

// Against a model: every bead is in one of three lists, or in none.
TEST(chain, random_moves_do_what_lists_do) {
  std::minstd_rand random(7);
  std::vector<std::unique_ptr<bead>> beads;
  for (int n = 0; n < 20; ++n) beads.push_back(std::make_unique<bead>(n));
  chain<bead> chains[3];
  std::vector<int> lists[3];
  for (int step = 0; step < 20'000; ++step) {
    auto& b = beads[random() % beads.size()];
    for (auto& list : lists) std::erase(list, b->number);
    switch (random() % 5) {
      case 0:
        b->unchain();
        break;
      case 1:
        b = std::make_unique<bead>(b->number);
        break;
      default: {
        const std::size_t to = random() % 3;
        chains[to].push_back(*b);
        lists[to].push_back(b->number);
      }
    }
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_EQ(chains[i].size(), lists[i].size());
      ASSERT_EQ(chains[i].empty(), lists[i].empty());
      if (!lists[i].empty()) {
        ASSERT_EQ(chains[i].front().number, lists[i].front());
      }
    }
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(numbers_of(chains[i]), lists[i]);
}

}  // namespace
}  // namespace memcxx::engine
