// One connection to one server: a client's insides with one server and one connection.
// See session.hpp.
#include <utility>

#include <memcxx/session.hpp>

#include "api/core.hpp"
#include "engine/blocking.hpp"

namespace memcxx {

namespace {

// A session's servers never change: there is one.
engine::server& only(const core& c) { return *c.now()->servers[0]; }

}  // namespace

session::session(std::shared_ptr<core> c, std::chrono::milliseconds timeout) noexcept
    : core_(std::move(c)), timeout_(timeout) {}
session::~session() = default;
session::session(session&&) noexcept = default;
session& session::operator=(session&&) noexcept = default;

void session::run(call& c) const {
  if (core_ == nullptr) return core::refuse_moved_from(c);
  core_->run(c, timeout_, routing::exchange::route::one);
}

result<void> session::run(batch& b) const {
  if (!b.begin()) return std::unexpected(batch::ran_before());
  run(static_cast<call&>(b));
  return b.outcome();
}

std::string_view session::server() const noexcept {
  return core_ == nullptr ? std::string_view() : only(*core_).name();
}

protocol_choice session::speaks() const noexcept {
  if (core_ == nullptr) return protocol_choice::automatic;
  const protocol_choice found = only(*core_).speaks();
  return found == protocol_choice::automatic ? core_->settings.protocol : found;
}

bool session::connected() const { return core_ != nullptr && only(*core_).has_idle(); }

result<void> session::connect() const {
  if (core_ == nullptr) return std::unexpected(core::moved_from());
  if (only(*core_).custom() != nullptr) return {};
  return engine::connect_blocking(only(*core_), timeout_);
}

void session::disconnect() const {
  if (core_ != nullptr) only(*core_).close_idle();
}

}  // namespace memcxx
