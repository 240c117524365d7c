// MD5 in the vectors of GCC and Clang: one text for every width, compiled for each target.
// Never here: what a digest is for; intrinsics.
#include "md5_lanes.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "md5.hpp"
#include "md5_steps.hpp"

// Rows are read as they lie in memory, so only where that is MD5's own order. Without vector
// registers a compiler would make single words of vectors, at a loss.
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && \
    (defined(__SSE2__) || defined(__ARM_NEON))
#define MEMCXX_MD5_VECTORS 1
#else
#define MEMCXX_MD5_VECTORS 0
#endif
#if MEMCXX_MD5_VECTORS && defined(__x86_64__)
#define MEMCXX_MD5_X86 1
#else
#define MEMCXX_MD5_X86 0
#endif

namespace memcxx::routing {
namespace {

void one_by_one(std::span<const std::string_view> keys, std::uint32_t* out) noexcept {
  for (const std::string_view key : keys) *out++ = md5_words(key)[0];
}

#if MEMCXX_MD5_VECTORS

// What follows is always inlined into a function that names its target, and so compiled for it. It
// takes vectors by reference: by value they would be passed in registers that a target may lack.
#define MEMCXX_INLINE [[gnu::always_inline]] inline

template <int Lanes>
struct vector_of {
  typedef std::uint32_t type __attribute__((vector_size(Lanes * sizeof(std::uint32_t))));
};
template <int Lanes>
using vector = typename vector_of<Lanes>::type;

// Fewer keys are done one by one: a group costs as much for one as for all, two to three times what
// one key by itself does.
constexpr std::size_t fewest = 3;

// The keys of a group, each in a row of its own as MD5 pads it, except for the length.
template <std::size_t Keys>
struct group_of {
  alignas(64) char rows[Keys][md5_block_size];
  alignas(64) std::uint32_t bits[Keys];
};

// At most md5_one_block bytes, in copies of fixed sizes that may overlap: a call that takes a size
// costs more than the copy.
MEMCXX_INLINE void copy_short(char* to, const char* from, std::size_t n) noexcept {
  if (n >= 16) {
    std::memcpy(to, from, 16);
    if (n > 32) {
      std::memcpy(to + 16, from + 16, 16);
      if (n > 48) std::memcpy(to + 32, from + 32, 16);
    }
    std::memcpy(to + n - 16, from + n - 16, 16);
  } else if (n >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + n - 4, from + n - 4, 4);
  } else if (n > 0) {
    to[0] = from[0];
    to[n / 2] = from[n / 2];
    to[n - 1] = from[n - 1];
  }
}

// out[i] = the word Index(i) of a and b, which stand behind each other.
template <auto Index, class Out, class In, int... I>
MEMCXX_INLINE void pick_words(Out& out, const In& a, const In& b,
                              std::integer_sequence<int, I...>) noexcept {
  out = __builtin_shufflevector(a, b, Index(I)...);
}
template <auto Index, class Out, class In>
MEMCXX_INLINE void pick_words(Out& out, const In& a, const In& b) noexcept {
  pick_words<Index>(out, a, b, std::make_integer_sequence<int, int{sizeof out / 4}>());
}

// Four words of each fourth row from this one on, a row to each four lanes.
template <int Lanes>
MEMCXX_INLINE void load_rows(vector<Lanes>& out, const char* row) noexcept {
  if constexpr (Lanes == 4) {
    std::memcpy(&out, row, sizeof out);
  } else {
    vector<Lanes / 2> low, high;
    load_rows<Lanes / 2>(low, row);
    load_rows<Lanes / 2>(high, row + Lanes / 2 * md5_block_size);
    pick_words<[](int i) { return i; }>(out, low, high);
  }
}

// Four words of as many rows as there are lanes: words[i] gets the i-th of each row. Rows go in
// and words come out in fours, so that nothing crosses the 128-bit parts of a register.
template <int Lanes>
MEMCXX_INLINE void transpose(vector<Lanes>* words, const char* rows) noexcept {
  // Within each four lanes: the first or last two of a and of b, mixed word by word or in twos.
  constexpr auto low_words = [](int i) { return i / 4 * 4 + i % 4 / 2 + i % 2 * Lanes; };
  constexpr auto high_words = [](int i) { return i / 4 * 4 + i % 4 / 2 + i % 2 * Lanes + 2; };
  constexpr auto low_twos = [](int i) { return i / 4 * 4 + i % 2 + i % 4 / 2 * Lanes; };
  constexpr auto high_twos = [](int i) { return i / 4 * 4 + i % 2 + i % 4 / 2 * Lanes + 2; };
  vector<Lanes> row[4];
  for (std::size_t i = 0; i < 4; ++i) load_rows<Lanes>(row[i], rows + i * md5_block_size);
  vector<Lanes> low01, high01, low23, high23;
  pick_words<low_words>(low01, row[0], row[1]);
  pick_words<high_words>(high01, row[0], row[1]);
  pick_words<low_words>(low23, row[2], row[3]);
  pick_words<high_words>(high23, row[2], row[3]);
  pick_words<low_twos>(words[0], low01, low23);
  pick_words<high_twos>(words[1], low01, low23);
  pick_words<low_twos>(words[2], high01, high23);
  pick_words<high_twos>(words[3], high01, high23);
}

template <std::size_t Step, class Vector>
MEMCXX_INLINE void run_step(Vector* s, const Vector* words) noexcept {
  constexpr md5_step step = md5_steps[Step];
  Vector& a = s[(64 - Step) % 4];
  const Vector& b = s[(65 - Step) % 4];
  Vector sum;
  md5_mix<Step / 16>(sum, b, s[(66 - Step) % 4], s[(67 - Step) % 4]);
  sum += a + (words[step.word] + step.constant);
  a = b + ((sum << step.rotation) | (sum >> (32 - step.rotation)));
}

// Several vectors are taken through each step together: the next step waits for the last, and one
// vector would leave most of a core idle.
template <int Lanes, std::size_t Vectors>
MEMCXX_INLINE void hash_group(const group_of<Lanes * Vectors>& group, std::size_t longest,
                              std::uint32_t* out) noexcept {
  using lanes = vector<Lanes>;
  lanes words[Vectors][16];
  lanes s[Vectors][4];
  const lanes zero = {};
  // Four words at a time, as far as a key or the byte behind it reaches.
  for (std::size_t w = 0; w < 16; w += 4) {
    for (std::size_t v = 0; v < Vectors; ++v) {
      if (w * 4 <= longest) {
        transpose<Lanes>(words[v] + w, group.rows[v * Lanes] + w * 4);
      } else {
        for (std::size_t i = 0; i < 4; ++i) words[v][w + i] = zero;
      }
    }
  }
  for (std::size_t v = 0; v < Vectors; ++v) {
    std::memcpy(&words[v][14], group.bits + v * Lanes, sizeof(lanes));
    for (std::size_t i = 0; i < 4; ++i) s[v][i] = zero + md5_begin[i];
  }
  const auto step = [&]<std::size_t Step>() __attribute__((always_inline)) {
    for (std::size_t v = 0; v < Vectors; ++v) run_step<Step>(s[v], words[v]);
  };
  // The first word is complete three steps before the end.
  [&]<std::size_t... Step>(std::index_sequence<Step...>) __attribute__((always_inline)) {
    (step.template operator()<Step>(), ...);
  }(std::make_index_sequence<md5_steps.size() - 3>());
  for (std::size_t v = 0; v < Vectors; ++v) {
    s[v][0] += md5_begin[0];
    std::memcpy(out + v * Lanes, &s[v][0], sizeof(lanes));
  }
}

template <int Lanes, std::size_t Vectors>
MEMCXX_INLINE void hash_keys(std::span<const std::string_view> keys, std::uint32_t* out) noexcept {
  constexpr std::size_t most = Lanes * Vectors;
  group_of<most> group;
  std::array<std::size_t, most> members;  // which keys
  std::array<std::uint32_t, most> words;
  for (std::size_t next = 0; next < keys.size();) {
    // The next keys that fit; those that take more than a block are done on the way.
    std::size_t n = 0, longest = 0;
    for (; n < most && next < keys.size(); ++next) {
      const std::size_t size = keys[next].size();
      if (size > md5_one_block) {
        out[next] = md5_words(keys[next])[0];
        continue;
      }
      longest = std::max(longest, size);
      members[n++] = next;
    }
    if (n < fewest) {
      for (std::size_t i = 0; i < n; ++i) out[members[i]] = md5_words(keys[members[i]])[0];
      continue;
    }
    std::memset(&group, 0, sizeof group);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string_view key = keys[members[i]];
      copy_short(group.rows[i], key.data(), key.size());
      group.rows[i][key.size()] = static_cast<char>(0x80);
      group.bits[i] = static_cast<std::uint32_t>(key.size() * 8);
    }
    hash_group<Lanes, Vectors>(group, longest, words.data());
    for (std::size_t i = 0; i < n; ++i) out[members[i]] = words[i];
  }
}

void vectors(std::span<const std::string_view> keys, std::uint32_t* out) noexcept {
  hash_keys<4, 2>(keys, out);
}

#if MEMCXX_MD5_X86
__attribute__((target("avx2"))) void avx2(std::span<const std::string_view> keys,
                                          std::uint32_t* out) noexcept {
  hash_keys<8, 2>(keys, out);
}

// For its rotations and its functions of three words. The registers stay those of AVX2: some
// processors slow down for a while once wider ones are used.
__attribute__((target("avx2,avx512f,avx512vl"))) void avx512(std::span<const std::string_view> keys,
                                                             std::uint32_t* out) noexcept {
  hash_keys<8, 2>(keys, out);
}
#endif

#endif

}  // namespace

bool md5_can(md5_way way) noexcept {
  if (way == md5_way::one_by_one) return true;
  if (way == md5_way::vectors) return MEMCXX_MD5_VECTORS != 0;
#if MEMCXX_MD5_X86
  __builtin_cpu_init();
  if (way == md5_way::avx2) return __builtin_cpu_supports("avx2") != 0;
  if (way == md5_way::avx512) {
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  }
#endif
  return false;
}

// What a key of 21 bytes costs, in instructions: 737 one by one, 291 with SSE2, 162 with AVX2,
// which also takes a sixth of the time; AVX-512 takes a fifth less time than AVX2.
md5_way md5_best_way() noexcept {
  static const md5_way best = [] {
    for (const md5_way way : {md5_way::avx512, md5_way::avx2, md5_way::vectors}) {
      if (md5_can(way)) return way;
    }
    return md5_way::one_by_one;
  }();
  return best;
}

void md5_first_words(std::span<const std::string_view> keys,
                     std::span<std::uint32_t> out) noexcept {
  md5_first_words(keys, out, md5_best_way());
}

void md5_first_words(std::span<const std::string_view> keys, std::span<std::uint32_t> out,
                     md5_way way) noexcept {
  switch (way) {
#if MEMCXX_MD5_X86
    case md5_way::avx512:
      return avx512(keys, out.data());
    case md5_way::avx2:
      return avx2(keys, out.data());
#endif
#if MEMCXX_MD5_VECTORS
    case md5_way::vectors:
      return vectors(keys, out.data());
#endif
    default:
      return one_by_one(keys, out.data());
  }
}

}  // namespace memcxx::routing
