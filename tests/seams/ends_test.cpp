// Servers that end a connection at what was asked over it: what that costs in connections, and what
// becomes of the requests that were beside it.
// Never here: what that says of a server's health (health_test), what a leg sends again (routing).
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "faces.hpp"
#include "support/memcached_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

constexpr protocol_choice every_text_protocol[] = {protocol_choice::classic,
                                                   protocol_choice::automatic};

class ends : public over_faces {
 protected:
  static std::vector<std::string> numbered(int n) {
    std::vector<std::string> keys;
    for (int i = 0; i < n; ++i) keys.push_back("key" + std::to_string(i));
    return keys;
  }
  // Each connection serves one request, badly.
  static void busy(peer& p) {
    const wire::request r = wire::read(p);
    p.send("SERVER_ERROR busy\r\n");
    p.wait(2ms);
    p.close();
  }
};

// A dial for each of a call's keys would not help it, nor the server.
TEST_P(ends, of_each_connection_at_a_calls_own_request_cost_a_few_of_them) {
  for (const auto protocol : every_text_protocol) {
    SCOPED_TRACE(name_of(protocol));
    scripted_server server(busy);
    const auto cache = face_to(server, protocol, 10s);
    for (const auto& [key, told] : cache->get_many(numbered(300))) {
      EXPECT_TRUE(told == "server_error" || told == "connection_closed" || told == "unattributed")
          << key << ": " << told;
    }
    EXPECT_LT(server.accepted(), 16u);
  }
}

// Whoever has another server to ask goes there.
TEST_P(ends, at_one_server_leave_the_keys_to_the_other) {
  const memcached_server good;
  scripted_server bad(busy);
  const auto keys = numbered(200);
  for (const std::string more : {"&replicas=2", "&failover=next"}) {
    SCOPED_TRACE(more);
    const options o = parse_uri(good.address() + "," + bad.address() +
                                "?timeout=10s&max_failures=0&protocol=meta" + more)
                          .value();
    client both(settings_for(good.address(), protocol_choice::meta, 10s));
    for (const auto& key : keys) ASSERT_TRUE(ok(both.set(key, key)));
    int hits = 0;
    for (const auto& [key, told] : face_with(o)->get_many(keys)) hits += told == key;
    // With failover what was refused in words has its answer, and goes nowhere else.
    EXPECT_GT(hits, 190);
    EXPECT_LT(bad.accepted(), 40u);
  }
}

// Where it is read no further, that is one key's loss.
TEST_P(ends, at_a_value_that_is_too_long_are_nothing_to_the_others) {
  for (const auto protocol : every_text_protocol) {
    SCOPED_TRACE(name_of(protocol));
    scripted_server server([](peer& p) {
      const wire::store items = {
          {"a", "1"}, {"b", "2"}, {"c", "3"}, {"huge", std::string(5000, 'x')}};
      for (;;) p.send(wire::answer(wire::read(p), items));
    });
    options o = settings_for(server.address(), protocol, 5s);
    o.max_value_size = 1000;
    const auto cache = face_with(o);
    const std::map<std::string, std::string> right = {
        {"a", "1"}, {"b", "2"}, {"c", "3"}, {"huge", "value_too_large"}, {"none", "-"}};
    EXPECT_EQ(cache->get_many({"a", "huge", "b", "none", "c"}), right);
    EXPECT_EQ(cache->read("a"), "1");
  }
}

INSTANTIATE_TEST_SUITE_P(seams, ends, testing::ValuesIn(every_face), face_name);

}  // namespace
}  // namespace memcxx::test
