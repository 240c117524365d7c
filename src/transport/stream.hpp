// A connected byte stream: one socket, TCP or unix. Reads and writes never raise a signal.
// Never here: what memcached is, waiting for more than one stream, deadlines.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include "transport/endpoint.hpp"

namespace memcxx::transport {

// What became of a read or a write.
struct transfer {
  std::size_t bytes = 0;
  bool again = false;  // nothing now: wait (or, for a blocking read, the time-out passed)
  bool ended = false;  // the peer closed its side (reads only)
  int error = 0;       // errno, when neither
};

// The socket blocks, so that a read may wait in the kernel with a time-out and no further call;
// everything that must not wait says so. Threads: not safe to share. Move-only; closes in the
// destructor, without a word to the peer beyond what the kernel says.
class stream {
 public:
  stream() = default;
  ~stream() { close(); }
  stream(stream&& other) noexcept;
  stream& operator=(stream&& other) noexcept;

  // Begins to connect without waiting. Returns 0, or errno; `connected` tells whether it is done.
  int start(const endpoint& to, bool keepalive, bool& connected) noexcept;
  // After the descriptor became writable: 0 when connected, else errno.
  int finish() noexcept;

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int descriptor() const noexcept { return fd_; }

  // Writes what the socket takes, without waiting.
  transfer write(std::span<const std::span<const char>> pieces) noexcept;
  transfer write(std::span<const char> bytes) noexcept;
  // Reads what is there, without waiting.
  transfer read(std::span<const std::span<char>> pieces) noexcept;
  // Waits for at least one byte, at most as long as set_read_timeout said.
  transfer read_waiting(std::span<const std::span<char>> pieces) noexcept;
  // The kernel's time-out for read_waiting; a call only when it changes.
  void set_read_timeout(std::chrono::milliseconds timeout) noexcept;
  [[nodiscard]] std::chrono::milliseconds read_timeout() const noexcept { return timeout_; }

  enum class idle_state { quiet, has_bytes, dead };
  // How a connection is that nobody used for a while, without waiting or consuming anything.
  [[nodiscard]] idle_state look() noexcept;

  void close() noexcept;

 private:
  transfer read_with(std::span<const std::span<char>> pieces, int flags) noexcept;

  int fd_ = -1;
  bool is_tcp_ = false;
  std::chrono::milliseconds timeout_{0};
};

}  // namespace memcxx::transport
