// The first exchange: what a new connection asks to find out what the server speaks, and what it
// makes of the answer.
// Never here: requests of users.
#include <algorithm>
#include <string>

#include "connection/state.hpp"

namespace memcxx {

using detail::pending;
using detail::wire_form;
using protocol::parsed;
using protocol::reply_kind;
using protocol::response;
using protocol::verb;

namespace {

// The question for meta: a store that stores nothing (replace, of a key that nobody has), whose
// value is a command; that command; and one that ends the answer where nothing else is known.
//   memcached 1.6.10 and later        NS, MN, VERSION: meta
//   1.6.0 to 1.6.9 (ms KEY S<length>)  CLIENT_ERROR, MN, MN, VERSION: it runs values as commands
//   1.5.22 (its mn says EN)           CLIENT_ERROR, EN, EN, VERSION
//   before, and most others           ERROR, ERROR, ERROR, VERSION
//   memcached's proxy                 what its server says to the store, MN, VERSION
//   Infinispan 15                     ERROR, MN, VERSION
// Hazelcast and twemproxy close, mcrouter and memcached-njs after a CLIENT_ERROR: see negotiation.
// It has more than the 24 bytes that a server of the binary protocol waits for.
constexpr std::string_view probe_key = "memcxx:is-this-read-as-a-store";
constexpr std::string_view meta_question =
    "ms memcxx:is-this-read-as-a-store 2 MR\r\nmn\r\nmn\r\nversion\r\n";
constexpr std::string_view classic_question = "get memcxx:is-this-read-as-a-store\r\n";
constexpr unsigned most_lines = 4;  // one to each line of the question

// The answer to a store whose head was read as one, and whose value was not run. A server that has
// no memory for it, and a proxy that has no server for it, have read it as well.
bool shows_a_store(const parsed& p, const response& r, std::string_view line) noexcept {
  if (p.kind == reply_kind::error) {
    return r.status == errc::server_error || r.status == errc::out_of_memory;
  }
  return line.starts_with("NS") || line.starts_with("HD") || line.starts_with("EX") ||
         line.starts_with("NF");
}

}  // namespace

void connection::state::open() {
  switch (options.protocol) {
    case protocol_choice::classic:
    case protocol_choice::binary:
      speaks = options.protocol;
      return;
    case protocol_choice::automatic:
      if (options.known == protocol_choice::classic && options.prove_known) {
        return ask_in_classic();
      }
      if (options.known != protocol_choice::automatic) {
        speaks = options.known;
        return;
      }
      break;
    // A server without meta would run the value of an "ms" as commands: always ask first.
    case protocol_choice::meta:
      if (options.known == protocol_choice::meta) {
        speaks = protocol_choice::meta;
        return;
      }
      break;
  }
  ask_for_meta();
}

void connection::state::ask_for_meta() {
  waiting.make_room();
  pending& e = waiting.push();
  e = {};
  e.begin = out.end();
  e.op = verb::ping;
  e.form = wire_form::meta;
  out.append(meta_question);
  asking = question::meta;
}

// A get that misses: what everything answers that speaks classic.
void connection::state::ask_in_classic() {
  waiting.make_room();
  pending& e = waiting.push();
  e = {};
  e.key = probe_key;
  e.begin = out.end();
  e.op = verb::get;
  e.form = wire_form::classic;
  out.append(classic_question);
  asking = question::classic;
}

// One line of the answer to the question for meta.
void connection::state::handshake_reply(const parsed& p, const response& r) {
  // A plain ERROR with other words than "unknown": the server has too many connections, and says
  // nothing about what it speaks.
  if (p.kind == reply_kind::error && r.status == errc::server_error &&
      in.data().starts_with("ERROR")) {
    says = verdict::failed;
    fail(r.status, r.text);
    return;
  }
  const bool ends = p.kind == reply_kind::text && in.data().starts_with("VERSION");
  const bool expected = ends || p.kind == reply_kind::noop || p.kind == reply_kind::error ||
                        (p.kind == reply_kind::refused && in.data().starts_with("EN")) ||
                        (told.lines == 0 && shows_a_store(p, r, in.data()));
  if (!expected) {
    fail(errc::protocol_error, "the server's answer to the handshake fits nothing that was asked");
    return;
  }
  if (told.lines == 0) told.reads_stores = shows_a_store(p, r, in.data());
  if (p.kind == reply_kind::noop) ++told.noops;
  if (p.kind == reply_kind::error && told.words.empty()) told.words = r.text;
  ++told.lines;
  in.consume(p.head_size);
  const bool is_meta = told.reads_stores && told.noops == 1 && told.lines == 3 &&
                       (ends || p.kind == reply_kind::error);
  if (!is_meta && !ends && told.lines < most_lines) return;
  asking = question::none;
  waiting.pop();
  if (is_meta) {
    speaks = protocol_choice::meta;
    // These refuse a line of which they read more than 1,024 bytes without its end, and over a
    // network that is every line of more than a packet. Others take lines of any length.
    if (r.text == "1.6.11" || r.text == "1.6.12") bytes_per_line = 1024;
  } else if (options.protocol == protocol_choice::meta) {
    says = verdict::answered;
    fail(errc::not_supported,
         "the server has no meta commands, or not as of 1.6.10: " + told.words);
  } else {
    speaks = protocol_choice::classic;
  }
}

// The answer to the classic one has come to its end.
void connection::state::end_question() {
  asking = question::none;
  speaks = protocol_choice::classic;
  used = false;
}

}  // namespace memcxx
