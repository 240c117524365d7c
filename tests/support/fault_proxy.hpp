// A proxy between a client and a real server that hurts what it passes on: at random, from a seed,
// or at an exact byte.
// Lives here: which faults there are, and how often each happened.
// Never here: servers (memcached_server), scripts (scripted_server), the library under test.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace memcxx::test {

enum class fault_kind : std::uint8_t {
  split,     // bytes go on in small pieces
  delay,     // a little later
  stall,     // much later: callers run out of time
  reset,     // RST, in the middle of anything
  truncate,  // FIN, in the middle of anything
  garbage,   // between two answers: bytes that are none
  stranger,  // between two answers: an answer that nobody asked for
  refuse,    // a connection is closed as soon as it is accepted
  count
};
inline constexpr std::size_t fault_kinds = static_cast<std::size_t>(fault_kind::count);
std::string_view name_of(fault_kind k);

// How many of 100,000 chunks (of up to 16 KiB; `refuse`: of connections) meet each fault.
using fault_rates = std::array<std::uint32_t, fault_kinds>;
inline constexpr fault_rates calm{};

// What the answers look like, to know where one ends.
enum class answer_form : std::uint8_t { text, binary };

// Listens on 127.0.0.1. Threads: safe to share.
class fault_proxy {
 public:
  explicit fault_proxy(std::uint16_t upstream, std::uint64_t seed = 1,
                       answer_form form = answer_form::text);
  ~fault_proxy();
  fault_proxy(const fault_proxy&) = delete;
  fault_proxy& operator=(const fault_proxy&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::size_t accepted() const { return accepted_; }
  [[nodiscard]] std::size_t count(fault_kind k) const {
    return counts_[static_cast<std::size_t>(k)];
  }

  void set(const fault_rates& rates);
  // Passes on so many more bytes of answers, over all connections together, and holds the rest.
  void hold_after(std::size_t bytes);
  [[nodiscard]] bool is_holding();
  void release();
  // Bytes of answers passed on so far.
  [[nodiscard]] std::size_t passed();

 private:
  using clock = std::chrono::steady_clock;
  struct way;
  struct pair;

  void run();
  void accept_one();
  void wake() const;
  bool read_from(pair& p, bool answers);
  bool write_to(pair& p, bool answers);
  void hurt(pair& p, bool answers, std::size_t from);
  bool roll(fault_kind k);
  std::string made_up(fault_kind k);
  static void reset(int& fd);

  const std::uint16_t upstream_;
  const answer_form form_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int wake_ = -1;
  std::minstd_rand random_;  // of the thread
  std::vector<std::unique_ptr<pair>> pairs_;

  std::atomic<bool> stop_{false};
  std::atomic<std::size_t> accepted_{0};
  std::array<std::atomic<std::size_t>, fault_kinds> counts_{};
  std::mutex lock_;
  fault_rates rates_{};
  std::size_t may_pass_ = SIZE_MAX;
  std::size_t passed_ = 0;
  std::thread thread_;
};

}  // namespace memcxx::test
