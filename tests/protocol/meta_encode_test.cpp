// The exact bytes of every meta command, and what the meta protocol refuses.
#include <gtest/gtest.h>
#include <string>

#include <memcxx/protocol/meta.hpp>

#include "parsing.hpp"

namespace memcxx::protocol {
namespace {

std::string bytes(const request& r) {
  EXPECT_FALSE(meta::check(r)) << meta::check(r).why;
  return testing::encoded(meta::encode, r, meta::max_head);
}

errc refused(const request& r) {
  const refusal no = meta::check(r);
  EXPECT_EQ(no.code == errc::ok, no.why.empty());
  return no.code;
}

constexpr want value_and_cas = want::value | want::cas;
constexpr want everything =
    want::value | want::cas | want::ttl | want::last_access | want::hit_before | want::size;

TEST(meta_encode, get) {
  EXPECT_EQ(bytes({.key = "key"}), "mg key v f\r\n");
  EXPECT_EQ(bytes({.quiet = true, .wants = value_and_cas, .opaque = 12, .key = "key"}),
            "mg key v f c O12 q\r\n");
  EXPECT_EQ(bytes({.wants = everything, .prefix = "p:", .key = "k"}), "mg p:k v f c t l h s\r\n");
  EXPECT_EQ(bytes({.wants = want::nothing, .key = "k"}), "mg k f\r\n");
  EXPECT_EQ(bytes({.wants = want::size | want::cas, .key = "k"}), "mg k f c s\r\n");
  EXPECT_EQ(bytes({.opaque = UINT32_MAX, .key = "k", .vivify_ttl = 30, .recache_ttl = 0}),
            "mg k R0 N30 v f O4294967295\r\n");
  EXPECT_EQ(bytes({.op = verb::gat, .quiet = true, .ttl = 60, .opaque = 1, .key = "k"}),
            "mg k T60 v f O1 q\r\n");
  EXPECT_EQ(bytes({.op = verb::gat, .key = "k"}), "mg k T0 v f\r\n");
}

TEST(meta_encode, touch_is_never_quiet) {
  EXPECT_EQ(bytes({.op = verb::touch, .ttl = -1, .opaque = 3, .key = "k"}), "mg k T-1 O3\r\n");
  EXPECT_EQ(bytes({.op = verb::touch, .quiet = true, .ttl = 0, .key = "k"}), "mg k T0\r\n");
}

TEST(meta_encode, stores) {
  request r{.op = verb::set, .wants = want::nothing, .key = "k", .value = "hello"};
  EXPECT_EQ(bytes(r), "ms k 5\r\n");
  r.flags = UINT32_MAX;
  r.ttl = 60;
  EXPECT_EQ(bytes(r), "ms k 5 F4294967295 T60\r\n");
  r.wants = want::cas;
  r.cas = UINT64_MAX;
  r.invalidate = true;
  r.opaque = 9;
  r.quiet = true;
  EXPECT_EQ(bytes(r), "ms k 5 F4294967295 T60 c C18446744073709551615 I O9 q\r\n");
  r.op = verb::cas;
  EXPECT_EQ(bytes(r), "ms k 5 F4294967295 T60 c C18446744073709551615 I O9 q\r\n");
  r.op = verb::replace;
  EXPECT_EQ(bytes(r), "ms k 5 F4294967295 T60 c C18446744073709551615 I MR O9 q\r\n");
}

TEST(meta_encode, store_modes) {
  request r{.op = verb::add, .wants = want::cas, .flags = 1, .ttl = -1, .key = "k", .value = "v"};
  EXPECT_EQ(bytes(r), "ms k 1 F1 T-1 c ME\r\n");
  r.op = verb::append;
  EXPECT_EQ(bytes(r), "ms k 1 c MA\r\n");
  r.op = verb::prepend;
  r.cas = 7;
  EXPECT_EQ(bytes(r), "ms k 1 c C7 MP\r\n");
}

TEST(meta_encode, remove) {
  EXPECT_EQ(bytes({.op = verb::remove, .key = "k"}), "md k\r\n");
  EXPECT_EQ(bytes({.op = verb::remove, .ttl = 30, .key = "k"}), "md k\r\n");
  EXPECT_EQ(bytes({.op = verb::remove,
                   .quiet = true,
                   .ttl = 30,
                   .opaque = 2,
                   .key = "k",
                   .cas = 4,
                   .invalidate = true}),
            "md k C4 I T30 O2 q\r\n");
  EXPECT_EQ(bytes({.op = verb::remove, .key = "k", .invalidate = true}), "md k I\r\n");
}

TEST(meta_encode, counters) {
  EXPECT_EQ(bytes({.op = verb::incr, .key = "k"}), "ma k v\r\n");
  EXPECT_EQ(bytes({.op = verb::decr, .quiet = true, .opaque = 5, .key = "k", .delta = 0}),
            "ma k MD D0 v O5 q\r\n");
  EXPECT_EQ(bytes({.op = verb::incr,
                   .wants = value_and_cas,
                   .ttl = 60,
                   .key = "k",
                   .delta = UINT64_MAX,
                   .initial = UINT64_MAX}),
            "ma k D18446744073709551615 v c N60 J18446744073709551615\r\n");
  EXPECT_EQ(bytes({.op = verb::incr, .key = "k", .initial = 0}), "ma k v N0 J0\r\n");
  EXPECT_EQ(bytes({.op = verb::incr, .ttl = 60, .key = "k", .cas = 8}), "ma k v C8\r\n");
}

TEST(meta_encode, debug_and_ping) {
  EXPECT_EQ(bytes({.op = verb::debug, .quiet = true, .opaque = 4, .key = "k"}), "me k\r\n");
  EXPECT_EQ(bytes({.op = verb::ping, .opaque = 4}), "mn\r\n");
}

TEST(meta_encode, keys_that_are_not_text_go_as_base64) {
  EXPECT_EQ(bytes({.opaque = 1, .key = "a b\xff"}), "mg YSBi/w== b v f O1\r\n");
  EXPECT_EQ(bytes({.prefix = "a ", .key = "b"}), "mg YSBi b v f\r\n");  // "a b"
  EXPECT_EQ(bytes({.prefix = "f", .key = "o "}), "mg Zm8g b v f\r\n");  // "fo "
  EXPECT_EQ(bytes({.key = " "}), "mg IA== b v f\r\n");
  EXPECT_EQ(bytes({.key = "\x7f\x7f"}), "mg f38= b v f\r\n");
  EXPECT_EQ(bytes({.op = verb::touch, .key = "\n"}), "mg Cg== b T0\r\n");
  EXPECT_EQ(bytes({.op = verb::set, .ttl = 1, .key = "\n", .value = "v"}), "ms Cg== 1 b T1\r\n");
  EXPECT_EQ(bytes({.op = verb::remove, .key = "\n"}), "md Cg== b\r\n");
  EXPECT_EQ(bytes({.op = verb::decr, .key = "\n"}), "ma Cg== b MD v\r\n");
  EXPECT_EQ(bytes({.key = "caf\xc3\xa9"}), "mg caf\xc3\xa9 v f\r\n");
}

TEST(meta_encode, the_longest_heads_fit) {
  const std::string text(250, 'k');
  const std::string binary(meta::max_binary_key, '\n');
  for (const std::string_view key : {std::string_view(text), std::string_view(binary)}) {
    const request store{.op = verb::replace,
                        .quiet = true,
                        .wants = everything,
                        .flags = UINT32_MAX,
                        .ttl = INT32_MIN,
                        .opaque = UINT32_MAX,
                        .key = key,
                        .cas = UINT64_MAX,
                        .invalidate = true};
    EXPECT_LE(bytes(store).size() + 19, meta::max_head);
    const request read{.op = verb::gat,
                       .quiet = true,
                       .wants = everything,
                       .ttl = INT32_MIN,
                       .opaque = UINT32_MAX,
                       .key = key,
                       .vivify_ttl = INT32_MIN,
                       .recache_ttl = INT32_MIN};
    EXPECT_LE(bytes(read).size(), meta::max_head);
  }
}

TEST(meta_check, key_lengths) {
  EXPECT_EQ(refused({.key = ""}), errc::invalid_key);
  EXPECT_EQ(refused({.key = std::string(250, 'k')}), errc::ok);
  EXPECT_EQ(refused({.key = std::string(251, 'k')}), errc::invalid_key);
  EXPECT_EQ(refused({.key = std::string(186, '\n')}), errc::ok);
  EXPECT_EQ(refused({.key = std::string(187, '\n')}), errc::invalid_key);
  EXPECT_EQ(refused({.prefix = "\n", .key = std::string(186, 'k')}), errc::invalid_key);
}

TEST(meta_check, verbs) {
  for (const verb v :
       {verb::get, verb::gat, verb::set, verb::add, verb::replace, verb::append, verb::prepend,
        verb::remove, verb::touch, verb::incr, verb::decr, verb::debug, verb::ping}) {
    EXPECT_TRUE(meta::has(v)) << name_of(v);
    EXPECT_EQ(refused({.op = v, .key = "k"}), errc::ok) << name_of(v);
  }
  EXPECT_TRUE(meta::has(verb::cas));
  for (const verb v : {verb::flush, verb::stats, verb::version, verb::verbosity}) {
    EXPECT_FALSE(meta::has(v)) << name_of(v);
    EXPECT_EQ(refused({.op = v}), errc::not_supported) << name_of(v);
  }
}

// Where memcached takes the command and does something else.
TEST(meta_check, refuses_what_the_server_gets_wrong) {
  EXPECT_EQ(refused({.op = verb::cas, .key = "k", .cas = 0}), errc::invalid_argument);
  EXPECT_EQ(refused({.op = verb::add, .key = "k", .cas = 1}), errc::not_supported);
  EXPECT_EQ(refused({.key = "k", .cas = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::debug, .key = "\r\nHD"}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::touch, .key = "k", .cas = 1}), errc::not_supported);
  EXPECT_EQ(refused({.op = verb::incr, .key = "k", .cas = 1, .initial = 1}), errc::not_supported);
  for (const verb v : {verb::get, verb::gat, verb::add, verb::append, verb::prepend, verb::touch,
                       verb::incr, verb::decr, verb::debug})
    EXPECT_EQ(refused({.op = v, .key = "k", .invalidate = true}), errc::not_supported)
        << name_of(v);
  EXPECT_EQ(refused({.op = verb::set, .key = "k", .value = {"v", 0x7fffffff}}),
            errc::value_too_large);
}

}  // namespace
}  // namespace memcxx::protocol
