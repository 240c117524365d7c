// Values that are replaced while they are read.
// Never here: servers, sockets.
#include "api/replaceable.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <thread>
#include <vector>

namespace memcxx {
namespace {

struct counted {
  explicit counted(int n, std::atomic<int>& alive) : number(n), check(~n), living(alive) {
    ++living;
  }
  ~counted() {
    number = check = 0;  // whoever reads it now sees that
    --living;
  }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  int number;
  int check;
  std::atomic<int>& living;
};

using reading = replaceable<counted>::reading;

TEST(replaceable, value_stays_while_it_is_read) {
  std::atomic<int> alive = 0;
  replaceable<counted> r;
  r.replace(std::make_shared<counted>(1, alive));
  {
    const reading first(r);
    r.replace(std::make_shared<counted>(2, alive));
    r.end_unread();
    EXPECT_EQ(first->number, 1);
    EXPECT_EQ(reading(r)->number, 2);
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 1) << "the last reader ended the first value";
}

TEST(replaceable, value_that_nobody_reads_ends_at_once) {
  std::atomic<int> alive = 0;
  replaceable<counted> r;
  for (int i = 0; i < 100; ++i) {
    r.replace(std::make_shared<counted>(i, alive));
    r.end_unread();
    EXPECT_EQ(alive, 1);
  }
}

TEST(replaceable, shared_value_outlives_its_reading) {
  std::atomic<int> alive = 0;
  replaceable<counted> r;
  r.replace(std::make_shared<counted>(1, alive));
  const auto kept = reading(r).shared();
  r.replace(std::make_shared<counted>(2, alive));
  r.end_unread();
  EXPECT_EQ(kept->number, 1);
}

TEST(replaceable, many_read_while_one_replaces) {
  std::atomic<int> alive = 0;
  replaceable<counted> r;
  r.replace(std::make_shared<counted>(0, alive));
  std::atomic<bool> over = false;
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      int last = 0;
      while (!over) {
        const reading now(r);
        const reading again(r);
        if (now->check != ~now->number || now->number < last || again->number < now->number) {
          ++wrong;
        }
        last = now->number;
      }
    });
  }
  for (int i = 1; i <= 20'000; ++i) {
    r.replace(std::make_shared<counted>(i, alive));
    r.end_unread();
  }
  over = true;
  readers.clear();
  r.end_unread();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(alive, 1);
}

}  // namespace
}  // namespace memcxx
