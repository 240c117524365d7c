// What tests of other servers' endpoints share: a client at each of them, over what classic has and
// over auto, that is told of every server that is marked down.
// Never here: a test.
#pragma once

#include <cstdlib>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

#include "support/clients.hpp"

namespace memcxx::test {

enum class endpoint : std::uint8_t { infinispan, hazelcast };

inline std::string name_of(endpoint e) {
  return e == endpoint::infinispan ? "infinispan" : "hazelcast";
}

// "127.0.0.1:43505", as scripts/stage tells it.
inline std::string address_of(endpoint e) {
  const char* where =
      std::getenv(e == endpoint::infinispan ? "MEMCXX_INFINISPAN" : "MEMCXX_HAZELCAST");
  if (where == nullptr) throw std::runtime_error("not started: use scripts/stage servers.java");
  return where;
}

// What may become of a call for what a server does not have, and of one that it does.
inline bool has_a_type(const error& e) {
  switch (e.code()) {
    case errc::ok:
    case errc::miss:
    case errc::exists:
    case errc::not_supported:
    case errc::client_error:
    case errc::connection_closed:
      return true;
    default:
      return false;
  }
}

class at_endpoint : public testing::TestWithParam<std::tuple<endpoint, protocol_choice>> {
 protected:
  at_endpoint() : cache_(settings()) { put_witness(); }

  [[nodiscard]] static endpoint where() { return std::get<0>(GetParam()); }
  [[nodiscard]] static protocol_choice protocol() { return std::get<1>(GetParam()); }
  // The first failure would do, so that none is taken for the server's that is not.
  [[nodiscard]] static memcxx::options settings() {
    memcxx::options o = settings_for(address_of(where()), protocol(), std::chrono::seconds(3));
    o.health.max_failures = 1;
    o.on_server_down = [](std::string_view server, const error& why) {
      ADD_FAILURE() << server << " is marked down: " << why;
    };
    return o;
  }
  [[nodiscard]] client& cache() { return cache_; }
  // No two tests share a key: the servers are the same for all. No colon in it: Hazelcast takes
  // what stands before one for the name of a map.
  [[nodiscard]] std::string key(std::string_view word) const {
    return "test" + std::to_string(number_) + "-" + std::string(word);
  }

  void put_witness() { EXPECT_TRUE(ok(cache_.set(key("witness"), "here"))); }
  // The next call finds its connections in order.
  void goes_on(std::string_view behind) {
    EXPECT_EQ(value_of(cache_.get(key("witness"))), "here") << "behind " << behind;
  }

 private:
  static inline int made_ = 0;
  int number_ = ++made_;
  client cache_;
};

inline std::string cell_name(const testing::TestParamInfo<at_endpoint::ParamType>& cell) {
  return name_of(std::get<0>(cell.param)) + "_" + std::string(name_of(std::get<1>(cell.param)));
}

#define MEMCXX_AT_ENDPOINTS(suite)                                                             \
  INSTANTIATE_TEST_SUITE_P(                                                                    \
      endpoints, suite,                                                                        \
      testing::Combine(testing::Values(endpoint::infinispan, endpoint::hazelcast),             \
                       testing::Values(protocol_choice::classic, protocol_choice::automatic)), \
      cell_name)

}  // namespace memcxx::test
