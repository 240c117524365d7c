// Values over several items, driven by hand: pieces that are missing, fail, have another length or
// other bytes, and manifests that lie. Whatever happens, a reader gets what was stored or an error.
// Never here: how a value is cut (tests/codec), sockets.
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

#include "by_hand.hpp"

// The thread sanitizer's runtime has its own operator new, and leaves no place for another: in that
// build no allocation fails.
#if defined(__SANITIZE_THREAD__)
#define MEMCXX_FAILS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MEMCXX_FAILS_ALLOCATIONS 0
#endif
#endif
#ifndef MEMCXX_FAILS_ALLOCATIONS
#define MEMCXX_FAILS_ALLOCATIONS 1
#endif

namespace {

thread_local std::size_t until_failure = 0;  // the n-th allocation from now fails; 0: none

[[maybe_unused]] void* allocated(std::size_t n) {
  if (until_failure != 0 && --until_failure == 0) throw std::bad_alloc();
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}

}  // namespace

#if MEMCXX_FAILS_ALLOCATIONS
void* operator new(std::size_t n) { return allocated(n); }
void* operator new[](std::size_t n) { return allocated(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace memcxx {
namespace {

using by_hand::bytes_of;
using by_hand::codec_of;
using by_hand::delivery;
using by_hand::server;
using protocol::verb;
using std::string;

constexpr std::size_t over = 1024;

// A value of so many bytes in the server, and what it takes to look at it.
struct pieces : testing::Test {
  const value_codec values = codec_of({.split_over = over});
  const string whole = bytes_of(3 * over + 100);
  server there;

  result<stored> store(const string& v, verb op = verb::set, const store_options& o = {}) {
    return there.run(commands::store_value::of(op, "k", v, o), values);
  }
  void SetUp() override {
    ASSERT_TRUE(store(whole));
    ASSERT_EQ(there.items.size(), 5u) << "four pieces and what names them";
  }
  // The i-th piece; they were stored in their order.
  const string& key(std::size_t i) { return there.seen.at(i).key; }
  string& piece(std::size_t i) { return there.items.at(key(i)).bytes; }
  result<string> read() { return there.read<string>("k", values); }

  template <class Check>
  void however_they_come(Check check) {
    for (const delivery how : by_hand::every_delivery) {
      for (const bool backwards : {false, true}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(how) << backwards);
        there.how = how;
        there.backwards = backwards;
        check();
      }
    }
  }
  void expect_failure(errc code, std::string_view words = {}) {
    however_they_come([&] {
      const auto got = read();
      ASSERT_FALSE(got);
      EXPECT_EQ(got.error(), code) << got.error();
      EXPECT_NE(got.error().message().find(words), std::string_view::npos) << got.error();
    });
  }
};

TEST_F(pieces, are_stored_before_what_names_them) {
  ASSERT_EQ(there.seen.size(), 5u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(there.seen[i].what.op, verb::set);
    EXPECT_EQ(there.seen[i].value, whole.substr(i * over, over));
    EXPECT_NE(there.seen[i].key, "k");
  }
  EXPECT_EQ(there.seen[4].key, "k");
  EXPECT_LT(there.seen[4].value.size(), 100u);
}

TEST_F(pieces, are_joined_however_they_come) {
  however_they_come([&] {
    const auto got = read();
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(*got, whole);
  });
}

TEST_F(pieces, are_two_steps_and_no_more) {
  const commands::get_value<string> command{{"k", std::nullopt, {}}};
  single_call<commands::get_value<string>> c(command);
  EXPECT_EQ(there.run(c, values), 2u);
  EXPECT_FALSE(c.begin_step(2, values));
  EXPECT_FALSE(c.begin_step(3, values));
}

TEST_F(pieces, of_every_length_near_a_limit) {
  for (const std::size_t n : {over - 1, over, over + 1, 2 * over - 1, 2 * over, 2 * over + 1}) {
    SCOPED_TRACE(n);
    there = {};
    const string v = bytes_of(n);
    ASSERT_TRUE(store(v));
    EXPECT_EQ(there.items.size(), n <= over ? 1 : 1 + (n + over - 1) / over);
    however_they_come([&] { EXPECT_EQ(read().value(), v); });
  }
}

TEST_F(pieces, of_values_of_other_types_and_of_compressed_ones) {
  const value_codec small = codec_of({.min_compress = 100, .split_over = over});
  // Halves itself when compressed, and is still too long.
  string v = bytes_of(5 * over);
  v += v;
  const text words{string(5 * over, 'x')};
  ASSERT_TRUE(there.run(commands::store_value::of(verb::set, "k", words, {}), values));
  however_they_come([&] {
    EXPECT_EQ(there.read<text>("k", values).value(), words);
    EXPECT_EQ(there.read<value>("k", values)->kind, value_kind::text);
  });
  there = {};
  ASSERT_TRUE(there.run(commands::store_value::of(verb::set, "k", v, {}), small));
  EXPECT_GT(there.items.size(), 2u);
  EXPECT_LT(there.items.size(), 9u) << "compressed before it is cut";
  however_they_come([&] { EXPECT_EQ(there.read<string>("k", small).value(), v); });
}

TEST_F(pieces, of_a_read_that_sets_the_ttl_get_it_too) {
  there.seen.clear();
  const commands::get_value<string> command{{"k", std::chrono::seconds(90), {.opaque = 4}}};
  ASSERT_TRUE(there.run(command, values));
  ASSERT_EQ(there.seen.size(), 5u);
  for (const auto& a : there.seen) {
    EXPECT_EQ(a.what.op, verb::gat);
    EXPECT_EQ(a.what.ttl, 90);
  }
}

TEST_F(pieces, are_asked_for_their_value_alone) {
  there.seen.clear();
  const commands::get_item<string> command{
      {"k",
       std::nullopt,
       {.ttl = true, .vivify = std::chrono::seconds(1), .recache = std::chrono::seconds(1)}}};
  ASSERT_TRUE(there.run(command, values));
  ASSERT_EQ(there.seen.size(), 5u);
  EXPECT_TRUE(there.seen[0].what.vivify_ttl && there.seen[0].what.recache_ttl);
  for (std::size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(there.seen[i].what.wants, protocol::want::value);
    EXPECT_FALSE(there.seen[i].what.vivify_ttl || there.seen[i].what.recache_ttl);
  }
}

TEST_F(pieces, keep_the_attributes_of_what_names_them) {
  however_they_come([&] {
    const commands::get_item<string> command{{"k", std::nullopt, {}}};
    const auto got = there.run(command, values);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->value, whole);
    EXPECT_EQ(got->cas, 7u);
    EXPECT_EQ(got->flags, there.items["k"].flags);
  });
}

// --- what goes wrong -------------------------------------------------------------------------

TEST_F(pieces, that_are_missing_make_a_miss) {
  const auto all = there.items;
  for (std::size_t i = 0; i < 4; ++i) {
    there.items = all;
    there.items.erase(key(i));
    expect_failure(errc::miss);
  }
}

TEST_F(pieces, that_fail_are_the_values_failure) {
  for (std::size_t i = 0; i < 4; ++i) {
    there.failures = {{key(i), errc::timeout}};
    expect_failure(errc::timeout, "as told");
  }
}

TEST_F(pieces, that_fail_say_more_than_those_that_are_missing) {
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      if (i == j) continue;
      const auto all = there.items;
      there.items.erase(key(i));
      there.failures = {{key(j), errc::server_down}};
      expect_failure(errc::server_down);
      there.items = all;
    }
  }
}

TEST_F(pieces, of_another_length_are_corrupt) {
  for (std::size_t i = 0; i < 4; ++i) {
    const string right = piece(i);
    for (const string& wrong :
         {string(), right.substr(1), right + "x", right + right, right.substr(0, 1)}) {
      piece(i) = wrong;
      expect_failure(errc::corrupt_value, "bytes");
    }
    piece(i) = right;
  }
  // Two that make up for each other.
  piece(3) += piece(2).back();
  piece(2).pop_back();
  expect_failure(errc::corrupt_value);
}

TEST_F(pieces, with_one_other_byte_are_corrupt) {
  for (std::size_t i = 0; i < 4; ++i) {
    piece(i)[50] ^= 1;
    expect_failure(errc::corrupt_value, "checksum");
    piece(i)[50] ^= 1;
  }
  std::swap(piece(0), piece(1));
  expect_failure(errc::corrupt_value, "checksum");
}

TEST_F(pieces, that_are_corrupt_name_the_server) {
  piece(1)[0] ^= 1;
  EXPECT_EQ(read().error().server(), "there");
  piece(1).pop_back();
  EXPECT_EQ(read().error().server(), "there");
}

TEST_F(pieces, of_two_values_never_mix) {
  const string second = bytes_of(3 * over + 100, 2);
  const auto first = there.items;
  ASSERT_TRUE(store(second));
  ASSERT_EQ(there.items.size(), 9u) << "keys of their own";
  EXPECT_EQ(read().value(), second);
  there.items["k"] = first.at("k");
  EXPECT_EQ(read().value(), whole) << "as one who had asked before";
}

// Each byte of what names the pieces, changed in each bit.
TEST_F(pieces, that_are_lied_about_are_never_another_value) {
  const auto honest = there.items["k"];
  std::size_t errors = 0;
  const auto look = [&] {
    const std::size_t asked = there.seen.size();
    const auto got = read();
    EXPECT_LE(there.seen.size() - asked, 4097u) << "bounded, whatever it says";
    if (got) {
      EXPECT_TRUE(*got == whole) << "another value";
    } else {
      ++errors;
      EXPECT_TRUE(got.error() == errc::corrupt_value || got.error() == errc::miss ||
                  got.error() == errc::value_too_large || got.error() == errc::unknown_flags ||
                  got.error() == errc::wrong_type)
          << got.error();
    }
  };
  for (const delivery how : {delivery::in_buffer, delivery::in_place}) {
    there.how = how;
    for (std::size_t at = 0; at < honest.bytes.size() * 8; ++at) {
      there.items["k"] = honest;
      there.items["k"].bytes[at / 8] ^= static_cast<char>(1U << at % 8);
      look();
    }
    for (unsigned bit = 0; bit < 32; ++bit) {
      there.items["k"] = {honest.flags ^ 1U << bit, honest.bytes};
      const auto got = read();
      // Another kind is another kind: flags are not in the checksum.
      errors += !got;
    }
    for (std::size_t n = 0; n < honest.bytes.size(); ++n) {
      there.items["k"] = {honest.flags, honest.bytes.substr(0, n)};
      look();
    }
    there.items["k"] = {honest.flags, honest.bytes + "x"};
    look();
  }
  EXPECT_GT(errors, 500u);
}

// What names itself, or another that names pieces, is no value.
TEST_F(pieces, that_name_pieces_are_not_followed) {
  for (std::size_t i = 0; i < 4; ++i) there.items.at(key(i)) = there.items["k"];
  there.seen.clear();
  however_they_come([&] {
    there.seen.clear();
    const auto got = read();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), errc::corrupt_value);
    EXPECT_EQ(there.seen.size(), 5u);
  });
}

// --- storing -----------------------------------------------------------------------------------

TEST_F(pieces, that_cannot_be_stored_leave_the_old_value) {
  for (std::size_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(i);
    // Keys are new each time: the i-th store fails by its number.
    struct failing final : call {
      explicit failing(call& c, std::size_t n) : inner(c), at(n) {}
      bool begin_step(unsigned s, const value_codec& v) noexcept override {
        return inner.begin_step(s, v);
      }
      std::size_t size() const noexcept override { return inner.size(); }
      protocol::refusal request(std::size_t n, protocol::request& out) const noexcept override {
        return inner.request(n, out);
      }
      void on_response(std::size_t n, const protocol::response& r,
                       std::string_view from) noexcept override {
        protocol::response other = r;
        if (n == at) {
          other.status = errc::out_of_memory;
          other.text = "out of memory storing object";
        }
        inner.on_response(n, other, from);
      }
      call& inner;
      std::size_t at;
    };
    const string v = bytes_of(4 * over, 9);
    const auto command = commands::store_value::of(verb::set, "k", v, {});
    single_call<commands::store_value> one(command);
    failing c(one, i);
    there.seen.clear();
    EXPECT_EQ(there.run(c, values), 1u) << "what would name them is not sent";
    const auto outcome = one.take();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error(), errc::out_of_memory);
    EXPECT_EQ(outcome.error().message(), "out of memory storing object");
    EXPECT_EQ(outcome.error().server(), "there");
  }
  EXPECT_EQ(read().value(), whole);
}

TEST_F(pieces, have_the_ttl_and_nothing_else_of_the_store) {
  there.seen.clear();
  ASSERT_TRUE(store(whole, verb::cas, {.ttl = std::chrono::seconds(50), .cas = 7, .quiet = true}));
  ASSERT_EQ(there.seen.size(), 5u);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& q = there.seen[i].what;
    EXPECT_EQ(q.op, verb::set);
    EXPECT_EQ(q.ttl, 50);
    EXPECT_EQ(q.cas, 0u);
    EXPECT_FALSE(q.quiet);
    EXPECT_EQ(q.wants, protocol::want::nothing);
  }
  const auto& q = there.seen[4].what;
  EXPECT_EQ(q.op, verb::cas);
  EXPECT_EQ(q.ttl, 50);
  EXPECT_EQ(q.cas, 7u);
  EXPECT_FALSE(q.quiet) << "the caller learns whether it is stored";
}

TEST_F(pieces, of_a_quiet_store_are_waited_for) {
  const auto command = commands::store_value::of(verb::set, "k", whole, {.quiet = true});
  single_call<commands::store_value> c(command);
  ASSERT_TRUE(c.begin_step(0, values));
  EXPECT_FALSE(c.quiet()) << "or the item could come before its pieces";
  const auto one = commands::store_value::of(verb::set, "k", string("short"), {.quiet = true});
  single_call<commands::store_value> d(one);
  ASSERT_TRUE(d.begin_step(0, values));
  EXPECT_TRUE(d.quiet());
}

TEST_F(pieces, of_many_values_at_a_time) {
  std::vector<commands::store_value> stores;
  std::vector<commands::get_value<string>> reads;
  std::vector<string> keys;
  for (std::size_t i = 0; i < 20; ++i) keys.push_back("key" + std::to_string(i));
  const auto v = [](std::size_t i) { return bytes_of(i * 300, static_cast<unsigned>(i)); };
  std::vector<string> owned;
  for (std::size_t i = 0; i < keys.size(); ++i) owned.push_back(v(i));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    stores.push_back(commands::store_value::of(verb::set, keys[i], owned[i], {.quiet = true}));
    reads.push_back({{keys[i], std::nullopt, {}}});
  }
  many_call<commands::store_value> set(std::move(stores));
  EXPECT_EQ(there.run(set, values), 2u);
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_TRUE(set.outcome(i));
  however_they_come([&] {
    many_call<commands::get_value<string>> get(reads);
    EXPECT_EQ(there.run(get, values), 2u);
    for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(get.outcome(i).value(), v(i)) << i;
  });
}

// --- memory ------------------------------------------------------------------------------------

#if MEMCXX_FAILS_ALLOCATIONS
// Each allocation in turn fails. The server here allocates too, so the call is driven with as
// little as can be: what fails is the call's.
struct bare {
  std::vector<std::pair<string, by_hand::stored_item>> items;
  bool in_place = false;

  void run(call& c, const value_codec& values, std::size_t failing) {
    unsigned step = 0;
    const auto guarded = [&](auto what) {
      until_failure = failing;
      auto out = what();
      failing = until_failure;
      until_failure = 0;
      return out;
    };
    while (guarded([&] { return c.begin_step(step, values); })) {
      ASSERT_LT(++step, 4u) << "steps without end";
      for (std::size_t n = c.size(), i = 0; i < n; ++i) {
        protocol::request q;
        protocol::response r;
        if (const auto no = c.request(i, q)) {
          r.status = no.code;
          r.text = no.why;
        } else if (!protocol::carries_value(q.op)) {
          const auto at = std::ranges::find(
              items, q.key, [](const auto& p) { return std::string_view(p.first); });
          ASSERT_NE(at, items.end());
          r.flags = at->second.flags;
          r.value = at->second.bytes;
          if (in_place) {
            const auto place = guarded([&] { return c.on_value(i, r, r.value.size()); });
            if (place.size() == r.value.size()) {
              std::ranges::copy(r.value, place.begin());
              r.value = {place.data(), place.size()};
            }
          }
        }
        guarded([&] {
          c.on_response(i, r, "a server whose name is too long for a short string");
          return 0;
        });
      }
    }
  }
};

TEST_F(pieces, end_in_an_error_when_there_is_no_memory) {
  bare s;
  s.items.assign(there.items.begin(), there.items.end());
  const commands::get_value<string> command{{"k", std::nullopt, {}}};
  for (const bool in_place : {false, true}) {
    s.in_place = in_place;
    std::size_t failed = 0;
    for (std::size_t n = 1; n < 200; ++n) {
      SCOPED_TRACE(n);
      single_call<commands::get_value<string>> c(command);
      s.run(c, values, n);
      const auto got = c.take();
      if (got) {
        EXPECT_EQ(*got, whole);
      } else {
        EXPECT_EQ(got.error(), errc::out_of_memory);
        ++failed;
      }
    }
    EXPECT_GT(failed, 5u);
    EXPECT_LT(failed, 150u) << "at last none fails";
  }
}

TEST_F(pieces, of_a_store_end_in_an_error_when_there_is_no_memory) {
  bare s;
  const auto command = commands::store_value::of(verb::set, "k", whole, {});
  std::size_t failed = 0;
  for (std::size_t n = 1; n < 200; ++n) {
    SCOPED_TRACE(n);
    single_call<commands::store_value> c(command);
    s.run(c, values, n);
    const auto done = c.take();
    if (!done) {
      EXPECT_EQ(done.error(), errc::out_of_memory);
      ++failed;
    }
  }
  EXPECT_GT(failed, 5u);
  EXPECT_LT(failed, 150u);
}
#endif

}  // namespace
}  // namespace memcxx
