// Which bytes a text key may hold, looked at many at once. Inline, for loops over many keys.
// Never here: lengths, words about what is wrong (request.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <memcxx/protocol/request.hpp>

namespace memcxx::protocol::key_bytes {

inline constexpr std::uint64_t every_byte = 0x0101010101010101U;

// Whether one of eight bytes is at or below 0x20, or is 0x7f: subtracting 0x21 turns the highest
// bit of the former on, adding 1 that of the latter. A subtraction can borrow from the byte above,
// but only for a byte that is itself a finding, so the answer for all eight is exact.
constexpr bool finds_unsafe(std::uint64_t eight) noexcept {
  const std::uint64_t low = eight - every_byte * 0x21;
  const std::uint64_t rubout = (eight & every_byte * 0x7f) + every_byte;
  return ((low | rubout) & ~eight & every_byte * 0x80) != 0;
}

inline std::uint64_t eight_at(const char* from) noexcept {
  std::uint64_t eight;
  std::memcpy(&eight, from, sizeof eight);
  return eight;
}

#if defined(__SSE2__)
// The same for sixteen: of a byte above 0x20, 0x21 is the lesser of the two.
inline bool finds_unsafe(__m128i sixteen) noexcept {
  const __m128i first = _mm_set1_epi8(0x21);
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(sixteen, first), first);
  const __m128i rubout = _mm_cmpeq_epi8(sixteen, _mm_set1_epi8(0x7f));
  return _mm_movemask_epi8(_mm_andnot_si128(rubout, low)) != 0xffff;
}

inline __m128i sixteen_at(const char* from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
#endif

inline bool all_safe(std::string_view bytes) noexcept {
  const char* at = bytes.data();
  const std::size_t size = bytes.size();
#if defined(__SSE2__)
  if (size >= 16) {
    const char* last = at + (size - 16);
    for (; at < last; at += 16)
      if (finds_unsafe(sixteen_at(at))) return false;
    return !finds_unsafe(sixteen_at(last));  // overlaps what was looked at already
  }
#endif
  if (size >= 8) {
    const char* last = at + (size - 8);
    for (; at < last; at += 8)
      if (finds_unsafe(eight_at(at))) return false;
    return !finds_unsafe(eight_at(last));
  }
  std::uint64_t eight = every_byte * '0';
  if (size >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, at, sizeof first);
    std::memcpy(&last, at + (size - 4), sizeof last);
    eight = std::uint64_t{first} << 32 | last;
  } else {
    for (std::size_t i = 0; i < size; ++i) eight = eight << 8 | static_cast<unsigned char>(at[i]);
  }
  return !finds_unsafe(eight);
}

// Whether check_key() has nothing against a text key without a prefix. If not, that is to be asked.
inline bool is_surely_fit(std::string_view prefix, std::string_view key) noexcept {
  return prefix.empty() && !key.empty() && key.size() <= max_key_size && all_safe(key);
}

}  // namespace memcxx::protocol::key_bytes
