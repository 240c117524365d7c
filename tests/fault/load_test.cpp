// More than fits: requests and answers far beyond every socket's buffer, and servers that come back
// under many clients.
// Never here: wrong bytes (hostile).
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class load : public over_protocols {};

// A proxy with small buffers: the server behind it stops reading requests while nobody takes its
// answers, and soon so does the proxy. Who writes everything before reading waits for ever.
script narrow_proxy(const memcached_server& behind) {
  return [port = behind.port()](peer& p) { p.relay(port); };
}

// Row: a huge multi-get deadlocks. A million keys in the incident; 200,000 here, because the proxy
// moves 2 KB at a time and CI waits for it under sanitizers, and because their answers (20 MB) are
// already thousands of times what the sockets hold.
TEST_P(load, huge_multi_get_over_tiny_socket_buffers_finishes) {
  const memcached_server real;
  scripted_server proxy(narrow_proxy(real), 4096);
  const std::size_t n = 200'000;
  std::vector<std::string> keys;
  keys.reserve(n);
  for (std::size_t i = 0; i < n; ++i) keys.push_back("key:" + std::to_string(i));
  const std::string tail(40, 'x');
  client direct = make_client(real.address(), protocol_choice::meta, 20s);
  std::vector<std::string> values;
  std::vector<store_entry> entries;
  values.reserve(n);
  for (std::size_t i = 0; i < n; i += 2) {
    values.push_back(keys[i] + tail);
    entries.push_back({keys[i], values.back(), {}});
  }
  ASSERT_EQ(direct.set_many(entries).failures(), 0u);

  client cache = make_client(proxy.address(), GetParam(), 30s);
  const items got = cache.get_many(keys);
  ASSERT_EQ(got.size(), n);
  ASSERT_EQ(got.failures(), 0u);
  for (std::size_t i = 0; i < n; ++i) {
    ASSERT_EQ(got[i].hit(), i % 2 == 0) << keys[i];
    if (got[i].hit()) {
      ASSERT_EQ(got[i].value, keys[i] + tail);
    }
  }
}

TEST_P(load, huge_batch_of_stores_and_reads_over_tiny_socket_buffers_finishes) {
  const memcached_server real;
  scripted_server proxy(narrow_proxy(real), 4096);
  client cache = make_client(proxy.address(), GetParam(), 30s);
  const std::string large(50'000, 'L');
  batch b;
  std::vector<batch_reply<item>> reads;
  for (int i = 0; i < 300; ++i) {
    const std::string k = "k" + std::to_string(i);
    (void)b.set(k, k + large);
    reads.push_back(b.get(k));
  }
  ASSERT_TRUE(ok(cache.run(b)));
  for (std::size_t i = 0; i < reads.size(); ++i) {
    ASSERT_TRUE(ok(*reads[i]));
    ASSERT_TRUE((*reads[i])->value == "k" + std::to_string(i) + large);
  }
}

TEST_P(load, huge_set_many_over_tiny_socket_buffers_finishes) {
  const memcached_server real;
  scripted_server proxy(narrow_proxy(real), 4096);
  client cache = make_client(proxy.address(), GetParam(), 30s);
  std::vector<std::string> keys;
  for (int i = 0; i < 20'000; ++i) keys.push_back("key:" + std::to_string(i));
  std::vector<store_entry> entries;
  for (const auto& k : keys) entries.push_back({k, k, {}});
  EXPECT_EQ(cache.set_many(entries).failures(), 0u);
  EXPECT_EQ(std::stoul(real.statistic("curr_items")), keys.size());
  std::vector<std::string_view> views(keys.begin(), keys.end());
  EXPECT_EQ(cache.remove_many(views).failures(), 0u);
  EXPECT_EQ(real.statistic("curr_items"), "0");
}

TEST_P(load, restart_under_many_threads_is_survived_by_all) {
  memcached_server server;
  client cache = make_client(server.address(), GetParam(), 1s);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, own = cache, k = "k" + std::to_string(t)]() mutable {
      while (!stop) {
        (void)own.set(k, k + "=");
        const auto got = own.get(k);
        wrong += got && got->value != k + "=";
        if (!got) std::this_thread::sleep_for(1ms);
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(50ms);
    server.restart();
  }
  std::this_thread::sleep_for(100ms);
  stop = true;
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(value_of(cache.get("k")), "v");
}

// Row: reconnect storm.
TEST_P(load, a_server_that_drops_everybody_is_not_dialled_by_every_call) {
  scripted_server server([](peer& p) { p.close(); });
  memcxx::options o = settings_for(server.address(), GetParam(), 1s);
  o.health = {};
  client cache(o);
  std::atomic<int> calls{0};
  std::vector<std::thread> threads;
  const stopwatch watch;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, own = cache]() mutable {
      while (watch.elapsed() < 600ms) {
        const auto got = own.get("k");
        EXPECT_FALSE(got);
        EXPECT_FALSE(fails(got, errc::miss));
        ++calls;
        std::this_thread::sleep_for(1ms);
      }
    });
  }
  for (auto& t : threads) t.join();
  // A few calls of each thread before the server is marked down, then a handful of probes.
  EXPECT_GT(calls, 600);
  // Six threads may each dial three times before three failures in a row are seen; then come
  // probes.
  EXPECT_LE(server.accepted(), 80u);
}

INSTANTIATE_TEST_SUITE_P(fault, load, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
