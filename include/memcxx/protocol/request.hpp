// One flat request, as every protocol and driver takes it.
// Lives here: `verb`, `request`, and the checks that hold for every protocol.
// Never here: bytes on the wire, sockets, clocks. A request owns nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <memcxx/error.hpp>

namespace memcxx::protocol {

enum class verb : std::uint8_t {
  get,        // read
  gat,        // read, and set the ttl
  set,        // store
  add,        // store only if there is no item
  replace,    // store only if there is one
  append,     // put the value behind the item's
  prepend,    // put the value before the item's
  cas,        // store only if the item's cas is still `request::cas`
  remove,     // delete
  touch,      // set the ttl
  incr,       // add `delta` to a decimal number; wraps at 2^64
  decr,       // subtract `delta`; stops at 0
  debug,      // an item's internals as text (meta `me`)
  flush,      // drop everything, after `ttl` seconds
  stats,      // statistics; `key` is the group, empty for the general one
  version,    // the server's version
  verbosity,  // the server's log level; `delta` is the level
  ping,       // an answer, and nothing else
  config,     // a managed cluster's list of servers; `key` is its name, "cluster"
};

std::string_view name_of(verb v) noexcept;

// True for verbs whose request ends in a value: set, add, replace, append, prepend, cas.
constexpr bool carries_value(verb v) noexcept { return v >= verb::set && v <= verb::cas; }
// True for verbs that name an item.
constexpr bool names_item(verb v) noexcept { return v <= verb::debug; }

// What a read asks for. Combine with |. Only `value` and `cas` are known to every protocol.
enum class want : std::uint8_t {
  nothing = 0,
  value = 1,
  cas = 2,
  ttl = 4,          // seconds left to live
  last_access = 8,  // seconds since it was last read
  hit_before = 16,  // whether it was read since it was stored
  size = 32,        // length of the value, without reading it
};
constexpr want operator|(want a, want b) noexcept {
  return static_cast<want>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr want operator&(want a, want b) noexcept {
  return static_cast<want>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
constexpr bool asks(want set, want one) noexcept { return (set & one) != want::nothing; }

// A request. All views borrow: they stay valid until the response has been delivered, or the
// request has been abandoned (see connection). Threads: a value type.
struct request {
  verb op = verb::get;
  // The answer to the usual outcome may be left out (a miss for a read, success for the rest). A
  // later request that is not quiet closes the run; what stayed silent until then had the usual
  // outcome. A connection may ask for the answer all the same.
  bool quiet = false;
  want wants = want::value;
  // Prefix and key have passed check_key for text (any_byte = false): nobody looks at them again.
  bool text_key = false;
  std::uint32_t flags = 0;       // client flags, stored beside the value
  std::int32_t ttl = 0;          // exptime as it stands on the wire; see memcxx::ttl::on_wire
  std::uint32_t opaque = 0;      // comes back with the response; 0: the connection gives one
  std::string_view prefix = {};  // stands before `key` on the wire
  std::string_view key = {};
  std::string_view value = {};
  std::uint64_t cas = 0;  // 0: unconditional
  std::uint64_t delta = 1;
  // incr, decr: create the counter with this value when it is missing.
  std::optional<std::uint64_t> initial = std::nullopt;
  // Reads: on a miss create an empty stub with this ttl, which one caller wins (meta N).
  std::optional<std::int32_t> vivify_ttl = std::nullopt;
  // Reads: win the right to refresh when less than this is left to live (meta R).
  std::optional<std::int32_t> recache_ttl = std::nullopt;
  // remove: mark stale instead; stores with a cas: an older cas stores, and marks stale (meta I).
  bool invalidate = false;

  [[nodiscard]] std::size_t key_size() const noexcept { return prefix.size() + key.size(); }
};

inline constexpr std::size_t max_key_size = 250;  // protocol.txt, "Keys"

// Why a request cannot be sent. `why` has static storage.
struct refusal {
  errc code = errc::ok;
  std::string_view why;
  explicit operator bool() const noexcept { return code != errc::ok; }
};

// Keys that text can carry: 1 to 250 bytes, none at or below 0x20, none 0x7f. With `any_byte` only
// the length counts (binary keys: the binary protocol, and meta's base64 up to 186 bytes).
refusal check_key(std::string_view prefix, std::string_view key, bool any_byte) noexcept;

// Whether every byte is one that a text key or argument may hold.
bool is_text_safe(std::string_view bytes) noexcept;

}  // namespace memcxx::protocol
