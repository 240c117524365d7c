// One server as an engine sees it: its address, its pool of connections, or its driver.
// Never here: which keys it holds, whether it is healthy.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <memcxx/driver.hpp>
#include <memcxx/negotiation.hpp>
#include <memcxx/options.hpp>

#include "engine/fork_guard.hpp"
#include "engine/link.hpp"
#include "routing/health.hpp"
#include "transport/lookup.hpp"

namespace memcxx::engine {

class combining;

// Threads: safe to share.
class server final : private fork_guarded {
 public:
  server(const server_address& address, const options& o);
  ~server();

  [[nodiscard]] const server_address& address() const noexcept { return address_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const options& settings() const noexcept { return options_; }
  // Not null when this server is not on the network.
  [[nodiscard]] const std::shared_ptr<driver>& custom() const noexcept { return driver_; }

  // What a connection to it is made with. Every connection asks the server for its capabilities
  // anew (a name may lead to another server tomorrow, and one without meta would run values as
  // commands), unless negotiation finds that the question ends connections.
  [[nodiscard]] connection_options wire_options() const;
  [[nodiscard]] protocol_memory& memory() noexcept { return memory_; }
  void spoke(protocol_choice p) noexcept { speaks_.store(p, std::memory_order_relaxed); }

  // --- health. What changed is told by events, for the caller to pass on when it holds no lock.
  struct event {
    bool up = false;
    std::string server;
    error why;  // of a server that went down
  };
  // May a call that begins now use the server? If not, why_down() has the words for it.
  [[nodiscard]] bool admit(clock::time_point now);
  [[nodiscard]] std::string why_down(clock::time_point now);
  void answered(std::vector<event>& out);
  // A call that began at `began` got no connection, or no answer.
  void failed(const error& why, clock::time_point began, clock::time_point now,
              std::vector<event>& out);
  // The server was down since the last flush: with flush_on_reconnect its items are not to be
  // trusted.
  [[nodiscard]] bool is_spotless() const noexcept {
    return (mood_.load(std::memory_order_acquire) & held_against) == 0;
  }
  // Who is admitted now is the probe.
  [[nodiscard]] bool is_down() const noexcept {
    return (mood_.load(std::memory_order_acquire) & down) != 0;
  }
  [[nodiscard]] bool needs_flush() const noexcept {
    return options_.flush_on_reconnect && suspect_.load(std::memory_order_relaxed);
  }
  void flushed() noexcept { suspect_.store(false, std::memory_order_relaxed); }

  // What the connection was taken for is to be asked anew.
  [[nodiscard]] bool is_out_of_date(const link& l, clock::time_point now) const noexcept {
    return l.guessed && !memory_.takes_for_classic(now);
  }
  // A connection has failed, and what it says of the server is to be heeded: with `replaced` a
  // fresh one will tell. A call that began at `began` was on it.
  void ended(const connection& wire, bool replaced, clock::time_point began, clock::time_point now,
             std::vector<event>& out);

  // --- the pool. A slot is the right to have one connection.
  struct claim {
    std::unique_ptr<link> idle;  // an open connection
    bool may_open = false;       // or the right to open one
    [[nodiscard]] bool granted() const noexcept { return idle != nullptr || may_open; }
  };
  // Takes what is free now.
  claim try_claim(clock::time_point now);
  // Waits until something is free, at most until the deadline. Opens none while there are `most`.
  // Throws what options::on_interrupt does.
  enum class turn : std::uint8_t { any, after_others };
  claim wait_claim(clock::time_point deadline, std::size_t most = SIZE_MAX, turn t = turn::any);
  // Somebody waits so.
  [[nodiscard]] bool has_waiters() const noexcept { return waiters_.load() != 0; }
  // A slot's new connection has a socket: a child of a fork is to close its descriptor.
  void opened(const link& l);
  // A slot's connection is of no more use; the slot stays with the caller.
  void discard(std::unique_ptr<link> l) noexcept;
  // Gives the slot back, with the connection when it is fit for the next call.
  void give_back(std::unique_ptr<link> l) noexcept;
  void give_back_slot() noexcept;
  void close_idle();
  [[nodiscard]] bool has_idle() noexcept;
  // Connections open or being opened.
  [[nodiscard]] std::size_t slots() noexcept;
  // Closes idle connections, those that were used last excepted, while there are more than this.
  void trim(std::size_t most) noexcept;

  // --- calls that travel together. With a crowd all that may do so; else those that find no
  // connection.
  [[nodiscard]] combining& together() noexcept { return *together_; }
  [[nodiscard]] bool is_crowded() const noexcept {
    return (mood_.load(std::memory_order_relaxed) & crowded) != 0;
  }
  void set_crowded(bool yes) noexcept { set_mood(crowded, yes); }
  // Spotless, and no crowd.
  [[nodiscard]] bool is_calm() const noexcept { return mood_.load(std::memory_order_acquire) == 0; }

  // What the newest connection speaks; automatic before the first.
  [[nodiscard]] protocol_choice speaks() const noexcept {
    return speaks_.load(std::memory_order_relaxed);
  }

  // The lookup of this server's name that is under way, or a new one.
  std::shared_ptr<transport::lookup> resolve();
  // Counts the failures of abandoned requests on a connection that stays in use.
  void note_unclaimed(link& l) noexcept {
    if (const std::uint64_t n = l.take_unclaimed(); n != 0) {
      unclaimed_.fetch_add(n, std::memory_order_relaxed);
    }
  }
  // Failures of requests on this server's connections that nobody waited for.
  [[nodiscard]] std::uint64_t unclaimed() const noexcept {
    return unclaimed_.load(std::memory_order_relaxed);
  }

 private:
  void before_fork() noexcept override;
  void after_fork() noexcept override;
  void in_child() noexcept override;
  void tell(routing::health::change c, const error& why, std::vector<event>& out);
  void retire(link& l) noexcept;
  [[nodiscard]] bool serves(link& l, clock::time_point now) const noexcept {
    // Over an old connection items would be read before they are flushed. And it may be the reason
    // why the server is down, or be dead since, without a word: a probe has one of its own.
    return !needs_flush() && !is_down() && !is_out_of_date(l, now) && l.is_sound(now);
  }
  claim take(clock::time_point now, std::size_t most, std::vector<std::unique_ptr<link>>& dead);
  void note_freed() noexcept;

  const server_address address_;
  const std::string name_;
  const options& options_;
  std::shared_ptr<driver> driver_;
  std::atomic<protocol_choice> speaks_ = protocol_choice::automatic;
  protocol_memory memory_;
  std::atomic<std::uint64_t> unclaimed_ = 0;

  // One connection that is taken and given without the lock.
  class place_for_one {
   public:
    ~place_for_one() { exchange(nullptr); }
    // Puts one there, or nothing, and gives what was there.
    std::unique_ptr<link> exchange(std::unique_ptr<link> l) noexcept {
      return std::unique_ptr<link>(held_.exchange(l.release()));
    }
    [[nodiscard]] bool empty() const noexcept { return held_.load() == nullptr; }

   private:
    std::atomic<link*> held_ = nullptr;
  };
  place_for_one spare_;  // the connection that was given back last
  // Who waits for a connection counts itself here before it looks for one, and who gives one back
  // looks here afterwards: one of the two sees the other.
  std::atomic<std::size_t> waiters_ = 0;

  std::mutex lock_;
  std::condition_variable freed_;
  std::size_t slots_ = 0;                    // connections open or being opened
  std::vector<std::unique_ptr<link>> idle_;  // the rest of those not in use, the last used last
  std::vector<int> open_;                    // descriptors of all, for a child to close
  std::shared_ptr<transport::lookup> lookup_;
  routing::health health_;
  std::string last_failure_;
  // One byte for all: the common case costs one look, and no lock. Who is down has something held
  // against it.
  enum mood : std::uint8_t { held_against = 1, crowded = 2, down = 4 };
  void set_mood(mood which, bool yes) noexcept {
    if (yes) {
      mood_.fetch_or(which, std::memory_order_release);
    } else {
      mood_.fetch_and(static_cast<std::uint8_t>(~which), std::memory_order_release);
    }
  }
  std::atomic<std::uint8_t> mood_ = 0;
  std::atomic<bool> suspect_ = false;
  const std::unique_ptr<combining> together_;
  fork_registration registration_{*this};  // the last member
};

}  // namespace memcxx::engine
