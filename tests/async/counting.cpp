// The program's own malloc, send, recv and epoll_wait. See counting.hpp.
#include "counting.hpp"

#include <cstdlib>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace memcxx::test {

constinit counters counted;
thread_local constinit long mallocs_left = -1;

std::size_t bytes_in_use() {
  const auto now = ::mallinfo2();
  return now.uordblks + now.hblkhd;
}

}  // namespace memcxx::test

#if MEMCXX_COUNTS

namespace {

using memcxx::test::counted;
using memcxx::test::mallocs_left;

void count(std::atomic<std::size_t>& what) noexcept {
  what.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t n) noexcept;
void* __libc_calloc(std::size_t n, std::size_t size) noexcept;
void* __libc_realloc(void* p, std::size_t n) noexcept;
void* __libc_memalign(std::size_t alignment, std::size_t n) noexcept;

void* malloc(std::size_t n) noexcept {
  count(counted.allocations);
  if (mallocs_left >= 0 && mallocs_left-- == 0) return nullptr;
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
  count(counted.allocations);
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) noexcept {
  count(counted.allocations);
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  count(counted.allocations);
  if (mallocs_left >= 0 && mallocs_left-- == 0) return nullptr;
  return __libc_memalign(alignment, n);
}

ssize_t send(int fd, const void* bytes, std::size_t n, int flags) {
  count(counted.writes);
  return ::syscall(SYS_sendto, fd, bytes, n, flags, nullptr, 0);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  count(counted.writes);
  return ::syscall(SYS_sendmsg, fd, message, flags);
}
ssize_t recv(int fd, void* bytes, std::size_t n, int flags) {
  count(counted.reads);
  return ::syscall(SYS_recvfrom, fd, bytes, n, flags, nullptr, nullptr);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  count(counted.reads);
  return ::syscall(SYS_recvmsg, fd, message, flags);
}
int epoll_wait(int epoll, epoll_event* events, int n, int timeout) {
  count(counted.waits);
  return static_cast<int>(::syscall(SYS_epoll_pwait, epoll, events, n, timeout, nullptr, 0));
}

}  // extern "C"

#endif
