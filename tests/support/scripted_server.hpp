// A server that does exactly what a test tells it, however wrong.
// Lives here: listening, playing one script for each connection, recording what came.
// Never here: memcached's protocols (wire), anything of the library under test.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace memcxx::test {

class scripted_server;

// One accepted connection, as its script sees it. Every wait ends after ten seconds at the latest;
// a script ends early, without an error, when the client closes or the server is stopped.
// Threads: one, the script's own.
class peer {
 public:
  // Which connection this is: 0 for the server's first.
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  // True until the first byte was read.
  [[nodiscard]] bool untouched() const noexcept { return read_ == 0; }

  std::string read(std::size_t n);
  // Up to and with `end`.
  std::string read_until(std::string_view end);
  std::string read_line() { return read_until("\r\n"); }
  // Bytes of the next request have come already.
  [[nodiscard]] bool has_more() const noexcept { return !pending_.empty(); }
  // Puts bytes back, to be read again.
  void unread(std::string_view bytes) { pending_.insert(0, bytes); }
  // Reads as many bytes as these; a test failure when they are others.
  void expect(std::string_view bytes);

  void send(std::string_view bytes);
  // Not counted by cut_after().
  void send_outside_cut(std::string_view bytes) { send_all(fd_, bytes); }
  // Sends in pieces that end at these positions, each on its own.
  void send_split(std::string_view bytes, std::initializer_list<std::size_t> at);
  // In pieces of this size, with a pause before each: a slow path. Byte by byte: a drip.
  void pour(std::string_view bytes, std::size_t piece, std::chrono::milliseconds pause);
  void dribble(std::string_view bytes, std::chrono::milliseconds pause) { pour(bytes, 1, pause); }
  void wait(std::chrono::milliseconds time);

  // After so many more bytes, the connection ends with a FIN and the script with it.
  void cut_after(std::size_t bytes) { left_ = bytes; }

  void finish();  // FIN; still reads
  void close();   // closes both ways
  void reset();   // RST
  // Passes bytes between the client and a real server, holding one small piece each way.
  void relay(std::uint16_t port);

 private:
  friend class scripted_server;
  struct ended {};  // thrown to end a script
  peer(scripted_server& server, int fd, std::size_t index) noexcept
      : server_(server), fd_(fd), index_(index) {}

  void await(int fd, short events);
  void fill();  // reads more into pending_
  void send_all(int fd, std::string_view bytes);
  void drain(bool patient);

  scripted_server& server_;
  int fd_;
  std::size_t index_;
  std::size_t read_ = 0;
  std::size_t left_ = SIZE_MAX;
  std::string pending_;
};

using script = std::function<void(peer&)>;

// Listens on 127.0.0.1, on a port that the system picks. When a script returns, its connection
// stays open and silent, and what the client sends is still recorded.
// Threads: safe to share.
class scripted_server {
 public:
  // Every connection plays `all`.
  explicit scripted_server(script all, int socket_buffer = 0)
      : scripted_server(std::vector<script>{std::move(all)}, socket_buffer) {}
  // The n-th connection plays the n-th script, later ones the last. `socket_buffer`: bytes for
  // SO_SNDBUF and SO_RCVBUF of accepted connections; 0: the system's.
  explicit scripted_server(std::vector<script> scripts, int socket_buffer = 0);
  ~scripted_server();
  scripted_server(const scripted_server&) = delete;
  scripted_server& operator=(const scripted_server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // How many connections were made so far: exact, those that nobody has looked at yet included.
  std::size_t accepted();
  // Everything that came, all connections in order. Exact after stop().
  [[nodiscard]] std::string received() const;
  [[nodiscard]] std::string received(std::size_t connection) const;
  // How often these bytes came. Exact after stop().
  [[nodiscard]] std::size_t count(std::string_view bytes) const;
  // Waits, two seconds at most, until these bytes have come so many times.
  bool saw(std::string_view bytes, std::size_t times = 1) const;

  // Ends every script, takes what is still in the sockets, closes everything. Also by ~.
  void stop();

 private:
  friend class peer;
  struct visit {
    std::string received;
    std::thread thread;
  };

  void listen();
  void record(std::size_t connection, std::string_view bytes);

  const std::vector<script> scripts_;
  int listener_ = -1;
  int wake_ = -1;  // readable once the server is to stop
  std::uint16_t port_ = 0;
  std::thread thread_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::unique_ptr<visit>> visits_;
  std::uint16_t marker_ = 0;  // the port of accepted()'s own connection
  bool stopped_ = false;
};

// A port of 127.0.0.1 where every connection is refused, for as long as this lives.
class refusing_port {
 public:
  refusing_port();
  ~refusing_port();
  refusing_port(const refusing_port&) = delete;
  refusing_port& operator=(const refusing_port&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  std::uint16_t port_ = 0;
  int fd_;
};

// A port of 127.0.0.1 that never completes a connection, as an address behind a firewall that drops
// packets: its queue of connections is full and nobody takes one.
class dead_port {
 public:
  dead_port();
  ~dead_port();
  dead_port(const dead_port&) = delete;
  dead_port& operator=(const dead_port&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  std::uint16_t port_ = 0;
  int fd_;
  std::vector<int> fillers_;
};

}  // namespace memcxx::test
