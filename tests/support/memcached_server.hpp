// A real memcached for tests: started on loopback or a unix socket, and always stopped.
// Never here: scripted answers (scripted_server), anything of the library under test.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace memcxx::test {

enum class transport : std::uint8_t { v4, v6, unix_socket };
std::string name_of(transport t);

// False on machines without an IPv6 loopback address.
bool has_ipv6_loopback();

// Runs MEMCXX_TEST_MEMCACHED, or else /usr/bin/memcached, on a port that the system picks. The
// process dies with this object, and with the test program. Construct on a thread that outlives it.
// Throws std::runtime_error when the server does not come up within five seconds. Threads: not safe
// to share, but for address() and port().
class memcached_server {
 public:
  explicit memcached_server(transport over = transport::v4, std::vector<std::string> more = {});
  ~memcached_server();
  memcached_server(const memcached_server&) = delete;
  memcached_server& operator=(const memcached_server&) = delete;
  memcached_server(memcached_server&& other) noexcept;
  memcached_server& operator=(memcached_server&&) = delete;

  // As the client is told: "127.0.0.1:43505", "[::1]:45141", "unix:/tmp/…/socket".
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  // As the client names it in errors and replies: the same, without "unix:".
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  // SIGKILL, and waits until it is gone.
  void kill();
  // Starts it again, empty, on the same address.
  void restart();
  // SIGSTOP: the kernel still accepts connections and bytes, nobody answers.
  void freeze();
  void thaw();

  // What the server itself counts, read over a connection that counts too. Empty when unknown.
  [[nodiscard]] std::string statistic(const std::string& name) const;

 private:
  void start();
  [[nodiscard]] int dial() const;

  transport over_;
  std::vector<std::string> more_;
  std::string folder_;
  std::string address_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// Several servers, and the list of them as a client takes it.
std::vector<memcached_server> start_servers(std::size_t n, transport over = transport::v4);
std::string list_of(const std::vector<memcached_server>& servers);

}  // namespace memcxx::test
