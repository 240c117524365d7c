// A client over memory:// whose server writes down what it is asked, and fails when it is told to.
// Never here: a test, a socket.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/client.hpp>
#include <memcxx/memory.hpp>

namespace memcxx {

class watched_server final : public driver {
 public:
  struct asked {
    protocol::verb op;
    std::string key;
    std::uint32_t flags;
    std::string value;
    std::int32_t ttl;
    bool quiet;
  };

  void execute(const protocol::request& r, protocol::response_handler& to, std::uint32_t tag,
               std::chrono::steady_clock::time_point deadline) noexcept override {
    seen.push_back({r.op, std::string(r.prefix) + std::string(r.key), r.flags, std::string(r.value),
                    r.ttl, r.quiet});
    const errc why = protocol::carries_value(r.op) ? stores_fail : reads_fail;
    if (why == errc::ok) return items_.execute(r, to, tag, deadline);
    protocol::response failure;
    failure.status = why;
    failure.text = "as told";
    to.on_response(tag, failure);
  }

  [[nodiscard]] std::size_t stores() const {
    std::size_t n = 0;
    for (const asked& a : seen) n += protocol::carries_value(a.op);
    return n;
  }

  std::vector<asked> seen;
  errc reads_fail = errc::ok;
  errc stores_fail = errc::ok;

 private:
  memory_driver items_;
};

// `o` without servers.
inline client over(const std::shared_ptr<watched_server>& d, options o = {}) {
  server_address s;
  s.scheme = "watched";
  s.host = "one";
  o.servers = {s};
  o.drivers["watched"] = [d](const server_address&, const options&) { return d; };
  return client(std::move(o));
}

inline client with_values(const std::shared_ptr<watched_server>& d, value_options values) {
  options o;
  o.values = std::move(values);
  return over(d, std::move(o));
}

}  // namespace memcxx
