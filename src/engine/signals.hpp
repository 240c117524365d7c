// What a call that waits owes to signals (options::on_interrupt).
// Never here: waiting itself.
#pragma once

#include <algorithm>
#include <chrono>

#include <memcxx/options.hpp>

namespace memcxx::engine {

// A signal that comes just before a wait does not interrupt it, and one that another thread takes
// does not either. So nobody who is to hear of signals waits for longer than this at a time.
inline constexpr std::chrono::milliseconds longest_unheard{200};

// Until when to wait at a time.
inline std::chrono::steady_clock::time_point wake_for_signals(
    const options& o, std::chrono::steady_clock::time_point now,
    std::chrono::steady_clock::time_point until) noexcept {
  return o.on_interrupt ? std::min(until, now + longest_unheard) : until;
}

// A wait was interrupted, or is over in vain. May throw what the user's function throws. With no
// lock held.
inline void hear_signals(const options& o) {
  if (o.on_interrupt) o.on_interrupt();
}

// Whether this thread is the process's first: the one that signals to the process go to as long as
// it takes them, and the only one in which some languages run their handlers.
[[nodiscard]] bool is_first_thread() noexcept;

// In a child of a fork, whose only thread is its first.
void note_fork() noexcept;

}  // namespace memcxx::engine
