// What the tests of clusters share: settings with health as it comes, keys by their server, waiting
// for a server to count as down and up. Never here: a test.
#pragma once

#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "../support/clients.hpp"

namespace memcxx::test::cluster {

using namespace std::chrono_literals;

inline memcxx::options settings_of(std::string_view servers,
                                   std::chrono::milliseconds timeout = 2s) {
  memcxx::options o = parse_uri(servers).value();
  o.timeout = timeout;
  return o;
}

// A key that lives on this server, another for each n.
inline std::string key_on(const client& cache, const std::string& server, int n = 0) {
  for (int i = 0;; ++i) {
    const std::string key = "on:" + std::to_string(i);
    if (cache.which(key) == server && n-- == 0) return key;
  }
}

inline bool eventually(const std::function<bool()>& p, std::chrono::milliseconds limit = 5s) {
  const stopwatch watch;
  while (!p()) {
    if (watch.elapsed() > limit) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// Calls until the server counts as down.
inline void bring_down(client& cache, const std::string& key) {
  ASSERT_TRUE(eventually([&] { return bool(fails(cache.get(key), errc::server_down)); }));
}
inline void wait_until_up(client& cache, const std::string& key) {
  ASSERT_TRUE(eventually([&] {
    const auto got = cache.get(key);
    return got || got.error() == errc::miss;
  }));
}

inline void in_threads(int n, const std::function<void(int)>& body) {
  std::vector<std::thread> all;
  for (int t = 0; t < n; ++t) all.emplace_back(body, t);
  for (auto& t : all) t.join();
}

// Opens so many connections to the server of this key.
inline void open_connections(client& cache, const std::string& key, int n) {
  std::atomic<int> ready{0};
  in_threads(n, [&](int) {
    ++ready;
    while (ready < n) std::this_thread::yield();
    for (int i = 0; i < 50; ++i) (void)cache.get(key);
  });
}

}  // namespace memcxx::test::cluster
