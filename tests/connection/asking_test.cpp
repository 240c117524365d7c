// One request without a queue (ask) against the same request with one (submit): whatever the server
// answers, in whatever pieces, both tell the same and leave the same connection.
// Never here: what the right answer is; verbs_test and hostile_test know.
#include <utility>

#include "connection/script.hpp"

namespace memcxx::script {
namespace {

// What there is to see of a talk.
struct seen {
  std::string written;
  lines log;
  errc failure = errc::ok;
  std::string why;
  std::size_t in_flight = 0;
  std::uint64_t unclaimed = 0;
  std::string after;  // what the next request wrote, and was told
  bool operator==(const seen&) const = default;
};

void PrintTo(const seen& s, std::ostream* out) {
  *out << s.written << " |";
  for (const auto& line : s.log) *out << " [" << line << "]";
  *out << " | " << name_of(s.failure) << " " << s.why << " | in flight " << s.in_flight << " | "
       << s.after;
}

seen end_of(talk& t, std::string written) {
  seen s{std::move(written),
         t.to.log,
         t.c.failure(),
         std::string(t.c.failure_text()),
         t.c.in_flight(),
         t.c.unclaimed_errors(),
         {}};
  if (t.c.failed() || t.c.in_flight() != 0) return s;
  t.ask({.op = verb::remove, .key = "next"});
  s.after = t.take();
  return s;
}

// A read of the socket, up to which the connection is not told anything.
std::size_t put(connection& c, std::string_view bytes) {
  std::size_t n = 0;
  for (const auto room : c.input()) {
    const std::size_t part = std::min(room.size(), bytes.size() - n);
    if (part != 0) std::memcpy(room.data(), bytes.data() + n, part);
    n += part;
  }
  return n;
}

seen by_submit(const connection_options& o, const request& r, std::string_view reply,
               std::size_t cut) {
  talk t(o);
  t.ask(r);
  std::string written = t.take();
  t.read(reply.substr(0, cut));
  t.read(reply.substr(cut));
  return end_of(t, std::move(written));
}

// `at_once`: so many bytes of the request are written by the first call.
seen by_ask(const connection_options& o, request r, std::string_view reply, std::size_t cut,
            std::size_t at_once = SIZE_MAX) {
  talk t(o);
  std::string written(t.c.ask(r));
  EXPECT_FALSE(written.empty());
  const std::uint32_t tag = t.next_tag++;
  if (at_once < written.size()) {
    t.c.queue(t.to, tag, at_once);
    written = written.substr(0, at_once) + t.take();
    t.read(reply.substr(0, cut));
    t.read(reply.substr(cut));
    return end_of(t, std::move(written));
  }
  std::string_view rest = reply.substr(0, cut);
  const response* answer = nullptr;
  if (!rest.empty()) {
    const std::size_t n = put(t.c, rest);
    answer = t.c.answered(n);
    rest.remove_prefix(n);
  }
  if (answer != nullptr) {
    t.to.on_response(tag, *answer);
  } else {
    t.c.queue(t.to, tag, written.size());
  }
  t.read(rest);
  t.read(reply.substr(cut));
  return end_of(t, std::move(written));
}

void expect_alike(const connection_options& o, const request& r,
                  const std::vector<std::string>& replies) {
  for (const std::string& reply : replies) {
    SCOPED_TRACE(std::string(protocol::name_of(r.op)) + " answered with " + reply);
    for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
      SCOPED_TRACE("split at " + std::to_string(cut));
      ASSERT_EQ(by_ask(o, r, reply, cut), by_submit(o, r, reply, cut));
    }
    const std::size_t whole = by_submit(o, r, reply, 0).written.size();
    for (std::size_t n = 0; n < whole; ++n) {
      SCOPED_TRACE("written at first: " + std::to_string(n));
      ASSERT_EQ(by_ask(o, r, reply, 1, n), by_submit(o, r, reply, 1));
    }
  }
}

const std::vector<request> requests = {
    {.key = "k"},
    {.wants = want::value | want::cas, .prefix = "p:", .key = "k"},
    {.op = verb::gat, .ttl = 9, .key = "k"},
    {.op = verb::set, .wants = want::cas, .flags = 3, .ttl = 60, .key = "k", .value = "hello"},
    {.op = verb::set, .key = "k", .value = ""},
    {.op = verb::add, .key = "k", .value = "hello"},
    {.op = verb::cas, .key = "k", .value = "hello", .cas = 7},
    {.op = verb::append, .key = "k", .value = "hello"},
    {.op = verb::remove, .key = "k"},
    {.op = verb::touch, .ttl = 60, .key = "k"},
    {.op = verb::incr, .key = "k"},
    {.op = verb::decr, .key = "k", .delta = 5},
};

TEST(asking, classic_tells_what_submit_tells) {
  const std::vector<std::string> replies = {
      "VALUE k 5 5\r\nhello\r\nEND\r\n", "VALUE p:k 5 5 99\r\nhello\r\nEND\r\n", "END\r\n",
      "VALUE k 0 0\r\n\r\nEND\r\n", "STORED\r\n", "NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n",
      "DELETED\r\n", "TOUCHED\r\n", "OK\r\n", "7\r\n", "12   \r\n", "ERROR\r\n",
      "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
      "SERVER_ERROR out of memory storing object\r\n",
      // Not what was asked for, or not a reply.
      "VALUE other 0 1\r\nx\r\nEND\r\n", "VALUE k 0 5\r\nhello!\r\nEND\r\n",
      "VALUE k 0 5\r\nhello\r\nEND\r\nEND\r\n",
      "VALUE k 0 5\r\nhello\r\nVALUE k 0 1\r\nx\r\nEND\r\n",
      "VALUE k 4294967296 5\r\nhello\r\nEND\r\n", "VALUE k -1 5\r\nhello\r\nEND\r\n",
      "VALUE k 0 5\r\nhello\r\nSERVER_ERROR busy\r\n", "SERVER_ERROR gone\r\nEND\r\n",
      "VALUE k 0 12\r\nhello\r\nEND\r\n", "CONFIG k 0 5\r\nhello\r\nEND\r\n",
      "STORED\r\nSTORED\r\n", "VALUE k 0 99999999999\r\n", "HD\r\n", "VA 5 f5\r\nhello\r\n",
      "nonsense\r\n", "END\n", "\r\n"};
  for (const request& r : requests) expect_alike(speaking(protocol_choice::classic), r, replies);
}

TEST(asking, meta_tells_what_submit_tells) {
  const std::vector<std::string> replies = {
      "VA 5 f5 O1\r\nhello\r\n", "VA 5 f5 c99 O1\r\nhello\r\n", "VA 5 O1 c99 f5\r\nhello\r\n",
      "VA 0 f0 O1\r\n\r\n", "VA 2 O1\r\n42\r\n", "VA 2 O1\r\n4x\r\n", "EN\r\n", "HD O1\r\n",
      "HD c12 O1\r\n", "NS O1\r\n", "EX O1\r\n", "NF O1\r\n", "NF\r\n", "HD\r\n",
      "VA 5 f5 W O1\r\nhello\r\n", "VA 5 f5 t-1 h1 l0 O1\r\nhello\r\n",
      "SERVER_ERROR out of memory storing object\r\n", "CLIENT_ERROR bad data chunk\r\n",
      "ERROR\r\n",
      // Not what was asked for, or not a reply.
      "VA 5 f5 O2\r\nhello\r\n", "VA 5 f5\r\nhello\r\n", "VA 5 f5 O1\r\nhello!\r\n",
      "VA 5 f5 O1\r\nhello\r\nEN\r\n", "HD O2\r\n", "HD O1\r\nHD O1\r\n", "MN\r\n", "END\r\n",
      "STORED\r\n", "VA 5 f5 O1x\r\nhello\r\n", "VA 5 f4294967296 O1\r\nhello\r\n",
      "VA 99999999 f5 O1\r\n", "VA 5 f5  O1 \r\nhello\r\n", "VA 5 f5 f6 O1\r\nhello\r\n", "7\r\n"};
  auto small = automatic_with_meta();
  small.max_value_size = 1000;
  for (request r : requests) {
    for (const auto& o : {automatic_with_meta(), speaking(protocol_choice::meta), small}) {
      r.text_key = false;
      expect_alike(o, r, replies);
      r.text_key = true;
      r.opaque = 77;
      expect_alike(o, r, replies);
      r.opaque = 0;
      if (HasFailure()) return;
    }
  }
}

TEST(asking, binary_tells_what_submit_tells) {
  const auto reply = [](unsigned opcode, unsigned status, std::string_view extras,
                        std::string_view value, std::uint32_t opaque = 1) {
    std::string out = {'\x81', static_cast<char>(opcode)};
    out += big_endian(0, 2) + big_endian(extras.size(), 1) + big_endian(0, 1);
    out += big_endian(status, 2) + big_endian(extras.size() + value.size(), 4);
    out += big_endian(opaque, 4) + big_endian(99, 8);
    return out.append(extras).append(value);
  };
  std::vector<std::string> replies;
  for (const unsigned opcode : {0x00U, 0x01U, 0x02U, 0x04U, 0x05U, 0x06U, 0x0eU, 0x1cU, 0x1dU}) {
    for (const unsigned status : {0U, 1U, 2U, 4U, 5U, 6U, 0x82U}) {
      const std::string extras = opcode == 0 || opcode == 0x1d ? big_endian(5, 4) : "";
      const std::string value = opcode == 5 || opcode == 6 ? big_endian(42, 8) : "hello";
      replies.push_back(reply(opcode, status, status == 0 ? extras : "", value));
      replies.push_back(reply(opcode, status, "", ""));
    }
  }
  replies.push_back(reply(0, 0, big_endian(5, 4), "hello", 2));
  replies.push_back(reply(0, 0, big_endian(5, 4), "hello") + reply(0x0a, 0, "", "", 2));
  for (const request& r : requests) expect_alike(speaking(protocol_choice::binary), r, replies);
}

TEST(asking, is_for_an_idle_connection_alone) {
  request get{.key = "k"};
  talk t(automatic_with_meta());
  t.quietly({.op = verb::set, .key = "k", .value = "v"});
  EXPECT_TRUE(t.c.ask(get).empty()) << "a quiet run is open";
  t.fence();
  EXPECT_TRUE(t.c.ask(get).empty()) << "requests are in flight";
  t.take();
  t.read("MN\r\n");
  EXPECT_FALSE(t.c.ask(get).empty());

  talk asks(connection_options{});
  EXPECT_TRUE(asks.c.ask(get).empty()) << "the handshake is not over";
  talk gone(automatic_with_meta());
  gone.c.closed();
  EXPECT_TRUE(gone.c.ask(get).empty()) << "the connection has ended";
}

TEST(asking, leaves_to_submit_what_it_cannot_carry) {
  const std::string large(20'000, 'x');
  const std::string long_value(1001, 'x');
  for (request r :
       {request{.op = verb::set, .quiet = true, .key = "k", .value = "v"},
        request{.op = verb::set, .key = "k", .value = large},
        request{.op = verb::set, .key = "", .value = "v"}, request{.key = "a b", .value = {}},
        request{.op = verb::add, .key = "k", .value = "v", .cas = 7}}) {
    const auto o = r.key == "a b" ? speaking(protocol_choice::classic) : automatic_with_meta();
    talk t(o);
    EXPECT_TRUE(t.c.ask(r).empty()) << protocol::name_of(r.op) << " " << r.key;
    EXPECT_FALSE(t.c.has_output());
    EXPECT_EQ(t.c.in_flight(), 0U);
  }
}

// What was asked and never answered is gone without a trace when the connection is.
TEST(asking, that_is_given_up_ends_like_any_request) {
  for (const std::size_t written : {std::size_t{0}, std::size_t{3}, std::size_t{1000}}) {
    talk t(automatic_with_meta());
    request get{.key = "k"};
    const std::size_t size = t.c.ask(get).size();
    t.c.queue(t.to, 1, std::min(written, size));
    t.c.closed();
    EXPECT_EQ(t.to.log, lines{written == 0 ? "1: connection_closed 'the server closed the "
                                             "connection' unsent"
                                           : "1: connection_closed 'the server closed the "
                                             "connection'"});
  }
}

}  // namespace
}  // namespace memcxx::script
