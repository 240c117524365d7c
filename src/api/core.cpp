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
  auto values = value_codec::make(o.values, o.prefix.size());
  if (!values) return std::unexpected(std::move(values).error());
  auto made = std::make_shared<core>();
  made->settings = std::move(o);
  made->values = std::move(*values);
  auto first = made->build(made->settings, nullptr);
  if (!first) return std::unexpected(std::move(first).error());
  made->newest_ = first->get();
  made->current_.replace(std::move(*first));
  return made;
}

std::shared_ptr<const core::snapshot> core::now() const {
  return replaceable<snapshot>::reading(current_).shared();
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
    const std::scoped_lock hold(counting_);
    current_.replace(*after);
    newest_ = after->get();
    for (const auto& s : before->servers) {
      if (std::ranges::find((*after)->servers, s) == (*after)->servers.end()) {
        unclaimed_before_ += s->unclaimed();
      }
    }
  }
  current_.end_unread();
  if (settings.on_topology_change) settings.on_topology_change(names);
  return {};
}

// A thread that was changing the servers exists only in the parent. What it had changed so far is
// whole; its lock, which cannot be taken before a fork because changes register servers, begins
// anew.
void core::in_child() noexcept {
  std::construct_at(&changing_);
  flights.in_child();
  current_.guard().unlock();
  counting_.unlock();
}

std::uint64_t core::unclaimed() const {
  const std::scoped_lock hold(counting_);
  const auto servers = now();
  std::uint64_t n = unclaimed_before_ + not_kept;
  for (const auto& s : servers->servers) n += s->unclaimed();
  return n;
}

void core::tell(const std::vector<engine::server::event>& events) const {
  for (const auto& e : events) {
    if (e.up) {
      if (settings.on_server_up) settings.on_server_up(e.server);
    } else if (settings.on_server_down) {
      settings.on_server_down(e.server, e.why);
    }
  }
}

namespace {
constexpr std::string_view was_moved = "this client or session was moved from";
}  // namespace

error core::moved_from() { return {errc::invalid_argument, std::string(was_moved)}; }

void core::refuse_moved_from(call& c) noexcept {
  static const value_codec values;  // never used: nothing is sent
  if (!c.begin_step(0, values)) return;
  protocol::response no;
  no.status = errc::invalid_argument;
  no.text = was_moved;
  no.unsent = true;
  for (std::size_t i = 0; i < c.size(); ++i) c.on_response(i, no, {});
}

void core::run(call& c, std::chrono::milliseconds timeout, routing::exchange::route how,
               std::uint32_t only) {
  if (!c.begin_step(0, values)) return;
  const auto began = clock::now();
  const replaceable<snapshot>::reading servers(current_);
  run_step(*servers, c, timeout, began, began + timeout, how, only);
  for (unsigned step = 1; c.begin_step(step, values); ++step) {
    if (!has_all_pieces) {
      protocol::response no;
      no.status = errc::not_supported;
      no.text = "the value lies in pieces on several servers; read it with the client";
      for (std::size_t i = 0; i < c.size(); ++i) c.on_response(i, no, {});
      continue;
    }
    run_step(*servers, c, timeout, clock::now(), began + timeout, how, only);
  }
}

void core::run_on(const snapshot& s, call& c, std::chrono::milliseconds timeout,
                  routing::exchange::route how) {
  const auto began = clock::now();
  run_step(s, c, timeout, began, began + timeout, how, 0);
}

void core::run_step(const snapshot& s, call& c, std::chrono::milliseconds timeout,
                    clock::time_point now, clock::time_point deadline, routing::exchange::route how,
                    std::uint32_t only) {
  std::vector<engine::server::event> events;
  try {
    const bool by_key = how == routing::exchange::route::by_key || s.map.own == 1;
    const bool done = by_key && c.size() == 1 &&
                      engine::run_lone(c, s.map, s.servers, timeout, now, deadline, events);
    if (!done) run_exchange(s, c, timeout, now, deadline, how, only, events);
  } catch (...) {  // by on_interrupt, or for want of memory; what was found out holds
    if (!events.empty()) tell(events);
    throw;
  }
  if (!events.empty()) tell(events);
}

void core::run_exchange(const snapshot& s, call& c, std::chrono::milliseconds timeout,
                        clock::time_point now, clock::time_point deadline,
                        routing::exchange::route how, std::uint32_t only,
                        std::vector<engine::server::event>& events) {
  std::chrono::sys_seconds today{};
  if (!settings.gutter.empty()) {
    today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  routing::exchange x(c, s.map, settings, today);
  x.prepare(how, only);
  engine::run_blocking(x, s.servers, timeout, now, deadline, events);
}

}  // namespace memcxx
