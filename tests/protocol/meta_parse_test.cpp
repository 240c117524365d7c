// Every meta reply, each also split at every byte; and what is not one.
#include <gtest/gtest.h>
#include <string>

#include <memcxx/protocol/meta.hpp>

#include "parsing.hpp"

namespace memcxx::protocol {
namespace {

using testing::expect_malformed;
using testing::outcome_of;
using testing::seen;

seen whole(std::string_view bytes) { return testing::parse_whole(meta::parse, bytes); }

TEST(meta_parse, value_with_every_flag) {
  const seen s = whole("VA 2 kkey c18446744073709551615 f4294967295 t-1 l5 h0 s2 O7 W X Z b\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::value);
  EXPECT_EQ(s.p.body_size, 2U);
  EXPECT_EQ(s.p.trailer, 2);
  EXPECT_EQ(s.r.status, errc::ok);
  EXPECT_EQ(s.r.key, "key");
  EXPECT_TRUE(s.r.has_cas);
  EXPECT_EQ(s.r.cas, UINT64_MAX);
  EXPECT_EQ(s.r.flags, UINT32_MAX);
  EXPECT_EQ(s.r.ttl, -1);
  EXPECT_EQ(s.r.last_access, 5U);
  EXPECT_EQ(s.r.hit_before, false);
  EXPECT_EQ(s.r.size, 2U);
  EXPECT_TRUE(s.r.has_opaque);
  EXPECT_EQ(s.r.opaque, 7U);
  EXPECT_TRUE(s.r.won);
  EXPECT_TRUE(s.r.stale);
  EXPECT_TRUE(s.r.already_won);
}

TEST(meta_parse, flags_that_were_not_sent_stay_empty) {
  const seen s = whole("VA 0\r\n");
  EXPECT_EQ(s.p.body_size, 0U);
  EXPECT_FALSE(s.r.has_cas);
  EXPECT_FALSE(s.r.has_opaque);
  EXPECT_FALSE(s.r.won);
  EXPECT_EQ(s.r.ttl, std::nullopt);
  EXPECT_EQ(s.r.last_access, std::nullopt);
  EXPECT_EQ(s.r.hit_before, std::nullopt);
  EXPECT_EQ(s.r.size, std::nullopt);
  EXPECT_EQ(s.r.key, "");
}

TEST(meta_parse, flags_in_any_order_and_unknown_ones) {
  const seen s = whole("HD O4294967295 ?what yNEW h1 t86400 $ c3\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::done);
  EXPECT_EQ(s.r.opaque, UINT32_MAX);
  EXPECT_EQ(s.r.hit_before, true);
  EXPECT_EQ(s.r.ttl, 86400);
  EXPECT_EQ(s.r.cas, 3U);
  EXPECT_EQ(whole("HD \r\n").p.kind, reply_kind::done);
  EXPECT_EQ(whole("EN  O5 \r\n").r.opaque, 5U);
}

TEST(meta_parse, return_codes) {
  const auto code = [](std::string_view bytes, reply_kind kind, errc status) {
    const seen s = whole(bytes);
    EXPECT_EQ(s.p.kind, kind) << bytes;
    EXPECT_EQ(s.r.status, status) << bytes;
    EXPECT_EQ(s.p.body_size, 0U);
    EXPECT_EQ(s.p.trailer, 0);
    return s.r;
  };
  code("HD\r\n", reply_kind::done, errc::ok);
  EXPECT_EQ(code("HD c1 O6\r\n", reply_kind::done, errc::ok).cas, 1U);
  code("EN\r\n", reply_kind::refused, errc::miss);
  EXPECT_EQ(code("EN O5\r\n", reply_kind::refused, errc::miss).opaque, 5U);
  code("NF\r\n", reply_kind::refused, errc::miss);
  EXPECT_EQ(code("NF c0 O1\r\n", reply_kind::refused, errc::miss).opaque, 1U);
  EXPECT_EQ(code("NS c0 O6\r\n", reply_kind::refused, errc::not_stored).opaque, 6U);
  EXPECT_EQ(code("EX O1\r\n", reply_kind::refused, errc::exists).opaque, 1U);
  code("MN\r\n", reply_kind::noop, errc::ok);
}

TEST(meta_parse, debug) {
  const seen s = whole("ME key exp=-1 la=2 cas=1 fetch=no cls=1 size=63\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::text);
  EXPECT_EQ(s.r.key, "key");
  EXPECT_EQ(s.r.text, "exp=-1 la=2 cas=1 fetch=no cls=1 size=63");
  EXPECT_EQ(whole("ME key\r\n").r.text, "");
  EXPECT_EQ(whole("ME " + std::string(250, 'k') + " a=1\r\n").r.key.size(), 250U);
  for (const char* bad : {"ME\r\n", "ME \r\n", "ME  a\r\n", "ME k\ta=1\r\n"})
    expect_malformed(meta::parse, bad);
  expect_malformed(meta::parse, "ME " + std::string(251, 'k') + " a=1\r\n");
}

TEST(meta_parse, errors) {
  const auto error = [](std::string_view bytes, errc status, std::string_view text) {
    const seen s = whole(bytes);
    EXPECT_EQ(s.p.kind, reply_kind::error) << bytes;
    EXPECT_EQ(s.r.status, status) << bytes;
    EXPECT_EQ(s.r.text, text) << bytes;
  };
  error("ERROR\r\n", errc::not_supported, "ERROR");
  error("CLIENT_ERROR invalid flag\r\n", errc::not_supported, "invalid flag");
  error("CLIENT_ERROR invalid or duplicate flag\r\n", errc::not_supported,
        "invalid or duplicate flag");
  error("CLIENT_ERROR bad command line format\r\n", errc::client_error, "bad command line format");
  error("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", errc::not_a_number,
        "cannot increment or decrement non-numeric value");
  error("SERVER_ERROR object too large for cache\r\n", errc::value_too_large,
        "object too large for cache");
  error("SERVER_ERROR Out of memory\r\n", errc::out_of_memory, "Out of memory");
  error("SERVER_ERROR backend gone\r\n", errc::server_error, "backend gone");
}

TEST(meta_parse, lengths) {
  EXPECT_EQ(whole("VA 4294967295\r\n").p.body_size, 4294967295U);
  for (const char* bad :
       {"VA\r\n", "VA \r\n", "VA -1\r\n", "VA 4294967296\r\n", "VA 99999999999999999999\r\n",
        "VA 18446744073709551616\r\n", "VA 2x\r\n", "VA 0x2\r\n", "VA  2\r\n", "VA +2\r\n",
        "VA f2\r\n", "VA 2\n", "VA 2\r\r\n", "VA 2\t\r\n"})
    expect_malformed(meta::parse, bad);
}

TEST(meta_parse, flags_beyond_32_bits_are_the_items_error) {
  for (const char* line : {"VA 7 f4294967296 O1\r\n", "VA 7 c1 f18446744073709551615 O1\r\n"}) {
    const seen s = whole(line);
    EXPECT_EQ(s.r.status, errc::unknown_flags) << line;
    EXPECT_EQ(s.p.body_size, 7u);
    EXPECT_EQ(s.r.opaque, 1u);
  }
}

TEST(meta_parse, bad_flags) {
  for (const char* bad : {"HD O\r\n",
                          "HD Oabc\r\n",
                          "HD O1x\r\n",
                          "HD O-1\r\n",
                          "HD O4294967296\r\n",
                          "HD c\r\n",
                          "HD c-1\r\n",
                          "HD c18446744073709551616\r\n",
                          "VA 1 f18446744073709551616\r\n",
                          "VA 1 f-1\r\n",
                          "VA 1 f\r\n",
                          "VA 1 f4294967296x\r\n",
                          "VA 1 O1 f4294967296x\r\n",
                          "HD t-2\r\n",
                          "HD t\r\n",
                          "HD t-\r\n",
                          "HD t-11\r\n",
                          "HD t9223372036854775808\r\n",
                          "HD h2\r\n",
                          "HD h\r\n",
                          "HD h01x\r\n",
                          "HD l-1\r\n",
                          "HD s-1\r\n",
                          "HD k\r\n",
                          "HD Wx\r\n",
                          "HD X1\r\n",
                          "HD Z1\r\n",
                          "HD c1\tO1\r\n",
                          "HD c1\rO1\r\n",
                          "HD ?a\x01 O1\r\n"})
    expect_malformed(meta::parse, bad);
  expect_malformed(meta::parse, "HD k" + std::string(251, 'k') + "\r\n");
  EXPECT_EQ(whole("HD k" + std::string(250, 'k') + "\r\n").r.key.size(), 250U);
  EXPECT_EQ(whole("HD t9223372036854775807\r\n").r.ttl, INT64_MAX);
}

// memcached can be built to store flags of 64 bits. The rest of the head is as ever, so that the
// value can be left out.
TEST(meta_parse, flags_of_more_than_32_bits_are_the_items_error) {
  EXPECT_EQ(whole("VA 1 f4294967295 O7\r\n").r.status, errc::ok);
  EXPECT_EQ(whole("VA 1 f4294967295 O7\r\n").r.flags, UINT32_MAX);
  for (const std::string flags : {"f4294967296", "f18446744073709551615"}) {
    for (const std::string& head : {"VA 5 " + flags + " c9 O7\r\n", "VA 5 c9 " + flags + " O7\r\n",
                                    "VA 5 O7 c9 " + flags + "\r\n"}) {
      const seen s = whole(head);
      EXPECT_EQ(s.p.kind, reply_kind::value);
      EXPECT_EQ(s.r.status, errc::unknown_flags) << head;
      EXPECT_NE(s.r.text, "");
      EXPECT_EQ(s.p.body_size, 5U);
      EXPECT_EQ(s.r.opaque, 7U);
      EXPECT_EQ(s.r.cas, 9U);
    }
    EXPECT_EQ(whole("HD " + flags + " O7\r\n").r.status, errc::unknown_flags);
    // What is said beside them is said.
    EXPECT_EQ(whole("EN " + flags + "\r\n").r.status, errc::miss);
    EXPECT_EQ(whole("NS " + flags + "\r\n").r.status, errc::not_stored);
  }
}

TEST(meta_parse, anything_else_is_malformed) {
  for (const char* bad : {"\r\n", "\n", "HD\n", "hd\r\n", "HDX\r\n", "XX\r\n", "H\r\n", "END\r\n",
                          "STORED\r\n", "VALUE k 0 1\r\n", "10\r\n", "NOT_FOUND\r\n", "EXISTS\r\n",
                          "OK\r\n", "HD\r\r\n", "VERSION 1\r\n", "\x81\x01\r\n", "MNO\r\n"})
    expect_malformed(meta::parse, bad);
}

TEST(meta_parse, every_byte_at_every_position) {
  for (const std::string_view line :
       {"VA 1 f2 c3 t-1 O5 kab W\r\n", "HD\r\n", "EN O1\r\n", "ME k a=1\r\n", "ERROR x\r\n"}) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string bytes(line);
        bytes[at] = static_cast<char>(byte);
        const testing::exact copy(bytes);
        response r;
        const parsed p = meta::parse(copy.view(), r);
        if (p.what == parsed::outcome::reply) {
          EXPECT_LE(p.head_size, bytes.size());
          EXPECT_EQ(bytes.substr(p.head_size - 2, 2), "\r\n");
          EXPECT_EQ(bytes.substr(0, p.head_size).find('\n'), p.head_size - 1);
        }
      }
    }
  }
}

TEST(meta_parse, a_line_is_bounded) {
  for (const std::string_view start :
       {"SERVER_ERROR ", "VA 1 ?", "VA 1", "HD ", "HD c1 ", "ME k ", ""}) {
    std::string line(start);
    line.resize(meta::max_line - 1, '1');
    EXPECT_EQ(outcome_of(meta::parse, line), parsed::outcome::need_more) << start;
    line += '1';
    EXPECT_EQ(outcome_of(meta::parse, line), parsed::outcome::malformed) << start;
    line += "\r\n";
    EXPECT_EQ(outcome_of(meta::parse, line), parsed::outcome::malformed) << start;
  }
  std::string fits = "VA 1 ?";
  fits.resize(meta::max_line - 2, 'x');
  fits += "\r\n";
  EXPECT_EQ(outcome_of(meta::parse, fits), parsed::outcome::reply);
}

}  // namespace
}  // namespace memcxx::protocol
