// A memory driver with a clock that tests turn by hand, and answers that outlive their call.
// Never here: expectations of a single test.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/memory.hpp>

namespace memcxx::test {

using protocol::request;
using protocol::verb;
using protocol::want;

// A response with bytes of its own.
struct answer {
  protocol::response head;
  std::string value;
  std::string text;
  std::map<std::string, std::string> lines;  // statistics
  int finals = 0;

  [[nodiscard]] errc status() const { return head.status; }
};

class recorder final : public protocol::response_handler {
 public:
  void on_response(std::uint32_t tag, const protocol::response& r) noexcept override {
    EXPECT_EQ(tag, expected_tag);
    if (r.more) {
      EXPECT_EQ(got.finals, 0);
      got.lines.emplace(r.key, r.value);
      return;
    }
    ++got.finals;
    got.head = r;
    got.value = r.value;
    got.text = r.text;
    got.head.key = got.head.value = got.head.text = {};
  }

  static constexpr std::uint32_t expected_tag = 77;
  answer got;
};

inline answer ask(driver& d, const request& r) {
  recorder to;
  d.execute(r, to, recorder::expected_tag, {});
  EXPECT_EQ(to.got.finals, 1) << "exactly one final response for each request";
  return std::move(to.got);
}

class memory_fixture : public testing::Test {
 protected:
  static constexpr std::int64_t start = 1'700'000'000;

  explicit memory_fixture(memory_options o = {}) {
    o.clock = [this] { return std::chrono::sys_seconds(std::chrono::seconds(now)); };
    server = std::make_unique<memory_driver>(std::move(o));
  }

  answer ask(const request& r) { return test::ask(*server, r); }

  answer store(verb op, std::string_view key, std::string_view value, std::int32_t ttl = 0,
               std::uint64_t cas = 0) {
    return ask({.op = op, .ttl = ttl, .key = key, .value = value, .cas = cas});
  }
  // Returns the cas.
  std::uint64_t set(std::string_view key, std::string_view value, std::int32_t ttl = 0) {
    const answer a = store(verb::set, key, value, ttl);
    EXPECT_EQ(a.status(), errc::ok);
    EXPECT_TRUE(a.head.has_cas);
    return a.head.cas;
  }
  answer get(std::string_view key, want wants = want::value | want::cas) {
    return ask({.wants = wants, .key = key});
  }
  answer count(verb op, std::string_view key, std::uint64_t delta = 1) {
    return ask({.op = op, .key = key, .delta = delta});
  }
  // The value, or the name of the status in brackets.
  std::string read(std::string_view key) {
    const answer a = get(key);
    return a.status() == errc::ok ? a.value : a.status() == errc::miss ? "(miss)" : "(error)";
  }
  std::string stat(const std::string& name) { return ask({.op = verb::stats}).lines[name]; }

  std::int64_t now = start;
  std::unique_ptr<memory_driver> server;
};

}  // namespace memcxx::test
