// One request over an idle connection, and its answer: what most calls are, and all that a queue is
// for is left out. Whatever is not as it mostly is becomes a request in flight like any other.
// Never here: more than one request, failures.
#include <algorithm>

#include <memcxx/protocol/binary.hpp>
#include <memcxx/protocol/classic.hpp>
#include <memcxx/protocol/meta.hpp>

#include "connection/state.hpp"
#include "protocol/checks.hpp"

namespace memcxx {

using detail::pending;
using detail::wire_form;
using protocol::parsed;
using protocol::reply_kind;
using protocol::request;
using protocol::response;

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view end_of_values = "END\r\n";

}  // namespace

std::string_view connection::state::ask(request& r) {
  const bool idle = waiting.empty() && failure == errc::ok && out.unsent() == 0 && in.empty() &&
                    quiet_run == 0 && !line_open && speaks != protocol_choice::automatic;
  const bool has_value = protocol::carries_value(r.op);
  if (!idle || r.quiet || !protocol::names_item(r.op)) return {};
  if (r.value.size() > std::min(options.copy_below, options.max_value_size)) return {};
  const wire_form form = form_for(r);
  if (!protocol::is_plain(r) && check(r, form)) return {};

  asked.prefix = r.prefix;
  asked.key = r.key;
  asked.begin = out.end();
  asked.given_opaque = r.opaque;
  asked.opaque = form == wire_form::classic ? 0 : new_opaque();
  asked.op = r.op;
  asked.form = form;
  asked.wants_value = asks(r.wants, protocol::want::value);
  asked.refusable = may_be_refused(r);
  char* const at = out.reserve(protocol::classic::max_head + (has_value ? r.value.size() + 2 : 0));
  r.opaque = asked.opaque;
  asked_size = render(r, form, has_value, at);
  return {at, asked_size};
}

// Whether `reply`, which was parsed as `p`, is the answer to what was asked, and everything else
// that came belongs to it.
bool connection::state::is_whole_answer(const parsed& p) {
  const std::string_view all = in.data();
  std::size_t size = p.head_size;
  if (reply.status == errc::unknown_flags) return false;
  if (p.kind == reply_kind::value) {
    if (p.body_size > options.max_value_size) return false;
    const std::string_view value = all.substr(size).substr(0, p.body_size);
    size += p.body_size + p.trailer;
    if (all.size() < size || (p.trailer != 0 && !all.substr(0, size).ends_with(line_end))) {
      return false;
    }
    if (!asked.reads()) {
      if (!read_counter(value, reply.number)) return false;
    } else {
      reply.value = value;
    }
    if (asked.is_line()) return all.substr(size) == end_of_values && is_value_of(asked, reply);
  } else if (p.kind == reply_kind::end && asked.is_line()) {
    reply.status = errc::miss;
    return all.size() == size;
  } else if (p.kind == reply_kind::refused) {
    if (asked.op == protocol::verb::touch && reply.status == errc::not_stored) return false;
  } else if (p.kind != reply_kind::done && p.kind != reply_kind::number) {
    return false;
  }
  return all.size() == size && is_for(asked, p, reply);
}

const response* connection::state::answered(std::size_t n) {
  in.added(n);
  const parsed p =
      asked.form == wire_form::meta ? protocol::meta::parse(in.data(), reply) : parse(asked.form);
  if (p.what != parsed::outcome::reply || !is_whole_answer(p)) return nullptr;
  in.consume(in.data().size());
  used = true;
  if (asked.form != wire_form::classic) {
    reply.has_opaque = asked.given_opaque != 0;
    reply.opaque = asked.given_opaque;
  }
  return &reply;
}

void connection::state::queue(protocol::response_handler& to, std::uint32_t tag,
                              std::size_t written) {
  waiting.make_room();
  out.reserve(asked_size);  // where its bytes lie already
  begin_stretch();
  begins_line = false;
  pending& e = waiting.push();
  e = std::move(asked);
  e.to = &to;
  e.tag = tag;
  e.quiet = e.abandoned = e.answered = false;
  out.commit(asked_size);
  out.sent(written);
  deliver();
}

}  // namespace memcxx
