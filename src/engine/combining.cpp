// The leader and those who travel with it. See combining.hpp.
#include "engine/combining.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <exception>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "engine/combining_rider.hpp"
#include "engine/words.hpp"

namespace memcxx::engine {

namespace {

// Up to so many threads for each core a connection each is better: they sleep and wake as often,
// and none waits for another.
constexpr std::size_t crowd_per_core = 12;

std::size_t cores() noexcept {
  cpu_set_t mine;
  if (::sched_getaffinity(0, sizeof mine, &mine) != 0) return CPU_SETSIZE;
  return static_cast<std::size_t>(std::max(CPU_COUNT(&mine), 1));
}

bool tells_replies_apart(protocol_choice p) noexcept {
  return p == protocol_choice::meta || p == protocol_choice::binary;
}

timespec timespec_of(std::chrono::nanoseconds d) noexcept {
  const auto s = std::chrono::floor<std::chrono::seconds>(d);
  return {static_cast<time_t>(s.count()), static_cast<long>((d - s).count())};
}

// Sleeps while `word` is `value`, at most until then (futex(2); steady_clock is CLOCK_MONOTONIC).
// False when the time is over. May wake for nothing.
bool futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value, std::uint32_t bits,
                const clock::time_point* until) noexcept {
  timespec t{};
  if (until != nullptr) t = timespec_of(until->time_since_epoch());
  return ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value,
                   until != nullptr ? &t : nullptr, nullptr, bits) == 0 ||
         errno != ETIMEDOUT;
}
void futex_wake(std::atomic<std::uint32_t>& word, std::uint32_t bits) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, bits);
}

}  // namespace

combining::combining(server& s) : server_(s), crowd_(crowd_per_core * cores()) {}

bool combining::attracts(bool may_open, clock::time_point now) {
  const protocol_choice speaks = server_.speaks();
  if (server_.is_crowded()) {
    const bool over = crowd_.is_forgotten(now) || speaks == protocol_choice::classic;
    if (over) server_.set_crowded(false);
    return !over && tells_replies_apart(speaks);
  }
  if (speaks == protocol_choice::classic) return false;
  if (crowd_.has_come(server_.slots(), now)) {
    server_.set_crowded(true);
    return tells_replies_apart(speaks);
  }
  return !may_open && tells_replies_apart(speaks);  // rather than wait for a connection
}

auto combining::run(routing::leg& l, std::chrono::milliseconds timeout, clock::time_point now,
                    clock::time_point deadline, std::vector<server::event>& events) -> outcome {
  rider me(*this, l, timeout, now, deadline);
  bool leads = false;
  bool timed = false;
  {
    const std::scoped_lock hold(lock_);
    queue_.push_back(me);
    me.seat = next_seat_++ % (seats_per_bell * bell_count);
    leads = leader_ == nullptr;
    if (leads) {
      leader_ = &me;
      earliest_ = looks_until_ = deadline;
    } else {
      timed = deadline < looks_until_;
    }
  }
  if (leads || sleep(me, timed)) lead(me, events);
  return conclude(me, server_, events);
}

// Until it is over, or true: it is to lead.
bool combining::sleep(rider& me, bool timed) {
  std::atomic<std::uint32_t>& bell = bells_[me.bell()];
  for (;;) {
    const std::uint32_t rung = bell.load(std::memory_order_acquire);
    if (const auto news = me.news.load(std::memory_order_acquire); news != rider::word::none)
      return news == rider::word::leads;
    if (futex_wait(bell, rung, me.bit(), timed ? &me.deadline : nullptr)) continue;
    timed = false;  // who took it from the queue looks in time
    const std::scoped_lock hold(lock_);
    if (!me.queued || leader_ == &me) continue;
    me.unchain();
    me.how = rider::ending::late;
    me.crowded_out = seeks_.load(std::memory_order_relaxed);
    return false;
  }
}

auto combining::conclude(rider& me, server& s, std::vector<server::event>& events) -> outcome {
  using ending = rider::ending;
  const auto note_late = [&](const std::string& why) {
    s.failed(error(errc::timeout, why, s.name()), me.began, clock::now(), events);
  };
  switch (me.how) {
    case ending::answered:
      me.leg.on_response(me.tag, me.kept);
      if (me.kept.status == errc::timeout) {
        note_late(std::string(me.kept.text));
      } else if (me.leg.heard()) {
        s.answered(events);
      }
      break;
    case ending::given:
      break;
    case ending::late: {
      const std::string why =
          within(me.crowded_out ? "no connection became free" : "no answer", me.timeout);
      me.leg.give_up(me.crowded_out ? errc::overloaded : errc::timeout, why);
      if (!me.crowded_out) note_late(why);
      break;
    }
    case ending::alone:
      return outcome::alone;
    case ending::again:
      return outcome::again;
    case ending::broken:
      std::rethrow_exception(me.what);
  }
  return outcome::over;
}

// --- the leader ----------------------------------------------------------------------------------

void combining::lead(rider& me, std::vector<server::event>& events) noexcept {
  try {
    serve(me, events);
  } catch (...) {
    break_off(me, events);
  }
  hand_over(me);
}

void combining::serve(rider& me, std::vector<server::event>& events) {
  clock::time_point now = clock::now();
  while (!me.over) {
    take_queue();
    // Whoever has to travel alone waits for this connection, too: those on their way arrive, and
    // the others let it go first.
    makes_way_ = makes_way_ || (link_ != nullptr && used_ && server_.has_waiters());
    if (makes_way_ && riding_.empty() && link_ != nullptr) {
      let_go(std::move(link_), doubted_, now);
    }
    if (link_ == nullptr && !find_link(me)) return;
    send(now);
    if (!me.over && !link_->wire.failed()) {
      ring(release_settled(me));  // refused
      now = wait_and_read();
    }
    if (!link_->wire.failed() && now >= earliest_) evict(now);
    if (!link_->wire.failed() && now >= silent_at()) {
      link_->wire.fail(errc::connection_closed,
                       within("no reply was completed", server_.settings().timeout),
                       verdict::failed);
    }
    if (link_->wire.failed()) {
      lose(me, now, events);
    } else if (doubted_ && now >= late_at_) {
      turn_away(now);
    }
    if (!me.over) ring(release_settled(me));
  }
}

void combining::take_queue() noexcept {
  const std::scoped_lock hold(lock_);
  while (!queue_.empty()) {
    rider& r = queue_.front();
    r.queued = false;
    boarding_.push_back(r);
    earliest_ = std::min(earliest_, r.deadline);
  }
  looks_until_ = earliest_;
}

// False when the leader's call is over, or is to go alone.
bool combining::find_link(rider& me) {
  seeks_.store(true, std::memory_order_relaxed);
  // In a crowd there are connections enough, and one will be free in a moment.
  auto now = clock::now();
  const auto soon = now + moment;
  const auto turn =
      std::exchange(makes_way_, false) ? server::turn::after_others : server::turn::any;
  while (!me.over) {
    if (!server_.is_spotless()) break;
    auto c = now < soon
                 ? server_.wait_claim(std::min(earliest_, soon),
                                      server_.is_crowded() ? crowd_.enough() : SIZE_MAX, turn)
                 : server_.wait_claim(earliest_);
    now = clock::now();
    if (c.idle != nullptr) {
      if (tells_replies_apart(c.idle->wire.speaks())) {
        link_ = std::move(c.idle);
        used_ = false;
        seeks_.store(false, std::memory_order_relaxed);
        doubted_ = false;
        note_progress(now);
        return true;
      }
      server_.give_back(std::move(c.idle));
      break;
    }
    if (c.granted()) {
      server_.give_back_slot();
      break;
    }
    evict(now);
    take_queue();
  }
  if (!me.over) me.settle(rider::ending::alone);
  return false;
}

// Submits what there is room for, and writes it.
void combining::send(clock::time_point now) {
  connection& wire = link_->wire;
  if (server_.is_crowded() && crowd_.is_over(now)) {
    server_.set_crowded(false);
    server_.trim(crowd_.enough());
  }
  if (server_.needs_flush()) {
    // Over an old connection items would be read before they are flushed. That is no failure of the
    // server's.
    return wire.fail(errc::connection_closed, "closed because the server was down",
                     verdict::nothing);
  }
  first_ = wire.in_flight() == 0;
  if (first_) note_progress(now);
  do {
    while (may_board() && !boarding_.empty() && wire.has_room() && !wire.failed()) {
      used_ = true;
      rider& r = boarding_.front();
      riding_.push_back(r);
      submitting_ = &r;
      r.leg.begin(true);
      r.leg.fill(wire, r);
      submitting_ = nullptr;
      if (r.leg.done()) r.settle(rider::ending::given);  // refused
    }
  } while (link_->flush() && may_board() && !boarding_.empty() && wire.has_room());
}

// Once it has completed no reply for a whole timeout, and somebody has waited in vain. While
// somebody waits for the reply whose turn it is, bytes that come are enough.
clock::time_point combining::silent_at() const noexcept {
  if (!doubted_) return clock::time_point::max();
  return (link_->wire.awaited() ? heard_ : got_on_) + server_.settings().timeout;
}

clock::time_point combining::wait_and_read() {
  connection& wire = link_->wire;
  auto until = std::min(earliest_, silent_at());
  if (doubted_) until = std::min(until, clock::now() + lateness);
  pollfd p{link_->io.descriptor(),
           static_cast<short>(wire.has_output() ? POLLIN | POLLOUT : POLLIN), 0};
  const timespec left = timespec_of(
      std::max(std::chrono::nanoseconds(until - clock::now()), std::chrono::nanoseconds(0)));
  // A signal only means that the clock is looked at again.
  const bool ready = ::ppoll(&p, 1, &left, nullptr) > 0;
  const auto now = clock::now();
  if (ready && (p.revents & ~POLLOUT) != 0) {
    if (link_->receive(link::patience::none)) {
      heard_ = now;
      if (std::exchange(first_, false)) crowd_.answer_took(now - got_on_);
      if (wire.replies() != replies_) note_progress(now);
    }
    server_.note_unclaimed(*link_);
  }
  return now;
}

// Those whose time is over leave: what was sent of them is abandoned, and its answer dropped.
void combining::evict(clock::time_point now) {
  earliest_ = clock::time_point::max();
  for (std::size_t n = riding_.size(); n > 0; --n) {
    rider& r = riding_.front();
    riding_.push_back(r);
    if (r.deadline <= now) {
      if (!std::exchange(doubted_, true)) late_at_ = now + lateness;
      link_->wire.abandon(r, errc::timeout, within("no answer", r.timeout));
    } else {
      earliest_ = std::min(earliest_, r.deadline);
    }
  }
  for (std::size_t n = boarding_.size(); n > 0; --n) {
    rider& r = boarding_.front();
    boarding_.push_back(r);
    if (r.deadline <= now) {
      r.crowded_out = link_ == nullptr;
      r.settle(rider::ending::late);
    } else {
      earliest_ = std::min(earliest_, r.deadline);
    }
  }
}

// A reply that its caller gave up on is more than late. Whoever rides waits for it; with nobody on
// it the connection is of no use.
void combining::turn_away(clock::time_point now) noexcept {
  if (riding_.empty()) return let_go(std::move(link_), doubted_, now);
  while (!boarding_.empty()) boarding_.front().settle(rider::ending::alone);
}

// The connection goes back to the pool, if nobody there would wait behind such a reply.
void combining::let_go(std::unique_ptr<link> l, bool owes, clock::time_point now) noexcept {
  if (owes) l->wire.fail(errc::timeout, "its last call ran out of time");
  l->last_used = now;
  server_.give_back(std::move(l));
}

// The connection has failed, and has told so to those who rode on it.
void combining::lose(const rider& me, clock::time_point now,
                     std::vector<server::event>& events) noexcept {
  const connection& wire = link_->wire;
  bool another = false;  // a fresh connection tells about the server
  while (!riding_.empty()) {
    rider& r = riding_.front();
    const bool again = r.leg.lost(wire);
    another = another || again;
    r.settle(again ? rider::ending::again : rider::ending::given);
  }
  try {
    server_.ended(wire, another, me.began, now, events);
  } catch (...) {  // no memory: it is not held against the server
  }
  server_.discard(std::move(link_));
  server_.give_back_slot();
}

// No memory in the middle of something: nobody knows what it came to.
void combining::break_off(rider& me, std::vector<server::event>& events) noexcept {
  const auto why = std::current_exception();
  if (rider* const r = std::exchange(submitting_, nullptr); r != nullptr) {
    r->what = why;
    r->settle(rider::ending::broken);
  }
  if (link_ != nullptr) {
    if (!link_->wire.failed()) link_->wire.fail(errc::out_of_memory, {});
    lose(me, me.began, events);
  }
  if (me.over) return;
  me.what = why;
  me.settle(rider::ending::broken);
}

// --- waking --------------------------------------------------------------------------------------

// What is told that it ended may be gone at once.
auto combining::release_settled(const rider& me) noexcept -> bits {
  bits who{};
  while (!settled_.empty()) {
    rider& r = settled_.front();
    r.unchain();
    if (&r == &me) continue;
    who[r.bell()] |= r.bit();
    r.news.store(rider::word::ended, std::memory_order_release);
  }
  return who;
}

void combining::ring(const bits& who) noexcept {
  for (std::size_t i = 0; i < who.size(); ++i) {
    if (who[i] == 0) continue;
    // Whoever is about to sleep finds that the bell has changed.
    bells_[i].fetch_add(1, std::memory_order_release);
    futex_wake(bells_[i], who[i]);
  }
}

void combining::hand_over(rider& me) noexcept {
  bits who = release_settled(me);
  std::unique_ptr<link> last;
  bool owes = false;
  {
    const std::scoped_lock hold(lock_);
    leader_ = nullptr;
    for (chain<rider>* all : {&riding_, &boarding_, &queue_}) {
      if (all->empty() || leader_ != nullptr) continue;
      leader_ = &all->front();
      who[leader_->bell()] |= leader_->bit();
      leader_->news.store(rider::word::leads, std::memory_order_release);
    }
    if (leader_ == nullptr) last = std::move(link_);
    owes = doubted_;
  }
  // Nobody is left to see whether anything still comes.
  if (last != nullptr) let_go(std::move(last), owes, clock::now());
  ring(who);
}

// Whoever waited or led exists only in the parent. A thread of it may have been changing what a
// leader owns: that is left as it is.
void combining::in_child() noexcept {
  leader_ = nullptr;
  left_in_fork_ = link_.release();
  for (chain<rider>* all : {&queue_, &boarding_, &riding_, &settled_}) std::construct_at(all);
  submitting_ = nullptr;
  lock_.unlock();
}

}  // namespace memcxx::engine
