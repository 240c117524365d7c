// Looking a hash up on a ring, against the plainest way to do it.
// Never here: how points are made (distribution_test.cpp).
#include "routing/ring.hpp"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace memcxx::routing {
namespace {

std::uint32_t plainly(const std::vector<ring_point>& points, std::uint32_t hash) {
  for (const ring_point& p : points) {
    if (p.value >= hash) return p.server;
  }
  return points.front().server;
}

void expect_alike(std::vector<ring_point> points, std::mt19937& random) {
  std::ranges::sort(points);
  const ring r(points);
  std::vector<std::uint32_t> hashes = {0, 1, UINT32_MAX - 1, UINT32_MAX};
  for (const ring_point& p : points) {
    for (const std::uint32_t near : {p.value - 1, p.value, p.value + 1}) hashes.push_back(near);
  }
  for (int i = 0; i < 500; ++i) hashes.push_back(static_cast<std::uint32_t>(random()));
  for (int i = 0; i < 500; ++i)
    hashes.push_back(static_cast<std::uint32_t>(random() % (points.back().value / 2 + 1)));
  for (const std::uint32_t h : hashes) {
    ASSERT_EQ(r.owner(h), plainly(points, h))
        << h << " of " << points.size() << " points up to " << points.back().value;
  }
}

TEST(ring, gives_the_first_point_at_or_after_a_hash) {
  std::mt19937 random(7);
  for (const std::uint32_t most : {UINT32_MAX, 0xffffU, 0x7fffU, 100U, 1U, 0U, 0x80000000U}) {
    for (const std::size_t n : {1U, 2U, 3U, 7U, 64U, 640U, 5000U}) {
      std::vector<ring_point> points;
      for (std::size_t i = 0; i < n; ++i) {
        const auto value = static_cast<std::uint32_t>(random() % (std::uint64_t{most} + 1));
        points.push_back({value, static_cast<std::uint32_t>(i % 8)});
      }
      expect_alike(points, random);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(ring, may_have_its_points_in_a_heap) {
  std::mt19937 random(9);
  std::vector<ring_point> points = {{0, 0}, {UINT32_MAX, 1}};
  for (std::uint32_t i = 0; i < 3000; ++i) points.push_back({0x70000000U + i, i % 8});
  for (std::uint32_t i = 0; i < 300; ++i) points.push_back({0x90000000U, i % 8});
  expect_alike(points, random);
}

}  // namespace
}  // namespace memcxx::routing
