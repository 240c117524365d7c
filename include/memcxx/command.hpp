// Every verb once: a command knows how to become a request and how to read its response. The
// blocking client, a batch and a session run the same commands.
// Never here: I/O, routing, how a request is encoded.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <memcxx/error.hpp>
#include <memcxx/item.hpp>
#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>
#include <memcxx/ttl.hpp>

namespace memcxx {

// What a read asks for beside the value. Only `cas` is known to every protocol; the rest needs meta
// and is not_supported elsewhere.
struct get_options {
  bool value = true;         // false: only whether it is there, and the attributes below
  bool cas = true;           // the token for cas()
  bool ttl = false;          // item::ttl
  bool last_access = false;  // item::last_access
  bool hit_before = false;   // item::hit_before
  bool size = false;         // item::size
  // On a miss create an empty stub with this ttl and let one caller win the right to fill it.
  // Others see the stub: a classic get reads an empty hit, add answers not_stored.
  std::optional<memcxx::ttl> vivify = std::nullopt;
  // When less than this is left to live, let one caller win the right to refresh the item.
  std::optional<memcxx::ttl> recache = std::nullopt;
  std::uint32_t opaque = 0;  // comes back in item::opaque; 0: none
};

struct store_options {
  std::uint32_t flags = 0;  // client flags, stored beside the value
  memcxx::ttl ttl = {};
  // Store only if the item's cas is still this one (meta and binary; cas() works everywhere).
  std::uint64_t cas = 0;
  // Do not wait for the answer. A single call returns when the request is written; in a batch, only
  // errors are answered. Failures nobody waits for are counted (client::unclaimed_errors).
  bool quiet = false;
  // With `cas`: an older token still stores, but marks the item stale (meta).
  bool invalidate = false;
  std::uint32_t opaque = 0;
};

struct counter_options {
  std::optional<std::uint64_t> initial =
      std::nullopt;      // create the counter with this value when it is missing
  memcxx::ttl ttl = {};  // of the counter that `initial` creates
  std::uint32_t opaque = 0;
};

struct remove_options {
  std::uint64_t cas = 0;    // remove only if the item's cas is still this one (meta, binary)
  bool invalidate = false;  // mark stale instead of removing (meta)
  std::optional<memcxx::ttl> ttl =
      std::nullopt;    // with `invalidate`: how long it stays readable as stale
  bool quiet = false;  // as store_options::quiet
  std::uint32_t opaque = 0;
};

// One call as an engine sees it: requests by index, and somewhere to put their responses. An engine
// asks for request(i) any number of times, and gets the same each time; it delivers exactly one
// final response for each index.
class call {
 public:
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  // Fills `out`; views in it stay valid until response i has been delivered. A refusal (a ttl that
  // cannot be sent) ends request i before any I/O.
  virtual protocol::refusal request(std::size_t i, protocol::request& out) const noexcept = 0;
  virtual std::span<char> on_value(std::size_t i, const protocol::response& head,
                                   std::size_t size) noexcept;
  // `server` names who answered, or failed to; empty when nobody was asked.
  virtual void on_response(std::size_t i, const protocol::response& r,
                           std::string_view server) noexcept = 0;
  // The caller does not want to wait: the engine returns when everything is written.
  [[nodiscard]] virtual bool quiet() const noexcept { return false; }

 protected:
  ~call() = default;
};

// The error that a response stands for.
error error_of(const protocol::response& r, std::string_view server);

namespace commands {

// Reads.
struct get {
  using reply = item;
  std::string_view key = {};
  get_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, item& out);
};

struct gat {
  using reply = item;
  std::string_view key = {};
  memcxx::ttl ttl = {};
  get_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, item& out) { get::read(r, out); }
};

// Stores: `op` is set, add, replace, append, prepend or cas.
struct store {
  using reply = stored;
  protocol::verb op = protocol::verb::set;
  std::string_view key = {};
  std::string_view value = {};
  store_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, stored& out) { out.cas = r.cas; }
};

struct remove {
  using reply = done;
  std::string_view key = {};
  remove_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response&, done&) {}
};

struct touch {
  using reply = done;
  std::string_view key = {};
  memcxx::ttl ttl = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response&, done&) {}
};

// What to count by. Empty for a negative number, which is refused: the protocols know no sign.
template <std::integral Number>
constexpr std::optional<std::uint64_t> delta_of(Number n) noexcept {
  if (std::cmp_less(n, 0)) return std::nullopt;
  return static_cast<std::uint64_t>(n);
}

// Counters: `op` is incr or decr.
struct count {
  using reply = counter;
  protocol::verb op = protocol::verb::incr;
  std::string_view key = {};
  std::optional<std::uint64_t> delta = 1;  // see delta_of
  counter_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, counter& out) { out = {r.number, r.cas}; }
};

// An item's internals as the server prints them (meta `me`), "exp=-1 la=2 cas=1 …".
struct debug {
  using reply = std::string;
  std::string_view key = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, std::string& out) { out = r.text; }
};

// For a server rather than a key.
struct flush {
  using reply = done;
  std::chrono::seconds delay{0};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response&, done&) {}
};

struct stats {
  using reply = statistics;
  std::string_view group;  // "", "items", "slabs", "settings", "sizes", "conns", …

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, statistics& out);
};

struct version {
  using reply = std::string;
  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, std::string& out) { out = r.text; }
};

struct verbosity {
  using reply = done;
  std::uint32_t level = 0;

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response&, done&) {}
};

struct ping {
  using reply = done;
  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response&, done&) {}
};

// What the configuration endpoint of a managed cluster answers to "config get cluster", as it is:
// see discovery_source. errc::not_supported from any other server. Classic only.
struct cluster_config {
  using reply = std::string;
  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response&, std::string&) {}
};

}  // namespace commands

// Gathers the response to one command. A value goes from the receive buffer, or straight from the
// socket, into the reply's own string, and is never copied again.
template <class Command>
class gathered {
 public:
  using reply = typename Command::reply;

  std::span<char> on_value(std::size_t size) noexcept {
    if constexpr (holds_value) {
      try {
        // The library may offer more than was asked for.
        bytes_of(value_).resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
        return bytes_of(value_);
      } catch (...) {
        return {};  // the connection finds room, or fails
      }
    }
    return {};
  }

  void on_response(const protocol::response& r, std::string_view server) noexcept try {
    if (r.status != errc::ok) {
      outcome_ = std::unexpected(error_of(r, server));
      return;
    }
    if constexpr (holds_value) {
      // Either it was read straight into the string, or it is still in the receive buffer.
      if (r.value.data() != bytes_of(value_).data()) bytes_of(value_).assign(r.value);
    }
    Command::read(r, value_);
    if (!r.more) outcome_ = std::move(value_);
  } catch (...) {
    outcome_ = std::unexpected(error(errc::out_of_memory));
  }

  [[nodiscard]] result<reply>& outcome() noexcept { return outcome_; }
  [[nodiscard]] const result<reply>& outcome() const noexcept { return outcome_; }

 private:
  // Replies that a value has a place in. A response that has text instead (a version) has no value,
  // and its command takes the text.
  static constexpr bool holds_value =
      std::is_same_v<reply, item> || std::is_same_v<reply, std::string>;
  static std::string& bytes_of(item& i) noexcept { return i.value; }
  static std::string& bytes_of(std::string& s) noexcept { return s; }

  reply value_{};
  result<reply> outcome_ = std::unexpected(error(errc::cancelled));
};

// A call of one command, on the caller's stack.
template <class Command>
class single_call final : public call {
 public:
  explicit single_call(const Command& c) noexcept : command_(c) {}

  std::size_t size() const noexcept override { return 1; }
  protocol::refusal request(std::size_t, protocol::request& out) const noexcept override {
    return command_.to_request(out);
  }
  std::span<char> on_value(std::size_t, const protocol::response&,
                           std::size_t n) noexcept override {
    return gathered_.on_value(n);
  }
  void on_response(std::size_t, const protocol::response& r,
                   std::string_view server) noexcept override {
    gathered_.on_response(r, server);
  }
  bool quiet() const noexcept override {
    if constexpr (requires { command_.options.quiet; }) return command_.options.quiet;
    return false;
  }
  result<typename Command::reply>&& take() noexcept { return std::move(gathered_.outcome()); }

 private:
  const Command& command_;
  gathered<Command> gathered_;
};

}  // namespace memcxx
