// A million random calls of hundreds of coroutines on several threads, on four real servers, three
// of them behind proxies that reset, delay, split, truncate, stall and invent; servers are killed,
// restarted and frozen meanwhile. No value is another's or one that nobody stored, nothing that was
// promised is missing, nothing is executed twice, and every call ends, once and in time.
//
// MEMCXX_STORM_OPERATIONS: how many calls in all, instead of 1,000,000 (sanitizers: 100,000).
// MEMCXX_STORM_SEED: another seed than the one that is printed.
// Never here: faults at chosen places (every_byte_test, giving_up_test).
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "running.hpp"
#include "storm_actor.hpp"
#include "storm_model.hpp"
#include "support/fault_proxy.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

class faults : public testing::TestWithParam<weather> {};

TEST_P(faults, a_million_calls) {
  const weather& w = GetParam();
  const std::uint64_t seed = number_from("MEMCXX_STORM_SEED", 20'240'229);
  const std::uint64_t calls =
      number_from("MEMCXX_STORM_OPERATIONS", operations_by_default) * w.share / 100;
  std::cout << w.name << ": " << calls << " calls, MEMCXX_STORM_SEED=" << seed << std::endl;

  auto servers = start_servers(4);
  std::vector<std::unique_ptr<fault_proxy>> proxies;
  std::string list = servers[3].address();  // one is met as it is
  fault_rates rates{};
  rates[static_cast<std::size_t>(fault_kind::split)] = 15'000;
  rates[static_cast<std::size_t>(fault_kind::delay)] = 2'000;
  rates[static_cast<std::size_t>(fault_kind::stall)] = 60;
  rates[static_cast<std::size_t>(fault_kind::reset)] = 600;
  rates[static_cast<std::size_t>(fault_kind::truncate)] = 600;
  rates[static_cast<std::size_t>(fault_kind::garbage)] = 500;
  rates[static_cast<std::size_t>(fault_kind::stranger)] = 500;
  rates[static_cast<std::size_t>(fault_kind::refuse)] = 5'000;
  for (std::size_t i = 0; i < 3; ++i) {
    proxies.push_back(std::make_unique<fault_proxy>(
        servers[i].port(), seed + i,
        w.protocol == protocol_choice::binary ? answer_form::binary : answer_form::text));
    proxies.back()->set(rates);
    list += "," + proxies.back()->address();
  }

  sky all(w);
  all.left = static_cast<std::int64_t>(calls);
  memcxx::options o = parse_uri(list).value();
  o.protocol = w.protocol;
  o.timeout = timeout;
  o.connect_timeout = 150ms;
  o.health = {.max_failures = 3, .retry_min = 2ms, .retry_max = 10ms};
  o.values.split_over = 2048;
  if (w.what == policy::replicas) o.replicas = 2;
  if (w.what == policy::elsewhere) o.failover = failover_policy::next;
  net::io_context io;
  std::optional<async_client> cache;
  cache.emplace(io, o,
                async_options{.connections = w.protocol == protocol_choice::classic ? 2U : 1U});

  const auto began = clock::now();
  std::vector<std::unique_ptr<actor>> company;
  all.busy = actors;
  std::uint64_t kills = 0;
  {
    crew threads(io, 3);
    for (std::size_t i = 0; i < actors; ++i) {
      const net::any_io_executor at = net::make_strand(io);
      company.push_back(std::make_unique<actor>(all, *cache, at, seed * 1000 + i, i));
      net::co_spawn(at, company.back()->run(), net::detached);
    }
    // What happens to the servers meanwhile.
    std::minstd_rand random(static_cast<std::uint_fast32_t>(seed));
    std::uint64_t seen = 0;
    auto progress = began;
    while (all.busy != 0 && clock::now() < progress + patience) {
      if (seen != all.ended) seen = all.ended, progress = clock::now();
      std::this_thread::sleep_for(1ms * (100 + random() % 300));
      memcached_server& victim = servers[random() % servers.size()];
      if (random() % 3 == 0) {
        victim.freeze();
        std::this_thread::sleep_for(1ms * (20 + random() % 400));
        victim.thaw();
      } else {
        ++kills;
        ++all.losses;
        victim.kill();
        std::this_thread::sleep_for(1ms * (random() % 150));
        victim.restart();
        ++all.losses;
      }
    }
    ASSERT_EQ(all.busy, 0u) << "it hangs: " << all.begun - all.ended << " calls did not end";
    EXPECT_EQ(all.begun, all.ended);

    // Afterwards the client is as good as new.
    for (auto& p : proxies) p->set(calm);
    EXPECT_TRUE(eventually([&] {
      const auto replies = cache->ping(net::use_future).get();
      return std::ranges::all_of(replies, [](const auto& r) { return r.reply.has_value(); });
    }));
    std::atomic<int> verified{0};
    std::atomic<int> answered{0};
    for (int i = 0; i < 1000; ++i) {
      const std::string key = "after-" + std::to_string(i);
      cache->set(key, storm::value_of(key, 1), [&, key](const result<stored>&) {
        cache->get(key, [&, key](const result<item>& r) {
          if (r && storm::version_of(key, r->value) == 1) ++verified;
          ++answered;
        });
      });
    }
    EXPECT_TRUE(eventually([&] { return answered == 1000; }));
    EXPECT_EQ(verified, 1000);
  }
  const auto took = std::chrono::duration<double>(clock::now() - began).count();

  std::cout << "  " << took << " s, " << static_cast<double>(all.ended) / took << " calls/s, "
            << kills << " kills, " << all.hits << " own hits; longest call "
            << static_cast<double>(all.longest) / 1e6 << " ms\n  faults:";
  std::size_t injected = 0;
  for (std::size_t k = 0; k < fault_kinds; ++k) {
    std::size_t n = 0;
    for (const auto& p : proxies) n += p->count(static_cast<fault_kind>(k));
    injected += n;
    std::cout << " " << name_of(static_cast<fault_kind>(k)) << " " << n;
  }
  std::cout << "\n  outcomes:";
  for (std::size_t c = 0; c < all.codes.size(); ++c) {
    if (all.codes[c] != 0) {
      std::cout << " " << memcxx::name_of(static_cast<errc>(c)) << " " << all.codes[c];
    }
  }
  std::cout << std::endl;
  EXPECT_EQ(all.wrongs, 0);
  EXPECT_GE(all.ended, calls);
  EXPECT_GT(injected, calls / 1000) << "that was no storm";
  EXPECT_LT(clock::duration(all.longest.load()), too_long);
}

INSTANTIATE_TEST_SUITE_P(storm, faults, testing::ValuesIn(weathers),
                         [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace memcxx::test
