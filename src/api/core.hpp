// What a client is made of: options, and the servers of the moment with the map of keys to them.
// Never here: verbs, protocol bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/options.hpp>

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
  // Replaces the servers by what `edit` makes of their addresses. Servers that stay keep their
  // connections. Nothing changes when the outcome is refused.
  using edit = std::function<result<void>(std::vector<server_address>&)>;
  result<void> change(const edit& how);

  void run(call& c, std::chrono::milliseconds timeout,
           routing::exchange::route how = routing::exchange::route::by_key, std::uint32_t only = 0);
  // The same on servers that the caller has looked at.
  void run(const snapshot& s, call& c, std::chrono::milliseconds timeout,
           routing::exchange::route how, std::uint32_t only);

  // Failures that nobody waited for, of servers that have left as well.
  [[nodiscard]] std::uint64_t unclaimed() const;

  options settings;

 private:
  void before_fork() noexcept override { reading_.lock(); }
  void after_fork() noexcept override { reading_.unlock(); }
  void in_child() noexcept override;
  result<std::shared_ptr<const snapshot>> build(const options& o, const snapshot* before) const;

  std::mutex changing_;         // one change after the other
  mutable std::mutex reading_;  // guards the pointer alone
  std::shared_ptr<const snapshot> current_;
  std::uint64_t unclaimed_before_ = 0;             // of servers that have left
  engine::fork_registration registration_{*this};  // the last member
};

}  // namespace memcxx
