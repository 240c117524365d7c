// When calls are a crowd, and for how long.
#include "engine/crowd.hpp"

#include <gtest/gtest.h>

namespace memcxx::engine {
namespace {

using namespace std::chrono_literals;

constexpr crowd::time_point start{std::chrono::hours(1)};

void answer(crowd& c, unsigned times, crowd::duration d) {
  for (unsigned i = 0; i < times; ++i) c.answer_took(d);
}

TEST(crowd, needs_more_connections_than_are_enough) {
  crowd c(12);
  EXPECT_EQ(c.enough(), 12u);
  EXPECT_FALSE(c.has_come(1, start));
  EXPECT_FALSE(c.has_come(12, start));
  EXPECT_TRUE(c.has_come(13, start));
}

TEST(crowd, is_looked_for_anew_after_a_while) {
  crowd c(12);
  ASSERT_TRUE(c.has_come(13, start));
  EXPECT_FALSE(c.is_over(start + crowd::lasts - 1ns));
  EXPECT_TRUE(c.is_over(start + crowd::lasts));
  EXPECT_TRUE(c.has_come(13, start + crowd::lasts));
  EXPECT_FALSE(c.is_over(start + crowd::lasts));
}

TEST(crowd, is_forgotten_when_nobody_looked_for_long) {
  crowd c(12);
  ASSERT_TRUE(c.has_come(13, start));
  EXPECT_FALSE(c.is_forgotten(start + 2 * crowd::lasts - 1ns));
  EXPECT_TRUE(c.is_forgotten(start + 2 * crowd::lasts));
}

TEST(crowd, is_none_for_some_time_when_every_answer_came_from_far_away) {
  crowd c(12);
  ASSERT_TRUE(c.has_come(13, start));
  answer(c, crowd::enough_answers, crowd::far + 1us);
  const auto later = start + crowd::lasts;
  EXPECT_TRUE(c.is_over(later));
  EXPECT_FALSE(c.has_come(1000, later));
  EXPECT_FALSE(c.has_come(1000, later + crowd::stays_far - 1ns));
  EXPECT_TRUE(c.has_come(13, later + crowd::stays_far));
}

TEST(crowd, one_answer_from_nearby_shows_that_the_others_waited_for_a_processor) {
  crowd c(12);
  ASSERT_TRUE(c.has_come(13, start));
  answer(c, 100, 5ms);
  c.answer_took(crowd::far);
  EXPECT_TRUE(c.is_over(start + crowd::lasts));
  EXPECT_TRUE(c.has_come(13, start + crowd::lasts));
}

TEST(crowd, few_answers_prove_nothing_until_there_are_more) {
  crowd c(12);
  ASSERT_TRUE(c.has_come(13, start));
  answer(c, crowd::enough_answers - 1, 5ms);
  const auto later = start + crowd::lasts;
  EXPECT_TRUE(c.is_over(later));
  ASSERT_TRUE(c.has_come(13, later));
  c.answer_took(5ms);
  EXPECT_TRUE(c.is_over(later + crowd::lasts));
  EXPECT_FALSE(c.has_come(13, later + crowd::lasts));
}

TEST(crowd, what_was_near_or_far_is_judged_by_the_latest_answers) {
  crowd c(12);
  auto now = start;
  for (const bool near : {true, false}) {
    ASSERT_TRUE(c.has_come(13, now));
    answer(c, crowd::enough_answers, near ? 50us : 500us);
    now += crowd::lasts;
    EXPECT_TRUE(c.is_over(now));
  }
  EXPECT_FALSE(c.has_come(13, now));
}

}  // namespace
}  // namespace memcxx::engine
