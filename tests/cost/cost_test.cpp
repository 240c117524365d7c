// What a call costs: allocations, and bytes copied in user space, by verb and size, on a real
// server. Prints the table of docs/ in Markdown, and holds the library to what it says of itself.
// A program of its own, because it has its own malloc, memcpy and memmove.
//
// What is seen: every malloc, calloc and realloc of the thread, and with them operator new; and
// every call of memcpy and memmove, those of libstdc++, zlib, lz4 and zstd included. What is not:
// copies that the compiler has put in place of a call (of a few bytes, of a known size), copies
// that compressors make in loops of their own, and what the kernel copies: each byte once from the
// socket and once to it. Never here: time (benchmarks).
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"

// Sanitizers have these functions to themselves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMCXX_COUNTS_COSTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define MEMCXX_COUNTS_COSTS 0
#endif
#endif
#ifndef MEMCXX_COUNTS_COSTS
#define MEMCXX_COUNTS_COSTS 1
#endif

namespace {

struct costs {
  std::size_t allocations = 0;
  std::size_t copied = 0;
};
constinit thread_local costs spent;

}  // namespace

#if MEMCXX_COUNTS_COSTS
extern "C" {

void* __libc_malloc(std::size_t n) noexcept;
void* __libc_calloc(std::size_t n, std::size_t size) noexcept;
void* __libc_realloc(void* p, std::size_t n) noexcept;

void* malloc(std::size_t n) noexcept {
  ++spent.allocations;
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
  ++spent.allocations;
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) noexcept {
  ++spent.allocations;
  return __libc_realloc(p, n);
}

// In assembler, or the compiler would make calls of themselves of them.
void* memcpy(void* __restrict to, const void* __restrict from, std::size_t n) noexcept {
  spent.copied += n;
  void* at = to;
  asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
  return to;
}
void* memmove(void* to, const void* from, std::size_t n) noexcept {
  const auto* const source = static_cast<const char*>(from);
  auto* const target = static_cast<char*>(to);
  if (target <= source || target >= source + n) return memcpy(to, from, n);
  spent.copied += n;
  void* at = target + n - 1;
  from = source + n - 1;
  asm volatile("std; rep movsb; cld" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
  return to;
}

}  // extern "C"
#endif

namespace memcxx::test {
namespace {

using std::string;
using namespace std::chrono_literals;

constexpr std::size_t sizes[] = {10, 1'000, 100'000, 1'000'000};
constexpr const char* size_names[] = {"10 B", "1 KB", "100 KB", "1 MB"};
// What comes with the head of a reply is in the receive buffer, and is copied from there.
constexpr std::size_t receive_buffer = 16 * 1024;
constexpr std::size_t a_little = 400;  // keys, heads, short strings

// The cost of the dearest of a few calls, once everything is warm.
costs cost_of(const std::function<void()>& call) {
  for (int i = 0; i < 5; ++i) call();
  costs most;
  for (int i = 0; i < 20; ++i) {
    const costs before = spent;
    call();
    most.allocations = std::max(most.allocations, spent.allocations - before.allocations);
    most.copied = std::max(most.copied, spent.copied - before.copied);
  }
  return most;
}

// Compresses well, as pages do.
string prose(std::size_t n) {
  string out;
  for (unsigned i = 0; out.size() < n; ++i) {
    out += "line " + std::to_string(i * 2654435761U) + " of a page like many others\n";
  }
  out.resize(n);
  return out;
}

class cost : public testing::TestWithParam<protocol_choice> {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<memcached_server>(transport::v4,
                                                 std::vector<string>{"-I", "4m", "-m", "512"});
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (!MEMCXX_COUNTS_COSTS) GTEST_SKIP() << "sanitizers have malloc and memcpy to themselves";
  }

  static client with(value_options values = {}) {
    memcxx::options o = settings_for(server_->address(), GetParam(), 10s);
    o.values = std::move(values);
    return client(std::move(o));
  }
  // A row of the table: a cost for each size.
  using row = std::vector<costs>;
  static row measure(const std::function<void(std::size_t)>& prepare,
                     const std::function<void(std::size_t)>& call) {
    row out;
    for (const std::size_t n : sizes) {
      prepare(n);
      out.push_back(cost_of([&] { call(n); }));
    }
    return out;
  }
  static void print(const string& name, const row& r) {
    std::printf("| %-42s | %-7s |", name.c_str(), string(name_of(GetParam())).c_str());
    for (const costs& c : r) std::printf(" %3zu / %7zu |", c.allocations, c.copied);
    std::printf("\n");
  }
  static void print_head() {
    std::printf("\n| allocations / bytes copied %-15s | %-7s |", "", "");
    for (const char* size : size_names) std::printf(" %13s |", size);
    std::printf("\n|%s|%s|", string(44, '-').c_str(), string(9, '-').c_str());
    for (const char* size : size_names) (void)size, std::printf("--------------:|");
    std::printf("\n");
  }

  static inline std::unique_ptr<memcached_server> server_;
};

TEST_P(cost, by_verb_and_size) {
  client cache = with();
  const auto put = [&](std::size_t n) { ASSERT_TRUE(ok(cache.set("key", prose(n)))); };
  const auto nothing = [](std::size_t) {};
  std::map<std::size_t, string> values;
  for (const std::size_t n : sizes) values[n] = prose(n);
  string buffer(2'000'000, '\0');
  std::size_t failed = 0;
  print_head();

  const row get =
      measure(put, [&](std::size_t n) { failed += cache.get("key")->value.size() != n; });
  print("get", get);
  const row get_typed =
      measure(put, [&](std::size_t n) { failed += cache.get<string>("key")->size() != n; });
  print("get<string>", get_typed);
  const auto put_text = [&](std::size_t n) { ASSERT_TRUE(ok(cache.set("key", text{prose(n)}))); };
  const row get_text =
      measure(put_text, [&](std::size_t n) { failed += cache.get<text>("key")->utf8.size() != n; });
  print("get<text>", get_text);
  const row get_into = measure(
      put, [&](std::size_t n) { failed += cache.get_into("key", buffer)->value.size() != n; });
  print("get_into", get_into);
  const row set = measure(nothing, [&](std::size_t n) { failed += !cache.set("key", values[n]); });
  print("set", set);
  const row set_typed =
      measure(nothing, [&](std::size_t n) { failed += !cache.set<string>("key", values[n]); });
  print("set<string>", set_typed);

  std::map<string, row> reads;
  std::map<string, row> stores;
  for (const compressor c : {compressor::lz4, compressor::zlib, compressor::zstd}) {
    const string name(name_of(c));
    client small = with({.min_compress = 100, .compressor = c});
    stores[name] =
        measure(nothing, [&](std::size_t n) { failed += !small.set<string>("key", values[n]); });
    print("set<string>, " + name, stores[name]);
    reads[name] =
        measure([&](std::size_t n) { ASSERT_TRUE(ok(small.set<string>("key", values[n]))); },
                [&](std::size_t n) { failed += small.get<string>("key")->size() != n; });
    print("get<string>, " + name, reads[name]);
  }
  client split = with({.split_over = 50'000});
  const row pieces =
      measure([&](std::size_t n) { ASSERT_TRUE(ok(split.set<string>("key", values[n]))); },
              [&](std::size_t n) { failed += split.get<string>("key")->size() != n; });
  print("get<string>, in pieces of 50 KB", pieces);

  std::vector<string> keys;
  for (int i = 0; i < 10; ++i) keys.push_back("key" + std::to_string(i));
  const auto put_many = [&](std::size_t n) {
    for (const string& key : keys) ASSERT_TRUE(ok(cache.set(key, values[n])));
  };
  const row many =
      measure(put_many, [&](std::size_t) { failed += cache.get_many(keys).hits() != 10; });
  print("get_many of 10 keys", many);
  const row many_typed =
      measure(put_many, [&](std::size_t) { failed += cache.get_many<string>(keys).hits() != 10; });
  print("get_many<string> of 10 keys", many_typed);
  std::printf("\n");
  EXPECT_EQ(failed, 0u);

  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    SCOPED_TRACE(size_names[i]);
    const std::size_t n = sizes[i];
    const std::size_t with_head = std::min(n, receive_buffer) + a_little;
    // A short string is in its object.
    const std::size_t one = n > 15 ? 1 : 0;
    EXPECT_EQ(get[i].allocations, one);
    EXPECT_EQ(get_typed[i].allocations, one);
    EXPECT_EQ(get_text[i].allocations, one);
    EXPECT_EQ(get_into[i].allocations, 0u);
    EXPECT_EQ(set[i].allocations, 0u);
    EXPECT_EQ(set_typed[i].allocations, 0u);
    for (const row& r : {get, get_typed, get_text, get_into}) EXPECT_LE(r[i].copied, with_head);
    for (const row& r : {set, set_typed}) EXPECT_LE(r[i].copied, with_head);
    // zlib has copies of its own; what it is given and what it makes are not copied again.
    for (const char* name : {"lz4", "zstd"}) {
      EXPECT_LE(stores[name][i].copied, with_head) << name;
      EXPECT_LE(reads[name][i].copied, 2 * with_head) << name;
      EXPECT_LE(stores[name][i].allocations, 1u) << name;
      EXPECT_LE(reads[name][i].allocations, 2u) << name << ": what came, and the value";
    }
    // Each piece comes with a head of its own.
    EXPECT_LE(pieces[i].copied, with_head * (n / 50'000 + 1));
    for (const row& r : {many, many_typed}) EXPECT_LE(r[i].copied, 10 * with_head);
  }
}

INSTANTIATE_TEST_SUITE_P(integration, cost,
                         testing::Values(protocol_choice::classic, protocol_choice::meta),
                         protocol_name);

}  // namespace
}  // namespace memcxx::test
