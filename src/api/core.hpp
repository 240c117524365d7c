// What a client is made of: options, and the servers of the moment with the map of keys to them.
// Never here: verbs, protocol bytes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/dialect.hpp>
#include <memcxx/options.hpp>
#include <memcxx/single_flight.hpp>

#include "api/replaceable.hpp"
#include "engine/fork_guard.hpp"
#include "engine/server.hpp"
#include "routing/exchange.hpp"
#include "routing/topology.hpp"

namespace memcxx {

// Threads: safe to share once made. A call works on the servers as they were when it began,
// whatever changes meanwhile.
struct core final : private engine::fork_guarded {
  struct snapshot {
    routing::topology map;
    std::vector<std::shared_ptr<engine::server>> servers;  // by the map's indices
  };

  static result<std::shared_ptr<core>> make(options o);

  [[nodiscard]] std::shared_ptr<const snapshot> now() const;
  // The address of what now() answers, without a lock: to see whether that is still the same.
  [[nodiscard]] const snapshot* newest() const noexcept {
    return newest_.load(std::memory_order_acquire);
  }
  // Replaces the servers by what `edit` makes of their addresses. Servers that stay keep their
  // connections. Nothing changes when the outcome is refused.
  using edit = std::function<result<void>(std::vector<server_address>&)>;
  result<void> change(const edit& how);

  // Every step of the call, within one timeout.
  void run(call& c, std::chrono::milliseconds timeout,
           routing::exchange::route how = routing::exchange::route::by_key, std::uint32_t only = 0);
  // The same for a call of one step, on servers that the caller has looked at.
  void run_on(const snapshot& s, call& c, std::chrono::milliseconds timeout,
              routing::exchange::route how);

  // What calls are told that come to a client or a session without a core: it was moved from.
  [[nodiscard]] static error moved_from();
  static void refuse_moved_from(call& c) noexcept;

  // Passes on what was found out about servers. With no lock held.
  void tell(const std::vector<engine::server::event>& events) const;

  // Failures that nobody waited for, of servers that have left as well.
  [[nodiscard]] std::uint64_t unclaimed() const;

  options settings;
  value_codec values;
  // False for a session with one server of several: pieces of values lie on the others, too.
  bool has_all_pieces = true;
  single_flight flights;
  std::atomic<std::uint64_t> not_kept{0};  // stores of cache() that failed

 private:
  using clock = std::chrono::steady_clock;
  void run_step(const snapshot& s, call& c, std::chrono::milliseconds timeout,
                clock::time_point now, clock::time_point deadline, routing::exchange::route how,
                std::uint32_t only);
  // What is no lone request.
  void run_exchange(const snapshot& s, call& c, std::chrono::milliseconds timeout,
                    clock::time_point now, clock::time_point deadline, routing::exchange::route how,
                    std::uint32_t only, std::vector<engine::server::event>& events);
  void before_fork() noexcept override {
    counting_.lock();
    current_.guard().lock();
    flights.before_fork();
  }
  void after_fork() noexcept override {
    flights.after_fork();
    current_.guard().unlock();
    counting_.unlock();
  }
  void in_child() noexcept override;
  result<std::shared_ptr<const snapshot>> build(const options& o, const snapshot* before) const;

  std::mutex changing_;  // one change after the other
  mutable replaceable<snapshot> current_;
  std::atomic<const snapshot*> newest_ = nullptr;  // what current_ has
  mutable std::mutex counting_;                    // a server has left, and its failures are in:
  std::uint64_t unclaimed_before_ = 0;             // of servers that have left
  engine::fork_registration registration_{*this};  // the last member
};

}  // namespace memcxx
