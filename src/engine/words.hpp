// What errors say in more than one place of the engine.
// Never here: what a server said.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace memcxx::engine {

// "no answer within 250ms".
inline std::string within(std::string_view what, std::chrono::milliseconds timeout) {
  return std::string(what) + " within " + std::to_string(timeout.count()) + "ms";
}

}  // namespace memcxx::engine
