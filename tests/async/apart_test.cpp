// Keys of a classic get that errors left in doubt, asked one by one over a connection that others
// use all the while (leg::asks_apart).
// Never here: which answers leave a doubt (tests/connection).
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "giving_up.hpp"
#include "running.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// As memcached's proxy: an error for each key of a dead server, and END.
void answer_like_a_proxy(peer& p) {
  bool apart = false;  // from the first to the last of the keys that are asked one by one
  for (;;) {
    const wire::request r = wire::read_plain(p);
    const bool alone = r.verb == "get" || r.verb == "gets" ? r.words.size() == 2 : false;
    if (alone && r.key == "dead1") apart = true;
    const bool one_of_them =
        alone && (r.key == "dead1" || r.key.starts_with("none") || r.key == "k8");
    EXPECT_TRUE(one_of_them || !apart) << r.verb << " " << r.key;
    EXPECT_FALSE(apart && p.has_more());
    if (alone && r.key == "none2") apart = false;
    if (r.verb != "get" && r.verb != "gets") {
      p.send(wire::answer(r, {}));
      continue;
    }
    std::string said;
    for (std::size_t i = 1; i < r.words.size(); ++i) {
      const std::string& key = r.words[i];
      if (key.starts_with("dead")) said += "SERVER_ERROR backend failure\r\n";
      if (key.starts_with("k")) {
        wire::request one = r;
        one.words = {r.verb, key};
        one.key = key;
        const std::string whole = wire::answer(one, {{key, value_for(key)}});
        said += whole.substr(0, whole.size() - 5);
      }
    }
    p.wait(1ms);
    p.send(said + "END\r\n");
  }
}

TEST(asked_apart, keys_in_doubt_have_their_own_answers_beside_others) {
  for (const bool others_read : {false, true}) {
    SCOPED_TRACE(others_read ? "gets" : "sets");
    scripted_server server(answer_like_a_proxy);
    net::io_context io;
    options o = async_settings(server.address(), protocol_choice::classic, 2s);
    o.health.max_failures = 0;
    async_client cache(io, o, {.connections = 1});
    int busy = 4;
    bool over = false;
    int served = 0;
    for (int i = 0; i < 4; ++i) {
      net::co_spawn(
          io,
          [&, i]() -> net::awaitable<void> {
            const std::string key = "k" + std::to_string(i);
            while (!over) {
              if (others_read) {
                EXPECT_EQ(value_of(co_await cache.get(key)), value_for(key));
              } else {
                EXPECT_TRUE(ok(co_await cache.set(key, "v")));
              }
              ++served;
            }
            --busy;
          },
          net::detached);
    }
    net::co_spawn(
        io,
        [&]() -> net::awaitable<void> {
          for (int round = 0; round < 5; ++round) {
            const std::vector<std::string> keys{"k7", "dead1", "none", "k8", "none2"};
            const items got = co_await cache.get_many(keys);
            EXPECT_EQ(got[0].value, value_for("k7")) << got[0].status;
            EXPECT_EQ(got[1].status.code(), errc::server_error) << got[1].status;
            EXPECT_TRUE(got[2].miss()) << got[2].status;
            EXPECT_EQ(got[3].value, value_for("k8")) << got[3].status;
            EXPECT_TRUE(got[4].miss()) << got[4].status;
          }
          over = true;
        },
        net::detached);
    EXPECT_TRUE(run_until(io, [&] { return busy == 0; }));
    EXPECT_GT(served, 0);
  }
}

}  // namespace
}  // namespace memcxx::test
