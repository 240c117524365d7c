// A call given up after every byte of its reply, by cancellation and by its deadline: its caller
// returns, nobody else ever sees the rest, the connection stays in use, and 1,000 verified reads
// follow on the same client.
// Never here: points before the reply begins (giving_up_test).
#include <algorithm>
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "giving_up.hpp"
#include "support/fault_proxy.hpp"
#include "support/memcached_server.hpp"
#include "support/scripted_server.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// Sanitizers are about ten times as slow: they see every fourth byte, from another first one in
// each case.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t stride = 4;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::size_t stride = 4;
#else
constexpr std::size_t stride = 1;
#endif
#else
constexpr std::size_t stride = 1;
#endif

// A good server that stops in the middle of an answer when told to.
class stopping_server {
 public:
  // The next answers stop after so many bytes, all of them together, until resumed.
  void stop_after(std::size_t bytes) {
    stopped_ = false;
    resumed_ = false;
    left_ = static_cast<long>(bytes);
  }
  void resume() { resumed_ = true; }
  [[nodiscard]] bool has_stopped() const { return stopped_; }
  // Bytes of all answers so far, but for those of verify_thousand.
  [[nodiscard]] std::size_t answered() const { return answered_; }

  [[nodiscard]] std::string address() const { return server_.address(); }
  [[nodiscard]] std::size_t accepted() { return server_.accepted(); }

 private:
  void play(peer& p) {
    std::string out;
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.key.starts_with("k")) {
        out += wire::hit(r, value_for(r.key));
      } else {
        const std::string answer = answer_to(r);
        answered_ += answer.size();
        const long left = left_;
        if (left >= 0) {
          const auto n = std::min(answer.size(), static_cast<std::size_t>(left));
          p.send(out + answer.substr(0, n));
          out = answer.substr(n);
          left_ = left - static_cast<long>(n);
          if (left_ == 0 && !out.empty()) {
            stopped_ = true;
            while (!resumed_) p.wait(1ms);
            left_ = -1;
          }
        } else {
          out += answer;
        }
      }
      if (p.has_more() && out.size() < 16'384) continue;
      p.send(out);
      out.clear();
    }
  }
  static std::string answer_to(const wire::request& r) {
    if (r.verb == "incr" || r.verb == "ma" || r.opcode == 0x05) return wire::number(r, 123'456);
    return wire::answer(r, {{"a", value_for("a")}, {"c", value_for("c")}});
  }

  std::atomic<long> left_{-1};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> resumed_{false};
  std::atomic<std::size_t> answered_{0};
  scripted_server server_{[this](peer& p) { play(p); }};
};

struct scene {
  const char* name;
  std::function<void(async_client&, given_up&)> begin;
};

const scene scenes[] = {
    {"get", [](async_client& c, given_up& g) { c.get("a", g.handler()); }},
    {"get of a missing key", [](async_client& c, given_up& g) { c.get("b", g.handler()); }},
    {"typed get", [](async_client& c, given_up& g) { c.get<std::string>("a", g.handler()); }},
    {"get_many",
     [](async_client& c, given_up& g) { c.get_many({"a", "b", "c"}, {}, g.handler()); }},
    {"set", [](async_client& c, given_up& g) { c.set("a", "v", g.handler()); }},
    {"incr", [](async_client& c, given_up& g) { c.incr("a", 1, g.handler()); }},
    {"remove", [](async_client& c, given_up& g) { c.remove("a", g.handler()); }},
    {"set_many",
     [](async_client& c, given_up& g) {
       c.set_many(std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}}, {}, g.handler());
     }},
};

class every_byte : public testing::TestWithParam<std::tuple<protocol_choice, way_out>> {};

TEST_P(every_byte, of_a_reply) {
  const auto [protocol, how] = GetParam();
  stopping_server server;
  net::io_context io;
  async_client cache(io, async_settings(server.address(), protocol));
  std::size_t first = 0;
  for (const scene& s : scenes) {
    // How long the whole answer is.
    const std::size_t before = server.answered();
    given_up whole(io, way_out::terminal);
    s.begin(cache, whole);
    ASSERT_TRUE(run_until(io, [&] { return whole.called() == 1; })) << s.name;
    const std::size_t size = server.answered() - before;
    ASSERT_GT(size, 1u) << s.name;
    for (std::size_t n = first++ % stride; n < size; n += stride) {
      SCOPED_TRACE(std::string(s.name) + ", after " + std::to_string(n) + " bytes of " +
                   std::to_string(size));
      server.stop_after(n);
      given_up g(io, how);
      async_client caller = g.client_for(cache);
      s.begin(caller, g);
      if (how != way_out::deadline) {
        ASSERT_TRUE(run_until(io, [&] { return server.has_stopped(); }));
        for (int i = 0; i < 3; ++i) io.poll();
      }
      // A line's end or a fence, which closes the reply, tells its caller nothing.
      const bool closed = n + 24 >= size;
      if (closed && g.called() != 0) {
        EXPECT_EQ(g.code(), errc::ok);
        server.resume();
        verify_thousand(io, cache);
        continue;
      }
      const bool changes = std::string_view("set incr remove set_many").contains(s.name);
      if (how == way_out::total && changes) {
        // What was sent and changes something is not given up without a trace.
        net::cancellation_signal& signal = g.signal();
        signal.emit(net::cancellation_type::total);
        io.poll();
        ASSERT_EQ(g.called(), 0);
        server.resume();
        ASSERT_TRUE(run_until(io, [&] { return g.called() != 0; }));
        EXPECT_TRUE(g.code() == errc::ok || g.code() == errc::miss) << g.code();
      } else {
        g.end();
        if (!closed || g.code() != errc::ok) g.expect_given_up();
        server.resume();
      }
      verify_thousand(io, cache);
      EXPECT_EQ(g.called(), 1);
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_EQ(server.accepted(), 1u) << "the connection is as good as new";
}

INSTANTIATE_TEST_SUITE_P(async, every_byte,
                         testing::Combine(testing::ValuesIn(every_protocol),
                                          testing::Values(way_out::total, way_out::terminal,
                                                          way_out::deadline)),
                         [](const auto& named) {
                           return std::string(name_of(std::get<0>(named.param))) + "_" +
                                  name_of(std::get<1>(named.param));
                         });

// --- calls of several steps, on real servers
// ------------------------------------------------------

// A value in pieces is read in two steps, and stored in two. Given up after every byte that both
// servers answer.
class every_byte_of_steps : public testing::TestWithParam<way_out> {};

TEST_P(every_byte_of_steps, of_a_value_in_pieces) {
  const way_out how = GetParam();
  memcached_server real;
  fault_proxy proxy(real.port());
  net::io_context io;
  memcxx::options o = async_settings(proxy.address(), protocol_choice::meta);
  o.values.split_over = 1024;
  async_client cache(io, o);
  const std::string value(2500, 'v');
  run_to_end(io, [&]() -> net::awaitable<void> {
    for (int i = 0; i < 1000; ++i) {
      const std::string key = "k" + std::to_string(i);
      cache.set(key, value_for(key), [](const auto&) {});
    }
    EXPECT_TRUE(ok(co_await cache.set<std::string>("long", value)));
  });
  for (const bool reads : {true, false}) {
    const auto begin = [&](async_client& c, given_up& g) {
      if (reads) {
        c.get<std::string>("long", g.handler());
      } else {
        c.set<std::string>("long", value, {}, g.handler());
      }
    };
    const std::size_t before = proxy.passed();
    given_up whole(io, way_out::terminal);
    begin(cache, whole);
    ASSERT_TRUE(run_until(io, [&] { return whole.called() == 1; }));
    ASSERT_EQ(whole.code(), errc::ok);
    const std::size_t size = proxy.passed() - before;
    for (std::size_t n = 0; n < size; n += 11 * stride) {
      SCOPED_TRACE("after " + std::to_string(n) + " bytes of " + std::to_string(size));
      proxy.hold_after(n);
      given_up g(io, how);
      async_client caller = g.client_for(cache);
      begin(caller, g);
      if (how != way_out::deadline) {
        ASSERT_TRUE(run_until(io, [&] { return proxy.is_holding() || g.called() != 0; }));
        for (int i = 0; i < 3; ++i) io.poll();
        ASSERT_EQ(g.called(), 0) << g.code();
      }
      g.end();
      g.expect_given_up();
      proxy.release();
      verify_thousand(io, cache);
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_EQ(proxy.accepted(), 1u);
  run_to_end(io, [&]() -> net::awaitable<void> {
    EXPECT_TRUE(ok(co_await cache.set<std::string>("long", value)));
    EXPECT_EQ((co_await cache.get<std::string>("long")).value(), value);
  });
}

INSTANTIATE_TEST_SUITE_P(async, every_byte_of_steps,
                         testing::Values(way_out::terminal, way_out::deadline),
                         [](const auto& named) { return name_of(named.param); });

}  // namespace
}  // namespace memcxx::test
