// What executes requests for one server. The network is one driver, memory another; users bring
// their own under a scheme of their own ("mydriver://…").
// Never here: routing, prefixes, retries: a driver sees one request at a time, checked and routed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx {

struct options;
struct server_address;

// Threads: execute() is called from many threads at once.
class driver {
 public:
  virtual ~driver() = default;

  // Executes one request and calls `to.on_response(tag, …)` exactly once with `more == false`,
  // before it returns. A verb it does not have is answered with errc::not_supported and a text. The
  // request's views are valid only until it returns.
  virtual void execute(const protocol::request& r, protocol::response_handler& to,
                       std::uint32_t tag,
                       std::chrono::steady_clock::time_point deadline) noexcept = 0;
};

// Makes the driver for one server of a client. May throw memcxx::exception for an unusable address.
using driver_factory =
    std::function<std::shared_ptr<driver>(const server_address& address, const options& all)>;

}  // namespace memcxx
