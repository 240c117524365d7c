// A real twemproxy (Debian's package nutcracker) for tests: in front of servers that are given, and
// always stopped.
// Never here: those servers (memcached_server), anything of the library under test.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace memcxx::test {

struct nutcracker_settings {
  std::string distribution = "ketama";
  std::string hash = "fnv1a_64";
  int timeout_ms = 400;     // for a server's answer, and for connecting to it
  bool ejects = false;      // leaves out a server that failed, for retry_ms
  int retry_ms = 200;       // only with `ejects`
  int server_failures = 1;  // so many before it is left out
};

// Runs /usr/sbin/nutcracker on a free port of 127.0.0.1, one pool over `servers`
// ("127.0.0.1:43505", each with weight 1). The process dies with this object, with the test
// program, and after five minutes whatever happens. Construct on a thread that outlives it. Throws
// std::runtime_error when it does not come up within five seconds. Threads: not safe to share, but
// for address().
class nutcracker {
 public:
  explicit nutcracker(const std::vector<std::string>& servers,
                      const nutcracker_settings& settings = {});
  ~nutcracker();
  nutcracker(const nutcracker&) = delete;
  nutcracker& operator=(const nutcracker&) = delete;

  // As the client is told, and names it: "127.0.0.1:43505".
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Whether the process is still there.
  [[nodiscard]] bool runs() const noexcept;

 private:
  bool start(const std::vector<std::string>& servers, const nutcracker_settings& settings);
  void stop() noexcept;

  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace memcxx::test
