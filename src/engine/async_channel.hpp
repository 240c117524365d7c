// One shared connection to a server: who waits for it, who rides on it, and the readiness it waits
// for. All of it under the engine's lock.
// Never here: what a call does next (async_engine), bytes on the wire.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include <memcxx/asio.hpp>

#include "engine/async_engine.hpp"
#include "engine/chain.hpp"
#include "engine/dial.hpp"
#include "engine/link.hpp"
#include "engine/server.hpp"

namespace memcxx::engine {

// What throws nothing ends the connection, and the calls on it, when there is no memory.
class async_channel final : public std::enable_shared_from_this<async_channel>,
                            public chained<async_channel> {
 public:
  using turn = async_engine::turn;

  async_channel(async_engine& e, std::shared_ptr<server> s);
  ~async_channel();
  async_channel(const async_channel&) = delete;
  async_channel& operator=(const async_channel&) = delete;

  [[nodiscard]] const server& to() const noexcept { return *server_; }
  // Somebody waits for it, or rides on it.
  [[nodiscard]] bool in_use() const noexcept { return !waiting_.empty() || !riding_.empty(); }
  // Replies are owed, be it to those who have left.
  [[nodiscard]] bool owes() const noexcept {
    return link_ != nullptr && link_->wire.in_flight() != 0;
  }
  // What whoever boards has before it: who waits and rides, and what is owed to those who left.
  // In the middle of a long reply it is more than anything.
  [[nodiscard]] std::size_t load() const noexcept {
    const std::size_t left = link_ != nullptr ? link_->wire.abandoned() : 0;
    return waiting_.size() + riding_.size() + left + (in_long_reply_ ? SIZE_MAX / 2 : 0);
  }

  // A leg for this server, to be submitted when there is room. Call pump() then.
  void board(async_rider& r) noexcept {
    r.on = this;
    r.fresh = link_ == nullptr;
    waiting_.push_back(r);
  }
  // Does what can be done without waiting: dial, submit, and send at once or with what follows.
  void pump(turn& t) noexcept;
  // The rider leaves before its end; each of its requests gets this outcome.
  void leave(turn& t, async_rider& r, errc code, std::string_view why) noexcept;
  // It leaves because it ran out of time.
  void note_late(turn& t, const async_rider& r, std::string_view why) noexcept;
  // The engine doubts it: closes the connection if it is no longer of use. False when there is
  // nothing to doubt any more.
  bool suspect(turn& t) noexcept;
  // When that will be: once it has completed no reply for options::timeout. While somebody waits
  // for the reply whose turn it is, bytes that come are enough.
  [[nodiscard]] clock::time_point silent_at() const noexcept;
  // Closes the connection as soon as nobody uses it any more.
  void retire() noexcept { retiring_ = true; }
  // The same, and nobody else boards: there is another channel in its place.
  void replace() noexcept { retiring_ = replaced_ = true; }
  [[nodiscard]] bool is_replaced() const noexcept { return replaced_; }
  void close() noexcept;
  // In a child of a fork. What the reactor watches is closed here, and not there.
  void close_in_child() noexcept;

  void note_settled(async_rider& r) noexcept { settled_.push_back(r); }
  // Something of it is to be asked again. One that waits keeps its place.
  void board_again(async_rider& r) noexcept {
    if (!waiting_.holds(r)) waiting_.push_back(r);
  }

  // The right to post a sending, which then has to be used. With the engine's lock.
  [[nodiscard]] bool claim_sending() noexcept { return !std::exchange(sending_posted_, true); }
  // Uses it, without the lock: what is asked for until this thread is done goes out in one write.
  void send_after_this() noexcept;
  // This thread is done, and may as well be the one that sends.
  void send_posted();

 private:
  void dial_on(turn& t);
  void await_dial();
  void refuse_all(turn& t, const error& why);
  [[nodiscard]] bool is_usable(turn& t) noexcept;
  bool submit(async_rider& r);
  void fill(turn& t);
  void send(turn& t);
  void send_soon();
  void post_sending();
  void read(turn& t);
  void note_answered(turn& t) noexcept;
  void note_progress(turn& t) noexcept;
  void collect(turn& t) noexcept;
  void lost(turn& t);
  void break_off(turn& t) noexcept;
  [[nodiscard]] bool watch(int descriptor) noexcept;
  void unwatch() noexcept;
  void end_link() noexcept;
  void await_reading();
  void await_writing();
  // Runs it; without memory for it, the connection ends.
  template <class What>
  void guarded(turn& t, const What& what) noexcept;
  // Calls `then(channel, turn)` when what is awaited is ready, if the connection is still the same
  // by then.
  template <class Then>
  auto when_ready(Then then);

  async_engine& engine_;
  const std::shared_ptr<server> server_;
  std::unique_ptr<dial> dial_;
  std::unique_ptr<link> link_;
  net::posix::stream_descriptor watched_;  // the link's or the dial's descriptor; not its owner
  int copied_ = -1;                        // or a copy of the lookup's, which others watch, too
  net::steady_timer dial_timer_;
  unsigned epoch_ = 0;  // of the descriptor: what was waited for on an earlier one is void
  bool reading_ = false;
  bool writing_ = false;
  bool sending_posted_ = false;
  bool collecting_ = false;
  bool retiring_ = false;
  bool replaced_ = false;
  bool in_long_reply_ = false;  // what came last was a part of one
  std::uint64_t replies_ = 0;   // of the connection, so far
  clock::time_point got_on_{};  // when one was completed, or when the connection was last idle
  chain<async_rider> waiting_;
  chain<async_rider> riding_;
  chain<async_rider> settled_;
};

}  // namespace memcxx::engine
