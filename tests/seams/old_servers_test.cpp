// Servers that answer the question for meta in their own way: what is stored on them is never run
// as a command, and everything that classic has works.
// Never here: what the question is (tests/connection).
#include <gtest/gtest.h>

#include "faces.hpp"
#include "support/stand_in.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

class old_servers : public over_faces {};

const std::pair<const char*, const stand_in::kind*> all_kinds[] = {
    {"1.4", &stand_in::memcached_1_4},     {"1.5.22", &stand_in::memcached_1_5_22},
    {"1.6.9", &stand_in::memcached_1_6_9}, {"infinispan", &stand_in::infinispan_15},
    {"mcrouter", &stand_in::mcrouter},     {"njs", &stand_in::memcached_njs},
};

// Item 1 and 6 of the seams: with the default options.
TEST_P(old_servers, a_stored_value_is_never_a_command_and_classic_works) {
  for (const auto& [name, kind] : all_kinds) {
    SCOPED_TRACE(name);
    stand_in like(*kind);
    scripted_server server(like.play());
    const auto cache = face_to(server);
    EXPECT_EQ(cache->set("other", "stays"), errc::ok);
    EXPECT_EQ(cache->set("page", "flush_all"), errc::ok);
    EXPECT_EQ(cache->set("page", "flush_all\r\nflush_all"), errc::ok);
    EXPECT_EQ(cache->add("fresh", "flush_all"), errc::ok);
    EXPECT_EQ(cache->add("fresh", "flush_all"), errc::not_stored);
    EXPECT_EQ(cache->append("fresh", "\r\nflush_all"), errc::ok);
    EXPECT_EQ(cache->set_many({{"m1", "flush_all"}, {"m2", "flush_all"}}), errc::ok);
    EXPECT_EQ(cache->read("other"), "stays");
    EXPECT_EQ(cache->read("page"), "flush_all\r\nflush_all");
    EXPECT_EQ(cache->read("fresh"), "flush_all\r\nflush_all");
    EXPECT_EQ(cache->read("none"), "miss");
    EXPECT_EQ(cache->get_many({"m1", "none", "m2"}),
              (std::map<std::string, std::string>{
                  {"m1", "flush_all"}, {"m2", "flush_all"}, {"none", "-"}}));
    EXPECT_EQ(cache->remove("m1"), errc::ok);
    EXPECT_EQ(cache->remove("m1"), errc::miss);
    EXPECT_EQ(cache->set("n", "7"), errc::ok);
    EXPECT_EQ(cache->incr("n", {}), errc::ok);
    EXPECT_EQ(cache->read("n"), "8");
    EXPECT_EQ(like.count("flush_all"), 0u);
    // A few connections to find out, and then one that is kept.
    EXPECT_LE(server.accepted(), 4u);
  }
}

// A value that belongs to nobody: what is refused at its head ends the connection before another
// caller's reply is believed, in every protocol.
TEST_P(old_servers, after_a_refused_store_nothing_on_that_connection_is_believed) {
  for (const auto protocol :
       {protocol_choice::classic, protocol_choice::meta, protocol_choice::automatic}) {
    SCOPED_TRACE(name_of(protocol));
    scripted_server server([](peer& p) {
      for (bool first = p.index() == 0;; first = false) {
        const wire::request r = wire::read(p);
        const bool store = r.verb == "set" || r.verb == "ms";
        if (!store || !first) {
          p.send(wire::answer(r, {{"k", "good"}}));
          continue;
        }
        // As if the value had been run: "VALUE k …" is what it made the server say.
        p.send("CLIENT_ERROR bad command line format\r\nVALUE k 0 3\r\nbad\r\nEND\r\n");
      }
    });
    const auto cache = face_to(server, protocol);
    EXPECT_NE(cache->set("a", "get k"), errc::ok);
    EXPECT_EQ(cache->read("k"), "good");
    EXPECT_EQ(server.accepted(), 2u);
  }
}

// Infinispan answers mn, and refuses every other meta command; so might a server that reads stores.
TEST_P(old_servers, a_read_that_meta_does_not_have_goes_again_in_classic) {
  std::atomic<int> asked{0};
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.verb == "mg") {
        ++asked;
        p.send("ERROR\r\n");
        continue;
      }
      p.send(wire::answer(r, {{"k", "value"}, {"j", "other"}}));
    }
  });
  const auto cache = face_to(server);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cache->read("k"), "value") << i;
  EXPECT_EQ(cache->get_many({"k", "none", "j"}),
            (std::map<std::string, std::string>{{"k", "value"}, {"none", "-"}, {"j", "other"}}));
  EXPECT_EQ(cache->set("k", "x"), errc::ok);
  EXPECT_LE(asked, 2) << "it is remembered";
}

// Infinispan 15 closes at a line of several keys of which one is missing.
TEST_P(old_servers, a_line_that_is_closed_at_is_asked_key_by_key) {
  scripted_server server([&](peer& p) {
    for (;;) {
      const wire::request r = wire::read_plain(p);
      if (r.verb == "get" && r.words.size() > 2) return p.close();
      p.send(wire::answer(r, {{"k", "value"}, {"j", "other"}}));
    }
  });
  const auto cache = face_to(server, protocol_choice::classic);
  EXPECT_EQ(cache->get_many({"k", "none", "j"}),
            (std::map<std::string, std::string>{{"k", "value"}, {"none", "-"}, {"j", "other"}}));
}

// A negative ttl is refused at the head by some, who then run the value; a point in time long ago
// all take.
TEST_P(old_servers, a_ttl_that_is_over_is_never_negative_in_classic) {
  scripted_server server(wire::serve({}));
  const auto cache = face_to(server, protocol_choice::classic);
  EXPECT_EQ(cache->set("k", "flush_all", {.ttl = -5s}), errc::ok);
  EXPECT_TRUE(server.saw("set k 0 2592001 9\r\n"));
}

INSTANTIATE_TEST_SUITE_P(seams, old_servers, testing::ValuesIn(every_face), face_name);

// "-B binary", Ignite: a server of the binary protocol alone closes at text.
TEST(old_servers_alone, the_error_of_a_binary_server_says_what_to_try) {
  scripted_server server([](peer& p) {
    p.read(24);
    p.close();
  });
  client cache = make_client(server.address(), protocol_choice::automatic, 2s);
  const auto got = cache.get("k");
  ASSERT_TRUE(fails(got, errc::connect_failed));
  EXPECT_NE(got.error().message().find("protocol=binary"), std::string_view::npos) << got.error();
}

}  // namespace
}  // namespace memcxx::test
