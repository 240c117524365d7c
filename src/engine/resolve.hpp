// Waiting for all the addresses of a name.
// Never here: the resolver itself (transport's lookup), what the addresses are for.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <memcxx/error.hpp>

namespace memcxx::engine {

// The addresses as text ("10.0.0.1", "fe80::1%eth0"), in the resolver's order and with its
// repetitions; at least one. Errors: resolve_failed, timeout; both name the name. Threads: safe.
result<std::vector<std::string>> resolve(const std::string& name,
                                         std::chrono::steady_clock::time_point deadline);

}  // namespace memcxx::engine
