// The memory driver: memcached's verbs, behind one lock and a clock.
// Never here: what the verbs do (see verbs.hpp), sockets, routing.
#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <memcxx/memory.hpp>

#include "verbs.hpp"

namespace memcxx {

struct memory_driver::state {
  explicit state(memory_options o)
      : clock(std::move(o.clock)), verbs(o.limit, o.max_item_size, now()) {}

  // Bounded, so that a ttl can be added to whatever an injected clock says.
  detail::epoch_seconds now() const {
    using namespace std::chrono;
    constexpr detail::epoch_seconds end_of_time = detail::epoch_seconds{1} << 40;
    const auto at = clock ? clock() : floor<seconds>(system_clock::now());
    return std::clamp<detail::epoch_seconds>(at.time_since_epoch().count(), 0, end_of_time);
  }

  std::function<std::chrono::sys_seconds()> clock;
  std::mutex lock;
  detail::memory_verbs verbs;
};

memory_driver::memory_driver(memory_options options)
    : state_(std::make_unique<state>(std::move(options))) {}

memory_driver::~memory_driver() = default;

// The lock is held while a response is delivered, because its value is the item's own bytes.
// Handlers must not call back into the driver, just as they must not into a connection. `quiet` and
// the deadline mean nothing here: every request is answered, at once.
void memory_driver::execute(const protocol::request& r, protocol::response_handler& to,
                            std::uint32_t tag, std::chrono::steady_clock::time_point) noexcept {
  protocol::response out;
  try {
    const std::scoped_lock held(state_->lock);
    state_->verbs.run(r, state_->now(), out, to, tag);
    to.on_response(tag, out);
    return;
  } catch (const std::bad_alloc&) {
    out = {};
    out.status = errc::out_of_memory;
    out.text = "out of memory";
  } catch (...) {
    out = {};
    out.status = errc::server_error;
    out.text = "the memory driver's clock failed";
  }
  to.on_response(tag, out);
}

}  // namespace memcxx
