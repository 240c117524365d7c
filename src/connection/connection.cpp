// The public face of a connection, and when one ends. See connection.hpp.
// Never here: sockets, clocks, routing.
#include <utility>

#include <memcxx/connection.hpp>

#include "connection/state.hpp"

namespace memcxx {

std::string_view name_of(protocol_choice p) noexcept {
  switch (p) {
    case protocol_choice::automatic:
      return "auto";
    case protocol_choice::classic:
      return "classic";
    case protocol_choice::meta:
      return "meta";
    case protocol_choice::binary:
      return "binary";
  }
  return "unknown";
}

bool ends_connection(errc status, protocol::verb v) noexcept {
  switch (status) {
    case errc::ok:
    case errc::miss:
    case errc::not_stored:
    case errc::exists:
    case errc::not_a_number:
    case errc::value_too_large:
    case errc::out_of_memory:
    case errc::server_error:
    case errc::unattributed:
    case errc::unknown_flags:  // more than 32 bits of them
      return false;
    // The server did not take the command, and may read what followed it as its next: a value in
    // text, a key and extras in binary. Others may say more than one line, or nothing more
    // (Infinispan 15). memcached itself has this for lines of keys.
    case errc::client_error:
      return v != protocol::verb::get && v != protocol::verb::gat;
    case errc::not_supported:
      return protocol::names_item(v);
    // Refused before anything was written.
    case errc::invalid_key:
    case errc::invalid_argument:
    case errc::overloaded:
      return false;
    case errc::resolve_failed:
    case errc::connect_failed:
    case errc::server_down:
    case errc::connection_closed:
    case errc::protocol_error:
    case errc::timeout:
    case errc::cancelled:
    case errc::corrupt_value:
    case errc::wrong_type:
      return true;
  }
  return true;
}

connection::connection(const connection_options& options)
    : state_(std::make_unique<state>(options)) {}
connection::~connection() = default;
connection::connection(connection&&) noexcept = default;
connection& connection::operator=(connection&&) noexcept = default;

void connection::open() { state_->open(); }
void connection::rest() noexcept { state_->used = true; }
bool connection::ready() const noexcept {
  return state_->speaks != protocol_choice::automatic && !failed();
}
protocol_choice connection::speaks() const noexcept { return state_->speaks; }

bool connection::has_room() const noexcept {
  return !state_->full && state_->out.unsent() < state_->options.max_unsent;
}

protocol::refusal connection::submit(const protocol::request& r, protocol::response_handler& to,
                                     std::uint32_t tag) {
  return state_->submit(r, to, tag);
}
std::size_t connection::submit_again(std::span<const another> more,
                                     protocol::response_handler& to) {
  return state_->submit_again(more, to);
}
std::string_view connection::ask(protocol::request& r) { return state_->ask(r); }
const protocol::response* connection::answered(std::size_t n) { return state_->answered(n); }
void connection::queue(protocol::response_handler& to, std::uint32_t tag, std::size_t written) {
  state_->queue(to, tag, written);
}
void connection::fence() { state_->fence(); }

std::span<const std::span<const char>> connection::output() { return state_->out.output(); }
void connection::sent(std::size_t n) { state_->out.sent(n); }
bool connection::has_output() const noexcept { return state_->out.unsent() != 0; }

std::span<const std::span<char>> connection::input() { return state_->input(); }
void connection::received(std::size_t n) { state_->received(n); }

void connection::closed() {
  state_->give_line_errors();
  state_->fail(errc::connection_closed, "the server closed the connection");
}
void connection::fail(errc code, std::string_view why) { state_->fail(code, why); }
void connection::fail(errc code, std::string_view why, verdict says) {
  state_->fail(code, why, says);
}
void connection::abandon(const protocol::response_handler& to) { state_->abandon(to); }
void connection::abandon(protocol::response_handler& to, errc code, std::string_view why) {
  state_->abandon(to, code, why);
}

std::uint64_t connection::unclaimed_errors() const noexcept { return state_->unclaimed; }
bool connection::failed() const noexcept { return state_->failure != errc::ok; }
errc connection::failure() const noexcept { return state_->failure; }
std::string_view connection::failure_text() const noexcept { return state_->failure_text; }
bool connection::retry_as_classic() const noexcept { return state_->retry_as_classic; }
std::size_t connection::in_flight() const noexcept { return state_->waiting.size(); }
std::size_t connection::abandoned() const noexcept { return state_->waiting.abandoned(); }
std::uint64_t connection::replies() const noexcept { return state_->waiting.popped(); }
bool connection::awaited() const noexcept { return state_->awaited(); }

bool connection::state::awaited() noexcept {
  if (body.active) return !body.dropped;
  // Of a line, or of requests that may stay silent, whichever is answered.
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i].to != nullptr) return true;
    if (!waiting[i].quiet) break;
  }
  return false;
}

verdict connection::says() const noexcept { return state_->says; }
std::chrono::microseconds connection::trusted_idle() const noexcept {
  using std::chrono::microseconds;
  switch (state_->speaks) {
    case protocol_choice::binary:
      return microseconds(50'000);
    case protocol_choice::meta:  // but for a miss, each reply tells
      return microseconds(1'000);
    default:
      return microseconds(100);
  }
}

void connection::state::close_after(std::string_view why) {
  if (failure != errc::ok) return;
  says = verdict::answered;
  ended_at = true;
  fail(errc::connection_closed, std::string("closed after: ").append(why));
}

// With what was in flight when it ended.
verdict connection::state::judge(errc code) noexcept {
  if (code == errc::timeout || code == errc::protocol_error) return verdict::failed;
  if (code != errc::connection_closed || waiting.empty()) return verdict::nothing;
  if (complained) return verdict::answered;
  // A server answers in order: it was the first without an answer that it closed at.
  if ((rested && unheard) || waiting.front().refusable) return verdict::nothing;
  return verdict::failed;
}

// `ours`: nobody closed it, and at nothing that was asked; what that says.
void connection::state::fail(errc code, std::string_view why, std::optional<verdict> ours) {
  if (failure != errc::ok) return;
  failure = code;
  try {
    failure_text = why;
  } catch (...) {  // no memory for it: those in flight are told of their end all the same
    failure_text.clear();
  }
  if (ours) {
    says = *ours;
  } else if (says == verdict::nothing) {
    says = judge(code);
  }
  body.active = false;
  const bool ended = code == errc::connection_closed || code == errc::protocol_error;
  retry_as_classic = options.protocol == protocol_choice::automatic && ended &&
                     (retry_as_classic || asking == question::meta);
  // Whoever it ended at: one that is answered, or the first of a caller's. An error of a run is not
  // yet anybody's.
  const bool by_server = !ours && code == errc::connection_closed;
  const bool at_answered = ended_at || (by_server && complained && strays.empty());
  const bool at_first = by_server && says == verdict::nothing && !(rested && unheard) &&
                        !waiting.empty() && waiting.front().refusable;
  bool is_first = true;
  while (!waiting.empty()) {
    detail::pending& e = waiting.front();
    protocol::response r;
    r.status = code;
    r.bystander = at_answered || (at_first && !is_first);
    if (e.to != nullptr) is_first = false;
    r.text = failure_text;
    r.unsent = out.written() <= e.begin;
    r.misjudged = retry_as_classic;
    answer(e, r);
    waiting.drop();
  }
  out.drop();  // the owners of what it refers to may be gone
}

}  // namespace memcxx
