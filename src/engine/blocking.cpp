// The blocking engine. See blocking.hpp.
#include "engine/blocking.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include "engine/combining.hpp"
#include "engine/dial.hpp"
#include "engine/signals.hpp"
#include "engine/words.hpp"

namespace memcxx::engine {

namespace {

int poll_ms(clock::time_point now, clock::time_point until) noexcept {
  if (until <= now) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::min<long>(ms, 3'600'000));
}

// How long one read may wait in the kernel, whose time-outs are as coarse as its ticks and up to an
// eighth late: less than the call's time, so that none outlasts the call, and reads that follow
// soon may wait there as well. Nor longer than who is to hear of signals may. The rest is poll's,
// which is exact. Zero: all of it is.
std::chrono::milliseconds kernel_patience(std::chrono::milliseconds timeout) noexcept {
  using std::chrono::milliseconds;
  constexpr milliseconds ticks(8);
  if (timeout <= ticks) return milliseconds(0);
  const auto patience = timeout - std::min(std::max(timeout / 8, ticks), timeout / 2);
  return std::min(patience, longest_unheard);
}

// Makes the link's reads that wait as patient as kernel_patience said.
bool waits_in_kernel(link& l, std::chrono::milliseconds patience) noexcept {
  if (patience.count() == 0) return false;
  l.io.set_read_timeout(patience);
  return l.io.read_timeout() == patience;
}

// One leg and the connection it has, is waiting for, or is opening.
class runner {
 public:
  enum class stage : std::uint8_t { unclaimed, dialling, running, finished };

  runner(routing::exchange& x, routing::leg& l, server& s,
         std::vector<server::event>& events) noexcept
      : exchange_(x), leg_(l), server_(s), events_(events) {}

  [[nodiscard]] stage where() const noexcept { return stage_; }
  [[nodiscard]] bool active() const noexcept {
    return stage_ == stage::dialling || stage_ == stage::running;
  }
  [[nodiscard]] server& on() const noexcept { return server_; }
  [[nodiscard]] routing::leg& what() const noexcept { return leg_; }
  [[nodiscard]] link* connected() const noexcept { return link_.get(); }

  // May the call use the server? It begins now, also when it has to wait for a connection.
  [[nodiscard]] bool admitted(clock::time_point now) {
    began_ = now;
    return server_.admit(now);
  }

  void begin(server::claim c, clock::time_point now, clock::time_point deadline) {
    if (began_ == clock::time_point{}) began_ = now;  // nothing was held against the server
    if (c.idle != nullptr) {
      link_ = std::move(c.idle);
      leg_.begin(true);
      stage_ = stage::running;
    } else {
      stage_ = stage::dialling;  // the slot is held, even if there is no memory for the dial
      dial_ = std::make_unique<dial>(server_, now, deadline);
    }
  }

  // With what was lost on another connection.
  void go_again(server::claim fresh, clock::time_point now, clock::time_point deadline) {
    began_ = now;
    begin(std::move(fresh), now, deadline);
  }

  // With a connection over which the leg was begun already.
  void go_on(std::unique_ptr<link> l, clock::time_point now) noexcept {
    began_ = now;
    link_ = std::move(l);
    stage_ = stage::running;
  }

  void finish() noexcept { stage_ = stage::finished; }

  // Goes on as far as it can without waiting.
  void pump(clock::time_point now, clock::time_point deadline) {
    if (stage_ == stage::dialling) {
      switch (dial_->advance(now)) {
        case dial::progress::waiting:
          return;
        case dial::progress::failed:
          server_.failed(dial_->why(), began_, now, events_);
          leg_.give_up(dial_->why().code(), dial_->why().message());
          server_.give_back_slot();
          return finish();
        case dial::progress::done:
          break;
      }
      link_ = dial_->take();
      dial_.reset();
      leg_.begin(false);
      stage_ = stage::running;
    }
    fill();
    settle(now, deadline);
  }

  // As long as the socket takes everything, there may be room for more.
  void fill() {
    connection& wire = link_->wire;
    std::size_t before = 0;
    do {
      before = wire.in_flight();
      leg_.fill(wire);
    } while (link_->flush() && !leg_.submitted() && wire.has_room() && wire.in_flight() != before);
  }

  // After bytes came or the connection failed: is the leg over?
  void settle(clock::time_point now, clock::time_point deadline) {
    connection& wire = link_->wire;
    if (wire.failed()) {
      const bool another = leg_.lost(wire);
      server_.ended(wire, another, began_, now, events_);
      server_.discard(std::move(link_));
      if (another && now < deadline) {
        dial_ = std::make_unique<dial>(server_, now, deadline);
        stage_ = stage::dialling;
        return pump(now, deadline);
      }
      if (another) leg_.give_up(errc::timeout, "no time left to send it again");
      server_.give_back_slot();
      return finish();
    }
    if (leg_.done() && wire.in_flight() == 0) {
      // What it refused itself says nothing of the server.
      if (leg_.heard()) server_.answered(events_);
      return release(now);
    }
    if (!leg_.submitted() && wire.has_room() && !wire.has_output()) {
      fill();
      const bool over = wire.failed() || (leg_.done() && wire.in_flight() == 0);
      if (over) return settle(now, deadline);
    }
    // A probe of a server that was down waits for its answer, so that something is learned from it.
    if (exchange_.quiet() && leg_.submitted() && !wire.has_output() && server_.is_spotless()) {
      wire.abandon(leg_);
      leg_.finish_unanswered();
      release(now);
    }
  }

  void out_of_time(clock::time_point now, clock::time_point deadline, const std::string& why) {
    if (stage_ == stage::dialling) {
      server_.failed(error(errc::timeout, why, server_.name()), began_, now, events_);
      leg_.give_up(errc::timeout, why);
      server_.give_back_slot();
      return finish();
    }
    link_->wire.fail(errc::timeout, why);
    settle(now, deadline);
  }

  // The call ends by an exception: nothing may stay behind.
  void drop() noexcept {
    if (!active()) return;
    if (link_ != nullptr) server_.discard(std::move(link_));
    server_.give_back_slot();
    finish();
  }

  [[nodiscard]] pollfd waits_for() const noexcept {
    if (stage_ == stage::dialling) return dial_->waits_for();
    const bool writes = link_->wire.has_output();
    return {link_->io.descriptor(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0};
  }
  [[nodiscard]] clock::time_point wake_at(clock::time_point deadline) const noexcept {
    return stage_ == stage::dialling ? std::min(deadline, dial_->wake_at()) : deadline;
  }

 private:
  void release(clock::time_point now) noexcept {
    link_->note_used(now);
    server_.give_back(std::move(link_));
    finish();
  }

  routing::exchange& exchange_;
  routing::leg& leg_;
  server& server_;
  std::vector<server::event>& events_;
  clock::time_point began_{};
  stage stage_ = stage::unclaimed;
  std::unique_ptr<link> link_;
  std::unique_ptr<dial> dial_;
};

class run {
 public:
  run(std::span<runner> runners, std::chrono::milliseconds timeout, clock::time_point now,
      clock::time_point deadline)
      : runners_(runners), timeout_(timeout), now_(now), deadline_(deadline), hear_at_(deadline) {
    if (!runners.empty()) hear_at_ = wake_for_signals(settings(), now, deadline);
  }

  ~run() {
    for (runner& r : runners_) r.drop();
  }
  run(const run&) = delete;
  run& operator=(const run&) = delete;

  // With what was claimed for the one runner, which may have read already.
  void go_on(runner& r, server::claim c, bool waited) {
    if (c.idle == nullptr) {
      r.begin(std::move(c), now_, deadline_);
    } else {
      r.go_on(std::move(c.idle), now_);
    }
    resume(r, waited);
  }

  // With a runner that has its connection.
  void resume(runner& r, bool waited) {
    if (waited) {
      now_ = clock::now();
      if (link* const l = r.connected(); l != nullptr) hear_if_in_vain(*l);
    }
    if (r.where() == runner::stage::running && r.connected()->wire.failed()) {
      r.settle(now_, deadline_);
    } else {
      r.pump(now_, deadline_);
    }
    work();
  }

  // With what was lost where others travelled along, in a call that began at `began`: over a fresh
  // connection. They all come at once, and one that was opened since then is as fresh as another.
  void go_again(runner& r, clock::time_point began) {
    auto c = r.on().wait_claim(deadline_);
    if (c.idle != nullptr && c.idle->opened < began) {
      r.on().discard(std::move(c.idle));
      c.may_open = true;
    }
    now_ = clock::now();
    if (now_ >= deadline_) {
      if (c.idle != nullptr) {
        r.on().give_back(std::move(c.idle));
      } else if (c.may_open) {
        r.on().give_back_slot();
      }
      r.what().give_up(errc::timeout, "no time left to send it again");
      return r.finish();
    }
    r.go_again(std::move(c), now_, deadline_);
    r.pump(now_, deadline_);
    work();
  }

  void go() {
    bool unclaimed = false;
    for (runner& r : runners_) {
      if (const auto& d = r.on().custom()) {
        r.what().run_on(*d, deadline_);
        r.finish();
        now_ = clock::now();  // a driver takes what time it likes
      } else if (!r.admitted(now_)) {
        r.what().give_up(errc::server_down, r.on().why_down(now_));
        r.finish();
      } else if (auto c = r.on().try_claim(now_); c.granted()) {
        r.begin(std::move(c), now_, deadline_);
        r.pump(now_, deadline_);
      } else {
        unclaimed = true;
      }
    }
    work();
    if (!unclaimed) return;
    // Waits for one pool at a time and holding no connection, so that calls cannot wait for each
    // other in a circle.
    for (runner& r : runners_) {
      if (r.where() != runner::stage::unclaimed) continue;
      auto c = r.on().wait_claim(deadline_);
      now_ = clock::now();
      if (!c.granted()) {
        r.what().give_up(errc::overloaded, within("no connection became free", timeout_));
        r.finish();
        continue;
      }
      r.begin(std::move(c), now_, deadline_);
      r.pump(now_, deadline_);
      work();
    }
  }

 private:
  void hear() {
    hear_signals(settings());
    now_ = clock::now();
    hear_at_ = wake_for_signals(settings(), now_, deadline_);
  }
  void hear_if_in_vain(link& l) {
    if (std::exchange(l.waited_in_vain, false)) hear();
  }
  [[nodiscard]] const options& settings() const noexcept { return runners_[0].on().settings(); }

  // Until no runner has anything under way.
  void work() {
    for (;;) {
      if (now_ >= hear_at_) hear();
      std::size_t active = 0;
      runner* last = nullptr;
      for (runner& r : runners_) {
        if (!r.active()) continue;
        ++active;
        last = &r;
      }
      if (active == 0) return;
      if (active == 1 && last->where() == runner::stage::running && read_alone(*last)) continue;
      wait_for_all();
    }
  }

  // One connection and nothing to write: the read itself can wait, with no call beside it.
  bool read_alone(runner& r) {
    link& l = *r.connected();
    if (l.wire.has_output() || !r.what().submitted()) return false;
    const auto patience = kernel_patience(timeout_);
    const bool may_wait = now_ + patience <= deadline_ && waits_in_kernel(l, patience);
    const bool came = l.receive(may_wait ? link::patience::until_time_out : link::patience::none,
                                r.on().settings().wait);
    if (!came && !l.wire.failed()) {
      hear_if_in_vain(l);
      return false;  // wait_for_all sees whether time is up
    }
    // The common call is over now.
    if (l.wire.failed() || !r.what().done()) now_ = clock::now();
    r.settle(now_, deadline_);
    return now_ < deadline_ || !r.active();
  }

  void wait_for_all() {
    now_ = clock::now();
    if (now_ >= deadline_) {
      const std::string why = within("no answer", timeout_);
      for (runner& r : runners_) {
        if (r.active()) r.out_of_time(now_, deadline_, why);
      }
      return;
    }
    // A few are waited for without an allocation.
    std::array<pollfd, 4> few;
    if (runners_.size() > few.size()) many_.resize(runners_.size());
    const std::span<pollfd> polled = many_.empty() ? std::span(few) : std::span(many_);
    std::size_t size = 0;
    clock::time_point wake = hear_at_;
    for (runner& r : runners_) {
      if (!r.active()) continue;
      polled[size++] = r.waits_for();
      wake = std::min(wake, r.wake_at(deadline_));
    }
    const int n = ::poll(polled.data(), size, poll_ms(now_, wake));
    if (n < 0) hear();
    now_ = clock::now();
    std::size_t i = 0;
    for (runner& r : runners_) {
      if (i == size) break;
      if (!r.active()) continue;
      const pollfd& p = polled[i++];
      if (r.where() == runner::stage::dialling) {
        r.pump(now_, deadline_);
      } else if (n > 0 && p.revents != 0) {
        if ((p.revents & ~POLLOUT) != 0) r.connected()->receive(link::patience::none);
        if (r.connected()->wire.failed()) {
          r.settle(now_, deadline_);
        } else {
          r.pump(now_, deadline_);
        }
      }
    }
  }

  std::span<runner> runners_;
  std::chrono::milliseconds timeout_;
  clock::time_point now_;
  clock::time_point deadline_;
  clock::time_point hear_at_;  // when signals are heard next; at the latest the deadline
  std::vector<pollfd> many_;
};

// The common call: an idle connection takes all of it, and one read brings the answer. Nothing else
// is to be done for it. True when that was so. Otherwise `c` is what was claimed for the call, and
// `waited` whether it has read: it goes on from there.
bool run_in_one_go(routing::exchange& x, routing::leg& l, server& s,
                   std::chrono::milliseconds timeout, clock::time_point now, server::claim& c,
                   bool& waited) {
  if (s.custom() != nullptr || !s.is_calm() || x.quiet()) return false;
  c = s.try_claim(now);
  if (c.idle == nullptr) return false;
  link& used = *c.idle;
  try {
    l.begin(true);
    l.fill(used.wire);
    // What the connection refused is done with, and no answer will come.
    if (!used.flush() || !l.submitted() || l.done()) return false;
    if (!waits_in_kernel(used, kernel_patience(timeout))) return false;
    waited = true;
    if (!used.receive(link::patience::until_time_out, s.settings().wait) || !l.done()) return false;
    if (used.wire.failed() || used.wire.in_flight() != 0) return false;
  } catch (...) {
    s.discard(std::move(c.idle));
    s.give_back_slot();
    throw;
  }
  used.note_used(now);
  s.give_back(std::move(c.idle));
  return true;
}

// What is special in any way goes its own way. So does a call that a signal may end: it would take
// others along.
bool may_travel_together(const routing::exchange& x, const routing::leg& l, server& s) noexcept {
  return s.custom() == nullptr && s.is_spotless() && !x.quiet() && l.is_lone() &&
         !(s.settings().on_interrupt && is_first_thread());
}

void run_alone(routing::exchange& x, routing::leg& l, server& s, std::chrono::milliseconds timeout,
               clock::time_point now, clock::time_point deadline,
               std::vector<server::event>& events) {
  server::claim c;
  bool waited = false;
  if (now + kernel_patience(timeout) <= deadline && run_in_one_go(x, l, s, timeout, now, c, waited))
    return;
  auto together = combining::outcome::alone;
  const auto began = now;
  if (c.idle == nullptr && s.together().attracts(c.may_open, now) && may_travel_together(x, l, s)) {
    if (std::exchange(c.may_open, false)) s.give_back_slot();
    together = s.together().run(l, timeout, now, deadline, events);
    if (together == combining::outcome::over) return;
    now = clock::now();
  }
  runner one(x, l, s, events);
  run rest({&one, 1}, timeout, now, deadline);
  if (together == combining::outcome::again) {
    rest.go_again(one, began);
  } else if (c.granted()) {
    rest.go_on(one, std::move(c), waited);
  } else {
    rest.go();
  }
}

void run_round(routing::exchange& x, std::span<const std::shared_ptr<server>> servers,
               std::chrono::milliseconds timeout, clock::time_point now, clock::time_point deadline,
               std::vector<server::event>& events) {
  const std::span<routing::leg> legs = x.legs();
  if (legs.size() == 1) {
    return run_alone(x, legs[0], *servers[legs[0].server()], timeout, now, deadline, events);
  }
  std::vector<runner> many;
  many.reserve(legs.size());
  for (routing::leg& l : legs) many.emplace_back(x, l, *servers[l.server()], events);
  run(many, timeout, now, deadline).go();
}

// A connection that is claimed for a lone call. It is closed, should the call end by an exception.
class lone_claim {
 public:
  lone_claim(server& s, clock::time_point now) : server_(s), claim_(s.try_claim(now)) {}
  ~lone_claim() {
    if (!claim_.granted()) return;
    if (claim_.idle != nullptr) server_.discard(std::move(claim_.idle));
    server_.give_back_slot();
  }
  lone_claim(const lone_claim&) = delete;
  lone_claim& operator=(const lone_claim&) = delete;

  [[nodiscard]] link* connected() const noexcept { return claim_.idle.get(); }
  server::claim take() noexcept { return std::exchange(claim_, {}); }

 private:
  server& server_;
  server::claim claim_;
};

// From here on it is a call like any other, whose request is on its way.
[[gnu::noinline]] void go_on(call& c, const routing::topology& map, std::uint32_t home, server& s,
                             lone_claim& own, std::size_t written,
                             std::chrono::milliseconds timeout, clock::time_point now,
                             clock::time_point deadline, std::vector<server::event>& events) {
  routing::exchange x(c, map, s.settings());
  x.adopt(home);
  routing::leg& only = x.legs()[0];
  only.begin(true);
  runner one(x, only, s, events);
  run rest({&one, 1}, timeout, now, deadline);
  link& l = *own.connected();
  one.go_on(own.take().idle,
            now);  // the run's, should what follows throw: the leg still lives then
  l.wire.queue(only, 0, written);
  rest.resume(one, true);
}

}  // namespace

bool run_lone(call& c, const routing::topology& map,
              std::span<const std::shared_ptr<server>> servers, std::chrono::milliseconds timeout,
              clock::time_point now, clock::time_point deadline,
              std::vector<server::event>& events) {
  const options& o = servers[0]->settings();
  const auto patience = kernel_patience(timeout);
  if (c.quiet() || now + patience > deadline || !routing::exchange::is_plain(o)) return false;
  protocol::request r;
  if (c.request(0, r) || !protocol::names_item(r.op) || routing::make_fit(r, map, o)) return false;
  const std::uint32_t home = map.home(r.key);
  if (home == routing::topology::no_server) return false;
  server& s = *servers[home];
  if (s.custom() != nullptr || !s.is_calm()) return false;

  lone_claim own(s, now);
  link* const l = own.connected();
  if (l == nullptr) return false;
  link::asked a;
  if (waits_in_kernel(*l, patience)) a = l->ask(r, o.wait);
  if (a.answer != nullptr) c.on_response(0, *a.answer, map.names[home]);
  if (a.answer != nullptr || !a.begun) {
    if (a.begun) l->note_used(now);
    s.give_back(own.take().idle);
    return a.begun;
  }
  go_on(c, map, home, s, own, a.written, timeout, now, deadline, events);
  return true;
}

void run_blocking(routing::exchange& x, std::span<const std::shared_ptr<server>> servers,
                  std::chrono::milliseconds timeout, clock::time_point now,
                  clock::time_point deadline, std::vector<server::event>& events) {
  if (now >= deadline) {
    for (routing::leg& l : x.legs()) l.give_up(errc::timeout, within("no answer", timeout));
    return x.conclude();
  }
  run_round(x, servers, timeout, now, deadline, events);
  while (x.has_next_round()) {
    const clock::time_point later = clock::now();
    if (later >= deadline) return x.conclude();
    x.next_round();
    run_round(x, servers, timeout, later, deadline, events);
  }
}

result<void> connect_blocking(server& s, std::chrono::milliseconds timeout) {
  clock::time_point now = clock::now();
  const clock::time_point deadline = now + timeout;
  auto c = s.wait_claim(deadline);
  if (!c.granted()) {
    return std::unexpected(
        error(errc::overloaded, within("no connection became free", timeout), s.name()));
  }
  if (c.idle != nullptr) {
    s.give_back(std::move(c.idle));
    return {};
  }
  try {
    dial d(s, now, deadline);
    for (;;) {
      switch (d.advance(now)) {
        case dial::progress::done: {
          auto l = d.take();
          l->last_used = now;
          l->wire.rest();
          s.give_back(std::move(l));
          return {};
        }
        case dial::progress::failed:
          s.give_back_slot();
          return std::unexpected(d.why());
        case dial::progress::waiting:
          break;
      }
      pollfd p = d.waits_for();
      const auto wake = wake_for_signals(s.settings(), now, d.wake_at());
      if (::poll(&p, 1, poll_ms(now, wake)) <= 0) hear_signals(s.settings());
      now = clock::now();
    }
  } catch (...) {
    s.give_back_slot();
    throw;
  }
}

}  // namespace memcxx::engine
