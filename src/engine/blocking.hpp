// The blocking engine: runs an exchange on the caller's own thread, over all its servers at once.
// It waits, and decides nothing: what to send, what to send again and what a reply means is told by
// the exchange and the connections.
// Never here: encoding, parsing, routing, retry rules.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "engine/server.hpp"
#include "routing/exchange.hpp"

namespace memcxx::engine {

// Runs every leg of `x`, which was prepared, against servers[leg.server()]. Returns when each
// request has its outcome, at the latest at `deadline`; `timeout` is the whole call's, for messages
// and for the time that a read may take when none has passed yet. What was found out about the
// servers is added to `events`. Thread-safe.
void run_blocking(routing::exchange& x, std::span<const std::shared_ptr<server>> servers,
                  std::chrono::milliseconds timeout, std::chrono::steady_clock::time_point now,
                  std::chrono::steady_clock::time_point deadline,
                  std::vector<server::event>& events);

// A call of one request, in the way that most go: to a server that is up, over a connection that is
// idle, with an answer that comes whole. False, and nothing was done, when this is not one of them:
// it takes an exchange then. Otherwise as run_blocking, with the same outcomes.
bool run_lone(call& c, const routing::topology& map,
              std::span<const std::shared_ptr<server>> servers, std::chrono::milliseconds timeout,
              std::chrono::steady_clock::time_point now,
              std::chrono::steady_clock::time_point deadline, std::vector<server::event>& events);

// Opens a connection, for those who want to know early. Bounded as above.
result<void> connect_blocking(server& s, std::chrono::milliseconds timeout);

}  // namespace memcxx::engine
