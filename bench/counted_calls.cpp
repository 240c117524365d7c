// The system calls that clients make, counted and passed on to the C library's. Its headers are not
// included: each function here is declared once, by its parameters' sizes.
#include <algorithm>
#include <cstddef>
#include <dlfcn.h>

#include "counted.hpp"

namespace {

constinit thread_local memcxx::bench::call_counts made = {};

consteval std::size_t place_of(std::string_view name) {
  const auto* const at = std::ranges::find(memcxx::bench::counted_calls, name);
  if (at == memcxx::bench::counted_calls.end()) throw "not in the list";
  return static_cast<std::size_t>(at - memcxx::bench::counted_calls.begin());
}

template <class Function>
Function* next(const char* name) noexcept {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

namespace memcxx::bench {

const call_counts& calls_of_this_thread() noexcept { return made; }

}  // namespace memcxx::bench

// NAME counts as SHOWN: what is compiled with _FORTIFY_SOURCE calls __recv_chk for recv. Kept
// short: what is measured includes it.
#define COUNTED_AS(shown, result, name, parameters, arguments) \
  extern "C" result name parameters {                          \
    using function = result parameters;                        \
    static constinit function* real = nullptr;                 \
    if (real == nullptr) [[unlikely]]                          \
      real = next<function>(#name);                            \
    ++made[place_of(shown)];                                   \
    return real arguments;                                     \
  }
#define COUNTED(result, name, parameters, arguments) \
  COUNTED_AS(#name, result, name, parameters, arguments)

using bytes = std::ptrdiff_t;
using size = std::size_t;
using length = unsigned;  // socklen_t

COUNTED(bytes, send, (int a, const void* b, size c, int d), (a, b, c, d))
COUNTED(bytes, sendto, (int a, const void* b, size c, int d, const void* e, length f),
        (a, b, c, d, e, f))
COUNTED(bytes, sendmsg, (int a, const void* b, int c), (a, b, c))
COUNTED(bytes, recv, (int a, void* b, size c, int d), (a, b, c, d))
COUNTED(bytes, recvfrom, (int a, void* b, size c, int d, void* e, void* f), (a, b, c, d, e, f))
COUNTED(bytes, recvmsg, (int a, void* b, int c), (a, b, c))
COUNTED(bytes, read, (int a, void* b, size c), (a, b, c))
COUNTED(bytes, write, (int a, const void* b, size c), (a, b, c))
COUNTED(bytes, readv, (int a, const void* b, int c), (a, b, c))
COUNTED(bytes, writev, (int a, const void* b, int c), (a, b, c))
COUNTED(int, poll, (void* a, unsigned long b, int c), (a, b, c))
COUNTED(int, ppoll, (void* a, unsigned long b, const void* c, const void* d), (a, b, c, d))
COUNTED(int, epoll_wait, (int a, void* b, int c, int d), (a, b, c, d))
COUNTED(int, epoll_ctl, (int a, int b, int c, void* d), (a, b, c, d))
COUNTED(int, epoll_pwait, (int a, void* b, int c, int d, const void* e), (a, b, c, d, e))
COUNTED(int, setsockopt, (int a, int b, int c, const void* d, length e), (a, b, c, d, e))
COUNTED(int, getsockopt, (int a, int b, int c, void* d, void* e), (a, b, c, d, e))
COUNTED(int, connect, (int a, const void* b, length c), (a, b, c))
COUNTED(int, timerfd_settime, (int a, int b, const void* c, void* d), (a, b, c, d))
COUNTED(int, close, (int a), (a))
COUNTED(int, sched_yield, (), ())
COUNTED(int, clock_nanosleep, (int a, int b, const void* c, void* d), (a, b, c, d))
// futex, which the library of C++ waits with.
COUNTED(long, syscall, (long n, long a, long b, long c, long d, long e, long f),
        (n, a, b, c, d, e, f))
COUNTED_AS("recv", bytes, __recv_chk, (int a, void* b, size c, size d, int e), (a, b, c, d, e))
COUNTED_AS("recvfrom", bytes, __recvfrom_chk,
           (int a, void* b, size c, size d, int e, void* f, void* g), (a, b, c, d, e, f, g))
COUNTED_AS("read", bytes, __read_chk, (int a, void* b, size c, size d), (a, b, c, d))
COUNTED_AS("poll", int, __poll_chk, (void* a, unsigned long b, int c, size d), (a, b, c, d))
COUNTED_AS("ppoll", int, __ppoll_chk,
           (void* a, unsigned long b, const void* c, const void* d, size e), (a, b, c, d, e))
