// Output that a library writes straight into a string, and what becomes of an allocation that
// fails. Never here: any one compressor.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include <memcxx/error.hpp>

namespace memcxx::codecs {

// Runs `work`, which answers with a result. An allocation that fails in it is out_of_memory.
template <class Work>
auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return std::unexpected(error(errc::out_of_memory));
  } catch (const std::length_error&) {
    return std::unexpected(error(errc::out_of_memory));
  }
}

// Has `write` put bytes behind those of `out`, where `room` bytes are free, and answers how many it
// says that it put there. `write` must not throw.
template <class Write>
std::size_t append_written(std::string& out, std::size_t room, Write write) {
  const std::size_t before = out.size();
  std::size_t made = 0;
  out.resize_and_overwrite(before + room, [&](char* all, std::size_t) {
    made = write(all + before);
    return before + made;
  });
  return made;
}

// Makes `out` `size` bytes long, of which the first `used` are kept. What lies behind them has no
// value until it is written. Takes no more memory than that; a string that grows by itself would.
inline void grow(std::string& out, std::size_t used, std::size_t size) {
  if (size <= out.capacity()) {
    out.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
    return;
  }
  std::string larger;
  larger.resize_and_overwrite(size, [&](char* to, std::size_t) {
    std::memcpy(to, out.data(), used);
    return size;
  });
  out = std::move(larger);
}

inline std::unexpected<error> corrupt(std::string what) {
  return std::unexpected(error(errc::corrupt_value, std::move(what)));
}

}  // namespace memcxx::codecs
