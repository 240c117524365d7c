// Ranges of keys, and of pairs, as the verbs for many keys take them: what a range makes on the way
// is copied, or refused by the compiler.
// Never here: what many keys are answered with (servers_test).
#include <array>
#include <filesystem>
#include <gtest/gtest.h>
#include <list>
#include <map>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "running.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

constexpr int keys_made = 50;
// Longer than fits into a std::string itself: one that is gone leaves its place to the next.
std::string key_of(int i) { return "a-key-that-a-range-makes-on-the-way-" + std::to_string(i); }
using made_keys = decltype(std::views::iota(0, keys_made) | std::views::transform(key_of));
using made_pairs = decltype(std::views::iota(0, keys_made) |
                            std::views::transform([](int i) { return std::pair(key_of(i), i); }));
using filtered = decltype(std::declval<std::vector<std::string>&>() |
                          std::views::filter([](const std::string& key) { return !key.empty(); }));
using strings = std::vector<std::string>;
using views = std::vector<std::string_view>;
using literals = std::array<const char*, 2>;
using numbers = std::vector<int>;
using paths = std::vector<std::filesystem::path>;
using map = std::map<std::string, std::string>;

// --- what is taken -----------------------------------------------------------------------------

static_assert(key_range<made_keys>);
static_assert(key_range<strings> && key_range<views> && key_range<literals>);
static_assert(key_range<std::list<std::string>>);
static_assert(!key_range<numbers> && !key_range<std::string> && !key_range<map>);
static_assert(!key_range<paths>, "its string would be a temporary one");
static_assert(!key_range<filtered>, "it cannot be gone through as it is given, by const &");
static_assert(storable_pairs<map>);
static_assert(!storable_pairs<made_pairs>, "keys and values would be borrowed from what is gone");

template <class Client, class Keys>
concept gets = requires(Client& c, const Keys& keys) { c.get_many(keys); };
template <class Client, class Keys>
concept gets_typed = requires(Client& c, const Keys& keys) { c.template get_many<int>(keys); };
template <class Client, class Keys>
concept gets_each = requires(Client& c, const Keys& keys) { c.get_each(keys); };
template <class Client, class Keys>
concept removes = requires(Client& c, const Keys& keys) { c.remove_many(keys); };
template <class Client, class Pairs>
concept sets = requires(Client& c, const Pairs& pairs) { c.set_many(pairs); };

static_assert(gets<async_client, made_keys> && gets_typed<async_client, made_keys> &&
              gets_each<async_client, made_keys> && removes<async_client, made_keys>);
static_assert(gets<async_client, views> && removes<async_client, literals>);
static_assert(!gets<async_client, numbers> && !gets_typed<async_client, numbers> &&
              !gets_each<async_client, numbers> && !removes<async_client, numbers>);
static_assert(sets<async_client, map> && !sets<async_client, made_pairs>);

// The blocking client looks at keys where they are, and so takes only what lies in memory.
static_assert(!gets<client, made_keys> && !removes<client, made_keys>);
static_assert(gets_typed<client, made_keys>, "these are copied");
static_assert(!gets_typed<client, numbers>);
static_assert(gets<client, strings> && gets<client, views> && removes<client, strings>);
static_assert(sets<client, map> && !sets<client, made_pairs>);

// --- what is copied ----------------------------------------------------------------------------

TEST(ranges, may_make_their_keys_on_the_way) {
  const auto servers = start_servers(2);
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers)));
  const auto keys = std::views::iota(0, keys_made) | std::views::transform(key_of);
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (int i = 0; i < keys_made; ++i) {
      EXPECT_TRUE(ok(co_await cache.set(key_of(i), std::to_string(i))));
    }
    const items found = co_await cache.get_many(keys);
    EXPECT_EQ(found.hits(), static_cast<std::size_t>(keys_made));
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].value, std::to_string(i));

    auto arriving = cache.get_each(keys);
    int arrived = 0;
    while (const auto e = co_await arriving.next()) {
      EXPECT_EQ(e->key, key_of(static_cast<int>(e->index)));
      EXPECT_EQ(value_of(e->reply), std::to_string(e->index));
      ++arrived;
    }
    EXPECT_EQ(arrived, keys_made);

    const auto removed = co_await cache.remove_many(keys);
    EXPECT_EQ(removed.size(), static_cast<std::size_t>(keys_made));
    EXPECT_TRUE(removed.all()) << "some key was another one";
    EXPECT_EQ((co_await cache.get_many(keys)).hits(), 0u);
  });
}

TEST(ranges, that_make_typed_values_keys_are_copied) {
  const auto servers = start_servers(2);
  client blocking(list_of(servers));
  net::io_context io;
  async_client cache(io, async_settings(list_of(servers)));
  const auto keys = std::views::iota(0, keys_made) | std::views::transform(key_of);
  for (int i = 0; i < keys_made; ++i) EXPECT_TRUE(ok(blocking.set(key_of(i), i)));
  const auto check = [](const values_of<int>& found) {
    EXPECT_EQ(found.hits(), static_cast<std::size_t>(keys_made));
    int i = 0;
    for (const auto& e : found) {
      EXPECT_EQ(e.key, key_of(i));
      EXPECT_TRUE(e.value && *e.value == i) << e.key;
      ++i;
    }
  };
  check(blocking.get_many<int>(keys));
  run_to_end(io, [&]() -> net::awaitable<void> { check(co_await cache.get_many<int>(keys)); });
}

}  // namespace
}  // namespace memcxx::test
