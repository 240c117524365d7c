// What the tests of one call share: a call that remembers its outcomes, servers named s0, s1, …,
// and the bytes of one leg's connection. Never here: a test.
#pragma once

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connection/reference_server.hpp"
#include "routing/exchange.hpp"
#include "routing/topology.hpp"

namespace memcxx::routing {

using namespace std::string_literals;
using namespace std::string_view_literals;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

// A key goes to the server that its last digit names.
class by_last_digit final : public distribution {
 public:
  explicit by_last_digit(std::size_t n) : n_(n) {}
  std::uint32_t pick(std::string_view key, unsigned) const noexcept override {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(key.back() - '0') % n_);
  }

 private:
  std::size_t n_;
};

class outcomes final : public call {
 public:
  struct outcome {
    errc status;
    std::string value;
    std::string text;
    std::string server;
  };

  std::size_t size() const noexcept override { return requests.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    out = requests[i];
    const auto at = refusals.find(i);
    return at == refusals.end() ? protocol::refusal{} : at->second;
  }
  void on_response(std::size_t i, const response& r, std::string_view server) noexcept override {
    if (r.more) return;
    if (!told.emplace(i, outcome{r.status, std::string(r.value), std::string(r.text),
                                 std::string(server)})
             .second) {
      ADD_FAILURE() << "a second outcome of request " << i;
    }
  }
  bool quiet() const noexcept override { return is_quiet; }

  errc status(std::size_t i) const { return told.at(i).status; }

  std::vector<protocol::request> requests;
  std::map<std::size_t, protocol::refusal> refusals;
  std::map<std::size_t, outcome> told;
  bool is_quiet = false;
};

inline options settings_for(std::size_t servers) {
  options o;
  for (std::size_t i = 0; i < servers; ++i) {
    server_address s;
    s.host = "s" + std::to_string(i);
    o.servers.push_back(s);
  }
  o.custom_distribution = [](std::span<const server_address> all) {
    return std::make_unique<by_last_digit>(all.size());
  };
  return o;
}

inline request get(std::string_view key) { return {.key = key}; }
inline request set(std::string_view key, std::string_view value = "v") {
  return {.op = verb::set, .key = key, .value = value};
}

class exchanging : public testing::Test {
 protected:
  void prepare(exchange::route how = exchange::route::by_key, std::uint32_t only = 0) {
    map = *make_topology(settings);
    x = std::make_unique<exchange>(calls, map, settings);
    x->prepare(how, only);
  }
  // The connection of a leg, and all that it writes.
  std::unique_ptr<connection> fresh(protocol_choice p = protocol_choice::classic) {
    connection_options o;
    o.protocol = p;
    o.known = p;
    auto c = std::make_unique<connection>(o);
    c->open();
    return c;
  }
  // One that found out that its server speaks meta.
  std::unique_ptr<connection> fresh_automatic() {
    connection_options o;
    o.known = protocol_choice::meta;
    auto c = std::make_unique<connection>(o);
    c->open();
    return c;
  }
  static std::string take(connection& c, std::size_t most = SIZE_MAX) {
    std::string out;
    for (const auto piece : c.output()) out.append(piece.data(), piece.size());
    out.resize(std::min(out.size(), most));
    c.sent(out.size());
    return out;
  }
  static void read(connection& c, std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> room = c.input().front();
      const std::size_t n = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), n);
      c.received(n);
      bytes.remove_prefix(n);
    }
  }
  leg& only_leg() {
    EXPECT_EQ(x->legs().size(), 1u);
    return x->legs()[0];
  }
  void expect_all_told() {
    EXPECT_EQ(calls.told.size(), calls.requests.size());
    for (leg& l : x->legs()) EXPECT_TRUE(l.done());
  }

  options settings = settings_for(1);
  topology map;
  outcomes calls;
  std::unique_ptr<exchange> x;
};

}  // namespace memcxx::routing
