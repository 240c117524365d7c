// What is stored is what is read: ttls, counters, sizes and bytes, on real memcached.
// Never here: several servers, faults.
#include <array>
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class values : public over_protocols {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<memcached_server>(); }
  static void TearDownTestSuite() { server_.reset(); }
  // Keys of each test and protocol are its own.
  static std::string key(const std::string& name) {
    return name + ":" + std::string(name_of(GetParam()));
  }
  static inline std::unique_ptr<memcached_server> server_;
  client cache_ = make_client(server_->address(), GetParam());
};

TEST_P(values, ttl_over_thirty_days_stays_readable) {
  const std::string k = key("month");
  for (const auto days : {29, 30, 31, 365}) {
    ASSERT_TRUE(ok(cache_.set(k, "v", {.ttl = 24h * days}))) << days;
    EXPECT_TRUE(ok(cache_.get(k))) << days;
    ASSERT_TRUE(ok(cache_.touch(k, 24h * days))) << days;
    EXPECT_TRUE(ok(cache_.get(k))) << days;
    ASSERT_TRUE(ok(cache_.gat(k, 24h * days))) << days;
    EXPECT_TRUE(ok(cache_.get(k))) << days;
  }
  ASSERT_TRUE(ok(cache_.set(k, "v", {.ttl = std::chrono::system_clock::now() + 24h * 31})));
  EXPECT_TRUE(ok(cache_.get(k)));
}

TEST_P(values, long_ttl_is_the_same_at_the_server) {
  // Whatever the protocol, the server was told the same: read back through meta, which can.
  const std::string k = key("told");
  ASSERT_TRUE(ok(cache_.set(k, "v", {.ttl = 24h * 31})));
  client meta = make_client(server_->address(), protocol_choice::meta);
  const auto got = meta.get(k, {.ttl = true});
  ASSERT_TRUE(ok(got));
  ASSERT_TRUE(got->ttl.has_value());
  EXPECT_GE(*got->ttl, 24h * 31 - 5s);
  EXPECT_LE(*got->ttl, 24h * 31 + 1s);
}

TEST_P(values, negative_and_past_ttl_expire_now) {
  const std::string k = key("past");
  const ttl expired[] = {ttl(-1s), ttl(-24h), ttl(std::chrono::system_clock::now() - 1h)};
  for (const ttl& t : expired) {
    ASSERT_TRUE(ok(cache_.set(k, "v", {.ttl = t})));
    EXPECT_TRUE(fails(cache_.get(k), errc::miss));
    ASSERT_TRUE(ok(cache_.set(k, "v")));
    ASSERT_TRUE(ok(cache_.touch(k, t)));
    EXPECT_TRUE(fails(cache_.get(k), errc::miss));
  }
}

TEST_P(values, ttl_that_cannot_be_sent_is_refused) {
  EXPECT_TRUE(fails(cache_.set(key("far"), "v", {.ttl = 24h * 365 * 100}), errc::invalid_argument));
  EXPECT_TRUE(fails(cache_.touch(key("far"), 24h * 365 * 100), errc::invalid_argument));
}

TEST_P(values, short_ttl_expires) {
  const std::string k = key("short");
  ASSERT_TRUE(ok(cache_.set(k, "v", {.ttl = 1s})));
  const stopwatch watch;
  while (cache_.get(k) && watch.elapsed() < 4s) std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(fails(cache_.get(k), errc::miss));
}

TEST_P(values, flush_with_a_delay_drops_later) {
  memcached_server own;
  client cache = make_client(own.address(), GetParam());
  ASSERT_TRUE(ok(cache.set("a", "v")));
  ASSERT_TRUE(ok(cache.flush(2s)[0].reply));
  EXPECT_TRUE(ok(cache.get("a")));
  const stopwatch watch;
  while (cache.get("a") && watch.elapsed() < 6s) std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(fails(cache.get("a"), errc::miss));
}

TEST_P(values, counters_read_without_padding) {
  const std::string k = key("count");
  ASSERT_TRUE(ok(cache_.set(k, "10")));
  const auto n = cache_.decr(k);
  ASSERT_TRUE(ok(n));
  EXPECT_EQ(n->value, 9u);
  const auto same = cache_.incr(k, 0);
  ASSERT_TRUE(ok(same));
  EXPECT_EQ(same->value, 9u);
  // The server keeps the length and stores "9 "; whoever reads the raw bytes sees that.
  const auto raw = cache_.get(k);
  ASSERT_TRUE(ok(raw));
  EXPECT_EQ(raw->value.substr(0, 1), "9");
  EXPECT_EQ(raw->value.find_first_not_of(' ', 1), std::string::npos);
}

TEST_P(values, empty_value) {
  const std::string k = key("empty");
  ASSERT_TRUE(ok(cache_.set(k, "", {.flags = 1})));
  const auto got = cache_.get(k);
  ASSERT_TRUE(ok(got));
  EXPECT_EQ(got->value, "");
  EXPECT_EQ(got->flags, 1u);
  const auto many = cache_.get_many({k, "none", k});
  ASSERT_EQ(many.size(), 3u);
  EXPECT_TRUE(many[0].hit() && many[1].miss() && many[2].hit());
  EXPECT_EQ(many[2].value, "");
}

TEST_P(values, every_byte_comes_back) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  all += "\r\nEND\r\nVALUE x 0 1\r\n\r\nEN\r\n";
  const std::string k = key("bytes");
  ASSERT_TRUE(ok(cache_.set(k, all)));
  const auto got = cache_.get(k);
  ASSERT_TRUE(ok(got));
  EXPECT_EQ(got->value, all);
  const items many = cache_.get_many({k});
  EXPECT_EQ(many[0].value, all);
}

TEST_P(values, every_length_near_a_buffer_edge) {
  const std::string k = key("length");
  for (const std::size_t edge : {1024u, 4096u, 8192u, 16384u, 32768u, 65536u, 131072u}) {
    for (std::size_t n = edge - 40; n <= edge + 2; n += 3) {
      std::string value(n, 'x');
      value.back() = 'z';
      ASSERT_TRUE(ok(cache_.set(k, value))) << n;
      const auto got = cache_.get(k);
      ASSERT_TRUE(ok(got)) << n;
      ASSERT_TRUE(got->value == value) << n;
    }
  }
}

TEST_P(values, nearly_a_megabyte) {
  std::string value(1024 * 1024 - 512, '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 31 + i / 256);
  const std::string k = key("large");
  ASSERT_TRUE(ok(cache_.set(k, value)));
  const auto got = cache_.get(k);
  ASSERT_TRUE(ok(got));
  EXPECT_TRUE(got->value == value);
}

TEST_P(values, too_large_value_is_named_and_the_connection_goes_on) {
  const std::string k = key("huge");
  ASSERT_TRUE(ok(cache_.set(k, "old")));
  const std::string before = server_->statistic("total_connections");
  const auto refused = cache_.set(k, std::string(5 << 20, 'x'));
  ASSERT_TRUE(fails(refused, errc::value_too_large));
  EXPECT_EQ(refused.error().server(), server_->name());
  EXPECT_EQ(refused.error().whose(), fault::server);
  ASSERT_TRUE(ok(cache_.set(k + "2", "v")));
  EXPECT_EQ(value_of(cache_.get(k + "2")), "v");
  EXPECT_TRUE(ok(cache_.version()[0].reply));
  // The server drops the old value with the refused one: what is there must not be stale.
  EXPECT_TRUE(fails(cache_.get(k), errc::miss));
  // Each look at the statistics is a connection of its own: the second is the only new one.
  EXPECT_EQ(std::stoul(server_->statistic("total_connections")), std::stoul(before) + 1);
}

TEST_P(values, too_large_for_the_client_is_refused_unsent) {
  memcxx::options o = settings_for(server_->address(), GetParam());
  o.max_value_size = 1000;
  client cache(o);
  const std::string k = key("limit");
  ASSERT_TRUE(ok(cache.set(k, std::string(1000, 'x'))));
  const auto refused = cache.set(k, std::string(1001, 'x'));
  ASSERT_TRUE(fails(refused, errc::value_too_large));
  EXPECT_EQ(refused.error().whose(), fault::caller);
  EXPECT_EQ(value_of(cache.get(k)).size(), 1000u);
}

TEST_P(values, longest_key_and_odd_bytes) {
  std::string longest = key("longest");
  longest.resize(250, 'k');
  ASSERT_TRUE(ok(cache_.set(longest, "v")));
  EXPECT_TRUE(ok(cache_.get(longest)));
  EXPECT_TRUE(fails(cache_.set(longest + "k", "v"), errc::invalid_key));
  // Bytes above 0x7f are no control bytes: UTF-8 goes as it is.
  const std::string utf8 = key("gr\xc3\xbc\xc3\x9f\xc3\xa9");
  ASSERT_TRUE(ok(cache_.set(utf8, "v")));
  EXPECT_EQ(value_of(cache_.get(utf8)), "v");
}

INSTANTIATE_TEST_SUITE_P(integration, values, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
