// Checks of a request that more than one protocol makes in the same way.
// Never here: bytes on the wire, anything of a single protocol.
#pragma once

#include <cstddef>

#include <memcxx/protocol/request.hpp>

namespace memcxx::protocol {

// memcached reads a length as a signed 32-bit number and adds two to it. A longer one is refused as
// a bad line, and the value after it would then be run as commands.
inline constexpr std::size_t longest_value = 0x7fffffff - 2;
inline constexpr std::size_t longest_group = 200;

// Whether it is a get of nothing but value, flags and cas.
inline bool is_plain_get(const request& r) noexcept {
  constexpr want beyond = want::ttl | want::last_access | want::hit_before | want::size;
  return r.op == verb::get && asks(r.wants, want::value) && !asks(r.wants, beyond) &&
         !r.vivify_ttl && !r.recache_ttl;
}

// Whether it is one of the requests that are most frequent and that every protocol has: a get of
// value and cas, or a set without conditions, of a key that was checked. There is nothing to
// refuse.
inline bool is_plain(const request& r) noexcept {
  if (!r.text_key || r.cas != 0 || r.opaque != 0 || r.invalidate) return false;
  return r.op == verb::set ? r.value.size() <= longest_value : is_plain_get(r);
}

// What holds for every protocol: the value's length, a cas verb has a token, a read has no cas,
// the group of stats is words, the level of verbosity is 32 bits, a config has a name.
refusal check_common(const request& r) noexcept;

// Refuses everything that only meta can carry: attributes of an item, reads without the value,
// vivify, recache, invalidate, debug. `why` has the words, so that each protocol names itself.
struct meta_only_reasons {
  std::string_view attributes, no_value, vivify, recache, invalidate, debug;
};
refusal check_not_meta(const request& r, const meta_only_reasons& why) noexcept;

}  // namespace memcxx::protocol
