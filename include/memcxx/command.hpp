// Every verb once: a command knows how to become a request and how to read its response. The
// blocking client, a batch and a session run the same commands (operation.hpp).
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

#include <memcxx/codec.hpp>
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
  // Reads without a type (get, gat, get_into, get_many): hand out also what a typed store
  // compressed, spread over several items or put behind a long key, as it lies in the server. Else
  // those are wrong_type, with the item (error::item): their bytes are not the value's.
  bool packed = false;
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
  // Typed stores: value_options::min_compress for this one. Their flags are the dialect's.
  std::optional<std::size_t> min_compress = std::nullopt;
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

class value_codec;

// One call as an engine sees it: requests by index, and somewhere to put their responses. An engine
// asks for request(i) any number of times, and gets the same each time; it delivers exactly one
// final response for each index. Most calls are one step of requests. A value that lies in several
// items takes another: what is asked for then depends on the answers of the step before.
class call {
 public:
  // Begins step 0, 1, …: size() and request() are this step's from now on. False when there is
  // nothing more to ask. `values` outlives the call.
  virtual bool begin_step(unsigned step, const value_codec& values) noexcept;
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  // Fills `out`; views in it stay valid until response i has been delivered. A refusal (a ttl that
  // cannot be sent) ends request i before any I/O.
  virtual protocol::refusal request(std::size_t i, protocol::request& out) const noexcept = 0;
  // The same, where `out` is what this step gave for another index: what is alike may stay.
  virtual protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept {
    out = {};
    return request(i, out);
  }
  // Whether this step's requests are gets that differ in nothing but their keys.
  [[nodiscard]] virtual bool differs_by_key() const noexcept { return false; }
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
  static void read(const protocol::response& r, item_attributes& out);
};

struct gat {
  using reply = item;
  std::string_view key = {};
  memcxx::ttl ttl = {};
  get_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  static void read(const protocol::response& r, item_attributes& out) { get::read(r, out); }
};

// Reads into the caller's memory, which has to outlive the call. errc::value_too_large when the
// value is longer than the buffer; what the buffer then holds is not told.
struct get_into {
  using reply = item_view;
  std::string_view key = {};
  std::span<char> buffer = {};
  get_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
};

// A read of a typed value: get, or gat with a ttl.
struct read_value {
  std::string_view key = {};
  std::optional<memcxx::ttl> ttl = std::nullopt;
  get_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
};
template <class T>
struct get_value : read_value {
  using value_type = T;
  using reply = T;
};
template <class T>
struct get_item : read_value {
  using value_type = T;
  using reply = item_of<T>;
};

// Stores: `op` is set, add, replace, append, prepend or cas.
struct store {
  using reply = stored;
  protocol::verb op = protocol::verb::set;
  std::string_view key = {};
  std::string_view value = {};
  store_options options = {};

  protocol::refusal to_request(protocol::request& out) const noexcept;
  // What to_request fills in beside the verb and its key and value. Sets every field that stores
  // have, so that `out` may have been another store.
  static protocol::refusal put(const store_options& o, bool quiet, protocol::request& out) noexcept;
  static void read(const protocol::response& r, stored& out) { out.cas = r.cas; }
};

// The same for a typed value, which is packed by the client's dialect when the call begins.
struct store_value {
  using reply = stored;
  protocol::verb op = protocol::verb::set;
  std::string_view key = {};
  std::string_view value = {};  // its canonical form, unless that is in `scratch`
  store_options options = {};
  value_kind kind = value_kind::bytes;
  bool in_scratch = false;
  std::string scratch = {};
  error refused = {};  // the codec's

  template <storable T>
  static store_value of(protocol::verb op, std::string_view key, const T& v,
                        const store_options& options) {
    store_value c{.op = op, .key = key, .options = options};
    c.take(codec<T>::encode(v, c.scratch));
    return c;
  }
  // Copies the value in, if it is elsewhere.
  void own() {
    if (!std::exchange(in_scratch, true)) scratch = value;
    value = {};
  }
  [[nodiscard]] value_view canonical() const noexcept {
    return {kind, in_scratch ? std::string_view(scratch) : value};
  }

 private:
  void take(const result<value_view>& encoded);
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

}  // namespace memcxx
