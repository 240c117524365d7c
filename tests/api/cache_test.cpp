// cache(): a value, or what computes it. Over memory://, on one thread.
// Never here: threads (single_flight_test.cpp, tests/integration), sockets.
#include <gtest/gtest.h>
#include <stdexcept>

#include "watched_server.hpp"

namespace memcxx {
namespace {

using std::string;
using namespace std::chrono_literals;

struct cached : testing::Test {
  std::shared_ptr<watched_server> server = std::make_shared<watched_server>();
  client cache = over(server);
  int computed = 0;

  auto number(int n) {
    return [this, n] {
      ++computed;
      return n;
    };
  }
};

TEST_F(cached, computes_once_and_stores_for_as_long_as_asked) {
  for (int i = 0; i < 3; ++i) {
    const result<int> got = cache.cache("k", 60s, number(5));
    EXPECT_EQ(got.value(), 5);
  }
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(server->stores(), 1u);
  for (const auto& a : server->seen) {
    if (a.op == protocol::verb::set) {
      EXPECT_EQ(a.ttl, 60);
    }
  }
}

TEST_F(cached, computes_what_a_function_answers) {
  EXPECT_EQ(cache.cache("s", {}, [] { return string("v"); }).value(), "v");
  EXPECT_EQ(cache.cache("r", {}, []() -> result<string> { return "v"; }).value(), "v");
  EXPECT_EQ(cache.cache("o", {}, [] { return std::optional<string>(); }).value(), std::nullopt);
  EXPECT_EQ(cache.cache("o", {}, [] { return std::optional<string>("1"); }).value(), std::nullopt)
      << "nothing is a value, too";
  const string kept = "const";
  EXPECT_EQ(cache.cache("c", {}, [&]() -> const string& { return kept; }).value(), "const");
}

TEST_F(cached, an_error_is_handed_on_and_not_stored) {
  const auto failing = [&]() -> result<int> {
    ++computed;
    return std::unexpected(error(errc::server_error, "no database"));
  };
  for (int i = 1; i < 3; ++i) {
    EXPECT_EQ(cache.cache("k", {}, failing).error().message(), "no database");
    EXPECT_EQ(computed, i);
  }
  EXPECT_EQ(server->stores(), 0u);
  EXPECT_EQ(cache.cache("k", {}, number(1)).value(), 1);
}

TEST_F(cached, an_exception_is_handed_on) {
  const auto throwing = []() -> int { throw std::runtime_error("no database"); };
  EXPECT_THROW((void)cache.cache("k", {}, throwing), std::runtime_error);
  EXPECT_EQ(cache.cache("k", {}, number(1)).value(), 1);
}

TEST_F(cached, what_cannot_be_read_is_computed_and_replaced) {
  ASSERT_TRUE(cache.set("text", text{"words"}));
  ASSERT_TRUE(cache.set("foreign", "bytes", {.flags = 1}));
  for (const char* key : {"text", "foreign"}) {
    EXPECT_EQ(cache.cache(key, {}, number(5)).value(), 5);
    EXPECT_EQ(cache.get<int>(key).value(), 5);
  }
  EXPECT_EQ(computed, 2);
}

TEST_F(cached, what_is_too_long_once_decompressed_is_computed_and_replaced) {
  cache = with_values(server, {.min_compress = 10});
  ASSERT_TRUE(cache.set<string>("k", string(100'000, 'v')));
  cache = with_values(server, {.max_decompressed = 1000});
  ASSERT_EQ(cache.get<string>("k").error(), errc::value_too_large);
  EXPECT_EQ(cache.cache("k", {}, [] { return string("short"); }).value(), "short");
  EXPECT_EQ(cache.get<string>("k").value(), "short");
}

TEST_F(cached, a_server_that_fails_is_not_the_callers_problem) {
  server->reads_fail = errc::server_down;
  EXPECT_EQ(cache.cache("k", {}, number(5)).value(), 5);
  EXPECT_EQ(cache.cache("k", {}, number(6)).value(), 6);
  EXPECT_EQ(server->stores(), 0u) << "there is nobody to store it";
  EXPECT_EQ(cache.unclaimed_errors(), 0u);
}

TEST_F(cached, a_value_that_cannot_be_stored_is_counted) {
  server->stores_fail = errc::out_of_memory;
  EXPECT_EQ(cache.cache("k", {}, number(5)).value(), 5);
  EXPECT_EQ(cache.unclaimed_errors(), 1u);
  server->stores_fail = errc::ok;
  EXPECT_EQ(cache.cache("long", {}, [] { return string(2 << 20, 'v'); })->size(), 2u << 20);
  EXPECT_EQ(cache.unclaimed_errors(), 2u);
}

TEST_F(cached, the_callers_own_errors_surface_before_anything_is_computed) {
  EXPECT_EQ(cache.cache("a b", {}, number(1)).error(), errc::invalid_key);
  EXPECT_EQ(cache.cache("", {}, number(1)).error(), errc::invalid_key);
  EXPECT_EQ(computed, 0);
}

TEST_F(cached, a_computation_that_asks_for_its_own_key_is_refused) {
  const auto got = cache.cache("k", {}, [&]() -> result<int> {
    return cache.cache("k", {}, [&]() -> result<int> { return number(2)(); });
  });
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error(), errc::invalid_argument);
  EXPECT_EQ(computed, 0);
  // A copy is the same client, and another key another computation.
  client copy = cache;
  EXPECT_EQ(cache.cache("k", {}, [&] { return copy.cache("k", {}, number(2)); }).error(),
            errc::invalid_argument);
  EXPECT_EQ(cache.cache("k", {}, [&] { return copy.cache("k2", {}, number(2)); }).value(), 2);
}

TEST_F(cached, what_another_has_stored_meanwhile_is_taken) {
  // Between the first look and the second, as another process would.
  struct late final : driver {
    void execute(const protocol::request& r, protocol::response_handler& to, std::uint32_t tag,
                 std::chrono::steady_clock::time_point deadline) noexcept override {
      protocol::response answer;
      if (protocol::carries_value(r.op) || ++reads == 1) {
        answer.status = errc::miss;
        return to.on_response(tag, answer);
      }
      answer.value = "7";
      to.on_response(tag, answer);
      (void)deadline;
    }
    int reads = 0;
  };
  options o;
  server_address s;
  s.scheme = "late";
  s.host = "one";
  o.servers = {s};
  o.drivers["late"] = [](const server_address&, const options&) {
    return std::make_shared<late>();
  };
  client other(o);
  EXPECT_EQ(other.cache("k", {}, number(1)).value(), 7);
  EXPECT_EQ(computed, 0);
}

}  // namespace
}  // namespace memcxx
