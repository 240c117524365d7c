// The counters for programs in other languages: bench_counted.so is preloaded, and asked by name.
// Never here: counting.
#include <cstddef>
#include <cstdint>

#include "counted.hpp"

extern "C" {

std::uint64_t bench_allocations() noexcept { return memcxx::bench::allocations_of_this_thread(); }
std::uint64_t bench_calls(std::size_t i) noexcept {
  return memcxx::bench::calls_of_this_thread()[i];
}
// Null behind the last.
const char* bench_call_name(std::size_t i) noexcept {
  return i < memcxx::bench::counted_calls.size() ? memcxx::bench::counted_calls[i].data() : nullptr;
}

}  // extern "C"
