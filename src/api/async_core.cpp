// The asynchronous client's insides: the blocking client's servers and options, and the engine.
// Never here: how a call is run (engine), verbs.
#include <utility>

#include <memcxx/async_operation.hpp>

#include "api/core.hpp"
#include "engine/async_engine.hpp"

namespace memcxx {

// Makes a client of what it shares with the asynchronous one.
struct client_access {
  static client of(std::shared_ptr<core> c) { return client(std::move(c)); }
};

namespace detail {
namespace {

class core_on_asio final : public engine::async_engine {
 public:
  core_on_asio(std::shared_ptr<core> c, const async_options& a, net::any_io_executor executor)
      : engine::async_engine(c->settings, c->values, a, std::move(executor)),
        core_(c),
        servers_(client_access::of(std::move(c))) {}

  [[nodiscard]] client& servers() noexcept override { return servers_; }

 private:
  [[nodiscard]] engine::server_set servers_now() const override {
    auto now = core_->now();
    engine::server_set out{&now->map, now->servers, nullptr};
    out.keep = std::move(now);
    return out;
  }
  [[nodiscard]] const void* newest_servers() const noexcept override { return core_->newest(); }
  void tell(const std::vector<engine::server::event>& events) override { core_->tell(events); }

  const std::shared_ptr<core> core_;
  client servers_;
};

}  // namespace

result<std::shared_ptr<async_core>> async_core::make(options o, const async_options& a,
                                                     net::any_io_executor executor) {
  const auto wrong = [](std::string why) {
    return std::unexpected(error(errc::invalid_argument, std::move(why)));
  };
  if (a.connections < 1 || a.connections > 1000) {
    return wrong("connections of " + std::to_string(a.connections) + " is not between 1 and 1000");
  }
  if (a.max_requests < 1 || a.max_bytes < 1) {
    return wrong("max_requests and max_bytes have to be at least 1");
  }
  auto made = core::make(std::move(o));
  if (!made) return std::unexpected(std::move(made).error());
  auto engine = std::make_shared<core_on_asio>(std::move(*made), a, std::move(executor));
  engine->attach();
  return engine;
}

}  // namespace detail
}  // namespace memcxx
