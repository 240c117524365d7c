// What decompressing costs in memory, whatever a value claims to be: counted by a hook in operator
// new, which is where strings come from. Never here: which error a damaged value is.
#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <malloc.h>
#include <new>
#include <sys/resource.h>

#include "bombs.hpp"
#include "compressing.hpp"

// The thread sanitizer's runtime has its own operator new, and leaves no place for another: in that
// build memory is not counted. A sanitizer of addresses holds memory back that was freed: what the
// process takes says nothing there.
#define MEMCXX_COUNTS_MEMORY 1
#define MEMCXX_COUNTS_PROCESS 1
#if defined(__SANITIZE_THREAD__)
#undef MEMCXX_COUNTS_MEMORY
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#undef MEMCXX_COUNTS_PROCESS
#endif
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef MEMCXX_COUNTS_MEMORY
#endif
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#undef MEMCXX_COUNTS_PROCESS
#endif
#endif

namespace {

std::atomic<std::size_t> in_use{0};
std::atomic<std::size_t> peak{0};

}  // namespace

#ifdef MEMCXX_COUNTS_MEMORY
namespace {

std::atomic<std::size_t> refused_from{std::numeric_limits<std::size_t>::max()};

void* counted(std::size_t n) noexcept {
  if (n >= refused_from) return nullptr;
  void* const p = std::malloc(n == 0 ? 1 : n);
  if (p == nullptr) return nullptr;
  const std::size_t now = in_use += malloc_usable_size(p);
  std::size_t before = peak;
  while (before < now && !peak.compare_exchange_weak(before, now)) {
  }
  return p;
}
void* counted_or_throw(std::size_t n) {
  if (void* const p = counted(n)) return p;
  throw std::bad_alloc();
}
void given_back(void* p) noexcept {
  if (p != nullptr) in_use -= malloc_usable_size(p);
  std::free(p);
}

}  // namespace

void* operator new(std::size_t n) { return counted_or_throw(n); }
void* operator new[](std::size_t n) { return counted_or_throw(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return counted(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return counted(n); }
void operator delete(void* p) noexcept { given_back(p); }
void operator delete[](void* p) noexcept { given_back(p); }
void operator delete(void* p, std::size_t) noexcept { given_back(p); }
void operator delete[](void* p, std::size_t) noexcept { given_back(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { given_back(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { given_back(p); }
#endif

namespace memcxx::codecs::compressing {
namespace {

constexpr std::size_t giga = std::size_t{1} << 30;
constexpr std::size_t little = 4'096;  // an error and its words

// The most that was in use at a time, over what was in use before. 0 where it is not counted.
template <class Work>
std::size_t peak_of(Work work) {
  const std::size_t before = in_use;
  peak = before;
  work();
  return peak - before;
}

// Of the whole process, with what the libraries take for themselves; 0 where it would not tell.
std::size_t resident() {
#ifdef MEMCXX_COUNTS_PROCESS
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
#else
  return 0;
#endif
}

// Decompresses what is no value under a limit of 1 MiB, and answers what that took at most.
std::size_t cost_of(compressor c, const std::string& in, errc expected) {
  const method m(c);
  std::string out;
  const std::size_t before = resident();
  const std::size_t cost = peak_of([&] {
    const auto done = m.decompress(in, mega, out);
    EXPECT_EQ(done ? errc::ok : done.error().code(), expected);
  });
  EXPECT_EQ(out, "");
  EXPECT_LE(resident(), before + 8 * mega);
  return cost;
}

TEST(compress_memory, the_bombs_are_values_when_they_are_small) {
  const std::size_t size = 258 * 1'000 + 1;
  const std::string zeros(size, '\0');
  EXPECT_EQ(method(compressor::lz4).unpacked(lz4_zeros(size, size)), zeros);
  EXPECT_EQ(method(compressor::zlib).unpacked(zlib_zeros(size)), zeros);
  EXPECT_EQ(method(compressor::zstd).unpacked(zstd_zeros(size)), zeros);
  EXPECT_EQ(method(compressor::zstd).unpacked(zstd_zeros(size, size)), zeros);
}

TEST(compress_memory, a_gigabyte_of_zeros_is_too_large_and_costs_no_more_than_the_limit) {
  // In one piece with a size that is true, nothing is even begun.
  EXPECT_LE(cost_of(compressor::lz4, lz4_zeros(giga, giga), errc::value_too_large), little);
  EXPECT_LE(cost_of(compressor::zstd, zstd_zeros(giga, giga), errc::value_too_large), little);
  // Otherwise the limit is all: with the half of it that it grew out of, where that is moved.
  EXPECT_LE(cost_of(compressor::zlib, zlib_zeros(giga / 258 * 258 + 1), errc::value_too_large),
            mega * 3 / 2 + little);
  EXPECT_LE(cost_of(compressor::zstd, zstd_zeros(giga), errc::value_too_large), mega + little);
}

TEST(compress_memory, a_size_that_is_a_lie_costs_no_more_than_the_limit) {
  EXPECT_LE(cost_of(compressor::lz4, lz4_zeros(giga, mega), errc::corrupt_value), mega + little);
  EXPECT_LE(cost_of(compressor::lz4, lz4_zeros(giga, 10), errc::corrupt_value), little);
  EXPECT_LE(cost_of(compressor::zstd, zstd_zeros(giga, mega), errc::corrupt_value), mega + little);
  EXPECT_LE(cost_of(compressor::zstd, zstd_zeros(giga, 10), errc::corrupt_value), little);
}

TEST(compress_memory, a_size_that_the_input_cannot_pay_for_costs_nothing) {
  // Of a few bytes that say that they are the limit.
  EXPECT_LE(cost_of(compressor::lz4, lz4_zeros(100, mega), errc::corrupt_value), little);
  EXPECT_LE(cost_of(compressor::zstd, zstd_zeros(100, mega), errc::corrupt_value), little);
  // Within the format's own ratio, where 22 blocks could be 1 MiB, it is tried with little, and
  // with more only once that was full.
  const auto with_empty_blocks = [](std::size_t really) {
    std::string in = zstd_zeros(really, mega);
    return in.insert(in.size() - 4, std::string(std::size_t{3} * 20, '\0'));
  };
  EXPECT_LE(cost_of(compressor::zstd, with_empty_blocks(100), errc::corrupt_value), 2 * little);
  EXPECT_LE(cost_of(compressor::zstd, with_empty_blocks(20'000), errc::corrupt_value), mega / 8);
}

TEST(compress_memory, a_value_that_is_refused_for_its_length_took_less_than_itself) {
  std::mt19937 random(31);
  for (const compressor c : every_compressor) {
    const method m(c);
    const std::string value = value_of(kind::text, mega, random);
    const std::string noise = value_of(kind::noise, mega, random);
    std::string out;
    EXPECT_LE(peak_of([&] { EXPECT_FALSE(m.compress(value, 1'000, out).value()); }), 2 * little)
        << name_of(c);
    EXPECT_LE(peak_of([&] { EXPECT_FALSE(m.compress(noise, mega, out).value()); }), mega + little)
        << name_of(c);
  }
}

TEST(compress_memory, what_comes_out_is_held_once) {
  std::mt19937 random(32);
  for (const compressor c : every_compressor) {
    const method m(c);
    for (const kind k : every_kind) {
      const std::string packed = m.packed(value_of(k, mega, random));
      std::string out;
      const std::size_t cost = peak_of([&] { EXPECT_TRUE(m.decompress(packed, 100 * mega, out)); });
      // zlib does not say how long it is: room is doubled, and moved.
      EXPECT_LE(cost, (c == compressor::zlib ? 4 : 1) * mega + little) << name_of(c);
    }
  }
}

#ifdef MEMCXX_COUNTS_MEMORY
TEST(compress_memory, memory_that_runs_out_is_an_error) {
  std::mt19937 random(33);
  for (const compressor c : every_compressor) {
    const method m(c);
    const std::string value = value_of(kind::text, mega, random);
    const std::string packed = m.packed(value);
    std::string out;
    refused_from = 100'000;
    const auto done = m.decompress(packed, 2 * mega, out);
    const std::string as_it_was = out;
    out = "as it was";
    const auto made = m.compress(value, any_size, out);
    refused_from = any_size;
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), errc::out_of_memory) << name_of(c);
    EXPECT_EQ(as_it_was, "");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error(), errc::out_of_memory) << name_of(c);
    EXPECT_EQ(out, "as it was");
    EXPECT_EQ(m.unpacked(packed, mega), value);
  }
}
#endif

}  // namespace
}  // namespace memcxx::codecs::compressing
