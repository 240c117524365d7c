// What is left to live of an item that has expired, as a real memcached tells it, through every
// face that reads attributes: none, and not 2^32 seconds less a few.
// Never here: when items expire (tests/integration).
#include <gtest/gtest.h>

#include "faces.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

// Runs one command, and what it answered.
class runner {
 public:
  virtual ~runner() = default;
  virtual result<item> read(const commands::get& c) = 0;
  virtual result<item> read(const commands::gat& c) = 0;
  virtual result<item_of<std::string>> read(const commands::get_item<std::string>& c) = 0;
};

template <class Run>
class runner_of final : public runner {
 public:
  explicit runner_of(const std::string& server) : run_(server) {}
  result<item> read(const commands::get& c) override { return run_(c); }
  result<item> read(const commands::gat& c) override { return run_(c); }
  result<item> read(const commands::get_item<std::string>& c) override { return run_(c); }

 private:
  Run run_;
};

struct in_client {
  explicit in_client(const std::string& server) : cache(server) {}
  template <class C>
  result<item> operator()(const C& c) {
    return cache.execute(c);
  }
  client cache;
};
struct in_session {
  explicit in_session(const std::string& server)
      : cache(server), one(cache.open(cache.servers()[0]).value()) {}
  template <class C>
  result<item> operator()(const C& c) {
    return one.execute(c);
  }
  client cache;
  session one;
};
struct in_batch {
  explicit in_batch(const std::string& server) : cache(server) {}
  template <class C>
  result<item> operator()(const C& c) {
    batch b;
    const auto reply = b.execute(c);
    (void)cache.run(b);
    return *reply;
  }
  client cache;
};
struct in_async_client {
  explicit in_async_client(const std::string& server) : cache(io, server) {}
  template <class C>
  result<item> operator()(const C& c) {
    result<item> out = std::unexpected(error(errc::cancelled));
    cache.execute(c, [&](result<item> r) {
      out = std::move(r);
      io.stop();
    });
    io.restart();
    io.run_for(30s);
    return out;
  }
  net::io_context io;
  async_client cache;
};

template <class Run>
std::unique_ptr<runner> make_runner(const std::string& server) {
  return std::make_unique<runner_of<Run>>(server);
}
struct run_kind {
  const char* name;
  std::unique_ptr<runner> (*make)(const std::string& server);
};
class ttl_left : public testing::TestWithParam<run_kind> {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<memcached_server>(); }
  static void TearDownTestSuite() { server_.reset(); }
  static inline std::unique_ptr<memcached_server> server_;
};

// Item 13.
TEST_P(ttl_left, of_an_item_that_has_expired_is_none) {
  const ttl past[] = {ttl(-1s), ttl(-24h), ttl(std::chrono::system_clock::now() - 1h)};
  for (const std::string& server : {server_->address(), std::string("memory://")}) {
    SCOPED_TRACE(server);
    const auto run = GetParam().make(server);
    client cache(server);
    const bool same = server != "memory://";  // else each client has items of its own
    for (const ttl& t : past) {
      if (same) {
        ASSERT_TRUE(ok(cache.set("k", "v")));
        const auto got = run->read(commands::gat{"k", t, {.ttl = true, .last_access = true}});
        ASSERT_TRUE(ok(got));
        EXPECT_EQ(got->ttl, 0s);
        EXPECT_LT(got->last_access.value(), 60s);
        EXPECT_EQ(got->value, "v");
        EXPECT_TRUE(fails(run->read(commands::get{"k", {.ttl = true}}), errc::miss));

        ASSERT_TRUE(ok(cache.set("k", "v")));
        const auto typed = run->read(commands::get_item<std::string>{{"k", t, {.ttl = true}}});
        ASSERT_TRUE(ok(typed));
        EXPECT_EQ(typed->ttl, 0s);

        ASSERT_TRUE(ok(cache.set("k", "v")));
        const auto head = run->read(commands::gat{"k", t, {.value = false, .ttl = true}});
        ASSERT_TRUE(ok(head));
        EXPECT_EQ(head->ttl, 0s);

        // Marked stale, and expired by its winner.
        ASSERT_TRUE(ok(cache.set("k", "v")));
        ASSERT_TRUE(ok(cache.remove("k", {.invalidate = true, .ttl = 60s})));
        const auto won = run->read(commands::gat{"k", t, {.ttl = true}});
        ASSERT_TRUE(ok(won));
        EXPECT_TRUE(won->won && won->stale);
        EXPECT_EQ(won->ttl, 0s);
      }
      // A stub that expires as it is made: each caller makes one and wins it.
      for (int i = 0; i < 2; ++i) {
        const auto stub = run->read(commands::get{"stub", {.ttl = true, .vivify = t}});
        ASSERT_TRUE(ok(stub));
        EXPECT_TRUE(stub->won);
        EXPECT_EQ(stub->ttl, 0s);
      }
    }
  }
}

TEST_P(ttl_left, of_other_items_is_as_it_was) {
  const auto run = GetParam().make(server_->address());
  client cache(server_->address());
  ASSERT_TRUE(ok(cache.set("k", "v")));
  EXPECT_EQ(run->read(commands::get{"k", {.ttl = true}}).value().ttl, -1s);
  EXPECT_EQ(run->read(commands::get{"k", {.ttl = true, .recache = -1s}}).value().ttl, -1s);
  const auto long_lived = run->read(commands::gat{"k", 24h * 365, {.ttl = true}}).value();
  EXPECT_GT(long_lived.ttl.value(), 24h * 365 - 60s);
  EXPECT_LE(long_lived.ttl.value(), 24h * 365 + 1s);
  EXPECT_FALSE(run->read(commands::get{"k", {.ttl = true, .recache = -1s}}).value().won);
}

constexpr run_kind every_runner[] = {{"client", make_runner<in_client>},
                                     {"session", make_runner<in_session>},
                                     {"batch", make_runner<in_batch>},
                                     {"async_client", make_runner<in_async_client>}};
std::string runner_name(const testing::TestParamInfo<run_kind>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(seams, ttl_left, testing::ValuesIn(every_runner), runner_name);

}  // namespace
}  // namespace memcxx::test
