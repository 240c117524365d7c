// Connections that end, at every byte: what was not wholly there is an error, never a short value,
// never a miss; what may be repeated is repeated once, what may not is not.
// Never here: servers that cannot be reached at all (reaching).
#include <atomic>
#include <gtest/gtest.h>

#include "../support/clients.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class truncated : public over_protocols {};

bool is_broken(const error& e) { return e == errc::connection_closed || e == errc::protocol_error; }

// A classic reply ends in "END\r\n": when only of that something is missing, the value is whole.
bool all_but_the_end(std::size_t came, std::size_t whole) {
  const auto p = truncated::GetParam();
  return p == protocol_choice::classic && came + 5 >= whole;
}

// Row: a truncated value returned.
TEST_P(truncated, fin_at_every_byte_of_a_hit_is_an_error) {
  const std::string value = "a value of 28 bytes, exactly";
  std::atomic<std::size_t> cut{0};
  std::atomic<std::size_t> whole{0};
  scripted_server server([&](peer& p) {
    const std::string reply = wire::hit(wire::read(p), value, 123456);
    whole = reply.size();
    p.send(std::string_view(reply).substr(0, cut));
    p.finish();
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  for (cut = 0; cut == 0 || cut < whole; ++cut) {
    const auto got = cache.get("k");
    if (got && all_but_the_end(cut, whole)) {
      EXPECT_EQ(got->value, value) << cut;
      continue;
    }
    ASSERT_FALSE(got) << cut << " bytes gave '" << got->value << "'";
    EXPECT_TRUE(is_broken(got.error())) << cut << ": " << got.error();
    EXPECT_EQ(got.error().server(), server.address());
  }
  // With the last byte it is a hit, though the connection ends behind it.
  const auto got = cache.get("k");
  ASSERT_TRUE(ok(got));
  EXPECT_EQ(got->value, value);
  EXPECT_EQ(got->flags, 123456u);
}

TEST_P(truncated, reset_at_every_byte_of_a_hit_is_an_error) {
  std::atomic<std::size_t> cut{0};
  std::atomic<std::size_t> whole{0};
  scripted_server server([&](peer& p) {
    const std::string reply = wire::hit(wire::read(p), "a value");
    whole = reply.size();
    p.send(std::string_view(reply).substr(0, cut));
    p.reset();
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  for (cut = 0; cut == 0 || cut < whole; ++cut) {
    const auto got = cache.get("k");
    if (got && all_but_the_end(cut, whole)) {
      EXPECT_EQ(got->value, "a value") << cut;
      continue;
    }
    ASSERT_FALSE(got) << cut;
    EXPECT_TRUE(is_broken(got.error())) << cut << ": " << got.error();
  }
}

TEST_P(truncated, fin_within_a_large_value_is_an_error) {
  // Longer than any receive buffer, so that it is read straight into the item.
  const std::string value(300'000, 'v');
  std::atomic<std::size_t> cut{0};
  scripted_server server([&](peer& p) {
    const std::string reply = wire::hit(wire::read(p), value);
    p.send(std::string_view(reply).substr(0, reply.size() - cut));
    p.finish();
  });
  client cache = make_client(server.address(), GetParam(), 5s);
  for (const std::size_t missing : {1u, 2u, 3u, 7u, 8u, 100u, 65'536u, 200'000u, 299'999u}) {
    cut = missing;
    const auto got = cache.get("k");
    if (got && all_but_the_end(value.size() - missing, value.size())) {
      EXPECT_TRUE(got->value == value);
      continue;
    }
    ASSERT_FALSE(got) << missing << " bytes short, got " << got->value.size();
    EXPECT_TRUE(is_broken(got.error())) << missing << ": " << got.error();
  }
  cut = 0;
  const auto got = cache.get("k");
  ASSERT_TRUE(ok(got));
  EXPECT_TRUE(got->value == value);
}

TEST_P(truncated, fin_at_every_byte_of_a_multi_get_loses_only_what_did_not_come) {
  const wire::store held = {{"a", "value a"}, {"b", "value b"}, {"d", "value d"}};
  std::atomic<std::size_t> cut{0};
  scripted_server server([&](peer& p) {
    p.cut_after(cut);
    wire::serve(held)(p);
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  bool complete = false;
  for (cut = 1; !complete && cut < 1000; ++cut) {
    const items got = cache.get_many({"a", "b", "c", "d"});
    ASSERT_EQ(got.size(), 4u);
    for (const auto& e : got) {
      if (e.hit()) {
        ASSERT_EQ(e.value, held.at(std::string(e.key))) << cut;
      }
      ASSERT_TRUE(!e.miss() || e.key == "c") << cut << ": " << e.key << " is no miss";
      ASSERT_TRUE(e.hit() || e.miss() || is_broken(e.status)) << cut << ": " << e.status;
    }
    complete = got.failures() == 0;
    EXPECT_TRUE(!complete || got[2].miss());
  }
  EXPECT_TRUE(complete);
  EXPECT_GT(cut, 60u);
}

TEST_P(truncated, fin_at_every_byte_of_other_answers_is_an_error) {
  std::atomic<std::size_t> cut{0};
  std::atomic<std::size_t> whole{1};
  scripted_server server([&](peer& p) {
    const wire::request r = wire::read(p);
    const bool counts = r.key == "number";
    const bool missing = r.key == "none";
    const std::string reply = missing           ? wire::miss(r)
                              : counts          ? wire::number(r, 12345)
                              : r.value.empty() ? wire::done(r)
                                                : wire::stored(r);
    whole = reply.size();
    p.send(std::string_view(reply).substr(0, cut));
    p.finish();
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  const auto at_every_byte = [&](const std::string& name, const auto& call) {
    for (cut = 0; cut == 0 || cut < whole; ++cut) {
      const auto outcome = call();
      ASSERT_FALSE(outcome) << name << " cut at " << cut;
      EXPECT_TRUE(is_broken(outcome.error())) << name << " cut at " << cut << outcome.error();
    }
  };
  at_every_byte("set", [&] { return cache.set("k", "v"); });
  at_every_byte("remove", [&] { return cache.remove("k"); });
  at_every_byte("touch", [&] { return cache.touch("k", 5s); });
  at_every_byte("incr", [&] { return cache.incr("number"); });
  at_every_byte("decr", [&] { return cache.decr("number"); });
  at_every_byte("get of nothing", [&] { return cache.get("none"); });
  at_every_byte("remove of nothing", [&] { return cache.remove("none"); });
  // Whole replies are answers, though the connection ends behind each. A client of its own for
  // each: on the other's dead connection a mutation would rightly fail.
  cut = SIZE_MAX;
  const auto fresh = [&] { return make_client(server.address(), GetParam(), 2s); };
  const auto n = fresh().incr("number");
  ASSERT_TRUE(ok(n));
  EXPECT_EQ(n->value, 12345u);
  EXPECT_TRUE(ok(fresh().set("k", "v")));
  EXPECT_TRUE(fails(fresh().get("none"), errc::miss));
}

TEST_P(truncated, fin_after_a_part_of_a_batch_keeps_the_answers_before) {
  scripted_server server([](peer& p) {
    const wire::store held = {{"a", "1"}, {"b", "2"}};
    for (;;) {
      const wire::request r = wire::read(p);
      if (wire::names(r, "c")) {
        p.send(wire::answer_up_to(r, "c", held));
        break;
      }
      p.send(wire::answer(r, held));
    }
    p.finish();
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  batch b;
  const auto a = b.get("a");
  const auto two = b.get("b");
  const auto c = b.get("c");
  const auto d = b.set("d", "v");
  EXPECT_FALSE(cache.run(b));
  ASSERT_TRUE(ok(*a));
  EXPECT_EQ((*a)->value, "1");
  // A classic value counts when what follows shows where it ended, and nothing did.
  if (GetParam() == protocol_choice::classic || GetParam() == protocol_choice::automatic) {
    EXPECT_FALSE(*two);
  } else {
    ASSERT_TRUE(ok(*two));
    EXPECT_EQ((*two)->value, "2");
  }
  EXPECT_FALSE(*c);
  EXPECT_NE(c->error().code(), errc::miss);
  EXPECT_FALSE(*d);
}

TEST_P(truncated, stale_idle_connection_costs_a_read_one_reconnect) {
  scripted_server server(std::vector<script>{[](peer& p) {
                                               p.send(wire::hit(wire::read(p), "first"));
                                               p.close();
                                             },
                                             wire::serve({{"k", "second"}})});
  client cache = make_client(server.address(), GetParam(), 2s);
  EXPECT_EQ(value_of(cache.get("k")), "first");
  const auto again = cache.get("k");
  ASSERT_TRUE(ok(again));
  EXPECT_EQ(again->value, "second");
  EXPECT_EQ(server.accepted(), 2u);
}

TEST_P(truncated, stale_idle_connection_that_dies_under_a_read_costs_one_reconnect) {
  // The connection is still good when the request is written; the server closes on reading it.
  scripted_server server(std::vector<script>{[](peer& p) {
                                               p.send(wire::hit(wire::read(p), "first"));
                                               wire::read_plain(p);
                                               p.close();
                                             },
                                             wire::serve({{"k", "second"}})});
  client cache = make_client(server.address(), GetParam(), 2s);
  EXPECT_EQ(value_of(cache.get("k")), "first");
  const auto again = cache.get("k");
  ASSERT_TRUE(ok(again));
  EXPECT_EQ(again->value, "second");
  EXPECT_EQ(server.accepted(), 2u);
}

TEST_P(truncated, reads_are_not_repeated_for_ever) {
  scripted_server server([](peer& p) {
    wire::read(p);
    p.close();
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  const auto got = cache.get("k");
  ASSERT_FALSE(got);
  EXPECT_TRUE(is_broken(got.error())) << got.error();
  EXPECT_LE(server.accepted(), 3u);
}

TEST_P(truncated, written_and_unacknowledged_mutation_is_not_repeated) {
  struct mutation {
    std::string name;
    std::function<bool(client&, errc&)> run;
  };
  const auto as = [](const auto& outcome, errc& code) {
    code = outcome ? errc::ok : outcome.error().code();
    return outcome.has_value();
  };
  const std::vector<mutation> mutations = {
      {"set", [&](client& c, errc& e) { return as(c.set("k-mutated", "v"), e); }},
      {"add", [&](client& c, errc& e) { return as(c.add("k-mutated", "v"), e); }},
      {"append", [&](client& c, errc& e) { return as(c.append("k-mutated", "v"), e); }},
      {"cas", [&](client& c, errc& e) { return as(c.cas("k-mutated", "v", 9), e); }},
      {"incr", [&](client& c, errc& e) { return as(c.incr("k-mutated"), e); }},
      {"remove", [&](client& c, errc& e) { return as(c.remove("k-mutated"), e); }},
      {"touch", [&](client& c, errc& e) { return as(c.touch("k-mutated", 5s), e); }},
      {"set_many",
       [&](client& c, errc& e) { return as(c.set_many({{"k-mutated", "v", {}}})[0], e); }},
  };
  for (const mutation& m : mutations) {
    // The first connection answers a get, so that it is idle and looks good, and dies on the next
    // request. Were that repeated, the second connection would see it.
    scripted_server server(std::vector<script>{[](peer& p) {
                                                 p.send(wire::hit(wire::read(p), "v"));
                                                 wire::read_plain(p);
                                                 p.close();
                                               },
                                               wire::serve({{"k", "v"}})});
    client cache = make_client(server.address(), GetParam(), 2s);
    ASSERT_TRUE(ok(cache.get("k")));
    errc code{};
    EXPECT_FALSE(m.run(cache, code)) << m.name;
    EXPECT_EQ(code, errc::connection_closed) << m.name;
    EXPECT_TRUE(ok(cache.get("k"))) << m.name;
    server.stop();
    EXPECT_EQ(server.count("k-mutated"), 1u) << m.name;
  }
}

TEST_P(truncated, mutation_on_a_connection_known_to_be_closed_goes_to_a_new_one) {
  scripted_server server(std::vector<script>{[](peer& p) {
                                               p.send(wire::hit(wire::read(p), "v"));
                                               p.close();
                                             },
                                             wire::serve({})});
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_TRUE(ok(cache.get("k")));
  // The FIN has come before anything is written, so that nothing can have been executed twice; a
  // client that looks only after writing reports the closed connection and does not repeat.
  const auto outcome = cache.set("k-mutated", "v");
  EXPECT_TRUE(outcome || fails(outcome, errc::connection_closed));
  server.stop();
  EXPECT_LE(server.count("k-mutated"), 1u);
}

INSTANTIATE_TEST_SUITE_P(fault, truncated, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
