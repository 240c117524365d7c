// Clients for tests, in one line, and the protocols that a test runs over.
// Never here: servers.
#pragma once

#include <chrono>
#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include <memcxx/client.hpp>

namespace memcxx::test {

inline constexpr protocol_choice every_protocol[] = {protocol_choice::classic,
                                                     protocol_choice::meta, protocol_choice::binary,
                                                     protocol_choice::automatic};

inline memcxx::options settings_for(std::string_view servers, protocol_choice protocol,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
  memcxx::options o = parse_uri(servers).value();
  o.protocol = protocol;
  o.timeout = timeout;
  // These servers fail on purpose, thousands of times in a row; health has suites of its own.
  o.health.max_failures = 0;
  return o;
}

inline client make_client(std::string_view servers, protocol_choice protocol,
                          std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
  return client(settings_for(servers, protocol, timeout));
}

// A test that runs once for each protocol; its name ends in the protocol's.
class over_protocols : public testing::TestWithParam<protocol_choice> {};

inline std::string protocol_name(const testing::TestParamInfo<protocol_choice>& info) {
  return std::string(name_of(info.param));
}

// How long something took.
class stopwatch {
 public:
  [[nodiscard]] std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - from_);
  }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point from_ = clock::now();
};

// A test fails with the error's own line.
template <class T>
testing::AssertionResult ok(const result<T>& r) {
  if (r) return testing::AssertionSuccess();
  return testing::AssertionFailure() << r.error();
}

// The value read, or the error's line, which is no value any test stores.
inline std::string value_of(const result<item>& r) { return r ? r->value : r.error().what(); }

template <class T>
testing::AssertionResult fails(const result<T>& r, errc code) {
  if (!r && r.error() == code) return testing::AssertionSuccess();
  if (r) return testing::AssertionFailure() << "expected " << code << ", it was done";
  return testing::AssertionFailure() << "expected " << code << ", got " << r.error();
}

}  // namespace memcxx::test
