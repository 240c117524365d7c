// Names of verbs, and the key rules.
#include <gtest/gtest.h>
#include <set>
#include <string>

#include <memcxx/protocol/request.hpp>

#include "parsing.hpp"

namespace memcxx::protocol {
namespace {

TEST(verb, every_verb_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (unsigned i = 0; i <= static_cast<unsigned>(verb::config); ++i) {
    const std::string_view name = name_of(static_cast<verb>(i));
    EXPECT_NE(name, "unknown") << i;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(name_of(static_cast<verb>(200)), "unknown");
  EXPECT_EQ(name_of(verb::remove), "remove");
}

bool is_safe(unsigned byte) { return byte > 0x20 && byte != 0x7f; }

// Eight bytes are looked at together: neighbours of every value must not hide or invent a finding.
TEST(text_safe, every_byte_at_every_position_of_every_length) {
  for (const char filler : {'a', '\x21', '\x7e', '\x80', '\xff', '\xa0', '\xa1'}) {
    for (std::size_t size = 1; size <= 26; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        for (unsigned byte = 0; byte < 256; ++byte) {
          std::string s(size, filler);
          s[at] = static_cast<char>(byte);
          const testing::exact copy(s);
          ASSERT_EQ(is_text_safe(copy.view()), is_safe(byte))
              << byte << " at " << at << " of " << size;
        }
      }
    }
  }
  EXPECT_TRUE(is_text_safe(""));
  EXPECT_TRUE(is_text_safe({}));
}

TEST(text_safe, every_pair_of_neighbours) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      std::string s = "12345678";
      s[3] = static_cast<char>(a);
      s[4] = static_cast<char>(b);
      ASSERT_EQ(is_text_safe(s), is_safe(a) && is_safe(b)) << a << ' ' << b;
    }
  }
}

TEST(key, length_counts_the_prefix) {
  const std::string long_key(250, 'k');
  EXPECT_FALSE(check_key("", long_key, false));
  EXPECT_FALSE(check_key("p", long_key.substr(1), false));
  EXPECT_EQ(check_key("", long_key + "k", false).code, errc::invalid_key);
  EXPECT_EQ(check_key("p", long_key, false).code, errc::invalid_key);
  EXPECT_EQ(check_key("p", long_key, true).code, errc::invalid_key);
  EXPECT_EQ(check_key(std::string(251, 'p'), "k", true).code, errc::invalid_key);
  EXPECT_FALSE(check_key("", "k", false));
}

TEST(key, hostile_sizes_do_not_wrap) {
  const std::string_view endless("k", SIZE_MAX / 2 + 1);  // never read: the length decides
  EXPECT_EQ(check_key(endless, endless, true).code, errc::invalid_key);
  EXPECT_EQ(check_key("p", std::string_view("k", SIZE_MAX), true).code, errc::invalid_key);
}

TEST(key, empty_is_refused_even_with_a_prefix) {
  EXPECT_EQ(check_key("", "", false).code, errc::invalid_key);
  EXPECT_EQ(check_key("prefix", "", true).code, errc::invalid_key);
}

TEST(key, bytes) {
  EXPECT_EQ(check_key("", "a b", false).code, errc::invalid_key);
  EXPECT_EQ(check_key("a\n", "b", false).code, errc::invalid_key);
  EXPECT_FALSE(check_key("a\n", "b c", true));
  EXPECT_FALSE(check_key("", "caf\xc3\xa9", false));
  EXPECT_NE(check_key("", "a b", false).why, "");
}

}  // namespace
}  // namespace memcxx::protocol
