// Scripted talks with a connection: requests in, bytes out, bytes in, and what the handler was told
// as one line of text for each response.
// Never here: a test, a socket, a clock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/connection.hpp>

namespace memcxx::script {

using namespace std::string_literals;
using namespace std::string_view_literals;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

// "hit", "=value" and so on: everything that a response says, so that lists of them compare.
inline std::string describe(const response& r) {
  std::string out(name_of(r.status));
  if (!r.key.empty() && r.more) out.append(" ").append(r.key);
  if (!r.value.empty()) out.append(" =").append(r.value);
  if (r.flags != 0) out += " f" + std::to_string(r.flags);
  if (r.has_cas) out += " c" + std::to_string(r.cas);
  if (r.has_opaque) out += " O" + std::to_string(r.opaque);
  if (r.number != 0) out += " n" + std::to_string(r.number);
  if (r.ttl) out += " t" + std::to_string(*r.ttl);
  if (r.won) out += " won";
  if (r.stale) out += " stale";
  if (!r.text.empty()) out.append(" '").append(r.text).append("'");
  if (r.unsent) out += " unsent";
  if (r.misjudged) out += " misjudged";
  if (r.more) out += " more";
  return out;
}

// Remembers all that it is told. Gives memory for values when asked to; that memory ends where the
// value ends, so that a sanitizer sees a byte too much.
class recorder final : public protocol::response_handler {
 public:
  explicit recorder(bool gives_memory = false) : gives_memory_(gives_memory) {}

  std::span<char> on_value(std::uint32_t tag, const response&, std::size_t size) noexcept override {
    ++offered;
    if (!gives_memory_) return {};
    std::unique_ptr<char[]>& place = memory_[tag];
    place = std::make_unique<char[]>(size);
    return {place.get(), size};
  }
  void on_response(std::uint32_t tag, const response& r) noexcept override {
    log.push_back(std::to_string(tag) + ": " + describe(r));
    status[tag] = r.status;
    bystander[tag] = r.bystander;
    if (!r.more) ++finals[tag];
  }

  std::vector<std::string> log;
  std::map<std::uint32_t, errc> status;
  std::map<std::uint32_t, bool> bystander;
  std::map<std::uint32_t, int> finals;  // must end at 1 for each tag
  int offered = 0;

 private:
  bool gives_memory_;
  std::map<std::uint32_t, std::unique_ptr<char[]>> memory_;
};

inline connection_options speaking(protocol_choice p) {
  connection_options o;
  o.protocol = p;
  o.known = p;
  return o;
}
// What `automatic` becomes once it has found meta.
inline connection_options automatic_with_meta() {
  connection_options o;
  o.known = protocol_choice::meta;
  return o;
}

struct talk {
  explicit talk(const connection_options& o, bool gives_memory = false) : c(o), to(gives_memory) {
    c.open();
  }

  talk& ask(const request& r) {
    const protocol::refusal no = c.submit(r, to, next_tag++);
    EXPECT_FALSE(no) << no.why;
    return *this;
  }
  // The same, when the answer to the usual outcome may be left out.
  talk& quietly(request r) {
    r.quiet = true;
    return ask(r);
  }
  talk& fence() {
    c.fence();
    return *this;
  }

  // Everything that is to be written, written in pieces of at most `at_most` bytes.
  std::string take(std::size_t at_most = SIZE_MAX) {
    std::string all;
    while (c.has_output()) {
      const std::size_t before = all.size();
      for (const auto piece : c.output()) {
        EXPECT_FALSE(piece.empty());
        const std::size_t n = std::min(piece.size(), at_most - (all.size() - before));
        all.append(piece.data(), n);
        if (all.size() - before == at_most) break;
      }
      c.sent(all.size() - before);
    }
    return all;
  }

  // One read.
  void read(std::string_view bytes) {
    while (!bytes.empty() && !c.failed()) {
      std::size_t n = 0;
      for (const auto room : c.input()) {
        const std::size_t part = std::min(room.size(), bytes.size() - n);
        if (part != 0) std::memcpy(room.data(), bytes.data() + n, part);
        n += part;
      }
      ASSERT_NE(n, 0u) << "no room to read into";
      c.received(n);
      bytes.remove_prefix(n);
    }
  }
  void read_bytewise(std::string_view bytes) {
    for (const char& b : bytes) read({&b, 1});
  }
  // Answers the fences that the connection has written by itself, if it has.
  void answer_fence() {
    const std::string all = take();
    for (std::string_view asked = all; !asked.empty(); asked.remove_prefix(asked.find('\n') + 1)) {
      EXPECT_TRUE(asked.starts_with("mn\r\n") || asked.starts_with("version\r\n")) << asked;
      read(asked.starts_with("mn") ? "MN\r\n" : "VERSION 1\r\n");
    }
  }

  // A key that lives as long as the talk.
  std::string_view keep(std::string_view key) { return kept.emplace_back(key); }

  std::deque<std::string> kept;
  connection c;
  recorder to;
  std::uint32_t next_tag = 1;
};

using lines = std::vector<std::string>;
using script = std::function<void(talk&)>;  // submits

// Plays the script, then the reply: whole, split at every byte, byte by byte; and each of these
// with the handler's memory and with the connection's own; then answers a fence, if the connection
// wrote one because of the reply. `check` looks at the end of each talk.
inline void expect(
    const connection_options& o, const script& submits, const std::string& reply, const lines& told,
    const std::function<void(talk&)>& check = [](talk& t) {
      EXPECT_FALSE(t.c.failed()) << t.c.failure_text();
      EXPECT_EQ(t.c.in_flight(), 0u);
    }) {
  for (const bool gives_memory : {false, true}) {
    for (std::size_t cut = 0; cut <= reply.size() + 1; ++cut) {
      talk t(o, gives_memory);
      submits(t);
      t.take();
      if (cut == reply.size() + 1) {
        t.read_bytewise(reply);
      } else {
        t.read(std::string_view(reply).substr(0, cut));
        t.read(std::string_view(reply).substr(cut));
      }
      SCOPED_TRACE("split at " + std::to_string(cut) + " of " + std::to_string(reply.size()));
      t.answer_fence();
      ASSERT_EQ(t.to.log, told) << t.c.failure_text();
      check(t);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// The connection has ended with this code, and nobody waits any more.
inline auto ended(errc code) {
  return [code](talk& t) {
    EXPECT_EQ(t.c.failure(), code) << t.c.failure_text();
    EXPECT_EQ(t.c.in_flight(), 0u);
    EXPECT_FALSE(t.c.has_output());
    for (const auto& [tag, n] : t.to.finals) EXPECT_EQ(n, 1) << tag;
  };
}

// The reply ends, or the engine gives up, after every number of its bytes: every request has
// exactly one outcome, and those that were told before are the first of `told`.
inline void expect_every_break(const connection_options& o, const script& submits,
                               const std::string& reply, const lines& told) {
  for (std::size_t n = 0; n < reply.size(); ++n) {
    for (const errc how : {errc::connection_closed, errc::timeout}) {
      SCOPED_TRACE("after " + std::to_string(n) + " bytes of " + std::to_string(reply.size()));
      talk t(o);
      submits(t);
      t.take();
      t.read(std::string_view(reply).substr(0, n));
      const std::size_t before = t.to.log.size();
      ASSERT_LE(before, told.size());
      for (std::size_t i = 0; i < before; ++i) ASSERT_EQ(t.to.log[i], told[i]);
      if (how == errc::timeout) {
        t.c.fail(how, "no time left");
      } else {
        t.c.closed();
      }
      for (std::uint32_t tag = 1; tag < t.next_tag; ++tag) ASSERT_EQ(t.to.finals[tag], 1) << tag;
      for (std::size_t i = before; i < t.to.log.size(); ++i) {
        ASSERT_NE(t.to.log[i].find(name_of(how)), std::string::npos) << t.to.log[i];
        ASSERT_EQ(t.to.log[i].find("unsent"), std::string::npos) << "it was written";
      }
      ASSERT_EQ(t.c.failure(), how);
      ASSERT_EQ(t.c.in_flight(), 0u);
    }
  }
}

// --- binary frames

inline std::string big_endian(std::uint64_t n, int size) {
  std::string out;
  for (int i = size - 1; i >= 0; --i) out += static_cast<char>(n >> (8 * i) & 0xff);
  return out;
}

struct frame {
  unsigned opcode = 0;
  std::uint32_t opaque = 0;
  unsigned status = 0;
  std::string extras = {};
  std::string key = {};
  std::string value = {};
  std::uint64_t cas = 0;

  operator std::string() const {
    return "\x81"s + big_endian(opcode, 1) + big_endian(key.size(), 2) +
           big_endian(extras.size(), 1) + '\0' + big_endian(status, 2) +
           big_endian(extras.size() + key.size() + value.size(), 4) + big_endian(opaque, 4) +
           big_endian(cas, 8) + extras + key + value;
  }
};

inline std::string binary_hit(std::uint32_t opaque, std::string value, std::uint32_t flags = 0,
                              std::uint64_t cas = 0) {
  return frame{
      .opaque = opaque, .extras = big_endian(flags, 4), .value = std::move(value), .cas = cas};
}

}  // namespace memcxx::script
