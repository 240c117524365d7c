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

// A get of many keys in one line: `open_get` writes "get key" (or "gets key"), `add_get` writes
// " key", and the line ends with "\r\n".
std::size_t open_get(const request& r, char* out) noexcept;
std::size_t add_get(std::string_view prefix, std::string_view key, char* out) noexcept;

// Reads one reply from the start of `in`. Views in `r` point into `in`.
parsed parse(std::string_view in, response& r) noexcept;
// Reads the head of an item of this key, as servers send it when it is its turn in a line: the key
// is compared and need not be found. Returns the head's length and fills in key, flags and cas;
// leaves the rest of `r` alone. 0 for everything else, be it incomplete or malformed: parse()
// knows.
std::size_t parse_item(std::string_view in, std::string_view prefix, std::string_view key,
                       response& r, std::size_t& value_size) noexcept;

}  // namespace memcxx::protocol::classic
