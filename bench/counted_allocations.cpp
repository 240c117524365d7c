// malloc and its kin, counted. operator new of libstdc++ calls them.
#include <cerrno>
#include <cstddef>

#include "counted.hpp"

namespace {

constinit thread_local std::uint64_t made = 0;

}  // namespace

namespace memcxx::bench {

std::uint64_t allocations_of_this_thread() noexcept { return made; }

}  // namespace memcxx::bench

// Sanitizers have these functions to themselves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

extern "C" {

void* __libc_malloc(std::size_t n) noexcept;
void* __libc_calloc(std::size_t n, std::size_t size) noexcept;
void* __libc_realloc(void* p, std::size_t n) noexcept;
void* __libc_memalign(std::size_t alignment, std::size_t n) noexcept;

void* malloc(std::size_t n) noexcept {
  ++made;
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
  ++made;
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) noexcept {
  ++made;
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  ++made;
  return __libc_memalign(alignment, n);
}
void* memalign(std::size_t alignment, std::size_t n) noexcept {
  ++made;
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t n) noexcept {
  ++made;
  *out = __libc_memalign(alignment, n);
  return *out == nullptr ? ENOMEM : 0;
}

}  // extern "C"

#endif
