// A connection and the socket it runs over: the one place where the two meet.
// Never here: which requests go over it, waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include <memcxx/connection.hpp>
#include <memcxx/options.hpp>

#include "engine/wait_gate.hpp"
#include "transport/stream.hpp"

namespace memcxx::engine {

using clock = std::chrono::steady_clock;

// Threads: one at a time.
struct link {
  explicit link(const connection_options& o) : wire(o) {}

  transport::stream io;
  connection wire;
  clock::time_point opened{};
  clock::time_point last_used{};
  std::chrono::microseconds trusted{};  // wire.trusted_idle(), once it has shaken hands
  // The last read that waited was interrupted by a signal, or its time-out passed.
  bool waited_in_vain = false;
  bool guessed = false;  // taken for classic, because the server closes when asked

  // Writes what is queued, as far as the socket takes it. False when the socket is full or broken.
  bool flush();
  // Reads once and lets the connection deliver. False when nothing came.
  enum class patience { none, until_time_out };  // io's read time-out
  bool receive(patience p, wait_policy how = wait_policy::block);
  // One request and its answer over an idle link, when all goes as it mostly does. Otherwise there
  // is no answer; if it was begun, the connection is to queue() it.
  struct asked {
    const protocol::response* answer = nullptr;
    bool begun = false;
    std::size_t written = 0;
  };
  asked ask(protocol::request& r, wait_policy how);
  // An idle link that may be used again. One that was idle for long is looked at first.
  [[nodiscard]] bool is_sound(clock::time_point now) noexcept;
  // A call that began at `began` is over. Where a moment counts, the clock is looked at.
  void note_used(clock::time_point began) noexcept {
    last_used = wire.speaks() == protocol_choice::classic ? clock::now() : began;
  }

  // Failures of abandoned requests since this was last asked.
  std::uint64_t take_unclaimed() noexcept {
    return wire.unclaimed_errors() - std::exchange(reported, wire.unclaimed_errors());
  }

  std::uint64_t reported = 0;
  wait_gate gate;

 private:
  transport::transfer look_or_wait(std::span<const std::span<char>> room);
};

}  // namespace memcxx::engine
