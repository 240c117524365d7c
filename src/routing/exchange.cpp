// One API call on its way. See exchange.hpp.
#include "routing/exchange.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <memcxx/protocol/binary.hpp>
#include <memcxx/protocol/classic.hpp>
#include <memcxx/protocol/meta.hpp>

#include "protocol/key_bytes.hpp"

namespace memcxx::routing {

using protocol::refusal;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

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

// What the one protocol that a client is bound to cannot carry. With `automatic` only a connection
// knows.
refusal check_protocol(protocol_choice p, const request& r) noexcept {
  switch (p) {
    case protocol_choice::automatic:
      return {};
    case protocol_choice::classic:
      return protocol::classic::check(r);
    case protocol_choice::meta:
      return protocol::meta::has(r.op) ? protocol::meta::check(r) : protocol::classic::check(r);
    case protocol_choice::binary:
      return protocol::binary::check(r);
  }
  return {};
}

constexpr std::string_view names_nobody = "custom_distribution named a server that does not exist";

// Says which byte of a key is at fault: `byte 0x0a at offset 3 of key "a…"`.
std::string describe_key(std::string_view prefix, std::string_view key, std::string_view why) {
  const auto hex = [](std::string& out, unsigned char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    out.append("\\x").push_back(digits[c >> 4U]);
    out.push_back(digits[c & 15U]);
  };
  const auto bad = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  if (key.empty()) return std::string(why);
  std::string whole(prefix);
  whole.append(key);
  std::string out(why);
  out += ": ";
  if (whole.size() <= protocol::max_key_size) {
    const auto at = std::find_if(whole.begin(), whole.end(), bad);
    if (at != whole.end()) {
      out += "byte ";
      hex(out, static_cast<unsigned char>(*at));
      out += " at offset " + std::to_string(at - whole.begin()) + " of ";
    }
  } else {
    out += std::to_string(whole.size()) + " bytes, ";
  }
  out += "key \"";
  constexpr std::size_t shown = 40;
  for (const char c : whole.substr(0, shown)) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u >= 0x7f || c == '"' || c == '\\') {
      hex(out, u);
    } else {
      out.push_back(c);
    }
  }
  out += whole.size() > shown ? "\"…" : "\"";
  return out;
}

}  // namespace

// --- exchange ----------------------------------------------------------------------------------

void exchange::deliver(std::uint32_t index, const response& r, std::string_view server) noexcept {
  if (options_.on_error == error_policy::miss && r.status != errc::ok) {
    const fault whose = fault_of(r.status);
    const bool failure = whose == fault::server || whose == fault::network ||
                         whose == fault::clock ||
                         (r.status == errc::value_too_large && !server.empty());
    request what;
    if (failure && !call_.request(index, what) && protocol::names_item(what.op)) {
      response miss;
      miss.status = errc::miss;
      call_.on_response(index, miss, server);
      return;
    }
  }
  call_.on_response(index, r, server);
}

[[gnu::cold]] void exchange::refuse(std::uint32_t index, errc code, std::string_view why) noexcept {
  response r;
  r.status = code;
  r.text = why;
  call_.on_response(index, r, {});
}

// As check_key, in line for what is mostly so.
[[gnu::always_inline]] inline refusal exchange::check_key(std::string_view prefix,
                                                          std::string_view key,
                                                          bool any_byte) noexcept {
  if (protocol::key_bytes::is_surely_fit(prefix, key)) return {};
  return protocol::check_key(prefix, key, any_byte);
}

[[gnu::always_inline]] inline refusal exchange::fit(request& r, const topology& t,
                                                    const options& o) noexcept {
  if (protocol::names_item(r.op)) {
    const bool any_byte = carries_any_byte(o);
    r.prefix = t.prefix;
    r.text_key = !any_byte;
    if (const refusal no = check_key(r.prefix, r.key, any_byte)) return no;
  }
  if (r.value.size() > o.max_value_size) {
    return {errc::value_too_large, "the value is longer than max_value_size"};
  }
  if (o.protocol == protocol_choice::automatic) return {};
  return check_protocol(o.protocol, r);
}

refusal make_fit(request& r, const topology& t, const options& o) noexcept {
  return exchange::fit(r, t, o);
}

// With words about this very request.
[[gnu::cold]] void exchange::refuse_unfit(std::uint32_t index, const request& r,
                                          const refusal& no) noexcept try {
  if (no.code == errc::invalid_key && protocol::check_key(r.prefix, r.key, any_byte_)) {
    refuse(index, no.code, describe_key(r.prefix, r.key, no.why));
  } else if (r.value.size() > options_.max_value_size) {
    refuse(index, no.code,
           "the value has " + std::to_string(r.value.size()) + " bytes, max_value_size is " +
               std::to_string(options_.max_value_size));
  } else {
    refuse(index, no.code, no.why);
  }
} catch (...) {
  refuse(index, no.code, no.why);
}

// Fills in the request; false when it was refused. `filled`: `r` is another request of this call.
bool exchange::accept(std::uint32_t index, request& r, bool filled) noexcept {
  if (const refusal no = filled ? call_.request_after(index, r) : call_.request(index, r)) {
    refuse(index, no.code, no.why);
    return false;
  }
  const refusal no = filled && differs_by_key_ ? check_key(r.prefix, r.key, any_byte_)
                                               : fit(r, topology_, options_);
  if (!no) return true;
  refuse_unfit(index, r, no);
  return false;
}

// Places keys some at a time, because many are hashed for less together.
class exchange::homes_in_chunks {
 public:
  homes_in_chunks(const topology& t, std::vector<placed>& out) noexcept : topology_(t), out_(out) {}
  void add(std::uint32_t index, std::string_view key) {
    out_.push_back({index, topology::no_server});
    keys_[waiting_++] = key;
    if (waiting_ == keys_.size()) finish();
  }
  void finish() noexcept {
    std::array<std::uint32_t, chunk> servers;
    topology_.homes(std::span(keys_).first(waiting_), servers);
    const auto first = out_.end() - static_cast<std::ptrdiff_t>(waiting_);
    for (std::size_t i = 0; i < waiting_; ++i)
      first[static_cast<std::ptrdiff_t>(i)].server = servers[i];
    waiting_ = 0;
  }

 private:
  static constexpr std::size_t chunk = 64;
  const topology& topology_;
  std::vector<placed>& out_;
  std::array<std::string_view, chunk> keys_;
  std::size_t waiting_ = 0;
};

void exchange::prepare(route how, std::uint32_t only) {
  const std::size_t n = call_.size();
  differs_by_key_ = call_.differs_by_key();
  const bool plain = how != route::by_key || is_plain(options_);
  // The common calls: nothing to sort, nothing to allocate.
  if (plain && how == route::one) return go_to_one(only, n);
  if (plain && how == route::by_key && (n == 1 || topology_.own == 1)) {
    return go_to_one(topology::no_server, n);
  }
  if (!plain) {
    courses_.resize(n);
    displaced_.reserve(n);
  }
  std::vector<placed> all;
  all.reserve(n);
  homes_in_chunks homes(topology_, all);
  request r;
  bool filled = false;
  for (std::uint32_t i = 0; i < n; ++i) {
    // What is like the one before differs by its key, and mostly that is fine.
    const bool alike = filled && differs_by_key_ && !call_.request_after(i, r) &&
                       !check_key(r.prefix, r.key, any_byte_);
    if (!alike) {
      if (!filled) r = {};
      filled = accept(i, r, filled);
      if (!filled) continue;
    }
    if (!plain) {
      place(i, r, all);
    } else if (how == route::by_key) {
      homes.add(i, r.key);
    } else {
      all.push_back({i, i});
    }
  }
  homes.finish();
  const auto nowhere = [](const placed& p) { return p.server == topology::no_server; };
  for (const placed& p : all) {
    if (nowhere(p)) refuse(p.index, errc::invalid_argument, names_nobody);
  }
  std::erase_if(all, nowhere);
  deal(all);
}

// All requests to one server; no_server: that of their keys.
void exchange::go_to_one(std::uint32_t server, std::size_t n) {
  std::uint32_t i = 0;
  while (i < n && !accept(i, first_.what, false)) {
    first_.what = {};
    ++i;
  }
  if (i == n) return;
  if (server == topology::no_server) server = topology_.home(first_.what.key);
  if (server == topology::no_server) return refuse(i, errc::invalid_argument, names_nobody);
  one_.owner_ = this;
  one_.server_ = server;
  one_.count_ = n;
  one_.next_ = one_.answered_ = i;  // those before were refused
  if (n > 1 && quiet()) {
    one_.settled_.reserve(n);
    for (std::uint32_t refused = 0; refused < i; ++refused) one_.settled_.push_back(refused);
  }
  one_.adapt(first_.what);
  first_.filled = true;
  checks_late_ = true;
  has_one_ = true;
}

void exchange::adopt(std::uint32_t server) noexcept {
  one_.owner_ = this;
  one_.server_ = server;
  one_.count_ = one_.next_ = 1;
  has_one_ = checks_late_ = true;
}

// Each server's requests are in the order of the call.
void exchange::deal(std::span<const placed> all) {
  std::vector<std::uint32_t> first(topology_.servers.size() + 1, 0);
  for (const placed& p : all) ++first[p.server + 1];
  std::size_t used = 0;
  for (std::size_t s = 1; s < first.size(); ++s) {
    used += first[s] != 0;
    first[s] += first[s - 1];
  }
  order_.resize(all.size());
  std::vector<std::uint32_t> at(first.begin(), first.end() - 1);
  for (const placed& p : all) order_[at[p.server]++] = p.index;
  has_one_ = checks_late_ = false;
  many_.clear();
  many_.reserve(used);
  for (std::uint32_t s = 0; s + 1 < first.size(); ++s) {
    if (first[s] == first[s + 1]) continue;
    leg& l = many_.emplace_back();
    l.owner_ = this;
    l.server_ = s;
    l.order_ = order_.data() + first[s];
    l.count_ = first[s + 1] - first[s];
    if (quiet()) l.settled_.reserve(l.count_);
  }
}

// --- leg ---------------------------------------------------------------------------------------

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
  std::uint32_t index = 0;
  if (!upcoming(index)) return;
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

bool leg::lost(const connection& c) {
  if (done()) return false;
  if (c.failure() == errc::connection_closed && reused_ && !retried_) {
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
  reused_ = false;
  std::uint32_t index = 0;
  slot unchecked;
  while (owner_->checks_late_ ? next(index, unchecked) : upcoming(index)) {
    advance();
    on_response(index, r);
  }
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
  if (r.status == errc::connection_closed && reused_ && !retried_) {
    protocol::request what;
    request(tag, what);
    if (r.unsent || is_repeatable(what)) {
      try {
        again_.push_back(tag);
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
  settle(tag);
  owner_->outcome(tag, r, server_);
}

}  // namespace memcxx::routing
