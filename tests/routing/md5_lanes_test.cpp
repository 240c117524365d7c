// Many keys at once against one key at a time: MD5 in lanes, and what deals keys out with it.
// Never here: which server a key belongs to (distribution_test.cpp, tests/compat).
#include "routing/md5_lanes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "routing/hash.hpp"
#include "routing/md5.hpp"
#include "routing/topology.hpp"

namespace memcxx::routing {
namespace {

constexpr std::array ways = {md5_way::one_by_one, md5_way::vectors, md5_way::avx2, md5_way::avx512};
constexpr std::uint32_t untouched = 0xabad1dea;

options settings_for(std::size_t servers) {
  options o;
  for (std::size_t i = 0; i < servers; ++i) {
    server_address s;
    s.host = "s" + std::to_string(i);
    o.servers.push_back(s);
  }
  return o;
}

// Each in memory of exactly its size, so that a sanitizer sees a byte read beyond it.
class key_list {
 public:
  void add(std::size_t size, std::mt19937& random) {
    std::vector<char> bytes(size);
    for (char& c : bytes) c = static_cast<char>(random() & 0xff);
    views_.emplace_back(bytes.data(), bytes.size());
    bytes_.push_back(std::move(bytes));
  }
  [[nodiscard]] std::span<const std::string_view> views() const { return views_; }

 private:
  std::vector<std::vector<char>> bytes_;
  std::vector<std::string_view> views_;
};

void expect_scalar_words(const key_list& keys) {
  for (const md5_way way : ways) {
    if (!md5_can(way)) continue;
    std::vector<std::uint32_t> out(keys.views().size() + 1, untouched);
    md5_first_words(keys.views(), out, way);
    for (std::size_t i = 0; i < keys.views().size(); ++i) {
      ASSERT_EQ(out[i], md5_words(keys.views()[i])[0])
          << "way " << static_cast<int>(way) << ", key " << i << " of " << keys.views().size()
          << ", size " << keys.views()[i].size();
    }
    ASSERT_EQ(out.back(), untouched);
  }
}

TEST(md5_lanes_test, the_best_way_is_one_that_this_machine_can) {
  EXPECT_TRUE(md5_can(md5_way::one_by_one));
  EXPECT_TRUE(md5_can(md5_best_way()));
#if defined(__x86_64__)
  EXPECT_NE(md5_best_way(), md5_way::one_by_one);
#endif
}

TEST(md5_lanes_test, every_length_gives_the_scalar_word_in_every_lane) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size <= 300; ++size) {
    key_list keys;
    for (int i = 0; i < 33; ++i) keys.add(size, random);
    ASSERT_NO_FATAL_FAILURE(expect_scalar_words(keys));
  }
}

TEST(md5_lanes_test, every_count_of_mixed_lengths_gives_the_scalar_words) {
  std::mt19937 random(2);
  for (const std::size_t longest : {3U, 15U, 16U, 31U, 32U, 47U, 48U, 55U, 60U, 110U, 300U}) {
    for (std::size_t count = 0; count <= 40; ++count) {
      key_list keys;
      for (std::size_t i = 0; i < count; ++i) keys.add(random() % (longest + 1), random);
      ASSERT_NO_FATAL_FAILURE(expect_scalar_words(keys));
    }
  }
}

TEST(md5_lanes_test, a_length_beside_every_other_gives_the_scalar_word) {
  std::mt19937 random(3);
  for (std::size_t one = 0; one <= 64; ++one) {
    for (std::size_t other = 0; other <= 64; ++other) {
      key_list keys;
      for (int i = 0; i < 5; ++i) keys.add(i == 2 ? one : other, random);
      ASSERT_NO_FATAL_FAILURE(expect_scalar_words(keys));
    }
  }
}

// RFC 1321, appendix A.5: the first four bytes of each digest.
TEST(md5_lanes_test, lanes_give_the_digests_of_the_standard) {
  const std::array<std::string_view, 5> keys = {"", "a", "abc", "message digest",
                                                "abcdefghijklmnopqrstuvwxyz"};
  for (const md5_way way : ways) {
    if (!md5_can(way)) continue;
    std::array<std::uint32_t, 5> out{};
    md5_first_words(keys, out, way);
    EXPECT_EQ(out, (std::array<std::uint32_t, 5>{0xd98c1dd4, 0xb975c10c, 0x98500190, 0x7d696bf9,
                                                 0xd7d3fcc3}));
  }
}

TEST(md5_lanes_test, keys_without_memory_are_empty_keys) {
  const std::array<std::string_view, 20> keys{};
  std::array<std::uint32_t, 20> out{};
  md5_first_words(keys, out);
  EXPECT_TRUE(std::ranges::all_of(out, [](std::uint32_t w) { return w == 0xd98c1dd4; }));
}

TEST(md5_lanes_test, hash_each_is_the_hash_of_each) {
  std::mt19937 random(4);
  key_list keys;
  for (int i = 0; i < 50; ++i) keys.add(random() % 80, random);
  for (const hash_function hash : {md5_hash, crc32, fnv1a_64, one_at_a_time}) {
    std::vector<std::uint32_t> out(keys.views().size() + 1, untouched);
    hash_each(hash, keys.views(), out);
    for (std::size_t i = 0; i < keys.views().size(); ++i) EXPECT_EQ(out[i], hash(keys.views()[i]));
    EXPECT_EQ(out.back(), untouched);
  }
}

void expect_each_is_one(const distribution& d, std::span<const std::string_view> keys) {
  std::vector<std::uint32_t> out(keys.size() + 1, untouched);
  d.pick_each(keys, out);
  for (std::size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(out[i], d.pick(keys[i])) << i;
  ASSERT_EQ(out.back(), untouched);
}

TEST(pick_each_test, every_distribution_picks_many_as_it_picks_one) {
  std::vector<std::string> names;
  for (const std::string_view name : distribution_names()) {
    names.emplace_back(name);
    for (const char* hash : {"/md5", "/default"}) {
      const std::string with_hash = std::string(name) + hash;
      if (make_distribution(with_hash, settings_for(1).servers)) names.push_back(with_hash);
    }
  }
  EXPECT_GT(names.size(), distribution_names().size());
  std::mt19937 random(5);
  key_list keys;
  for (int i = 0; i < 300; ++i) keys.add(random() % (i % 9 == 0 ? 250 : 60), random);
  for (const std::string& name : names) {
    for (const std::size_t servers : {1U, 2U, 7U}) {
      for (const bool weighted : {false, true}) {
        SCOPED_TRACE(name + " " + std::to_string(servers) + (weighted ? " weighted" : ""));
        auto list = settings_for(servers).servers;
        if (weighted) list.back().weight = 3;
        const auto made = make_distribution(name, list);
        ASSERT_TRUE(made);
        ASSERT_NO_FATAL_FAILURE(expect_each_is_one(**made, keys.views()));
        for (std::size_t n = 0; n < 40; ++n) {
          ASSERT_NO_FATAL_FAILURE(expect_each_is_one(**made, keys.views().subspan(n, n)));
        }
      }
    }
  }
}

// `keys` beyond what a server takes, too: the exchange refuses them, but only after this.
void expect_homes_are_home(const options& o) {
  const auto t = make_topology(o);
  ASSERT_TRUE(t);
  std::mt19937 random(6);
  std::vector<std::string> made;
  for (int i = 0; i < 150; ++i) {
    std::string key = std::to_string(random());
    if (i % 3 == 0) key = "a{" + key + "}b";
    if (i % 7 == 0) key.append(random() % 300, 'x');
    if (i % 31 == 0) key.clear();
    made.push_back(std::move(key));
  }
  const std::vector<std::string_view> keys(made.begin(), made.end());
  for (const std::size_t count : {0U, 1U, 2U, 31U, 32U, 33U, 64U, 65U, 150U}) {
    std::vector<std::uint32_t> out(keys.size() + 1, untouched);
    t->homes(std::span(keys).first(count), out);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], t->home(keys[i])) << keys[i];
    for (std::size_t i = count; i < out.size(); ++i) ASSERT_EQ(out[i], untouched);
  }
}

TEST(homes_test, many_keys_have_the_homes_of_each) {
  for (const std::size_t servers : {1U, 2U, 5U}) {
    for (const char* name : {"ketama", "libmc", "modula"}) {
      for (const char* prefix : {"", "p:", "quite_a_long_prefix_for_the_keys:"}) {
        for (const bool in_hash : {true, false}) {
          for (const char* tag : {"", "{}", "ab"}) {
            SCOPED_TRACE(std::string(name) + " '" + prefix + "' '" + tag + "'");
            options o = settings_for(servers);
            o.distribution = name;
            o.prefix = prefix;
            o.prefix_in_hash = in_hash;
            o.hash_tag = tag;
            ASSERT_NO_FATAL_FAILURE(expect_homes_are_home(o));
          }
        }
      }
    }
  }
}

TEST(homes_test, the_prefix_and_the_tag_change_where_keys_go) {
  options o = settings_for(7);
  const auto homes = [&o](std::vector<std::string_view> keys) {
    std::vector<std::uint32_t> out(keys.size());
    make_topology(o)->homes(keys, out);
    return out;
  };
  const auto plain = homes({"k1", "k2", "k3", "k4", "p:k1", "p:k2", "p:k3", "p:k4"});
  o.prefix = "p:";
  const auto prefixed = homes({"k1", "k2", "k3", "k4"});
  EXPECT_TRUE(std::ranges::equal(prefixed, std::span(plain).last(4)));
  EXPECT_FALSE(std::ranges::equal(prefixed, std::span(plain).first(4)));
  o.hash_tag = "{}";
  EXPECT_TRUE(
      std::ranges::equal(homes({"a{k1}", "b{k2}c", "{k3}", "{k4}d"}), std::span(plain).first(4)));
}

TEST(homes_test, a_server_that_does_not_exist_is_no_server) {
  struct lies_at_b final : distribution {
    std::uint32_t pick(std::string_view key, unsigned) const noexcept override {
      return key == "b" ? 3 : 2;
    }
  };
  options o = settings_for(3);
  o.custom_distribution = [](std::span<const server_address>) {
    return std::make_unique<lies_at_b>();
  };
  const std::array<std::string_view, 3> keys = {"a", "b", "c"};
  for (const char* tag : {"", "{}"}) {
    o.hash_tag = tag;
    std::array<std::uint32_t, 3> out{};
    make_topology(o)->homes(keys, out);
    EXPECT_EQ(out, (std::array<std::uint32_t, 3>{2, topology::no_server, 2}));
  }
}

}  // namespace
}  // namespace memcxx::routing
