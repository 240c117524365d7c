// Through a real twemproxy in front of three real memcached: what it carries and what it does not,
// where it puts keys, and what a dead server behind it looks like.
// Never here: what single verbs do (matrix_cells), placement beyond spot checks (compat).
#include "../support/nutcracker.hpp"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <map>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "matrix_cells.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> addresses(const std::vector<memcached_server>& servers) {
  std::vector<std::string> out;
  for (const auto& s : servers) out.push_back(s.address());
  return out;
}

// The number stands first: twemproxy keeps 32 bits of its fnv1a_64, and keys that differ only at
// the end are then neighbours on the ring, often all of one server.
std::vector<std::string> numbered(const std::string& tail, std::size_t n) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < n; ++i) keys.push_back(std::to_string(i) + ":" + tail + ":key");
  return keys;
}

// Straight to the servers, placing keys as the proxy does.
client straight_to(const std::vector<memcached_server>& servers, const std::string& distribution) {
  memcxx::options o = settings_for(list_of(servers), protocol_choice::classic);
  o.distribution = distribution;
  return client(o);
}

class through_nutcracker : public over_protocols {
 protected:
  std::vector<memcached_server> servers_ = start_servers(3);
  nutcracker proxy_{addresses(servers_)};
  client cache_ = make_client(proxy_.address(), GetParam());
};

// What twemproxy 0.5.0 ends the connection at, having said nothing.
constexpr std::string_view closed_at[] = {"gat",   "flush",        "flush delay",
                                          "stats", "stats groups", "verbosity"};
// What the classic protocol has no words for; refused before anything is sent.
constexpr std::string_view beyond_classic[] = {"incr initial",
                                               "debug",
                                               "get value=false",
                                               "item ttl",
                                               "last_access",
                                               "hit_before",
                                               "size",
                                               "vivify",
                                               "recache",
                                               "set with cas",
                                               "opaque",
                                               "invalidate remove",
                                               "remove with cas",
                                               "invalidate set"};

bool among(std::string_view row, std::span<const std::string_view> list) {
  return std::ranges::find(list, row) != list.end();
}

TEST_P(through_nutcracker, carries_every_verb_but_those_listed) {
  std::size_t number = 0;
  for (const matrix::row& r : matrix::rows) {
    matrix::place place{cache_, {}, protocol_choice::classic, true};
    for (const auto& k : numbered(std::to_string(++number), 6)) place.keys.push_back(k);
    std::string outcome = "carried";
    try {
      r.run(place);
    } catch (const matrix::unsupported& u) {
      outcome = "not_supported";
      EXPECT_FALSE(u.reason.empty()) << r.name;
    } catch (const matrix::failed& f) {
      outcome = f.what;
    }
    if (among(r.name, beyond_classic)) {
      EXPECT_EQ(outcome, "not_supported") << r.name;
    } else if (among(r.name, closed_at)) {
      EXPECT_NE(outcome.find("connection_closed at " + proxy_.address()), std::string::npos)
          << r.name << ": " << outcome;
    } else {
      EXPECT_EQ(outcome, "carried") << r.name;
    }
    // Whatever it was, the next call is not affected.
    EXPECT_TRUE(ok(cache_.set("after", r.name))) << r.name;
    EXPECT_EQ(value_of(cache_.get("after")), r.name);
  }
  auto own = cache_.open(proxy_.address());
  ASSERT_TRUE(ok(own));
  ASSERT_TRUE(ok(own->connect()));
  EXPECT_EQ(own->speaks(), protocol_choice::classic);
}

TEST_P(through_nutcracker, a_thousand_keys_from_all_servers_in_any_order) {
  const auto keys = numbered("many", 1000);
  std::vector<std::string> values;
  for (const auto& k : keys) values.push_back("<" + k + ">");
  std::vector<store_entry> entries;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (i % 4 != 0) entries.push_back({keys[i], values[i], {.flags = 3}});
  ASSERT_EQ(cache_.set_many(entries).failures(), 0u);
  for (const auto& s : servers_) EXPECT_NE(s.statistic("curr_items"), "0") << s.name();

  for (const bool with_cas : {false, true}) {
    const items got = cache_.get_many(keys, {.cas = with_cas});
    ASSERT_EQ(got.failures(), 0u);
    EXPECT_EQ(got.hits(), entries.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(got[i].key, keys[i]);
      ASSERT_EQ(got[i].hit(), i % 4 != 0) << keys[i];
      if (!got[i].hit()) continue;
      ASSERT_EQ(got[i].value, values[i]);
      ASSERT_EQ(got[i].flags, 3u);
      ASSERT_EQ(got[i].cas != 0, with_cas);
    }
  }
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  EXPECT_EQ(cache_.remove_many(views).failures(), keys.size() / 4)
      << "those that were never stored";
}

TEST_P(through_nutcracker, large_values) {
  const auto keys = numbered("large", 12);
  std::vector<std::string> values;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::string v(i % 3 == 0 ? 1024 * 1024 - 600 : 70'000 + i, '\0');
    for (std::size_t at = 0; at < v.size(); ++at) v[at] = static_cast<char>(at * 31 + at / 256 + i);
    values.push_back(std::move(v));
    ASSERT_TRUE(ok(cache_.set(keys[i], values[i])));
  }
  const items got = cache_.get_many(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(got[i].hit()) << got[i].status;
    EXPECT_TRUE(got[i].value == values[i]) << keys[i];
    EXPECT_TRUE(value_of(cache_.get(keys[i])) == values[i]) << keys[i];
  }
  EXPECT_TRUE(fails(cache_.set(keys[0], std::string(3 << 20, 'x')), errc::value_too_large));
  EXPECT_TRUE(fails(cache_.get(keys[0]), errc::miss)) << "the old value must not stay";
}

TEST_P(through_nutcracker, eight_threads_never_see_each_others_replies) {
  std::atomic<int> wrong{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t, cache = cache_]() mutable {
      for (unsigned i = 0; i < 300; ++i) {
        const std::string k = std::to_string((t * 7 + i * 13) % 50) + ":t";
        if (i % 3 == 0) failed += !cache.set(k, k + "=" + std::string(i * 7, 'x')).has_value();
        const auto got = cache.get(k);
        failed += !got && !(got.error() == errc::miss);
        wrong += got && !got->value.starts_with(k + "=");
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
}

// The proxy answers for its dead server with an error of the server's kind. A miss would be a lie.
TEST_P(through_nutcracker, dead_server_behind_it_fails_its_own_keys_alone) {
  const auto keys = numbered("dead", 300);
  for (const auto& k : keys) ASSERT_TRUE(ok(cache_.set(k, k)));
  const client beside = straight_to(servers_, "twemproxy-ketama");
  const std::string dead = servers_[1].name();
  servers_[1].kill();
  std::size_t lost = 0;
  for (const auto& k : keys) {
    const auto got = cache_.get(k);
    const bool hit_by_it = beside.which(k) == dead;
    lost += hit_by_it;
    if (hit_by_it) {
      ASSERT_TRUE(fails(got, errc::server_error)) << k;
      EXPECT_EQ(got.error().server(), proxy_.address());
      EXPECT_FALSE(got.error().message().empty());
      ASSERT_TRUE(fails(cache_.set(k, k), errc::server_error)) << k;
    } else {
      ASSERT_EQ(value_of(got), k);
    }
  }
  EXPECT_GT(lost, 0u);
  EXPECT_LT(lost, keys.size());

  // Keys asked for together may share the error, as the proxy has one answer for all of them; none
  // reads as missing.
  const items got = cache_.get_many(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_FALSE(got[i].miss()) << keys[i];
    if (got[i].hit()) {
      EXPECT_EQ(got[i].value, keys[i]);
      EXPECT_NE(beside.which(keys[i]), dead);
    }
  }
  EXPECT_GE(got.failures(), lost);

  servers_[1].restart();
  for (const auto& k : keys) {
    const bool emptied = beside.which(k) == dead;
    auto again = cache_.get(k);
    const stopwatch watch;
    while (!again && again.error() == errc::server_error && watch.elapsed() < 2s) {
      std::this_thread::sleep_for(5ms);
      again = cache_.get(k);
    }
    if (emptied) {
      ASSERT_TRUE(fails(again, errc::miss)) << k;
    } else {
      ASSERT_EQ(value_of(again), k);
    }
  }
}

TEST_P(through_nutcracker, frozen_server_behind_it_is_bounded_by_the_shorter_timeout) {
  const auto keys = numbered("frozen", 60);
  for (const auto& k : keys) ASSERT_TRUE(ok(cache_.set(k, k)));
  const client beside = straight_to(servers_, "twemproxy-ketama");
  std::string affected;
  std::string other;
  for (const auto& k : keys) (beside.which(k) == servers_[2].name() ? affected : other) = k;
  ASSERT_FALSE(affected.empty() || other.empty());
  servers_[2].freeze();

  stopwatch ours;
  EXPECT_TRUE(fails(cache_.within(60ms).get(affected), errc::timeout));
  EXPECT_LT(ours.elapsed(), 300ms);
  EXPECT_EQ(value_of(cache_.get(other)), other) << "not the late answer to another call";
  stopwatch theirs;  // 400 ms
  EXPECT_TRUE(fails(cache_.get(affected), errc::server_error));
  EXPECT_LT(theirs.elapsed(), 2s);
  EXPECT_EQ(value_of(cache_.get(other)), other);
  servers_[2].thaw();
  EXPECT_EQ(value_of(cache_.get(affected)), affected);
}

INSTANTIATE_TEST_SUITE_P(integration, through_nutcracker,
                         testing::Values(protocol_choice::classic, protocol_choice::automatic),
                         protocol_name);

// What it cannot carry at all says so, in time, and leaves what is stored alone.
class refused_by_nutcracker : public over_protocols {};

TEST_P(refused_by_nutcracker, typed_error_at_once_and_never_a_value) {
  const auto servers = start_servers(3);
  const nutcracker proxy(addresses(servers));
  client good = make_client(proxy.address(), protocol_choice::classic);
  ASSERT_TRUE(ok(good.set("k", "good")));
  ASSERT_TRUE(ok(good.set("n", "1")));

  client cache = make_client(proxy.address(), GetParam());
  const auto refused = [&](const auto& r, std::string_view what) {
    ASSERT_FALSE(r) << what;
    EXPECT_EQ(r.error().whose(), fault::network) << what << ": " << r.error();
    EXPECT_EQ(r.error().server(), proxy.address()) << what;
    EXPECT_FALSE(r.error().message().empty()) << what;
  };
  const stopwatch watch;
  refused(cache.get("k"), "get");
  refused(cache.set("k", "bad"), "set");
  refused(cache.add("new", "bad"), "add");
  refused(cache.remove("k"), "remove");
  refused(cache.incr("n"), "incr");
  refused(cache.touch("k", 1s), "touch");
  // Nobody waits for the outcome of a quiet store; it may not be stored, though.
  (void)cache.set("k", "bad", {.quiet = true});
  const items got = cache.get_many({"k", "n", "none"});
  for (const auto& e : got) EXPECT_EQ(e.status.whose(), fault::network) << e.key << e.status;
  for (const auto& r : cache.version()) refused(r.reply, "version");
  EXPECT_LT(watch.elapsed(), 2s);

  EXPECT_EQ(value_of(good.get("k")), "good");
  EXPECT_EQ(value_of(good.get("n")), "1");
  EXPECT_TRUE(fails(good.get("new"), errc::miss));
  EXPECT_TRUE(proxy.runs());
}

INSTANTIATE_TEST_SUITE_P(integration, refused_by_nutcracker,
                         testing::Values(protocol_choice::meta, protocol_choice::binary),
                         protocol_name);

TEST(nutcracker_placement, is_that_of_the_preset_in_both_directions) {
  const auto servers = start_servers(3);
  for (const std::string distribution : {"ketama", "modula"}) {
    SCOPED_TRACE(distribution);
    const nutcracker proxy(addresses(servers), {.distribution = distribution});
    client through = make_client(proxy.address(), protocol_choice::classic);
    client straight = straight_to(servers, "twemproxy-" + distribution);
    std::map<std::string, std::size_t> share;
    const auto keys = numbered(distribution, 1500);
    for (const auto& k : keys) {
      ASSERT_TRUE(ok(through.set(k, "through " + k)));
      ++share[straight.which(k)];
    }
    EXPECT_EQ(share.size(), servers.size()) << "some server never got a key";
    const items got = straight.get_many(keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(got[i].hit()) << keys[i] << ": " << got[i].status;
      ASSERT_EQ(got[i].value, "through " + keys[i]);
    }
    for (const auto& k : keys) ASSERT_TRUE(ok(straight.set(k, "straight " + k)));
    const items back = through.get_many(keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(back[i].hit()) << keys[i] << ": " << back[i].status;
      ASSERT_EQ(back[i].value, "straight " + keys[i]);
    }
  }
}

TEST(nutcracker_ejecting, moves_keys_of_a_dead_server_so_that_clients_beside_it_disagree) {
  auto servers = start_servers(3);
  const nutcracker proxy(addresses(servers), {.ejects = true, .retry_ms = 10'000});
  client through = make_client(proxy.address(), protocol_choice::classic);
  client straight = straight_to(servers, "twemproxy-ketama");
  std::vector<std::string> moving;
  for (const auto& k : numbered("eject", 300)) {
    ASSERT_TRUE(ok(through.set(k, "old")));
    if (straight.which(k) == servers[0].name()) moving.push_back(k);
  }
  ASSERT_GT(moving.size(), 1u);
  servers[0].kill();
  // The call that finds out fails; then the ring has two servers.
  (void)through.get(moving[0]);
  for (const auto& k : moving) {
    ASSERT_TRUE(fails(through.get(k), errc::miss)) << k;
    ASSERT_TRUE(ok(through.set(k, "new"))) << k;
    EXPECT_EQ(value_of(through.get(k)), "new");
    EXPECT_EQ(straight.get(k).error().whose(), fault::network) << k;
  }
}

}  // namespace
}  // namespace memcxx::test
