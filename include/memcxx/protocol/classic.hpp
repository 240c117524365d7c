// The classic text protocol (memcached's protocol.txt). Pure: bytes in, bytes out.
// Never here: sockets, clocks, state between calls. All functions are thread-safe.
#pragma once

#include <cstddef>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx::protocol::classic {

// No head is longer than this; `encode` needs that much room at `out`.
inline constexpr std::size_t max_head = 512;
// A line longer than this is malformed.
inline constexpr std::size_t max_line = 8192;

// Whether the classic protocol can carry the request, and if not, why.
refusal check(const request& r) noexcept;

// Writes the command line for a request that `check` accepted; returns its length. Stores end
// before the value: send the value and "\r\n" after it. `quiet` writes noreply where the command
// has one.
std::size_t encode(const request& r, char* out) noexcept;

// A get of many keys in one line: writes "get key" (or "gets key"); " key" for each of the others
// and "\r\n" follow.
std::size_t open_get(const request& r, char* out) noexcept;

// Reads one reply from the start of `in`. Views in `r` point into `in`.
parsed parse(std::string_view in, response& r) noexcept;

}  // namespace memcxx::protocol::classic
