// What the tests of typed values share: each runs over every protocol, on one server and on four,
// which live as long as the suite. Never here: a test.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"

namespace memcxx::test::typed {

using std::string;
using namespace std::chrono_literals;

// Every suite asks for the servers it wants, and gets them empty of its own keys.
class over_servers : public testing::TestWithParam<std::tuple<protocol_choice, std::size_t>> {
 protected:
  static void TearDownTestSuite() { started_.clear(); }

  [[nodiscard]] static protocol_choice protocol() { return std::get<0>(GetParam()); }
  [[nodiscard]] static const std::vector<memcached_server>& servers() {
    const std::size_t n = std::get<1>(GetParam());
    for (const auto& s : started_) {
      if (s.size() == n) return s;
    }
    return started_.emplace_back(start_servers(n));
  }
  [[nodiscard]] static client with(value_options values = {}, string prefix = {}) {
    memcxx::options o = settings_for(list_of(servers()), protocol(), 20s);
    o.values = std::move(values);
    o.prefix = std::move(prefix);
    return client(std::move(o));
  }
  void SetUp() override { (void)with().flush(); }

 private:
  static inline std::vector<std::vector<memcached_server>> started_;
};

inline string cell_name(const testing::TestParamInfo<over_servers::ParamType>& info) {
  return string(name_of(std::get<0>(info.param))) + "_" + std::to_string(std::get<1>(info.param));
}

#define MEMCXX_OVER_SERVERS(suite)                                                      \
  INSTANTIATE_TEST_SUITE_P(                                                             \
      integration, suite,                                                               \
      testing::Combine(testing::Values(protocol_choice::classic, protocol_choice::meta, \
                                       protocol_choice::binary),                        \
                       testing::Values(std::size_t{1}, std::size_t{4})),                \
      cell_name)

// Bytes that no compressor makes shorter, and others that each does.
inline string noise(std::size_t n, unsigned seed = 1) {
  std::mt19937 random(seed);
  string out(n, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}
inline string prose(std::size_t n) {
  string out;
  while (out.size() < n) out += "line " + std::to_string(out.size()) + " of a page like many\n";
  out.resize(n);
  return out;
}

template <class T>
result<T> first(values_of<T> all) {
  return std::move(all[0]);
}

}  // namespace memcxx::test::typed
