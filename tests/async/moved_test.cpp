// Asynchronous clients as objects: const ones, and ones that were moved from.
// Never here: faults.
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/async_client.hpp>

#include "running.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

template <class T>
void refused(const result<T>& r, const char* what) {
  ASSERT_FALSE(r) << what;
  EXPECT_EQ(r.error(), errc::invalid_argument) << what;
  EXPECT_NE(r.error().message().find("moved from"), std::string_view::npos) << what;
}

const std::vector<std::string> keys{"a", "b"};

net::awaitable<void> every_call_is_refused(const async_client& gone) {
  refused(co_await gone.get("k"), "get");
  refused(co_await gone.get<int>("k"), "get<int>");
  refused(co_await gone.set("k", "v"), "set");
  refused(co_await gone.incr("k"), "incr");
  const items read = co_await gone.get_many(keys);
  EXPECT_EQ(read[1].status, errc::invalid_argument);
  const std::map<std::string, std::string> pairs{{"a", "1"}};
  const auto kept = co_await gone.set_many(pairs);
  refused(kept[0], "set_many");
  const auto removed = co_await gone.remove_many(keys);
  refused(removed[0], "remove_many");
  const auto flushed = co_await gone.flush();
  EXPECT_EQ(flushed.size(), 1U);
  refused(flushed.at(0).reply, "flush");
  batch b;
  b.set("k", "v");
  refused(co_await gone.run(b), "run");
  auto arriving = gone.get_each(keys);
  const auto first = co_await arriving.next();
  EXPECT_TRUE(first.has_value());
  if (first) refused(first->reply, "get_each");
}

TEST(moved_from, client_refuses_every_call_and_its_successor_works) {
  const memcached_server server;
  net::io_context io;
  async_client cache(io, async_settings(server.address()));
  async_client other = std::move(cache);
  async_client& gone = cache;  // NOLINT(bugprone-use-after-move): what this is about
  EXPECT_EQ(gone.which("k"), "");
  EXPECT_TRUE(gone.servers().empty());
  refused(gone.add_server(server_address()), "add_server");
  refused(gone.remove_server("127.0.0.1"), "remove_server");
  refused(gone.set_weight("127.0.0.1", 1), "set_weight");
  refused(gone.replace_servers({}), "replace_servers");
  run_to_end(io, [&]() -> net::awaitable<void> {
    co_await every_call_is_refused(gone);
    refused(co_await gone.within(1s).get("k"), "get within");
    co_await gone.async_close();  // nobody else's calls
    EXPECT_TRUE(ok(co_await other.set("k", "v")));
    gone = std::move(other);
    EXPECT_EQ(value_of(co_await gone.get("k")), "v");
  });
}

// The client goes where it was moved to, and its calls end there.
TEST(moved_from, client_keeps_no_calls_alive) {
  const memcached_server server;
  net::io_context io;
  async_client cache(io, async_settings(server.address()));
  auto pending = std::future<result<item>>();
  {
    const async_client other = std::move(cache);
    pending = other.get("k", net::use_future);
  }
  io.run();
  EXPECT_EQ(pending.get().error(), errc::cancelled);
}

TEST(const_client, asks_servers) {
  const memcached_server server;
  net::io_context io;
  const async_client cache(io, async_settings(server.address()));
  run_to_end(io, [&]() -> net::awaitable<void> {
    const std::map<std::string, std::string> strings{{"s", "v"}};
    const std::map<std::string, int> numbers{{"n", 1}};
    store_options flagged;
    flagged.flags = 7;
    const auto kept = co_await cache.set_many(strings, flagged);
    EXPECT_TRUE(kept.all());
    const auto counted = co_await cache.set_many(numbers);
    EXPECT_TRUE(counted.all());
    const auto read = co_await cache.get("s");
    EXPECT_EQ(value_of(read), "v");
    EXPECT_EQ(read->flags, 7U) << "as set stores it";
    EXPECT_EQ(co_await cache.get<int>("n"), 1);
  });
}

}  // namespace
}  // namespace memcxx::test
