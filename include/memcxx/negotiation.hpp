// How the connections to one server find out what it speaks, with protocol_choice::automatic: what
// each new one asks, what its end at the question means, and how long that is remembered.
// Never here: sockets, waiting, bytes on the wire.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include <memcxx/connection.hpp>

namespace memcxx {

// What is remembered of one server: that it closes connections which ask for meta, or answers meta
// commands with ERROR. It is never remembered for long: the next connection after that time asks
// again, first after a second, then after twice as long, up to a minute.
// Threads: safe to share.
class protocol_memory {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  // Connections are taken for classic, without being asked. One that was (negotiation::guessed) is
  // not used any more once this says no.
  [[nodiscard]] bool takes_for_classic(time_point now) const noexcept {
    return now.time_since_epoch().count() < until_.load(std::memory_order_relaxed);
  }
  // It closed at the question, and answers classic commands; or a connection failed with
  // retry_as_classic() after the handshake.
  void refused_meta(time_point now) noexcept;
  // It closed at the question and answers classic commands, and nobody could ask it once more: it
  // is asked again in a second, and nothing is concluded from it.
  void left_open(time_point now) noexcept;
  // It was asked, and has answered.
  void answered() noexcept;
  // What refused_meta() told was so before, and nothing else was heard since.
  [[nodiscard]] bool is_confirmed() const noexcept {
    return wait_.load(std::memory_order_relaxed) != 0;
  }

 private:
  using rep = std::chrono::steady_clock::rep;
  std::atomic<rep> until_ = 0;
  std::atomic<rep> wait_ = 0;
};

// One attempt to open a connection, which may take several: a server that closes at the question
// for meta is asked in classic; when it answers that, it is asked for meta once more, since it may
// just have been restarted, or its balancer may have had nobody behind it. Only a server that
// answers classic, and closes at meta each time, is taken for classic.
// Threads: none of its own; one at a time.
class negotiation {
 public:
  using time_point = protocol_memory::time_point;

  // `m` is the server's, and outlives this.
  explicit negotiation(protocol_memory& m) noexcept : memory_(m) {}

  // Sets what the next connection asks. Before each one that the attempt opens.
  void prepare(connection_options& o, time_point now) noexcept;

  enum class step : std::uint8_t {
    use,           // it is ready
    keep_and_ask,  // it is ready; keep it, and open another, which asks
    use_kept,      // close it, and use the one that was kept
    again,         // close it, and open another to the same address
    give_up,       // the attempt has failed, for the connection's reason
  };
  // The connection is ready(), or has failed().
  [[nodiscard]] step next(const connection& c, time_point now) noexcept;
  // The connection that was to ask could not be opened: whether there is one that was kept.
  [[nodiscard]] bool use_kept(time_point now) noexcept;

  // The connection to be used was taken for classic: see protocol_memory::takes_for_classic.
  [[nodiscard]] bool guessed() const noexcept { return guessed_; }
  // What to add to the reason of give_up; mostly nothing. Static storage.
  [[nodiscard]] std::string_view advice() const noexcept;

 private:
  enum class stage : std::uint8_t { new_, asks, proves, asks_again, trusts };
  protocol_memory& memory_;
  stage stage_ = stage::new_;
  bool guessed_ = false;
  bool closes_ = false;  // whatever it is asked, without a word
};

}  // namespace memcxx
