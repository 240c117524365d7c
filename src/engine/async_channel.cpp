// A shared connection: opening it, filling it, sending, reading, losing it. See async_channel.hpp.
#include "engine/async_channel.hpp"

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <utility>

namespace memcxx::engine {

async_channel::async_channel(async_engine& e, std::shared_ptr<server> s)
    : engine_(e),
      server_(std::move(s)),
      watched_(engine_.executor_),
      dial_timer_(engine_.executor_) {}

async_channel::~async_channel() {
  unwatch();
  end_link();
}

// --- what is ready when --------------------------------------------------------------------------

template <class What>
void async_channel::guarded(turn& t, const What& what) noexcept {
  try {
    what();
  } catch (...) {
    break_off(t);
  }
}

// Handlers that Asio calls: they enter the engine, and do nothing if what they waited for is no
// longer what there is.
template <class Then>
auto async_channel::when_ready(Then then) {
  return [engine = engine_.shared_from_this(), self = shared_from_this(), epoch = epoch_,
          then](const auto&...) {
    turn t(*engine, turn::kind::awaited);
    if (self->epoch_ == epoch) self->guarded(t, [&] { then(*self, t); });
  };
}

// False when the reactor does not take it.
bool async_channel::watch(int descriptor) noexcept {
  try {
    watched_.assign(descriptor);
    return true;
  } catch (...) {
    return false;
  }
}

void async_channel::unwatch() noexcept {
  ++epoch_;
  reading_ = writing_ = false;
  if (watched_.is_open()) (void)watched_.release();  // not ours to close
  if (copied_ >= 0) ::close(std::exchange(copied_, -1));
}

void async_channel::await_reading() {
  if (reading_) return;
  watched_.async_wait(net::posix::stream_descriptor::wait_read,
                      when_ready([](async_channel& c, turn& t) { c.read(t); }));
  reading_ = true;
}

void async_channel::await_writing() {
  if (writing_) return;
  watched_.async_wait(net::posix::stream_descriptor::wait_write,
                      when_ready([](async_channel& c, turn& t) {
                        c.writing_ = false;
                        c.send(t);
                      }));
  writing_ = true;
}

// A little later, together with what else is asked for until then.
void async_channel::send_soon() {
  if (!claim_sending()) return;
  try {
    post_sending();
  } catch (...) {
    sending_posted_ = false;
    throw;
  }
}

void async_channel::post_sending() {
  net::post(engine_.executor_, [engine = engine_.shared_from_this(), self = shared_from_this()] {
    self->send_posted();
  });
}

// Or it was sent already.
void async_channel::send_posted() {
  turn t(engine_, turn::kind::awaited);
  if (!std::exchange(sending_posted_, false)) return;
  guarded(t, [&] { send(t); });
}

void async_channel::send_after_this() noexcept {
  try {
    post_sending();
  } catch (...) {
    turn t(engine_, turn::kind::called);
    sending_posted_ = false;
    guarded(t, [&] { send(t); });
  }
}

// --- opening -----------------------------------------------------------------------------------

void async_channel::dial_on(turn& t) {
  error why;
  switch (dial_->advance(t.now())) {
    case dial::progress::waiting:
      return await_dial();
    case dial::progress::failed:
      why = dial_->why();
      break;
    case dial::progress::done:
      link_ = dial_->take();
      unwatch();
      if (watch(link_->io.descriptor())) {
        dial_.reset();
        dial_timer_.cancel();
        got_on_ = link_->last_used = t.now();
        replies_ = link_->wire.replies();
        return send(t);
      }
      end_link();
      why =
          error(errc::connect_failed, "the reactor does not take its descriptor", server_->name());
      break;
  }
  dial_.reset();
  dial_timer_.cancel();
  unwatch();
  refuse_all(t, why);
}

void async_channel::refuse_all(turn& t, const error& why) {
  if (waiting_.empty()) return;
  server_->failed(why, waiting_.front().of->began, t.now(), t.events());
  while (!waiting_.empty()) {
    async_rider& r = waiting_.front();
    r.settled = true;
    settled_.push_back(r);
    r.give_up(why.code(), why.message());
  }
  collect(t);
}

void async_channel::await_dial() {
  unwatch();
  const pollfd p = dial_->waits_for();
  // A lookup's descriptor is watched by everybody who waits for it, and a reactor takes each only
  // once.
  copied_ = ::fcntl(p.fd, F_DUPFD_CLOEXEC, 0);
  // Without one the timer goes on.
  if (copied_ >= 0 && watch(copied_)) {
    watched_.async_wait((p.events & POLLOUT) != 0 ? net::posix::stream_descriptor::wait_write
                                                  : net::posix::stream_descriptor::wait_read,
                        when_ready([](async_channel& c, turn& t) { c.dial_on(t); }));
  }
  dial_timer_.expires_at(dial_->wake_at());
  dial_timer_.async_wait(when_ready([](async_channel& c, turn& t) { c.dial_on(t); }));
}

// --- sending -----------------------------------------------------------------------------------

void async_channel::pump(turn& t) noexcept {
  guarded(t, [&] {
    if (link_ != nullptr && server_->needs_flush()) {
      // Over an old connection items would be read before they are flushed. That is no failure of
      // the server's.
      link_->wire.fail(errc::connection_closed, "closed because the server was down",
                       verdict::nothing);
      return lost(t);
    }
    // The first after a pause may find that the server has left meanwhile.
    if (link_ != nullptr && waiting_.size() + riding_.size() == 1 && link_->wire.in_flight() == 0 &&
        !is_usable(t)) {
      end_link();
      waiting_.front().fresh = true;
    }
    if (link_ == nullptr) {
      if (dial_ != nullptr || waiting_.empty()) return;
      // It is for whoever waits longest; each of them has a deadline of its own.
      clock::time_point until = t.now() + engine_.options_.timeout;
      waiting_.for_each([&](const async_rider& r) { until = std::max(until, r.of->deadline); });
      dial_ = std::make_unique<dial>(*server_, t.now(), until);
      return dial_on(t);
    }
    if (sending_posted_ || writing_) return;
    // A lone request leaves at once. Others are likely to be followed by more.
    if (link_->wire.in_flight() == 0) {
      got_on_ = t.now();
      send(t);
    } else {
      send_soon();
    }
  });
}

bool async_channel::is_usable(turn& t) noexcept {
  return !server_->is_out_of_date(*link_, t.now()) && link_->is_sound(t.now());
}

// False when the connection does not take it as it is: there is a leg then.
bool async_channel::submit(async_rider& r) {
  r.sent = true;
  r.reused = !r.fresh;
  if (link_->wire.submit(r.of->lone()->what, r, 0)) {
    r.sent = false;
    engine_.prepare_exchange(*r.of);
    r.leg = r.of->exchange()->legs().data();
    return false;
  }
  if (!r.settled) riding_.push_back(r);
  return true;
}

void async_channel::fill(turn& t) {
  connection& wire = link_->wire;
  // What the server was taken for is to be asked anew, once those on their way have arrived.
  if (link_->guessed && server_->is_out_of_date(*link_, t.now())) return;
  for (std::size_t n = waiting_.size(); n > 0 && !waiting_.empty(); --n) {
    if (!wire.has_room() || wire.failed()) return;
    async_rider& r = waiting_.front();
    if (r.leg == nullptr && submit(r)) continue;
    if (!std::exchange(r.sent, true)) r.leg->begin(!r.fresh);
    r.leg->fill(wire, r);
    if (r.settled) continue;
    if (r.leg->done()) {  // all of it was refused
      r.settled = true;
      settled_.push_back(r);
    } else if (r.leg->asks_apart(wire)) {
      if (r.heard()) note_answered(t);  // nobody else can tell that while it holds them up
      return;
    } else if (!r.leg->submitted()) {
      waiting_.push_back(r);  // no room for all of it: the others' turn
    } else if (r.of->exchange()->quiet() && server_->is_spotless()) {
      wire.abandon(r);
      if (!is_chained()) engine_.doubt(t, *this);
      r.leg->finish_unanswered();
      r.settled = true;
      settled_.push_back(r);
    } else {
      riding_.push_back(r);
    }
  }
}

void async_channel::send(turn& t) {
  if (link_ == nullptr) return;
  if (link_->guessed && !waiting_.empty() && link_->wire.in_flight() == 0 &&
      server_->is_out_of_date(*link_, t.now())) {
    end_link();
    for (std::size_t n = waiting_.size(); n > 0; --n) {
      waiting_.front().fresh = true;
      waiting_.push_back(waiting_.front());
    }
    return pump(t);
  }
  connection& wire = link_->wire;
  if (wire.in_flight() == 0) got_on_ = t.now();
  bool all = true;
  std::size_t before = 0;
  do {
    before = wire.in_flight();
    fill(t);
    all = link_->flush();
  } while (all && !wire.failed() && !waiting_.empty() && wire.has_room() &&
           wire.in_flight() != before);
  if (wire.failed()) return lost(t);
  if (wire.has_output()) await_writing();
  if (wire.in_flight() != 0) await_reading();
  collect(t);
}

// --- answers, and the end ------------------------------------------------------------------------

void async_channel::read(turn& t) {
  reading_ = false;
  t.expect_more(*this);
  bool came = false;
  do {
    came = link_->receive(link::patience::none);
    if (came) link_->last_used = t.now();
  } while (came && !link_->wire.failed() && link_->wire.in_flight() != 0);
  note_progress(t);
  server_->note_unclaimed(*link_);
  if (link_->wire.failed()) return lost(t);
  collect(t);
  send(t);
}

void async_channel::note_progress(turn& t) noexcept {
  const std::uint64_t n = link_->wire.replies();
  in_long_reply_ = n == replies_;
  if (in_long_reply_) return;
  replies_ = n;
  got_on_ = t.now();
}

void async_channel::note_answered(turn& t) noexcept {
  try {
    server_->answered(t.events());
  } catch (...) {  // no memory to tell anybody
  }
}

// Tells the engine of the riders that have arrived. What it launches in turn may arrive at once.
void async_channel::collect(turn& t) noexcept {
  if (std::exchange(collecting_, true)) return;
  while (!settled_.empty()) {
    async_rider& r = settled_.front();
    r.unchain();
    if (r.heard()) note_answered(t);
    engine_.leg_is_done(t, r);
  }
  collecting_ = false;
  if (!retiring_ || in_use()) return;
  close();
  engine_.forget(t, *this);
}

void async_channel::leave(turn& t, async_rider& r, errc code, std::string_view why) noexcept {
  r.settled = true;
  r.unchain();
  if (r.sent && link_ != nullptr) {
    guarded(t, [&] {
      link_->wire.abandon(r, code, why);
      if (link_->wire.in_flight() != 0) engine_.doubt(t, *this);
    });
  }
  r.give_up(code, why);
}

void async_channel::note_late(turn& t, const async_rider& r, std::string_view why) noexcept {
  try {
    server_->failed(error(errc::timeout, std::string(why), server_->name()), r.of->began, t.now(),
                    t.events());
  } catch (...) {  // no memory: it is not held against the server
  }
}

clock::time_point async_channel::silent_at() const noexcept {
  const bool moves = link_ != nullptr && link_->wire.awaited();
  // Whoever asked at once when it got on is told by the deadline of its call.
  return (moves ? std::max(got_on_, link_->last_used) : got_on_) + engine_.options_.timeout +
         2 * async_clock::slack;
}

bool async_channel::suspect(turn& t) noexcept {
  if (!owes()) return false;
  // Nobody who waits has given up.
  if (in_use() && link_->wire.abandoned() == 0) return false;
  if (t.now() < silent_at()) return true;
  guarded(t, [&] {
    const std::string why =
        "no reply was completed for " + std::to_string(engine_.options_.timeout.count()) + "ms";
    if (in_use()) {
      link_->wire.fail(errc::connection_closed, why, verdict::failed);
    } else {  // who waited for it in vain has said so
      link_->wire.fail(errc::connection_closed, why, verdict::nothing);
    }
    lost(t);
  });
  return false;
}

// The connection has failed, and has told so to the riders whose requests were in flight.
void async_channel::lost(turn& t) {
  const connection& wire = link_->wire;
  const errc code = wire.failure();
  const async_rider* const first = !riding_.empty()    ? &riding_.front()
                                   : !settled_.empty() ? &settled_.front()
                                   : !waiting_.empty() ? &waiting_.front()
                                                       : nullptr;
  const auto began = first != nullptr ? first->of->began : t.now();
  bool another = false;  // a fresh connection tells about the server
  for (std::size_t n = waiting_.size(); n > 0; --n) {
    async_rider& r = waiting_.front();
    r.sent ? riding_.push_back(r) : waiting_.push_back(r);
    r.fresh = true;
  }
  while (!riding_.empty()) {
    async_rider& r = riding_.front();
    if (r.leg == nullptr) r.give_up(code, wire.failure_text());
    if (r.leg->lost(wire)) {
      another = true;
      r.sent = false;
      r.fresh = true;
      waiting_.push_back(r);
    } else {
      r.settled = true;
      settled_.push_back(r);
    }
  }
  server_->ended(wire, another, began, t.now(), t.events());
  end_link();
  collect(t);
  if (!waiting_.empty()) pump(t);
}

// No memory in the middle of something: nobody knows what it came to.
void async_channel::break_off(turn& t) noexcept {
  if (link_ != nullptr) link_->wire.fail(errc::out_of_memory, {});
  for (chain<async_rider>* all : {&waiting_, &riding_}) {
    while (!all->empty()) {
      async_rider& r = all->front();
      r.settled = true;
      settled_.push_back(r);
      r.give_up(errc::out_of_memory, {});
    }
  }
  close();
  collect(t);
}

void async_channel::end_link() noexcept {
  unwatch();
  unchain();
  in_long_reply_ = false;
  if (link_ != nullptr) server_->discard(std::move(link_));
}

void async_channel::close() noexcept {
  dial_.reset();
  dial_timer_.cancel();
  end_link();
}

void async_channel::close_in_child() noexcept {
  if (link_ != nullptr) link_->io.close();
  if (dial_ != nullptr) dial_->close_in_child();
  if (copied_ >= 0) ::close(std::exchange(copied_, -1));
}

}  // namespace memcxx::engine
