// Giving up a call in every way there is, and proving afterwards that the client is as good as new.
// Never here: at which point (giving_up_test, every_byte_test).
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "running.hpp"

namespace memcxx::test {

enum class way_out : std::uint8_t { total, partial, terminal, deadline };
inline constexpr way_out every_way_out[] = {way_out::total, way_out::partial, way_out::terminal,
                                            way_out::deadline};
inline std::string name_of(way_out w) {
  constexpr const char* names[] = {"total", "partial", "terminal", "deadline"};
  return names[static_cast<std::size_t>(w)];
}
inline net::cancellation_type type_of(way_out w) {
  switch (w) {
    case way_out::total:
      return net::cancellation_type::total;
    case way_out::partial:
      return net::cancellation_type::partial;
    default:
      return net::cancellation_type::terminal;
  }
}

// What a test does that a server answers for one key after the other: 1,000 reads at once, each
// with the value of its own key, in the order asked.
inline std::string value_for(std::string_view key) { return "value of " + std::string(key); }
inline void verify_thousand(net::io_context& io, async_client& cache,
                            const std::string& prefix = "k") {
  constexpr int reads = 1000;
  int answered = 0;
  int wrong = 0;
  int out_of_order = 0;
  std::string first_wrong;
  int last = -1;
  const bool one_server = cache.servers().size() == 1;
  for (int i = 0; i < reads; ++i) {
    const std::string key = prefix + std::to_string(i);
    cache.get(key, [&, i, key](result<item> r) {
      ++answered;
      if (value_of(r) != value_for(key)) {
        if (wrong++ == 0) first_wrong = key + ": " + value_of(r);
      }
      if (i < last) ++out_of_order;
      last = i;
    });
  }
  EXPECT_EQ(answered, 0);
  EXPECT_TRUE(run_until(io, [&] { return answered == reads; })) << answered << " answered";
  EXPECT_EQ(wrong, 0) << first_wrong;
  if (one_server) {
    EXPECT_EQ(out_of_order, 0);
  }
}

// One call on its way out: begun, given up when the test says so, and looked at afterwards.
class given_up {
 public:
  given_up(net::io_context& io, way_out how) : io_(io), how_(how) {}

  // Binds the slot by which it is given up.
  template <class F>
  auto handler(F&& f) {
    return net::bind_cancellation_slot(signal_->slot(), std::forward<F>(f));
  }
  // The same for a handler that only keeps the code. Of many keys, that of one that was given up;
  // those that were answered before have to be right.
  auto handler() {
    return handler([s = state_](const auto& r) {
      ++s->called;
      const auto note = [&](errc code) {
        if (code != errc::miss && s->code == errc::ok) s->code = code;
      };
      if constexpr (requires { r.error(); }) {
        s->code = r ? errc::ok : r.error().code();
      } else if constexpr (std::is_same_v<decltype(r), const items&>) {
        for (const auto& e : r) {
          note(e.status.code());
          if (e.status == errc::ok) {
            EXPECT_EQ(e.value, value_for(e.key));
          }
        }
      } else if constexpr (requires { r.begin()->reply; }) {
        for (const auto& e : r) note(e.reply ? errc::ok : e.reply.error().code());
      } else {
        for (std::size_t i = 0; i < r.size(); ++i) note(r[i] ? errc::ok : r[i].error().code());
      }
    });
  }
  // The client for the call: with a deadline when that is the way out.
  [[nodiscard]] async_client client_for(const async_client& c,
                                        std::chrono::milliseconds deadline = 10ms) const {
    return how_ == way_out::deadline ? c.within(deadline) : c;
  }
  // Ends it, and waits until its handler was called. A deadline may have ended it already.
  void end() {
    if (how_ != way_out::deadline) {
      EXPECT_EQ(state_->called, 0);
      signal_->emit(type_of(how_));
      EXPECT_EQ(state_->called, 0) << "a handler is not called by the function that cancels";
    }
    EXPECT_TRUE(run_until(io_, [&] { return state_->called != 0; })) << "it hangs";
  }
  [[nodiscard]] net::cancellation_signal& signal() { return *signal_; }
  [[nodiscard]] errc code() const { return state_->code; }
  [[nodiscard]] int called() const { return state_->called; }
  void expect_given_up() const {
    EXPECT_EQ(state_->called, 1);
    EXPECT_EQ(state_->code, how_ == way_out::deadline ? errc::timeout : errc::cancelled);
  }

 private:
  struct outcome {
    int called = 0;
    errc code = errc::ok;
  };
  net::io_context& io_;
  way_out how_;
  std::unique_ptr<net::cancellation_signal> signal_ = std::make_unique<net::cancellation_signal>();
  std::shared_ptr<outcome> state_ = std::make_shared<outcome>();
};

}  // namespace memcxx::test
