// Numbers as the text protocols write and read them.
#include "protocol/text.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace memcxx::protocol::text {
namespace {

// Every length, both ends of it, and some between.
std::vector<std::uint64_t> numbers() {
  std::vector<std::uint64_t> out = {0, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
  std::minstd_rand random(1);
  for (std::uint64_t power = 1;; power *= 10) {
    for (const std::uint64_t n : {power - 1, power, power + 1}) out.push_back(n);
    for (int i = 0; i < 50; ++i) out.push_back(power + random() % power);
    if (power > UINT64_MAX / 10) break;
  }
  for (std::uint64_t n = 0; n < 20'000; ++n) out.push_back(n);
  return out;
}

TEST(text_number, is_written_in_its_shortest_form) {
  for (const std::uint64_t n : numbers()) {
    char out[64];
    writer w(out);
    EXPECT_EQ(std::string(out, w.number(n).size()), std::to_string(n));
  }
  for (const std::int32_t n : {0, 1, -1, 60, INT32_MAX, INT32_MIN}) {
    char out[64];
    writer w(out);
    EXPECT_EQ(std::string(out, w.number(n).size()), std::to_string(n));
  }
}

// With nothing behind it, and with bytes that are nearly digits.
TEST(text_number, is_read_to_its_end_and_no_further) {
  for (const std::uint64_t n : numbers()) {
    const std::string digits = std::to_string(n);
    for (const std::string_view behind :
         {"", " ", "\r\n", "/", ":", "\xb0", "\xff_______", "________"}) {
      const std::string in = digits + std::string(behind);
      reader r(in);
      std::uint64_t out = 0;
      ASSERT_TRUE(r.number(out)) << in;
      EXPECT_EQ(out, n);
      EXPECT_EQ(r.position(), digits.size()) << in;
    }
  }
}

TEST(text_number, is_bounded) {
  const auto reads = [](std::string_view in, std::uint64_t most) {
    std::uint64_t out = 0;
    return reader(in).number(out, most);
  };
  EXPECT_TRUE(reads("65535        ", 65'535));
  EXPECT_FALSE(reads("65536        ", 65'535));
  EXPECT_TRUE(reads("18446744073709551615 ", UINT64_MAX));
  EXPECT_FALSE(reads("18446744073709551616 ", UINT64_MAX));
  EXPECT_FALSE(reads("99999999999999999999 ", UINT64_MAX));
  EXPECT_FALSE(reads("184467440737095516150 ", UINT64_MAX));
  for (const std::string_view none :
       {"", " ", "-1      ", "+1      ", "x", " 1      ", "\xb1       "}) {
    EXPECT_FALSE(reads(none, UINT64_MAX)) << none;
  }
}

}  // namespace
}  // namespace memcxx::protocol::text
