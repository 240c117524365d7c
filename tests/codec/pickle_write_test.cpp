// Pickles are written byte for byte as CPython writes them.
// Never here: reading them.
#include <cmath>

#include "pickles.hpp"

namespace memcxx::codecs {
namespace {

using namespace std::string_literals;
using namespace test;

std::string written(const document& d, int protocol) {
  std::string out;
  const auto ok = write_pickle(d, protocol, out);
  EXPECT_TRUE(ok) << ok.error();
  return out;
}

// Long ones cannot be read in a message.
std::string around(const std::string& s, std::size_t at) {
  return testing::PrintToString(s.substr(at < 20 ? 0 : at - 20, 60));
}

TEST(pickle_write, every_golden_pickle_is_written_as_cpython_does) {
  std::size_t checked = 0;
  for (const golden_pickle& g : pickles().plain) {
    if (g.protocol < 0) continue;
    ++checked;
    const std::string bytes = written(g.value, g.protocol);
    if (bytes == g.bytes) continue;
    const auto at = static_cast<std::size_t>(
        std::mismatch(bytes.begin(), bytes.end(), g.bytes.begin(), g.bytes.end()).first -
        bytes.begin());
    ADD_FAILURE() << g.name << ", byte " << at << "\n  " << around(bytes, at)
                  << "\n  instead of\n  " << around(g.bytes, at);
  }
  EXPECT_GT(checked, 400u);
}

TEST(pickle_write, is_appended) {
  std::string out = "before";
  ASSERT_TRUE(write_pickle(none(), 2, out));
  EXPECT_EQ(out, "before\x80\x02N.");
  // The frame's head knows where it is.
  ASSERT_TRUE(write_pickle(txt("abc"), 5, out));
  EXPECT_EQ(out.substr(10), "\x80\x05\x95\x07\0\0\0\0\0\0\0\x8c\x03"s + "abc\x94.");
}

// An unsigned integer that fits a signed one is written as if it were one.
TEST(pickle_write, an_integer_is_written_by_its_value) {
  for (const int protocol : {0, 2, 5}) {
    EXPECT_EQ(written(natural(7), protocol), written(integer(7), protocol));
  }
}

TEST(pickle_write, what_it_cannot_hold_is_of_a_wrong_type) {
  std::string out;
  for (const int protocol : {0, 2, 5}) {
    expect_error(write_pickle(txt("a\xff"), protocol, out), errc::wrong_type, "UTF-8");
    expect_error(write_pickle(map({{map(), none()}}), protocol, out), errc::wrong_type, "key");
    expect_error(write_pickle(map({{list({map()}), none()}}), protocol, out), errc::wrong_type);
    expect_error(write_pickle(big("12a"), protocol, out), errc::wrong_type, "integer");
    expect_error(write_pickle(big("12"), protocol, out), errc::wrong_type, "integer");
    expect_error(write_pickle(big(std::string(4301, '1')), protocol, out), errc::wrong_type);
    EXPECT_EQ(out, "");
  }
}

TEST(pickle_write, other_protocols_are_an_invalid_argument) {
  for (const int protocol : {-1, 1, 3, 4, 6, 256}) {
    std::string out;
    expect_error(write_pickle(none(), protocol, out), errc::invalid_argument);
    EXPECT_EQ(out, "");
  }
}

}  // namespace
}  // namespace memcxx::codecs
