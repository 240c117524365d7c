// Memory that a thread's calls use one after the other: who is called back mostly makes the next
// call, of the same size. See async_operation.hpp.
// Never here: what lies in it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include <memcxx/async_operation.hpp>

namespace memcxx::detail {

namespace {

// Sanitizers watch every piece from its beginning to its end.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keeps = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool keeps = false;
#else
constexpr bool keeps = true;
#endif
#else
constexpr bool keeps = true;
#endif

constexpr std::size_t grain = 64;  // sizes differ by this
constexpr std::size_t sizes = 32;

struct piece {
  piece* next;
};
struct pile {
  piece* first;
  std::size_t count;
};

thread_local constinit std::array<pile, sizes> piles{};
thread_local constinit bool thread_ends = false;

void clear() noexcept {
  for (pile& p : piles) {
    while (p.first != nullptr) {
      piece* const gone = p.first;
      p.first = gone->next;
      ::operator delete(gone);
    }
    p.count = 0;
  }
}

// Ends with the thread, if it was ever looked at.
struct clearing {
  bool set = false;
  ~clearing() {
    thread_ends = true;
    clear();
  }
};
thread_local clearing at_the_end;

constexpr std::size_t size_of(std::size_t bytes) noexcept { return (bytes - 1) / grain; }

}  // namespace

void* call_memory::take(std::size_t bytes) {
  const std::size_t size = size_of(bytes);
  if (size >= sizes) return ::operator new(bytes);
  pile& p = piles[size];
  if (p.first == nullptr) return ::operator new((size + 1) * grain);
  piece* const taken = p.first;
  p.first = taken->next;
  --p.count;
  return taken;
}

void call_memory::give_back(void* what, std::size_t bytes) noexcept {
  const std::size_t size = size_of(bytes);
  if (!keeps || size >= sizes || piles[size].count == most_kept || thread_ends) {
    return ::operator delete(what);
  }
  pile& p = piles[size];
  if (p.count == 0) at_the_end.set = true;
  p.first = ::new (what) piece{p.first};
  ++p.count;
}

}  // namespace memcxx::detail
