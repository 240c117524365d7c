// What the tests of options and URIs share: ways to make and to name servers, and one way to look
// at a refusal. Never here: a test.
#pragma once

#include <cstdint>
#include <gtest/gtest.h>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/options.hpp>

namespace memcxx {

using std::string;
using std::string_view;

inline string names(const options& o) {
  string out;
  for (const server_address& s : o.servers) {
    if (!out.empty()) out += " ";
    out += s.is_unix ? "unix:" + s.name() : s.name();
    if (s.weight != 1) out += "*" + std::to_string(s.weight);
  }
  return out;
}

inline server_address network(string host, std::uint16_t port = default_port) {
  server_address s;
  s.host = std::move(host);
  s.port = port;
  return s;
}

inline server_address unix_socket(string path) {
  server_address s = network(std::move(path));
  s.is_unix = true;
  return s;
}

inline server_address in_memory(string host) {
  server_address s = network(std::move(host));
  s.scheme = "memory";
  return s;
}

template <class T>
error error_in(const result<T>& r) {
  return r ? error() : r.error();
}

inline options with_driver(string scheme) {
  options o;
  o.drivers[std::move(scheme)] = [](const server_address&, const options&) {
    return std::shared_ptr<driver>();
  };
  return o;
}

struct bad_input {
  string input;
  string message;  // a part of it
  errc code = errc::invalid_argument;
};

// The error has the code, holds the message and is fit for one line of a log.
template <class T>
void expect_refused(const bad_input& row, const result<T>& outcome) {
  SCOPED_TRACE(row.input);
  ASSERT_FALSE(outcome);
  const error& e = outcome.error();
  EXPECT_EQ(e.code(), row.code) << e;
  EXPECT_NE(e.message().find(row.message), string_view::npos) << e;
  EXPECT_TRUE(e.server().empty()) << e;
  for (const char c : e.message()) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << e << " holds " << int{c};
}

inline void expect_all_refused(std::initializer_list<bad_input> table) {
  for (const bad_input& row : table) expect_refused(row, parse_uri(row.input));
}

}  // namespace memcxx
