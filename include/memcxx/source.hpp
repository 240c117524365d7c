// Where the servers of a client come from, when they are not a fixed list: names that resolve to
// many, a cluster's configuration endpoint, a file.
// Never here: what becomes of a change (that is the client's replace_servers).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
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

// Every address that a name resolves to is a server on this port, sorted by address. A machine that
// has an IPv4 and an IPv6 address under the name is two servers.
std::unique_ptr<server_source> dns_source(std::string name, std::uint16_t port = default_port);

// The configuration endpoint of a managed cluster ("config get cluster", as AWS and Google Cloud
// have it): "host:port" or a URI for that one server, spoken to in the classic protocol unless the
// URI says otherwise. A version below the last seen is refused. Servers are reached by their
// address where it is told, and labelled "host", or "host:port" when the port is not 11211, as
// clients built on libmemcached have it: keys stay when an address changes.
// Errors: as parse_uri; invalid_argument for more than one server, not_supported for binary.
result<std::unique_ptr<server_source>> discovery_source(std::string_view endpoint);

// A file of servers, as parse_server reads them: any number on a line, with spaces or commas
// between them; a "#" before a server begins a comment. At most 1 MiB. Whoever changes it while it
// is watched moves a new file to its place, for half a file may well read as fewer servers.
std::unique_ptr<server_source> file_source(std::string path);

struct watch_options {
  // Both between 1 ms and 30 days.
  std::chrono::milliseconds interval{30'000};  // between two questions, varied by a tenth
  std::chrono::milliseconds timeout{5'000};    // for one question, waiting for another included
  // Called on the watcher's thread (or refresh()'s caller's) when the source fails or the client
  // refuses its servers; the servers stay. No lock is held. Exceptions reach refresh()'s caller,
  // and are dropped on the watcher's thread.
  std::function<void(const error& why)> on_error = {};
};

// Asks a source again and again on a thread of its own, beginning at once, and gives the client
// what it says. The client is told only of changes; options::on_topology_change tells those. The
// destructor stops the thread and waits for it: not long, unless a question is under way, and then
// for its timeout at most. Not to be destroyed from a callback. Threads: safe to share. Fork: a
// child has no such thread; its copy changes nothing, and refuses refresh() with not_supported.
class watcher {
 public:
  // Throws memcxx::exception when there is no source, or an option is out of its bounds.
  watcher(client which, std::unique_ptr<server_source> from, watch_options o = {});
  ~watcher();
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;

  // Asks now, on the caller's thread; after the question under way, if there is one. True: the
  // servers changed. Refused with invalid_argument within on_topology_change of a question's own.
  result<bool> refresh();
  // Why the last question failed, or the client refused its servers; errc::ok when neither did.
  [[nodiscard]] error last_error() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace memcxx
