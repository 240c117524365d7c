// How the parsers say what they saw.
// Never here: bytes of any protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <memcxx/protocol/response.hpp>

namespace memcxx::protocol {

// Makes it a response{}. Field by field: as a whole g++ 12 does it with "rep stos", which takes
// longer to begin than all of this.
inline void clear(response& r) noexcept {
  r.status = errc::ok;
  r.more = r.unsent = r.misjudged = r.bystander = r.has_cas = r.has_opaque = r.won = r.stale =
      r.already_won = false;
  r.flags = r.opaque = 0;
  r.cas = r.number = 0;
  r.ttl.reset();
  r.last_access.reset();
  r.hit_before.reset();
  r.size.reset();
  r.key = {};
  r.value = {};
  r.text = {};
}

// Flags of more than 32 bits, as memcached can be built to store, are this item's error alone.
inline void set_flags(response& r, std::uint64_t flags) noexcept {
  r.flags = static_cast<std::uint32_t>(flags);
  if (flags <= UINT32_MAX || r.status != errc::ok) [[likely]]
    return;
  r.status = errc::unknown_flags;
  r.text = "the item's flags are no 32-bit number";
}

// `why` has static storage.
inline parsed malformed(std::string_view why) noexcept {
  parsed p;
  p.what = parsed::outcome::malformed;
  p.why = why;
  return p;
}

inline parsed reply(reply_kind kind, std::size_t head_size) noexcept {
  parsed p;
  p.what = parsed::outcome::reply;
  p.kind = kind;
  p.head_size = head_size;
  return p;
}

// An item: a value of `size` bytes follows the head, and `trailer` bytes follow the value.
inline parsed value_reply(std::size_t head_size, std::size_t size, std::uint8_t trailer) noexcept {
  parsed p = reply(reply_kind::value, head_size);
  p.body_size = size;
  p.trailer = trailer;
  return p;
}

}  // namespace memcxx::protocol
