// What a thread has asked of the allocator and of the kernel: the program has its own malloc and
// its own send, recv, poll, … for that, which count and pass on. Counting inside the program leaves
// its timing alone: under strace an answer is there before it is asked for, and a client that looks
// first and then waits seems to need no wait.
// Never here: how much was allocated, or sent; calls that the C library makes by itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace memcxx::bench {

std::uint64_t allocations_of_this_thread() noexcept;

inline constexpr std::array<std::string_view, 23> counted_calls = {
    "send",
    "sendto",
    "sendmsg",
    "recv",
    "recvfrom",
    "recvmsg",
    "read",
    "write",
    "readv",
    "writev",
    "poll",
    "ppoll",
    "epoll_wait",
    "epoll_ctl",
    "epoll_pwait",
    "setsockopt",
    "getsockopt",
    "connect",
    "timerfd_settime",
    "close",
    "sched_yield",
    "clock_nanosleep",
    "syscall",
};
using call_counts = std::array<std::uint64_t, counted_calls.size()>;
const call_counts& calls_of_this_thread() noexcept;

}  // namespace memcxx::bench
