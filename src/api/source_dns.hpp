// The source of servers that a name resolves to, with the resolver as a part to replace.
// Never here: sockets.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <memcxx/source.hpp>

namespace memcxx::api {

// The addresses of a name as text, in any order, with any repetitions.
using resolver = std::function<result<std::vector<std::string>>(
    const std::string& name, std::chrono::steady_clock::time_point deadline)>;

std::unique_ptr<server_source> dns_source(std::string name, std::uint16_t port, resolver resolve);

}  // namespace memcxx::api
