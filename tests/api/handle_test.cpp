// Clients, sessions and batches as objects: const ones, and ones that were moved from.
// Never here: sockets, what a verb does.
#include <array>
#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/client.hpp>

namespace memcxx {
namespace {

using namespace std::chrono_literals;

template <class T>
void refused(const result<T>& r, const char* what) {
  ASSERT_FALSE(r) << what;
  EXPECT_EQ(r.error(), errc::invalid_argument) << what;
  EXPECT_NE(r.error().message().find("moved from"), std::string_view::npos) << what;
}

// Every verb of one key, in any face that does what it is asked.
template <class Face>
void every_verb_is_refused(const Face& gone) {
  std::array<char, 8> buffer;
  refused(gone.get("k"), "get");
  refused(gone.gat("k", 1s), "gat");
  refused(gone.get_into("k", buffer), "get_into");
  refused(gone.template get<int>("k"), "get<int>");
  refused(gone.template gat<int>("k", 1s), "gat<int>");
  refused(gone.template get_item<std::string>("k"), "get_item");
  refused(gone.set("k", "v"), "set");
  refused(gone.set("k", "v", {.quiet = true}), "quiet set");
  refused(gone.set("k", 1), "set of a number");
  refused(gone.add("k", "v"), "add");
  refused(gone.replace("k", "v"), "replace");
  refused(gone.cas("k", "v", 1), "cas");
  refused(gone.append("k", "v"), "append");
  refused(gone.prepend("k", "v"), "prepend");
  refused(gone.remove("k"), "remove");
  refused(gone.touch("k", 1s), "touch");
  refused(gone.incr("k"), "incr");
  refused(gone.decr("k"), "decr");
  refused(gone.debug("k"), "debug");
}

template <class Face>
void a_batch_is_refused(const Face& gone) {
  batch b;
  const auto read = b.get("k");
  refused(gone.run(b), "run");
  refused(*read, "a get of a batch");
}

TEST(moved_from, client_refuses_every_call_until_it_is_assigned_to) {
  client cache("memory://a,b");
  const client other = std::move(cache);
  client& gone = cache;  // NOLINT(bugprone-use-after-move): what this is about
  every_verb_is_refused(gone);
  a_batch_is_refused(gone);
  const items read = gone.get_many({"a", "b"});
  ASSERT_EQ(read.size(), 2U);
  for (const auto& e : read) EXPECT_EQ(e.status, errc::invalid_argument);
  const values_of<int> numbers = gone.get_many<int>({"a", "b"});
  ASSERT_EQ(numbers.size(), 2U);
  refused(numbers[1], "get_many<int>");
  const many<stored> kept = gone.set_many({{"a", "1"}, {"b", "2"}});
  ASSERT_EQ(kept.size(), 2U);
  refused(kept[1], "set_many");
  refused(gone.set_many(std::map<std::string, std::string>{{"a", "1"}})[0], "set_many of a map");
  refused(gone.remove_many({"a"})[0], "remove_many");
  // There is no server that could stay silent about it.
  ASSERT_EQ(gone.flush().size(), 1U);
  refused(gone.flush()[0].reply, "flush");
  refused(gone.stats()[0].reply, "stats");
  refused(gone.version()[0].reply, "version");
  refused(gone.verbosity(1)[0].reply, "verbosity");
  refused(gone.ping()[0].reply, "ping");
  refused(gone.remove_everywhere("k")[0].reply, "remove_everywhere");
  refused(gone.cache("k", 1s, [] { return 1; }), "cache");
  refused(gone.open("memory://a"), "open");
  refused(gone.add_server(server_address()), "add_server");
  refused(gone.remove_server("memory://a"), "remove_server");
  refused(gone.set_weight("memory://a", 2), "set_weight");
  refused(gone.replace_servers({}), "replace_servers");
  EXPECT_EQ(gone.which("k"), "");
  EXPECT_TRUE(gone.places("k").empty());
  EXPECT_TRUE(gone.servers().empty());
  EXPECT_EQ(gone.unclaimed_errors(), 0U);
  EXPECT_TRUE(gone.settings().servers.empty());
  gone.disconnect();
  refused(gone.within(1s).get("k"), "get within");
  const client copy = gone;
  refused(copy.get("k"), "get of a copy");

  EXPECT_TRUE(other.set("k", "v"));
  gone = other;
  EXPECT_EQ(gone.get("k")->value, "v");
}

TEST(moved_from, session_refuses_every_call_until_it_is_assigned_to) {
  const client cache("memory://a");
  session first = cache.open("memory://a").value();
  session second = std::move(first);
  session& gone = first;  // NOLINT(bugprone-use-after-move)
  every_verb_is_refused(gone);
  a_batch_is_refused(gone);
  refused(gone.execute(commands::version{}), "version");
  refused(gone.connect(), "connect");
  gone.disconnect();
  EXPECT_FALSE(gone.connected());
  EXPECT_EQ(gone.server(), "");
  EXPECT_EQ(gone.speaks(), protocol_choice::automatic);
  gone = std::move(second);
  EXPECT_TRUE(gone.set("k", "v"));
}

TEST(moved_from, batch_is_empty_and_may_be_queued_into) {
  const client cache("memory://a");
  batch first;
  first.set("a", std::string(100, 'x'));
  batch second = std::move(first);
  batch& gone = first;  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(gone.empty());
  const auto read = gone.get("a");
  EXPECT_TRUE(cache.run(second));
  EXPECT_TRUE(cache.run(gone));
  EXPECT_EQ((*read)->value, std::string(100, 'x'));
}

TEST(const_client, has_every_call_that_asks_servers) {
  const client cache("memory://a");
  EXPECT_TRUE(cache.set("k", "1"));
  EXPECT_TRUE(cache.set("n", 1));
  EXPECT_EQ(cache.get("k")->value, "1");
  EXPECT_EQ(cache.get<int>("n"), 1);
  EXPECT_EQ(cache.incr("n")->value, 2U);
  EXPECT_EQ(cache.get_many({"k", "none"}).hits(), 1U);
  const values_of<int> numbers = cache.get_many<int>(std::vector<std::string>{"n"});
  EXPECT_EQ(numbers[0], 2);
  EXPECT_TRUE(cache.set_many({{"a", "1"}}).all());
  EXPECT_TRUE(cache.remove_many({"a"})[0]);
  EXPECT_EQ(cache.cache("c", 1s, [] { return 7; }), 7);
  batch b;
  b.set("b", "1");
  EXPECT_TRUE(cache.run(b));
  EXPECT_TRUE(cache.ping()[0].reply);
  const session one = cache.open("memory://a").value();
  EXPECT_EQ(one.get("b")->value, "1");
  cache.disconnect();
}

}  // namespace
}  // namespace memcxx
