// Calls under way: their beginning, their legs, their deadlines, their end. See async_engine.hpp,
// and async_turn.cpp for how they are answered.
#include "engine/async_engine.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "engine/async_channel.hpp"

namespace memcxx::engine {

namespace {

// "no answer within 250ms", for which there is always memory.
class no_answer_within {
 public:
  explicit no_answer_within(std::chrono::milliseconds timeout) noexcept {
    char* at = std::ranges::copy(std::string_view("no answer within "), text_.data()).out;
    at = std::to_chars(at, text_.data() + text_.size() - 2, timeout.count()).ptr;
    at = std::ranges::copy(std::string_view("ms"), at).out;
    size_ = static_cast<std::size_t>(at - text_.data());
  }
  operator std::string_view() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, 48> text_{};
  std::size_t size_ = 0;
};

// A context's list of engines, which end with it.
class ending_with_context final : public net::execution_context::service {
 public:
  using key_type = ending_with_context;
  static inline net::execution_context::id id;

  explicit ending_with_context(net::execution_context& c) : service(c) {}

  void add(std::weak_ptr<async_engine> e) {
    const std::scoped_lock hold(lock_);
    std::erase_if(engines_, [](const auto& old) { return old.expired(); });
    engines_.push_back(std::move(e));
  }

 private:
  // Handlers may own clients, and end them.
  void shutdown() override {
    for (;;) {
      std::shared_ptr<async_engine> e;
      {
        const std::scoped_lock hold(lock_);
        if (engines_.empty()) return;
        e = engines_.back().lock();
        engines_.pop_back();
      }
      if (e != nullptr) e->context_ends();
    }
  }

  std::mutex lock_;
  std::vector<std::weak_ptr<async_engine>> engines_;
};

}  // namespace

// --- the engine ----------------------------------------------------------------------------------

async_engine::async_engine(const options& o, const value_codec& values, const async_options& a,
                           net::any_io_executor executor)
    : options_(o),
      values_(values),
      limits_(a),
      plain_(routing::exchange::is_plain(o)),
      executor_(std::move(executor)),
      calling_(net::prefer(executor_, net::execution::blocking.possibly) == executor_
                   ? detail::async_operation::calling::here
                   : detail::async_operation::calling::dispatched),
      timer_(std::in_place, executor_) {}

async_engine::~async_engine() = default;

void async_engine::attach() {
  auto& context = net::query(executor_, net::execution::context_as<net::execution_context&>);
  net::use_service<ending_with_context>(context).add(weak_from_this());
}

static_assert(sizeof(async_record) <= detail::async_operation::room_for_notes &&
              alignof(async_record) <= alignof(std::max_align_t));

void async_engine::start(detail::async_operation& op, std::chrono::milliseconds timeout) noexcept {
  turn t(*this, turn::kind::called);
  ++under_way_;
  run(t, *std::construct_at(static_cast<async_record*>(op.notes()), op), timeout);
}

async_engine::ticket async_engine::announce(detail::async_operation& op) {
  const std::scoped_lock hold(lock_);
  if (free_seats_.empty()) {
    free_seats_.reserve(seats_.size() + 1);
    seats_.emplace_back();
    free_seats_.push_back(static_cast<std::uint32_t>(seats_.size() - 1));
  }
  async_record& r = *std::construct_at(static_cast<async_record*>(op.notes()), op);
  r.seat = free_seats_.back();
  free_seats_.pop_back();
  seat& s = seats_[r.seat];
  s.taken_by = &r;
  ++under_way_;
  return {r.seat, s.generation};
}

async_record* async_engine::find(ticket t) noexcept {
  if (t.place >= seats_.size()) return nullptr;
  const seat& s = seats_[t.place];
  return s.generation == t.generation ? s.taken_by : nullptr;
}

void async_engine::start(ticket which, std::chrono::milliseconds timeout) noexcept {
  turn t(*this, turn::kind::called);
  // Unless it was cancelled meanwhile.
  if (async_record* const r = find(which); r != nullptr) run(t, *r, timeout);
}

// No call ends early, and only those that may take long end a little late.
inline void async_engine::set_deadline(turn& t, async_record& r,
                                       std::chrono::milliseconds timeout) noexcept {
  const auto now =
      timeout < 16 * async_clock::slack ? async_clock::time{.at = t.now()} : clock_.look();
  r.timeout = timeout;
  r.began = now.at;
  r.deadline = now.at + timeout;
  if (!now.exact) r.deadline += async_clock::slack;
}

inline void async_engine::run(turn& t, async_record& r,
                              std::chrono::milliseconds timeout) noexcept {
  set_deadline(t, r, timeout);
  bool begun = false;
  try {
    begun = begin(t, r);
  } catch (...) {  // no memory
    if (!r.op.everywhere) answer_all(r, errc::out_of_memory, {});
  }
  if (!begun) return finish(t, r);
  if (!launch(t, r)) go_on(t, r);
}

// Every request that the step has gets this outcome.
void async_engine::answer_all(async_record& r, errc code, std::string_view why) noexcept {
  protocol::response no;
  no.status = code;
  no.text = why;
  no.unsent = true;
  call& c = *r.what;
  for (std::size_t i = 0; i < c.size(); ++i) c.on_response(i, no, {});
}

// False when it is over already.
inline bool async_engine::begin(turn& t, async_record& r) {
  if (newest_ == nullptr || newest_servers() != newest_->set.keep.get()) use_newest(t);
  r.on = newest_;
  ++r.on->calls;
  if (r.op.everywhere) r.op.on_servers(r.on->set.map->own_names());
  if (r.op.everywhere) r.what = &r.op.what();
  if (!r.what->begin_step(0, values_)) return false;

  const std::size_t n = r.what->size();
  if (forked_) {
    answer_all(r, errc::not_supported, "an asynchronous client does not outlive a fork");
    return false;
  }
  if (r.timeout == moved_from) {
    answer_all(r, errc::invalid_argument, "this client was moved from");
    return false;
  }
  if (stopped_ || draining_) {
    answer_all(r, errc::cancelled, "the client is closed");
    return false;
  }
  // A call alone is its caller's to bound.
  const bool too_many = requests_ + n > limits_.max_requests;
  if (requests_ != 0 && (too_many || bytes_ + r.op.bytes > limits_.max_bytes)) {
    answer_all(r, errc::overloaded, "max_requests or max_bytes are under way");
    return false;
  }
  requests_ += r.requests = n;
  bytes_ += r.op.bytes;
  r.begun = true;
  if (usual_.second == nullptr || usual_.first != r.timeout) {
    usual_ = {r.timeout, &deadlines_[r.timeout]};
  }
  usual_.second->push_back(r);
  arm(t, r.deadline);
  prepare_step(r);
  return true;
}

inline bool async_engine::is_lone(async_record& r) const noexcept {
  if (!plain_ || r.op.everywhere || r.what->size() != 1 || r.what->quiet()) return false;
  auto& [what, server] = r.asks.emplace<async_record::lone_request>();
  const routing::topology& map = *r.on->set.map;
  if (r.what->request(0, what) || !protocol::names_item(what.op)) return false;
  if (routing::make_fit(what, map, options_)) return false;
  what.quiet = false;  // it may as well be answered
  server = map.home(what.key);
  if (server == routing::topology::no_server) return false;
  const engine::server& s = *r.on->set.servers[server];
  return s.custom() == nullptr && s.is_spotless();
}

inline void async_engine::prepare_step(async_record& r) {
  for (const async_rider& rider : r.riders()) r.sent = r.sent || rider.sent;
  if (!r.many.empty()) r.many.clear();
  if (!is_lone(r)) prepare_exchange(r);
}

void async_engine::prepare_exchange(async_record& r) const {
  std::chrono::sys_seconds today{};
  if (!options_.gutter.empty()) {
    today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  auto& x = r.asks.emplace<routing::exchange>(*r.what, *r.on->set.map, options_, today);
  x.prepare(r.op.everywhere ? routing::exchange::route::everywhere
                            : routing::exchange::route::by_key);
  make_riders(r);
}

void async_engine::make_riders(async_record& r) {
  const std::size_t legs = r.exchange()->legs().size();
  for (const async_rider& rider : r.riders()) r.sent = r.sent || rider.sent;
  r.many.clear();
  if (legs > 1) r.many = std::vector<async_rider>(legs);
}

// May a call use this server? What is held against one is compared with exact times.
bool async_engine::admits(turn& t, async_record& r, server& s) {
  if (s.is_spotless()) return true;
  r.began = std::max(r.began, t.now());
  return s.admit(t.now());
}

// Sends the exchange's legs on their way. False when none is under way afterwards.
bool async_engine::launch(turn& t, async_record& r) noexcept {
  if (r.lone() != nullptr) return launch_lone(t, r);
  const auto legs = r.exchange()->legs();
  r.riding = 1;  // until all are launched
  const auto riders = r.riders();
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& s = r.on->set.servers[legs[i].server()];
    async_rider& rider = riders[i];
    rider.begin(r, &legs[i]);
    try {
      if (const auto& d = s->custom()) {
        r.sent = true;
        legs[i].run_on(*d, r.deadline);
      } else if (!admits(t, r, *s)) {
        legs[i].give_up(errc::server_down, s->why_down(t.now()));
      } else {
        const std::uint32_t at = legs[i].server();
        (s->is_down() ? channel_for_probe(r, at) : channel_of(r, at)).board(rider);
        ++r.riding;
      }
    } catch (...) {  // no memory
      legs[i].give_up(errc::out_of_memory, {});
    }
  }
  for (std::size_t i = 0; i < legs.size(); ++i) {
    if (riders[i].on != nullptr && !riders[i].settled) riders[i].on->pump(t);
  }
  return --r.riding != 0;
}

inline bool async_engine::launch_lone(turn& t, async_record& r) noexcept {
  r.one.begin(r, nullptr);
  r.riding = 2;  // it must not end under our hands
  try {
    async_channel& c = channel_of(r, r.lone()->server);
    c.board(r.one);
    c.pump(t);
  } catch (...) {  // no memory
    r.one.give_up(errc::out_of_memory, {});
    return false;
  }
  return --r.riding != 0;
}

// What is to be launched next: another round elsewhere, or the call's next step.
inline bool async_engine::next(turn& t, async_record& r) {
  if (routing::exchange* const x = r.exchange(); x != nullptr && x->has_next_round()) {
    if (!r.ended && t.now() < r.deadline) {
      x->next_round();
      make_riders(r);
      return true;
    }
    x->conclude();
  }
  if (r.ended || !r.what->begin_step(++r.step, values_)) return false;
  if (t.now() >= r.deadline) {
    answer_all(r, errc::timeout, no_answer_within(r.timeout));
    return false;
  }
  try {
    prepare_step(r);
  } catch (...) {
    answer_all(r, errc::out_of_memory, {});
    return false;
  }
  return true;
}

// No leg of it is under way.
void async_engine::go_on(turn& t, async_record& r) noexcept {
  do {
    bool more = false;
    try {
      more = next(t, r);
    } catch (...) {  // no memory for another round
      for (routing::leg& l : r.exchange()->legs()) l.give_up(errc::out_of_memory, {});
      r.exchange()->conclude();
    }
    if (!more) return finish(t, r);
  } while (!launch(t, r));
}

void async_engine::give_up(turn& t, async_record& r, errc code, std::string_view why) noexcept {
  r.ended = r.ended || code != errc::timeout;
  if (!r.begun) return finish(t, r);
  ++r.riding;  // it must not end under our hands
  for (async_rider& rider : r.riders()) {
    if (rider.on == nullptr || rider.settled) continue;
    async_channel& c = *rider.on;
    if (code == errc::timeout) c.note_late(t, rider, why);
    c.leave(t, rider, code, why);
    --r.riding;
  }
  if (--r.riding == 0) go_on(t, r);
}

inline void async_engine::finish(turn& t, async_record& r) noexcept {
  detail::async_operation& op = r.op;
  if (r.begun) {
    requests_ -= r.requests;
    bytes_ -= op.bytes;
  }
  if (servers_in_use* const on = r.on; on != nullptr) {
    if (--on->calls == 0 && on != newest_) leave_servers(t, *on);
  }
  if (r.seat != async_record::none) {
    seats_[r.seat].taken_by = nullptr;
    ++seats_[r.seat].generation;
    free_seats_.push_back(r.seat);  // within the reserved room
  }
  std::destroy_at(&r);
  t.complete(op);
  if (--under_way_ == 0 && draining_ && !stopped_) shut(t);
}

void async_engine::cancel(ticket which, bool harmless) {
  turn t(*this, turn::kind::called);
  async_record* const r = find(which);
  if (r == nullptr) return;
  if (harmless && !r->op.changes_nothing && r->begun) {
    if (r->sent) return;
    for (const async_rider& rider : r->riders()) {
      if (rider.sent) return;
    }
  }
  give_up(t, *r, errc::cancelled, {});
}

// --- deadlines ---------------------------------------------------------------------------------
// Calls with the same timeout end in the order in which they began, so one list for each timeout
// is always sorted, and one timer serves them all.

// Never for longer than options::timeout: calls end long before their deadlines, and run() does not
// return before the timer does.
void async_engine::set_timer(turn& t, clock::time_point when) {
  when = std::min(when, t.now() + options_.timeout);
  armed_.reset();
  timer_->expires_at(when);
  timer_->async_wait([self = shared_from_this()](const auto& failed) { self->on_timer(!failed); });
  armed_ = when;
}

void async_engine::doubt(turn& t, async_channel& c) {
  // A child's timers would set its parent's clock.
  if (forked_) return;
  arm(t, c.silent_at());
  if (!c.is_chained()) doubted_.push_back(c);
}

void async_engine::on_timer(bool in_time) {
  turn t(*this, turn::kind::awaited);
  // It was set anew; or there was no memory for that, and others wait for it.
  if (!in_time && armed_) return;
  armed_.reset();
  if (stopped_) return;
  usual_ = {};
  std::optional<clock::time_point> first;
  for (auto at = deadlines_.begin(); at != deadlines_.end();) {
    auto& [timeout, records] = *at;
    while (!records.empty() && records.front().deadline <= t.now()) {
      async_record& r = records.front();
      late_.push_back(r);
      give_up(t, r, errc::timeout, no_answer_within(timeout));
    }
    if (records.empty()) {
      at = deadlines_.erase(at);
      continue;
    }
    if (!first || records.front().deadline < *first) first = records.front().deadline;
    ++at;
  }
  // Each is looked at once; others may come, and go, meanwhile.
  for (std::size_t n = doubted_.size(); n > 0 && !doubted_.empty(); --n) {
    const auto c = doubted_.front().shared_from_this();
    c->unchain();
    if (!c->suspect(t)) continue;
    doubted_.push_back(*c);
    if (!first || c->silent_at() < *first) first = c->silent_at();
  }
  if (first) arm(t, *first);
}

// --- channels ----------------------------------------------------------------------------------

async_channel& async_engine::channel_of(async_record& r, std::uint32_t server) {
  const auto& s = r.on->set.servers[server];
  if (limits_.connections != 1) return channel_to(s);
  async_channel*& known = r.on->channels[server];
  if (known == nullptr) known = &channel_to(s);
  return *known;
}

// The probe of a server that is down does not wait behind what may be the reason. Whoever is
// patient keeps the connection, if not too many have done so already.
async_channel& async_engine::channel_for_probe(async_record& r, std::uint32_t server) {
  async_channel& c = channel_of(r, server);
  if (!c.owes()) return c;
  if (!c.in_use()) {
    c.close();
    return c;
  }
  const auto& all = channels_[&c.to()];
  const auto replaced = std::ranges::count_if(all, [](const auto& o) { return o->is_replaced(); });
  if (static_cast<std::size_t>(replaced) >= limits_.connections) return c;
  c.replace();
  unlearn(c);
  return channel_of(r, server);
}

async_channel& async_engine::channel_to(const std::shared_ptr<server>& s) {
  auto& all = channels_[s.get()];
  async_channel* best = nullptr;
  std::size_t kept = 0;
  for (const auto& c : all) {
    if (c->is_replaced()) continue;
    ++kept;
    if (best == nullptr || c->load() < best->load()) best = c.get();
  }
  if (best != nullptr && (best->load() == 0 || kept >= limits_.connections)) return *best;
  async_channel& made = *all.emplace_back(std::make_shared<async_channel>(*this, s));
  // For a call that began before the server left.
  const auto& now = newest_->set.servers;
  if (std::ranges::find(now, s) == now.end()) made.retire();
  return made;
}

// The last call on servers that are not the newest is over.
void async_engine::leave_servers(turn& t, const servers_in_use& left) noexcept {
  t.end_later(left.set.keep);
  std::erase_if(servers_, [&](const servers_in_use& s) { return &s == &left; });
}

// Servers have changed: connections to those that left go when their last call is over.
void async_engine::use_newest(turn& t) {
  server_set now = servers_now();
  std::vector<async_channel*> none(now.servers.size(), nullptr);
  servers_in_use* const before = newest_;
  newest_ = &servers_.emplace_back(std::move(now), 0, std::move(none));
  if (before != nullptr && before->calls == 0) leave_servers(t, *before);
  for (auto at = channels_.begin(); at != channels_.end();) {
    auto& [key, all] = *at;
    const auto is_this = [&](const auto& s) { return s.get() == key; };
    if (std::ranges::any_of(newest_->set.servers, is_this)) {
      ++at;
      continue;
    }
    std::erase_if(all, [&](std::shared_ptr<async_channel>& c) {
      c->retire();
      if (c->load() != 0) return false;
      c->close();
      unlearn(*c);
      t.end_later(std::move(c));
      return true;
    });
    at = all.empty() ? channels_.erase(at) : std::next(at);
  }
}

void async_engine::unlearn(const async_channel& gone) noexcept {
  for (servers_in_use& s : servers_) std::ranges::replace(s.channels, &gone, nullptr);
}

void async_engine::forget(turn& t, async_channel& c) noexcept {
  const auto at = channels_.find(&c.to());
  if (at == channels_.end()) return;
  std::erase_if(at->second, [&](std::shared_ptr<async_channel>& one) {
    if (one.get() != &c) return false;
    unlearn(c);
    t.end_later(std::move(one));
    return true;
  });
  if (at->second.empty()) channels_.erase(at);
}

// --- the end -----------------------------------------------------------------------------------

void async_engine::drain(std::move_only_function<void()> done) {
  turn t(*this, turn::kind::called);
  when_drained_.push_back(std::move(done));
  if (stopped_) return t.call_later(std::exchange(when_drained_, {}));
  draining_ = true;
  if (under_way_ == 0) shut(t);
}

void async_engine::stop() noexcept {
  turn t(*this, turn::kind::called);
  if (!stopped_) end(t);
}

void async_engine::context_ends() noexcept {
  turn t(*this, turn::kind::last);
  end(t);
  timer_.reset();
  executor_ = {};
}

void async_engine::end(turn& t) noexcept {
  draining_ = true;
  // Those that have been announced and not begun end as soon as they begin.
  const auto end_all = [&](deadlines& all) {
    while (!all.empty()) {
      async_record& r = all.front();
      r.unchain();
      give_up(t, r, errc::cancelled, {});
    }
  };
  for (auto& [timeout, all] : deadlines_) end_all(all);
  end_all(late_);
  if (!stopped_) shut(t);
}

void async_engine::shut(turn& t) noexcept {
  stopped_ = true;
  for (auto& [server, all] : channels_) {
    for (auto& c : all) {
      c->close();
      t.end_later(std::move(c));
    }
  }
  channels_.clear();
  for (servers_in_use& s : servers_) std::ranges::fill(s.channels, nullptr);
  timer_->cancel();
  t.call_later(std::exchange(when_drained_, {}));
}

// The parent goes on with its connections, and its reactor with their descriptors.
void async_engine::in_child() noexcept {
  forked_ = true;
  for (auto& [server, all] : channels_) {
    for (const auto& c : all) c->close_in_child();
  }
  lock_.unlock();
}

}  // namespace memcxx::engine
