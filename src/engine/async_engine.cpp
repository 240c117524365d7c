// Calls under way: their beginning, their legs, their deadlines, their end. See async_engine.hpp.
#include "engine/async_engine.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <exception>
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

void async_rider::on_response(std::uint32_t tag, const protocol::response& r) noexcept {
  const fault whose = fault_of(r.status);
  if (on != nullptr && whose != fault::network && whose != fault::clock) on->note_answer();
  of->sent = of->sent || !r.unsent;  // whatever becomes of the others
  leg->on_response(tag, r);
  if (!settled && leg->done()) {
    settled = true;
    on->note_settled(*this);
  }
}

// --- turns -------------------------------------------------------------------------------------

async_engine::turn::turn(async_engine& e, kind k)
    : now(clock::now()), engine_(e.shared_from_this()), hold_(e.lock_), kind_(k) {}

void async_engine::turn::complete(detail::async_operation& op) noexcept {
  op.next = nullptr;
  ++ended_;
  (last_ != nullptr ? last_->next : first_) = &op;
  last_ = &op;
}

// Moves it out of the lock, if there is memory for that.
void async_engine::turn::end_later(std::shared_ptr<const void> what) noexcept {
  if (what == nullptr) return;
  try {
    gone_.push_back(std::move(what));
  } catch (...) {
  }
}

// What several handlers throw comes out of run() one by one.
class async_engine::thrown_by_handlers {
 public:
  explicit thrown_by_handlers(const async_engine& e) noexcept : executor_(e.executor_) {}

  template <class What>
  void operator()(What&& what) noexcept {
    try {
      what();
    } catch (...) {
      keep();
    }
  }
  void rethrow() {
    if (first_ != nullptr) std::rethrow_exception(std::exchange(first_, nullptr));
  }

 private:
  void keep() noexcept {
    if (first_ == nullptr) {
      first_ = std::current_exception();
      return;
    }
    try {
      net::post(executor_, [e = std::current_exception()] { std::rethrow_exception(e); });
    } catch (...) {  // no memory to tell
    }
  }

  const net::any_io_executor& executor_;
  std::exception_ptr first_;
};

void async_engine::turn::tell() const {
  if (kind_ == kind::awaited) return engine_->tell(events);
  net::post(engine_->executor_, [e = engine_, all = events] { e->tell(all); });
}

// Calls that ended in one turn. Their handlers are called one after the other from where they
// ended; but a handler may take its time, and even wait for another one, so any thread that has
// nothing better to do takes the next.
class async_engine::ended_calls : public std::enable_shared_from_this<ended_calls> {
 public:
  ended_calls(std::size_t many, detail::async_operation* first) {
    all_.reserve(many);
    for (; first != nullptr; first = first->next) all_.push_back(first);
  }

  // What handlers throw goes to `thrown`.
  template <class Thrown>
  void run(const async_engine& e, Thrown& guarded) {
    while (detail::async_operation* const op = take()) {
      guarded([&] { op->complete(e.calling_, e.executor_); });
    }
  }
  void ask_for_help(const std::shared_ptr<async_engine>& e) {
    net::post(e->executor_, [self = shared_from_this(), e] {
      if (self->empty()) return;
      self->ask_for_help(e);  // this thread may be held up as well
      thrown_by_handlers thrown(*e);
      self->run(*e, thrown);
      thrown.rethrow();
    });
  }

 private:
  detail::async_operation* take() noexcept {
    const std::size_t i = at_.fetch_add(1, std::memory_order_relaxed);
    return i < all_.size() ? all_[i] : nullptr;
  }
  bool empty() const noexcept { return at_.load(std::memory_order_relaxed) >= all_.size(); }

  std::vector<detail::async_operation*> all_;
  std::atomic<std::size_t> at_{0};
};

// What handlers and callbacks throw comes out of run(); the others are called all the same.
async_engine::turn::~turn() noexcept(false) {
  const bool several = first_ != nullptr && first_->next != nullptr && kind_ == kind::awaited;
  // What the handlers ask for is sent after the last of them, or when another thread has time.
  const bool sends = several && expecting_ != nullptr && expecting_->claim_sending();
  const auto keep = sends ? expecting_->shared_from_this() : nullptr;
  hold_.unlock();
  if (kind_ == kind::last) {
    while (first_ != nullptr) std::exchange(first_, first_->next)->discard();
    return;
  }

  thrown_by_handlers guarded(*engine_);
  if (sends) expecting_->send_after_this();
  if (!events.empty()) guarded([this] { tell(); });
  const bool posted = kind_ == kind::called;
  const auto complete_all = [&](detail::async_operation::calling how) {
    while (first_ != nullptr) {
      guarded([&] { std::exchange(first_, first_->next)->complete(how, engine_->executor_); });
    }
  };
  if (posted) complete_all(detail::async_operation::calling::posted);
  for (auto& done : drained) guarded(done);
  if (several) {
    std::shared_ptr<ended_calls> all;
    guarded([&] {
      all = std::make_shared<ended_calls>(ended_, first_);
      first_ = nullptr;
      all->ask_for_help(engine_);
    });
    if (all != nullptr) all->run(*engine_, guarded);
  }
  complete_all(engine_->calling_);
  // A user who starts a call and is thrown at would take it for not started.
  if (!posted && std::uncaught_exceptions() == 0) guarded.rethrow();
}

// --- the engine ----------------------------------------------------------------------------------

async_engine::async_engine(const options& o, const value_codec& values, const async_options& a,
                           net::any_io_executor executor)
    : options_(o),
      values_(values),
      limits_(a),
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

async_engine::ticket async_engine::announce(detail::async_operation& op) {
  const std::scoped_lock hold(lock_);
  if (free_records_.empty()) {
    if (free_records_.capacity() == records_.size()) {
      free_records_.reserve(std::max<std::size_t>(16, records_.size() * 2));
    }
    async_record& fresh = records_.emplace_back();
    fresh.place = static_cast<std::uint32_t>(records_.size() - 1);
    free_records_.push_back(fresh.place);
  }
  async_record& r = records_[free_records_.back()];
  free_records_.pop_back();
  r.op = &op;
  ++under_way_;
  return {r.place, r.generation};
}

async_record* async_engine::find(ticket t) noexcept {
  if (t.place >= records_.size()) return nullptr;
  async_record& r = records_[t.place];
  return r.op != nullptr && r.generation == t.generation ? &r : nullptr;
}

void async_engine::start(ticket which, std::chrono::milliseconds timeout) {
  turn t(*this, turn::kind::called);
  async_record* const r = find(which);
  if (r == nullptr) return;  // cancelled meanwhile
  r->timeout = timeout;
  r->began = t.now;
  r->deadline = t.now + timeout;
  bool begun = false;
  try {
    begun = begin(t, *r);
  } catch (...) {  // no memory
    if (!r->op->everywhere) answer_all(*r, errc::out_of_memory, {});
  }
  if (!begun) return finish(t, *r);
  if (!launch(t, *r)) go_on(t, *r);
}

// Every request that the step has gets this outcome.
void async_engine::answer_all(async_record& r, errc code, std::string_view why) noexcept {
  protocol::response no;
  no.status = code;
  no.text = why;
  no.unsent = true;
  call& c = r.op->what();
  for (std::size_t i = 0; i < c.size(); ++i) c.on_response(i, no, {});
}

// False when it is over already.
bool async_engine::begin(turn& t, async_record& r) {
  r.on = servers_now();
  if (r.on.keep != used_.keep) use(t, r.on);
  if (r.op->everywhere) r.op->on_servers(r.on.map->own_names());
  if (!r.op->what().begin_step(0, values_)) return false;

  const std::size_t n = r.op->what().size();
  if (forked_) {
    answer_all(r, errc::not_supported, "an asynchronous client does not outlive a fork");
    return false;
  }
  if (stopped_ || draining_) {
    answer_all(r, errc::cancelled, "the client is closed");
    return false;
  }
  if (requests_ + n > limits_.max_requests || bytes_ + r.op->bytes > limits_.max_bytes) {
    answer_all(r, errc::overloaded, "max_requests or max_bytes are under way");
    return false;
  }
  requests_ += r.requests = n;
  bytes_ += r.bytes = r.op->bytes;
  deadlines_[r.timeout].push_back(r);
  arm(t.now, r.deadline);
  prepare_step(r);
  return true;
}

void async_engine::prepare_step(async_record& r) {
  std::chrono::sys_seconds today{};
  if (!options_.gutter.empty()) {
    today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  r.exchange.emplace(r.op->what(), *r.on.map, options_, today);
  r.exchange->prepare(r.op->everywhere ? routing::exchange::route::everywhere
                                       : routing::exchange::route::by_key);
  make_riders(r);
}

void async_engine::make_riders(async_record& r) {
  const std::size_t legs = r.exchange->legs().size();
  for (const async_rider& rider : r.riders()) r.sent = r.sent || rider.sent;
  r.many.clear();
  if (legs > 1) r.many = std::vector<async_rider>(legs);
}

// Sends the exchange's legs on their way. False when none is under way afterwards.
bool async_engine::launch(turn& t, async_record& r) noexcept {
  const auto legs = r.exchange->legs();
  r.riding = 1;  // until all are launched
  const auto riders = r.riders();
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& s = r.on.servers[legs[i].server()];
    async_rider& rider = riders[i];
    rider.leg = &legs[i];
    rider.of = &r;
    rider.on = nullptr;
    rider.sent = rider.settled = rider.fresh = false;
    try {
      if (const auto& d = s->custom()) {
        r.sent = true;
        legs[i].run_on(*d, r.deadline);
      } else if (!s->admit(t.now)) {
        legs[i].give_up(errc::server_down, s->why_down(t.now));
      } else {
        channel_to(s).board(rider);
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

void async_engine::leg_is_done(turn& t, async_rider& r) noexcept {
  if (--r.of->riding == 0) go_on(t, *r.of);
}

// What is to be launched next: another round elsewhere, or the call's next step.
bool async_engine::next(turn& t, async_record& r) {
  if (r.exchange->has_next_round()) {
    if (!r.ended && t.now < r.deadline) {
      r.exchange->next_round();
      make_riders(r);
      return true;
    }
    r.exchange->conclude();
  }
  if (r.ended || !r.op->what().begin_step(++r.step, values_)) return false;
  if (t.now >= r.deadline) {
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
      for (routing::leg& l : r.exchange->legs()) l.give_up(errc::out_of_memory, {});
      r.exchange->conclude();
    }
    if (!more) return finish(t, r);
  } while (!launch(t, r));
}

void async_engine::give_up(turn& t, async_record& r, errc code, std::string_view why) noexcept {
  r.ended = r.ended || code != errc::timeout;
  if (!r.exchange) return finish(t, r);  // it has not begun
  ++r.riding;                            // it must not end under our hands
  for (async_rider& rider : r.riders()) {
    if (rider.on == nullptr || rider.settled) continue;
    async_channel& c = *rider.on;
    if (code == errc::timeout) c.note_late(t, rider, why);
    c.leave(t, rider, code, why);
    --r.riding;
  }
  if (--r.riding == 0) go_on(t, r);
}

void async_engine::finish(turn& t, async_record& r) noexcept {
  detail::async_operation& op = *std::exchange(r.op, nullptr);
  r.unchain();
  requests_ -= std::exchange(r.requests, 0);
  bytes_ -= std::exchange(r.bytes, 0);
  r.exchange.reset();
  r.many.clear();
  r.one.on = nullptr;
  r.one.sent = false;
  if (r.on.keep != used_.keep) t.end_later(std::move(r.on.keep));
  r.on = {};
  r.step = 0;
  r.ended = r.sent = false;
  ++r.generation;
  free_records_.push_back(r.place);  // within the reserved room
  t.complete(op);
  if (--under_way_ == 0 && draining_ && !stopped_) shut(t);
}

void async_engine::cancel(ticket which, bool harmless) {
  turn t(*this, turn::kind::called);
  async_record* const r = find(which);
  if (r == nullptr) return;
  if (harmless && !r->op->changes_nothing && r->exchange) {
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
void async_engine::arm(clock::time_point now, clock::time_point when) {
  if (armed_ && *armed_ <= when) return;
  when = std::min(when, now + options_.timeout);
  armed_.reset();
  timer_->expires_at(when);
  timer_->async_wait([self = shared_from_this()](const auto& failed) {
    if (!failed) self->on_timer();
  });
  armed_ = when;
}

void async_engine::doubt(clock::time_point now, async_channel& c) {
  // A child's timers would set its parent's clock.
  if (c.is_chained() || forked_) return;
  arm(now, c.silent_at());
  doubted_.push_back(c);
}

void async_engine::on_timer() {
  turn t(*this, turn::kind::awaited);
  armed_.reset();
  if (stopped_) return;
  std::optional<clock::time_point> first;
  for (auto at = deadlines_.begin(); at != deadlines_.end();) {
    auto& [timeout, records] = *at;
    while (!records.empty() && records.front().deadline <= t.now) {
      async_record& r = records.front();
      r.unchain();
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
  if (first) arm(t.now, *first);
}

// --- channels ----------------------------------------------------------------------------------

async_channel& async_engine::channel_to(const std::shared_ptr<server>& s) {
  auto& all = channels_[s.get()];
  async_channel* best = nullptr;
  for (const auto& c : all) {
    if (best == nullptr || c->load() < best->load()) best = c.get();
  }
  if (best != nullptr && (best->load() == 0 || all.size() >= limits_.connections)) return *best;
  async_channel& made = *all.emplace_back(std::make_shared<async_channel>(*this, s));
  // For a call that began before the server left.
  if (std::ranges::find(used_.servers, s) == used_.servers.end()) made.retire();
  return made;
}

// Servers have changed: connections to those that left go when their last call is over.
void async_engine::use(turn& t, const server_set& now) {
  t.end_later(std::exchange(used_, now).keep);
  for (auto at = channels_.begin(); at != channels_.end();) {
    auto& [key, all] = *at;
    if (std::ranges::any_of(now.servers, [&](const auto& s) { return s.get() == key; })) {
      ++at;
      continue;
    }
    std::erase_if(all, [&](std::shared_ptr<async_channel>& c) {
      c->retire();
      if (c->load() != 0) return false;
      c->close();
      t.end_later(std::move(c));
      return true;
    });
    at = all.empty() ? channels_.erase(at) : std::next(at);
  }
}

void async_engine::forget(turn& t, async_channel& c) noexcept {
  const auto at = channels_.find(&c.to());
  if (at == channels_.end()) return;
  std::erase_if(at->second, [&](std::shared_ptr<async_channel>& one) {
    if (one.get() != &c) return false;
    t.end_later(std::move(one));
    return true;
  });
  if (at->second.empty()) channels_.erase(at);
}

// --- the end -----------------------------------------------------------------------------------

void async_engine::drain(std::move_only_function<void()> done) {
  turn t(*this, turn::kind::called);
  (stopped_ ? t.drained : when_drained_).push_back(std::move(done));
  if (stopped_) return;
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
  for (async_record& r : records_) {
    if (r.op != nullptr && r.exchange) give_up(t, r, errc::cancelled, {});
  }
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
  timer_->cancel();
  t.drained = std::exchange(when_drained_, {});
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
