// The answer to a classic line: values of its keys, perhaps errors among them, and END. A value
// counts once what follows it shows that it ended there.
// Never here: requests that are answered by one reply (matching.cpp).
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <memcxx/protocol/classic.hpp>

#include "connection/state.hpp"
#include "connection/words.hpp"
#include "protocol/plain.hpp"

namespace memcxx {

using detail::pending;
using detail::wire_form;
using protocol::parsed;
using protocol::reply_kind;
using protocol::response;
using protocol::verb;

namespace {

constexpr std::string_view end_of_values = "END\r\n";

bool same_key(const pending& e, std::string_view key) noexcept {
  return key.size() == e.prefix.size() + e.key.size() && key.starts_with(e.prefix) &&
         key.ends_with(e.key);
}

// The word that a value in answer to a classic line begins with.
std::string_view value_word(verb op) noexcept { return op == verb::config ? "CONFIG " : "VALUE "; }

// Whether what came so far may be the beginning of a line that begins with this word.
bool may_begin(std::string_view bytes, std::string_view word) noexcept {
  const std::size_t n = std::min(bytes.size(), word.size());
  return bytes.substr(0, n) == word.substr(0, n);
}

}  // namespace

// Whether the item at hand is the one that a classic get of one key asks for.
bool connection::state::is_value_of(const pending& e, const response& r) const noexcept {
  return in.data().starts_with(value_word(e.op)) && same_key(e, r.key);
}

// How many requests the classic line at the front has; 0 when it was not written to its end.
std::size_t connection::state::line_size() noexcept {
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (!waiting[i].quiet) return i + 1;
  }
  return 0;
}

// How many of the first `size` have no answer.
std::size_t connection::state::open_in_line(std::size_t size) noexcept {
  std::size_t open = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (!waiting[i].answered) ++open;
  }
  return open;
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

// A value, an error, or END.
connection::state::matched connection::state::match_line(const parsed& p, response& r) {
  const bool is_item = in.data().starts_with(value_word(waiting.front().op));
  if (r.has_opaque || (!is_item && p.kind != reply_kind::end && p.kind != reply_kind::error)) {
    fail(errc::protocol_error, detail::fits_nothing);
    return matched::failed;
  }
  if (is_item) {
    current = find_in_line(r);
    if (current == not_found) {
      current = 0;
      fail(errc::protocol_error, detail::not_asked_for);
      return matched::failed;
    }
    line_cursor = current + 1;
    return matched::request;
  }
  if (p.kind == reply_kind::error) return take_line_error(r);
  return end_line_answer(true) ? matched::settled : matched::failed;
}

// An error stands among the values: of a proxy, one for each key whose server it cannot reach, and
// END at the end; of memcached, in place of all that would follow. Which it was, the next reply
// tells.
connection::state::matched connection::state::take_line_error(const response& r) {
  const std::size_t size = line_size();
  const std::size_t open = open_in_line(size);
  const bool each_has_one = size != 0 && strays.size() >= open;
  // A proxy asks a server for the fence as well.
  if (each_has_one && fences_behind(size) != 0) {
    const bool is_the_fences = strays.size() == 1 && fences_behind(size) == 1;
    if (!end_line_answer(false)) return matched::failed;
    if (is_the_fences) {
      waiting.pop();
    } else {
      close_after(r.text);
    }
    return matched::settled;
  }
  if (size == 0 || each_has_one) {
    fail(errc::protocol_error,
         size == 0 ? "an answer to a line that was not written to its end" : detail::more_errors);
    return matched::failed;
  }
  strays.push_back({r.status, std::string(r.text)});
  const bool ends_all = ends_connection(r.status, waiting.front().op);
  if (!ends_all && !may_end_another(size)) return matched::nobody;
  // In doubt, and the line's only error need not be that of all of its keys.
  if (end_line_answer(false, !ends_all)) close_after(r.text);
  return matched::settled;
}

// Whether nobody could say whose END it is that comes next: when the first error stood in place of
// the line's, each of the others has answered a request behind it. Where replies tell what they
// answer, those show that in time.
bool connection::state::may_end_another(std::size_t size) noexcept {
  const std::size_t reach = speaks == protocol_choice::meta ? 1 : strays.size();
  const std::size_t end = std::min(waiting.size(), size + reach);
  for (std::size_t i = size; i < end; ++i) {
    const pending& e = waiting[i];
    if (e.is_line() || (e.form == wire_form::classic && e.op == verb::stats)) return true;
  }
  return false;
}

// How many of find_lines_end() follow the first `size` requests.
std::size_t connection::state::fences_behind(std::size_t size) noexcept {
  std::size_t n = 0;
  for (std::size_t i = size; !strays.empty() && i < waiting.size(); ++i, ++n) {
    const pending& e = waiting[i];
    if (e.op != verb::ping || e.to != nullptr || e.abandoned) break;
  }
  return n;
}

// After an error: the reply is for what follows the line, which has ended so.
bool connection::state::is_behind_line(const parsed& p, const response& r) noexcept {
  if (waiting.size() <= line_size()) return false;
  const bool of_line = p.kind == reply_kind::end || p.kind == reply_kind::error ||
                       in.data().starts_with(value_word(waiting.front().op));
  return !of_line || r.has_opaque;
}

// The reply is for what follows the line at the front, which has met errors. The first stood in
// place of END; whose the others were is clear only when who answers now cannot have met one.
connection::state::matched connection::state::end_line_unsaid() {
  const std::size_t size = line_size();
  const pending& next = waiting[size];
  const bool tells = next.form == wire_form::meta && !next.quiet;
  const bool clear = strays.size() == 1 || tells || fences_behind(size) == 1;
  const std::string why = clear ? std::string() : strays.front().text;
  if (!end_line_answer(false)) return matched::failed;
  if (clear) return matched::request;
  close_after(why);
  return matched::failed;
}

// After an error nothing else is in flight, and nothing more has come: a fence tells whether END
// does. One that a proxy answers with an error tells nothing: then another one.
void connection::state::find_lines_end() {
  if (strays.empty() || waiting.empty() || !waiting.front().is_line()) return;
  if (!in.empty() || body.active) return;
  const std::size_t size = line_size();
  const std::size_t fences = fences_behind(size);
  const bool meta = speaks == protocol_choice::meta;
  if (waiting.size() != size + fences || fences >= (meta ? 1 : strays.size())) return;
  push_fence(meta ? wire_form::meta : wire_form::classic);
}

// The connection is at its end: a line that met an error will learn no more of it.
void connection::state::give_line_errors() {
  if (failure != errc::ok || strays.empty() || waiting.empty()) return;
  if (waiting.front().is_line() && line_size() != 0) end_line_answer(false);
}

// Every request of the line at the front that has no answer gets one. Keys without one missed; but
// where there were errors, all failed if there were as many, and else nobody knows which: unless
// an error stood in place of END, and so was the answer to all of them.
bool connection::state::end_line_answer(bool with_end, bool in_doubt_of_whom) {
  if (strays.empty() && !in_doubt && !line_open) {  // as it mostly is: keys without a value missed
    line_cursor = 0;
    for (bool last = false; !last;) {
      last = !waiting.front().quiet;
      if (waiting.front().answered) {
        waiting.pop();
        continue;
      }
      response miss;
      miss.status = errc::miss;
      answer_front(miss);
    }
    return true;
  }
  const std::size_t size = line_size();
  if (size == 0) {
    fail(errc::protocol_error, "an answer to a line that was not written to its end");
    return false;
  }
  line_cursor = 0;
  response r;
  r.status = errc::miss;
  const std::vector<stray> errors = std::exchange(strays, {});
  std::size_t open = 0;
  std::string unclear;
  if (!errors.empty()) {
    open = open_in_line(size);
    unclear = std::to_string(errors.size()) + " of " + std::to_string(open) +
              " keys failed: " + errors.front().text;
  }
  // Behind two errors END may have been another line's (may_end_another).
  const bool was_in_doubt = in_doubt;
  in_doubt = in_doubt || (with_end && errors.size() > 1 && waiting.size() > size);
  if (with_end && was_in_doubt && errors.empty()) {
    r.status = errc::unattributed;
    r.text = "an error before it may have been an answer to this";
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (waiting.front().answered) {
      waiting.pop();
      continue;
    }
    response each = r;
    if (errors.size() == open && !errors.empty()) {
      each.status = errors[next].status;
      each.text = errors[next++].text;
    } else if (!errors.empty()) {
      const bool names_nobody = with_end || in_doubt_of_whom;
      each.status = names_nobody ? errc::unattributed : errors.front().status;
      each.text = names_nobody ? std::string_view(unclear) : errors.front().text;
    }
    answer_front(each);
  }
  return true;
}

// What may follow a value: END, the value of another of its line's keys, or an error.
connection::state::frame connection::state::frame_after(std::string_view rest) noexcept {
  if (rest.starts_with(end_of_values)) return frame::proven;
  if (may_begin(rest, end_of_values)) return frame::unknown;
  constexpr std::array<std::string_view, 3> errors = {"SERVER_ERROR", "CLIENT_ERROR", "ERROR"};
  const std::string_view word = value_word(waiting.front().op);
  const auto possible = [&](std::string_view w) { return may_begin(rest, w); };
  if (!possible(word)) {
    if (std::ranges::none_of(errors, possible)) return frame::broken;
    response unused;
    const parsed p = protocol::classic::parse(rest, unused);
    if (p.what == parsed::outcome::need_more) return frame::unknown;
    return p.what == parsed::outcome::reply ? frame::proven : frame::broken;
  }
  response head;
  const parsed p = protocol::classic::parse(rest, head);
  if (p.what == parsed::outcome::need_more) return frame::unknown;
  if (p.what != parsed::outcome::reply) return frame::broken;
  // A second value of the same key answers nothing, unless that was asked for twice.
  const bool was = std::exchange(waiting[current].answered, true);
  const std::size_t found = find_in_line(head);
  waiting[current].answered = was;
  return found != not_found ? frame::proven : frame::broken;
}

// Values whose turn it is in the classic line at the front, as long as they are all here and as
// they should be: what multi-gets are made of. False when there was none; whatever else is there,
// deliver_one() judges.
bool connection::state::deliver_items() {
  if (body.active || waiting.empty() || asking != question::none || !waiting.front().is_line()) {
    return false;
  }
  const std::string_view all = in.data();
  std::string_view here = all;
  std::size_t done = 0;     // so many bytes of `all` were delivered
  pending* held = nullptr;  // whose value waits for what follows it to be seen
  response* item = &items[0];
  response* next = &items[1];
  std::size_t cursor = line_cursor;
  // Behind the one that is not quiet the line has ended.
  bool in_line = cursor == 0 || waiting[cursor - 1].quiet;
  for (;;) {
    // Those that are passed over are misses.
    constexpr std::size_t most_misses = 16;
    std::size_t head = 0;
    std::size_t size = 0;
    pending* found = nullptr;
    if (in_line) {
      const std::size_t end = std::min(waiting.size(), cursor + most_misses);
      for (; cursor < end; ++cursor) {
        found = &waiting[cursor];
        if (found->answered || found->op != verb::get) break;
        head = protocol::plain::read_item(here, found->prefix, found->key,
                                          protocol::classic::max_line, *next, size);
        if (head != 0 || !found->quiet) break;
      }
    }
    if (held != nullptr) {
      if (head == 0 && !here.starts_with(end_of_values)) break;
      if (held->to != nullptr) {
        held->to->on_response(held->tag, *item);
      } else {
        answer(*held, *item);
      }
      held->answered = true;
      held->to = nullptr;
      held = nullptr;
      done = all.size() - here.size();
      line_cursor = cursor;
    }
    if (head == 0 || size > options.max_value_size || here.size() < head + size + 2) break;
    const char* const value = here.data() + head;
    if (value[size] != '\r' || value[size + 1] != '\n') break;
    next->value = {value, size};
    std::swap(item, next);
    held = found;
    in_line = found->quiet;
    ++cursor;
    here.remove_prefix(head + size + 2);
  }
  if (done == 0) return false;
  used = true;
  unheard = false;
  complained = complained && !strays.empty();
  in.consume(done);
  return true;
}

}  // namespace memcxx
