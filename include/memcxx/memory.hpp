// A memcached server inside the process: the driver behind "memory://".
// For programs and tests that want memcached's semantics (ttl, cas, counters, a byte limit) and no
// server. Never here: persistence, sharing between processes.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include <memcxx/driver.hpp>

namespace memcxx {

struct memory_options {
  // Bytes of keys, values and bookkeeping kept before the least recently used items go.
  std::size_t limit = std::size_t{64} << 20;
  // The longest value that is stored; a longer one is value_too_large and drops the old value, as
  // memcached does.
  std::size_t max_item_size = std::size_t{1} << 20;
  // Seconds since the epoch, for ttls. Injected in tests. Empty: the system's clock.
  std::function<std::chrono::sys_seconds()> clock = {};
};

// Threads: safe to share; one lock.
class memory_driver final : public driver {
 public:
  explicit memory_driver(memory_options options = {});
  ~memory_driver() override;
  memory_driver(const memory_driver&) = delete;
  memory_driver& operator=(const memory_driver&) = delete;

  void execute(const protocol::request& r, protocol::response_handler& to, std::uint32_t tag,
               std::chrono::steady_clock::time_point deadline) noexcept override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace memcxx
