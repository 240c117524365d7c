// What a connection's end says of its server, and what is remembered of how a server takes the
// question for meta: one rule for every face.
// Never here: the rule at every step (tests/connection).
#include <atomic>
#include <gtest/gtest.h>

#include "faces.hpp"
#include "support/memcached_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

class verdicts : public over_faces {
 protected:
  // One failure is enough to mark a server down.
  static options strict(const scripted_server& s, std::atomic<int>& down,
                        protocol_choice p = protocol_choice::automatic) {
    options o = settings_for(s.address(), p, 2s);
    o.health.max_failures = 1;
    o.on_server_down = [&down](std::string_view, const error&) { ++down; };
    return o;
  }
};

// Item 9. The server closes what is idle, as servers and balancers do: before the next request, or
// as it comes.
TEST_P(verdicts, a_dead_idle_connection_that_is_replaced_is_no_failure) {
  for (const bool at_the_request : {false, true}) {
    for (const auto protocol :
         {protocol_choice::automatic, protocol_choice::classic, protocol_choice::binary}) {
      std::atomic<int> down{0};
      scripted_server server([&](peer& p) {
        p.send(wire::answer(wire::read(p), {{"k", "v"}}));
        if (at_the_request) (void)wire::read_plain(p);
        p.close();
      });
      const auto cache = face_with(strict(server, down, protocol));
      for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(cache->read("k"), "v") << i;
        std::this_thread::sleep_for(2ms);
      }
      // A store that was on its way is lost, and says so; the server is healthy all the same.
      if (at_the_request) {
        EXPECT_EQ(cache->set("k", "x"), errc::connection_closed);
      }
      EXPECT_EQ(cache->read("k"), "v");
      EXPECT_EQ(down, 0);
    }
  }
}

// Item 10. Proxies and others close at verbs that they do not have.
TEST_P(verdicts, a_refused_verb_that_closes_the_connection_says_nothing_of_the_server) {
  std::atomic<int> down{0};
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.verb == "flush_all" || r.verb == "gat" || r.verb == "gats" || r.meta_flag('T')) {
        return p.close();
      }
      p.send(wire::answer(r, {{"k", "v"}}));
    }
  });
  for (const auto protocol : {protocol_choice::automatic, protocol_choice::classic}) {
    const auto cache = face_with(strict(server, down, protocol));
    // Over fresh connections as well, on which nothing was answered yet.
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(cache->flush(), errc::connection_closed);
      EXPECT_EQ(cache->gat("k", 60s), errc::connection_closed);
    }
    EXPECT_EQ(cache->read("k"), "v");
  }
  EXPECT_EQ(down, 0);
}

TEST_P(verdicts, a_server_that_is_gone_is_marked_down) {
  std::atomic<int> down{0};
  scripted_server server([](peer& p) {
    (void)wire::read(p);
    p.close();
  });
  const auto cache = face_with(strict(server, down));
  EXPECT_EQ(cache->read("k"), "connection_closed");
  EXPECT_EQ(cache->read("k"), "server_down");
  EXPECT_EQ(down, 1);
}

// Item 7. A balancer that accepts and closes while there is nobody behind it.
TEST_P(verdicts, a_balancer_with_nobody_behind_it_is_forgotten_within_two_seconds) {
  const memcached_server real;
  std::atomic<bool> away{false};
  scripted_server balancer([&](peer& p) {
    if (away) return p.close();
    p.relay(real.port());
  });
  options o = settings_for(balancer.address(), protocol_choice::automatic, 1s);
  const auto cache = face_with(o);
  ASSERT_EQ(cache->set("k", "v"), errc::ok);
  away = true;
  // Connections that are open live on in the relay; a second client meets the balancer as it is.
  const auto second = face_with(o);
  const stopwatch outage;
  while (outage.elapsed() < 50ms) {
    const errc told = second->incr("n", {.initial = 1});
    EXPECT_TRUE(told == errc::connect_failed || told == errc::connection_closed) << told;
  }
  away = false;
  const stopwatch since;
  errc told = errc::ok;
  do {
    told = second->incr("n", {.initial = 1});
  } while (told != errc::ok && since.elapsed() < 5s);
  EXPECT_EQ(told, errc::ok);
  EXPECT_LT(since.elapsed(), 2s);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(second->incr("n", {.initial = 1}), errc::ok);
  EXPECT_EQ(second->read("k"), "v");
}

// One that is up at the classic question only, by chance: the guess is retired when its time is
// over, whatever is asked meanwhile, also what classic refuses by itself.
TEST_P(verdicts, a_wrong_guess_is_retired) {
  const memcached_server real;
  std::atomic<int> connections{0};
  scripted_server balancer([&](peer& p) {
    const int n = connections++;
    if (n == 0 || n == 2) return p.close();
    p.relay(real.port());
  });
  const auto cache = face_with(settings_for(balancer.address(), protocol_choice::automatic, 1s));
  EXPECT_EQ(cache->set("k", "v"), errc::ok);
  const stopwatch since;
  errc told = errc::ok;
  do {
    told = cache->incr("n", {.initial = 1});
    EXPECT_TRUE(told == errc::ok || told == errc::not_supported) << told;
    std::this_thread::sleep_for(10ms);
  } while (told != errc::ok && since.elapsed() < 5s);
  EXPECT_EQ(told, errc::ok);
  EXPECT_LT(since.elapsed(), 2s);
  EXPECT_EQ(cache->read("k"), "v");
}

INSTANTIATE_TEST_SUITE_P(seams, verdicts, testing::ValuesIn(every_face), face_name);

}  // namespace
}  // namespace memcxx::test
