// Servers that cannot be reached, or not as hoped: refused, dead, unknown names, proxies that do
// not know meta, several addresses for one client.
// Never here: what happens once a server has answered.
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/stand_in.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

constexpr auto slack = 150ms;

class reaching : public over_protocols {};

TEST_P(reaching, a_refused_port_is_connect_failed_at_once) {
  const refusing_port nobody;
  client cache = make_client(nobody.address(), GetParam(), 2s);
  const stopwatch watch;
  const auto got = cache.get("k");
  ASSERT_TRUE(fails(got, errc::connect_failed));
  EXPECT_EQ(got.error().server(), nobody.address());
  EXPECT_FALSE(got.error().message().empty());
  EXPECT_TRUE(fails(cache.set("k", "v"), errc::connect_failed));
  const items many = cache.get_many({"a", "b"});
  EXPECT_EQ(many[0].status.code(), errc::connect_failed);
  EXPECT_EQ(many[1].status.code(), errc::connect_failed);
  EXPECT_LT(watch.elapsed(), 500ms);
}

TEST_P(reaching, a_missing_unix_socket_is_connect_failed) {
  client cache = make_client("unix:/nonexistent/memcached.sock", GetParam(), 2s);
  const auto got = cache.get("k");
  ASSERT_TRUE(fails(got, errc::connect_failed));
  EXPECT_EQ(got.error().server(), "/nonexistent/memcached.sock");
}

TEST_P(reaching, a_dead_address_ends_with_the_connect_timeout) {
  const dead_port dead;
  memcxx::options o = settings_for(dead.address(), GetParam(), 2s);
  o.connect_timeout = 120ms;
  client cache(o);
  const stopwatch watch;
  const auto got = cache.get("k");
  ASSERT_FALSE(got);
  EXPECT_TRUE(fails(got, errc::timeout) || fails(got, errc::connect_failed));
  EXPECT_GE(watch.elapsed(), 119ms);
  EXPECT_LE(watch.elapsed(), 120ms + slack);
}

TEST_P(reaching, a_dead_address_never_outlasts_the_call) {
  const dead_port dead;
  memcxx::options o = settings_for(dead.address(), GetParam(), 100ms);
  o.connect_timeout = 5s;
  client cache(o);
  const stopwatch watch;
  EXPECT_TRUE(fails(cache.get("k"), errc::timeout));
  EXPECT_GE(watch.elapsed(), 99ms);
  EXPECT_LE(watch.elapsed(), 100ms + slack);
}

TEST_P(reaching, one_dead_address_does_not_delay_the_other_servers) {
  const dead_port dead;
  const memcached_server server;
  memcxx::options o = settings_for(dead.address() + "," + server.address(), GetParam(), 400ms);
  o.connect_timeout = 300ms;
  client cache(o);
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back("k" + std::to_string(i));
  const stopwatch watch;
  const items got = cache.get_many(names);
  EXPECT_LE(watch.elapsed(), 400ms + slack);
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(got[i].miss(), cache.which(names[i]) == server.name()) << got[i].status;
}

TEST_P(reaching, an_unresolvable_name_fails_within_the_deadline) {
  client cache = make_client("name.invalid:11211", GetParam(), 700ms);
  const stopwatch watch;
  const auto got = cache.get("k");
  ASSERT_FALSE(got);
  EXPECT_TRUE(fails(got, errc::resolve_failed) || fails(got, errc::timeout));
  EXPECT_EQ(got.error().server(), "name.invalid:11211");
  EXPECT_LE(watch.elapsed(), 700ms + slack);
}

TEST_P(reaching, every_address_of_a_name_is_tried) {
  // localhost is ::1 and 127.0.0.1 on most machines, and only the latter listens here.
  const memcached_server server(transport::v4);
  client cache = make_client("localhost:" + std::to_string(server.port()), GetParam(), 2s);
  EXPECT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(value_of(cache.get("k")), "v");
}

TEST_P(reaching, a_server_that_closes_on_connect_is_an_error_and_not_a_storm) {
  scripted_server server([](peer& p) { p.close(); });
  client cache = make_client(server.address(), GetParam(), 1s);
  const stopwatch watch;
  const auto got = cache.get("k");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().whose(), fault::network) << got.error();
  EXPECT_NE(got.error().code(), errc::miss);
  EXPECT_LT(watch.elapsed(), 500ms);
  EXPECT_LE(server.accepted(), 4u);
}

TEST_P(reaching, a_server_that_resets_on_connect_is_an_error) {
  scripted_server server([](peer& p) { p.reset(); });
  client cache = make_client(server.address(), GetParam(), 1s);
  const auto set = cache.set("k", "v");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().whose(), fault::network) << set.error();
  EXPECT_LE(server.accepted(), 4u);
}

TEST_P(reaching, a_server_that_is_full_says_so) {
  // memcached at its connection limit answers with an error line and closes (maxconns_fast).
  scripted_server server([](peer& p) {
    p.send("ERROR Too many open connections\r\n");
    p.close();
  });
  client cache = make_client(server.address(), GetParam(), 1s);
  const auto got = cache.get("k");
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().whose(), fault::answer) << got.error();
  EXPECT_LE(server.accepted(), 4u);
}

INSTANTIATE_TEST_SUITE_P(fault, reaching, testing::ValuesIn(every_protocol), protocol_name);

// --- finding out what a server speaks
// -------------------------------------------------------------

TEST(finding_out, a_proxy_that_closes_on_meta_is_spoken_to_in_classic) {
  const memcached_server real;
  scripted_server proxy([&](peer& p) {
    const std::string first = p.read(2);
    if (first == "ms") {
      p.close();
      return;
    }
    p.unread(first);
    p.relay(real.port());
  });
  client cache = make_client(proxy.address(), protocol_choice::automatic, 2s);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(value_of(cache.get("k")), "v");
  // It asks twice, and in classic between: once may have been a bad moment.
  EXPECT_EQ(proxy.accepted(), 3u);
  EXPECT_TRUE(fails(cache.debug("k"), errc::not_supported));
  // What was found out is remembered for a while: the next connection does not ask.
  cache.disconnect();
  EXPECT_EQ(value_of(cache.get("k")), "v");
  EXPECT_EQ(proxy.accepted(), 4u);
  EXPECT_EQ(proxy.count("ms"), 2u);
}

TEST(finding_out, one_bad_moment_of_a_balancer_is_not_taken_for_an_old_server) {
  const memcached_server real;
  std::atomic<int> connections = 0;
  scripted_server balancer([&](peer& p) {
    if (connections++ == 0) {
      p.read_line();
      p.close();
      return;
    }
    p.relay(real.port());
  });
  client cache = make_client(balancer.address(), protocol_choice::automatic, 2s);
  EXPECT_TRUE(ok(cache.incr("n", 1, {.initial = 5})));
  EXPECT_TRUE(ok(cache.debug("n")));
}

TEST(finding_out, an_old_server_that_answers_meta_with_error_is_spoken_to_in_classic) {
  stand_in like(stand_in::memcached_1_4);
  scripted_server old(like.play());
  ASSERT_TRUE(ok(make_client(old.address(), protocol_choice::classic).set("k", "v")));
  client cache = make_client(old.address(), protocol_choice::automatic, 2s);
  EXPECT_EQ(value_of(cache.get("k")), "v");
  EXPECT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(old.accepted(), 2u);
  auto own = cache.open(old.address());
  ASSERT_TRUE(ok(own));
  ASSERT_TRUE(ok(own->connect()));
  EXPECT_EQ(own->speaks(), protocol_choice::classic);
}

TEST(finding_out, meta_on_a_server_without_it_is_not_supported_and_sends_no_value) {
  for (const bool closes : {false, true}) {
    scripted_server old([&](peer& p) {
      for (;;) {
        p.read_line();
        if (closes) {
          p.close();
          return;
        }
        p.send("ERROR\r\n");
      }
    });
    client cache = make_client(old.address(), protocol_choice::meta, 1s);
    const auto set = cache.set("k", "flush_all\r\nsecret");
    ASSERT_FALSE(set);
    if (!closes) {
      EXPECT_TRUE(fails(set, errc::not_supported));
      EXPECT_EQ(set.error().server(), old.address());
    }
    EXPECT_FALSE(cache.get("k"));
    old.stop();
    EXPECT_EQ(old.count("flush_all"), 0u);
    EXPECT_EQ(old.count("secret"), 0u);
  }
}

TEST(finding_out, classic_and_binary_send_nothing_before_the_request) {
  for (const auto protocol : {protocol_choice::classic, protocol_choice::binary}) {
    scripted_server server(wire::serve({{"k", "v"}}));
    client cache = make_client(server.address(), protocol, 1s);
    ASSERT_TRUE(ok(cache.get("k")));
    server.stop();
    EXPECT_TRUE(
        server.received().starts_with(protocol == protocol_choice::classic ? "get" : "\x80"))
        << server.received();
  }
}

TEST(finding_out, nonsense_to_the_question_is_an_error) {
  for (const std::string said :
       {"VALUE a 0 1\r\nx\r\nEND\r\n", "MN MN\r\n", "HTTP/1.1\r\n", "STORED\r\n", "OK\r\n"}) {
    scripted_server server([&](peer& p) {
      for (;;) {
        p.read_line();
        p.send(said);
      }
    });
    client cache = make_client(server.address(), protocol_choice::automatic, 300ms);
    const auto got = cache.get("k");
    ASSERT_FALSE(got) << said;
    EXPECT_NE(got.error().code(), errc::miss) << said;
  }
}

}  // namespace
}  // namespace memcxx::test
