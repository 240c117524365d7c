// Where a key goes: the prefix, distributions of the user's own, names.
// Never here: a ring (distribution_test.cpp).
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
  for (const std::string key : {"a7", "b8", "9"}) EXPECT_EQ(one->home(key), 0u);
  const auto three = make_topology(settings_for(3));
  EXPECT_EQ(three->names, (std::vector<std::string>{"s0:11211", "s1:11211", "s2:11211"}));
  EXPECT_EQ(three->home("a2"), 2u);
}

}  // namespace
}  // namespace memcxx::routing
