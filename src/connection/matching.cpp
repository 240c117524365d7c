// Which request a reply belongs to. A reply is known by its opaque (meta, binary), by its key
// (classic get: lines.cpp), or else by its place. Quiet requests that were passed over had their
// usual outcome. Never here: parsing, buffers.
#include <string>
#include <utility>

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

// A server that does not know a meta command, although it reads meta stores.
bool knows_no_meta(const pending& e, const parsed& p, std::string_view line) noexcept {
  return p.kind == reply_kind::error && e.form == wire_form::meta && protocol::names_item(e.op) &&
         e.op != verb::debug && line.starts_with("ERROR");
}

bool counts(const pending& e) noexcept { return e.op == verb::incr || e.op == verb::decr; }

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
      return words == "TOUCHED" || words == "NOT_FOUND" || words == "NOT_STORED";
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
      return e.reads() ? e.wants_value : counts(e) && e.form == wire_form::meta;
    case reply_kind::end:
      return e.op == verb::stats;
    case reply_kind::stat:
      return e.op == verb::stats;
    case reply_kind::number:
      return counts(e);
    case reply_kind::noop:
      return e.op == verb::ping && e.form != wire_form::classic;
    case reply_kind::text:
      return e.op == verb::version || e.op == verb::debug ||
             (e.op == verb::ping && e.form == wire_form::classic);
    case reply_kind::done:
      if (e.form != wire_form::meta) return !e.reads() && e.op != verb::version && !counts(e);
      // HD: a read without a value, or a counter that was not to tell.
      if (e.reads()) return !e.wants_value;
      return counts(e) ? e.quiet : e.op != verb::ping && e.op != verb::debug;
    case reply_kind::refused:
      return protocol::names_item(e.op);
  }
  return false;
}

bool connection::state::is_for(pending& e, const parsed& p, const response& r) const noexcept {
  if (e.form == wire_form::classic) {
    if (r.has_opaque || !fits(e, p.kind)) return false;
    if (p.kind == reply_kind::text) return r.key.empty();  // VERSION, and not ME
    if (p.kind == reply_kind::done || p.kind == reply_kind::refused) {
      return is_answer_to(e.op, in.data().substr(0, p.head_size - 2));
    }
    return !e.quiet;
  }
  if (!fits(e, p.kind)) return false;
  if (r.has_opaque) return e.opaque == r.opaque && e.opaque != 0;
  // Without an opaque: an answer to mn or me, an error, or a miss of a server that leaves it out.
  const bool without = p.kind == reply_kind::refused
                           ? !in_doubt && in.data().starts_with("EN") &&
                                 (e.reads() || e.op == verb::touch || e.op == verb::debug)
                           : p.kind == reply_kind::error || e.op == verb::ping ||
                                 (e.op == verb::debug && !r.key.empty());
  return without && !e.quiet;
}

std::size_t connection::state::find(const parsed& p, const response& r) {
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    pending& e = waiting[i];
    // A quiet one answers only with its opaque.
    const bool silent = e.quiet && !r.has_opaque && e.form != wire_form::classic;
    if (!silent && is_for(e, p, r)) return i;
    if (!e.quiet) break;  // it has to answer first
  }
  return not_found;
}

connection::state::matched connection::state::match(const parsed& p, response& r) {
  current = 0;
  if (waiting.front().is_line()) {
    if (strays.empty() || !is_behind_line(p, r)) return match_line(p, r);
    if (end_line_unsaid() == matched::failed) return matched::failed;
  }
  if (p.kind == reply_kind::error && !r.has_opaque && waiting.front().quiet) {
    return take_stray(p, r);
  }
  const std::size_t target = find(p, r);
  misjudged = target != not_found && knows_no_meta(waiting[target], p, in.data());
  if (target == not_found) {
    fail(errc::protocol_error,
         p.kind == reply_kind::value ? detail::not_asked_for : detail::fits_nothing);
    return matched::failed;
  }
  if (r.has_opaque || p.kind == reply_kind::noop) in_doubt = false;
  if (target == 0 && strays.empty()) return matched::request;
  return resolve_before(target) ? matched::request : matched::failed;
}

// An error that names no request, while quiet requests are at the front.
connection::state::matched connection::state::take_stray(const parsed& p, const response& r) {
  // It is of the run of quiet requests at the front, whoever of them it is.
  std::size_t run = 0;
  bool ends = false;
  misjudged = false;
  for (; run < waiting.size() && waiting[run].quiet; ++run) {
    ends = ends || ends_connection(r.status, waiting[run].op);
    misjudged = misjudged || knows_no_meta(waiting[run], p, in.data());
  }
  if (strays.size() == run) {
    fail(errc::protocol_error, detail::more_errors);
    return matched::failed;
  }
  strays.push_back({r.status, std::string(r.text)});
  longest_quiet_run = longest_doubtful_run;
  if (!ends) return matched::nobody;  // what comes next tells whose it was
  retry_as_classic = misjudged && options.protocol == protocol_choice::automatic;
  if (resolve_before(run)) close_after(r.text);
  return matched::failed;
}

// The quiet requests before `target` stayed silent, but for `strays` errors that named nobody: if
// there are as many as requests, each has its own; if fewer, nobody knows whose they are.
bool connection::state::resolve_before(std::size_t target) {
  if (strays.size() > target) {
    fail(errc::protocol_error, detail::more_errors);
    return false;
  }
  const std::vector<stray> errors = std::exchange(strays, {});
  const bool each_failed = errors.size() == target;
  std::string unclear;
  if (!errors.empty() && !each_failed) {
    unclear = std::to_string(errors.size()) + " of " + std::to_string(target) +
              " requests failed: " + errors.front().text;
  }
  response r;
  for (std::size_t i = 0; i < target; ++i) {
    pending& e = waiting.front();
    if (errors.empty()) {
      r.status = e.reads() ? errc::miss : errc::ok;
      // Most have nothing to be told but that.
      if (e.given_opaque == 0 && e.to != nullptr && out.unsent() == 0) {
        r.has_opaque = false;
        r.opaque = 0;
        e.to->on_response(e.tag, r);
        waiting.pop();
        continue;
      }
    } else {
      r.status = each_failed ? errors[i].status : errc::unattributed;
      r.text = each_failed ? errors[i].text : unclear;
      go_again_if_misjudged(e, r);
    }
    answer_front(r);
  }
  return true;
}

// waiting[current] has its reply.
void connection::state::finish(response& r) {
  pending& e = waiting[current];
  if (e.is_line()) {  // its value; the END is still to come
    answer(e, r);
    e.answered = true;
    e.to = nullptr;
    return;
  }
  const verb op = e.op;
  // Hazelcast's word for a touch of nothing.
  if (op == verb::touch && r.status == errc::not_stored) r.status = errc::miss;
  const errc status = r.status;
  retry_as_classic =
      misjudged && status == errc::not_supported && options.protocol == protocol_choice::automatic;
  go_again_if_misjudged(e, r);
  answer_front(r);
  if (ends_connection(status, op)) close_after(r.text);
}

// For a read, the next connection may do better.
void connection::state::go_again_if_misjudged(const pending& e, response& r) const noexcept {
  r.misjudged = retry_as_classic && e.reads();
  if (r.misjudged) r.status = errc::connection_closed;
}

// The last word to the request at the front.
void connection::state::answer_front(response& r) {
  pending& e = waiting.front();
  if (out.unsent() != 0 && protocol::carries_value(e.op)) {
    // A server may refuse a value before it has the whole of it; the rest is still sent, and its
    // owner does not wait for that.
    const std::uint64_t end = waiting.size() > 1 ? waiting[1].begin : out.end();
    if (out.written() < end) out.own_all();
  }
  answer(e, r);
  waiting.pop();
}

void connection::state::answer(pending& e, response& r) noexcept {
  used = true;
  unheard = false;
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
