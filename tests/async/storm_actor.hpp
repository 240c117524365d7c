// What acts in the storm: coroutines with keys of their own, who check every answer they get, and
// what all of them share. For storm_test.cpp alone.
// Never here: servers and their faults, the test itself.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "running.hpp"
#include "storm_model.hpp"
#include "support/fault_proxy.hpp"
#include "support/memcached_server.hpp"

namespace memcxx::test {
namespace {

using namespace storm;
using clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMCXX_STORM_IS_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEMCXX_STORM_IS_SLOW 1
#endif
#endif
#if defined(MEMCXX_STORM_IS_SLOW)
constexpr std::uint64_t operations_by_default = 100'000;
#else
constexpr std::uint64_t operations_by_default = 1'000'000;
#endif
constexpr std::size_t actors = 384;
constexpr auto timeout = 250ms;
constexpr auto too_long = 30s;  // for a call: far beyond its deadline on the busiest machine

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

enum class policy : std::uint8_t {
  strict,     // a key has one home: what was stored is what is read
  replicas,   // several: what is read was once stored
  elsewhere,  // failover: likewise
};
struct weather {
  const char* name;
  protocol_choice protocol;
  policy what;
  unsigned share;  // of all operations, in percent
};
constexpr weather weathers[] = {
    {"auto", protocol_choice::automatic, policy::strict, 40},
    {"classic", protocol_choice::classic, policy::strict, 20},
    {"binary", protocol_choice::binary, policy::strict, 20},
    {"replicas", protocol_choice::automatic, policy::replicas, 10},
    {"elsewhere", protocol_choice::meta, policy::elsewhere, 10},
};

// What all actors share.
struct sky {
  explicit sky(const weather& w) : kind(w) {}

  void wrong(const std::string& what) {
    const std::scoped_lock hold(lock);
    if (++wrongs <= 10) std::cout << "WRONG: " << what << std::endl;
  }

  const weather& kind;
  std::atomic<std::int64_t> left{0};
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> ended{0};
  // Counted when a server's items may begin to be lost, and again when no more are.
  std::atomic<std::uint64_t> losses{0};
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::size_t> busy{0};
  std::array<std::atomic<std::uint64_t>, 64> codes{};
  std::atomic<clock::rep> longest{0};
  std::mutex lock;
  int wrongs = 0;
};

// One coroutine, with keys that nobody else writes.
class actor {
 public:
  actor(sky& s, async_client cache, net::any_io_executor at, std::uint64_t seed, std::size_t number)
      : sky_(s), cache_(std::move(cache)), at_(std::move(at)), random_(seed), number_(number) {
    for (int i = 0; i < 3; ++i) plain_.emplace_back(own_name("p" + std::to_string(i)));
    for (int i = 0; i < 2; ++i) typed_.emplace_back(own_name("t" + std::to_string(i)));
  }

  net::awaitable<void> run() {
    while (sky_.left.fetch_sub(1) > 0) {
      co_await one();
      for (auto* all : {&plain_, &typed_}) {
        for (tracked& k : *all) {
          if (!k.settled() && random_() % 4 == 0) k.rename();
        }
      }
    }
    --sky_.busy;
  }

 private:
  [[nodiscard]] std::string own_name(const std::string& kind) const {
    return kind + "-" + std::to_string(number_);
  }
  [[nodiscard]] bool strict() const { return sky_.kind.what == policy::strict; }
  // Odd: one was happening.
  bool lost_since(std::uint64_t losses) const { return sky_.losses != losses || losses % 2 != 0; }

  // The client for one call: now and then in a hurry.
  async_client client() {
    return random_() % 20 == 0 ? cache_.within(1ms * (1 + random_() % 20)) : cache_;
  }
  // How it is awaited: now and then with a hand on the brake.
  struct brake {
    net::cancellation_signal signal;
    std::optional<net::steady_timer> timer;
  };
  auto token() {
    static constexpr net::cancellation_type kinds[] = {net::cancellation_type::total,
                                                       net::cancellation_type::partial,
                                                       net::cancellation_type::terminal};
    brake_ = std::make_shared<brake>();
    if (random_() % 20 == 0) {
      brake_->timer.emplace(at_, std::chrono::microseconds(random_() % 3000));
      brake_->timer->async_wait([b = brake_, how = kinds[random_() % 3]](const auto& failed) {
        if (!failed) b->signal.emit(how);
      });
    }
    return net::bind_cancellation_slot(brake_->signal.slot(), net::use_awaitable);
  }
  // Around every call.
  void begins() {
    ++sky_.begun;
    began_ = clock::now();
  }
  void ends() {
    if (brake_ != nullptr && brake_->timer) brake_->timer->cancel();
    brake_.reset();
    ++sky_.ended;
    const auto took = (clock::now() - began_).count();
    clock::rep before = sky_.longest;
    while (before < took && !sky_.longest.compare_exchange_weak(before, took)) {
    }
  }
  template <class T>
  errc code_of(const result<T>& r) {
    const errc code = r ? errc::ok : r.error().code();
    ++sky_.codes[static_cast<std::size_t>(code)];
    return code;
  }

  // --- what was read
  void check(tracked& k, errc code, std::string_view value, const char* verb) {
    if (code == errc::ok) {
      ++sky_.hits;
      const auto version = storm::version_of(k.name(), value);
      if (!version || *version > k.issued()) {
        sky_.wrong(std::string(verb) + " of " + k.name() + " gave \"" +
                   std::string(value.substr(0, 60)) + "\"");
      } else if (strict() && !k.may_be(*version)) {
        sky_.wrong(std::string(verb) + " of " + k.name() + " gave version " +
                   std::to_string(*version) + " of " + std::to_string(k.issued()));
      }
    } else if (code == errc::miss && strict() && !k.may_be_absent()) {
      if (!lost_since(k.losses())) {
        sky_.wrong(std::string(verb) + " of " + k.name() + " missed what was stored");
      }
      k.lose(sky_.losses);
    }
  }
  static std::string foreign_value_is_wrong(std::string_view key, std::string_view value) {
    if (storm::version_of(key, value)) return {};
    return "a value of " + std::string(key) + " is \"" + std::string(value.substr(0, 60)) + "\"";
  }
  std::string foreign_key() {
    return "p" + std::to_string(random_() % 3) + "-" + std::to_string(random_() % actors) + ":0";
  }
  tracked& any(std::vector<tracked>& all) { return all[random_() % all.size()]; }

  net::awaitable<void> one() {
    const auto dice = random_() % 100;
    if (dice < 25) {
      co_await get();
    } else if (dice < 40) {
      co_await set();
    } else if (dice < 46) {
      co_await get_many();
    } else if (dice < 50) {
      co_await set_many();
    } else if (dice < 54) {
      co_await get_foreign();
    } else if (dice < 58) {
      co_await add_or_replace();
    } else if (dice < 62) {
      co_await compare_and_set();
    } else if (dice < 66) {
      co_await remove();
    } else if (dice < 69) {
      co_await touch();
    } else if (dice < 78) {
      co_await count();
    } else if (dice < 90) {
      co_await append();
    } else if (dice < 98) {
      co_await typed();
    } else {
      co_await everywhere();
    }
  }

  net::awaitable<void> get() {
    tracked& k = any(plain_);
    begins();
    const auto r = co_await client().get(k.name(), {}, token());
    ends();
    check(k, code_of(r), r ? r->value : std::string(), "get");
  }
  net::awaitable<void> get_foreign() {
    const std::string key = foreign_key();
    begins();
    const auto r = co_await client().get(key, {}, token());
    ends();
    if (code_of(r) != errc::ok) co_return;
    if (const auto wrong = foreign_value_is_wrong(key, r->value); !wrong.empty()) {
      sky_.wrong(wrong);
    }
  }
  net::awaitable<void> set() {
    tracked& k = any(plain_);
    const std::uint64_t version = k.begin(sky_.losses);
    const std::string value = storm::value_of(k.name(), version);
    const bool quiet = random_() % 10 == 0;
    begins();
    const auto r = co_await client().set(k.name(), value, {.quiet = quiet}, token());
    ends();
    const errc code = code_of(r);
    k.settle(version, quiet && code == errc::ok ? effect::unknown : effect_of(code));
  }
  net::awaitable<void> get_many() {
    std::vector<std::string> keys;
    for (const tracked& k : plain_) keys.push_back(k.name());
    for (int i = 0; i < 5; ++i) keys.push_back(foreign_key());
    begins();
    const items got = co_await client().get_many(keys, {}, token());
    ends();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto& e = got[i];
      ++sky_.codes[static_cast<std::size_t>(e.status.code())];
      if (e.key != keys[i]) sky_.wrong("get_many mixed up its keys");
      if (i < plain_.size()) {
        check(plain_[i], e.status.code(), e.value, "get_many");
      } else if (e.hit()) {
        if (const auto w = foreign_value_is_wrong(e.key, e.value); !w.empty()) sky_.wrong(w);
      }
    }
  }
  // Stores typed values.
  net::awaitable<void> set_many() {
    std::vector<std::pair<std::string, std::string>> pairs;
    std::vector<std::uint64_t> versions;
    for (tracked& k : typed_) {
      versions.push_back(k.begin(sky_.losses));
      pairs.emplace_back(k.name(), storm::value_of(k.name(), versions.back()));
    }
    begins();
    const auto stored_them = co_await client().set_many(pairs, {}, token());
    ends();
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      settle_typed(typed_[i], versions[i], code_of(stored_them[i]));
    }
  }
  // Of several items some may have been refused after others were stored.
  static void settle_typed(tracked& k, std::uint64_t version, errc code) {
    const effect e = effect_of(code);
    k.settle(version, e == effect::refused ? effect::unknown : e);
  }
  // A piece may be lost with its server, or overtaken: that is a miss, never another value.
  void check_typed(tracked& k, const result<std::string>& r) {
    const errc code = code_of(r);
    if (code == errc::miss && (!k.settled() || lost_since(k.losses()))) return;
    check(k, code, r ? *r : std::string(), "typed get");
    if (code == errc::corrupt_value || code == errc::unknown_flags || code == errc::wrong_type) {
      sky_.wrong("a typed get of " + k.name() + ": " + r.error().what());
    }
  }
  net::awaitable<void> add_or_replace() {
    tracked& k = any(plain_);
    const bool adds = random_() % 2 == 0;
    const std::uint64_t losses = k.losses();
    const bool may_exist = k.may_exist();
    const bool may_be_absent = k.may_be_absent();
    const std::uint64_t version = k.begin(sky_.losses);
    const std::string value = storm::value_of(k.name(), version);
    begins();
    errc code = errc::ok;
    // No `?:` with a co_await: g++ 12 destroys what it gives twice.
    if (adds) {
      const auto r = co_await client().add(k.name(), value, {}, token());
      code = code_of(r);
    } else {
      const auto r = co_await client().replace(k.name(), value, {}, token());
      code = code_of(r);
    }
    ends();
    k.settle(version, effect_of(code));
    if (!strict()) co_return;
    const bool was_absent = adds == (code == errc::ok);
    if (code != errc::ok && code != errc::not_stored) co_return;
    if (was_absent && !may_be_absent) {
      if (!lost_since(losses)) sky_.wrong("what was stored as " + k.name() + " was gone");
      if (code != errc::ok) k.lose(sky_.losses);
    }
    if (!was_absent && !may_exist) sky_.wrong("what was never stored as " + k.name() + " is there");
  }
  net::awaitable<void> compare_and_set() {
    tracked& k = any(plain_);
    const std::uint64_t losses = sky_.losses;
    begins();
    const auto got = co_await client().get(k.name(), {}, token());
    ends();
    check(k, code_of(got), got ? got->value : std::string(), "gets");
    if (!got || got->cas == 0 || sky_.kind.what == policy::replicas) co_return;
    const bool settled = k.settled();
    const std::uint64_t version = k.begin(sky_.losses);
    const std::string value = storm::value_of(k.name(), version);
    begins();
    const auto r = co_await client().cas(k.name(), value, got->cas, {}, token());
    ends();
    const errc code = code_of(r);
    k.settle(version, effect_of(code));
    const bool refused = code == errc::exists || code == errc::miss;
    if (strict() && settled && refused && !lost_since(losses)) {
      sky_.wrong("a cas of " + k.name() +
                 " met a writer that is not there: " + std::string(memcxx::name_of(code)));
    }
  }
  net::awaitable<void> remove() {
    tracked& k = any(plain_);
    const std::uint64_t losses = k.losses();
    const bool may_exist = k.may_exist();
    const bool may_be_absent = k.may_be_absent();
    k.begin(sky_.losses);
    begins();
    const auto r = co_await client().remove(k.name(), {}, token());
    ends();
    const errc code = code_of(r);
    if (code == errc::miss && strict()) {
      if (!may_be_absent && !lost_since(losses)) {
        sky_.wrong("what was stored as " + k.name() + " was gone when it was removed");
      }
      if (!may_be_absent) k.lose(sky_.losses);
    } else {
      k.settle(0, effect_of(code));
    }
    if (code == errc::ok && strict() && !may_exist) {
      sky_.wrong("what was never stored as " + k.name() + " was removed");
    }
  }
  net::awaitable<void> touch() {
    tracked& k = any(plain_);
    if (random_() % 2 == 0) {
      begins();
      const auto r = co_await client().gat(k.name(), 1h, {}, token());
      ends();
      check(k, code_of(r), r ? r->value : std::string(), "gat");
    } else {
      begins();
      const auto r = co_await client().touch(k.name(), 1h, token());
      ends();
      if (code_of(r) == errc::miss) check(k, errc::miss, {}, "touch");
    }
  }

  // A counter holds its owner's number in its upper half. Each incr that was answered counted once,
  // and each other at most once.
  net::awaitable<void> count() {
    const std::uint64_t base = (std::uint64_t{number_} + 1) << 32U;
    if (counter_.name.empty()) {
      counter_ = {.name = own_name("c") + ":" + std::to_string(++counter_epoch_)};
      counter_.losses = sky_.losses;
      begins();
      const auto r = co_await cache_.add(counter_.name, std::to_string(base), {}, token());
      ends();
      if (code_of(r) != errc::ok) counter_.name.clear();
      co_return;
    }
    const bool reads = random_() % 3 == 0;
    errc code = errc::ok;
    std::uint64_t value = 0;
    begins();
    if (reads) {
      const auto r = co_await client().get(counter_.name, {}, token());
      code = code_of(r);
      if (r) value = std::strtoull(r->value.c_str(), nullptr, 10);
    } else {
      const auto r = co_await client().incr(counter_.name, 1, {}, token());
      code = code_of(r);
      if (r) value = r->value;
    }
    ends();
    const std::uint64_t least = counter_.counted + (reads ? 0U : 1U);
    if (code == errc::ok) {
      if (strict() && (value < base + least || value > base + least + counter_.unknown)) {
        sky_.wrong(counter_.name + " is " + std::to_string(value - base) + ", counted " +
                   std::to_string(least) + " and perhaps " + std::to_string(counter_.unknown));
      }
      if (value >> 32U != base >> 32U) sky_.wrong(counter_.name + " has another counter's value");
      counter_.counted = value - base;
    } else if (code == errc::miss) {
      if (strict() && !lost_since(counter_.losses)) sky_.wrong(counter_.name + " is gone");
      counter_.name.clear();
    } else if (!reads && effect_of(code) == effect::unknown) {
      ++counter_.unknown;
    }
    if (counter_.unknown > 3 && random_() % 4 == 0) counter_.name.clear();
  }

  // A log grows by one entry with each append: an entry that was answered is there once, any other
  // at most once.
  net::awaitable<void> append() {
    if (log_.name.empty()) {
      log_ = {.name = own_name("l") + ":" + std::to_string(++log_epoch_)};
      log_.losses = sky_.losses;
      begins();
      const auto r = co_await cache_.set(log_.name, log_.name + "|", {}, token());
      ends();
      if (code_of(r) != errc::ok) log_.name.clear();
      co_return;
    }
    if (random_() % 3 != 0) {
      const std::uint64_t entry = ++log_.issued;
      begins();
      const auto r = co_await client().append(log_.name, ";" + std::to_string(entry), {}, token());
      ends();
      const errc code = code_of(r);
      if (code == errc::ok) log_.kept.insert(entry);
      if (effect_of(code) == effect::unknown) log_.perhaps.insert(entry);
      if (code == errc::not_stored) {
        if (strict() && !lost_since(log_.losses)) sky_.wrong(log_.name + " is gone");
        log_.name.clear();
      }
      co_return;
    }
    begins();
    const auto r = co_await client().get(log_.name, {}, token());
    ends();
    const errc code = code_of(r);
    if (code == errc::miss) {
      if (strict() && !lost_since(log_.losses)) sky_.wrong(log_.name + " is gone");
      log_.name.clear();
    }
    if (code != errc::ok) co_return;
    check_log(r->value);
    if (log_.issued > 60) log_.name.clear();
  }
  void check_log(std::string_view value) {
    if (!value.starts_with(log_.name + "|")) {
      return sky_.wrong(log_.name + " is \"" + std::string(value.substr(0, 60)) + "\"");
    }
    std::set<std::uint64_t> missing = log_.kept;
    std::set<std::uint64_t> seen;
    std::istringstream in{std::string(value.substr(log_.name.size() + 1))};
    char separator = 0;
    std::uint64_t entry = 0;
    while (in >> separator >> entry) {
      if (separator != ';' || entry > log_.issued) sky_.wrong(log_.name + " has a strange entry");
      if (!seen.insert(entry).second) sky_.wrong(log_.name + " has an entry twice");
      missing.erase(entry);
      if (strict() && !log_.kept.contains(entry) && !log_.perhaps.contains(entry)) {
        sky_.wrong(log_.name + " has an entry that was never sent");
      }
    }
    if (strict() && !missing.empty() && !lost_since(log_.losses)) {
      sky_.wrong(log_.name + " lacks an entry");
    }
  }

  // Typed values, of which the longer ones lie in several items and take two steps.
  net::awaitable<void> typed() {
    tracked& k = any(typed_);
    if (random_() % 4 == 0) {
      const std::vector<std::string> keys{typed_[0].name(), typed_[1].name()};
      begins();
      auto got = co_await client().get_many<std::string>(keys, {.cas = false}, token());
      ends();
      for (std::size_t i = 0; i < keys.size(); ++i) check_typed(typed_[i], got[i]);
      co_return;
    }
    if (random_() % 2 == 0) {
      const std::uint64_t version = k.begin(sky_.losses);
      const std::string value = storm::value_of(k.name(), version);
      begins();
      const auto r = co_await client().set<std::string>(k.name(), value, {}, token());
      ends();
      settle_typed(k, version, code_of(r));
      co_return;
    }
    begins();
    const auto r = co_await client().get<std::string>(k.name(), {.cas = false}, token());
    ends();
    check_typed(k, r);
  }
  net::awaitable<void> everywhere() {
    begins();
    if (random_() % 2 == 0) {
      const auto replies = co_await client().version(token());
      for (const auto& r : replies) code_of(r.reply);
    } else {
      const std::vector<std::string> keys{plain_[0].name(), plain_[1].name(), plain_[2].name()};
      auto arriving = client().get_each(keys);
      std::size_t came = 0;
      while (auto e = co_await arriving.next()) {
        ++came;
        check(plain_[e->index], code_of(e->reply), e->reply ? e->reply->value : std::string(),
              "get_each");
        if (random_() % 30 == 0) break;
      }
      (void)came;
    }
    ends();
  }

  struct tally {
    std::string name = {};
    std::uint64_t counted = 0;
    std::uint64_t unknown = 0;
    std::uint64_t losses = 0;
  };
  struct journal {
    std::string name = {};
    std::uint64_t issued = 0;
    std::set<std::uint64_t> kept = {};
    std::set<std::uint64_t> perhaps = {};
    std::uint64_t losses = 0;
  };

  sky& sky_;
  async_client cache_;
  net::any_io_executor at_;
  std::minstd_rand random_;
  std::size_t number_;
  std::vector<tracked> plain_;
  std::vector<tracked> typed_;
  tally counter_;
  std::uint64_t counter_epoch_ = 0;
  journal log_;
  std::uint64_t log_epoch_ = 0;
  std::shared_ptr<brake> brake_;
  clock::time_point began_{};
};

}  // namespace
}  // namespace memcxx::test
