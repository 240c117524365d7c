// Command injection: every byte at every position of keys, prefixes and groups, for every verb and
// every protocol. Either nothing is sent, or what is sent is one line of the words that were meant.
#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include <memcxx/protocol/binary.hpp>
#include <memcxx/protocol/classic.hpp>
#include <memcxx/protocol/meta.hpp>

#include "parsing.hpp"

namespace memcxx::protocol {
namespace {

using checker = refusal (*)(const request&) noexcept;

std::vector<request> every_item_request(std::uint32_t opaque = 77) {
  std::vector<request> all;
  for (unsigned v = 0; v <= static_cast<unsigned>(verb::debug); ++v) {
    request r{.op = static_cast<verb>(v), .opaque = opaque, .value = "flush_all\r\n"};
    if (r.op == verb::cas) r.cas = 5;
    all.push_back(r);
    r.quiet = true;
    r.wants = want::value | want::cas;
    r.flags = UINT32_MAX;
    r.ttl = INT32_MIN;
    r.delta = UINT64_MAX;
    all.push_back(r);
  }
  return all;
}

// The words of one line that ends with "\r\n" and holds no other control byte.
std::vector<std::string> words_of(std::string_view line) {
  EXPECT_TRUE(line.ends_with("\r\n"));
  line.remove_suffix(std::min<std::size_t>(2, line.size()));
  std::vector<std::string> words(1);
  for (const char c : line) {
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  for (const std::string& word : words) EXPECT_FALSE(word.empty());
  return words;
}

// The words of the same request with a harmless key, and with this one: all equal but the key.
void expect_only_the_key_differs(std::vector<std::string> harmless,
                                 std::vector<std::string> hostile, std::string_view key) {
  std::erase(hostile, "b");  // base64, which the harmless one does not need
  ASSERT_EQ(harmless.size(), hostile.size());
  for (std::size_t i = 0; i < harmless.size(); ++i) {
    if (harmless[i] == "harmless") {
      EXPECT_LE(hostile[i].size(), max_key_size);
      if (is_text_safe(key)) {
        EXPECT_EQ(hostile[i], key);
      }
    } else {
      EXPECT_EQ(harmless[i], hostile[i]);
    }
  }
}

std::size_t count_sent(checker check, testing::encoder encode, std::uint32_t opaque = 77) {
  std::size_t sent = 0;
  for (request r : every_item_request(opaque)) {
    r.key = "harmless";
    if (check(r)) continue;
    const std::vector<std::string> harmless = words_of(testing::encoded(encode, r));
    for (const bool in_prefix : {false, true}) {
      for (std::size_t at = 0; at < 9; ++at) {
        for (unsigned byte = 0; byte < 256; ++byte) {
          std::string bytes = "keykeykey";
          bytes[at] = static_cast<char>(byte);
          r.prefix = in_prefix ? std::string_view(bytes) : std::string_view();
          r.key = in_prefix ? std::string_view("k") : std::string_view(bytes);
          if (check(r)) continue;
          ++sent;
          expect_only_the_key_differs(harmless, words_of(testing::encoded(encode, r)),
                                      std::string(r.prefix).append(r.key));
        }
      }
    }
  }
  return sent;
}

TEST(hostile_key, classic_sends_one_line_or_nothing) {
  // debug is not classic's. 222 of 256 bytes are text; 12 verbs, two ways, 2 x 9 positions.
  EXPECT_EQ(count_sent(classic::check, classic::encode, 0), 12U * 2 * 2 * 9 * 222);
}

TEST(hostile_key, meta_sends_one_line_and_any_key) {
  // debug is for text keys alone.
  EXPECT_EQ(count_sent(meta::check, meta::encode), (12U * 256 + 222) * 2 * 2 * 9);
}

TEST(hostile_key, binary_frames_any_key) {
  for (request r : every_item_request()) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const std::string key = std::string("ke") + static_cast<char>(byte);
      r.key = key;
      if (binary::check(r)) {
        EXPECT_EQ(r.op, verb::debug);
        continue;
      }
      const std::string bytes = testing::encoded(binary::encode, r, binary::max_head);
      const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
      const std::size_t extras = at(4);
      EXPECT_EQ(at(2) << 8 | at(3), 3);
      EXPECT_EQ(bytes.size(), binary::header_size + extras + 3);
      EXPECT_EQ(bytes.substr(bytes.size() - 3), key);
      const std::size_t value = carries_value(r.op) ? r.value.size() : 0;
      EXPECT_EQ(at(10) << 8 | at(11), static_cast<int>(extras + 3 + value));
    }
  }
}

TEST(hostile_key, a_group_of_statistics_is_words_or_nothing) {
  for (std::size_t at = 0; at < 6; ++at) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string group = "detail";
      group[at] = static_cast<char>(byte);
      const request r{.op = verb::stats, .key = group};
      EXPECT_EQ(classic::check(r).code, binary::check(r).code);
      const bool fine = (byte > 0x20 && byte < 0x7f) || (byte == ' ' && at > 0 && at < 5);
      EXPECT_EQ(!classic::check(r), fine) << byte << " at " << at;
      if (fine) {
        EXPECT_LE(words_of(testing::encoded(classic::encode, r)).size(), 3U);
      }
    }
  }
}

TEST(hostile_key, too_long_is_refused_before_anything_is_sent) {
  const std::string key(251, 'k');
  for (request r : every_item_request()) {
    r.key = key;
    EXPECT_EQ(classic::check(r).code, errc::invalid_key) << name_of(r.op);
    EXPECT_EQ(meta::check(r).code, errc::invalid_key) << name_of(r.op);
    EXPECT_EQ(binary::check(r).code, errc::invalid_key) << name_of(r.op);
    r.prefix = "p";
    r.key = std::string_view(key).substr(1);
    EXPECT_EQ(classic::check(r).code, errc::invalid_key) << name_of(r.op);
    EXPECT_EQ(meta::check(r).code, errc::invalid_key) << name_of(r.op);
    EXPECT_EQ(binary::check(r).code, errc::invalid_key) << name_of(r.op);
  }
}

}  // namespace
}  // namespace memcxx::protocol
