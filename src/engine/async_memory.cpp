// Memory that a thread's calls use one after the other: who is called back mostly makes the next
// call, of the same size. See async_operation.hpp.
// Never here: what lies in it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

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

struct memory_of_thread {
  enum class state : std::uint8_t { fresh, kept, over };
  state now = state::fresh;
  std::array<pile, sizes> piles{};

  void clear() noexcept {
    now = state::over;
    for (pile& p : piles) {
      while (p.first != nullptr) ::operator delete(std::exchange(p.first, p.first->next));
      p.count = 0;
    }
  }
};
thread_local constinit memory_of_thread own;

// Ends with the thread, if it was looked at. What else ends with it may have calls' memory, too.
struct clearing {
  bool begun = false;
  ~clearing() { own.clear(); }
};
thread_local constinit clearing at_the_end;

[[gnu::noinline]] bool begin_to_keep() noexcept {
  if (!keeps || own.now == memory_of_thread::state::over) return false;
  at_the_end.begun = true;
  own.now = memory_of_thread::state::kept;
  return true;
}

constexpr std::size_t size_of(std::size_t bytes) noexcept { return (bytes - 1) / grain; }

}  // namespace

void* call_memory::take(std::size_t bytes) {
  const std::size_t size = size_of(bytes);
  if (size >= sizes) return ::operator new(bytes);
  pile& p = own.piles[size];
  if (p.first == nullptr) return ::operator new((size + 1) * grain);
  --p.count;
  return std::exchange(p.first, p.first->next);
}

void call_memory::give_back(void* what, std::size_t bytes) noexcept {
  const std::size_t size = size_of(bytes);
  if (size >= sizes) return ::operator delete(what);
  memory_of_thread& mine = own;
  pile& p = mine.piles[size];
  if (mine.now != memory_of_thread::state::kept && !begin_to_keep()) return ::operator delete(what);
  if (p.count == most_kept) return ::operator delete(what);
  p.first = ::new (what) piece{p.first};
  ++p.count;
}

}  // namespace memcxx::detail
