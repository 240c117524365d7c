// What every client is to the measurement: a name, a set-up, and a loop.
// Never here: which clients there are (clients.hpp), how long they run (meter).
#pragma once

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/options.hpp>

#include "meter.hpp"
#include "workload.hpp"

namespace memcxx::bench {

// What a client is set up for. Outlives it.
struct setting {
  const workload& what;
  const data& items;
  std::span<const server_address> servers;
  std::string_view options = {};  // of memcxx, as in a URI
};

// Threads: run() only on one at a time, but see kind::make.
class client_under_test {
 public:
  virtual ~client_under_test() = default;
  // Performs operations for as long as the meter wants more. Throws on any answer but a right one.
  virtual void run(meter& m) = 0;
};

// A kind of client.
struct kind {
  std::string_view name;
  bool (*runs)(const workload& w);
  // Connects, and builds beforehand what the loop uses. One that `runs` a workload with
  // callers::threads_shared may be run() by any number of threads.
  std::unique_ptr<client_under_test> (*make)(const setting& s);
};

std::span<const kind> raw_kinds();
std::vector<kind> memcxx_blocking_kinds();
std::span<const kind> memcxx_async_kinds();
std::span<const kind> libmemcached_kinds();

// Ends the run: figures of a client that answers wrongly mean nothing.
[[noreturn]] inline void wrong(const std::string& what) { throw std::runtime_error(what); }
inline void expect(bool is_so, const char* what) {
  if (!is_so) [[unlikely]]
    wrong(what);
}

// A hit with a value of the right length.
template <class Reply>
void expect_value(const Reply& r, std::size_t size) {
  if (!r) [[unlikely]]
    wrong("no hit: " + r.error().what());
  if (r->value.size() != size) [[unlikely]]
    wrong("a value of another length: " + std::to_string(r->value.size()));
}

// The list of servers as memcxx and libmemcached read it.
std::string list_of(std::span<const server_address> servers);

}  // namespace memcxx::bench
