// A client's insides: making them, changing their servers, running calls. See core.hpp.
#include "api/core.hpp"

#include <algorithm>
#include <utility>

#include "engine/blocking.hpp"

namespace memcxx {

namespace {

// The same server in the sense that its connections are worth keeping.
bool same_place(const server_address& a, const server_address& b) {
  return a.scheme == b.scheme && a.host == b.host && a.port == b.port && a.is_unix == b.is_unix;
}

void pass_on(const options& o, const std::vector<engine::server::event>& events) {
  for (const auto& e : events) {
    if (e.up) {
      if (o.on_server_up) o.on_server_up(e.server);
    } else if (o.on_server_down) {
      o.on_server_down(e.server, e.why);
    }
  }
}

}  // namespace

result<std::shared_ptr<const core::snapshot>> core::build(const options& o,
                                                          const snapshot* before) const try {
  auto made = std::make_shared<snapshot>();
  auto map = routing::make_topology(o);
  if (!map) return std::unexpected(std::move(map).error());
  made->map = std::move(*map);
  for (const server_address& a : made->map.servers) {
    std::shared_ptr<engine::server> kept;
    if (before != nullptr) {
      const auto same = [&a](const auto& s) { return same_place(s->address(), a); };
      const auto at = std::ranges::find_if(before->servers, same);
      if (at != before->servers.end()) kept = *at;
    }
    made->servers.push_back(kept ? std::move(kept) : std::make_shared<engine::server>(a, settings));
  }
  return made;
} catch (const exception& e) {  // a factory of the user's
  return std::unexpected(e.error());
}

result<std::shared_ptr<core>> core::make(options o) {
  if (auto ok = check(o); !ok) return std::unexpected(std::move(ok).error());
  auto made = std::make_shared<core>();
  made->settings = std::move(o);
  auto first = made->build(made->settings, nullptr);
  if (!first) return std::unexpected(std::move(first).error());
  made->current_ = std::move(*first);
  return made;
}

std::shared_ptr<const core::snapshot> core::now() const {
  const std::scoped_lock hold(reading_);
  return current_;
}

result<void> core::change(const edit& how) {
  std::vector<std::string> names;
  {
    const std::scoped_lock one_at_a_time(changing_);
    const auto before = now();
    options o = settings;
    const auto servers = before->map.own_servers();
    o.servers.assign(servers.begin(), servers.end());
    if (auto edited = how(o.servers); !edited) return edited;
    if (auto ok = check(o); !ok) return ok;
    if (std::ranges::equal(o.servers, servers)) return {};
    auto after = build(o, before.get());
    if (!after) return std::unexpected(std::move(after).error());
    names.assign((*after)->map.own_names().begin(), (*after)->map.own_names().end());
    const std::scoped_lock hold(reading_);
    for (const auto& s : before->servers) {
      if (std::ranges::find((*after)->servers, s) == (*after)->servers.end()) {
        unclaimed_before_ += s->unclaimed();
      }
    }
    current_ = std::move(*after);
  }
  if (settings.on_topology_change) settings.on_topology_change(names);
  return {};
}

// A thread that was changing the servers exists only in the parent. What it had changed so far is
// whole; its lock, which cannot be taken before a fork because changes register servers, begins
// anew.
void core::in_child() noexcept {
  std::construct_at(&changing_);
  reading_.unlock();
}

std::uint64_t core::unclaimed() const {
  const std::scoped_lock hold(reading_);
  std::uint64_t n = unclaimed_before_;
  for (const auto& s : current_->servers) n += s->unclaimed();
  return n;
}

void core::run(call& c, std::chrono::milliseconds timeout, routing::exchange::route how,
               std::uint32_t only) {
  run(*now(), c, timeout, how, only);
}

void core::run(const snapshot& s, call& c, std::chrono::milliseconds timeout,
               routing::exchange::route how, std::uint32_t only) {
  std::vector<engine::server::event> events;
  std::chrono::sys_seconds today{};
  if (!settings.gutter.empty()) {
    today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  routing::exchange x(c, s.map, settings, today);
  x.prepare(how, only);
  engine::run_blocking(x, s.servers, timeout, events);
  if (!events.empty()) pass_on(settings, events);
}

}  // namespace memcxx
