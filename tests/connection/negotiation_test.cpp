// What the connections of a server find out together: what each asks, what its end means, and for
// how long that is remembered.
// Never here: a socket, a clock; the bytes of the question (handshake_test.cpp).
#include <atomic>
#include <thread>

#include <memcxx/negotiation.hpp>

#include "connection/script.hpp"

namespace memcxx::script {
namespace {

using namespace std::chrono_literals;
using step = negotiation::step;

const std::string meta_answer = "NS\r\nMN\r\nVERSION 1.6.18\r\n";
const std::string old_answer = "ERROR\r\nERROR\r\nERROR\r\nVERSION 1.4.33\r\n";

// Attempts to connect, at moments that a test sets.
class negotiating : public testing::Test {
 protected:
  // What one connection of the attempt asks, and what the server makes of it.
  enum class asks : std::uint8_t { nothing, meta, classic };
  void connect(negotiation& n, asks expected) {
    connection_options o;
    o.protocol = protocol;
    n.prepare(o, now);
    t = std::make_unique<talk>(o);
    const std::string out = t->take();
    const asks what = out.empty()              ? asks::nothing
                      : out.starts_with("ms ") ? asks::meta
                                               : asks::classic;
    EXPECT_EQ(what, expected) << out;
  }
  step answered(negotiation& n, std::string_view bytes) {
    t->read(bytes);
    return n.next(t->c, now);
  }
  step closed(negotiation& n) {
    t->c.closed();
    return n.next(t->c, now);
  }
  // A whole attempt at a server that answers classic and closes at the question.
  void expect_taken_for_classic() {
    negotiation n(memory);
    const bool confirmed = memory.is_confirmed();
    connect(n, asks::meta);
    EXPECT_EQ(closed(n), step::again);
    connect(n, asks::classic);
    if (confirmed) {
      EXPECT_EQ(answered(n, "END\r\n"), step::use);
    } else {
      EXPECT_EQ(answered(n, "END\r\n"), step::keep_and_ask);
      EXPECT_FALSE(n.guessed());
      connect(n, asks::meta);
      EXPECT_EQ(closed(n), step::use_kept);
    }
    EXPECT_TRUE(n.guessed());
  }
  // As long as it is remembered, connections are not asked; then they are.
  void expect_remembered_for(std::chrono::steady_clock::duration time) {
    EXPECT_TRUE(memory.takes_for_classic(now));
    EXPECT_TRUE(memory.takes_for_classic(now + time - 1ns));
    EXPECT_FALSE(memory.takes_for_classic(now + time));
  }

  protocol_choice protocol = protocol_choice::automatic;
  protocol_memory memory;
  protocol_memory::time_point now{1000s};
  std::unique_ptr<talk> t;
};

TEST_F(negotiating, a_server_that_answers_is_used_as_what_it_is) {
  for (const std::string& answer : {meta_answer, old_answer}) {
    negotiation n(memory);
    connect(n, asks::meta);
    EXPECT_EQ(answered(n, answer), step::use);
    EXPECT_FALSE(n.guessed());
    EXPECT_FALSE(memory.takes_for_classic(now));
    EXPECT_FALSE(memory.is_confirmed());
  }
}

// Its balancer had nobody behind it for a moment.
TEST_F(negotiating, a_server_that_answers_when_asked_again_is_not_held_for_anything) {
  for (const std::string& answer : {meta_answer, old_answer}) {
    negotiation n(memory);
    connect(n, asks::meta);
    EXPECT_EQ(closed(n), step::again);
    connect(n, asks::classic);
    EXPECT_EQ(answered(n, "END\r\n"), step::keep_and_ask);
    connect(n, asks::meta);
    EXPECT_EQ(answered(n, answer), step::use);
    EXPECT_FALSE(n.guessed());
    EXPECT_FALSE(memory.takes_for_classic(now));
    EXPECT_FALSE(memory.is_confirmed());
  }
}

TEST_F(negotiating, one_that_closes_whatever_it_is_asked_is_given_up_with_an_advice) {
  negotiation n(memory);
  connect(n, asks::meta);
  EXPECT_EQ(n.advice(), "");
  EXPECT_EQ(closed(n), step::again);
  connect(n, asks::classic);
  EXPECT_EQ(closed(n), step::give_up);
  EXPECT_NE(n.advice().find("protocol=binary"), std::string::npos);
  EXPECT_FALSE(memory.takes_for_classic(now)) << "nothing was learned";
  EXPECT_FALSE(memory.is_confirmed());
  EXPECT_FALSE(n.use_kept(now)) << "none was kept";
}

// It has not closed whatever it was asked.
TEST_F(negotiating, one_that_answers_something_else_is_given_up_without_it) {
  for (const std::string answer : {"STORED\r\n", "ERROR\r\n", "SERVER_ERROR no\r\n"}) {
    negotiation n(memory);
    connect(n, asks::meta);
    EXPECT_EQ(closed(n), step::again);
    connect(n, asks::classic);
    t->read(answer);
    t->c.closed();
    EXPECT_EQ(n.next(t->c, now), step::give_up);
    EXPECT_EQ(n.advice(), "") << answer;
    EXPECT_FALSE(memory.takes_for_classic(now));
  }
}

TEST_F(negotiating, a_connection_that_was_not_kept_is_not_used) {
  negotiation n(memory);
  EXPECT_FALSE(n.use_kept(now));
  connect(n, asks::meta);
  EXPECT_FALSE(n.use_kept(now));
  EXPECT_FALSE(memory.takes_for_classic(now));
}

// The server is gone before it could be asked again.
TEST_F(negotiating, what_was_kept_is_used_when_no_other_can_be_opened) {
  negotiation n(memory);
  connect(n, asks::meta);
  EXPECT_EQ(closed(n), step::again);
  connect(n, asks::classic);
  EXPECT_EQ(answered(n, "END\r\n"), step::keep_and_ask);
  EXPECT_TRUE(n.use_kept(now));
  EXPECT_TRUE(n.guessed());
  expect_remembered_for(1s);
  // Nobody has refused anything: that does not grow.
  EXPECT_FALSE(memory.is_confirmed());
}

// Nonsense in answer to the question is a refusal of it, too.
TEST_F(negotiating, an_answer_that_fits_nothing_is_as_a_close) {
  negotiation n(memory);
  connect(n, asks::meta);
  EXPECT_EQ(answered(n, "HTTP/1.1 400 Bad Request\r\n"), step::again);
  connect(n, asks::classic);
  EXPECT_EQ(answered(n, "END\r\n"), step::keep_and_ask);
  connect(n, asks::meta);
  EXPECT_EQ(answered(n, "-ERR unknown command\r\n"), step::use_kept);
  EXPECT_TRUE(n.guessed());
}

TEST_F(negotiating, a_failure_that_is_no_refusal_ends_the_attempt) {
  for (const errc code : {errc::timeout, errc::cancelled, errc::out_of_memory}) {
    negotiation n(memory);
    connect(n, asks::meta);
    t->c.fail(code, "why");
    EXPECT_EQ(n.next(t->c, now), step::give_up);
    EXPECT_EQ(n.advice(), "");
  }
  negotiation n(memory);
  connect(n, asks::meta);
  EXPECT_EQ(answered(n, "ERROR Too many open connections\r\n"), step::give_up);
  EXPECT_FALSE(memory.takes_for_classic(now));
}

TEST_F(negotiating, what_is_taken_for_classic_is_asked_again_after_a_time_that_doubles) {
  auto wait = 1s;
  for (int i = 0; i < 10; ++i) {
    expect_taken_for_classic();
    expect_remembered_for(wait);
    for (const auto later : {0ns, wait / 2 + 0ns, wait - 1ns}) {
      negotiation trusts(memory);
      now += later;
      connect(trusts, asks::nothing);
      EXPECT_EQ(trusts.next(t->c, now), step::use);
      EXPECT_EQ(t->c.speaks(), protocol_choice::classic);
      EXPECT_TRUE(trusts.guessed());
      now -= later;
    }
    now += wait;
    wait = std::min(wait * 2, 60s);
  }
  EXPECT_EQ(wait, 60s);
}

TEST_F(negotiating, what_answers_once_is_asked_by_every_connection_again) {
  expect_taken_for_classic();
  now += 1s;
  expect_taken_for_classic();
  now += 2s;
  negotiation n(memory);
  connect(n, asks::meta);
  EXPECT_EQ(answered(n, meta_answer), step::use);
  EXPECT_FALSE(memory.is_confirmed());
  expect_taken_for_classic();
  expect_remembered_for(1s);  // as if it was the first time
}

TEST_F(negotiating, a_connection_that_is_not_asked_and_ends_has_failed) {
  expect_taken_for_classic();
  negotiation n(memory);
  connect(n, asks::nothing);
  t->c.closed();
  EXPECT_EQ(n.next(t->c, now), step::give_up);
  EXPECT_FALSE(n.guessed());
  EXPECT_EQ(n.advice(), "");
}

// What begins while it is remembered ends so, however long it takes.
TEST_F(negotiating, an_attempt_that_trusts_goes_on_trusting) {
  expect_taken_for_classic();
  negotiation n(memory);
  connect(n, asks::nothing);
  now += 10s;
  connect(n, asks::nothing);  // the next address
  EXPECT_EQ(n.next(t->c, now), step::use);
  EXPECT_TRUE(n.guessed());
}

TEST_F(negotiating, several_that_find_out_the_same_at_once_make_it_longer_once) {
  negotiation many[] = {negotiation(memory), negotiation(memory), negotiation(memory)};
  std::unique_ptr<talk> talks[3];
  const auto each = [&](auto does) {
    for (std::size_t i = 0; i < 3; ++i) {
      std::swap(t, talks[i]);
      does(many[i], i);
      std::swap(t, talks[i]);
    }
  };
  each([&](negotiation& n, std::size_t) { connect(n, asks::meta); });
  each([&](negotiation& n, std::size_t) { EXPECT_EQ(closed(n), step::again); });
  each([&](negotiation& n, std::size_t) { connect(n, asks::classic); });
  // Two ask once more; the third comes when they have found out.
  each([&](negotiation& n, std::size_t i) {
    if (i == 2) return;
    EXPECT_EQ(answered(n, "END\r\n"), step::keep_and_ask);
  });
  each([&](negotiation& n, std::size_t i) {
    if (i != 2) connect(n, asks::meta);
  });
  each([&](negotiation& n, std::size_t i) {
    if (i == 2) return;
    EXPECT_EQ(closed(n), step::use_kept);
  });
  each([&](negotiation& n, std::size_t i) {
    EXPECT_EQ(n.guessed(), i != 2);
    if (i != 2) return;
    EXPECT_EQ(answered(n, "END\r\n"), step::use);
    EXPECT_TRUE(n.guessed());
  });
  expect_remembered_for(1s);
  memory.refused_meta(now + 500ms);
  expect_remembered_for(1s);
  memory.refused_meta(now + 1s);
  EXPECT_TRUE(memory.takes_for_classic(now + 3s - 1ns));
  EXPECT_FALSE(memory.takes_for_classic(now + 3s));
}

// ERROR to a meta command is told by the engine (connection::retry_as_classic).
TEST_F(negotiating, a_refusal_after_the_handshake_is_remembered_alike) {
  memory.refused_meta(now);
  expect_remembered_for(1s);
  negotiation n(memory);
  connect(n, asks::nothing);
  EXPECT_EQ(n.next(t->c, now), step::use);
  EXPECT_TRUE(n.guessed());
}

TEST_F(negotiating, a_protocol_that_was_chosen_is_not_negotiated) {
  for (const auto p : {protocol_choice::meta, protocol_choice::classic, protocol_choice::binary}) {
    protocol = p;
    memory.refused_meta(now);
    negotiation n(memory);
    connect(n, p == protocol_choice::meta ? asks::meta : asks::nothing);
    if (p == protocol_choice::meta) t->read(meta_answer);
    EXPECT_EQ(n.next(t->c, now), step::use);
    EXPECT_FALSE(n.guessed());

    negotiation closes(memory);
    connect(closes, p == protocol_choice::meta ? asks::meta : asks::nothing);
    EXPECT_EQ(closed(closes), step::give_up);
    EXPECT_EQ(closes.advice(), "");
    EXPECT_FALSE(closes.use_kept(now));
  }
}

TEST_F(negotiating, what_is_remembered_may_be_told_by_many_threads) {
  std::atomic<int> ready = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ++ready;
      while (ready != 4) {
      }
      for (int n = 0; n < 1000; ++n) {
        memory.refused_meta(now);
        (void)memory.is_confirmed();
        (void)memory.takes_for_classic(now);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_TRUE(memory.takes_for_classic(now));
  EXPECT_FALSE(memory.takes_for_classic(now + 9s)) << "longer once for each of them at most";
}

}  // namespace
}  // namespace memcxx::script
