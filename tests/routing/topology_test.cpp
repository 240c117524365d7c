// Where a key goes: the prefix, hash tags, places after the home, zones, distributions of the
// user's own, names. Never here: a ring (distribution_test.cpp).
#include <array>
#include <set>

#include "exchange_fixture.hpp"

namespace memcxx::routing {
namespace {

TEST(topology_test, the_prefix_counts_in_the_hash_only_when_it_shall) {
  struct first_byte final : distribution {
    std::uint32_t pick(std::string_view key, unsigned) const noexcept override {
      return key.starts_with('p') ? 1 : 0;
    }
  };
  options o = settings_for(2);
  o.prefix = "p:";
  o.custom_distribution = [](std::span<const server_address>) {
    return std::make_unique<first_byte>();
  };
  EXPECT_EQ(make_topology(o)->home("key"), 1u);
  o.prefix_in_hash = false;
  EXPECT_EQ(make_topology(o)->home("key"), 0u);
}

TEST(topology_test, a_distribution_that_is_not_made_is_the_callers_error) {
  options o = settings_for(2);
  o.custom_distribution = [](std::span<const server_address>) { return nullptr; };
  const auto made = make_topology(o);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), errc::invalid_argument);
}

TEST(topology_test, one_server_has_every_key_and_names_are_addresses) {
  const auto one = make_topology(settings_for(1));
  ASSERT_TRUE(one);
  for (const std::string& key : std::vector<std::string>{"a7", "b8", "9"})
    EXPECT_EQ(one->home(key), 0u);
  const auto three = make_topology(settings_for(3));
  EXPECT_EQ(three->names, (std::vector<std::string>{"s0:11211", "s1:11211", "s2:11211"}));
  EXPECT_EQ(three->home("a2"), 2u);
}

std::string key_of(int i) { return "key:" + std::to_string(i * 7919); }

TEST(topology_test, every_preset_names_every_server_once) {
  for (const std::string_view name : distribution_names()) {
    for (std::size_t n = 1; n <= 10; ++n) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(n));
      options o = settings_for(n);
      o.custom_distribution = nullptr;
      o.distribution = name;
      const auto t = make_topology(o);
      ASSERT_TRUE(t);
      for (int i = 0; i < 300; ++i) {
        const std::string key = key_of(i);
        std::set<std::uint32_t> places;
        for (std::size_t p = 0; p < n; ++p) places.insert(t->place(key, p));
        ASSERT_EQ(places.size(), n) << key;
        ASSERT_LT(*places.rbegin(), n) << key;
        ASSERT_EQ(t->place(key, 0), t->home(key));
        ASSERT_EQ(t->place(key, n), topology::no_server);
      }
    }
  }
}

TEST(topology_test, places_end_where_they_are_bounded) {
  options o = settings_for(40);
  o.custom_distribution = nullptr;
  const auto t = make_topology(o);
  std::set<std::uint32_t> places;
  for (std::size_t n = 0; n < topology::most_places; ++n) places.insert(t->place("k", n));
  EXPECT_EQ(places.size(), topology::most_places);
  EXPECT_EQ(t->place("k", topology::most_places), topology::no_server);
}

TEST(topology_test, a_distribution_that_repeats_itself_or_lies_has_no_more_places) {
  const auto stubborn = make_topology(settings_for(3));  // knows no attempt but the first
  EXPECT_EQ(stubborn->place("a1", 0), 1u);
  EXPECT_EQ(stubborn->place("a1", 1), topology::no_server);
  struct beyond final : distribution {
    std::uint32_t pick(std::string_view, unsigned attempt) const noexcept override {
      return attempt == 0 ? 0 : UINT32_MAX;
    }
  };
  options o = settings_for(3);
  o.custom_distribution = [](std::span<const server_address>) {
    return std::make_unique<beyond>();
  };
  EXPECT_EQ(make_topology(o)->place("k", 1), topology::no_server);
}

TEST(topology_test, keys_that_share_a_tag_share_their_server) {
  options o = settings_for(7);
  o.custom_distribution = nullptr;
  o.hash_tag = "{}";
  o.prefix = "p:";
  const auto t = make_topology(o);
  o.hash_tag.clear();
  o.prefix.clear();
  const auto plain = make_topology(o);
  for (int i = 0; i < 100; ++i) {
    const std::string tag = key_of(i);
    const auto home = plain->home(tag);
    for (const std::string& key : {"{" + tag + "}", "a{" + tag + "}b", "{" + tag + "}{other}",
                                   "}{" + tag + "}", "a{" + tag + "}}"}) {
      EXPECT_EQ(t->home(key), home) << key;
    }
    // Without a pair, or with nothing in it, the whole counts.
    for (const std::string& key : {"{" + tag, tag + "}", "{}" + tag, "}" + tag + "{"}) {
      EXPECT_EQ(t->home(key), plain->home("p:" + key)) << key;
    }
  }
}

TEST(topology_test, nearest_puts_the_own_zone_first_and_keeps_the_order) {
  struct in_list_order final : distribution {
    std::uint32_t pick(std::string_view, unsigned attempt) const noexcept override {
      return attempt % 6;
    }
  };
  options o = settings_for(6);
  o.custom_distribution = [](std::span<const server_address>) {
    return std::make_unique<in_list_order>();
  };
  const auto near = [&o](std::size_t wanted) {
    std::array<std::uint32_t, topology::most_places> places{};
    const std::size_t n = make_topology(o)->nearest("k", std::span(places).first(wanted));
    return std::vector(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(n));
  };
  using list = std::vector<std::uint32_t>;
  EXPECT_EQ(near(4), (list{0, 1, 2, 3}));
  EXPECT_EQ(near(16), (list{0, 1, 2, 3, 4, 5}));
  o.zone = "b";
  EXPECT_EQ(near(3), (list{0, 1, 2}));
  for (const std::size_t s : {1U, 3U, 4U}) o.servers[s].zone = "b";
  EXPECT_EQ(near(6), (list{1, 3, 4, 0, 2, 5}));
  EXPECT_EQ(near(3), (list{1, 0, 2}));  // of its places, and no others
  o.zone.clear();
  EXPECT_EQ(near(3), (list{0, 1, 2}));
}

TEST(topology_test, the_gutter_stands_behind_the_own_servers) {
  options o = settings_for(3);
  server_address g;
  g.host = "g";
  o.gutter = {g};
  const auto t = make_topology(o);
  EXPECT_EQ(t->gutter_place("k2"), 3u);
  EXPECT_EQ(t->names[3], "g:11211");
  EXPECT_EQ(t->own_names().size(), 3u);
  EXPECT_EQ(make_topology(settings_for(3))->gutter_place("k2"), topology::no_server);
}

}  // namespace
}  // namespace memcxx::routing
