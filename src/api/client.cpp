// The blocking client: calls over one key, many keys, or every server. See client.hpp.
// Never here: how a call is run.
#include <algorithm>
#include <utility>

#include <memcxx/client.hpp>

#include "api/core.hpp"

namespace memcxx {

namespace {

using std::chrono::milliseconds;

// A call of many commands of one kind; `make(i)` gives the i-th.
template <class Command, class Make>
class uniform_call final : public call {
 public:
  uniform_call(std::size_t n, Make make, bool quiet)
      : make_(std::move(make)), gathered_(n), quiet_(quiet) {}

  std::size_t size() const noexcept override { return gathered_.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    return make_(i).to_request(out);
  }
  std::span<char> on_value(std::size_t i, const protocol::response&,
                           std::size_t n) noexcept override {
    return gathered_[i].on_value(n);
  }
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    gathered_[i].on_response(r, server);
  }
  bool quiet() const noexcept override { return quiet_; }

  std::vector<result<typename Command::reply>> take() {
    std::vector<result<typename Command::reply>> out;
    out.reserve(gathered_.size());
    for (auto& g : gathered_) out.push_back(std::move(g.outcome()));
    return out;
  }

 private:
  Make make_;
  std::vector<gathered<Command>> gathered_;
  bool quiet_;
};

template <class Command, class Make>
uniform_call<Command, Make> uniform(std::size_t n, Make make, bool quiet) {
  return {n, std::move(make), quiet};
}

// The entries of set_many. Silence is success: what fails answers, and the last of a run always
// does.
class entries_call final : public call {
 public:
  explicit entries_call(std::span<const store_entry> entries) noexcept : entries_(entries) {}

  std::size_t size() const noexcept override { return entries_.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    return request_after(i, out);
  }
  protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept override {
    const store_entry& e = entries_[i];
    out.op = protocol::verb::set;
    out.key = e.key;
    out.value = e.value;
    return commands::store::put(e.options, e.value.size() <= surely_accepted, out);
  }
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    ++answered_;
    if (r.status != errc::ok) keep(i, r, server);
  }

  many<stored> take() {
    // Should one have no outcome, it did not succeed; which one it is nobody counted.
    if (answered_ != entries_.size()) {
      replies_.resize(entries_.size());
      for (result<stored>& reply : replies_) {
        if (reply) reply = std::unexpected(error(errc::cancelled));
      }
    }
    return replies_.empty() ? many<stored>(entries_.size()) : many<stored>(std::move(replies_));
  }

 private:
  // There is memory for outcomes from the first that is no success.
  void keep(std::size_t i, const protocol::response& r, std::string_view server) noexcept try {
    if (replies_.empty()) replies_.resize(entries_.size());
    try {
      replies_[i] = std::unexpected(error_of(r, server));
    } catch (...) {
      replies_[i] = std::unexpected(error(errc::out_of_memory));
    }
  } catch (...) {
    --answered_;
  }

  std::span<const store_entry> entries_;
  std::size_t answered_ = 0;
  std::vector<result<stored>> replies_;
};

// `c`: none of a client that was moved from. It has no server, and says so.
template <class Command>
std::vector<server_reply<typename Command::reply>> everywhere(const std::shared_ptr<core>& c,
                                                              milliseconds timeout,
                                                              const Command& command,
                                                              bool quiet = false) {
  if (c == nullptr) return {{std::string(), std::unexpected(core::moved_from())}};
  const auto now = c->now();
  auto all = uniform<Command>(now->servers.size(), [&](std::size_t) { return command; }, quiet);
  c->run_on(*now, all, timeout, routing::exchange::route::everywhere);
  std::vector<server_reply<typename Command::reply>> out;
  auto replies = all.take();
  for (std::size_t i = 0; i < replies.size(); ++i) {
    out.push_back({now->map.names[i], std::move(replies[i])});
  }
  return out;
}

std::shared_ptr<core> value_or_throw(result<std::shared_ptr<core>> made) {
  if (!made) throw exception(std::move(made).error());
  return std::move(*made);
}

result<std::shared_ptr<core>> from_uri(std::string_view servers) {
  auto o = parse_uri(servers);
  if (!o) return std::unexpected(std::move(o).error());
  return core::make(std::move(*o));
}

template <class Key>
many<done> remove_all(const client& c, std::span<const Key> keys) {
  std::vector<commands::remove> removes;
  removes.reserve(keys.size());
  for (const Key& key : keys) removes.push_back({key});
  outcomes_call<commands::remove> all(std::move(removes));
  c.run(all.what());
  return all.take();
}

}  // namespace

client::client(std::shared_ptr<core> c) noexcept
    : core_(std::move(c)), timeout_(core_->settings.timeout) {}
client::client(std::string_view servers) : client(value_or_throw(from_uri(servers))) {}
client::client(memcxx::options o) : client(value_or_throw(core::make(std::move(o)))) {}
client::client(const client&) = default;
client::client(client&&) noexcept = default;
client& client::operator=(const client&) = default;
client& client::operator=(client&&) noexcept = default;
client::~client() = default;

result<client> client::create(std::string_view servers) {
  auto made = from_uri(servers);
  if (!made) return std::unexpected(std::move(made).error());
  return client(std::move(*made));
}

result<client> client::create(memcxx::options o) {
  auto made = core::make(std::move(o));
  if (!made) return std::unexpected(std::move(made).error());
  return client(std::move(*made));
}

client client::within(milliseconds timeout) const {
  client other = *this;
  other.timeout_ = std::clamp(timeout, milliseconds(1), milliseconds(std::chrono::days(1)));
  return other;
}

void client::run(call& c) const {
  if (core_ == nullptr) return core::refuse_moved_from(c);
  core_->run(c, timeout_);
}

result<void> client::run(batch& b) const {
  if (!b.begin()) return std::unexpected(batch::ran_before());
  run(static_cast<call&>(b));
  return b.outcome();
}

// --- many keys ---------------------------------------------------------------------------------

items client::get_many(std::span<const std::string_view> keys, get_options o) const {
  items_call c(keys, o);
  run(c);
  return c.take();
}

items client::get_many(std::span<const std::string> keys, get_options o) const {
  items_call c(keys, o);
  run(c);
  return c.take();
}

items client::get_many(std::initializer_list<std::string_view> keys, get_options o) const {
  return get_many(std::span(keys.begin(), keys.size()), std::move(o));
}

many<stored> client::set_many(std::span<const store_entry> entries) const {
  entries_call c(entries);
  run(c);
  return c.take();
}

many<stored> client::set_many(std::initializer_list<store_entry> entries) const {
  return set_many(std::span(entries.begin(), entries.size()));
}

many<done> client::remove_many(std::span<const std::string_view> keys) const {
  return remove_all(*this, keys);
}

many<done> client::remove_many(std::span<const std::string> keys) const {
  return remove_all(*this, keys);
}

many<done> client::remove_many(std::initializer_list<std::string_view> keys) const {
  return remove_many(std::span(keys.begin(), keys.size()));
}

// --- every server ------------------------------------------------------------------------------

std::vector<server_reply<done>> client::flush(std::chrono::seconds delay, bool quiet) const {
  return everywhere(core_, timeout_, commands::flush{delay}, quiet);
}
std::vector<server_reply<statistics>> client::stats(std::string_view group) const {
  return everywhere(core_, timeout_, commands::stats{group});
}
std::vector<server_reply<std::string>> client::version() const {
  return everywhere(core_, timeout_, commands::version{});
}
std::vector<server_reply<done>> client::verbosity(std::uint32_t level) const {
  return everywhere(core_, timeout_, commands::verbosity{level});
}
std::vector<server_reply<done>> client::ping() const {
  return everywhere(core_, timeout_, commands::ping{});
}
std::vector<server_reply<done>> client::remove_everywhere(std::string_view key) const {
  std::string storage;
  if (core_ != nullptr) key = core_->values.item_key(key, storage);
  return everywhere(core_, timeout_, commands::remove{key});
}

// --- servers -----------------------------------------------------------------------------------

std::string client::which(std::string_view key) const {
  if (core_ == nullptr) return {};
  const auto now = core_->now();
  std::string stand_in;  // of a long key
  const std::uint32_t at = now->map.home(core_->values.item_key(key, stand_in));
  return at == routing::topology::no_server ? std::string() : now->map.names[at];
}

std::vector<std::string> client::places(std::string_view key) const {
  if (core_ == nullptr) return {};
  const auto now = core_->now();
  std::string stand_in;
  key = core_->values.item_key(key, stand_in);
  const bool moves = core_->settings.failover == failover_policy::next;
  std::vector<std::string> out;
  for (std::size_t n = 0; n < (moves ? routing::topology::most_places : 1); ++n) {
    const std::uint32_t at = now->map.place(key, n);
    if (at == routing::topology::no_server) break;
    out.push_back(now->map.names[at]);
  }
  return out;
}

std::vector<std::string> client::servers() const {
  if (core_ == nullptr) return {};
  const auto now = core_->now();
  const auto names = now->map.own_names();
  return {names.begin(), names.end()};
}

const memcxx::options& client::settings() const noexcept {
  static const memcxx::options none;
  return core_ == nullptr ? none : core_->settings;
}

namespace {

// The server of this name in a list, or an error that names it.
result<std::vector<server_address>::iterator> named(std::vector<server_address>& list,
                                                    std::string_view name) {
  auto at = std::ranges::find(list, name, &server_address::name);
  if (at == list.end()) {  // or as one would write it: without the usual port
    if (const auto written = parse_server(name)) {
      at = std::ranges::find(list, written->name(), &server_address::name);
    }
  }
  if (at != list.end()) return at;
  return std::unexpected(
      error(errc::invalid_argument, "no server is named \"" + std::string(name) + "\""));
}

result<void> change(const std::shared_ptr<core>& c, const core::edit& how) {
  if (c == nullptr) return std::unexpected(core::moved_from());
  return c->change(how);
}

}  // namespace

result<void> client::add_server(const server_address& server) {
  return change(core_, [&](std::vector<server_address>& list) -> result<void> {
    list.push_back(server);
    return {};
  });
}

result<void> client::remove_server(std::string_view name) {
  return change(core_, [&](std::vector<server_address>& list) -> result<void> {
    const auto at = named(list, name);
    if (!at) return std::unexpected(at.error());
    if (list.size() == 1) {
      return std::unexpected(
          error(errc::invalid_argument, "\"" + std::string(name) + "\" is the only server"));
    }
    list.erase(*at);
    return {};
  });
}

result<void> client::set_weight(std::string_view name, std::uint32_t weight) {
  return change(core_, [&](std::vector<server_address>& list) -> result<void> {
    const auto at = named(list, name);
    if (!at) return std::unexpected(at.error());
    (*at)->weight = weight;
    return {};
  });
}

result<void> client::replace_servers(std::vector<server_address> servers) {
  return change(core_, [&](std::vector<server_address>& list) -> result<void> {
    list = std::move(servers);
    return {};
  });
}

std::uint64_t client::unclaimed_errors() const noexcept {
  return core_ == nullptr ? 0 : core_->unclaimed();
}

// Of a client that was moved from, no call comes so far.
single_flight& client::flights() const noexcept { return core_->flights; }
void client::count_unclaimed() const noexcept { ++core_->not_kept; }

void client::disconnect() const {
  if (core_ == nullptr) return;
  for (const auto& s : core_->now()->servers) s->close_idle();
}

result<session> client::open(std::string_view name) const {
  if (core_ == nullptr) return std::unexpected(core::moved_from());
  const auto now = core_->now();
  const auto names = now->map.own_names();
  auto at = std::ranges::find(names, name);
  if (at == names.end()) {
    if (const auto written = parse_server(name)) at = std::ranges::find(names, written->name());
  }
  if (at == names.end()) {
    return std::unexpected(
        error(errc::invalid_argument, "no server is named \"" + std::string(name) + "\""));
  }
  const auto i = static_cast<std::size_t>(at - names.begin());
  memcxx::options o = core_->settings;
  o.servers = {now->map.servers[i]};
  o.gutter.clear();
  o.failover = failover_policy::surface;
  o.replicas = 1;
  o.pool_size = 1;
  if (names.size() > 1) o.values.split_over = 0;  // readers look for the pieces on all servers
  // One server needs no distribution; and a driver is the same one, so that it has the same items.
  o.custom_distribution = nullptr;
  o.distribution = "modula";
  if (const auto d = now->servers[i]->custom()) {
    o.drivers.insert_or_assign(o.servers[0].scheme,
                               [d](const server_address&, const memcxx::options&) { return d; });
  }
  auto made = core::make(std::move(o));
  if (!made) return std::unexpected(std::move(made).error());
  (*made)->has_all_pieces = names.size() == 1;
  return session(std::move(*made), timeout_);
}

}  // namespace memcxx
