// Keys and arguments as an attacker chooses them: what fits the grammar is sent as it is, what does
// not is refused, and not one byte is sent, not one connection is made.
// Never here: what a server answers.
#include <gtest/gtest.h>
#include <set>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class keys : public over_protocols {};
class text_keys : public over_protocols {};  // where not every byte can be carried

// Every verb that takes a key, on this key; the code each one failed with.
std::set<errc> codes_of_every_verb(client& cache, const std::string& key) {
  std::set<errc> codes;
  const auto note = [&](const auto& outcome) {
    codes.insert(outcome ? errc::ok : outcome.error().code());
  };
  note(cache.get(key));
  note(cache.gat(key, 5s));
  note(cache.set(key, "flush_all"));
  note(cache.add(key, "flush_all"));
  note(cache.replace(key, "flush_all"));
  note(cache.append(key, "flush_all"));
  note(cache.prepend(key, "flush_all"));
  note(cache.cas(key, "flush_all", 5));
  note(cache.remove(key));
  note(cache.touch(key, 5s));
  note(cache.incr(key));
  note(cache.decr(key));
  note(cache.set(key, "flush_all", {.quiet = true}));
  note(cache.set_many({{key, "flush_all", {}}})[0]);
  note(cache.remove_many({key})[0]);
  const items many = cache.get_many({key});
  codes.insert(many[0].status.code());
  for (const auto& r : cache.remove_everywhere(key)) note(r.reply);
  batch b;
  const auto queued = b.set(key, "flush_all");
  (void)cache.run(b);
  note(*queued);
  if (auto own = cache.open(cache.servers()[0])) note(own->get(key));
  return codes;
}

// Row: an over-long key makes the server execute the value.
TEST_P(keys, of_251_bytes_are_refused_before_any_io) {
  scripted_server server(wire::serve({}));
  client cache = make_client(server.address(), GetParam(), 1s);
  EXPECT_EQ(codes_of_every_verb(cache, std::string(251, 'k')), std::set{errc::invalid_key});
  EXPECT_EQ(codes_of_every_verb(cache, std::string(100'000, 'k')), std::set{errc::invalid_key});
  EXPECT_EQ(server.accepted(), 0u);
  server.stop();
  EXPECT_EQ(server.received(), "");
}

TEST_P(keys, of_251_bytes_with_the_prefix_are_refused_before_any_io) {
  scripted_server server(wire::serve({}));
  memcxx::options o = settings_for(server.address(), GetParam(), 1s);
  o.prefix = "prefix:";
  client cache(o);
  EXPECT_EQ(codes_of_every_verb(cache, std::string(244, 'k')), std::set{errc::invalid_key});
  EXPECT_EQ(server.accepted(), 0u);
  server.stop();
  EXPECT_EQ(server.received(), "");
}

TEST_P(keys, that_are_empty_are_refused_before_any_io) {
  scripted_server server(wire::serve({}));
  client cache = make_client(server.address(), GetParam(), 1s);
  EXPECT_EQ(codes_of_every_verb(cache, ""), std::set{errc::invalid_key});
  EXPECT_EQ(server.accepted(), 0u);
}

// Row: command injection through keys and arguments; row: a key normalised into a collision.
TEST_P(keys, every_byte_at_every_position_fits_the_grammar_or_is_not_sent) {
  // A real server says what it made of the key: exactly this key, and nothing else, is there.
  memcached_server server;
  client cache = make_client(server.address(), GetParam(), 2s);
  client witness = make_client(server.address(), protocol_choice::meta, 2s);
  ASSERT_TRUE(ok(witness.set("canary", "alive")));
  // Automatic may turn out to be classic, so it takes only what every protocol can carry.
  const bool any_byte =
      GetParam() == protocol_choice::meta || GetParam() == protocol_choice::binary;
  for (const std::size_t length : {1u, 2u, 5u}) {
    for (std::size_t at = 0; at < length; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string k(length, 'k');
        k[at] = static_cast<char>(byte);
        const bool text_safe = byte > 0x20 && byte != 0x7f;
        const auto set = cache.set(k, "flush_all\r\nset canary 0 0 4\r\ndead");
        ASSERT_EQ(set.has_value(), text_safe || any_byte) << byte << " at " << at;
        if (!set) {
          ASSERT_TRUE(fails(set, errc::invalid_key)) << byte << " at " << at;
          ASSERT_EQ(set.error().server(), "") << "refused by a server";
          continue;
        }
        const auto got = witness.get(k);
        ASSERT_TRUE(ok(got)) << byte << " at " << at;
        ASSERT_TRUE(ok(cache.remove(k))) << byte << " at " << at;
        ASSERT_TRUE(fails(witness.get(k), errc::miss));
      }
    }
  }
  EXPECT_EQ(value_of(witness.get("canary")), "alive");
  EXPECT_EQ(server.statistic("curr_items"), "1");
}

TEST_P(text_keys, refused_bytes_open_no_connection) {
  scripted_server server(wire::serve({}));
  client cache = make_client(server.address(), GetParam(), 1s);
  for (int byte = 0; byte < 256; ++byte) {
    if (byte > 0x20 && byte != 0x7f) continue;
    for (const std::size_t at : {0u, 3u, 6u}) {
      std::string k = "kkkkkkk";
      k[at] = static_cast<char>(byte);
      EXPECT_EQ(codes_of_every_verb(cache, k), std::set{errc::invalid_key}) << byte;
    }
  }
  EXPECT_EQ(server.accepted(), 0u);
  server.stop();
  EXPECT_EQ(server.received(), "");
}

TEST_P(keys, injection_in_a_prefix_is_refused_or_harmless) {
  memcached_server server;
  client witness = make_client(server.address(), protocol_choice::classic, 2s);
  ASSERT_TRUE(ok(witness.set("canary", "alive")));
  const std::vector<std::string> prefixes = {"a\r\nflush_all\r\n", "a b", "a\n", {"a\0b", 3}};
  for (const std::string& prefix : prefixes) {
    memcxx::options o = settings_for(server.address(), GetParam(), 2s);
    o.prefix = prefix;
    auto made = client::create(o);
    if (!made) {
      EXPECT_EQ(made.error().whose(), fault::caller);
      continue;
    }
    const auto set = made->set("k", "flush_all");
    if (set) {
      EXPECT_EQ(made->get("k")->value, "flush_all");
      EXPECT_TRUE(fails(witness.get("k"), errc::miss));
    } else {
      EXPECT_EQ(set.error().whose(), fault::caller) << set.error();
    }
    EXPECT_EQ(value_of(witness.get("canary")), "alive");
  }
}

TEST_P(keys, injection_in_the_group_of_stats_is_refused) {
  memcached_server server;
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_TRUE(ok(cache.set("canary", "alive")));
  const std::string connections = server.statistic("total_connections");
  const std::string flushes = server.statistic("cmd_flush");
  for (int byte = 0; byte < 256; ++byte) {
    if (byte > 0x20 && byte != 0x7f) continue;
    const std::string group = std::string("items") + static_cast<char>(byte) + "\nflush_all";
    const auto reply = cache.stats(group)[0].reply;
    ASSERT_FALSE(reply) << byte;
    ASSERT_EQ(reply.error().whose(), fault::caller) << byte << ": " << reply.error();
  }
  EXPECT_FALSE(cache.stats("items\r\nflush_all")[0].reply);
  EXPECT_FALSE(cache.stats(std::string(10'000, 'x'))[0].reply);
  EXPECT_EQ(value_of(cache.get("canary")), "alive");
  EXPECT_EQ(server.statistic("cmd_flush"), flushes);
}

TEST_P(keys, values_are_never_commands) {
  memcached_server server;
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_TRUE(ok(cache.set("canary", "alive")));
  for (const std::string value :
       {"\r\nflush_all\r\n", "flush_all\r\n", "x\r\nflush_all\r\nset y 0 0 1\r\nz", "\r\n", "\n"}) {
    ASSERT_TRUE(ok(cache.set("k", value)));
    EXPECT_EQ(value_of(cache.get("k")), value);
    ASSERT_TRUE(ok(cache.set("k", value, {.quiet = true})));
    ASSERT_TRUE(ok(cache.set_many({{"k", value, {}}, {"l", value, {}}})[1]));
    EXPECT_EQ(value_of(cache.get("l")), value);
  }
  EXPECT_EQ(value_of(cache.get("canary")), "alive");
  EXPECT_EQ(server.statistic("cmd_flush"), "0");
}

INSTANTIATE_TEST_SUITE_P(fault, keys, testing::ValuesIn(every_protocol), protocol_name);
INSTANTIATE_TEST_SUITE_P(fault, text_keys,
                         testing::Values(protocol_choice::classic, protocol_choice::automatic),
                         protocol_name);

}  // namespace
}  // namespace memcxx::test
