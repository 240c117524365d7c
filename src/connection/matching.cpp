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

constexpr std::string_view not_asked_for =
    "the server answered with a key or opaque that was not asked for";
constexpr std::string_view fits_nothing = "the server's reply fits no request in flight";

// The word that a value in answer to a classic line begins with.
std::string_view value_word(verb op) noexcept { return op == verb::config ? "CONFIG " : "VALUE "; }

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
  const bool without =
      p.kind == reply_kind::refused
          ? in.data().starts_with("EN") && (e.reads() || e.op == verb::touch || e.op == verb::debug)
          : p.kind == reply_kind::error || e.op == verb::ping ||
                (e.op == verb::debug && !r.key.empty());
  return without && !e.quiet;
}

// Whether the item at hand is the one that a classic get of one key asks for.
bool connection::state::is_value_of(const pending& e, const response& r) const noexcept {
  return in.data().starts_with(value_word(e.op)) && same_key(e, r.key);
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
  if (waiting.front().is_line()) return match_line(p, r);
  if (p.kind == reply_kind::error && !r.has_opaque && waiting.front().quiet) return take_stray(r);
  const std::size_t target = find(p, r);
  if (target == not_found) {
    fail(errc::protocol_error, p.kind == reply_kind::value ? not_asked_for : fits_nothing);
    return matched::failed;
  }
  if (target == 0 && strays.empty()) return matched::request;
  return resolve_before(target) ? matched::request : matched::failed;
}

// How many requests the classic line at the front has; 0 when it was not written to its end.
std::size_t connection::state::line_size() noexcept {
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (!waiting[i].quiet) return i + 1;
  }
  return 0;
}

// The place of a value in its line. Servers answer in the order asked; proxies, which ask many
// servers, in any.
std::size_t connection::state::find_in_line(const response& r) noexcept {
  const auto is_it = [&](std::size_t i) {
    return !waiting[i].answered && same_key(waiting[i], r.key);
  };
  const bool past_end = line_cursor > 0 && !waiting[line_cursor - 1].quiet;
  for (std::size_t i = line_cursor; !past_end && i < waiting.size(); ++i) {
    if (is_it(i)) return i;
    if (!waiting[i].quiet) break;
  }
  for (std::size_t i = 0; i < line_cursor; ++i) {
    if (is_it(i)) return i;
  }
  // A queue server answers a get of one key with another (check_keys).
  const bool any_key = !options.check_keys && !waiting[0].quiet && !waiting[0].answered;
  return any_key ? 0 : not_found;
}

// A reply to the classic line at the front: values, then END; or an error in place of END.
connection::state::matched connection::state::match_line(const parsed& p, response& r) {
  const bool ends = p.kind == reply_kind::end || p.kind == reply_kind::error;
  const verb op = waiting.front().op;
  if (r.has_opaque || !(ends || in.data().starts_with(value_word(op)))) {
    fail(errc::protocol_error, fits_nothing);
    return matched::failed;
  }
  if (!ends) {
    current = find_in_line(r);
    if (current == not_found) {
      current = 0;
      fail(errc::protocol_error, not_asked_for);
      return matched::failed;
    }
    line_cursor = current + 1;
    return matched::request;
  }
  const std::size_t size = line_size();
  if (size == 0) {
    fail(errc::protocol_error, "an answer to a line that was not written to its end");
    return matched::failed;
  }
  line_cursor = 0;
  if (p.kind == reply_kind::end) r.status = errc::miss;
  for (std::size_t i = 0; i < size; ++i) {
    if (waiting.front().answered) {
      waiting.pop();
      continue;
    }
    response each = r;
    answer_front(each);
  }
  if (ends_connection(r.status, op)) {
    fail(errc::connection_closed, std::string("closed after: ").append(r.text));
  }
  return matched::settled;
}

// An error that names no request, while quiet requests are at the front.
connection::state::matched connection::state::take_stray(const response& r) {
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
  longest_quiet_run = longest_doubtful_run;
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
  answer_front(r);
  if (ends_connection(r.status, op)) {
    fail(errc::connection_closed, std::string("closed after: ").append(r.text));
  }
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
