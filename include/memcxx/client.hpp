// The blocking client: one to many servers, shared by any number of threads.
// Never here: the asynchronous client, Asio, protocol bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/batch.hpp>
#include <memcxx/command.hpp>
#include <memcxx/item.hpp>
#include <memcxx/options.hpp>
#include <memcxx/session.hpp>
#include <memcxx/verbs.hpp>

namespace memcxx {

struct core;

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
// repeated.
class client final : public verbs<client> {
 public:
  // A URI or a list of servers, see parse_uri. Throws memcxx::exception when it cannot be used;
  // opens no connection.
  explicit client(std::string_view servers);
  explicit client(memcxx::options options);
  // The same without exceptions.
  static result<client> create(std::string_view servers);
  static result<client> create(memcxx::options options);

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
  result<typename Command::reply> execute(const Command& c) {
    single_call<Command> one(c);
    run(one);
    return one.take();
  }

  // --- verbs for many keys, over all their servers at once ------------------------------------
  // Hits, misses and failures side by side. Asks for cas tokens only with `.cas = true`; needs
  // value == true and no attribute that is meta's own.
  items get_many(std::span<const std::string_view> keys, get_options o = {.cas = false});
  items get_many(std::span<const std::string> keys, get_options o = {.cas = false});
  items get_many(std::initializer_list<std::string_view> keys, get_options o = {.cas = false});
  // Stores go out without waiting for each other. Cas tokens are not told.
  many<stored> set_many(std::span<const store_entry> entries);
  many<stored> set_many(std::initializer_list<store_entry> entries);
  many<done> remove_many(std::span<const std::string_view> keys);
  many<done> remove_many(std::span<const std::string> keys);
  many<done> remove_many(std::initializer_list<std::string_view> keys);
  // Runs a batch. The error, if any, is the first that is not a plain answer; each reply has its
  // own.
  result<void> run(batch& b);

  // --- verbs for every server, those of the gutter too ------------------------------------------
  // Drops everything, after `delay`.
  std::vector<server_reply<done>> flush(std::chrono::seconds delay = {});
  // `group`: "" (general), "items", "slabs", "settings", "sizes", "conns", "reset", …
  std::vector<server_reply<statistics>> stats(std::string_view group = {});
  std::vector<server_reply<std::string>> version();
  std::vector<server_reply<done>> verbosity(std::uint32_t level);
  std::vector<server_reply<done>> ping();
  // Deletes a key on every server, for keys that moved between them.
  std::vector<server_reply<done>> remove_everywhere(std::string_view key);

  // --- servers --------------------------------------------------------------------------------
  // The name of the server that a key lives on. Routes any bytes, also a key that calls refuse.
  [[nodiscard]] std::string which(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> servers() const;
  // A connection of one's own to one server (as servers() or a list names it), outside the pool.
  result<session> open(std::string_view server);
  // As given when it was made; servers() tells the servers of the moment.
  [[nodiscard]] const memcxx::options& settings() const noexcept;
  // Changes of the servers take effect for calls that begin later; calls under way end on the
  // servers they began with. Servers that stay keep their connections. invalid_argument names the
  // culprit (a duplicate, an unknown name, a weight of 0, the last server), and nothing changes
  // then.
  result<void> add_server(const server_address& server);
  result<void> remove_server(std::string_view name);
  result<void> set_weight(std::string_view name, std::uint32_t weight);
  result<void> replace_servers(std::vector<server_address> servers);
  // Failures of quiet requests that nobody waited for.
  [[nodiscard]] std::uint64_t unclaimed_errors() const noexcept;
  // Closes idle connections; the next call opens what it needs.
  void disconnect();

  // Any call: what the verbs above are made of. Routes every request by its key.
  void run(call& c);

 private:
  explicit client(std::shared_ptr<core> c) noexcept;

  std::shared_ptr<core> core_;
  std::chrono::milliseconds timeout_;
};

}  // namespace memcxx
