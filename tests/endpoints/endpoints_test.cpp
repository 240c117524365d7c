// Servers of others that answer at a memcached endpoint, and know less of the protocol, or
// something else: whatever they have works, whatever they refuse is an error with a type, and the
// next get is answered. scripts/stage servers.java starts them. Never here: what single verbs do
// (integration/matrix_cells), the asynchronous client.
#include <algorithm>
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <span>
#include <thread>

#include "endpoint.hpp"
#include "integration/matrix_cells.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using std::string;
using std::string_view;

// What is said, in part, of a row that does not just work.
struct peculiar {
  string_view row;
  string_view said;
  bool always = true;  // and not only when it happens to be slow
};

constexpr peculiar of_infinispan[] = {
    {"get", "unknown_flags"},                   // from 2^31 on it tells them as negative numbers
    {"gat", "expected miss, was done", false},  // an item that is over goes a moment later
    {"touch", "expected miss, was done", false},
    {"append", "append made 'one+two'"},  // and forgets the flags
    {"prepend", "prepend made 'two+one'"},
    {"incr", "expected not_a_number: client_error"},  // in words of its own
    {"decr", "expected not_a_number: client_error"},
    {"stats", "not a number"},
    {"stats groups", "client_error"},
    {"version", "version: 15."},
    {"verbosity", "client_error"},
    {"session", "version"},
};

constexpr peculiar of_hazelcast[] = {
    {"get", "client_error"},  // of flags from 2^31 on
    {"get_many", "no cas"},
    {"gat", "not_supported: ERROR"},
    {"cas", "not_supported: ERROR"},
    {"append", "append made 'one+two'"},   // and forgets the flags
    {"touch", "expected miss, was done"},  // every ttl is a duration to it
    {"incr", "expected not_a_number: client_error"},
    {"decr", "expected not_a_number: client_error"},
    {"flush", "not_supported: ERROR"},
    {"flush delay", "not_supported: ERROR"},
    {"stats", "no version"},
    {"version", "version: Hazelcast"},
    {"verbosity", "not_supported: ERROR"},
    {"set with cas", "expected exists, was done"},  // its items have no cas to compare with
    {"remove with cas", "expected exists, was done"},
    {"batch", "", false},  // what is asked for at once is done in any order
    {"session", "version"},
};

class rows : public at_endpoint {};

TEST_P(rows, work_or_are_refused_with_a_type_and_the_next_get_is_answered) {
  const std::span<const peculiar> known = where() == endpoint::infinispan
                                              ? std::span<const peculiar>(of_infinispan)
                                              : std::span<const peculiar>(of_hazelcast);
  for (std::size_t i = 0; i < std::size(matrix::rows); ++i) {
    const matrix::row& r = matrix::rows[i];
    string outcome = "works";
    try {
      r.run({cache(), {key(std::to_string(i))}, protocol_choice::classic, true});
    } catch (const matrix::unsupported& u) {
      outcome = "not_supported: " + u.reason;
    } catch (const matrix::failed& f) {
      outcome = f.what;
    }
    const auto at = std::ranges::find(known, r.name, &peculiar::row);
    const bool says = at != known.end() && outcome.find(at->said) != string::npos;
    const bool works =
        at == known.end() || !at->always
            ? outcome == "works" || outcome.starts_with("not_supported: the classic protocol")
            : false;
    EXPECT_TRUE(says || works) << r.name << ": " << outcome;
    if (r.name.starts_with("flush")) put_witness();
    goes_on(r.name);
  }
}

MEMCXX_AT_ENDPOINTS(rows);

class at_others : public at_endpoint {
 protected:
  // What one of them, or both, do not have; each is an error of a known kind, or is done.
  struct asked {
    string_view what;
    std::function<error(client&)> ask;
  };
  template <class T>
  static error error_of(const result<T>& r) {
    return r ? error(errc::ok) : r.error();
  }
  [[nodiscard]] std::vector<asked> refusable() const {
    const string k = key("witness");
    const string word = key("word");
    return {
        {"gat", [k](client& c) { return error_of(c.gat(k, 60s)); }},
        {"touch of nothing", [k](client& c) { return error_of(c.touch(k + "-none", 60s)); }},
        {"incr of a word", [word](client& c) { return error_of(c.incr(word)); }},
        {"decr of a word", [word](client& c) { return error_of(c.decr(word)); }},
        {"debug", [k](client& c) { return error_of(c.debug(k)); }},
        {"verbosity", [](client& c) { return error_of(c.verbosity(1)[0].reply); }},
        {"stats", [](client& c) { return error_of(c.stats("settings")[0].reply); }},
    };
  }
};

// Hazelcast answers an unknown word with ERROR, and where it is the first of a connection with an
// end.
TEST_P(at_others, a_refusal_on_a_fresh_connection_says_nothing_about_health) {
  ASSERT_TRUE(ok(cache().set(key("word"), "word")));
  for (const bool fresh : {true, false}) {
    for (const asked& a : refusable()) {
      if (fresh) cache().disconnect();
      const error e = a.ask(cache());
      EXPECT_TRUE(has_a_type(e)) << a.what << ": " << e;
      goes_on(a.what);
    }
  }
  if (where() == endpoint::hazelcast) {
    cache().disconnect();
    EXPECT_TRUE(has_a_type(error_of(cache().flush()[0].reply)));
    goes_on("flush");
  }
}

// Hazelcast tells a counter that was changed by what stands behind the first colon of its key.
TEST_P(at_others, a_counter_is_read_or_is_an_error_of_its_own) {
  const bool renamed = where() == endpoint::hazelcast;
  options o = settings();
  o.on_server_down = nullptr;
  o.health.max_failures = 0;
  client any(o);
  o.check_keys = false;
  client trusting(o);
  for (const string& k : {key("plain"), key("with:colon")}) {
    const bool cut = renamed && k.contains(':');
    ASSERT_TRUE(ok(any.set(k, "1")));
    EXPECT_EQ(any.incr(k)->value, 2U);
    const auto got = any.get(k);
    EXPECT_EQ(got ? errc::ok : got.error().code(), cut ? errc::protocol_error : errc::ok);
    EXPECT_EQ(value_of(trusting.get(k)), "2");
    EXPECT_EQ(any.decr(k)->value, 1U);
    ASSERT_TRUE(ok(any.set(k, "whole")));
    EXPECT_EQ(value_of(any.get(k)), "whole");
  }
}

TEST_P(at_others, threads_that_read_never_notice_those_that_are_refused) {
  ASSERT_TRUE(ok(cache().set(key("word"), "word")));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const auto all = refusable();
      for (std::size_t i = 0; i < 40; ++i) {
        if (t < 2 && !has_a_type(all[i % all.size()].ask(cache()))) ++wrong;
        if (value_of(cache().get(key("witness"))) != "here") ++wrong;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

// Infinispan closes at a line of keys of which one is missing.
TEST_P(at_others, many_keys_of_which_some_are_missing) {
  std::vector<string> keys;
  for (int i = 0; i < 120; ++i) {
    keys.push_back(key(std::to_string(i)));
    if (i % 3 == 0) continue;
    ASSERT_TRUE(ok(cache().set(keys.back(), keys.back())));
  }
  for (const bool with_cas : {false, true}) {
    const items got = cache().get_many(keys, {.cas = with_cas});
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(got[i].miss(), i % 3 == 0) << keys[i] << ": " << got[i].status;
      ASSERT_EQ(got[i].value, i % 3 == 0 ? "" : keys[i]) << got[i].status;
    }
  }
  goes_on("many");
}

// From 2^31 on Infinispan tells flags as negative numbers, and Hazelcast refuses the store and
// takes its value for a command.
TEST_P(at_others, flags_that_they_do_not_have_are_that_items_error_alone) {
  const string odd = key("odd");
  const string even = key("even");
  ASSERT_TRUE(ok(cache().set(even, "even", {.flags = 7})));
  const auto stored = cache().set(odd, "no command", {.flags = 0xffffffff});
  EXPECT_EQ(stored.has_value(), where() == endpoint::infinispan);
  EXPECT_TRUE(stored || stored.error() == errc::client_error) << stored.error();
  goes_on("set");
  for (int round = 0; round < 3; ++round) {
    const items got = cache().get_many({odd, even, key("witness")});
    EXPECT_EQ(got[0].status.code(), stored ? errc::unknown_flags : errc::miss) << got[0].status;
    EXPECT_EQ(got[1].value, "even") << got[1].status;
    EXPECT_EQ(got[1].flags, 7U);
    EXPECT_EQ(got[2].value, "here") << got[2].status;
    EXPECT_EQ(cache().get(odd).error(), stored ? errc::unknown_flags : errc::miss);
    goes_on("get");
  }
}

// Infinispan refuses a negative ttl, and takes what follows for a command.
TEST_P(at_others, a_value_is_no_command_whatever_its_ttl) {
  const string k = key("k");
  const string commands[] = {"flush_all", "delete " + key("witness"),
                             "set " + key("witness") + " 0 0 3\r\nbad"};
  for (const string& command : commands) {
    for (const ttl& t : {ttl{}, ttl{60s}, ttl{-1s}, ttl{std::chrono::system_clock::now() - 1h}}) {
      (void)cache().remove(k);
      EXPECT_TRUE(ok(cache().add(k, command, {.ttl = t}))) << command;
      EXPECT_TRUE(ok(cache().set(k, command, {.ttl = t}))) << command;
      (void)cache().replace(k, command, {.ttl = t});
      (void)cache().append(k, command);
      (void)cache().prepend(k, command);
      EXPECT_EQ(
          cache().set_many({{k, command, {.ttl = t}}, {k + "2", command, {.ttl = t}}}).failures(),
          0U);
      (void)cache().set(k, command, {.ttl = t, .quiet = true});
      goes_on(command);
    }
  }
  EXPECT_EQ(cache().unclaimed_errors(), 0U);
}

MEMCXX_AT_ENDPOINTS(at_others);

}  // namespace
}  // namespace memcxx::test
