// Asking a source again and again, and giving a client what it says. See source.hpp.
// Never here: where servers come from (source_*.cpp), what a change does (core).
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <signal.h>
#include <string>
#include <thread>
#include <utility>

#include <memcxx/source.hpp>

#include "engine/fork_guard.hpp"

namespace memcxx {

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

// Bounds that keep sums with the clock's time from wrapping, and the thread from spinning.
constexpr milliseconds shortest{1};
constexpr milliseconds longest = std::chrono::days(30);

void check_bounds(std::string_view name, milliseconds value) {
  if (value >= shortest && value <= longest) return;
  throw exception(error(errc::invalid_argument, std::string(name) + " of " +
                                                    std::to_string(value.count()) +
                                                    "ms is not between 1ms and 30 days"));
}

}  // namespace

struct watcher::state final : engine::fork_guarded {
  state(client which, std::unique_ptr<server_source> from, watch_options o)
      : cache(std::move(which)), source(std::move(from)), settings(std::move(o)) {
    check_bounds("interval", settings.interval);
    check_bounds("timeout", settings.timeout);
  }
  ~state() = default;

  void watch();
  result<bool> question();
  result<bool> ask(clock::time_point deadline);
  result<std::vector<server_address>> fetch(clock::time_point deadline) noexcept;
  [[nodiscard]] milliseconds pause();

  void before_fork() noexcept override { lock.lock(); }
  void after_fork() noexcept override { lock.unlock(); }
  void in_child() noexcept override {
    forked = true;
    lock.unlock();
  }

  // Of whoever has `busy`: nobody else touches these.
  client cache;
  std::unique_ptr<server_source> source;
  std::optional<std::vector<server_address>> applied;  // what the client was given last

  watch_options settings;                           // never changes
  std::minstd_rand random{std::random_device{}()};  // of the thread

  // Questions are asked one after the other, but not under a lock: callbacks, which may use the
  // client and this watcher, run meanwhile.
  mutable std::mutex lock;
  std::condition_variable changed;
  bool busy = false;
  std::thread::id asker;  // while busy
  bool stopping = false;
  bool forked = false;  // this is a child's copy: there is no thread
  error last;

  std::thread thread;
  engine::fork_registration guard{*this};  // the last member, see there
};

// What a source throws is a failure of its own.
result<std::vector<server_address>> watcher::state::fetch(clock::time_point deadline) noexcept {
  try {
    return source->fetch(deadline);
  } catch (const exception& e) {
    return std::unexpected(e.error());
  } catch (const std::bad_alloc&) {
    return std::unexpected(error(errc::out_of_memory));
  } catch (const std::exception& e) {
    return std::unexpected(
        error(errc::invalid_argument, std::string("the source threw: ") + e.what()));
  } catch (...) {
    return std::unexpected(error(errc::invalid_argument, "the source threw"));
  }
}

result<bool> watcher::state::ask(clock::time_point deadline) {
  auto told = fetch(deadline);
  if (!told) return std::unexpected(std::move(told).error());
  if (applied && *applied == *told) return false;

  const std::vector<std::string> names = cache.servers();
  const bool first = !applied;
  auto before = std::exchange(applied, std::nullopt);  // not known while a callback may throw
  if (auto done = cache.replace_servers(*told); !done) {
    applied = std::move(before);
    return std::unexpected(std::move(done).error());
  }
  const bool differs = !first || names != cache.servers() || *told != cache.settings().servers;
  applied = std::move(*told);
  return differs;
}

result<bool> watcher::state::question() {
  const clock::time_point deadline = clock::now() + settings.timeout;
  {
    std::unique_lock hold(lock);
    if (forked)
      return std::unexpected(
          error(errc::not_supported, "a watcher ends at a fork: make another in the child"));
    if (busy && asker == std::this_thread::get_id())
      return std::unexpected(
          error(errc::invalid_argument, "refresh() was called while it asks, from a callback"));
    if (!changed.wait_until(hold, deadline, [this] { return !busy || stopping; }))
      return std::unexpected(error(errc::timeout, "another question took all of the time"));
    if (stopping) return std::unexpected(error(errc::cancelled, "the watcher ends"));
    busy = true;
    asker = std::this_thread::get_id();
  }
  const auto finish = [this](const error& why) noexcept {
    const std::scoped_lock hold(lock);
    last = why;
    busy = false;
    changed.notify_all();
  };
  result<bool> outcome = false;
  try {
    outcome = ask(deadline);
  } catch (...) {
    finish({});  // a callback's: the servers are what the source said
    throw;
  }
  finish(outcome ? error() : outcome.error());
  if (!outcome && settings.on_error) settings.on_error(outcome.error());
  return outcome;
}

// The interval, varied by a tenth: the programs of a fleet shall not ask all at once.
milliseconds watcher::state::pause() {
  const auto tenth = settings.interval.count() / 10;
  std::uniform_int_distribution<milliseconds::rep> around(-tenth, tenth);
  return settings.interval + milliseconds(around(random));
}

void watcher::state::watch() {
  while (true) {
    try {
      (void)question();
    } catch (...) {
      // A callback's, and nobody is there to take it.
    }
    std::unique_lock hold(lock);
    if (changed.wait_until(hold, clock::now() + pause(), [this] { return stopping; })) return;
  }
}

watcher::watcher(client which, std::unique_ptr<server_source> from, watch_options o) {
  if (from == nullptr) throw exception({errc::invalid_argument, "a watcher needs a source"});
  state_ = std::make_unique<state>(std::move(which), std::move(from), std::move(o));
  // The program's signals are not for this thread.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  struct restore_mask {
    const sigset_t& mask;
    ~restore_mask() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } const restore{before};
  state_->thread = std::thread([s = state_.get()] { s->watch(); });
}

watcher::~watcher() {
  {
    const std::scoped_lock hold(state_->lock);
    if (state_->forked) {
      // The parent's thread may have stood anywhere in this: no part of it can be taken down
      // without waiting for a thread that does not exist here.
      (void)state_.release();
      return;
    }
    state_->stopping = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

result<bool> watcher::refresh() { return state_->question(); }

error watcher::last_error() const {
  const std::scoped_lock hold(state_->lock);
  return state_->last;
}

}  // namespace memcxx
