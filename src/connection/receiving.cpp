// Bytes in: heads of replies, and values on their way to their final place.
// Never here: which request a reply belongs to (matching.cpp).
#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <string>

#include <memcxx/protocol/binary.hpp>
#include <memcxx/protocol/classic.hpp>
#include <memcxx/protocol/meta.hpp>

#include "connection/state.hpp"
#include "connection/words.hpp"

namespace memcxx {

using detail::pending;
using detail::wire_form;
using protocol::parsed;
using protocol::reply_kind;
using protocol::response;
using protocol::verb;

namespace {

// On a connection where both mix, the third byte tells: meta's codes are two letters. Classic has a
// space or a line's end there only in OK and in a counter's number.
parsed parse_text(std::string_view in, response& r) noexcept {
  if (in.size() < 3) return {};
  const bool meta =
      (in[2] == ' ' || in[2] == '\r') && (in[0] < '0' || in[0] > '9') && !in.starts_with("OK");
  return meta ? protocol::meta::parse(in, r) : protocol::classic::parse(in, r);
}

// The beginning of what came, for an error's text.
std::string quoted(std::string_view bytes) {
  constexpr std::size_t shown = 40;
  std::string out = "\"";
  for (const char c : bytes.substr(0, std::min(shown, bytes.find_first_of("\r\n")))) {
    out.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  return out.append("\"");
}

// What follows a value: nothing in binary, a line's end in text.
bool is_trailer(std::string_view bytes) noexcept { return bytes.empty() || bytes == "\r\n"; }

constexpr std::size_t longest_number = 32;
constexpr std::string_view not_its_end = "what follows a value shows that it did not end there";

}  // namespace

// A counter's value as text; servers pad it with spaces after a decr.
bool connection::state::read_counter(std::string_view text, std::uint64_t& out) noexcept {
  if (text.size() > longest_number) return false;
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  const char* end = text.data() + text.size();
  const auto [stop, e] = std::from_chars(text.data(), end, out);
  return e == std::errc{} && stop == end;
}

// The reply at the front of what came, into `reply`: each parser begins by clearing that.
parsed connection::state::parse(wire_form form) noexcept {
  return form == wire_form::binary ? protocol::binary::parse(in.data(), reply)
                                   : parse_text(in.data(), reply);
}

std::span<const std::span<char>> connection::state::input() noexcept {
  std::size_t n = 0;
  if (body.active && !body.dropped && body.filled < body.size) {
    rooms[n++] = {body.into + body.filled, body.size - body.filled};
  }
  rooms[n++] = in.room();
  return {rooms.data(), n};
}

void connection::state::received(std::size_t n) {
  if (failure != errc::ok) return;
  if (body.active && !body.dropped && body.filled < body.size) {
    const std::size_t taken = std::min(n, body.size - body.filled);
    body.filled += taken;
    n -= taken;
  }
  in.added(n);
  deliver();
}

void connection::state::deliver() {
  while (failure == errc::ok && (deliver_items() || deliver_one())) {
  }
  if (failure == errc::ok && !strays.empty()) find_lines_end();
  if (asking == question::classic && waiting.empty() && failure == errc::ok) end_question();
  if (waiting.size() <= options.max_in_flight / 2) full = false;
}

// True when something was consumed and there may be more.
bool connection::state::deliver_one() {
  if (body.active) return end_body();
  if (in.empty()) return false;
  if (waiting.empty()) {
    fail(errc::protocol_error, "the server sent bytes that nothing asked for");
    return false;
  }
  response& r = reply;
  const parsed p = parse(waiting.front().form);
  if (p.what == parsed::outcome::need_more) return false;
  if (p.what == parsed::outcome::malformed) {
    fail(errc::protocol_error, std::string(p.why) + ": got " + quoted(in.data()));
    return false;
  }
  if (asking == question::meta) {
    handshake_reply(p, r);
    return failure == errc::ok;
  }
  complained = p.kind == reply_kind::error;
  switch (match(p, r)) {
    case matched::failed:
      return false;
    case matched::nobody:
    case matched::settled:
      in.consume(p.head_size);
      return failure == errc::ok;
    case matched::request:
      break;
  }
  if (p.kind == reply_kind::value) return begin_body(p, r);
  if (p.kind == reply_kind::stat) {
    stat_bytes += p.head_size;
    if (stat_bytes > most_stat_bytes || ++stat_lines > most_stat_lines) {
      fail(errc::protocol_error, "statistics without end: over " + std::to_string(most_stat_lines) +
                                     " lines or " + std::to_string(most_stat_bytes >> 20) + " MiB");
      return false;
    }
    r.more = true;
    answer(waiting.front(), r);
  } else {
    stat_bytes = stat_lines = 0;
    finish(r);
  }
  in.consume(p.head_size);
  return failure == errc::ok;
}

// A counter's new value, which meta sends as the value of an item.
bool connection::state::begin_counter(const parsed& p, response& r) {
  if (p.body_size > longest_number) {
    fail(errc::protocol_error, "a counter's value is too long");
    return false;
  }
  const std::string_view after = in.data().substr(p.head_size);
  const std::size_t whole = p.body_size + p.trailer;
  if (after.size() < whole) return false;  // parsed again when the rest is here
  if (!is_trailer(after.substr(p.body_size, p.trailer)) ||
      !read_counter(after.substr(0, p.body_size), r.number)) {
    fail(errc::protocol_error, "a counter's value is not a number");
    return false;
  }
  finish(r);
  in.consume(p.head_size + whole);
  return failure == errc::ok;
}

// A value that its request cannot be given. True when it is to be read and dropped: what was wrong
// with it is told, and the connection goes on.
bool connection::state::refuse_body(const parsed& p, response& r) {
  pending& e = waiting[current];
  const bool too_long = p.body_size > options.max_value_size;
  if (e.answered) return !too_long;  // told already
  response no;
  no.status = too_long ? errc::value_too_large : r.status;
  no.text = too_long ? "the server announced a value longer than max_value_size" : r.text;
  answer(e, no);
  e.answered = true;
  e.to = nullptr;
  if (!too_long) return true;
  says = verdict::answered;
  ended_at = true;
  fail(errc::connection_closed, "closed to leave out a value longer than max_value_size");
  return false;
}

// The head of a value was read; it belongs to waiting[current].
bool connection::state::begin_body(const parsed& p, response& r) {
  pending& e = waiting[current];
  if (e.op == verb::incr || e.op == verb::decr) return begin_counter(p, r);
  const std::string_view after = in.data().substr(p.head_size);
  const std::size_t whole = p.body_size + p.trailer;
  if ((p.body_size > options.max_value_size || r.status != errc::ok) && !refuse_body(p, r)) {
    return false;
  }

  if (after.size() >= whole) {
    if (!is_trailer(after.substr(p.body_size, p.trailer))) {
      fail(errc::protocol_error, detail::longer_than_announced);
      return false;
    }
    const frame shown = e.is_line() ? frame_after(after.substr(whole)) : frame::proven;
    if (shown == frame::broken) {
      fail(errc::protocol_error, not_its_end);
      return false;
    }
    if (shown == frame::proven) {
      r.value = after.substr(0, p.body_size);
      finish(r);
      in.consume(p.head_size + whole);
      return failure == errc::ok;
    }
    const bool fits = p.head_size + whole + protocol::classic::max_line <= in.capacity;
    if (fits && !e.answered) {
      line_cursor = current;  // parsed again when more is here
      return false;
    }
  }

  // Not all here: the rest is read straight to where it shall be.
  body.active = true;
  body.size = p.body_size;
  body.trailer = p.trailer;
  body.head = r;
  body.head.has_opaque = e.given_opaque != 0;
  body.head.opaque = e.given_opaque;
  body.head.key = body.head.text = {};  // the receive buffer moves on
  body.filled = 0;
  body.into = nullptr;
  body.dropped = e.to == nullptr;
  if (!body.dropped) {
    const std::span<char> place = e.to->on_value(e.tag, body.head, p.body_size);
    body.into = place.data();
    if (place.size() != p.body_size) {
      body.own.reset(new (std::nothrow) char[p.body_size]);
      body.into = body.own.get();
      if (body.into == nullptr) {
        fail(errc::out_of_memory, "no memory for a value");
        return false;
      }
    }
    const std::size_t here = std::min(after.size(), p.body_size);
    if (here != 0) std::memcpy(body.into, after.data(), here);
    body.filled = here;
    in.consume(p.head_size + here);
  } else {
    in.consume(p.head_size);
  }
  return true;
}

// More of a value was read. True when it is whole and was delivered.
bool connection::state::end_body() {
  if (body.dropped) {
    const std::size_t skipped = std::min(body.size - body.filled, in.data().size());
    in.consume(skipped);
    body.filled += skipped;
  }
  if (body.filled < body.size) return false;
  if (in.data().size() < body.trailer) return false;
  if (!is_trailer(in.data().substr(0, body.trailer))) {
    fail(errc::protocol_error, detail::longer_than_announced);
    return false;
  }
  const bool is_line = waiting[current].is_line();
  const frame shown = is_line ? frame_after(in.data().substr(body.trailer)) : frame::proven;
  if (shown == frame::unknown) return false;
  if (shown == frame::broken) {
    fail(errc::protocol_error, not_its_end);
    return false;
  }
  in.consume(body.trailer);
  body.active = false;
  if (!body.dropped) body.head.value = {body.into, body.size};
  finish(body.head);
  body.own.reset();
  return failure == errc::ok;
}

void connection::state::abandon(const protocol::response_handler& to) {
  if (waiting.empty()) return;
  out.own_all();
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    pending& e = waiting[i];
    if (e.to != &to) continue;
    e.to = nullptr;
    waiting.abandon(e);
    if (i == current && body.active && !body.dropped) {
      body.dropped = true;
      body.own.reset();
    }
    if (!e.is_line()) {
      e.prefix = e.key = {};
      continue;
    }
    const std::size_t n = e.prefix.size() + e.key.size();
    e.kept_key = std::make_unique_for_overwrite<char[]>(n);
    if (!e.prefix.empty()) std::memcpy(e.kept_key.get(), e.prefix.data(), e.prefix.size());
    std::memcpy(e.kept_key.get() + e.prefix.size(), e.key.data(), e.key.size());
    e.prefix = {};
    e.key = {e.kept_key.get(), n};
  }
}

void connection::state::abandon(protocol::response_handler& to, errc code, std::string_view why) {
  // Not in one loop with what follows: a handler may be gone after its last response.
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    pending& e = waiting[i];
    if (e.to != &to || e.answered) continue;
    response r;
    r.status = code;
    r.text = why;
    r.has_opaque = e.form != wire_form::classic && e.given_opaque != 0;
    r.opaque = r.has_opaque ? e.given_opaque : 0;
    to.on_response(e.tag, r);
  }
  abandon(to);
}

}  // namespace memcxx
