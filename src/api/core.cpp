// Making a client's insides. See core.hpp.
#include "api/core.hpp"

#include <utility>

#include "engine/blocking.hpp"

namespace memcxx {

result<std::shared_ptr<core>> core::make(options o) try {
  if (auto ok = check(o); !ok) return std::unexpected(std::move(ok).error());
  auto made = std::make_shared<core>();
  made->settings = std::move(o);
  auto map = routing::make_topology(made->settings);
  if (!map) return std::unexpected(std::move(map).error());
  made->map = std::move(*map);
  for (const server_address& a : made->settings.servers) {
    made->servers.push_back(std::make_unique<engine::server>(a, made->settings));
  }
  return made;
} catch (const exception& e) {  // a factory of the user's
  return std::unexpected(e.error());
}

void core::run(call& c, std::chrono::milliseconds timeout, routing::exchange::route how,
               std::uint32_t only) {
  routing::exchange x(c, map, settings);
  x.prepare(how, only);
  engine::run_blocking(x, servers, timeout);
}

}  // namespace memcxx
