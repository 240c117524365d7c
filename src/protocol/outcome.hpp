// How the parsers say what they saw.
// Never here: bytes of any protocol.
#pragma once

#include <cstddef>
#include <string_view>

#include <memcxx/protocol/response.hpp>

namespace memcxx::protocol {

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
