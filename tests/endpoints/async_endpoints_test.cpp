// The asynchronous client at other servers' endpoints: many calls over connections that all share,
// those that are refused among them.
// Never here: what each verb answers there (endpoints_test).
#include <gtest/gtest.h>
#include <vector>

#include <memcxx/async_client.hpp>

#include "async/running.hpp"
#include "endpoint.hpp"

namespace memcxx::test {
namespace {

using std::string;

class async_at_others : public at_endpoint {
 protected:
  template <class T>
  static void refused_or_done(const result<T>& r, std::string_view what) {
    EXPECT_TRUE(r || has_a_type(r.error())) << what << ": " << r.error();
  }
  void goes_on(async_client& many, std::string_view behind) {
    const result<item> got = many.get(key("witness"), net::use_future).get();
    EXPECT_EQ(value_of(got), "here") << "behind " << behind;
  }
};

TEST_P(async_at_others, whoever_reads_never_notices_who_is_refused) {
  net::io_context io;
  const crew threads(io, 2);
  const string word = key("word");
  constexpr auto later = net::use_future;
  ASSERT_TRUE(ok(cache().set(word, "word")));
  std::optional<async_client> made;
  for (int round = 0; round < 20; ++round) {
    if (round % 5 == 0) made.emplace(io, settings());  // the first to ask over fresh connections
    async_client& many = *made;
    std::vector<std::future<result<item>>> reads;
    const auto read = [&] { reads.push_back(many.get(key("witness"), later)); };
    read();
    auto gat = many.gat(key("witness"), 60s, {}, later);
    read();
    auto touched = many.touch(word + "-none", 60s, later);
    read();
    auto counted = many.incr(word, 1, {}, later);
    read();
    auto stats = many.stats("settings", later);
    read();
    refused_or_done(gat.get(), "gat");
    refused_or_done(touched.get(), "touch of nothing");
    refused_or_done(counted.get(), "incr of a word");
    refused_or_done(stats.get()[0].reply, "stats");
    for (auto& r : reads) EXPECT_EQ(value_of(r.get()), "here") << "round " << round;
    goes_on(many, "a round of refusals");
  }
}

TEST_P(async_at_others, many_keys_of_which_some_are_missing) {
  net::io_context io;
  const crew threads(io, 1);
  async_client many(io, settings());
  constexpr auto later = net::use_future;
  std::vector<string> keys;
  std::vector<std::pair<string, string>> entries;
  for (int i = 0; i < 120; ++i) keys.push_back(key(std::to_string(i)));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i % 3 != 0) entries.emplace_back(keys[i], keys[i]);
  }
  for (const auto& r : many.set_many(entries, {}, later).get()) ASSERT_TRUE(ok(r));
  const items got = many.get_many(keys, {}, later).get();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(got[i].miss(), i % 3 == 0) << keys[i] << ": " << got[i].status;
    ASSERT_EQ(got[i].value, i % 3 == 0 ? "" : keys[i]) << got[i].status;
  }
  goes_on(many, "many");
}

MEMCXX_AT_ENDPOINTS(async_at_others);

}  // namespace
}  // namespace memcxx::test
