// Pools of connections. See server.hpp.
#include "engine/server.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include <memcxx/memory.hpp>

#include "engine/combining.hpp"
#include "engine/signals.hpp"

namespace memcxx::engine {

namespace {

std::shared_ptr<driver> make_driver(const server_address& a, const options& o) {
  if (a.scheme == "memcached") return nullptr;
  if (const auto found = o.drivers.find(a.scheme); found != o.drivers.end()) {
    auto made = found->second(a, o);
    if (made == nullptr) {
      throw exception(
          error(errc::invalid_argument, "the driver for \"" + a.scheme + "\" made nothing"));
    }
    return made;
  }
  if (a.scheme == "memory") {
    memory_options m;
    m.limit = o.memory_limit;
    return std::make_shared<memory_driver>(std::move(m));
  }
  throw exception(error(errc::invalid_argument, "no driver for \"" + a.scheme + "\""));
}

// Different in every client, so that the probes of many do not fall together.
std::uint64_t seed_for(const server& s) noexcept {
  return static_cast<std::uint64_t>(clock::now().time_since_epoch().count()) * 0x9e3779b97f4a7c15U ^
         reinterpret_cast<std::uintptr_t>(&s) ^ static_cast<std::uint64_t>(::getpid()) << 32U;
}

}  // namespace

server::server(const server_address& address, const options& o)
    : address_(address),
      name_(address.name()),
      options_(o),
      driver_(make_driver(address, o)),
      health_(o.health, seed_for(*this)),
      together_(std::make_unique<combining>(*this)) {
  idle_.reserve(o.pool_size);
  open_.reserve(o.pool_size);
}

server::~server() = default;

connection_options server::wire_options() const {
  connection_options w;
  w.protocol = options_.protocol;
  w.max_value_size = options_.max_value_size;
  w.check_keys = options_.check_keys;
  return w;
}

void server::ended(const connection& wire, bool replaced, clock::time_point began,
                   clock::time_point now, std::vector<event>& out) {
  if (wire.retry_as_classic()) memory_.refused_meta(now);
  switch (wire.says()) {
    case verdict::nothing:
      return;
    case verdict::answered:
      return answered(out);
    case verdict::failed:
      if (replaced) return;
      return failed(error(wire.failure(), std::string(wire.failure_text()), name_), began, now,
                    out);
  }
}

bool server::admit(clock::time_point now) {
  if (is_spotless()) return true;
  const std::scoped_lock hold(lock_);
  return health_.admit(now);
}

std::string server::why_down(clock::time_point now) {
  const std::scoped_lock hold(lock_);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(health_.next_probe() - now);
  return last_failure_ + "; tried again in " + std::to_string(std::max<long>(left.count(), 0)) +
         "ms";
}

void server::answered(std::vector<event>& out) {
  if (is_spotless()) return;
  const std::scoped_lock hold(lock_);
  tell(health_.answered(), {}, out);
}

void server::failed(const error& why, clock::time_point began, clock::time_point now,
                    std::vector<event>& out) {
  const std::scoped_lock hold(lock_);
  tell(health_.failed(began, now), why, out);
}

void server::tell(routing::health::change c, const error& why, std::vector<event>& out) {
  set_mood(held_against, !health_.is_spotless());
  set_mood(down, health_.is_down());
  if (why != errc::ok) last_failure_ = why.message();
  if (c == routing::health::change::none) return;
  const bool up = c == routing::health::change::came_up;
  if (!up) suspect_.store(true, std::memory_order_relaxed);
  out.push_back({up, name_, why});
}

server::claim server::take(clock::time_point now, std::size_t most,
                           std::vector<std::unique_ptr<link>>& dead) {
  claim c;
  for (;;) {
    std::unique_ptr<link> l = spare_.exchange(nullptr);
    if (l == nullptr) {
      if (idle_.empty()) break;
      l = std::move(idle_.back());
      idle_.pop_back();
    }
    if (serves(*l, now)) {
      c.idle = std::move(l);
      return c;
    }
    --slots_;
    retire(*l);
    std::erase(open_, l->io.descriptor());
    dead.push_back(std::move(l));
  }
  if (slots_ < std::min(options_.pool_size, most)) {
    ++slots_;
    c.may_open = true;
  }
  return c;
}

server::claim server::try_claim(clock::time_point now) {
  if (std::unique_ptr<link> l = spare_.exchange(nullptr); l != nullptr) {
    if (serves(*l, now)) return {.idle = std::move(l)};
    discard(std::move(l));
    give_back_slot();
  }
  std::vector<std::unique_ptr<link>> dead;  // closed after the lock is let go
  const std::scoped_lock hold(lock_);
  return take(now, SIZE_MAX, dead);
}

server::claim server::wait_claim(clock::time_point deadline, std::size_t most, turn t) {
  std::vector<std::unique_ptr<link>> dead;
  std::unique_lock hold(lock_);
  const bool stands_back = t == turn::after_others && waiters_.load() != 0;
  claim c;
  // What woke it may have been meant for another that waits, when it leaves with nothing: because
  // of its own `most`, or for want of memory.
  struct counted {
    explicit counted(server& one, const claim& what) noexcept : of(one), got(what) {
      ++of.waiters_;
    }
    ~counted() {
      if (--of.waiters_ != 0 && !got.granted()) of.freed_.notify_one();
    }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    server& of;
    const claim& got;
  } const waiting(*this, c);
  clock::time_point hear_at{};
  for (bool first = true;; first = false) {
    const auto now = clock::now();
    if (!(stands_back && first)) c = take(now, most, dead);
    if (c.granted() || now >= deadline) break;
    if (first) hear_at = wake_for_signals(options_, now, deadline);
    if (now >= hear_at) {  // signals do not interrupt such a wait
      hold.unlock();
      hear_signals(options_);
      hold.lock();
      hear_at = wake_for_signals(options_, clock::now(), deadline);
      continue;
    }
    freed_.wait_until(hold, hear_at);
  }
  return c;
}

// Whatever was still to come will not: abandoned requests end as failures.
void server::retire(link& l) noexcept {
  l.wire.fail(errc::connection_closed, "closed");
  unclaimed_.fetch_add(l.take_unclaimed(), std::memory_order_relaxed);
}

void server::opened(const link& l) {
  const std::scoped_lock hold(lock_);
  open_.push_back(l.io.descriptor());
}

void server::discard(std::unique_ptr<link> l) noexcept {
  retire(*l);
  const std::scoped_lock hold(lock_);
  std::erase(open_, l->io.descriptor());
}

void server::give_back(std::unique_ptr<link> l) noexcept {
  if (l->wire.failed()) {
    discard(std::move(l));
    give_back_slot();
    return;
  }
  note_unclaimed(*l);
  if (std::unique_ptr<link> older = spare_.exchange(std::move(l)); older != nullptr) {
    const std::scoped_lock hold(lock_);
    idle_.push_back(std::move(older));  // within the reserved capacity: there is one for each slot
  }
  if (waiters_.load() != 0) note_freed();
}

// Wakes one that waits. It counted itself under the lock, and lets go of that only to sleep.
void server::note_freed() noexcept {
  {
    const std::scoped_lock hold(lock_);
  }
  freed_.notify_one();
}

bool server::has_idle() noexcept {
  if (!spare_.empty()) return true;
  const std::scoped_lock hold(lock_);
  return !idle_.empty();
}

std::size_t server::slots() noexcept {
  const std::scoped_lock hold(lock_);
  return slots_;
}

void server::give_back_slot() noexcept {
  {
    const std::scoped_lock hold(lock_);
    --slots_;
  }
  if (waiters_.load() != 0) freed_.notify_one();
}

void server::close_idle() {
  std::vector<std::unique_ptr<link>> closing;
  closing.reserve(options_.pool_size + 1);
  {
    const std::scoped_lock hold(lock_);
    if (std::unique_ptr<link> last(spare_.exchange(nullptr)); last)
      idle_.push_back(std::move(last));
    slots_ -= idle_.size();
    for (auto& l : idle_) {
      retire(*l);
      std::erase(open_, l->io.descriptor());
      closing.push_back(std::move(l));
    }
    idle_.clear();
  }
  freed_.notify_all();
}

void server::trim(std::size_t most) noexcept {
  for (;;) {
    std::unique_ptr<link> l;  // closed after the lock is let go
    const std::scoped_lock hold(lock_);
    if (slots_ <= most || idle_.empty()) return;
    l = std::move(idle_.front());
    idle_.erase(idle_.begin());
    --slots_;
    retire(*l);
    std::erase(open_, l->io.descriptor());
  }
}

std::shared_ptr<transport::lookup> server::resolve() {
  const std::scoped_lock hold(lock_);
  // One that is still under way serves everybody; a finished one is not kept, so that a server
  // that moved is found.
  if (lookup_ == nullptr || lookup_->ready()) {
    lookup_ = transport::lookup::start(address_.host, address_.port);
  }
  return lookup_;
}

void server::before_fork() noexcept {
  lock_.lock();
  together_->before_fork();
}
void server::after_fork() noexcept {
  together_->after_fork();
  lock_.unlock();
}

// The parent goes on using these sockets. Closing our copies says nothing to the server.
// Connections that other threads of the parent had in use are not ours to destroy: only their
// descriptors close.
void server::in_child() noexcept {
  together_->in_child();
  set_crowded(false);
  if (auto last = spare_.exchange(nullptr); last != nullptr) idle_.push_back(std::move(last));
  for (const auto& l : idle_) std::erase(open_, l->io.descriptor());
  idle_.clear();
  for (const int fd : open_) ::close(fd);
  open_.clear();
  slots_ = 0;
  // Threads that waited exist only in the parent. The condition variable still counts them, and
  // would wait for them when destroyed: begin a fresh one in its place.
  waiters_ = 0;
  std::construct_at(&freed_);
  lookup_.reset();
  lock_.unlock();
}

}  // namespace memcxx::engine
