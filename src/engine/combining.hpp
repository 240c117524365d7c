// Calls of many threads that travel together: over one connection to a server, which one of the
// threads serves for all of them while the others sleep.
// Never here: encoding, parsing, retry rules; which calls may travel so (blocking.cpp).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/chain.hpp"
#include "engine/crowd.hpp"
#include "engine/link.hpp"
#include "engine/server.hpp"
#include "routing/exchange.hpp"

namespace memcxx::engine {

// A call joins the queue. Where nobody leads, its thread does: it takes a connection, submits all
// that is queued, sends it at once, waits, reads, wakes those whose answers have come, and takes
// along what was queued meanwhile. When its own call is over it hands connection and queue to
// another that waits. So nobody serves for longer than its own call takes.
//
// What the leader does to another thread's call is: submit what is prepared, give a place to a long
// value, abandon it, tell it that the connection was lost. An answer is kept for the thread whose
// call it is, which delivers it to its leg itself: decoding, and code of users, runs where it was
// asked for.
//
// The leader also keeps the deadlines of those whose requests it has, so that they sleep without a
// timer. What is still queued watches its own, unless the leader looks sooner.
//
// Behind a reply that its caller gave up on nobody boards. It is likely to be only late; but if it
// does not come within a moment, those who would board go alone.
//
// Threads: safe to share. The lock is for the queue, and never held over a system call.
class combining {
 public:
  explicit combining(server& s);
  combining(const combining&) = delete;
  combining& operator=(const combining&) = delete;

  // A call without a connection of its own, which may open one or not even that: is it better off
  // with others?
  [[nodiscard]] bool attracts(bool may_open, clock::time_point now);

  enum class outcome : std::uint8_t {
    over,   // every request has its outcome
    alone,  // nothing was sent: it goes the ordinary way
    again,  // what was lost goes over a fresh connection
  };
  // Only for a leg that is_lone().
  outcome run(routing::leg& l, std::chrono::milliseconds timeout, clock::time_point now,
              clock::time_point deadline, std::vector<server::event>& events);

  // The server's, over a fork.
  void before_fork() noexcept { lock_.lock(); }
  void after_fork() noexcept { lock_.unlock(); }
  void in_child() noexcept;

 private:
  struct rider;
  class leadership;

  bool sleep(rider& me, bool timed);
  static outcome conclude(rider& me, server& s, std::vector<server::event>& events);

  // --- by the leader
  void lead(rider& me, std::vector<server::event>& events) noexcept;
  void serve(rider& me, std::vector<server::event>& events);
  bool find_link(rider& me);
  void take_queue() noexcept;
  void send(clock::time_point now);
  [[nodiscard]] bool may_board() const noexcept { return !makes_way_ && !doubted_; }
  clock::time_point wait_and_read();
  [[nodiscard]] clock::time_point silent_at() const noexcept;
  void evict(clock::time_point now);
  void turn_away(clock::time_point now) noexcept;
  void let_go(std::unique_ptr<link> l, bool owes, clock::time_point now) noexcept;
  void lose(const rider& me, clock::time_point now, std::vector<server::event>& events) noexcept;
  void break_off(rider& me, std::vector<server::event>& events) noexcept;
  void hand_over(rider& me) noexcept;
  void note_progress(clock::time_point now) noexcept {
    got_on_ = heard_ = now;
    replies_ = link_->wire.replies();
    doubted_ = doubted_ && link_->wire.abandoned() != 0;
    late_at_ = now + lateness;
  }

  // Who sleeps in a seat is woken with its bit of the seat's bell: many by one system call. Two
  // with the same seat wake together, and one of them sleeps on.
  static constexpr std::uint32_t seats_per_bell = 32;
  static constexpr std::uint32_t bell_count = 8;
  using bits = std::array<std::uint32_t, bell_count>;
  bits release_settled(const rider& me) noexcept;
  void ring(const bits& who) noexcept;

  // How long a leader waits for one of a crowd's connections before it opens another.
  static constexpr std::chrono::milliseconds moment{1};
  // How long those who would board wait for a reply that its caller gave up on, and how often a
  // leader looks who else would.
  static constexpr std::chrono::milliseconds lateness{10};

  server& server_;
  crowd crowd_;
  std::array<std::atomic<std::uint32_t>, bell_count> bells_{};
  // The leader has no connection: who gives up in the queue then says nothing about the server.
  std::atomic<bool> seeks_ = false;

  std::mutex lock_;
  rider* leader_ = nullptr;
  chain<rider> queue_;
  std::uint32_t next_seat_ = 0;
  // Until then at the latest the leader looks at deadlines, and at the queue.
  clock::time_point looks_until_{};

  // The leader's own; handed on under the lock.
  std::unique_ptr<link> link_;
  chain<rider> boarding_;         // taken from the queue, not submitted
  chain<rider> riding_;           // submitted
  chain<rider> settled_;          // to be woken
  rider* submitting_ = nullptr;   // whose leg is being filled
  clock::time_point earliest_{};  // no deadline of those that board or ride is before it
  clock::time_point got_on_{};    // when a reply was completed, or the connection was last idle
  clock::time_point heard_{};     // when something came
  std::uint64_t replies_ = 0;     // of the connection, so far
  bool used_ = false;             // something went over it
  bool makes_way_ = false;        // nothing more does, because others wait for it
  bool first_ = false;            // what was sent last was alone on its way
  bool doubted_ = false;          // a reply is owed to somebody who has left
  clock::time_point late_at_{};   // when it is more than late
  link* left_in_fork_ = nullptr;  // the parent's, in use by one of its threads
};

}  // namespace memcxx::engine
