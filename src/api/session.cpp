// One connection to one server: a client's insides with one server and one connection.
// See session.hpp.
#include <utility>

#include <memcxx/session.hpp>

#include "api/core.hpp"
#include "engine/blocking.hpp"

namespace memcxx {

session::session(std::shared_ptr<core> c, std::chrono::milliseconds timeout) noexcept
    : core_(std::move(c)), timeout_(timeout) {}
session::~session() = default;
session::session(session&&) noexcept = default;
session& session::operator=(session&&) noexcept = default;

void session::run(call& c) { core_->run(c, timeout_, routing::exchange::route::one); }

result<void> session::run(batch& b) {
  core_->run(b, timeout_, routing::exchange::route::one);
  return b.outcome();
}

std::string_view session::server() const noexcept { return core_->map.names[0]; }

protocol_choice session::speaks() const noexcept {
  const protocol_choice found = core_->servers[0]->speaks();
  return found == protocol_choice::automatic ? core_->settings.protocol : found;
}

bool session::connected() const { return core_->servers[0]->has_idle(); }

result<void> session::connect() {
  if (core_->servers[0]->custom() != nullptr) return {};
  return engine::connect_blocking(*core_->servers[0], timeout_);
}

void session::disconnect() { core_->servers[0]->close_idle(); }

}  // namespace memcxx
