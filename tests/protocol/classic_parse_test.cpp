// Every classic reply, each also split at every byte; and what is not one.
#include <gtest/gtest.h>
#include <string>

#include <memcxx/protocol/classic.hpp>

#include "parsing.hpp"
#include "protocol/plain.hpp"

namespace memcxx::protocol {
namespace {

using testing::expect_malformed;
using testing::outcome_of;
using testing::seen;

seen whole(std::string_view bytes) { return testing::parse_whole(classic::parse, bytes); }

void expect_kind(std::string_view bytes, reply_kind kind, errc status = errc::ok) {
  const seen s = whole(bytes);
  EXPECT_EQ(s.p.kind, kind) << bytes;
  EXPECT_EQ(s.r.status, status) << bytes;
  EXPECT_EQ(s.p.body_size, 0U);
  EXPECT_EQ(s.p.trailer, 0);
}

TEST(classic_parse, value) {
  const seen s = whole("VALUE key:1 4294967295 100\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::value);
  EXPECT_EQ(s.r.status, errc::ok);
  EXPECT_EQ(s.r.key, "key:1");
  EXPECT_EQ(s.r.flags, UINT32_MAX);
  EXPECT_EQ(s.p.body_size, 100U);
  EXPECT_EQ(s.p.trailer, 2);
  EXPECT_FALSE(s.r.has_cas);
}

TEST(classic_parse, value_with_cas) {
  const seen s = whole("VALUE k 0 0 18446744073709551615\r\n");
  EXPECT_TRUE(s.r.has_cas);
  EXPECT_EQ(s.r.cas, UINT64_MAX);
  EXPECT_EQ(s.p.body_size, 0U);
  EXPECT_EQ(s.p.trailer, 2);
}

// Of memcached with large client flags, and of Infinispan, which tells them as signed.
TEST(classic_parse, flags_that_are_no_32_bit_number_are_the_items_error) {
  EXPECT_EQ(whole("VALUE k 4294967295 1\r\n").r.status, errc::ok);
  for (const char* wide : {"4294967296", "18446744073709551615", "-1", "-2147483648"}) {
    const seen s = whole(std::string("VALUE k ") + wide + " 7 3\r\n");
    EXPECT_EQ(s.r.status, errc::unknown_flags) << wide;
    EXPECT_EQ(s.p.kind, reply_kind::value);
    EXPECT_EQ(s.p.body_size, 7u);
    EXPECT_EQ(s.r.key, "k");
  }
}

TEST(classic_parse, value_limits) {
  const std::string key(250, 'k');
  EXPECT_EQ(whole("VALUE " + key + " 0 4294967295\r\n").r.key, key);
  EXPECT_EQ(whole("VALUE k 0 4294967295\r\n").p.body_size, 4294967295U);
  for (const char* bad : {"VALUE k 0 4294967296\r\n",
                          "VALUE k 0 -1\r\n",
                          "VALUE k 0 +1\r\n",
                          "VALUE k 0 1x\r\n",
                          "VALUE k 0 0x10\r\n",
                          "VALUE k 0 99999999999999999999\r\n",
                          "VALUE k 0 18446744073709551616\r\n",
                          "VALUE k 18446744073709551616 1\r\n",
                          "VALUE k - 1\r\n",
                          "VALUE k --1 1\r\n",
                          "VALUE k +1 1\r\n",
                          "VALUE k 1-1 1\r\n",
                          "VALUE k 4294967296x 1\r\n",
                          "VALUE k -1x 1\r\n",
                          "VALUE k 0 1 18446744073709551616\r\n",
                          "VALUE k 0 1 -1\r\n",
                          "VALUE k 0 1 \r\n",
                          "VALUE k 0 1 1 1\r\n",
                          "VALUE k 0 1 1 \r\n",
                          "VALUE k 0  1\r\n",
                          "VALUE  0 1\r\n",
                          "VALUE k 0\r\n",
                          "VALUE k 0 \r\n",
                          "VALUE k\r\n",
                          "VALUE \r\n",
                          "VALUE\r\n",
                          "VALUE k\r\nb 0 1\r\n",
                          "VALUE k\tb 0 1\r\n",
                          "VALUE k 0 1\n",
                          "VALUE k 0 1\r\r\n",
                          "VALUE k 0 000000000000000000001\r\n",
                          "value k 0 1\r\n"})
    expect_malformed(classic::parse, bad);
  expect_malformed(classic::parse, "VALUE k" + key + " 0 1\r\n");
}

// memcached can be built to store flags of 64 bits, and Infinispan tells those of 32 as signed. The
// rest of the head is as ever, so that the value can be left out.
TEST(classic_parse, flags_that_are_no_number_of_32_bits_are_the_items_error) {
  EXPECT_EQ(whole("VALUE k 4294967295 1\r\n").r.status, errc::ok);
  EXPECT_EQ(whole("VALUE k 4294967295 1\r\n").r.flags, UINT32_MAX);
  for (const char* flags : {"4294967296", "18446744073709551615", "-1", "-2147483648"}) {
    for (const char* rest : {" 5\r\n", " 5 99\r\n"}) {
      const seen s = whole("VALUE key " + std::string(flags) + rest);
      EXPECT_EQ(s.p.kind, reply_kind::value);
      EXPECT_EQ(s.r.status, errc::unknown_flags) << flags;
      EXPECT_NE(s.r.text, "");
      EXPECT_EQ(s.r.key, "key");
      EXPECT_EQ(s.p.body_size, 5U);
      EXPECT_EQ(s.p.trailer, 2);
      EXPECT_EQ(s.r.has_cas, rest[3] == '9');
    }
  }
}

TEST(classic_parse, configuration_of_a_cluster) {
  const seen s = whole("CONFIG cluster 0 147\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::value);
  EXPECT_EQ(s.r.status, errc::ok);
  EXPECT_EQ(s.r.key, "cluster");
  EXPECT_EQ(s.p.body_size, 147U);
  EXPECT_EQ(s.p.trailer, 2);
  EXPECT_EQ(whole("CONFIG cluster 0 0\r\n").p.body_size, 0U);
  EXPECT_EQ(whole("CONFIG " + std::string(250, 'k') + " 0 4294967295\r\n").p.body_size, UINT32_MAX);
  for (const char* bad :
       {"CONFIG\r\n", "CONFIG \r\n", "CONFIG cluster\r\n", "CONFIG cluster 0\r\n",
        "CONFIG cluster 0 -1\r\n", "CONFIG cluster 0 4294967296\r\n", "CONFIG cluster 0 1 x\r\n",
        "CONFIG  0 1\r\n", "CONFIG cluster 0 1\n", "config cluster 0 1\r\n", "CONFI\r\n"})
    expect_malformed(classic::parse, bad);
}

TEST(classic_parse, plain_words) {
  expect_kind("END\r\n", reply_kind::end);
  for (const char* done : {"STORED\r\n", "DELETED\r\n", "TOUCHED\r\n", "OK\r\n", "RESET\r\n"})
    expect_kind(done, reply_kind::done);
  expect_kind("NOT_FOUND\r\n", reply_kind::refused, errc::miss);
  expect_kind("NOT_STORED\r\n", reply_kind::refused, errc::not_stored);
  expect_kind("EXISTS\r\n", reply_kind::refused, errc::exists);
}

TEST(classic_parse, numbers) {
  const auto number = [](std::string_view bytes) {
    const seen s = whole(bytes);
    EXPECT_EQ(s.p.kind, reply_kind::number);
    return s.r.number;
  };
  EXPECT_EQ(number("0\r\n"), 0U);
  EXPECT_EQ(number("10\r\n"), 10U);
  EXPECT_EQ(number("9 \r\n"), 9U);
  EXPECT_EQ(number("9          \r\n"), 9U);
  EXPECT_EQ(number("9999999999999999999\r\n"), 9999999999999999999U);
  EXPECT_EQ(number("18446744073709551615\r\n"), UINT64_MAX);
  for (const char* bad :
       {"18446744073709551616\r\n", "99999999999999999999\r\n", "184467440737095516150\r\n",
        "-1\r\n", "+1\r\n", "1 2\r\n", "1x\r\n", "0x1\r\n", " 1\r\n", "1\t\r\n", "1.0\r\n"})
    expect_malformed(classic::parse, bad);
}

TEST(classic_parse, statistics) {
  const seen s = whole("STAT pid 4711\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::stat);
  EXPECT_TRUE(s.r.more);
  EXPECT_EQ(s.r.key, "pid");
  EXPECT_EQ(s.r.value, "4711");
  EXPECT_EQ(whole("STAT inter \r\n").r.value, "");
  EXPECT_EQ(whole("STAT version 1.6.18 (x y)\r\n").r.value, "1.6.18 (x y)");
  EXPECT_EQ(whole("STAT bare\r\n").r.key, "bare");
  const seen item = whole("ITEM a [3 b; 0 s]\r\n");
  EXPECT_EQ(item.p.kind, reply_kind::stat);
  EXPECT_EQ(item.r.key, "a");
  EXPECT_EQ(item.r.value, "[3 b; 0 s]");
  EXPECT_EQ(whole("PREFIX user get 1 hit 1 set 0 del 0\r\n").r.value, "get 1 hit 1 set 0 del 0");
  expect_malformed(classic::parse, "STAT \r\n");
  expect_malformed(classic::parse, "STAT  x\r\n");
  expect_malformed(classic::parse, "STAT\r\n");
}

TEST(classic_parse, version) {
  const seen s = whole("VERSION 1.6.18\r\n");
  EXPECT_EQ(s.p.kind, reply_kind::text);
  EXPECT_EQ(s.r.text, "1.6.18");
  expect_malformed(classic::parse, "VERSION\r\n");
}

TEST(classic_parse, errors) {
  const auto error = [](std::string_view bytes, errc status, std::string_view text) {
    const seen s = whole(bytes);
    EXPECT_EQ(s.p.kind, reply_kind::error) << bytes;
    EXPECT_EQ(s.r.status, status) << bytes;
    EXPECT_EQ(s.r.text, text) << bytes;
  };
  error("ERROR\r\n", errc::not_supported, "ERROR");
  error("ERROR unknown command\r\n", errc::not_supported, "unknown command");
  error("ERROR: unknown command\r\n", errc::not_supported, "unknown command");
  error("CLIENT_ERROR bad data chunk\r\n", errc::client_error, "bad data chunk");
  error("CLIENT_ERROR\r\n", errc::client_error, "CLIENT_ERROR");
  error("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", errc::not_a_number,
        "cannot increment or decrement non-numeric value");
  error("CLIENT_ERROR invalid flag\r\n", errc::not_supported, "invalid flag");
  error("SERVER_ERROR object too large for cache\r\n", errc::value_too_large,
        "object too large for cache");
  error("SERVER_ERROR out of memory storing object\r\n", errc::out_of_memory,
        "out of memory storing object");
  error("SERVER_ERROR proxy: no backend\r\n", errc::server_error, "proxy: no backend");
  error("SERVER_ERROR \r\n", errc::server_error, "SERVER_ERROR");
}

TEST(classic_parse, anything_else_is_malformed) {
  for (const char* bad : {"\r\n",
                          "\n",
                          "END\n",
                          "END \r\n",
                          "end\r\n",
                          "ENDX\r\n",
                          "STORED \r\n",
                          "STOREDSTORED\r\n",
                          "HD\r\n",
                          "EN\r\n",
                          "VA 1\r\nx\r\n",
                          "MN\r\n",
                          "ERRORS\r\n",
                          "CLIENT_ERRORS x\r\n",
                          "SERVER_ERRORX\r\n",
                          "HTTP/1.1 400 Bad Request\r\n",
                          "-ERR unknown command\r\n",
                          "+OK\r\n",
                          "\x81\x01\r\n",
                          "OK\n\r\n",
                          "NOT_FOUND\r\r\n"})
    expect_malformed(classic::parse, bad);
}

// Whatever stands at the start: no crash, no reading past the end, an answer that holds.
TEST(classic_parse, every_byte_at_every_position) {
  for (const std::string_view line : {"VALUE k 1 2 3\r\n", "END\r\n", "STAT a b\r\n", "12 \r\n",
                                      "SERVER_ERROR x\r\n", "NOT_FOUND\r\n"}) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string bytes(line);
        bytes[at] = static_cast<char>(byte);
        const testing::exact copy(bytes);
        response r;
        const parsed p = classic::parse(copy.view(), r);
        if (p.what == parsed::outcome::reply) {
          EXPECT_LE(p.head_size, bytes.size());
          EXPECT_EQ(bytes.substr(p.head_size - 2, 2), "\r\n");
          EXPECT_EQ(bytes.substr(0, p.head_size).find('\n'), p.head_size - 1);
        }
      }
    }
  }
}

TEST(classic_parse, a_line_is_bounded) {
  for (const std::string_view start : {"SERVER_ERROR ", "VALUE ", "STAT a ", "1", ""}) {
    std::string line(start);
    line.resize(classic::max_line - 1, '1');
    EXPECT_EQ(outcome_of(classic::parse, line), parsed::outcome::need_more) << start;
    line += '1';
    EXPECT_EQ(outcome_of(classic::parse, line), parsed::outcome::malformed) << start;
    line += "\r\n";
    EXPECT_EQ(outcome_of(classic::parse, line), parsed::outcome::malformed) << start;
  }
  std::string fits = "SERVER_ERROR ";
  fits.resize(classic::max_line - 2, 'x');
  fits += "\r\n";
  EXPECT_EQ(outcome_of(classic::parse, fits), parsed::outcome::reply);
}

std::size_t read_item(std::string_view in, std::string_view prefix, std::string_view key,
                      response& r, std::size_t& size) {
  return plain::read_item(in, prefix, key, classic::max_line, r, size);
}

TEST(plain_item, is_what_parse_says_of_an_expected_key) {
  const std::string_view prefixes[] = {"", "p:"};
  for (const std::string_view prefix : prefixes) {
    const std::string key = std::string(prefix) + "key";
    for (const std::string fields :
         {" 0 5", " 7 5", " 4294967295 5 123", " 0 5 18446744073709551615"}) {
      const std::string head = "VALUE " + key + fields + "\r\n";
      const std::string in = head + "hello\r\nEND\r\n";
      response whole;
      ASSERT_EQ(classic::parse(in, whole).head_size, head.size());
      response r;
      r.cas = 99;
      r.has_cas = true;
      std::size_t size = 0;
      ASSERT_EQ(read_item(in, prefix, "key", r, size), head.size()) << in;
      EXPECT_EQ(size, 5u);
      EXPECT_EQ(r.key, key);
      EXPECT_EQ(r.flags, whole.flags);
      EXPECT_EQ(r.cas, whole.cas);
      EXPECT_EQ(r.has_cas, whole.has_cas);
      // A copy of each beginning, so that a sanitizer sees a byte too much.
      for (std::size_t n = 0; n < head.size(); ++n) {
        const std::vector<char> part(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_EQ(read_item({part.data(), n}, prefix, "key", r, size), 0u) << n;
      }
    }
  }
}

TEST(plain_item, leaves_everything_else_to_parse) {
  for (const std::string_view in :
       {"VALUE kex 0 5\r\nhello\r\n", "VALUE keyx 0 5\r\nhello\r\n", "VALUE ke 0 5\r\nhello\r\n",
        "VALUES key 0 5\r\nhello\r\n", "VALUE key 0 5 \r\nhello\r\n", "VALUE key 0  5\r\nhello\r\n",
        "VALUE key 0 5\nhello\r\n", "VALUE key -1 5\r\nhello\r\n",
        "VALUE key 4294967296 5\r\nhello", "VALUE key 0 4294967296\r\nhello", "END\r\n          ",
        "SERVER_ERROR key 0 5\r\n"}) {
    response r;
    std::size_t size = 0;
    EXPECT_EQ(read_item(in, "", "key", r, size), 0u) << in;
  }
}

}  // namespace
}  // namespace memcxx::protocol
