// Servers for tests of calls that more than one server may answer: fakes that say what a test tells
// them to. Never here: a test.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "exchange_fixture.hpp"

namespace memcxx::routing {

// As by_last_digit, then the next in the list, which goes round.
class by_digit_and_next final : public distribution {
 public:
  explicit by_digit_and_next(std::size_t n) : n_(n) {}
  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    return static_cast<std::uint32_t>((static_cast<std::size_t>(key.back() - '0') + attempt) % n_);
  }

 private:
  std::size_t n_;
};

class failing_over : public exchanging {
 protected:
  struct said {
    errc status = errc::ok;
    bool unsent = false;
    std::string value = {};
    std::uint64_t number = 0;
  };
  using behaviour = std::function<said(const request&)>;
  struct seen {
    std::uint32_t server;
    verb op;
    std::string key;
    std::int32_t ttl;
    bool operator==(const seen&) const = default;
  };

  failing_over() { use(3); }
  void use(std::size_t servers, std::size_t gutter = 0) {
    settings = settings_for(servers);
    settings.custom_distribution = [](std::span<const server_address> all) {
      return std::make_unique<by_digit_and_next>(all.size());
    };
    for (std::size_t i = 0; i < gutter; ++i) {
      server_address s;
      s.host = "g" + std::to_string(i);
      settings.gutter.push_back(s);
    }
    answers.assign(servers + gutter, good);
  }

  void prepare(exchange::route how = exchange::route::by_key) {
    map = *make_topology(settings);
    x = std::make_unique<exchange>(calls, map, settings, now);
    x->prepare(how);
  }
  // One round: every leg is run on its server.
  void round() {
    for (leg& l : x->legs()) {
      fake d(*this, l.server());
      l.run_on(d, {});
      EXPECT_TRUE(l.done());
    }
  }
  void run() {
    calls.told.clear();
    log.clear();
    prepare();
    round();
    rounds = 1;
    for (; x->has_next_round(); ++rounds) {
      ASSERT_LT(rounds, 20);
      x->next_round();
      round();
    }
    EXPECT_EQ(calls.told.size(), calls.requests.size());
  }
  // The servers that were asked, in order.
  std::vector<std::uint32_t> asked() const {
    std::vector<std::uint32_t> out;
    for (const seen& s : log) out.push_back(s.server);
    return out;
  }

  static said good(const request&) { return {}; }
  static said miss(const request&) { return {errc::miss}; }
  static said unreachable(const request&) { return {errc::connect_failed, true}; }
  static said down(const request&) { return {errc::server_down, true}; }
  static said broken(const request&) { return {errc::connection_closed}; }
  static behaviour says(errc status, bool unsent = false) {
    return [=](const request&) { return said{status, unsent}; };
  }
  static behaviour holds(std::string value) {
    return [=](const request&) { return said{errc::ok, false, value}; };
  }

  std::vector<behaviour> answers;
  std::vector<seen> log;
  std::chrono::sys_seconds now{};
  int rounds = 0;

 private:
  class fake final : public driver {
   public:
    fake(failing_over& test, std::uint32_t which) : test_(test), which_(which) {}
    void execute(const request& r, protocol::response_handler& to, std::uint32_t tag,
                 std::chrono::steady_clock::time_point) noexcept override {
      test_.log.push_back({which_, r.op, std::string(r.key), r.ttl});
      const said s = test_.answers.at(which_)(r);
      response out;
      out.status = s.status;
      out.unsent = s.unsent;
      out.value = s.value;
      out.number = s.number;
      const std::string text = "s" + std::to_string(which_);
      if (s.status != errc::ok) out.text = text;
      to.on_response(tag, out);
    }

   private:
    failing_over& test_;
    std::uint32_t which_;
  };
};

inline std::vector<std::uint32_t> servers(std::initializer_list<std::uint32_t> which) {
  return which;
}

}  // namespace memcxx::routing
