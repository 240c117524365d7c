// What happens between the start of an asynchronous operation and its handler: the command with
// bytes of its own, the handler, and what the engine needs to know of them.
// Never here: sockets, protocol bytes, which verbs there are (async_client.hpp).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/asio.hpp>
#include <memcxx/client.hpp>
#include <memcxx/command.hpp>
#include <memcxx/operation.hpp>
#include <memcxx/options.hpp>

namespace memcxx {

// What an asynchronous client may have under way, beside options.
struct async_options {
  std::size_t connections = 1;  // to each server; all callers share them
  // Requests, and bytes of keys and values, that wait or are in flight. A call that brings one more
  // ends at once with errc::overloaded, unless nothing else is under way.
  std::size_t max_requests = 100'000;
  std::size_t max_bytes = std::size_t{256} << 20;
};

namespace detail {

// Memory for calls. What a thread gives back it is given again: at most `most_kept` pieces of a
// size, until it ends.
class call_memory {
 public:
  static constexpr std::size_t most_kept = 64;
  [[nodiscard]] static void* take(std::size_t bytes);
  static void give_back(void* what, std::size_t bytes) noexcept;
};

template <class T>
struct call_allocator {
  using value_type = T;
  call_allocator() = default;
  explicit call_allocator(const std::allocator<void>&) noexcept {}
  template <class U>
  explicit call_allocator(const call_allocator<U>&) noexcept {}
  T* allocate(std::size_t n) {
    if constexpr (is_wide()) return std::allocator<T>().allocate(n);
    return static_cast<T*>(call_memory::take(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept {
    if constexpr (is_wide()) return std::allocator<T>().deallocate(p, n);
    call_memory::give_back(p, n * sizeof(T));
  }
  template <class U>
  bool operator==(const call_allocator<U>&) const noexcept {
    return true;
  }

 private:
  // A handler may be aligned more strictly than pieces are. No constant: T may not be complete yet.
  static constexpr bool is_wide() noexcept { return alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__; }
};

// Where an operation's memory comes from: a handler's allocator, if it has one of its own.
template <class T, class Associated>
struct memory_for {
  using type = typename std::allocator_traits<Associated>::template rebind_alloc<T>;
};
template <class T, class U>
struct memory_for<T, std::allocator<U>> {
  using type = call_allocator<T>;
};

// A call under way. From async_core::start or announce to complete() it belongs to the core.
class async_operation {
 public:
  virtual call& what() noexcept = 0;
  // The servers of the moment, before a call that goes to each of them begins.
  virtual void on_servers(std::span<const std::string>) {}
  // Ends this object and calls the handler, where its executor demands it.
  enum class calling : std::uint8_t {
    posted,      // not before the function that called has returned
    dispatched,  // at once, if that executor allows it
    here,        // the same; this is the client's executor, which may call what belongs to it
  };
  // Throws what the handler throws, if it is called here.
  virtual void complete(calling how, const net::any_io_executor& io) = 0;
  // Ends this object and destroys the handler: it is never called.
  virtual void discard() noexcept = 0;

  bool everywhere = false;          // request i goes to server i
  bool changes_nothing = false;     // it may be given up at any time without a trace
  std::size_t bytes = 0;            // of keys and values
  async_operation* next = nullptr;  // the core's
  static constexpr std::size_t room_for_notes = 592;
  [[nodiscard]] void* notes() noexcept { return notes_.data(); }

 protected:
  async_operation() = default;
  ~async_operation() = default;

 private:
  // What the core has to note of it: one piece of memory for all of a call.
  alignas(std::max_align_t)
      std::array<std::byte, room_for_notes> notes_;  // NOLINT: the core's to write
};

// The engine behind all copies of a client. Threads: safe to share.
class async_core {
 public:
  // Names an operation that was announced for as long as it is under way, and nothing afterwards.
  struct ticket {
    std::uint32_t place = 0;
    std::uint32_t generation = 0;
  };

  static result<std::shared_ptr<async_core>> make(options o, const async_options& a,
                                                  net::any_io_executor executor);
  virtual ~async_core() = default;

  // The timeout of a client that was moved from: its calls are refused.
  static constexpr std::chrono::milliseconds moved_from{0};
  // Runs it. complete() comes from a thread of the executor, or posted from this one.
  virtual void start(async_operation& op, std::chrono::milliseconds timeout) noexcept = 0;
  // The same in two steps, for what may be cancelled.
  virtual ticket announce(async_operation& op) = 0;
  virtual void start(ticket t, std::chrono::milliseconds timeout) noexcept = 0;
  // Ends it with errc::cancelled, if it is still under way. `harmless`: only if nothing was sent
  // that may have changed an item.
  virtual void cancel(ticket t, bool harmless) = 0;
  // Takes no more calls, and tells when the last is over. `done` must do no more than post.
  virtual void drain(std::move_only_function<void()> done) = 0;
  // Takes no more calls, and cancels those under way.
  virtual void stop() noexcept = 0;

  [[nodiscard]] virtual const net::any_io_executor& executor() const noexcept = 0;
  // The same servers as a blocking client would see them, for what needs no waiting.
  [[nodiscard]] virtual client& servers() noexcept = 0;
};

// A command with its key and value copied in, so that it may outlive the caller's.
template <class Command>
class owned {
 public:
  explicit owned(Command&& c) : command_(std::move(c)) {
    if (bytes() > near_.size()) far_ = std::make_unique_for_overwrite<char[]>(bytes());
    char* at = far_ ? far_.get() : near_.data();
    for_each(command_, [&at](std::string_view& view) {
      if (view.empty()) return;
      std::memcpy(at, view.data(), view.size());
      at += view.size();
    });
  }
  // The command, whose views are good for as long as this object stays where it is.
  const Command& settle() noexcept {
    const char* at = far_ ? far_.get() : near_.data();
    for_each(command_, [&at](std::string_view& view) {
      view = {at, view.size()};
      at += view.size();
    });
    return command_;
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t n = 0;
    for_each(command_, [&n](const std::string_view& view) { n += view.size(); });
    return n;
  }
  [[nodiscard]] bool changes_nothing() const noexcept {
    if constexpr (std::is_same_v<Command, commands::get> ||
                  std::is_same_v<Command, commands::get_into>) {
      return !command_.options.vivify && !command_.options.recache;
    } else if constexpr (std::derived_from<Command, commands::read_value>) {
      return !command_.ttl && !command_.options.vivify && !command_.options.recache;
    } else {
      return std::is_same_v<Command, commands::debug> ||
             std::is_same_v<Command, commands::version> || std::is_same_v<Command, commands::ping>;
    }
  }

 private:
  // What it refers to.
  static void for_each(auto& command, const auto& f) {
    if constexpr (requires { command.key; }) f(command.key);
    if constexpr (requires { command.group; }) f(command.group);
    if constexpr (requires { command.value; }) f(command.value);
  }

  Command command_;
  std::array<char, 64> near_;  // NOLINT: what is not written is not read
  std::unique_ptr<char[]> far_;
};

// --- jobs: what an operation runs, and what it answers
// -------------------------------------------- A job stays where it is made. `what()` is its call;
// `take()` what the handler gets.

template <class Command>
class single_job {
 public:
  explicit single_job(owned<Command>&& c) : command_(std::move(c)), call_(command_.settle()) {}
  [[nodiscard]] call& what() noexcept { return call_; }
  auto take() noexcept -> result<typename Command::reply> { return call_.take(); }
  [[nodiscard]] bool changes_nothing() const noexcept { return command_.changes_nothing(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return command_.bytes(); }

 private:
  owned<Command> command_;
  single_call<Command> call_;
};

// A call with all of its bytes: items_call, values_call, outcomes_call.
template <class Call>
class call_job {
 public:
  call_job(std::unique_ptr<Call> c, std::size_t bytes, bool reads) noexcept
      : call_(std::move(c)), bytes_(bytes), reads_(reads) {}
  [[nodiscard]] call& what() noexcept {
    if constexpr (std::derived_from<Call, call>) {
      return *call_;
    } else {
      return call_->what();
    }
  }
  auto take() { return call_->take(); }
  [[nodiscard]] bool changes_nothing() const noexcept { return reads_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::unique_ptr<Call> call_;
  std::size_t bytes_;
  bool reads_;
};

// One command for every server.
template <class Command>
class everywhere_job {
 public:
  explicit everywhere_job(owned<Command>&& c) : command_(std::move(c)) { command_.settle(); }
  [[nodiscard]] call& what() noexcept { return *call_; }
  void on_servers(std::span<const std::string> names) {
    names_.assign(names.begin(), names.end());
    replies_.reserve(names.size());
    call_.emplace(std::vector<Command>(names.size(), command_.settle()));
  }
  std::vector<server_reply<typename Command::reply>> take() noexcept {
    for (std::size_t i = 0; call_ && i < names_.size(); ++i) {
      replies_.push_back({std::move(names_[i]), std::move(call_->outcome(i))});
    }
    return std::move(replies_);
  }
  [[nodiscard]] bool changes_nothing() const noexcept { return command_.changes_nothing(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return command_.bytes(); }

 private:
  owned<Command> command_;
  std::vector<std::string> names_;
  std::vector<server_reply<typename Command::reply>> replies_;  // with room for all
  std::optional<many_call<Command>> call_;
};

// --- operations
// ------------------------------------------------------------------------------------

// A handler with its argument, to be called where its executor says.
template <class Handler, class Reply>
struct completion {
  Handler handler;
  Reply reply;
  net::any_io_executor io;

  using executor_type = net::associated_executor_t<Handler, net::any_io_executor>;
  using allocator_type = net::associated_allocator_t<Handler>;
  executor_type get_executor() const noexcept { return net::get_associated_executor(handler, io); }
  allocator_type get_allocator() const noexcept { return net::get_associated_allocator(handler); }

  void operator()() {
    net::get_associated_cancellation_slot(handler).clear();
    std::move(handler)(std::move(reply));
  }
};

// Keeps the context of a handler's executor busy, if that is another than the client's: whose
// timer is set while a call is under way.
template <class Handler>
class work_elsewhere {
  using executor = net::associated_executor_t<Handler, net::any_io_executor>;
  template <class Default>
  static constexpr bool defaults_to =
      std::is_same_v<net::associated_executor_t<Handler, Default>, Default>;
  // It has no executor of its own.
  static constexpr bool is_here =
      defaults_to<net::system_executor> && defaults_to<net::io_context::executor_type>;

  // As net::executor_work_guard, which has two executors.
  struct any_work {
    explicit any_work(const net::any_io_executor& e)
        : busy(net::prefer(e, net::execution::outstanding_work.tracked)) {}
    net::any_io_executor busy;
  };
  struct none {
    static constexpr bool has_value() noexcept { return false; }
  };
  static constexpr bool is_any = std::is_same_v<executor, net::any_io_executor>;
  using work =
      std::conditional_t<is_any, any_work,
                         std::conditional_t<is_here, none, net::executor_work_guard<executor>>>;

 public:
  work_elsewhere(const Handler& handler, const net::any_io_executor& io) {
    if (!io) throw net::execution::bad_executor();  // the context has ended
    if constexpr (!is_here) {
      const executor& at = net::get_associated_executor(handler, io);
      if constexpr (is_any) {
        if (at == io) return;
      }
      work_.emplace(at);
    }
  }
  [[nodiscard]] bool has_any() const noexcept { return work_.has_value(); }

 private:
  [[no_unique_address]] std::conditional_t<is_here, none, std::optional<work>> work_;
};

template <class Job, class Handler>
class operation_of final : public async_operation {
  using allocator = memory_for<operation_of, net::associated_allocator_t<Handler>>::type;
  using traits = std::allocator_traits<allocator>;
  using reply = std::decay_t<decltype(std::declval<Job&>().take())>;

 public:
  template <class Given, class... Args>
  static operation_of& make(Given&& handler, const net::any_io_executor& io, Args&&... args) {
    allocator a(net::get_associated_allocator(handler));
    operation_of* const at = traits::allocate(a, 1);
    try {
      return *std::construct_at(at, passkey{}, std::forward<Given>(handler), io,
                                std::forward<Args>(args)...);
    } catch (...) {
      traits::deallocate(a, at, 1);
      throw;
    }
  }

  struct passkey {};
  template <class Given, class... Args>
  operation_of(passkey, Given&& handler, const net::any_io_executor& io, Args&&... args)
      : job_(std::forward<Args>(args)...),
        handler_(std::forward<Given>(handler)),
        work_(handler_, io) {
    changes_nothing = job_.changes_nothing();
    bytes = job_.bytes();
    everywhere = requires(Job& j) { j.on_servers({}); };
  }

  call& what() noexcept override { return job_.what(); }
  void on_servers(std::span<const std::string> names) override {
    if constexpr (requires { job_.on_servers(names); }) job_.on_servers(names);
  }

  void complete(calling how, const net::any_io_executor& io) override {
    // The handler's executor has work until the handler has been given to it.
    const auto work = std::move(work_);
    Handler handler = std::move(handler_);
    // After an exception nobody would ever call the handler. Jobs have memory for their replies.
    reply answer = [&]() noexcept -> reply { return job_.take(); }();
    allocator a(net::get_associated_allocator(handler));
    std::destroy_at(this);
    traits::deallocate(a, this, 1);
    if (how == calling::here && !work.has_any()) {
      net::get_associated_cancellation_slot(handler).clear();
      std::move(handler)(std::move(answer));
      return;
    }
    give_to_executor(how, {std::move(handler), std::move(answer), io});
  }

  void discard() noexcept override {
    [[maybe_unused]] const auto work = std::move(work_);
    const Handler gone = std::move(handler_);  // may own the client, and this one's memory
    allocator a(net::get_associated_allocator(gone));
    std::destroy_at(this);
    traits::deallocate(a, this, 1);
  }

 private:
  static void give_to_executor(calling how, completion<Handler, reply>&& done) {
    if (how == calling::posted) {
      [&]() noexcept { net::post(std::move(done)); }();
    } else {
      net::dispatch(std::move(done));  // a strand lets through what a handler throws
    }
  }

  Job job_;
  Handler handler_;
  work_elsewhere<Handler> work_;
};

// Lets the slot, if it is connected, cancel an operation.
template <class Slot>
void cancel_by(Slot slot, const std::shared_ptr<async_core>& core, async_core::ticket t) {
  if (!slot.is_connected()) return;
  slot.assign([core, t](net::cancellation_type type) {
    const auto strong = net::cancellation_type::terminal | net::cancellation_type::partial;
    if (type != net::cancellation_type::none) {
      core->cancel(t, (type & strong) == net::cancellation_type::none);
    }
  });
}

// What async_initiate is given: makes the operation and starts it.
template <class Job>
struct initiation {
  std::shared_ptr<async_core> core;
  std::chrono::milliseconds timeout;

  using executor_type = net::any_io_executor;
  [[nodiscard]] executor_type get_executor() const noexcept { return core->executor(); }

  template <class Handler, class... Args>
  void operator()(Handler&& handler, Args&&... args) const {
    using op = operation_of<Job, std::decay_t<Handler>>;
    auto slot = net::get_associated_cancellation_slot(handler);
    op& made =
        op::make(std::forward<Handler>(handler), core->executor(), std::forward<Args>(args)...);
    if (!slot.is_connected()) return core->start(made, timeout);
    async_core::ticket t;
    try {
      t = core->announce(made);
    } catch (...) {
      made.discard();
      throw;
    }
    // From here on the handler is called, whatever happens.
    try {
      cancel_by(slot, core, t);
    } catch (...) {  // no memory for it
      return core->cancel(t, false);
    }
    core->start(t, timeout);
  }
};

}  // namespace detail
}  // namespace memcxx
