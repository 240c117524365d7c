// Calls under way: their beginning, their legs, their deadlines, their end. See async_engine.hpp.
#include "engine/async_engine.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "engine/async_channel.hpp"

namespace memcxx::engine {

namespace {

std::string within(std::string_view what, std::chrono::milliseconds timeout) {
  return std::string(what) + " within " + std::to_string(timeout.count()) + "ms";
}

}  // namespace

void async_rider::on_response(std::uint32_t tag, const protocol::response& r) noexcept {
  const fault whose = fault_of(r.status);
  if (on != nullptr && whose != fault::network && whose != fault::clock) on->note_answer();
  leg->on_response(tag, r);
  if (!settled && leg->done()) {
    settled = true;
    on->note_settled(*this);
  }
}

// --- turns -------------------------------------------------------------------------------------

async_engine::turn::turn(async_engine& e, bool posted)
    : now(clock::now()), engine_(e.shared_from_this()), hold_(e.lock_), posted_(posted) {}

void async_engine::turn::complete(detail::async_operation& op) noexcept {
  op.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &op;
  last_ = &op;
}

void async_engine::turn::send_later(async_channel& c) {
  if (std::exchange(c.will_send, true)) return;
  sending_.push_back(c.shared_from_this());
}

// What handlers and callbacks throw is their caller's; the others are called all the same.
async_engine::turn::~turn() noexcept(false) {
  hold_.unlock();
  std::exception_ptr thrown;
  const auto guarded = [&thrown](auto&& what) {
    try {
      what();
    } catch (...) {
      if (thrown == nullptr) thrown = std::current_exception();
    }
  };
  if (!events.empty()) guarded([this] { engine_->tell(events); });
  while (first_ != nullptr) {
    detail::async_operation& op = *std::exchange(first_, first_->next);
    guarded([&] { op.complete(posted_); });
  }
  for (const auto& c : sending_) {
    guarded([&] {
      turn t(*engine_, posted_);
      c->will_send = false;
      c->send(t);
    });
  }
  if (thrown != nullptr && std::uncaught_exceptions() == 0) std::rethrow_exception(thrown);
}

// --- the engine ----------------------------------------------------------------------------------

async_engine::async_engine(const options& o, const value_codec& values, const async_options& a,
                           net::any_io_executor executor)
    : options_(o), values_(values), limits_(a), executor_(std::move(executor)), timer_(executor_) {}

async_engine::~async_engine() = default;

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
  turn t(*this, true);
  async_record* const r = find(which);
  if (r == nullptr) return;  // cancelled meanwhile
  r->timeout = timeout;
  r->began = t.now;
  r->deadline = t.now + timeout;
  try {
    begin(t, *r);
  } catch (...) {  // no memory
    give_up(t, *r, errc::out_of_memory, {});
  }
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

void async_engine::begin(turn& t, async_record& r) {
  r.on = servers_now();
  if (r.on.keep != used_) use(t, r.on);
  if (r.op->everywhere) r.op->on_servers(r.on.map->own_names());
  if (!r.op->what().begin_step(0, values_)) return finish(t, r);

  const std::size_t n = r.op->what().size();
  if (forked_) {
    answer_all(r, errc::not_supported, "an asynchronous client does not outlive a fork");
    return finish(t, r);
  }
  if (stopped_ || draining_) {
    answer_all(r, errc::cancelled, "the client is closed");
    return finish(t, r);
  }
  if (requests_ + n > limits_.max_requests || bytes_ + r.op->bytes > limits_.max_bytes) {
    answer_all(r, errc::overloaded, "max_requests or max_bytes are under way");
    return finish(t, r);
  }
  r.requests = n;
  requests_ += n;
  bytes_ += r.op->bytes;
  deadlines_[r.timeout].push_back(r);
  arm();
  prepare_step(r);
  if (!launch(t, r)) go_on(t, r);
}

void async_engine::prepare_step(async_record& r) {
  std::chrono::sys_seconds today{};
  if (!options_.gutter.empty()) {
    today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  r.exchange.emplace(r.op->what(), *r.on.map, options_, today);
  r.exchange->prepare(r.op->everywhere ? routing::exchange::route::everywhere
                                       : routing::exchange::route::by_key);
}

// Sends the exchange's legs on their way. False when none is under way afterwards.
bool async_engine::launch(turn& t, async_record& r) {
  const auto legs = r.exchange->legs();
  r.many.clear();
  if (legs.size() > 1) r.many = std::vector<async_rider>(legs.size());
  r.riding = 1;  // until all are launched
  const auto riders = r.riders();
  for (std::size_t i = 0; i < legs.size(); ++i) {
    const auto& s = r.on.servers[legs[i].server()];
    async_rider& rider = riders[i];
    rider.leg = &legs[i];
    rider.of = &r;
    rider.on = nullptr;
    rider.sent = rider.settled = rider.fresh = false;
    if (const auto& d = s->custom()) {
      legs[i].run_on(*d, r.deadline);
    } else if (!s->admit(t.now)) {
      legs[i].give_up(errc::server_down, s->why_down(t.now));
    } else {
      ++r.riding;
      channel_to(s).board(rider);
    }
  }
  for (std::size_t i = 0; i < legs.size(); ++i) {
    if (riders[i].on != nullptr && !riders[i].settled) riders[i].on->pump(t);
  }
  return --r.riding != 0;
}

void async_engine::leg_is_done(turn& t, async_rider& r) {
  if (--r.of->riding == 0) go_on(t, *r.of);
}

// What is to be launched next: another round elsewhere, or the call's next step.
bool async_engine::next(turn& t, async_record& r) {
  if (r.exchange->has_next_round()) {
    if (!r.ended && t.now < r.deadline) {
      r.exchange->next_round();
      return true;
    }
    r.exchange->conclude();
  }
  if (r.ended || !r.op->what().begin_step(++r.step, values_)) return false;
  if (t.now >= r.deadline) {
    answer_all(r, errc::timeout, within("no answer", r.timeout));
    return false;
  }
  prepare_step(r);
  return true;
}

// No leg of it is under way.
void async_engine::go_on(turn& t, async_record& r) {
  do {
    if (!next(t, r)) return finish(t, r);
  } while (!launch(t, r));
}

void async_engine::give_up(turn& t, async_record& r, errc code, const std::string& why) {
  r.ended = r.ended || code != errc::timeout;
  if (!r.exchange) return finish(t, r);  // it has not begun
  ++r.riding;                            // it must not end under our hands
  for (async_rider& rider : r.riders()) {
    if (rider.on == nullptr || rider.settled) continue;
    async_channel& c = *rider.on;
    if (code == errc::timeout) {
      c.to().failed(error(code, why, c.to().name()), r.began, t.now, t.events);
    }
    c.leave(rider, code, why);
    --r.riding;
    if (code == errc::timeout) c.suspect(t);
  }
  if (--r.riding == 0) go_on(t, r);
}

void async_engine::finish(turn& t, async_record& r) noexcept {
  detail::async_operation& op = *std::exchange(r.op, nullptr);
  r.unchain();
  requests_ -= std::exchange(r.requests, 0);
  bytes_ -= r.exchange ? op.bytes : 0;
  r.exchange.reset();
  r.many.clear();
  r.on = {};
  r.step = 0;
  r.ended = false;
  ++r.generation;
  free_records_.push_back(r.place);  // within the reserved room
  t.complete(op);
  if (--under_way_ == 0 && draining_ && !stopped_) shut(t);
}

void async_engine::cancel(ticket which, bool harmless) {
  turn t(*this, true);
  async_record* const r = find(which);
  if (r == nullptr) return;
  if (harmless && !r->op->changes_nothing && r->exchange) {
    for (const async_rider& rider : r->riders()) {
      if (rider.on != nullptr && rider.sent) return;
    }
  }
  give_up(t, *r, errc::cancelled, {});
}

// --- deadlines ---------------------------------------------------------------------------------
// Calls with the same timeout end in the order in which they began, so one list for each timeout
// is always sorted, and one timer serves them all.

void async_engine::arm() {
  std::optional<clock::time_point> first;
  for (auto& [timeout, records] : deadlines_) {
    if (records.empty()) continue;
    if (!first || records.front().deadline < *first) first = records.front().deadline;
  }
  if (!first || (armed_ && *armed_ <= *first)) return;
  armed_ = first;
  timer_.expires_at(*first);
  timer_.async_wait([self = shared_from_this()](const auto& failed) {
    if (!failed) self->on_timer();
  });
}

void async_engine::on_timer() {
  turn t(*this, false);
  armed_.reset();
  for (auto at = deadlines_.begin(); at != deadlines_.end();) {
    auto& [timeout, records] = *at;
    while (!records.empty() && records.front().deadline <= t.now) {
      give_up(t, records.front(), errc::timeout, within("no answer", timeout));
    }
    at = records.empty() ? deadlines_.erase(at) : std::next(at);
  }
  if (!stopped_) arm();
}

// --- channels ----------------------------------------------------------------------------------

async_channel& async_engine::channel_to(const std::shared_ptr<server>& s) {
  auto& all = channels_[s.get()];
  async_channel* best = nullptr;
  for (const auto& c : all) {
    if (best == nullptr || c->load() < best->load()) best = c.get();
  }
  if (best != nullptr && (best->load() == 0 || all.size() >= limits_.connections)) return *best;
  return *all.emplace_back(std::make_shared<async_channel>(*this, s));
}

// Servers have changed: connections to those that left go when their last call is over.
void async_engine::use(turn& t, const server_set& now) {
  used_ = now.keep;
  for (auto at = channels_.begin(); at != channels_.end();) {
    const auto stays = [&](const auto& s) { return s.get() == at->first; };
    bool closed = false;
    if (std::ranges::none_of(now.servers, stays)) {
      closed = true;
      for (const auto& c : at->second) {
        c->retire(t);
        closed = closed && c->is_closed();
      }
    }
    at = closed ? channels_.erase(at) : std::next(at);
  }
}

// --- the end -----------------------------------------------------------------------------------

void async_engine::drain(std::move_only_function<void()> done) {
  turn t(*this, true);
  if (stopped_) return done();
  draining_ = true;
  when_drained_.push_back(std::move(done));
  if (under_way_ == 0) shut(t);
}

void async_engine::stop() noexcept {
  turn t(*this, true);
  if (stopped_) return;
  draining_ = true;
  // Those that have been announced and not begun end as soon as they begin.
  for (async_record& r : records_) {
    if (r.op != nullptr && r.exchange) give_up(t, r, errc::cancelled, {});
  }
  if (!stopped_) shut(t);
}

void async_engine::shut(turn& t) {
  stopped_ = true;
  for (auto& [server, all] : channels_) {
    for (const auto& c : all) c->close(t);
  }
  channels_.clear();
  timer_.cancel();
  for (auto& done : std::exchange(when_drained_, {})) done();
}

}  // namespace memcxx::engine
