// Every binary reply, each also split at every byte; and what is not one.
#include <gtest/gtest.h>
#include <string>

#include <memcxx/protocol/binary.hpp>

#include "binary_frames.hpp"
#include "parsing.hpp"

namespace memcxx::protocol {
namespace {

using testing::expect_malformed;
using testing::frame;
using testing::outcome_of;
using testing::seen;

seen whole(const frame& f) { return testing::parse_whole(binary::parse, f.bytes()); }
void expect_malformed_frame(const frame& f) { expect_malformed(binary::parse, f.bytes()); }

const std::string four("\x0a\x0b\x0c\x0d", 4);

TEST(binary_parse, value) {
  for (const unsigned opcode : {0x00U, 0x09U, 0x1dU, 0x1eU}) {
    const frame f{.opcode = opcode, .extras = four, .value = "hello", .cas = UINT64_MAX};
    std::string head = f.bytes();
    head.resize(head.size() - 5);
    const seen s = testing::parse_whole(binary::parse, head);
    EXPECT_EQ(s.p.kind, reply_kind::value);
    EXPECT_EQ(s.p.body_size, 5U);
    EXPECT_EQ(s.p.trailer, 0);
    EXPECT_EQ(s.r.status, errc::ok);
    EXPECT_EQ(s.r.flags, 0x0a0b0c0dU);
    EXPECT_TRUE(s.r.has_cas);
    EXPECT_EQ(s.r.cas, UINT64_MAX);
    EXPECT_TRUE(s.r.has_opaque);
    EXPECT_EQ(s.r.opaque, 7U);
    EXPECT_EQ(s.r.key, "");
  }
}

TEST(binary_parse, value_with_its_key) {
  for (const unsigned opcode : {0x0cU, 0x0dU}) {
    const seen s = whole({.opcode = opcode, .extras = four, .key = std::string("k\0y", 3)});
    EXPECT_EQ(s.p.kind, reply_kind::value);
    EXPECT_EQ(s.p.body_size, 0U);
    EXPECT_EQ(s.r.key, std::string("k\0y", 3));
    EXPECT_FALSE(s.r.has_cas);
  }
}

TEST(binary_parse, the_longest_value) {
  std::string head = frame{.extras = four}.bytes();
  head.replace(8, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(testing::parse_whole(binary::parse, head).p.body_size, 0xffffffffU - 4);
}

TEST(binary_parse, success_without_more_to_say) {
  for (const unsigned opcode : {0x01U, 0x02U, 0x03U, 0x04U, 0x07U, 0x08U, 0x0eU, 0x0fU, 0x11U,
                                0x12U, 0x13U, 0x14U, 0x17U, 0x18U, 0x19U, 0x1aU, 0x1bU}) {
    const seen s = whole({.opcode = opcode, .cas = 3});
    EXPECT_EQ(s.p.kind, reply_kind::done) << opcode;
    EXPECT_EQ(s.r.cas, 3U);
    expect_malformed_frame({.opcode = opcode, .value = "x"});
    expect_malformed_frame({.opcode = opcode, .extras = four});
  }
  EXPECT_EQ(whole({.opcode = 0x0a}).p.kind, reply_kind::noop);
  expect_malformed_frame({.opcode = 0x0a, .value = "x"});
}

TEST(binary_parse, touch_tells_flags_that_nobody_asked_for) {
  EXPECT_EQ(whole({.opcode = 0x1c, .extras = four}).p.kind, reply_kind::done);
  EXPECT_EQ(whole({.opcode = 0x1c}).p.kind, reply_kind::done);
}

TEST(binary_parse, numbers) {
  for (const unsigned opcode : {0x05U, 0x06U, 0x15U, 0x16U}) {
    const seen s =
        whole({.opcode = opcode, .value = testing::big_endian(UINT64_MAX - 1, 8), .cas = 2});
    EXPECT_EQ(s.p.kind, reply_kind::number);
    EXPECT_EQ(s.r.number, UINT64_MAX - 1);
    EXPECT_EQ(s.p.body_size, 0U);
    expect_malformed_frame({.opcode = opcode});
    expect_malformed_frame({.opcode = opcode, .value = "1234567"});
    expect_malformed_frame({.opcode = opcode, .value = "123456789"});
    expect_malformed_frame({.opcode = opcode, .extras = four, .value = "1234"});
  }
}

TEST(binary_parse, statistics) {
  const seen s = whole({.opcode = 0x10, .key = "pid", .value = "4711"});
  EXPECT_EQ(s.p.kind, reply_kind::stat);
  EXPECT_TRUE(s.r.more);
  EXPECT_EQ(s.r.key, "pid");
  EXPECT_EQ(s.r.value, "4711");
  EXPECT_TRUE(whole({.opcode = 0x10, .key = "inter"}).r.more);
  const seen end = whole({.opcode = 0x10});
  EXPECT_EQ(end.p.kind, reply_kind::end);
  EXPECT_FALSE(end.r.more);
  expect_malformed_frame({.opcode = 0x10, .value = "x"});
}

TEST(binary_parse, version) {
  const seen s = whole({.opcode = 0x0b, .value = "1.6.18"});
  EXPECT_EQ(s.p.kind, reply_kind::text);
  EXPECT_EQ(s.r.text, "1.6.18");
}

void expect_status(unsigned opcode, unsigned status, reply_kind kind, errc code) {
  const seen s = whole({.opcode = opcode, .status = status, .value = "the words"});
  EXPECT_EQ(s.p.kind, kind) << opcode << ' ' << status;
  EXPECT_EQ(s.r.status, code) << opcode << ' ' << status;
  EXPECT_EQ(s.r.text, kind == reply_kind::error ? "the words" : "");
  EXPECT_FALSE(s.r.more);
  const seen mute = whole({.opcode = opcode, .status = status});
  EXPECT_EQ(mute.r.status, code);
  EXPECT_EQ(mute.r.text.empty(), kind != reply_kind::error) << status;
}

TEST(binary_parse, answers) {
  for (const unsigned get :
       {0x00U, 0x09U, 0x0cU, 0x0dU, 0x1dU, 0x1eU, 0x1cU, 0x04U, 0x14U, 0x05U, 0x16U, 0x01U, 0x11U})
    expect_status(get, 0x01, reply_kind::refused, errc::miss);
  for (const unsigned op : {0x01U, 0x11U, 0x03U, 0x13U, 0x0eU, 0x1aU, 0x04U, 0x05U})
    expect_status(op, 0x02, reply_kind::refused, errc::exists);
  // What the text protocols call NOT_STORED.
  for (const unsigned add : {0x02U, 0x12U})
    expect_status(add, 0x02, reply_kind::refused, errc::not_stored);
  for (const unsigned replace : {0x03U, 0x13U})
    expect_status(replace, 0x01, reply_kind::refused, errc::not_stored);
  for (const unsigned append : {0x0eU, 0x0fU, 0x19U, 0x1aU})
    expect_status(append, 0x05, reply_kind::refused, errc::not_stored);
  expect_status(0x10, 0x01, reply_kind::error, errc::not_supported);  // no such group
}

TEST(binary_parse, errors) {
  for (const unsigned op : {0x00U, 0x01U, 0x05U, 0x0aU, 0x10U}) {
    expect_status(op, 0x03, reply_kind::error, errc::value_too_large);
    expect_status(op, 0x04, reply_kind::error, errc::client_error);
    expect_status(op, 0x06, reply_kind::error, errc::not_a_number);
    for (const unsigned auth : {0x08U, 0x09U, 0x20U, 0x21U})
      expect_status(op, auth, reply_kind::error, errc::server_error);
    expect_status(op, 0x81, reply_kind::error, errc::not_supported);
    expect_status(op, 0x82, reply_kind::error, errc::out_of_memory);
    expect_status(op, 0x83, reply_kind::error, errc::not_supported);
    for (const unsigned failure : {0x84U, 0x85U, 0x86U})
      expect_status(op, failure, reply_kind::error, errc::server_error);
  }
}

TEST(binary_parse, no_status_but_zero_is_a_success) {
  for (unsigned opcode = 0; opcode <= 0x1e; ++opcode) {
    for (unsigned status = 1; status <= 0xffff; status += status < 0x200 ? 1 : 0x101) {
      const std::string bytes = frame{.opcode = opcode, .status = status}.bytes();
      response r;
      const parsed p = binary::parse(bytes, r);
      ASSERT_EQ(p.what, parsed::outcome::reply);
      ASSERT_NE(r.status, errc::ok) << status;
      ASSERT_TRUE(p.kind == reply_kind::refused || p.kind == reply_kind::error);
    }
  }
}

TEST(binary_parse, headers_that_cannot_be) {
  for (const unsigned magic : {0x00U, 0x80U, 0x82U, 0xffU, unsigned{'E'}})
    expect_malformed_frame({.magic = magic});
  expect_malformed(binary::parse, "E");          // a text server is recognised by its first byte
  expect_malformed(binary::parse, "ERROR\r\n");  // shorter than a header
  for (unsigned opcode = 0x1f; opcode <= 0xff; ++opcode) expect_malformed_frame({.opcode = opcode});
  expect_malformed_frame({.extras = "", .value = "x"});          // a value without flags
  expect_malformed_frame({.extras = "12345678", .value = "x"});  // or with too many
  expect_malformed_frame({.opcode = 0x0c, .extras = four, .key = std::string(251, 'k')});

  std::string lies = frame{.extras = four, .value = "x"}.bytes();
  lies.replace(8, 4, std::string("\0\0\0\3", 4));  // the body ends inside the extras
  expect_malformed(binary::parse, lies);
  lies = frame{.opcode = 0x0c, .extras = four, .key = "key"}.bytes();
  lies.replace(8, 4, std::string("\0\0\0\6", 4));  // or inside the key
  expect_malformed(binary::parse, lies);
}

TEST(binary_parse, messages_are_bounded) {
  std::string fits = frame{.status = 0x84, .value = std::string(binary::max_text, 'x')}.bytes();
  EXPECT_EQ(outcome_of(binary::parse, fits), parsed::outcome::reply);
  for (const frame& f : {frame{.status = 0x84}, frame{.opcode = 0x0b}, frame{.opcode = 0x10},
                         frame{.opcode = 0x01}, frame{.opcode = 0x05}}) {
    std::string bytes = f.bytes();
    bytes.replace(8, 4, "\xff\xff\xff\xff");
    expect_malformed(binary::parse, bytes);
    bytes.replace(8, 4, testing::big_endian(binary::max_text + 1, 4));
    expect_malformed(binary::parse, bytes);  // before one byte of it came
  }
}

TEST(binary_parse, every_byte_at_every_position) {
  for (const frame& f :
       {frame{.extras = four, .value = "v"}, frame{.opcode = 0x05, .value = "12345678"},
        frame{.opcode = 0x10, .key = "k", .value = "v"},
        frame{.status = 1, .value = "Not found"}}) {
    const std::string line = f.bytes();
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string bytes = line;
        bytes[at] = static_cast<char>(byte);
        const testing::exact copy(bytes);
        response r;
        const parsed p = binary::parse(copy.view(), r);
        if (p.what != parsed::outcome::reply) continue;
        EXPECT_LE(p.head_size, bytes.size());
        EXPECT_TRUE(testing::lies_in(r.key, copy.view()));
        EXPECT_TRUE(testing::lies_in(r.value, copy.view()));
      }
    }
  }
}

}  // namespace
}  // namespace memcxx::protocol
