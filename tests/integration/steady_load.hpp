// Eight threads that use one client at a steady pace, and what each phase of their day was like:
// hits, misses, errors, wrong and stale values, times.
// Never here: what happens to the servers, and what of it is too much (worst_day_test).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <memcxx/client.hpp>

namespace memcxx::test::steady {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

inline constexpr unsigned threads = 8;
inline constexpr unsigned keys_each = 64;
inline constexpr auto pace = 2ms;          // between two calls of a thread
inline constexpr std::size_t the_one = 1;  // the server that has the bad day

enum owner : std::uint8_t { affected, others };
inline constexpr owner both[] = {affected, others};

// What happened within one phase; each thread has its own.
struct tally {
  std::size_t calls = 0;
  std::array<std::size_t, 2> hits{};
  std::array<std::size_t, 2> misses{};
  std::array<std::map<errc, std::size_t>, 2> errors;    // calls for one key
  std::array<std::map<errc, std::size_t>, 2> spanning;  // keys of calls for many
  std::size_t wrong = 0;  // another key's value, or one that nobody wrote
  std::size_t stale = 0;  // older than what the key's writer was told is stored
  std::size_t refused_dials = 0;
  clock::time_point last_error{};              // on the affected server's keys
  std::vector<std::chrono::nanoseconds> took;  // calls for one key of the others
  std::chrono::nanoseconds longest{};          // of all calls
  std::chrono::nanoseconds overslept{};        // the machine's doing: how late a thread woke up

  void add(const tally& t) {
    calls += t.calls;
    for (const owner o : both) {
      hits[o] += t.hits[o];
      misses[o] += t.misses[o];
      for (const auto& [code, n] : t.errors[o]) errors[o][code] += n;
      for (const auto& [code, n] : t.spanning[o]) spanning[o][code] += n;
    }
    wrong += t.wrong;
    stale += t.stale;
    refused_dials += t.refused_dials;
    last_error = std::max(last_error, t.last_error);
    longest = std::max(longest, t.longest);
    overslept = std::max(overslept, t.overslept);
    took.insert(took.end(), t.took.begin(), t.took.end());
  }
};

inline std::size_t sum(const std::map<errc, std::size_t>& errors) {
  std::size_t n = 0;
  for (const auto& e : errors) n += e.second;
  return n;
}

struct phase {
  std::string event;
  clock::time_point began{};
  clock::time_point ended{};
  clock::time_point usable{};  // since when the server is there again
  long dials = -1;             // connections to the affected server; unknown
  std::atomic<unsigned> downs{0};
  std::atomic<unsigned> ups{0};
  std::atomic<clock::rep> first_answer{0};  // on a key of the affected server
  std::array<tally, threads> by_thread;
  tally total;
};

// One client under steady load, and what its threads saw in each phase.
class load {
 public:
  explicit load(const memcxx::options& o)
      : cache(told_to(*this, o)),
        issued_(threads * keys_each),
        acknowledged_(threads * keys_each),
        uncertain_(threads * keys_each) {
    const std::string name = cache.servers()[the_one];
    for (unsigned i = 0; i < threads * keys_each; ++i) {
      keys_.push_back("day:" + std::to_string(i * 7919) + ":key");
      owners_.push_back(cache.which(keys_[i]) == name ? affected : others);
    }
  }
  ~load() { stop(); }
  load(const load&) = delete;
  load& operator=(const load&) = delete;

  // How many calls for the affected server's keys were answered so far.
  [[nodiscard]] std::uint64_t answers() const { return answers_; }
  // How often a server was marked down that nothing happened to.
  [[nodiscard]] unsigned healthy_ones_down() const { return healthy_ones_down_; }

  // The phase that calls ending from now on belong to. Begin it before its event.
  phase& begin(const std::string& event) {
    const auto now = clock::now();
    if (phase* last = current_.load()) last->ended = now;
    phase& p = phases.emplace_back();
    p.event = event;
    p.began = now;
    current_.store(&p);
    if (workers_.empty()) {
      for (unsigned t = 0; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
    }
    return p;
  }

  // Connections and items first, then what the other phases are measured against.
  phase& calm() {
    begin("filling");
    std::this_thread::sleep_for(300ms);
    phase& p = begin("quiet");
    std::this_thread::sleep_for(500ms);
    return p;
  }

  // The server is there again: waits until a key of it is answered, and a little more.
  void recover(phase& p) {
    p.usable = clock::now();
    const auto limit = p.usable + health_options{}.retry_max + 2s;
    while (p.first_answer.load() == 0 && clock::now() < limit) std::this_thread::sleep_for(2ms);
    std::this_thread::sleep_for(250ms);
  }

  void stop() {
    stopping_ = true;
    for (auto& w : workers_) w.join();
    workers_.clear();
    if (phase* last = current_.exchange(nullptr)) last->ended = clock::now();
    for (phase& p : phases) {
      p.total = {};
      for (const tally& t : p.by_thread) p.total.add(t);
    }
  }

  std::deque<phase> phases;

 private:
  // Before the client, whose callbacks use them.
  std::atomic<phase*> current_{nullptr};
  std::atomic<std::uint64_t> answers_{0};
  std::atomic<unsigned> healthy_ones_down_{0};

 public:
  client cache;

 private:
  static memcxx::options told_to(load& self, memcxx::options o) {
    std::vector<std::string> healthy;
    for (std::size_t i = 0; i < o.servers.size(); ++i)
      if (i != the_one) healthy.push_back(o.servers[i].name());
    o.on_server_down = [&self, healthy](std::string_view server, const error&) {
      if (std::ranges::find(healthy, server) != healthy.end()) ++self.healthy_ones_down_;
      if (phase* p = self.current_) ++p->downs;
    };
    o.on_server_up = [&self](std::string_view) {
      if (phase* p = self.current_) ++p->ups;
    };
    return o;
  }

  void work(unsigned t) {
    std::minstd_rand random(t + 1);
    auto next = clock::now() + t * pace / threads;
    while (!stopping_) {
      std::this_thread::sleep_until(next);
      tally& now = current_.load()->by_thread[t];
      now.overslept = std::max<std::chrono::nanoseconds>(now.overslept, clock::now() - next);
      call(t, random);
      next = std::max(next + pace, clock::now());
    }
  }

  void call(unsigned t, std::minstd_rand& random) {
    const auto any = static_cast<std::size_t>(random() % keys_.size());
    const std::size_t own = t * keys_each + random() % keys_each;
    switch (random() % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
        store(t, own);
        break;
      case 4:
        read_many(t, random);
        break;
      case 5:
      case 6:
      case 7:
      case 8:
        read(t, own);
        break;
      default:
        read(t, any);
    }
  }

  void store(unsigned t, std::size_t k) {
    const std::uint64_t version = ++issued_[k];
    const std::string value =
        keys_[k] + "=" + std::to_string(version) + "=" + std::string(version * 37 % 900, 'x');
    const auto from = clock::now();
    const auto r = cache.set(keys_[k], value);
    if (r) acknowledged_[k] = version;
    // May still be carried out, even after a later one.
    if (!r && r.error() == errc::timeout) uncertain_[k] = true;
    note(t, k, from, r ? error() : r.error(), r.has_value());
  }

  void read(unsigned t, std::size_t k) {
    const std::uint64_t at_least = acknowledged_[k];
    const auto from = clock::now();
    const auto r = cache.get(keys_[k]);
    tally& now = note(t, k, from, r ? error() : r.error(), r.has_value());
    if (r) verify(now, k, r->value, at_least);
  }

  void read_many(unsigned t, std::minstd_rand& random) {
    std::array<std::size_t, 8> asked;
    std::array<std::uint64_t, 8> at_least;
    std::array<std::string_view, 8> names;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      asked[i] = random() % keys_.size();
      at_least[i] = acknowledged_[asked[i]];
      names[i] = keys_[asked[i]];
    }
    const auto from = clock::now();
    const items got = cache.get_many(names);
    const std::chrono::nanoseconds took = clock::now() - from;
    phase& p = *current_.load();
    tally& now = p.by_thread[t];
    ++now.calls;
    now.longest = std::max(now.longest, took);
    bool refused = false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const owner o = owners_[asked[i]];
      if (got[i].hit()) {
        ++now.hits[o];
        verify(now, asked[i], got[i].value, at_least[i]);
      } else if (got[i].miss()) {
        ++now.misses[o];
      } else {
        ++now.spanning[o][got[i].status.code()];
        if (o == affected) now.last_error = clock::now();
        refused |= got[i].status == errc::connect_failed;
      }
    }
    now.refused_dials += refused;
  }

  tally& note(unsigned t, std::size_t k, clock::time_point from, const error& e, bool done) {
    const auto until = clock::now();
    phase& p = *current_.load();
    tally& now = p.by_thread[t];
    const owner o = owners_[k];
    ++now.calls;
    now.longest = std::max<std::chrono::nanoseconds>(now.longest, until - from);
    if (o == others) now.took.push_back(until - from);
    if (done) {
      ++now.hits[o];
    } else if (e == errc::miss) {
      ++now.misses[o];
    } else {
      ++now.errors[o][e.code()];
      now.refused_dials += e == errc::connect_failed;
      if (o == affected) now.last_error = until;
      return now;
    }
    if (o == others) return now;
    ++answers_;
    if (p.first_answer.load() == 0) p.first_answer.store(until.time_since_epoch().count());
    return now;
  }

  // A value is "key=version=…".
  void verify(tally& now, std::size_t k, std::string_view value, std::uint64_t at_least) {
    const std::string& key = keys_[k];
    if (!value.starts_with(key + "=")) {
      ++now.wrong;
      return;
    }
    const std::uint64_t version = std::strtoull(value.data() + key.size() + 1, nullptr, 10);
    const std::size_t padding = version * 37 % 900;
    const std::string head = key + "=" + std::to_string(version) + "=";
    now.wrong += version == 0 || version > issued_[k] || value.size() != head.size() + padding ||
                 !value.starts_with(head);
    now.stale += version < at_least && !uncertain_[k];
  }

  std::vector<std::string> keys_;
  std::vector<owner> owners_;
  std::deque<std::atomic<std::uint64_t>> issued_;
  std::deque<std::atomic<std::uint64_t>> acknowledged_;
  std::deque<std::atomic<bool>> uncertain_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace memcxx::test::steady
