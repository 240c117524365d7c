// A leg: what is to send over one connection, in which order, and what of it again. See
// exchange.hpp. Never here: which server a request goes to.
#include <algorithm>
#include <array>
#include <utility>

#include "routing/exchange.hpp"

namespace memcxx::routing {

using protocol::refusal;
using protocol::request;
using protocol::response;
using protocol::verb;

namespace {

// Sending it twice does what sending it once does, and its answer comes in one piece.
bool is_repeatable(const request& r) noexcept {
  switch (r.op) {
    case verb::get:
      return !r.vivify_ttl && !r.recache_ttl;
    case verb::debug:
    case verb::version:
    case verb::ping:
    case verb::config:
      return true;
    default:
      return false;
  }
}

// Reads that a run may leave unanswered when they miss.
bool is_run_of_gets(const request& a, const request& b) noexcept {
  return a.op == verb::get && b.op == verb::get && is_repeatable(a) && is_repeatable(b);
}

}  // namespace

bool leg::is_lone() const noexcept {
  return count_ == 1 && owner_->checks_late_ && owner_->first_.filled &&
         exchange::is_plain(owner_->options_) && protocol::names_item(owner_->first_.what.op);
}

inline bool leg::upcoming(std::uint32_t& index) const noexcept {
  if (again_at_ < again_.size()) {
    index = again_[again_at_];
  } else if (next_ < count_) {
    index = at(next_);
  } else {
    return false;
  }
  return true;
}

// Once nothing else is left to be submitted. False when it is not so, or there are none.
bool leg::turn_to_those_in_doubt() noexcept {
  if (alone_ == nullptr || again_at_ < again_.size() || next_ < count_) return false;
  again_.swap(*alone_);
  alone_.reset();
  again_at_ = 0;
  each_ = true;
  return true;
}

inline void leg::advance() noexcept {
  if (again_at_ < again_.size()) {
    ++again_at_;
  } else {
    ++next_;
  }
}

// One that was accepted before.
void leg::request(std::uint32_t index, protocol::request& out) const noexcept {
  out = {};
  (void)owner_->call_.request(index, out);
  adapt(out);
}

void leg::adapt(protocol::request& r) const noexcept {
  if (!protocol::names_item(r.op)) return;
  r.prefix = owner_->topology_.prefix;
  r.text_key = !owner_->any_byte_;
  if (server_ < owner_->topology_.own) return;
  r.ttl = ttl_in_gutter(r.ttl);
  if (r.vivify_ttl) r.vivify_ttl = ttl_in_gutter(*r.vivify_ttl);
}

// The next request that can be sent; those before it are refused. False when there is none.
bool leg::next(std::uint32_t& index, slot& out) noexcept {
  while (upcoming(index)) {
    const bool again = again_at_ < again_.size();
    // In a gutter an earlier request is no longer as its call gave it.
    const bool after = out.filled && server_ < owner_->topology_.own;
    if (!after) out.what = {};
    if (owner_->checks_late_ && !again) {
      out.filled = owner_->accept(index, out.what, after);
      if (!out.filled) {
        advance();
        settle(index);
        continue;
      }
    } else {
      // It was accepted before. But a call may take that back: of a value in pieces the rest is not
      // stored once a piece has failed.
      call& c = owner_->call_;
      const refusal no = after ? c.request_after(index, out.what) : c.request(index, out.what);
      out.filled = !no;
      if (no) {
        advance();
        refuse(index, no);
        continue;
      }
    }
    // What was accepted just now is as it shall be, but in a gutter.
    if (!after || again || !owner_->checks_late_) adapt(out.what);
    return true;
  }
  return false;
}

[[gnu::cold]] void leg::refuse(std::uint32_t index, const refusal& no) noexcept {
  response refused;
  refused.status = no.code;
  refused.text = no.why;
  refused.unsent = true;
  settle(index);
  owner_->outcome(index, refused, topology::no_server);  // no server was asked
}

// In the gutter nothing lives long: it is forgotten soon after the home is back.
std::int32_t leg::ttl_in_gutter(std::int32_t given) const noexcept {
  if (given < 0) return given;
  const std::int64_t most =
      std::clamp<std::int64_t>(owner_->options_.gutter_ttl.count(), 1, ttl::longest_relative);
  if (given == 0) return static_cast<std::int32_t>(most);
  std::int64_t left = given;
  if (given > ttl::longest_relative) left -= owner_->now_.time_since_epoch().count();
  return left <= 0 ? -1 : static_cast<std::int32_t>(std::min(left, most));
}

inline void leg::submit(connection& c, protocol::response_handler& as, std::uint32_t index,
                        const protocol::request& r) {
  if (const refusal no = c.submit(r, as, index)) refuse(index, no);
}

void leg::fill(connection& c, protocol::response_handler& as) {
  turn_to_those_in_doubt();
  std::uint32_t index = 0;
  if (!upcoming(index)) return;
  if (each_) return fill_each(c, as);
  if (owner_->differs_by_key_ && count_ > 1) return fill_keys(c, as, index);
  if (!owner_->checks_late_ || count_ > 1) return fill_many(c, as, index);
  // The one request was checked, and is at hand unless it is sent for a second time.
  slot& one = owner_->first_;
  if (!one.filled && !next(index, one)) return;
  if (!c.has_room() || c.failed()) return;
  one.filled = false;
  one.what.quiet = false;  // it may as well be answered
  advance();
  submit(c, as, index, one.what);
}

// Gets that differ by their keys: a run, where the protocol has one, which the fence ends.
void leg::fill_keys(connection& c, protocol::response_handler& as, std::uint32_t index) {
  in_line_ = c.speaks() == protocol_choice::classic;
  slot each;
  bool takes_more = true;
  while (c.has_room() && !c.failed() && next(index, each)) {
    advance();
    each.what.quiet = true;
    submit(c, as, index, each.what);
    if (takes_more) takes_more = submit_more(c, as, each.what);
  }
  c.fence();
}

// Reads that stayed silent beside errors that named nobody: each is asked again, and told. Where
// replies say nothing of their requests, one after the other.
void leg::fill_each(connection& c, protocol::response_handler& as) {
  const bool apart = asks_apart(c);
  slot each;
  std::uint32_t index = 0;
  while (c.has_room() && !c.failed()) {
    if ((apart && c.in_flight() != 0) || !next(index, each)) return;
    advance();
    each.what.quiet = false;
    submit(c, as, index, each.what);
    each.filled = false;
  }
}

// Whether `r` differs from `first`, which is fit to be sent, only in key and value, and in nothing
// that makes it unfit.
inline bool leg::is_another(const protocol::request& r,
                            const protocol::request& first) const noexcept {
  const exchange& x = *owner_;
  if (!x.differs_by_key_) {
    const bool alike =
        r.op == first.op && r.wants == first.wants && r.cas == 0 && r.opaque == 0 && !r.invalidate;
    if (!alike) return false;
    if (r.op == verb::get) {
      if (!is_repeatable(r)) return false;
    } else if (!r.quiet || r.flags != first.flags || r.ttl != first.ttl ||
               r.value.size() > x.options_.max_value_size) {
      return false;
    }
  }
  return !x.checks_late_ || !exchange::check_key(first.prefix, r.key, x.any_byte_);
}

// As many as the connection takes that are like `first`, which was submitted last: some at a time.
// False when it takes none.
bool leg::submit_more(connection& c, protocol::response_handler& as,
                      const protocol::request& first) {
  if (again_at_ < again_.size() || server_ >= owner_->topology_.own) return true;
  protocol::request r = first;
  std::array<connection::another, 64> some;
  std::size_t most = 1;  // the first shows whether there are to be more
  for (;;) {
    std::size_t n = 0;
    for (std::size_t place = next_; n < most && place < count_; ++n, ++place) {
      const std::uint32_t index = at(place);
      if (owner_->call_.request_after(index, r) || !is_another(r, first)) break;
      some[n] = {.key = r.key, .value = r.value, .tag = index};
    }
    const std::size_t done = c.submit_again(std::span(some).first(n), as);
    next_ += done;
    if (done < n) return done != 0 || most != 1;
    if (n < most) return true;
    most = some.size();
  }
}

void leg::fill_many(connection& c, protocol::response_handler& as, std::uint32_t index) {
  slot slots[2];
  slot* one = &slots[0];
  slot* after = &slots[1];
  bool more = next(index, *one);
  bool in_run = false;  // of gets that are answered together
  bool takes_more = true;
  while (more && c.has_room() && !c.failed()) {
    advance();
    protocol::request& r = one->what;
    const bool given = r.quiet;
    if (r.op != verb::get) {
      // A lone request may as well be answered.
      r.quiet = given && count_ > 1;
      submit(c, as, index, r);
      if (r.quiet && r.op == verb::set && takes_more) takes_more = submit_more(c, as, r);
      r.quiet = given;  // the next is made of it
      in_run = false;
      more = next(index, *one);
      continue;
    }
    std::uint32_t following = 0;
    more = next(following, *after);
    // A run of gets is told by its end.
    const bool begins_run = more && is_run_of_gets(r, after->what);
    r.quiet = (given && count_ > 1) || begins_run || in_run;
    in_run = begins_run;
    in_line_ = in_line_ || (begins_run && c.speaks() == protocol_choice::classic);
    submit(c, as, index, r);
    r.quiet = given;  // the one after the next is made of it
    const std::size_t before = next_;
    if (begins_run && takes_more) takes_more = submit_more(c, as, r);
    if (next_ != before) {
      more = next(index, *one);
      continue;
    }
    index = following;
    std::swap(one, after);
  }
  // All is submitted; or there is no room, and what was submitted must be answered, or there never
  // will be any.
  c.fence();
}

// After a connection was closed, may what changes nothing be sent over a fresh one? When that was
// at another request (response::bystander), as often as most_ends says. Else once; and where
// several gets were one line, of which the server said nothing at all, once more, each by itself:
// Infinispan 15 closes at a line of which one key is missing.
bool leg::goes_again(bool misjudged) const noexcept {
  return ((reused_ || misjudged) && !retried_) || (in_line_ && !heard_ && !each_);
}

bool leg::lost(const connection& c) {
  if (done()) return false;
  // What was not submitted yet stood by as well, when it was one of these that the connection ended
  // at.
  const bool ours = c.says() == verdict::answered && heard_ && !submitted();
  const bool stood_by = std::exchange(stood_by_, false) || ours;
  const bool at_ours = std::exchange(failed_, false);
  if (stood_by && ends_ < most_ends) {
    ends_ = static_cast<std::uint8_t>(ends_ + (at_ours ? cost_of_ours : 1));
    return true;
  }
  if (c.failure() == errc::connection_closed && goes_again(c.retry_as_classic())) {
    each_ = each_ || retried_ || !(reused_ || c.retry_as_classic());
    retried_ = true;
    return true;
  }
  give_up(c.failure(), c.failure_text());
  return false;
}

void leg::note_settled(std::uint32_t index) noexcept { settled_.push_back(index); }

void leg::give_up(errc code, std::string_view why) noexcept {
  response r;
  r.status = code;
  r.text = why;
  r.unsent = true;
  reused_ = in_line_ = false;  // nothing goes again
  std::uint32_t index = 0;
  slot unchecked;
  do {
    while (owner_->checks_late_ ? next(index, unchecked) : upcoming(index)) {
      advance();
      on_response(index, r);
    }
  } while (turn_to_those_in_doubt());
}

void leg::finish_unanswered() noexcept {
  if (done()) return;
  std::ranges::sort(settled_);
  for (std::size_t place = 0; place < count_; ++place) {
    if (std::ranges::binary_search(settled_, at(place))) continue;
    owner_->outcome(at(place), response{}, server_);
  }
  answered_ = count_;
}

void leg::run_on(driver& d, std::chrono::steady_clock::time_point deadline) noexcept {
  slot each;
  std::uint32_t index = 0;
  while (next(index, each)) {
    advance();
    d.execute(each.what, *this, index, deadline);
  }
}

std::span<char> leg::on_value(std::uint32_t tag, const response& head, std::size_t size) noexcept {
  return owner_->call_.on_value(tag, head, size);
}

void leg::on_response(std::uint32_t tag, const response& r) noexcept {
  if (r.status != errc::ok || r.more || !owner_->courses_.empty()) return judge(tag, r);
  heard_ = true;
  settle(tag);
  owner_->call_.on_response(tag, r, owner_->topology_.names[server_]);
}

// What is not a plain success to the only server that was asked.
void leg::judge(std::uint32_t tag, const response& r) noexcept {
  const fault whose = fault_of(r.status);
  heard_ = heard_ || (whose != fault::network && whose != fault::clock);
  const bool lost = r.status == errc::connection_closed && (r.bystander || goes_again(r.misjudged));
  const bool unclear = r.status == errc::unattributed;
  if (lost || unclear) {
    protocol::request what;
    request(tag, what);
    if ((lost && r.unsent) || is_repeatable(what)) {
      try {
        if (unclear && alone_ == nullptr) alone_ = std::make_unique<std::vector<std::uint32_t>>();
        (unclear ? *alone_ : again_).push_back(tag);
        stood_by_ = stood_by_ || (lost && r.bystander);
        return;
      } catch (...) {
        // No memory to remember it: it fails.
      }
    }
  }
  if (r.more) {
    owner_->deliver(tag, r, owner_->topology_.names[server_]);
    return;
  }
  failed_ = failed_ || (!r.bystander && whose != fault::none && whose != fault::answer);
  settle(tag);
  owner_->outcome(tag, r, server_);
}

}  // namespace memcxx::routing
