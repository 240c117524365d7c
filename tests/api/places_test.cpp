// client::places: a key's home, and where it goes when that cannot be used.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>

#include <memcxx/client.hpp>

namespace {

TEST(places, of_a_key_that_stays_are_its_home) {
  memcxx::client cache("10.0.0.1,10.0.0.2,10.0.0.3");
  for (const char* key : {"a", "b", "user:42", ""}) {
    EXPECT_EQ(cache.places(key), std::vector<std::string>{cache.which(key)});
  }
}

TEST(places, of_a_key_that_moves_are_all_servers_and_the_home_is_first) {
  for (const char* distribution : {"ketama", "modula", "python-memcached", "jump"}) {
    memcxx::client cache(std::string("10.0.0.1,10.0.0.2,10.0.0.3?failover=next&distribution=") +
                         distribution);
    for (int i = 0; i < 50; ++i) {
      const std::string key = "key:" + std::to_string(i);
      const auto places = cache.places(key);
      ASSERT_EQ(places.size(), 3U) << distribution;
      EXPECT_EQ(places.front(), cache.which(key));
      EXPECT_EQ(std::set<std::string>(places.begin(), places.end()).size(), 3U);
    }
  }
}

TEST(places, follow_the_list_of_servers) {
  memcxx::client cache("10.0.0.1,10.0.0.2?failover=next");
  EXPECT_EQ(cache.places("k").size(), 2U);
  ASSERT_TRUE(cache.add_server(memcxx::parse_server("10.0.0.3").value()));
  EXPECT_EQ(cache.places("k").size(), 3U);
}

TEST(places, are_at_most_sixteen) {
  std::string servers = "10.0.0.1";
  for (int i = 2; i <= 20; ++i) servers += ",10.0.0." + std::to_string(i);
  EXPECT_EQ(memcxx::client(servers + "?failover=next").places("k").size(), 16U);
}

}  // namespace
