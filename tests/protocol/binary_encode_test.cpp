// The exact bytes of every binary command, and what the binary protocol refuses.
#include <gtest/gtest.h>
#include <string>

#include <memcxx/protocol/binary.hpp>

#include "binary_frames.hpp"
#include "parsing.hpp"

namespace memcxx::protocol {
namespace {

using testing::big_endian;

std::string bytes(const request& r) {
  EXPECT_FALSE(binary::check(r)) << binary::check(r).why;
  return testing::encoded(binary::encode, r, binary::max_head);
}

errc refused(const request& r) {
  const refusal no = binary::check(r);
  EXPECT_EQ(no.code == errc::ok, no.why.empty());
  return no.code;
}

// What the request must look like: header, extras and key; `value` bytes are counted, not written.
std::string expected(unsigned opcode, const std::string& extras, const std::string& key,
                     std::size_t value = 0, std::uint64_t cas = 0, std::uint32_t opaque = 0) {
  return big_endian(0x80, 1) + big_endian(opcode, 1) + big_endian(key.size(), 2) +
         big_endian(extras.size(), 1) + big_endian(0, 1) + big_endian(0, 2) +
         big_endian(extras.size() + key.size() + value, 4) + big_endian(opaque, 4) +
         big_endian(cas, 8) + extras + key;
}

std::string b4(std::uint32_t n) { return big_endian(n, 4); }
std::string b8(std::uint64_t n) { return big_endian(n, 8); }

constexpr std::uint32_t past = 2592001;  // a date in January 1970

TEST(binary_encode, a_get_byte_by_byte) {
  EXPECT_EQ(bytes({.opaque = 0x01020304, .key = "key"}),
            std::string("\x80\x00\x00\x03\x00\x00\x00\x00"
                        "\x00\x00\x00\x03\x01\x02\x03\x04"
                        "\x00\x00\x00\x00\x00\x00\x00\x00key",
                        27));
}

TEST(binary_encode, reads) {
  EXPECT_EQ(bytes({.quiet = true, .opaque = 9, .prefix = "p:", .key = "k"}),
            expected(0x09, "", "p:k", 0, 0, 9));
  EXPECT_EQ(bytes({.op = verb::gat, .ttl = 60, .key = "k"}), expected(0x1d, b4(60), "k"));
  EXPECT_EQ(bytes({.op = verb::gat, .quiet = true, .ttl = -1, .key = "k"}),
            expected(0x1e, b4(past), "k"));
}

TEST(binary_encode, stores) {
  const auto store = [](verb v, bool quiet, std::uint64_t cas = 0) {
    return bytes({.op = v,
                  .quiet = quiet,
                  .flags = 0x0a0b0c0d,
                  .ttl = 60,
                  .key = "k",
                  .value = "hello",
                  .cas = cas});
  };
  const std::string extras = b4(0x0a0b0c0d) + b4(60);
  EXPECT_EQ(store(verb::set, false), expected(0x01, extras, "k", 5));
  EXPECT_EQ(store(verb::set, true, 4), expected(0x11, extras, "k", 5, 4));
  EXPECT_EQ(store(verb::cas, false, UINT64_MAX), expected(0x01, extras, "k", 5, UINT64_MAX));
  EXPECT_EQ(store(verb::cas, true, 1), expected(0x11, extras, "k", 5, 1));
  EXPECT_EQ(store(verb::add, false), expected(0x02, extras, "k", 5));
  EXPECT_EQ(store(verb::add, true), expected(0x12, extras, "k", 5));
  EXPECT_EQ(store(verb::replace, false, 3), expected(0x03, extras, "k", 5, 3));
  EXPECT_EQ(store(verb::replace, true), expected(0x13, extras, "k", 5));
  EXPECT_EQ(store(verb::append, false, 2), expected(0x0e, "", "k", 5, 2));
  EXPECT_EQ(store(verb::append, true), expected(0x19, "", "k", 5));
  EXPECT_EQ(store(verb::prepend, false), expected(0x0f, "", "k", 5));
  EXPECT_EQ(store(verb::prepend, true), expected(0x1a, "", "k", 5));
}

TEST(binary_encode, a_negative_ttl_is_a_date_in_the_past) {
  for (const std::int32_t ttl : {-1, -60, INT32_MIN}) {
    EXPECT_EQ(bytes({.op = verb::set, .ttl = ttl, .key = "k"}),
              expected(0x01, b4(0) + b4(past), "k"));
    EXPECT_EQ(bytes({.op = verb::touch, .ttl = ttl, .key = "k"}), expected(0x1c, b4(past), "k"));
    EXPECT_EQ(bytes({.op = verb::incr, .ttl = ttl, .key = "k", .initial = 5}),
              expected(0x05, b8(1) + b8(5) + b4(past), "k"));
  }
}

TEST(binary_encode, counters) {
  EXPECT_EQ(bytes({.op = verb::incr, .ttl = 60, .key = "k", .delta = 3}),
            expected(0x05, b8(3) + b8(0) + b4(0xffffffff), "k"));
  EXPECT_EQ(bytes({.op = verb::decr, .key = "k", .delta = UINT64_MAX, .initial = UINT64_MAX}),
            expected(0x06, b8(UINT64_MAX) + b8(UINT64_MAX) + b4(0), "k"));
  EXPECT_EQ(bytes({.op = verb::incr, .quiet = true, .ttl = 60, .key = "k", .initial = 0}),
            expected(0x15, b8(1) + b8(0) + b4(60), "k"));
  EXPECT_EQ(bytes({.op = verb::decr, .quiet = true, .key = "k", .cas = 6}),
            expected(0x16, b8(1) + b8(0) + b4(0xffffffff), "k", 0, 6));
}

TEST(binary_encode, the_rest) {
  EXPECT_EQ(bytes({.op = verb::remove, .key = "k", .cas = 5}), expected(0x04, "", "k", 0, 5));
  EXPECT_EQ(bytes({.op = verb::remove, .quiet = true, .key = "k"}), expected(0x14, "", "k"));
  EXPECT_EQ(bytes({.op = verb::touch, .quiet = true, .ttl = 30, .key = "k"}),
            expected(0x1c, b4(30), "k"));
  EXPECT_EQ(bytes({.op = verb::flush}), expected(0x08, "", ""));
  EXPECT_EQ(bytes({.op = verb::flush, .ttl = -1}), expected(0x08, "", ""));
  EXPECT_EQ(bytes({.op = verb::flush, .quiet = true, .ttl = 10}), expected(0x18, b4(10), ""));
  EXPECT_EQ(bytes({.op = verb::stats}), expected(0x10, "", ""));
  EXPECT_EQ(bytes({.op = verb::stats, .prefix = "p", .key = "items"}), expected(0x10, "", "items"));
  EXPECT_EQ(bytes({.op = verb::version, .prefix = "p", .key = "k"}), expected(0x0b, "", ""));
  EXPECT_EQ(bytes({.op = verb::ping, .opaque = 3, .value = "v"}), expected(0x0a, "", "", 0, 0, 3));
}

TEST(binary_encode, the_longest_head_fits) {
  const std::string key(250, '\0');
  EXPECT_EQ(bytes({.op = verb::incr, .key = key}).size(), 24U + 20 + 250);
  static_assert(24 + 20 + 250 <= binary::max_head);
}

TEST(binary_check, refuses_what_only_meta_carries) {
  for (const want w : {want::ttl, want::last_access, want::hit_before, want::size})
    EXPECT_EQ(refused({.wants = want::value | w, .key = "k"}), errc::not_supported);
  EXPECT_EQ(refused({.wants = want::nothing, .key = "k"}), errc::not_supported);
  EXPECT_EQ(refused({.key = "k", .vivify_ttl = 30}), errc::not_supported);
  EXPECT_EQ(refused({.key = "k", .recache_ttl = 30}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::remove, .key = "k", .invalidate = true}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::debug, .key = "k"}), errc::not_supported);
  EXPECT_EQ(refused({.wants = want::value | want::cas, .key = "k"}), errc::ok);
}

TEST(binary_check, refuses_what_the_server_gets_wrong) {
  EXPECT_EQ(refused({.op = verb::cas, .key = "k", .cas = 0}), errc::invalid_argument);
  EXPECT_EQ(refused({.key = "k", .cas = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::add, .key = "k", .cas = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::touch, .key = "k", .cas = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::incr, .key = "k", .cas = 1, .initial = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::verbosity, .delta = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::config, .key = "cluster"}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::stats, .key = "a  b"}), errc::invalid_argument);
  EXPECT_EQ(refused({.op = verb::set, .key = "k", .value = {"v", 0x7fffffff}}),
            errc::value_too_large);
}

TEST(binary_check, keys) {
  EXPECT_EQ(refused({.key = ""}), errc::invalid_key);
  EXPECT_EQ(refused({.key = std::string(250, '\0')}), errc::ok);
  EXPECT_EQ(refused({.key = std::string(251, 'k')}), errc::invalid_key);
}

}  // namespace
}  // namespace memcxx::protocol
