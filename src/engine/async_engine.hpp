// The asynchronous engine: calls of all callers over a few shared connections to each server, on an
// Asio executor. It waits, and decides nothing: what is sent again or elsewhere is the exchange's
// business, what a reply belongs to the connection's.
// Never here: encoding, parsing, retry rules, a thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <memcxx/async_operation.hpp>

#include "engine/chain.hpp"
#include "engine/fork_guard.hpp"
#include "engine/server.hpp"
#include "routing/exchange.hpp"

namespace memcxx::engine {

class async_channel;
struct async_record;

// A leg on its way over a channel. The connection delivers to it, and it to the leg.
struct async_rider final : protocol::response_handler, chained<async_rider> {
  routing::leg* leg = nullptr;
  async_record* of = nullptr;
  async_channel* on = nullptr;
  bool sent = false;     // something of it was submitted
  bool settled = false;  // every request has its outcome; noticed after the delivery
  bool fresh = false;    // it has waited for its connection to be opened

  std::span<char> on_value(std::uint32_t tag, const protocol::response& head,
                           std::size_t size) noexcept override {
    return leg->on_value(tag, head, size);
  }
  void on_response(std::uint32_t tag, const protocol::response& r) noexcept override;
};

// The servers of a moment, kept alive by `keep`.
struct server_set {
  const routing::topology* map = nullptr;
  std::span<const std::shared_ptr<server>> servers;
  std::shared_ptr<const void> keep;
};

// A call under way.
struct async_record : chained<async_record> {
  std::uint32_t place = 0;
  std::uint32_t generation = 0;
  detail::async_operation* op = nullptr;
  server_set on;
  std::optional<routing::exchange> exchange;
  async_rider one;                // the rider of the common call
  std::vector<async_rider> many;  // of others; as long as the exchange's legs
  std::size_t riding = 0;         // legs without an outcome, and one while they are launched
  unsigned step = 0;
  bool ended = false;        // cancelled: no more rounds, no more steps
  std::size_t requests = 0;  // what it counts for in max_requests
  std::chrono::milliseconds timeout{};
  clock::time_point began{};
  clock::time_point deadline{};

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

  ticket announce(detail::async_operation& op) override;
  void start(ticket t, std::chrono::milliseconds timeout) override;
  void cancel(ticket t, bool harmless) override;
  void drain(std::move_only_function<void()> done) override;
  void stop() noexcept override;
  [[nodiscard]] const net::any_io_executor& executor() const noexcept override { return executor_; }

 protected:
  [[nodiscard]] virtual server_set servers_now() const = 0;
  // What was found out about servers, outside every lock.
  virtual void tell(const std::vector<server::event>& events) = 0;

 private:
  friend class async_channel;
  friend struct async_rider;

  // One entry into the engine: holds the lock; at its end lets go of it, calls handlers and
  // callbacks, and then sends what the handlers asked for.
  class turn {
   public:
    turn(async_engine& e, bool posted);
    ~turn() noexcept(false);
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    void complete(detail::async_operation& op) noexcept;
    // Sends the channel's output when the handlers of this turn have run, all in one write.
    void send_later(async_channel& c);

    const clock::time_point now;
    std::vector<server::event> events;

   private:
    std::shared_ptr<async_engine> engine_;
    std::unique_lock<std::mutex> hold_;
    bool posted_;
    detail::async_operation* first_ = nullptr;
    detail::async_operation* last_ = nullptr;
    std::vector<std::shared_ptr<async_channel>> sending_;
  };

  async_record* find(ticket t) noexcept;
  async_channel& channel_to(const std::shared_ptr<server>& s);
  void begin(turn& t, async_record& r);
  void prepare_step(async_record& r);
  bool launch(turn& t, async_record& r);
  bool next(turn& t, async_record& r);
  void go_on(turn& t, async_record& r);
  void leg_is_done(turn& t, async_rider& r);
  void give_up(turn& t, async_record& r, errc code, const std::string& why);
  void answer_all(async_record& r, errc code, std::string_view why) noexcept;
  void finish(turn& t, async_record& r) noexcept;
  void arm();
  void on_timer();
  void use(turn& t, const server_set& now);
  void shut(turn& t);

  void before_fork() noexcept override { lock_.lock(); }
  void after_fork() noexcept override { lock_.unlock(); }
  void in_child() noexcept override {
    forked_ = true;
    lock_.unlock();
  }

  const options& options_;
  const value_codec& values_;
  const async_options limits_;
  const net::any_io_executor executor_;

  std::mutex lock_;
  bool stopped_ = false;
  bool draining_ = false;
  bool forked_ = false;
  std::vector<std::move_only_function<void()>> when_drained_;
  std::deque<async_record> records_;
  std::vector<std::uint32_t> free_records_;
  std::size_t under_way_ = 0;
  std::size_t requests_ = 0;
  std::size_t bytes_ = 0;
  std::map<const server*, std::vector<std::shared_ptr<async_channel>>> channels_;
  std::shared_ptr<const void> used_;  // the servers that channels_ was last tidied for
  std::map<std::chrono::milliseconds, chain<async_record>> deadlines_;
  net::steady_timer timer_;
  std::optional<clock::time_point> armed_;
  fork_registration registration_{*this};  // the last member
};

}  // namespace memcxx::engine
