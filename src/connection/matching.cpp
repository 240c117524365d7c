// Which request a reply belongs to. A reply is known by its opaque (meta, binary), by its key
// (classic get), or else by its place. Quiet requests that were passed over had their usual
// outcome. Never here: parsing, buffers.
#include <string>
#include <utility>

#include "connection/state.hpp"

namespace memcxx {

using detail::pending;
using detail::wire_form;
using protocol::parsed;
using protocol::reply_kind;
using protocol::response;
using protocol::verb;

namespace {

bool same_key(const pending& e, std::string_view key) noexcept {
  return key.size() == e.prefix.size() + e.key.size() && key.starts_with(e.prefix) &&
         key.ends_with(e.key);
}

// Classic gets answer with a line for each hit, then END.
bool ends_with_end(const pending& e) noexcept { return e.form == wire_form::classic && e.reads(); }

// A classic reply says neither key nor opaque, so that its words must be ones that the verb has
// (protocol.txt, "Storage commands" to "Touch", "Statistics", "Other commands").
bool is_answer_to(verb op, std::string_view words) noexcept {
  if (protocol::carries_value(op)) {
    return words == "STORED" || words == "NOT_STORED" ||
           (op == verb::cas && (words == "EXISTS" || words == "NOT_FOUND"));
  }
  switch (op) {
    case verb::remove:
      return words == "DELETED" || words == "NOT_FOUND";
    case verb::touch:
      return words == "TOUCHED" || words == "NOT_FOUND";
    case verb::incr:
    case verb::decr:
      return words == "NOT_FOUND";
    case verb::flush:
    case verb::verbosity:
      return words == "OK";
    case verb::stats:
      return words == "OK" || words == "RESET";
    default:
      return false;
  }
}

}  // namespace

// Whether a reply of this kind can answer this request at all.
bool connection::state::fits(const pending& e, reply_kind kind) noexcept {
  switch (kind) {
    case reply_kind::error:
      return true;
    case reply_kind::value:
      return e.reads() || ((e.op == verb::incr || e.op == verb::decr) && e.form == wire_form::meta);
    case reply_kind::end:
      return ends_with_end(e) || e.op == verb::stats;
    case reply_kind::stat:
      return e.op == verb::stats;
    case reply_kind::number:
      return e.op == verb::incr || e.op == verb::decr;
    case reply_kind::noop:
      return e.op == verb::ping && e.form != wire_form::classic;
    case reply_kind::text:
      return e.op == verb::version || e.op == verb::debug ||
             (e.op == verb::ping && e.form == wire_form::classic);
    case reply_kind::done:
      // HD answers a read without a value, and a quiet counter.
      return e.form == wire_form::meta
                 ? e.op != verb::ping && e.op != verb::debug
                 : !e.reads() && e.op != verb::version && e.op != verb::incr && e.op != verb::decr;
    case reply_kind::refused:
      return protocol::names_item(e.op) && !(ends_with_end(e));
  }
  return false;
}

bool connection::state::is_for(pending& e, const parsed& p, const response& r) const noexcept {
  if (e.form == wire_form::classic) {
    if (r.has_opaque || !fits(e, p.kind)) return false;
    if (p.kind == reply_kind::value) {
      if (e.answered || r.key.empty()) return false;
      return same_key(e, r.key) || (!options.check_keys && !e.quiet);
    }
    if (p.kind == reply_kind::text) return r.key.empty();  // VERSION, and not ME
    if (p.kind == reply_kind::done || p.kind == reply_kind::refused) {
      return is_answer_to(e.op, in.data().substr(0, p.head_size - 2));
    }
    return !e.quiet;
  }
  if (!fits(e, p.kind)) return false;
  if (r.has_opaque) return e.opaque == r.opaque && e.opaque != 0;
  // Without an opaque: an answer to mn or me, an error, or a miss of a server that leaves it out.
  const bool without =
      p.kind == reply_kind::refused
          ? in.data().starts_with("EN") && (e.reads() || e.op == verb::touch || e.op == verb::debug)
          : p.kind == reply_kind::error || e.op == verb::ping ||
                (e.op == verb::debug && !r.key.empty());
  return without && !e.quiet;
}

std::size_t connection::state::find(const parsed& p, const response& r) {
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (is_for(waiting[i], p, r)) return i;
    if (!waiting[i].quiet) break;  // it has to answer first
  }
  return not_found;
}

connection::state::matched connection::state::match(const parsed& p, const response& r) {
  if (p.kind == reply_kind::error && !r.has_opaque && waiting.front().quiet) return take_stray(r);
  const std::size_t target = find(p, r);
  if (target == not_found) {
    fail(errc::protocol_error,
         p.kind == reply_kind::value
             ? "the server answered with a key or opaque that was not asked for"
             : "the server's reply fits no request in flight");
    return matched::failed;
  }
  if (target == 0 && strays.empty()) return matched::front;
  return resolve_before(target) ? matched::front : matched::failed;
}

// Whether the classic line at the front has its last key.
bool connection::state::line_is_ended() noexcept {
  std::size_t i = 0;
  while (i < waiting.size() && waiting[i].quiet) ++i;
  return i < waiting.size();
}

// An error that names no request, while quiet requests are at the front.
connection::state::matched connection::state::take_stray(const response& r) {
  if (ends_with_end(waiting.front())) {
    // It stands in the place of the line's END: all of the line fails.
    if (!line_is_ended()) {
      fail(errc::protocol_error, "an error in answer to a line that was not written to its end");
      return matched::failed;
    }
    while (waiting.front().quiet) {
      response each = r;
      finish_front(each, reply_kind::error);
    }
    return matched::front;
  }
  // It is of the run of quiet requests at the front, whoever of them it is.
  std::size_t run = 0;
  bool ends = false;
  for (; run < waiting.size() && waiting[run].quiet; ++run) {
    ends = ends || ends_connection(r.status, waiting[run].op);
  }
  if (strays.size() == run) {
    fail(errc::protocol_error, "the server sent more errors than there were requests");
    return matched::failed;
  }
  strays.push_back({r.status, std::string(r.text)});
  if (!ends) return matched::nobody;  // what comes next tells whose it was
  if (resolve_before(run)) {
    fail(errc::connection_closed, std::string("closed after: ").append(r.text));
  }
  return matched::failed;
}

// The quiet requests before `target` stayed silent, but for `strays` errors that named nobody: if
// there are as many as requests, each has its own; if fewer, nobody knows whose they are.
bool connection::state::resolve_before(std::size_t target) {
  if (strays.size() > target) {
    fail(errc::protocol_error, "the server sent more errors than there were requests");
    return false;
  }
  const std::vector<stray> errors = std::exchange(strays, {});
  const bool each_failed = errors.size() == target;
  std::string unclear;
  if (!errors.empty() && !each_failed) {
    unclear = std::to_string(errors.size()) + " of " + std::to_string(target) +
              " requests failed: " + errors.front().text;
  }
  for (std::size_t i = 0; i < target; ++i) {
    response r;
    if (errors.empty()) {
      r.status = waiting.front().reads() ? errc::miss : errc::ok;
    } else {
      r.status = each_failed ? errors[i].status : errc::unattributed;
      r.text = each_failed ? errors[i].text : unclear;
    }
    answer_front(r);
  }
  return true;
}

// The request at the front has its reply.
void connection::state::finish_front(response& r, reply_kind kind) {
  pending& e = waiting.front();
  if (ends_with_end(e)) {
    if (kind == reply_kind::value && !e.quiet) {
      // The last key of its line: the END is still to come.
      answer(e, r);
      e.answered = true;
      e.to = nullptr;
      return;
    }
    if (kind == reply_kind::end) r.status = errc::miss;
  }
  const verb op = e.op;
  answer_front(r);
  if (ends_connection(r.status, op)) {
    fail(errc::connection_closed, std::string("closed after: ").append(r.text));
  }
}

// The last word to the request at the front.
void connection::state::answer_front(response& r) {
  pending& e = waiting.front();
  if (protocol::carries_value(e.op)) {
    // A server may refuse a value before it has the whole of it; the rest is still sent, and its
    // owner does not wait for that.
    const std::uint64_t end = waiting.size() > 1 ? waiting[1].begin : out.end();
    if (out.written() < end) out.own_all();
  }
  answer(e, r);
  waiting.pop();
}

void connection::state::answer(pending& e, response& r) noexcept {
  if (e.form != wire_form::classic) {
    r.has_opaque = e.given_opaque != 0;
    r.opaque = e.given_opaque;
  }
  if (e.to != nullptr) {
    e.to->on_response(e.tag, r);
  } else if (e.abandoned && !e.answered && !r.more) {
    const fault whose = fault_of(r.status);
    if (whose != fault::none && whose != fault::answer) ++unclaimed;
  }
}

}  // namespace memcxx
