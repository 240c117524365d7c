// What a client is made of: options, the topology, and a server object for each server.
// Never here: verbs, protocol bytes.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/options.hpp>

#include "engine/server.hpp"
#include "routing/exchange.hpp"
#include "routing/topology.hpp"

namespace memcxx {

// Threads: safe to share once made.
struct core {
  static result<std::shared_ptr<core>> make(options o);

  void run(call& c, std::chrono::milliseconds timeout,
           routing::exchange::route how = routing::exchange::route::by_key, std::uint32_t only = 0);

  options settings;
  routing::topology map;
  std::vector<std::unique_ptr<engine::server>> servers;
};

}  // namespace memcxx
