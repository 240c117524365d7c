// The outcomes of many keys as they arrive: what async_client::get_each answers.
// Lives here: the call behind it, the queue between the engine and who waits, the stream.
// Never here: sockets, which verbs there are (async_client.hpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/async_operation.hpp>

namespace memcxx {

template <class T, class Default>
class get_stream;

namespace detail {

// Which requests of a call have their outcome and are still to be handed out, and who waits for
// one. Threads: safe to share. The engine calls it while it is locked, and is never called by it.
class arrival_queue {
 public:
  static constexpr std::size_t none = SIZE_MAX;

  class waiter {
   public:
    // Has the handler called with what arrived, or at the end with nothing (`none`): later, and
    // where its executor says. When it throws, nothing has happened.
    virtual void post(std::size_t index) = 0;

   protected:
    ~waiter() = default;
  };

  explicit arrival_queue(std::size_t size) : arrived_(size, false) { order_.reserve(size); }

  // For the engine alone.
  [[nodiscard]] bool has(std::size_t index) const noexcept { return arrived_[index]; }
  void arrive(std::size_t index) noexcept {
    const std::scoped_lock hold(lock_);
    arrived_[index] = true;
    order_.push_back(index);  // within the reserved room
    try {
      serve();
    } catch (...) {  // no memory: the next to arrive tries again, or the end
    }
  }
  // All have arrived, and nobody comes after this.
  void end() {
    const std::scoped_lock hold(lock_);
    serve();
  }
  // Nothing more will arrive, nor be handed out: destroys who waits.
  void discard() noexcept {
    std::deque<std::shared_ptr<waiter>> gone;  // what their handlers own ends without the lock
    const std::scoped_lock hold(lock_);
    discarded_ = true;
    gone.swap(waiters_);
  }

  void wait(std::shared_ptr<waiter> w) {
    const std::scoped_lock hold(lock_);
    if (discarded_) return;
    waiters_.push_back(std::move(w));
    try {
      serve();
    } catch (...) {
      waiters_.pop_back();
      throw;
    }
  }
  // Returns when whoever posted has let go of what was posted.
  void settle() const noexcept { const std::scoped_lock hold(lock_); }
  // How many are still to be handed out.
  [[nodiscard]] std::size_t left() const noexcept {
    const std::scoped_lock hold(lock_);
    return arrived_.size() - taken_;
  }

 private:
  void serve() {
    while (!waiters_.empty()) {
      const bool over = taken_ == arrived_.size();
      if (!over && taken_ == order_.size()) return;
      waiters_.front()->post(over ? none : order_[taken_]);
      waiters_.pop_front();
      if (!over) ++taken_;
    }
  }

  mutable std::mutex lock_;
  std::vector<bool> arrived_;       // by request; the engine's
  std::vector<std::size_t> order_;  // in which they arrived
  std::size_t taken_ = 0;           // of them
  bool discarded_ = false;
  std::deque<std::shared_ptr<waiter>> waiters_;
};

// Many reads of one kind, each handed on as soon as it has its outcome. Keys are copied in.
template <class Command>
class stream_call final : public call {
 public:
  using outcome = result<typename Command::reply>;

  template <std::ranges::forward_range Keys>
  stream_call(const Keys& keys, const get_options& o)
      : commands_(reads(keys, o)), queue_(commands_.size()) {
    operations_.reserve(commands_.size());
    for (const Command& c : commands_) {
      operations_.emplace_back(c).outcome() = std::unexpected(error(errc::ok));  // none yet
    }
  }

  // --- for the engine
  bool begin_step(unsigned step, const value_codec& values) noexcept override try {
    index_.clear();
    index_.reserve(operations_.size());
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if (queue_.has(i)) continue;  // it may be handed out at this moment
      if (operations_[i].begin_step(step, values)) {
        index_.add(i, operations_[i].parts());
      } else {
        note(i);
      }
    }
    return index_.size() != 0;
  } catch (...) {
    index_.clear();
    give_up(errc::out_of_memory);
    return false;
  }
  std::size_t size() const noexcept override { return index_.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    const auto [which, part] = index_[i];
    return operations_[which].request(part, out);
  }
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t n) noexcept override {
    const auto [which, part] = index_[i];
    return operations_[which].on_value(part, head, n);
  }
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    const auto [which, part] = index_[i];
    operations_[which].on_response(part, r, server);
    note(which);
  }
  // The call is over.
  void end() {
    give_up(errc::cancelled);
    queue_.end();
  }

  // --- for who waits
  [[nodiscard]] arrival_queue& queue() noexcept { return queue_; }
  [[nodiscard]] std::string_view key(std::size_t i) const noexcept { return commands_[i].key; }
  // Of one that was handed out; to be moved out.
  outcome& at(std::size_t i) noexcept { return operations_[i].outcome(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  template <class Keys>
  std::vector<Command> reads(const Keys& keys, const get_options& o) {
    for (const auto& key : keys) bytes_ += std::string_view(key).size();
    keys_ = std::make_unique_for_overwrite<char[]>(bytes_);
    std::vector<Command> out;
    out.reserve(static_cast<std::size_t>(std::ranges::distance(keys)));
    char* at = keys_.get();
    for (const auto& key : keys) {
      // Not beyond what was counted, should a range make other keys the second time.
      const auto room = bytes_ - static_cast<std::size_t>(at - keys_.get());
      const std::string_view k = std::string_view(key).substr(0, room);
      Command& c = out.emplace_back();
      c.key = {at, k.size()};
      c.options = o;
      at = std::ranges::copy(k, at).out;
    }
    return out;
  }
  [[nodiscard]] bool has_outcome(std::size_t i) noexcept {
    const outcome& o = operations_[i].outcome();
    return o.has_value() || o.error() != errc::ok;
  }
  void note(std::size_t i) noexcept {
    if (!queue_.has(i) && has_outcome(i)) queue_.arrive(i);
  }
  void give_up(errc why) noexcept {
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if (queue_.has(i)) continue;
      if (!has_outcome(i)) operations_[i].outcome() = std::unexpected(error(why));
      queue_.arrive(i);
    }
  }

  std::size_t bytes_ = 0;
  std::unique_ptr<char[]> keys_;
  std::vector<Command> commands_;
  std::vector<operation<Command>> operations_;
  step_index index_;
  arrival_queue queue_;
};

template <class Command>
class stream_job {
 public:
  stream_job(std::shared_ptr<stream_call<Command>> c, bool reads) noexcept
      : call_(std::move(c)), reads_(reads) {}
  ~stream_job() {
    if (!ended_) call_->queue().discard();
  }
  stream_job(const stream_job&) = delete;
  stream_job& operator=(const stream_job&) = delete;

  [[nodiscard]] call& what() noexcept { return *call_; }
  done take() {
    call_->end();
    ended_ = true;
    return {};
  }
  [[nodiscard]] bool changes_nothing() const noexcept { return reads_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return call_->bytes(); }

 private:
  std::shared_ptr<stream_call<Command>> call_;
  bool reads_;
  bool ended_ = false;
};

// A handler that waits for the next outcome.
template <class Entry, class Call, class Handler>
class stream_waiter final
    : public arrival_queue::waiter,
      public std::enable_shared_from_this<stream_waiter<Entry, Call, Handler>> {
 public:
  using executor = net::associated_executor_t<Handler, net::any_io_executor>;

  stream_waiter(Handler&& handler, std::shared_ptr<Call> from, const net::any_io_executor& io)
      : handler_(std::move(handler)),
        from_(std::move(from)),
        io_(io),
        work_(net::get_associated_executor(handler_, io)) {}

  void post(std::size_t index) override {
    net::post(delivery{this->shared_from_this(), index, executor(work_.get_executor()),
                       net::get_associated_allocator(handler_)});
  }

 private:
  struct delivery {
    std::shared_ptr<stream_waiter> to;
    std::size_t index;
    executor at;
    net::associated_allocator_t<Handler> memory;

    using executor_type = executor;
    using allocator_type = net::associated_allocator_t<Handler>;
    executor_type get_executor() const noexcept { return at; }
    allocator_type get_allocator() const noexcept { return memory; }

    void operator()() {
      // The keys stay until the handler has returned, and its memory goes before it is called.
      const auto from = std::move(to->from_);
      from->queue().settle();
      completion<Handler, std::optional<Entry>> done{std::move(to->handler_), {}, to->io_};
      const auto work = std::move(to->work_);
      to.reset();
      if (index != arrival_queue::none) {
        done.reply.emplace(Entry{index, from->key(index), std::move(from->at(index))});
      }
      done();
    }
  };

  Handler handler_;
  std::shared_ptr<Call> from_;
  net::any_io_executor io_;
  net::executor_work_guard<executor> work_;
};

}  // namespace detail

// Reads that are under way over all servers at once: next() answers with the outcome of one key
// after the other, in the order in which they come. Every key has exactly one: a hit, a miss, or an
// error, as in get_many.
//
// Threads: next() may be called from many at once. Deadline: the client's, from get_each on, for
// all keys together. Cancelling a next(), cancel() and destroying the stream end the call: what has
// not come yet arrives as errc::cancelled at those who wait. Outcomes that nobody asks for stay in
// memory as long as the stream.
template <class T, class Default>
class get_stream {
  using command =
      std::conditional_t<std::is_same_v<T, item>, commands::get, commands::get_value<T>>;
  using source = detail::stream_call<command>;

 public:
  struct entry {
    std::size_t index = 0;      // of the key among those asked for
    std::string_view key = {};  // in memory of the stream
    result<T> reply = std::unexpected(error(errc::cancelled));
  };

  get_stream(get_stream&&) noexcept = default;
  get_stream& operator=(get_stream&& other) noexcept {
    get_stream old(std::move(*this));
    source_ = std::move(other.source_);
    core_ = std::move(other.core_);
    ticket_ = other.ticket_;
    return *this;
  }
  ~get_stream() { cancel(); }

  // Signature: void(std::optional<entry>). Nothing when every key's outcome was handed out.
  template <class Token = const Default&>
  auto next(Token&& t = Default()) {
    return net::async_initiate<Token, void(std::optional<entry>)>(waiting{source_, core_, ticket_},
                                                                  t);
  }
  // How many outcomes are still to be handed out.
  [[nodiscard]] std::size_t left() const noexcept { return source_->queue().left(); }

  void cancel() noexcept {
    if (core_ == nullptr) return;
    try {
      core_->cancel(ticket_, false);
    } catch (...) {  // what is left ends by its deadline
    }
  }

 private:
  template <class>
  friend class basic_async_client;

  struct nobody {
    void operator()(done) const noexcept {}
  };
  struct waiting {
    std::shared_ptr<source> from;
    std::shared_ptr<detail::async_core> core;
    detail::async_core::ticket ticket;

    using executor_type = net::any_io_executor;
    [[nodiscard]] executor_type get_executor() const noexcept { return core->executor(); }

    template <class Handler>
    void operator()(Handler&& handler) const {
      using handler_type = std::decay_t<Handler>;
      using waiter = detail::stream_waiter<entry, source, handler_type>;
      handler_type own(std::forward<Handler>(handler));
      detail::cancel_by(net::get_associated_cancellation_slot(own), core, ticket);
      const auto memory = net::get_associated_allocator(own);
      from->queue().wait(
          std::allocate_shared<waiter>(memory, std::move(own), from, core->executor()));
    }
  };

  template <class Keys>
  get_stream(std::shared_ptr<detail::async_core> core, std::chrono::milliseconds timeout,
             const Keys& keys, const get_options& o)
      : source_(std::make_shared<source>(keys, o)), core_(std::move(core)) {
    using op = detail::operation_of<detail::stream_job<command>, nobody>;
    op& made = op::make(nobody(), core_->executor(), source_, !o.vivify && !o.recache);
    try {
      ticket_ = core_->announce(made);
    } catch (...) {
      made.discard();
      throw;
    }
    core_->start(ticket_, timeout);
  }

  std::shared_ptr<source> source_;
  std::shared_ptr<detail::async_core> core_;
  detail::async_core::ticket ticket_;
};

}  // namespace memcxx
