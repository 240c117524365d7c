// Where the servers of a client come from, when they are not a fixed list: names that resolve to
// many, a cluster's configuration endpoint, a file.
// Never here: what becomes of a change (that is the client's replace_servers).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <memcxx/client.hpp>
#include <memcxx/error.hpp>
#include <memcxx/options.hpp>

namespace memcxx {

// Threads: one call at a time.
class server_source {
 public:
  virtual ~server_source() = default;
  // The servers as they are now, asked anew each time. An error (it did not answer, it answered
  // rubbish, it went backwards) says what and where; nobody then changes anything.
  virtual result<std::vector<server_address>> fetch(
      std::chrono::steady_clock::time_point deadline) = 0;
};

// Every address that a name resolves to is a server on this port.
std::unique_ptr<server_source> dns_source(std::string name, std::uint16_t port = default_port);

// The configuration endpoint of a managed cluster ("config get cluster", as AWS and Google Cloud
// have it): "host:port" or a URI for that one server. A version below the last seen is refused.
result<std::unique_ptr<server_source>> discovery_source(std::string_view endpoint);

// A file of servers, as parse_server reads them: any number on a line; "#" begins a comment.
std::unique_ptr<server_source> file_source(std::string path);

struct watch_options {
  std::chrono::milliseconds interval{30'000};  // between two questions, varied by a tenth
  std::chrono::milliseconds timeout{5'000};    // for one question
  // Called on the watcher's thread (or refresh()'s caller's) when a source fails; the servers stay.
  std::function<void(const error& why)> on_error = {};
};

// Asks a source again and again on a thread of its own, and gives the client what it says. The
// client is told only of changes; options::on_topology_change tells those. The destructor stops the
// thread and waits for it. Threads: safe to share.
class watcher {
 public:
  watcher(client which, std::unique_ptr<server_source> from, watch_options o = {});
  ~watcher();
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;

  // Asks now, on the caller's thread. True: the servers changed.
  result<bool> refresh();
  // Why the last question failed; errc::ok when it did not.
  [[nodiscard]] error last_error() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace memcxx
