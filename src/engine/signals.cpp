// Which thread is the process's first. See signals.hpp.
#include "engine/signals.hpp"

#include <cstdint>
#include <unistd.h>

namespace memcxx::engine {

namespace {

// Asked once for each thread: two system calls.
enum class place : std::uint8_t { unknown, first, other };
thread_local place mine = place::unknown;

}  // namespace

bool is_first_thread() noexcept {
  if (mine == place::unknown) mine = ::gettid() == ::getpid() ? place::first : place::other;
  return mine == place::first;
}

void note_fork() noexcept { mine = place::unknown; }

}  // namespace memcxx::engine
