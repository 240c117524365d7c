// The blocking client: one to many servers, shared by any number of threads.
// Never here: the asynchronous client, Asio, protocol bytes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/batch.hpp>
#include <memcxx/command.hpp>
#include <memcxx/item.hpp>
#include <memcxx/many.hpp>
#include <memcxx/operation.hpp>
#include <memcxx/options.hpp>
#include <memcxx/session.hpp>
#include <memcxx/single_flight.hpp>
#include <memcxx/verbs.hpp>

namespace memcxx {

struct core;
struct client_access;

// One entry of set_many.
struct store_entry {
  std::string_view key = {};
  std::string_view value = {};
  store_options options = {};
};

// Threads: safe to share; every call runs on the caller's own thread, over connections that no
// other call uses at the time. Copies are cheap and share servers and connections. Fork: a child
// gets connections of its own and never writes on its parent's. Deadlines: each call ends within
// options::timeout, with errc::timeout when the answer did not come in time. A timeout is never
// reported as a miss. Retries: a read, or a request of which nothing was written, is sent once more
// on a fresh connection when an idle one turns out to be dead. A mutation that was written is never
// repeated. Const: a client is a handle, and calls leave it as it is. Moved from: every call
// answers invalid_argument, and there are no servers, until another client is assigned to it.
class client final : public verbs<client> {
 public:
  // A URI or a list of servers, see parse_uri. Throws memcxx::exception when it cannot be used;
  // opens no connection.
  explicit client(std::string_view servers);
  explicit client(memcxx::options options);
  // The same without exceptions.
  [[nodiscard]] static result<client> create(std::string_view servers);
  [[nodiscard]] static result<client> create(memcxx::options options);

  client(const client&);
  client(client&&) noexcept;
  client& operator=(const client&);
  client& operator=(client&&) noexcept;
  ~client();

  // The same client with another timeout for whole calls: `cache.within(20ms).get("k")`. Less than
  // a millisecond is taken as one.
  [[nodiscard]] client within(std::chrono::milliseconds timeout) const;

  // --- verbs for one key: see verbs.hpp -------------------------------------------------------
  template <class Command>
  [[nodiscard]] result<typename Command::reply> execute(const Command& c) const {
    single_call<Command> one(c);
    run(one);
    return one.take();
  }

  // --- verbs for many keys, over all their servers at once ------------------------------------
  // Hits, misses and failures side by side. Asks for cas tokens only with `.cas = true`; needs
  // value == true and no attribute that is meta's own.
  [[nodiscard]] items get_many(std::span<const std::string_view> keys,
                               get_options o = {.cas = false}) const;
  [[nodiscard]] items get_many(std::span<const std::string> keys,
                               get_options o = {.cas = false}) const;
  [[nodiscard]] items get_many(std::initializer_list<std::string_view> keys,
                               get_options o = {.cas = false}) const;
  // Typed: `auto users = cache.get_many<user>(keys);`. Keys are a range of what reads as a string.
  template <class T, key_range Keys>
  [[nodiscard]] values_of<T> get_many(const Keys& keys,
                                      const get_options& o = {.cas = false}) const {
    values_call<T> c(keys, o);
    run(c.what());
    return c.take();
  }
  template <class T>
  [[nodiscard]] values_of<T> get_many(std::initializer_list<std::string_view> keys,
                                      const get_options& o = {.cas = false}) const {
    return get_many<T>(std::span(keys.begin(), keys.size()), o);
  }
  // Stores go out without waiting for each other. Cas tokens are not told.
  [[nodiscard]] many<stored> set_many(std::span<const store_entry> entries) const;
  [[nodiscard]] many<stored> set_many(std::initializer_list<store_entry> entries) const;
  // A map, or another range of pairs of a key and a value. As with set, strings are stored as they
  // are, with the flags of the options, and all else by the client's dialect;
  // `set_many<std::string>(pairs)` has the dialect's compression, flags and splitting for strings.
  template <class T = as_set, storable_pairs Pairs>
    requires stored_of_pairs<T, Pairs>
  [[nodiscard]] many<stored> set_many(const Pairs& pairs, const store_options& o = {}) const {
    outcomes_call<store_for_pairs<T, Pairs>> c(stores_of<T>(pairs, o));
    run(c.what());
    return c.take();
  }
  [[nodiscard]] many<done> remove_many(std::span<const std::string_view> keys) const;
  [[nodiscard]] many<done> remove_many(std::span<const std::string> keys) const;
  [[nodiscard]] many<done> remove_many(std::initializer_list<std::string_view> keys) const;
  // Runs a batch. The error, if any, is the first that is not a plain answer; each reply has its
  // own.
  [[nodiscard]] result<void> run(batch& b) const;

  // --- verbs for every server, those of the gutter too ------------------------------------------
  // Drops everything, after `delay`. `quiet`: as store_options::quiet.
  [[nodiscard]] std::vector<server_reply<done>> flush(std::chrono::seconds delay = {},
                                                      bool quiet = false) const;
  // `group`: "" (general), "items", "slabs", "settings", "sizes", "conns", "reset", …
  [[nodiscard]] std::vector<server_reply<statistics>> stats(std::string_view group = {}) const;
  [[nodiscard]] std::vector<server_reply<std::string>> version() const;
  [[nodiscard]] std::vector<server_reply<done>> verbosity(std::uint32_t level) const;
  [[nodiscard]] std::vector<server_reply<done>> ping() const;
  // Deletes a key on every server, for keys that moved between them.
  [[nodiscard]] std::vector<server_reply<done>> remove_everywhere(std::string_view key) const;

  // --- computed values ------------------------------------------------------------------------
  // The value of a key, or what `compute` answers (a T or a result<T>), stored for as long as `t`.
  // Of concurrent callers of one process and key, one computes and the others wait for it and get a
  // copy: also its error, also what it throws. They wait as long as it takes; whoever wants less
  // gives compute a bound of its own.
  //
  //   auto page = cache.cache("page:1", 60s, [&] { return render(1); });  // result<std::string>
  //
  // A cache that fails is not the caller's problem: a server that cannot be reached, and a value
  // that cannot be read, are computed; a value that cannot be stored is counted
  // (unclaimed_errors). The caller's own errors (invalid_key) surface. A computation that asks for
  // its own key is refused with invalid_argument.
  template <class F>
  [[nodiscard]] auto cache(std::string_view key, const ttl& t, F&& compute) const
      -> result<value_type_of<std::invoke_result_t<F&>>>;

  // --- servers --------------------------------------------------------------------------------
  // The name of the server that a key lives on. Routes any bytes, also a key that calls refuse.
  [[nodiscard]] std::string which(std::string_view key) const;
  // The same, and with failover_policy::next behind it where the key goes when that one cannot be
  // used, and the one after it, … Replicas and the gutter are not told.
  [[nodiscard]] std::vector<std::string> places(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> servers() const;
  // A connection of one's own to one server (as servers() or a list names it), outside the pool.
  [[nodiscard]] result<session> open(std::string_view server) const;
  // As given when it was made; servers() tells the servers of the moment.
  [[nodiscard]] const memcxx::options& settings() const noexcept;
  // Changes of the servers take effect for calls that begin later; calls under way end on the
  // servers they began with. Servers that stay keep their connections. invalid_argument names the
  // culprit (a duplicate, an unknown name, a weight of 0, the last server), and nothing changes
  // then.
  [[nodiscard]] result<void> add_server(const server_address& server);
  [[nodiscard]] result<void> remove_server(std::string_view name);
  [[nodiscard]] result<void> set_weight(std::string_view name, std::uint32_t weight);
  [[nodiscard]] result<void> replace_servers(std::vector<server_address> servers);
  // Failures that nobody waited for: of quiet requests, and of stores by cache().
  [[nodiscard]] std::uint64_t unclaimed_errors() const noexcept;
  // Closes idle connections; the next call opens what it needs.
  void disconnect() const;

  // Any call: what the verbs above are made of. Routes every request by its key.
  void run(call& c) const;

 private:
  friend struct client_access;
  explicit client(std::shared_ptr<core> c) noexcept;
  [[nodiscard]] single_flight& flights() const noexcept;
  void count_unclaimed() const noexcept;

  std::shared_ptr<core> core_;
  std::chrono::milliseconds timeout_;
};

template <class F>
auto client::cache(std::string_view key, const ttl& t, F&& compute) const
    -> result<value_type_of<std::invoke_result_t<F&>>> {
  using T = value_type_of<std::invoke_result_t<F&>>;
  // Of a read, value_too_large is about what is there.
  const auto whose = [](const error& e) {
    return e == errc::value_too_large ? fault::value : fault_of(e.code());
  };
  // What another client invalidated, and left to this caller to refresh, is to be computed.
  const auto serves = [](const result<item_of<T>>& r) { return r && !r->won && !r->stub; };
  const get_options o{.cas = false};
  auto seen = get_item<T>(key, o);
  if (serves(seen)) return std::move(seen->value);
  if (!seen && whose(seen.error()) == fault::caller) return std::unexpected(seen.error());
  return flights().run<T>(key, [&]() -> result<T> {
    // Another caller's computation may have ended since.
    if (!seen && seen.error() == errc::miss) {
      if (seen = get_item<T>(key, o); serves(seen)) return std::move(seen->value);
    }
    result<T> made = compute();
    const fault why = seen ? fault::none : whose(seen.error());
    if (made && (why == fault::none || why == fault::answer || why == fault::value)) {
      const auto kept =
          execute(commands::store_value::of(protocol::verb::set, key, *made, {.ttl = t}));
      if (!kept) count_unclaimed();
    }
    return made;
  });
}

}  // namespace memcxx
