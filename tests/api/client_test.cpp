// Calls of a client that are about its servers rather than about one key, over memory://.
// Never here: sockets, what a server does with a verb (tests/driver, tests/integration).
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include <memcxx/client.hpp>

namespace memcxx {
namespace {

TEST(client, verbs_for_every_server_reach_the_gutter_too) {
  client cache("memory://a,b?failover=gutter&gutter=memory:%2F%2Fg");
  std::vector<std::string> asked;
  for (const auto& r : cache.version()) {
    EXPECT_TRUE(r.reply) << r.server;
    asked.push_back(r.server);
  }
  EXPECT_EQ(asked, (std::vector<std::string>{"memory://a", "memory://b", "memory://g"}));
  EXPECT_EQ(cache.flush().size(), 3U);
  EXPECT_EQ(cache.servers().size(), 2U) << "the gutter's are no places for keys";
}

TEST(client, removes_many_however_the_keys_are_kept) {
  client cache("memory://a,b");
  const std::vector<std::string> owned = {"k1", "k2", "none"};
  ASSERT_TRUE(cache.set_many({{"k1", "v"}, {"k2", "v"}}).all());
  const auto gone = cache.remove_many(owned);
  EXPECT_TRUE(gone[0] && gone[1]);
  EXPECT_FALSE(gone[2]);
  EXPECT_EQ(gone[2].error(), errc::miss);
  const std::vector<std::string_view> borrowed = {"k1"};
  EXPECT_EQ(cache.remove_many(borrowed)[0].error(), errc::miss);
}

TEST(client, opens_a_session_by_any_spelling_of_a_server) {
  client cache("10.0.0.1,10.0.0.2:1");  // nothing is dialled
  EXPECT_EQ(cache.open("10.0.0.1")->server(), "10.0.0.1:11211");
  EXPECT_EQ(cache.open("10.0.0.1:11211")->server(), "10.0.0.1:11211");
  EXPECT_EQ(cache.open("10.0.0.2").error(), errc::invalid_argument);
}

}  // namespace
}  // namespace memcxx
