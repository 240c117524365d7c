// What the tests of operations share: a server of a few items that runs a call as an engine does,
// and brings each value in one of the ways in which values come.
// Never here: a test, a socket.
#pragma once

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/operation.hpp>

namespace memcxx::by_hand {

using std::string;
using std::string_view;

enum class delivery : std::uint8_t {
  in_buffer,      // whole in the receive buffer
  in_place,       // read to where the call wants it
  lost,           // half of it came, and then it was asked for again
  lost_other,     // half of another came, whose item is gone since
  lost_in_place,  // as `lost`, and then in place
};
inline constexpr delivery every_delivery[] = {delivery::in_buffer, delivery::in_place,
                                              delivery::lost, delivery::lost_other,
                                              delivery::lost_in_place};

struct stored_item {
  std::uint32_t flags = 0;
  string bytes = {};
};

// A request with bytes of its own.
struct asked {
  protocol::request what;
  string key;
  string value;
};

class server {
 public:
  std::map<string, stored_item> items;
  std::map<string, errc> failures;  // by key
  std::vector<asked> seen;
  delivery how = delivery::in_buffer;
  bool backwards = false;            // answers the last request first
  const char* last_place = nullptr;  // where the call had a value put

  // Every step; how many there were.
  unsigned run(call& c, const value_codec& values) {
    unsigned step = 0;
    while (c.begin_step(step, values)) {
      if (++step > 10) {
        ADD_FAILURE() << "steps without end";
        return step;
      }
      for (std::size_t n = c.size(), i = 0; i < n; ++i) answer(c, backwards ? n - 1 - i : i);
    }
    return step;
  }

  template <class T>
  result<T> read(string_view key, const value_codec& values, const get_options& o = {}) {
    const commands::get_value<T> command{{key, std::nullopt, o}};
    single_call<commands::get_value<T>> c(command);
    run(c, values);
    return c.take();
  }
  template <class Command>
  result<typename Command::reply> run(const Command& command, const value_codec& values) {
    single_call<Command> c(command);
    run(c, values);
    return c.take();
  }

 private:
  void answer(call& c, std::size_t i) {
    protocol::request q;
    protocol::response r;
    if (const protocol::refusal no = c.request(i, q)) {
      r.status = no.code;
      r.text = no.why;
      return c.on_response(i, r, {});
    }
    const string key(q.key);
    seen.push_back({q, key, string(q.value)});
    if (const auto failure = failures.find(key); failure != failures.end()) {
      r.status = failure->second;
      r.text = "as told";
      return c.on_response(i, r, "there");
    }
    if (protocol::carries_value(q.op)) {
      items[key] = {q.flags, string(q.value)};
      r.cas = 7;
      return c.on_response(i, r, "there");
    }
    if (how == delivery::lost_other) bring_half(c, i, 0, string(5000, '!'));
    const auto at = items.find(key);
    if (at == items.end()) {
      r.status = errc::miss;
      return c.on_response(i, r, "there");
    }
    if (q.op != protocol::verb::get && q.op != protocol::verb::gat) {
      return c.on_response(i, r, "there");
    }
    r.flags = at->second.flags;
    r.cas = 7;
    const string& bytes = at->second.bytes;
    if (how == delivery::lost || how == delivery::lost_in_place) {
      bring_half(c, i, r.flags, string(bytes.size(), '!'));
    }
    // The receive buffer is written over as soon as the response was taken.
    string buffer = bytes;
    if (how == delivery::in_place || how == delivery::lost_in_place) {
      const auto place = c.on_value(i, r, bytes.size());
      last_place = place.data();
      if (place.size() == bytes.size()) {
        std::ranges::copy(bytes, place.begin());
        r.value = {place.data(), place.size()};
        return c.on_response(i, r, "there");
      }
    }
    r.value = buffer;
    c.on_response(i, r, "there");
    std::ranges::fill(buffer, '?');
  }

  static void bring_half(call& c, std::size_t i, std::uint32_t flags, const string& bytes) {
    protocol::response head;
    head.flags = flags;
    const auto place = c.on_value(i, head, bytes.size());
    if (place.size() == bytes.size()) {
      std::copy_n(bytes.begin(), bytes.size() / 2, place.begin());
    }
  }
};

inline value_codec codec_of(const value_options& o) { return value_codec::make(o).value(); }

// Bytes in which each position can be told from its neighbours.
inline string bytes_of(std::size_t n, unsigned seed = 1) {
  string out(n, '\0');
  for (char& c : out) {
    seed = seed * 1103515245 + 12345;
    c = static_cast<char>(seed >> 16);
  }
  return out;
}

}  // namespace memcxx::by_hand
