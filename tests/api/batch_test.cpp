// Verbs queued and run in one go, over a driver that writes down what it is asked.
// Never here: a socket.
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/batch.hpp>
#include <memcxx/client.hpp>

namespace memcxx {
namespace {

using namespace std::chrono_literals;
using protocol::request;
using protocol::response;
using protocol::verb;

// Answers a get with the key, keys that begin with "miss" with a miss, and with "fail" with an
// error.
class scribe final : public driver {
 public:
  void execute(const request& r, protocol::response_handler& to, std::uint32_t tag,
               std::chrono::steady_clock::time_point) noexcept override {
    const std::string key = std::string(r.prefix) + std::string(r.key);
    seen.push_back(std::string(protocol::name_of(r.op)) + " " + key);
    values.emplace_back(r.value);
    response answer;
    if (key.starts_with("miss")) answer.status = errc::miss;
    if (key.starts_with("fail")) {
      answer.status = errc::server_error;
      answer.text = key;
    }
    if (answer.status == errc::ok && r.op == verb::get) answer.value = key;
    if (answer.status == errc::ok && r.op == verb::incr) answer.number = r.delta;
    to.on_response(tag, answer);
  }

  std::vector<std::string> seen;
  std::vector<std::string> values;
};

struct batch_test : testing::Test {
  static client over(const std::shared_ptr<scribe>& d) {
    options o;
    server_address s;
    s.scheme = "scribe";
    s.host = "one";
    o.servers = {s};
    o.drivers["scribe"] = [d](const server_address&, const options&) { return d; };
    return client(o);
  }

  std::shared_ptr<scribe> server = std::make_shared<scribe>();
  client cache = over(server);
};

TEST_F(batch_test, runs_verbs_in_the_order_queued_and_types_each_reply) {
  batch b;
  EXPECT_TRUE(b.empty());
  auto got = b.get("a");
  auto set = b.set("b", "value");
  auto count = b.incr("c", 7);
  auto gone = b.remove("miss-d");
  auto added = b.add("e", "v");
  auto touched = b.touch("f", 5s);
  EXPECT_EQ(b.size(), 6u);
  EXPECT_TRUE(server->seen.empty()) << "nothing runs before run()";
  EXPECT_EQ(got.get().error(), errc::cancelled);

  EXPECT_TRUE(cache.run(b)) << "a miss is an answer";
  EXPECT_EQ(server->seen, (std::vector<std::string>{"get a", "set b", "incr c", "remove miss-d",
                                                    "add e", "touch f"}));
  EXPECT_EQ((*got)->value, "a");
  EXPECT_TRUE(*set);
  EXPECT_EQ((*count)->value, 7u);
  EXPECT_EQ((*gone).error(), errc::miss);
  EXPECT_TRUE(added->has_value());
  EXPECT_TRUE(touched->has_value());
}

TEST_F(batch_test, keys_and_values_need_not_outlive_the_statement) {
  batch b;
  std::vector<std::pair<std::string, batch_reply<item>>> gets;
  std::vector<std::string> stored;
  // Sizes around those at which blocks are begun, in every order.
  const std::size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 8192, 16'383, 16'384, 16'385, 40'000};
  for (int round = 0; round < 200; ++round) {
    const auto n = static_cast<std::size_t>(round);
    auto key = std::make_unique<std::string>("key" + std::to_string(round));
    auto value = std::make_unique<std::string>(sizes[n * n % std::size(sizes)],
                                               static_cast<char>('a' + round % 26));
    stored.push_back(*value);
    b.set(*key, *value);
    gets.emplace_back(*key, b.get(*key));
    std::ranges::fill(*key, '!');
    std::ranges::fill(*value, '!');
  }
  ASSERT_TRUE(cache.run(b));
  for (std::size_t i = 0; i < gets.size(); ++i) {
    EXPECT_EQ(gets[i].second->value().value, gets[i].first);
    EXPECT_EQ(server->values[2 * i], stored[i]);
  }
}

TEST_F(batch_test, the_first_failure_is_the_outcome_and_every_reply_is_kept) {
  batch b;
  auto fine = b.get("a");
  auto missed = b.get("miss");
  auto first = b.get("fail-1");
  auto second = b.set("fail-2", "v");
  auto last = b.get("z");
  const result<void> outcome = cache.run(b);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error(), errc::server_error);
  EXPECT_EQ(outcome.error().message(), "fail-1");
  EXPECT_EQ(outcome.error().server(), "scribe://one");
  EXPECT_TRUE(*fine);
  EXPECT_EQ((*missed).error(), errc::miss);
  EXPECT_EQ((*first).error().message(), "fail-1");
  EXPECT_EQ((*second).error().message(), "fail-2");
  EXPECT_EQ((*last)->value, "z");
}

TEST_F(batch_test, what_cannot_be_sent_is_refused_and_the_rest_runs) {
  batch b;
  auto bad = b.set("a b", "flush_all\r\n");
  auto fine = b.set("c", "v");
  auto token = b.cas("d", "v", 0);
  const result<void> outcome = cache.run(b);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error(), errc::invalid_key);
  EXPECT_EQ((*bad).error(), errc::invalid_key);
  EXPECT_TRUE(*fine);
  EXPECT_EQ((*token).error(), errc::invalid_argument);
  EXPECT_EQ(server->seen, (std::vector<std::string>{"set c"}));
}

TEST_F(batch_test, can_be_moved_with_its_replies) {
  std::optional<batch> first(std::in_place);
  auto got = first->get("a");
  batch second = std::move(*first);
  first.reset();
  auto also = second.get("b");
  batch third;
  third = std::move(second);
  EXPECT_TRUE(cache.run(third));
  EXPECT_EQ((*got)->value, "a");
  EXPECT_EQ((*also)->value, "b");
}

TEST_F(batch_test, what_was_moved_from_is_an_empty_batch) {
  batch first;
  first.get("a");
  const batch second = std::move(first);
  EXPECT_EQ(second.size(), 1u);
  EXPECT_TRUE(first.empty());
  auto got = first.get("b");
  EXPECT_TRUE(cache.run(first));
  EXPECT_EQ((*got)->value, "b");
  EXPECT_EQ(server->seen, (std::vector<std::string>{"get b"}));
}

TEST_F(batch_test, runs_once) {
  batch b;
  auto count = b.incr("c", 7);
  ASSERT_TRUE(cache.run(b));
  const result<void> again = cache.run(b);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), errc::invalid_argument);
  EXPECT_EQ(server->seen.size(), 1u);
  EXPECT_EQ((*count)->value, 7u) << "the reply stands";
}

TEST_F(batch_test, an_empty_one_is_a_success) {
  batch b;
  EXPECT_TRUE(cache.run(b));
  EXPECT_TRUE(server->seen.empty());
}

TEST_F(batch_test, of_many_verbs) {
  batch b;
  std::vector<batch_reply<item>> replies;
  for (int i = 0; i < 20'000; ++i) replies.push_back(b.get("key" + std::to_string(i)));
  ASSERT_TRUE(cache.run(b));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    ASSERT_EQ(replies[i]->value().value, "key" + std::to_string(i));
  }
}

}  // namespace
}  // namespace memcxx
