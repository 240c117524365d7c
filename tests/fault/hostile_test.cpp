// Servers that say what memcached never says: endless lines, lengths that lie, answers to nobody's
// question. Each is a typed error on a connection that is then closed, in bounded memory and time.
// Never here: late bytes (late), missing bytes (truncated).
#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

class hostile : public over_protocols {};

// Answers every connection's first request with bytes made for it.
script with(std::function<std::string(const wire::request&)> make) {
  return [make = std::move(make)](peer& p) { p.send(make(wire::read(p))); };
}

// Neither a value nor a miss, and the connection is not used again.
void expect_refused(protocol_choice protocol, const std::string& what, const script& bad,
                    std::initializer_list<errc> allowed = {errc::protocol_error}) {
  scripted_server server(std::vector<script>{bad, wire::serve({{"k", "good"}})});
  client cache = make_client(server.address(), protocol, 2s);
  const stopwatch watch;
  const auto got = cache.get("k");
  ASSERT_FALSE(got) << what << " was taken for '" << got->value.substr(0, 100) << "'";
  EXPECT_TRUE(std::find(allowed.begin(), allowed.end(), got.error().code()) != allowed.end())
      << what << ": " << got.error();
  EXPECT_EQ(got.error().server(), server.address()) << what;
  EXPECT_LT(watch.elapsed(), 1s) << what << " was noticed by the clock only";
  const auto next = cache.get("k");
  ASSERT_TRUE(ok(next)) << what;
  EXPECT_EQ(next->value, "good") << what;
  EXPECT_EQ(server.accepted(), 2u) << what;
}

bool is_text(protocol_choice p) { return p != protocol_choice::binary; }

// Row: a hostile server sends an endless line, a huge length, a negative length.
TEST_P(hostile, endless_line_is_cut_off) {
  const auto endless = [](peer& p) {
    const wire::request r = wire::read(p);
    p.send(r.speaks == wire::dialect::classic ? "VALUE " : "VA ");
    // Far more than any line; a client that waits for its end never answers.
    for (int i = 0; i < 4096; ++i) p.send(std::string(16384, 'x'));
  };
  expect_refused(GetParam(), "an endless line", endless);
  expect_refused(GetParam(), "an endless error", [](peer& p) {
    wire::read(p);
    p.send("SERVER_ERROR ");
    for (int i = 0; i < 4096; ++i) p.send(std::string(16384, 'x'));
  });
}

TEST_P(hostile, huge_and_negative_lengths_are_refused) {
  for (const std::string length :
       {"18446744073709551615", "18446744073709551616", "99999999999999999999999", "4294967296",
        "2147483648", "-1", "-4294967295", "0x10", "1e3", "", " ", "+5", "5.0", "134217729"}) {
    expect_refused(GetParam(), "length '" + length + "'", with([&](const wire::request& r) {
                     if (r.speaks == wire::dialect::classic)
                       return "VALUE " + r.key + " 0 " + length + " 7\r\nvalue\r\nEND\r\n";
                     if (r.speaks == wire::dialect::meta) return "VA " + length + "\r\nvalue\r\n";
                     std::string reply = wire::hit(r, "value");
                     // body length 0xffffff05 to 0xfffffff2: more than any item
                     for (const std::size_t at : {8u, 9u, 10u}) reply[at] = '\xff';
                     reply[11] = static_cast<char>(length.size());
                     return reply;
                   }),
                   {errc::protocol_error, errc::value_too_large});
  }
}

TEST_P(hostile, lengths_that_contradict_each_other_are_refused) {
  expect_refused(GetParam(), "a value longer than told", with([](const wire::request& r) {
                   std::string reply = wire::hit(r, "value");
                   if (r.speaks == wire::dialect::binary) {
                     reply[11] = 2;  // a body shorter than its own extras
                   } else {
                     const std::size_t at = reply.find("value");
                     reply.insert(at, "x");
                   }
                   return reply;
                 }));
  expect_refused(GetParam(), "a value shorter than told", with([](const wire::request& r) {
                   std::string reply = wire::hit(r, "value");
                   if (r.speaks == wire::dialect::binary) {
                     reply[3] = 9;  // a key where there is none to fit
                     reply[2] = 9;
                   } else {
                     reply.erase(reply.find("value"), 1);
                     reply += "\r\n\r\n";
                   }
                   return reply;
                 }));
}

TEST_P(hostile, garbage_is_refused) {
  const std::string zeros(32768, '\0');  // longer than any line
  std::string noise;
  for (int i = 255; i >= 0; --i) noise += static_cast<char>(i);
  for (const std::string& bytes :
       {zeros, noise, std::string("HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n0123456789"),
        std::string("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"),
        std::string("-ERR unknown command 'get'\r\n...............")}) {
    expect_refused(GetParam(), "garbage " + bytes.substr(0, 8),
                   with([&](const wire::request&) { return bytes; }));
  }
}

TEST_P(hostile, answers_of_another_verb_are_refused) {
  if (!is_text(GetParam())) {
    expect_refused(GetParam(), "another opcode", with([](wire::request r) {
                     r.opcode = 0x05;
                     return wire::number(r, 5);
                   }));
    expect_refused(GetParam(), "a request's magic", with([](const wire::request& r) {
                     std::string reply = wire::hit(r, "value");
                     reply[0] = '\x80';
                     return reply;
                   }));
    return;
  }
  for (const char* reply : {"STORED\r\n", "DELETED\r\n", "TOUCHED\r\n", "12\r\n", "OK\r\n",
                            "VERSION 1.6.18\r\n", "NOT_STORED\r\n", "STAT pid 1\r\nEND\r\n"})
    expect_refused(GetParam(), reply, with([&](const wire::request&) { return reply; }));
}

TEST_P(hostile, unknown_status_is_an_error) {
  if (is_text(GetParam())) {
    expect_refused(GetParam(), "an unknown word",
                   with([](const wire::request&) { return "WHATEVER\r\n"; }));
    return;
  }
  for (const int code : {0x0042, 0x00ff, 0x7fff, 0xffff, 0x0100}) {
    const auto status = static_cast<std::uint16_t>(code);
    scripted_server server([&](peer& p) {
      for (;;) p.send(wire::binary_reply(wire::read(p), status, "", "", "what is this"));
    });
    client cache = make_client(server.address(), GetParam(), 2s);
    const auto got = cache.get("k");
    ASSERT_FALSE(got) << status;
    EXPECT_NE(got.error().code(), errc::miss) << status;
    EXPECT_NE(got.error().whose(), fault::answer) << status;
    const auto set = cache.set("k", "v");
    ASSERT_FALSE(set) << status;
    EXPECT_NE(set.error().whose(), fault::answer) << status;
  }
}

TEST_P(hostile, reply_for_another_key_is_never_given) {
  if (GetParam() == protocol_choice::classic) {
    for (const std::string other : {"other", "", "kk", "K"})
      expect_refused(GetParam(), "key " + other, with([&](wire::request r) {
                       r.key = other;
                       return wire::hit(r, "not yours");
                     }));
    return;
  }
  // Meta and binary tell by the opaque.
  expect_refused(GetParam(), "another opaque", with([](const wire::request& r) {
                   return wire::hit(wire::with_opaque_changed(r), "not yours");
                 }));
}

TEST_P(hostile, duplicate_reply_is_not_the_next_ones_answer) {
  scripted_server server([](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      const std::string reply = wire::hit(r, r.key + "=");
      p.send(reply + reply);
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  for (int i = 0; i < 50; ++i) {
    const std::string k = "k" + std::to_string(i);
    const auto got = cache.get(k);
    // The first reply is good; what is behind it ends the connection, before or after.
    if (got) {
      EXPECT_EQ(got->value, k + "=");
    } else {
      EXPECT_EQ(got.error().code(), errc::protocol_error) << got.error();
    }
  }
  // Stores have no key in a classic answer: a duplicate must not acknowledge the next one.
  scripted_server stores(std::vector<script>{[](peer& p) {
                                               const wire::request r = wire::read(p);
                                               p.send(wire::stored(r) + wire::stored(r));
                                               const wire::request next = wire::read(p);
                                               p.send(wire::failed(next, "no"));
                                             },
                                             [](peer& p) {
                                               for (;;) p.send(wire::failed(wire::read(p), "no"));
                                             }});
  client writer = make_client(stores.address(), GetParam(), 2s);
  (void)writer.set("a", "1");
  EXPECT_FALSE(writer.set("b", "2"));
}

TEST_P(hostile, bytes_nobody_asked_for_are_never_an_answer) {
  // The first connection speaks unasked while it is idle.
  scripted_server server(std::vector<script>{[](peer& p) {
                                               const wire::request r = wire::read(p);
                                               p.send(wire::hit(r, "first"));
                                               p.wait(20ms);
                                               p.send(wire::hit(r, "unasked"));
                                             },
                                             wire::serve({{"k", "good"}})});
  client cache = make_client(server.address(), GetParam(), 2s);
  ASSERT_EQ(value_of(cache.get("k")), "first");
  std::this_thread::sleep_for(60ms);
  const auto got = cache.get("k");
  if (got) {
    EXPECT_EQ(got->value, "good");
  } else {
    EXPECT_EQ(got.error().code(), errc::protocol_error) << got.error();
  }
  EXPECT_EQ(value_of(cache.get("k")), "good");
}

TEST_P(hostile, bytes_behind_a_multi_get_are_refused) {
  scripted_server server([](peer& p) {
    const wire::store held = {{"a", "1"}, {"b", "2"}, {"x", "3"}};
    for (;;) {
      const wire::request r = wire::read(p);
      std::string said = wire::answer(r, held);
      // One item too many, just before the end.
      if (r.speaks == wire::dialect::classic && r.words.size() > 2 && said.ends_with("END\r\n"))
        said.insert(said.size() - 5, "VALUE x 0 1\r\n3\r\n");
      else if (r.speaks != wire::dialect::classic && r.key == "b")
        said += said;
      if (!said.empty()) p.send(said);
    }
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  const items got = cache.get_many({"a", "b", "c"});
  for (const auto& e : got) {
    EXPECT_TRUE(!e.hit() || (e.key == "a" && e.value == "1") || (e.key == "b" && e.value == "2"))
        << e.key << " reads " << e.value;
  }
  const auto next = cache.get("a");
  ASSERT_TRUE(ok(next));
  EXPECT_EQ(next->value, "1");
}

TEST_P(hostile, every_single_byte_changed_is_seen_where_it_can_be) {
  // Each byte of a good reply is replaced by a few bad ones. A changed value or flag cannot be
  // seen by anybody; a changed length, end, and what says whose reply it is, must be.
  std::atomic<std::size_t> position{0};
  std::atomic<int> byte{0};
  std::atomic<std::size_t> whole{1};
  std::atomic<std::size_t> value_at{0};
  std::atomic<bool> identifies{false};
  scripted_server server([&](peer& p) {
    const wire::request r = wire::read(p);
    std::string reply = wire::hit(r, "value", 3);
    const std::size_t at = position;
    whole = reply.size();
    value_at = reply.find("value");
    const std::size_t opaque = reply.find(" O");
    const bool is_name = r.speaks == wire::dialect::classic ? at == 6  // the key
                         : r.speaks == wire::dialect::meta
                             ? opaque != std::string::npos && at > opaque + 1 &&
                                   at < reply.find_first_of(" \r", opaque + 1)
                             : at >= 12 && at < 16;
    const char changed = static_cast<char>(byte.load());
    identifies = is_name && reply[at] != changed;
    reply[at] = changed;
    p.send(reply);
    p.finish();
  });
  client cache = make_client(server.address(), GetParam(), 2s);
  for (const int b : {0, 13, 10, int{'9'}, int{'Z'}, 0xff}) {
    byte = b;
    for (position = 0; position < whole; ++position) {
      const auto got = cache.get("k");
      if (got) {
        const bool in_value = position >= value_at && position < value_at + 5;
        EXPECT_TRUE(got->value == "value" || in_value)
            << "byte " << position << " = " << b << " gave '" << got->value << "'";
        EXPECT_FALSE(identifies) << "byte " << position << " = " << b << ": somebody else's reply";
      } else {
        EXPECT_NE(got.error().code(), errc::timeout) << "byte " << position << " = " << b;
      }
    }
  }
}

TEST_P(hostile, stats_without_an_end_are_cut_off) {
  scripted_server server([](peer& p) {
    const wire::request r = wire::read(p);
    for (int i = 0; i < 100'000; ++i) {
      const std::string name = "name" + std::to_string(i);
      p.send(r.speaks == wire::dialect::binary ? wire::binary_reply(r, 0, "", name, "1")
                                               : "STAT " + name + " 1\r\n");
    }
  });
  client cache = make_client(server.address(), GetParam(), 300ms);
  const stopwatch watch;
  EXPECT_FALSE(cache.stats()[0].reply);
  EXPECT_LT(watch.elapsed(), 1s);
}

INSTANTIATE_TEST_SUITE_P(fault, hostile, testing::ValuesIn(every_protocol), protocol_name);

}  // namespace
}  // namespace memcxx::test
