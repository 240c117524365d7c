// What a turn leaves behind when it has let go of the lock: handlers and callbacks to be called,
// and who calls them. See async_engine.hpp.
#include <atomic>
#include <exception>
#include <utility>

#include "engine/async_channel.hpp"
#include "engine/async_engine.hpp"

namespace memcxx::engine {

void async_engine::turn::call_later(std::vector<std::move_only_function<void()>> all) noexcept {
  if (!all.empty()) later().drained = std::move(all);
}

// Moves it out of the lock, if there is memory for that.
void async_engine::turn::end_later(std::shared_ptr<const void> what) noexcept {
  if (what == nullptr) return;
  try {
    later().gone.push_back(std::move(what));
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

void async_engine::turn::tell(const std::shared_ptr<async_engine>& engine) const {
  if (kind_ == kind::awaited) return engine->tell(later_->events);
  net::post(engine->executor_, [engine, all = later_->events] { engine->tell(all); });
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

  std::vector<detail::async_operation*, detail::call_allocator<detail::async_operation*>> all_;
  std::atomic<std::size_t> at_{0};
};

// What is called may be the end of the client: the engine stays until all were called.
void async_engine::turn::end() {
  const auto engine = engine_.shared_from_this();
  if (kind_ != kind::last) return call_all(engine);
  hold_.unlock();
  while (first_ != nullptr) std::exchange(first_, first_->next)->discard();
  later_.reset();
}

// What handlers and callbacks throw comes out of run(); the others are called all the same.
void async_engine::turn::call_all(const std::shared_ptr<async_engine>& engine) {
  const bool several = first_ != nullptr && first_->next != nullptr && kind_ == kind::awaited;
  // What the handlers ask for is sent after the last of them, or when another thread has time.
  const bool sends = several && expecting_ != nullptr && expecting_->claim_sending();
  const auto keep = sends ? expecting_->shared_from_this() : nullptr;
  hold_.unlock();

  thrown_by_handlers guarded(*engine);
  if (sends) expecting_->send_after_this();
  if (later_ && !later_->events.empty()) guarded([&] { tell(engine); });
  const auto complete_all = [&](detail::async_operation::calling how) {
    while (first_ != nullptr) {
      guarded([&] { std::exchange(first_, first_->next)->complete(how, engine->executor_); });
    }
  };
  const bool posted = kind_ == kind::called;
  if (posted) complete_all(detail::async_operation::calling::posted);
  if (later_) {
    for (auto& done : later_->drained) guarded(done);
  }
  if (several) {
    std::shared_ptr<ended_calls> all;
    guarded([&] {
      all =
          std::allocate_shared<ended_calls>(detail::call_allocator<ended_calls>(), ended_, first_);
      first_ = nullptr;
      all->ask_for_help(engine);
    });
    if (all != nullptr) all->run(*engine, guarded);
    if (keep != nullptr) guarded([&] { keep->send_posted(); });
  }
  complete_all(engine->calling_);
  later_.reset();
  // A user who starts a call and is thrown at would take it for not started.
  if (!posted && std::uncaught_exceptions() == 0) guarded.rethrow();
}

}  // namespace memcxx::engine
