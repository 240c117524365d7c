// What may stand between a get and its END, and what may lie on a connection before: never another
// caller's value, never a false miss, never a hit that nothing proves.
// Never here: old servers (old_servers_test), the parsers at every byte (tests/connection).
#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

#include "faces.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// A proxy of memcached's kind (1.6.45, measured): behind it a dead server, which holds the keys
// that begin with "dead". A get of several keys has an error for each of those, and END; of one
// key, the error alone.
script proxy_with_a_dead_server(std::string words, bool meta) {
  return [=](peer& p) {
    const auto is_dead = [](std::string_view key) { return key.starts_with("dead"); };
    const std::string error = words + "\r\n";
    for (;;) {
      const wire::request r = meta ? wire::read(p) : wire::read_plain(p);
      const wire::store items = {{"a", "value of a"}, {"c", "value of c"}, {"d", "value of d"}};
      if (r.speaks == wire::dialect::meta || (r.verb != "get" && r.verb != "gets")) {
        const std::string said = is_dead(r.key) ? error : wire::answer(r, items);
        if (!said.empty()) p.send(said);
        continue;
      }
      std::string said;
      for (std::size_t i = 1; i < r.words.size(); ++i) {
        wire::request one = r;
        one.words = {r.verb, r.words[i]};
        one.key = r.words[i];
        const std::string own = wire::answer(one, items);
        said += is_dead(one.key) ? error : own.substr(0, own.size() - 5);
      }
      const bool alone = r.words.size() == 2 && is_dead(r.key);
      p.send(alone ? said : said + "END\r\n");
    }
  };
}

class answers : public over_faces {};

using told_of = std::map<std::string, std::string>;

// Item 2.
TEST_P(answers, an_error_among_values_is_no_end_and_fails_its_own_keys_alone) {
  for (const auto& [words, code] : std::initializer_list<std::pair<std::string, std::string>>{
           {"SERVER_ERROR backend failure", "server_error"},
           {"SERVER_ERROR out of memory writing get response", "out_of_memory"},
           {"SERVER_ERROR object too large for cache", "value_too_large"},
           {"CLIENT_ERROR no", "client_error"}}) {
    for (const bool meta : {false, true}) {
      SCOPED_TRACE(words + (meta ? " meta" : " classic"));
      scripted_server server(proxy_with_a_dead_server(words, meta));
      const auto cache =
          face_to(server, meta ? protocol_choice::automatic : protocol_choice::classic);
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(cache->get_many({"a", "dead1", "c"}),
                  (told_of{{"a", "value of a"}, {"dead1", code}, {"c", "value of c"}}));
        EXPECT_EQ(cache->read("c"), "value of c");
        // A miss beside the dead: who failed, nobody said. They are asked one by one.
        EXPECT_EQ(cache->get_many({"dead1", "none", "a", "dead2", "c"}),
                  (told_of{{"dead1", code},
                           {"none", "-"},
                           {"a", "value of a"},
                           {"dead2", code},
                           {"c", "value of c"}}));
        EXPECT_EQ(cache->get_many({"a", "d"}), (told_of{{"a", "value of a"}, {"d", "value of d"}}));
        EXPECT_EQ(cache->get_many({"dead1", "dead2"}), (told_of{{"dead1", code}, {"dead2", code}}));
        EXPECT_EQ(cache->read("dead1"), code);
        EXPECT_EQ(cache->read("a"), "value of a");
        EXPECT_EQ(cache->read("none"), "miss");
      }
      EXPECT_LE(server.accepted(), 4u);
    }
  }
}

TEST_P(answers, of_twenty_keys_the_nine_alive_are_hits) {
  scripted_server server(proxy_with_a_dead_server("SERVER_ERROR backend failure", true));
  const auto cache = face_to(server);
  std::vector<std::string> keys;
  for (int i = 0; i < 11; ++i) keys.push_back("dead" + std::to_string(i));
  for (const char* k : {"a", "c", "d"}) keys.insert(keys.begin() + 2, k);
  const auto got = cache->get_many(keys);
  EXPECT_EQ(std::ranges::count_if(got, [](auto& e) { return e.second.starts_with("value"); }), 3);
  EXPECT_EQ(std::ranges::count_if(got, [](auto& e) { return e.second == "server_error"; }), 11);
}

// Item 3. A length that lies takes what follows for the value.
TEST_P(answers, a_value_without_a_proven_end_is_no_hit) {
  for (const std::string lie :
       {"VALUE k 0 10\r\nvalue\r\nEND\r\n", "VALUE k 0 10\r\nvalue\r\nEND\r\nEND",
        "VALUE k 0 5\r\nvalue\r\nVALUE k 0 5\r\nvalue\r\nEND\r\n",
        "VALUE k 0 5\r\nvalue\r\nVALUE x 0 5\r\nvalue\r\nEND\r\n",
        "VALUE k 0 5\r\nvalue\r\nSTORED\r\n", "VALUE k 0 5\r\nvalue\r\nEN\r\n",
        "VALUE k 0 5\r\nvalue\r\nENDE\r\n", "VALUE k 0 5\r\nvalue\r\n\r\n"}) {
    SCOPED_TRACE(lie);
    scripted_server server([&](peer& p) {
      for (;;) {
        const wire::request r = wire::read_plain(p);
        if (p.index() == 0) {
          p.send(lie);
        } else {
          p.send(wire::answer(r, {{"k", "right"}, {"j", "other"}}));
        }
      }
    });
    const auto cache = face_to(server, protocol_choice::classic, 300ms);
    const std::string first = cache->read("k");
    EXPECT_TRUE(first == "protocol_error" || first == "timeout" || first == "right") << first;
    // Whose time was over has left the connection to the others; it ends by what they see.
    std::string other;
    for (int i = 0; i < 3 && other != "other"; ++i) {
      other = cache->read("j");
      EXPECT_TRUE(other == "other" || other == "protocol_error" || other == "timeout") << other;
    }
    EXPECT_EQ(other, "other");
    EXPECT_EQ(cache->read("k"), "right");
  }
}

// Item 4. Bytes that nobody asked for, just before a call.
TEST_P(answers, bytes_that_nobody_asked_for_are_no_answer) {
  for (const auto protocol : {protocol_choice::automatic, protocol_choice::classic}) {
    for (const std::string stray :
         {"END\r\n", "VALUE b 0 5\r\nstale\r\nEND\r\n", "STORED\r\n", "OK\r\n", "EN\r\n"}) {
      for (const auto pause : {1ms, 5ms, 12ms, 30ms, 49ms, 80ms}) {
        SCOPED_TRACE(std::string(name_of(protocol)) + " " + stray);
        std::atomic<bool> sent = false;
        scripted_server server([&](peer& p) {
          for (bool first = p.index() == 0;; first = false) {
            const wire::request r = wire::read(p);
            const std::string said = r.verb == "set" || r.verb == "ms"
                                         ? wire::failed(r, "out of memory storing object")
                                         : wire::answer(r, {{"a", "1"}, {"b", "2"}});
            if (!said.empty()) p.send(said);
            if (!first) continue;
            p.send_outside_cut(stray);
            sent = true;
          }
        });
        const auto cache = face_to(server, protocol);
        ASSERT_EQ(cache->read("a"), "1");
        while (!sent) std::this_thread::yield();
        std::this_thread::sleep_for(pause);
        const auto got = cache->get_many({"a", "b"});
        EXPECT_TRUE(got.at("a") == "1" || got.at("a") == "protocol_error") << got.at("a");
        EXPECT_TRUE(got.at("b") == "2" || got.at("b") == "protocol_error") << got.at("b");
        EXPECT_NE(cache->set("b", "x"), errc::ok) << "a refused store";
        EXPECT_EQ(cache->read("b"), "2");
      }
    }
  }
}

TEST_P(answers, a_stray_ok_is_no_flush) {
  scripted_server server([&](peer& p) {
    for (bool first = p.index() == 0;; first = false) {
      const wire::request r = wire::read(p);
      p.send(r.verb == "flush_all" ? "SERVER_ERROR no\r\n" : wire::answer(r, {{"a", "1"}}));
      if (first) p.send_outside_cut("OK\r\n");
    }
  });
  const auto cache = face_to(server);
  ASSERT_EQ(cache->read("a"), "1");
  std::this_thread::sleep_for(5ms);
  EXPECT_NE(cache->flush(), errc::ok);
}

// Item 5. 1.6.11 and 1.6.12 refuse longer lines, and read no more than 1,024 bytes without an end.
TEST_P(answers, a_line_of_keys_is_bounded_with_its_end) {
  for (const auto& [version, most] : std::initializer_list<std::pair<std::string, std::size_t>>{
           {"1.6.18", 16'384}, {"1.6.12", 1'024}, {"1.6.11", 1'024}}) {
    std::atomic<std::size_t> longest{0};
    scripted_server server([&](peer& p) {
      p.expect(wire::question);
      p.send("NS\r\nMN\r\nVERSION " + version + "\r\n");
      for (;;) {
        std::string line = p.read_line();
        longest = std::max<std::size_t>(longest, line.size());
        p.unread(line);
        const std::string said = wire::answer(wire::read_plain(p), {});
        if (!said.empty()) p.send(said);
      }
    });
    const auto cache = face_to(server);
    std::vector<std::string> keys;
    for (int i = 0; i < 300; ++i) keys.push_back(std::string(240, 'k') + std::to_string(1000 + i));
    for (const auto& [key, value] : cache->get_many(keys)) EXPECT_EQ(value, "-") << key;
    EXPECT_LE(longest, most) << version;
    EXPECT_GT(longest, most / 2) << version;
  }
}

// Item 6: flags of more than 32 bits are that item's error alone.
TEST_P(answers, flags_beyond_32_bits_are_their_items_error) {
  for (const auto protocol : {protocol_choice::classic, protocol_choice::automatic}) {
    for (const std::size_t size : {5UL, 100000UL}) {
      for (const std::string flags : {"4294967296", "18446744073709551615", "-1"}) {
        scripted_server server([&](peer& p) {
          for (;;) {
            const wire::request r = wire::read(p);
            std::string said =
                wire::answer(r, {{"wide", std::string(size, 'w')}, {"b", "2"}, {"c", "3"}});
            if (const auto at = said.find("wide 0 "); at != std::string::npos)
              said.replace(at + 5, 1, flags);
            if (r.verb == "mg" && r.key == "wide") {
              const auto at = said.find(" f0");
              if (flags == "-1") {
                said = wire::answer(r, {});  // no server of meta says that
              } else {
                said.replace(at + 2, 1, flags);
              }
            }
            if (!said.empty()) p.send(said);
          }
        });
        SCOPED_TRACE(flags + " " + std::string(name_of(protocol)));
        const auto cache = face_to(server, protocol);
        for (int i = 0; i < 5; ++i) {
          const std::string wide = cache->read("wide");
          EXPECT_TRUE(wide == "unknown_flags" || (flags == "-1" && wide == "miss")) << wide;
          const auto all = cache->get_many({"b", "wide", "c"});
          EXPECT_EQ(all.at("wide"), "unknown_flags");
          EXPECT_EQ(all.at("b"), "2");
          EXPECT_EQ(all.at("c"), "3");
          EXPECT_EQ(cache->read("b"), "2");
        }
        EXPECT_EQ(server.accepted(), 1u);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(seams, answers, testing::ValuesIn(every_face), face_name);

}  // namespace
}  // namespace memcxx::test
