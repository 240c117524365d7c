// What the whole program allocates, and how often it asks the kernel to send, to receive and to
// wait: counted by a malloc and by send() and its likes of its own. Sanitizers have these functions
// to themselves; in their builds nothing is counted.
// Never here: what is too much (memory_test, many_test).
#pragma once

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMCXX_COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define MEMCXX_COUNTS 0
#endif
#endif
#ifndef MEMCXX_COUNTS
#define MEMCXX_COUNTS 1
#endif

namespace memcxx::test {

struct counters {
  std::atomic<std::size_t> allocations{0};  // malloc, calloc, realloc, aligned_alloc
  std::atomic<std::size_t> writes{0};       // send, sendmsg
  std::atomic<std::size_t> reads{0};        // recv, recvmsg
  std::atomic<std::size_t> waits{0};        // epoll_wait
};
extern constinit counters counted;

// How many of this thread's next calls of malloc and aligned_alloc succeed, before one that does
// not; below 0: all do.
extern thread_local constinit long mallocs_left;

// Bytes in use as malloc rounds them, headers included. Of the thread that began first, and what is
// mapped for any.
std::size_t bytes_in_use();

}  // namespace memcxx::test
