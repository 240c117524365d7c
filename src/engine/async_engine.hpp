// The asynchronous engine: calls of all callers over a few shared connections to each server, on an
// Asio executor. It waits, and decides nothing: what is sent again or elsewhere is the exchange's
// business, what a reply belongs to the connection's.
// Never here: encoding, parsing, retry rules, a thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <memcxx/async_operation.hpp>

#include "engine/async_clock.hpp"
#include "engine/chain.hpp"
#include "engine/fork_guard.hpp"
#include "engine/server.hpp"
#include "routing/exchange.hpp"

namespace memcxx::engine {

class async_channel;
struct async_record;

// A leg on its way over a channel; or a lone request, for as long as nothing happens to it that a
// leg would have to decide about. The connection delivers to it, and it to the leg or the call.
struct async_rider final : protocol::response_handler, chained<async_rider> {
  routing::leg* leg = nullptr;  // none yet: a lone request
  async_record* of = nullptr;
  async_channel* on = nullptr;
  bool sent = false;     // something of it was submitted
  bool settled = false;  // every request has its outcome; noticed after the delivery
  bool fresh = false;    // it has waited for its connection to be opened
  bool reused = false;   // a lone one's: see leg::begin

  void begin(async_record& r, routing::leg* l) noexcept;
  // No connection can be had, or the time is up: what has no outcome yet fails with this.
  void give_up(errc code, std::string_view why) noexcept;
  [[nodiscard]] bool heard() const noexcept { return leg == nullptr || leg->heard(); }

  std::span<char> on_value(std::uint32_t tag, const protocol::response& head,
                           std::size_t size) noexcept override;
  void on_response(std::uint32_t tag, const protocol::response& r) noexcept override;
};

// The servers of a moment, kept alive by `keep`.
struct server_set {
  const routing::topology* map = nullptr;
  std::span<const std::shared_ptr<server>> servers;
  std::shared_ptr<const void> keep;
};

// The same, as calls share them.
struct servers_in_use {
  server_set set;
  std::size_t calls = 0;  // that run on them
  // By server, once it was asked for: its channel, if there is one to each.
  std::vector<async_channel*> channels;
};

// A call under way, in its operation's memory.
struct async_record : chained<async_record> {
  explicit async_record(detail::async_operation& o) noexcept
      : op(o), what(o.everywhere ? nullptr : &o.what()) {}

  detail::async_operation& op;
  call* what;  // op's, once it knows its servers
  servers_in_use* on = nullptr;
  clock::time_point began{};  // or shortly before
  clock::time_point deadline{};
  std::chrono::milliseconds timeout{};
  std::size_t requests = 0;  // what it counts for in max_requests
  std::size_t riding = 0;    // legs without an outcome, and one while they are launched
  unsigned step = 0;
  std::uint32_t seat = none;      // of its ticket
  bool begun = false;             // it is counted, and has a deadline
  bool ended = false;             // cancelled: no more rounds, no more steps
  bool sent = false;              // something of it, whatever its riders now do
  async_rider one;                // the rider of the common call
  std::vector<async_rider> many;  // of others; as long as the exchange's legs
  // One request to one server that nothing is held against: what most calls ask for.
  struct lone_request {
    protocol::request what;
    std::uint32_t server = 0;
  };
  std::variant<std::monostate, lone_request, routing::exchange> asks;

  static constexpr std::uint32_t none = UINT32_MAX;
  [[nodiscard]] lone_request* lone() noexcept { return std::get_if<lone_request>(&asks); }
  [[nodiscard]] routing::exchange* exchange() noexcept {
    return std::get_if<routing::exchange>(&asks);
  }
  // Makes an exchange of a lone request. Its leg knows it as sent.
  routing::leg& make_leg() noexcept;
  [[nodiscard]] std::span<async_rider> riders() noexcept {
    return many.empty() ? std::span<async_rider>(&one, 1) : std::span<async_rider>(many);
  }
};

// Threads: safe to share; one lock for all there is.
class async_engine : public detail::async_core,
                     public std::enable_shared_from_this<async_engine>,
                     private fork_guarded {
 public:
  async_engine(const options& o, const value_codec& values, const async_options& a,
               net::any_io_executor executor);
  ~async_engine() override;

  // To be called once, by whoever made it: from now on it ends with its executor's context.
  void attach();
  // The context ends: handlers of calls under way are destroyed, and nothing is kept that is of the
  // context.
  void context_ends() noexcept;

  void start(detail::async_operation& op, std::chrono::milliseconds timeout) noexcept override;
  ticket announce(detail::async_operation& op) override;
  void start(ticket t, std::chrono::milliseconds timeout) noexcept override;
  void cancel(ticket t, bool harmless) override;
  void drain(std::move_only_function<void()> done) override;
  void stop() noexcept override;
  [[nodiscard]] const net::any_io_executor& executor() const noexcept override { return executor_; }

 protected:
  [[nodiscard]] virtual server_set servers_now() const = 0;
  // Its `keep`, to be compared: without a lock.
  [[nodiscard]] virtual const void* newest_servers() const noexcept = 0;
  // What was found out about servers, outside every lock.
  virtual void tell(const std::vector<server::event>& events) = 0;

 private:
  friend class async_channel;
  friend struct async_rider;

  class ended_calls;
  class thrown_by_handlers;
  // One entry into the engine: holds the lock, and at its end lets go of it and calls handlers and
  // callbacks.
  class turn {
   public:
    enum class kind : std::uint8_t {
      called,   // by a user, inside whose function no handler and no callback may run
      awaited,  // by Asio: what ends may run at once
      last,     // by the context's end: nothing runs any more
    };
    turn(async_engine& e, kind k) : engine_(e), hold_(e.lock_), kind_(k) {}
    // Most turns of users end nothing, and have nothing to do without the lock.
    ~turn() noexcept(false) {
      if (first_ != nullptr || later_) end();
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    void complete(detail::async_operation& op) noexcept {
      op.next = nullptr;
      ++ended_;
      (last_ != nullptr ? last_->next : first_) = &op;
      last_ = &op;
    }
    // The callers that are answered in this turn are likely to ask for more over this channel: all
    // of that goes out in one write.
    void expect_more(async_channel& c) noexcept { expecting_ = &c; }

    [[nodiscard]] clock::time_point now() noexcept {
      if (now_ == clock::time_point()) now_ = clock::now();
      return now_;
    }
    // To be told after the turn.
    [[nodiscard]] std::vector<server::event>& events() noexcept { return later().events; }
    void call_later(std::vector<std::move_only_function<void()>> all) noexcept;
    // What is let go of may be the last of a server, which takes locks when it ends.
    void end_later(std::shared_ptr<const void> what) noexcept;

   private:
    // What few turns have.
    struct after {
      std::vector<server::event> events;
      std::vector<std::move_only_function<void()>> drained;
      std::vector<std::shared_ptr<const void>> gone;
    };
    after& later() noexcept { return later_ ? *later_ : later_.emplace(); }
    void end();
    void call_all(const std::shared_ptr<async_engine>& engine);
    void tell(const std::shared_ptr<async_engine>& engine) const;

    async_engine& engine_;
    std::unique_lock<std::mutex> hold_;
    const kind kind_;
    clock::time_point now_{};
    detail::async_operation* first_ = nullptr;
    detail::async_operation* last_ = nullptr;
    std::size_t ended_ = 0;
    async_channel* expecting_ = nullptr;
    std::optional<after> later_;
  };

  async_record* find(ticket t) noexcept;
  async_channel& channel_to(const std::shared_ptr<server>& s);
  void run(turn& t, async_record& r, std::chrono::milliseconds timeout) noexcept;
  void set_deadline(turn& t, async_record& r, std::chrono::milliseconds timeout) noexcept;
  bool begin(turn& t, async_record& r);
  void prepare_step(async_record& r);
  bool is_lone(async_record& r) const noexcept;
  void prepare_exchange(async_record& r) const;
  static void make_riders(async_record& r);
  bool launch(turn& t, async_record& r) noexcept;
  bool launch_lone(turn& t, async_record& r) noexcept;
  bool next(turn& t, async_record& r);
  void go_on(turn& t, async_record& r) noexcept;
  void leg_is_done(turn& t, async_rider& r) noexcept {
    if (--r.of->riding == 0) go_on(t, *r.of);
  }
  void give_up(turn& t, async_record& r, errc code, std::string_view why) noexcept;
  void answer_all(async_record& r, errc code, std::string_view why) noexcept;
  void finish(turn& t, async_record& r) noexcept;
  void leave_servers(turn& t, const servers_in_use& s) noexcept;
  static bool admits(turn& t, async_record& r, server& s);
  async_channel& channel_of(async_record& r, std::uint32_t server);
  async_channel& channel_for_probe(async_record& r, std::uint32_t server);
  void unlearn(const async_channel& gone) noexcept;
  void arm(turn& t, clock::time_point when) {
    if (!armed_ || *armed_ > when) set_timer(t, when);
  }
  void set_timer(turn& t, clock::time_point when);
  void on_timer(bool in_time);
  // Nobody may be waiting any more for what the connection owes: it is closed once it is silent
  // (see silent_at).
  void doubt(turn& t, async_channel& c);
  void use_newest(turn& t);
  void forget(turn& t, async_channel& c) noexcept;
  void end(turn& t) noexcept;
  void shut(turn& t) noexcept;

  void before_fork() noexcept override { lock_.lock(); }
  void after_fork() noexcept override { lock_.unlock(); }
  void in_child() noexcept override;

  const options& options_;
  const value_codec& values_;
  const async_options limits_;
  const bool plain_;  // each request goes to one server, whatever it answers
  net::any_io_executor executor_;
  // How a turn that Asio began calls handlers: it runs where the executor says.
  const detail::async_operation::calling calling_;

  std::mutex lock_;
  bool stopped_ = false;
  bool draining_ = false;
  bool forked_ = false;
  std::vector<std::move_only_function<void()>> when_drained_;
  // Of calls that were announced: whose ticket is good.
  struct seat {
    async_record* taken_by = nullptr;
    std::uint32_t generation = 0;
  };
  std::vector<seat> seats_;
  std::vector<std::uint32_t> free_seats_;  // with room for all
  std::size_t under_way_ = 0;
  std::size_t requests_ = 0;
  std::size_t bytes_ = 0;
  chain<async_channel> doubted_;  // while it is not empty, the timer is armed
  std::map<const server*, std::vector<std::shared_ptr<async_channel>>> channels_;
  std::list<servers_in_use> servers_;  // the newest last, which channels_ was last tidied for
  servers_in_use* newest_ = nullptr;
  // By timeout: calls in the order of their deadlines.
  using deadlines = chain<async_record>;
  std::map<std::chrono::milliseconds, deadlines> deadlines_;
  std::pair<std::chrono::milliseconds, deadlines*> usual_{};  // where the last one was put
  deadlines late_;
  async_clock clock_;                       // for calls that begin
  std::optional<net::steady_timer> timer_;  // until the context ends
  std::optional<clock::time_point> armed_;
  fork_registration registration_{*this, fork_rank::engine};  // the last member
};

}  // namespace memcxx::engine
