// Requests out: which form a request takes on the wire, and writing it.
// Never here: what comes back.
#include <algorithm>
#include <cstring>

#include <memcxx/protocol/binary.hpp>
#include <memcxx/protocol/classic.hpp>
#include <memcxx/protocol/meta.hpp>

#include "connection/state.hpp"
#include "protocol/checks.hpp"
#include "protocol/plain.hpp"

namespace memcxx {

using detail::pending;
using detail::wire_form;
using protocol::refusal;
using protocol::request;
using protocol::verb;
using protocol::want;

namespace {

constexpr std::string_view line_end = "\r\n";

// A ping, a touch or an item's internals are answered in any case.
bool has_quiet_form(verb v) noexcept {
  return protocol::names_item(v) && v != verb::touch && v != verb::debug;
}

}  // namespace

// Not every server and proxy has these, and some close the connection instead of saying so.
bool connection::state::may_be_refused(const request& r) noexcept {
  if (r.op == verb::get) return false;
  return !protocol::names_item(r.op) || r.op == verb::gat || r.op == verb::touch ||
         r.op == verb::debug || r.ttl < 0;
}

wire_form connection::state::form_for(const request& r) const noexcept {
  if (speaks == protocol_choice::binary) return wire_form::binary;
  if (speaks == protocol_choice::classic || !protocol::meta::has(r.op)) return wire_form::classic;
  // Servers answer a multi-key get with one system call and meta gets with many, so where the
  // choice is free a run of plain gets is one classic line.
  if (options.protocol == protocol_choice::automatic && (r.quiet || line_open) &&
      protocol::is_plain_get(r) && r.opaque == 0) {
    return wire_form::classic;
  }
  return wire_form::meta;
}

refusal connection::state::check(const request& r, wire_form form) const noexcept {
  if (r.value.size() > options.max_value_size) {
    return {errc::value_too_large, "the value is longer than max_value_size"};
  }
  switch (form) {
    case wire_form::classic:
      return protocol::classic::check(r);
    case wire_form::meta:
      return protocol::meta::check(r);
    case wire_form::binary:
      return protocol::binary::check(r);
  }
  return {};
}

// Nothing that follows in submit() fails for want of memory: there is room for the request, and in
// the buffer for its bytes.
inline pending& connection::state::enqueue(const request& r, protocol::response_handler& to,
                                           std::uint32_t tag, wire_form form, bool quiet) {
  waiting.make_room();
  out.reserve(protocol::classic::max_head + std::min(r.value.size(), options.copy_below) + 2);
  begin_stretch();
  pending& e = waiting.push();
  e.prefix = r.prefix;
  e.key = r.key;
  e.to = &to;
  e.begin = out.end();
  e.tag = tag;
  e.opaque = 0;
  e.given_opaque = r.opaque;
  e.op = r.op;
  e.form = form;
  e.quiet = quiet;
  e.abandoned = e.answered = false;
  e.wants_value = asks(r.wants, want::value);
  e.refusable = may_be_refused(r);
  return e;
}

// Whether the last request was a store that others like it may follow.
inline bool connection::state::in_run_of_stores() const noexcept {
  return quiet_run != 0 && quiet_run < longest_quiet_run && !waiting.empty() &&
         store_tail.size != 0 && !full;
}

refusal connection::state::submit(const request& given, protocol::response_handler& to,
                                  std::uint32_t tag) {
  if (failure != errc::ok) return {failure, "the connection has ended"};
  if (speaks == protocol_choice::automatic) {
    return {errc::invalid_argument, "the handshake is not over"};
  }
  // A run of gets: one more key in the line that is being written.
  const bool joins = line_open && given.op == verb::get &&
                     line_cas == asks(given.wants, want::cas) && fits_line(given.key_size());
  if (joins && protocol::is_plain(given)) {
    enqueue(given, to, tag, wire_form::classic, given.quiet);
    write_get(given, given.quiet);
    close_when_full();
    return {};
  }
  wire_form form = form_for(given);
  if (const refusal no = check(given, form)) return no;

  request r = given;
  // Classic replies do not say what they answer. On a connection that speaks meta, one follows
  // another reply that does: the first key of a run of gets, or a noop.
  const bool needs_proof = form == wire_form::classic && speaks == protocol_choice::meta &&
                           !joins && (waiting.empty() || waiting.back().form == wire_form::classic);
  const bool heads_run = needs_proof && protocol::is_plain_get(given);
  if (heads_run) {
    form = wire_form::meta;
    r.quiet = false;
  }
  const bool line = form == wire_form::classic && r.op == verb::get;
  // Classic's noreply hides failures of the server: there a quiet request is answered all the same.
  if (!line && (form == wire_form::classic || !has_quiet_form(r.op))) r.quiet = false;
  // Two requests may be given the same opaque, and a silent one must not get the other's answer.
  if (form != wire_form::classic) r.opaque = new_opaque();

  // A get can join the line only if it asks for the same; everything else ends it.
  if (line_open && (!line || !joins)) end_line();
  // Meta's errors do not say whom they mean. A run of quiet requests is fenced before anything else
  // follows, and before it gets long, so that they can only mean one of few.
  const bool other = form != wire_form::binary && (form != wire_form::meta || !r.quiet);
  if (quiet_run != 0 && (other || quiet_run >= longest_quiet_run)) fence();
  if (needs_proof && !heads_run) push_fence(wire_form::meta);
  if (!r.quiet) quiet_run = 0;
  if (form != wire_form::classic && r.quiet) ++quiet_run;
  begins_line = heads_run;
  if (heads_run) line_cas = asks(r.wants, want::cas);

  const bool begins_stores = form == wire_form::meta && r.quiet && r.op == verb::set &&
                             given.opaque == 0 && protocol::is_plain(given);
  store_tail.size = begins_stores ? protocol::plain::quiet_tail(r, store_tail.bytes.data()) : 0;
  pending& e = enqueue(given, to, tag, form, r.quiet);
  e.opaque = r.opaque;
  if (line) {
    write_get(r, r.quiet);
  } else {
    write(r, form);
  }
  close_when_full();
  return {};
}

std::size_t connection::state::submit_again(std::span<const another> more,
                                            protocol::response_handler& to) {
  const bool room = !full && out.unsent() < options.max_unsent && failure == errc::ok;
  if (!room || waiting.empty() || waiting.back().abandoned) return 0;
  if (begins_line) {
    if (more.empty() || !begin_line(more.front(), to)) return 0;
    return 1 + (line_open ? submit_keys(more.subspan(1), to) : 0);
  }
  if (line_open) return submit_keys(more, to);
  return in_run_of_stores() ? submit_stores(more, to) : 0;
}

// One of many that are alike and silent. There is room for it.
inline pending& connection::state::push_silent(const another& one, std::string_view prefix,
                                               protocol::response_handler& to, verb op,
                                               wire_form form, std::uint64_t begin) noexcept {
  pending& e = waiting.push();
  e.prefix = prefix;
  e.key = one.key;
  e.to = &to;
  e.begin = begin;
  e.tag = one.tag;
  e.opaque = e.given_opaque = 0;
  e.op = op;
  e.form = form;
  e.quiet = true;
  e.abandoned = e.answered = false;
  e.wants_value = op == verb::get;
  e.refusable = false;
  return e;
}

// The line that follows the head of a run.
bool connection::state::begin_line(const another& one, protocol::response_handler& to) {
  const std::string_view prefix = waiting.back().prefix;
  request r;
  r.prefix = prefix;
  r.key = one.key;
  if (line_cas) r.wants = r.wants | want::cas;
  waiting.make_room();
  out.reserve(protocol::classic::max_head);
  push_silent(one, prefix, to, verb::get, wire_form::classic, out.end());
  begins_line = false;
  write_get(r, true);
  close_when_full();
  return true;
}

// In both of the following there is memory for all before the first is noted.
std::size_t connection::state::submit_keys(std::span<const another> more,
                                           protocol::response_handler& to) {
  const std::string_view prefix = waiting.back().prefix;
  const std::size_t most =
      std::min({more.size(), keys_per_line - line_keys, options.max_in_flight - waiting.size()});
  std::size_t bytes = 0;
  for (const another& one : more.first(most)) bytes += 1 + prefix.size() + one.key.size();
  waiting.make_room(most);
  char* const from = out.reserve(bytes + line_end.size());  // end_long_line may end it
  const bool all_fit = out.end() + bytes + line_end.size() <= line_begin + bytes_per_line;
  char* at = from;
  std::size_t done = 0;
  for (; done < most; ++done) {
    const std::uint64_t begin = out.end() + static_cast<std::size_t>(at - from);
    const std::size_t key_size = prefix.size() + more[done].key.size();
    if (!all_fit && begin + 1 + key_size + line_end.size() > line_begin + bytes_per_line) break;
    push_silent(more[done], prefix, to, verb::get, wire_form::classic, begin);
    at += protocol::plain::another_get(prefix, more[done].key, at);
  }
  line_keys += done;
  out.commit(static_cast<std::size_t>(at - from));
  end_long_line();
  close_when_full();
  return done;
}

std::size_t connection::state::submit_stores(std::span<const another> more,
                                             protocol::response_handler& to) {
  const std::string_view prefix = waiting.back().prefix;
  const std::size_t most = std::min(
      {more.size(), longest_quiet_run - quiet_run, options.max_in_flight - waiting.size()});
  const std::size_t longest = std::min(options.copy_below, options.max_value_size);
  std::size_t n = 0;
  std::size_t bytes = 0;
  for (; n < most && out.unsent() + bytes < options.max_unsent; ++n) {
    if (more[n].value.size() > longest) break;
    bytes += protocol::plain::most_of_another_set + prefix.size() + more[n].key.size() +
             more[n].value.size();
  }
  waiting.make_room(n);
  char* const from = out.reserve(bytes);
  char* at = from;
  for (const another& one : more.first(n)) {
    push_silent(one, prefix, to, verb::set, wire_form::meta,
                out.end() + static_cast<std::size_t>(at - from));
    at += protocol::plain::another_set(prefix, one.key, one.value, store_tail.view(), at);
  }
  quiet_run += n;
  out.commit(static_cast<std::size_t>(at - from));
  close_when_full();
  return n;
}

// A full queue that is silent would wait forever.
void connection::state::close_when_full() {
  if (waiting.size() < options.max_in_flight) return;
  full = true;
  fence();
}

void connection::state::write(const request& r, wire_form form) {
  const bool has_value = protocol::carries_value(r.op);
  const bool copies = has_value && r.value.size() <= options.copy_below;
  char* const at = out.reserve(protocol::classic::max_head + (copies ? r.value.size() + 2 : 0));
  out.commit(render(r, form, copies, at));
  if (!has_value || copies) return;
  out.refer(r.value);
  if (form != wire_form::binary) out.append(line_end);
}

// The request's bytes, which have room there; with its value, or up to it.
std::size_t connection::state::render(const request& r, wire_form form, bool with_value, char* at) {
  std::size_t n = 0;
  switch (form) {
    case wire_form::classic:
      n = protocol::classic::encode(r, at);
      break;
    case wire_form::meta:
      n = protocol::meta::encode(r, at);
      break;
    case wire_form::binary:
      n = protocol::binary::encode(r, at);
      break;
  }
  if (!with_value) return n;
  if (!r.value.empty()) std::memcpy(at + n, r.value.data(), r.value.size());
  n += r.value.size();
  if (form == wire_form::binary) return n;
  std::memcpy(at + n, line_end.data(), line_end.size());
  return n + line_end.size();
}

void connection::state::write_get(const request& r, bool quiet) {
  char* at = out.reserve(protocol::classic::max_head);
  if (!line_open) {
    line_open = true;
    line_cas = asks(r.wants, want::cas);
    line_keys = 0;
    line_begin = out.end();
    out.commit(protocol::classic::open_get(r, at));
  } else {
    out.commit(protocol::plain::another_get(r.prefix, r.key, at));
  }
  ++line_keys;
  if (!quiet) {
    end_line();
  } else {
    end_long_line();
  }
}

// Whether one more key of this length leaves room for the line's end.
bool connection::state::fits_line(std::size_t key_size) const noexcept {
  return out.end() + 1 + key_size + line_end.size() <= line_begin + bytes_per_line;
}

void connection::state::end_long_line() {
  if (line_keys >= keys_per_line) end_line();
}

void connection::state::end_line() {
  out.append(line_end);
  waiting.back().quiet = false;  // END answers for the whole line
  line_open = false;
}

void connection::state::fence() {
  begins_line = false;
  if (line_open) end_line();
  if (quiet_run == 0 || failure != errc::ok) return;
  quiet_run = 0;
  if (waiting.empty()) return;  // each of the run has answered
  push_fence(waiting.back().form);
}

// A request that is answered in any case, and that nobody waits for.
void connection::state::push_fence(wire_form form) {
  request r;
  r.op = verb::ping;
  if (form == wire_form::binary) r.opaque = new_opaque();
  waiting.make_room();
  begin_stretch();
  pending& e = waiting.push();
  e = {};
  e.begin = out.end();
  e.opaque = r.opaque;
  e.op = r.op;
  e.form = form;
  e.refusable = true;
  write(r, form);
}

}  // namespace memcxx
