// The meta commands of the text protocol (protocol.txt, "Meta Commands"): mg ms md ma mn me.
// Pure: bytes in, bytes out. Keys that text cannot carry go as base64. All functions are
// thread-safe. Commands that meta does not have (flush, stats, version, verbosity) are classic's.
#pragma once

#include <cstddef>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx::protocol::meta {

inline constexpr std::size_t max_head = 512;
inline constexpr std::size_t max_line = 8192;
// Longest key that still fits in 250 bytes of base64.
inline constexpr std::size_t max_binary_key = 186;

// Whether meta has a command for this verb at all.
bool has(verb v) noexcept;
// Whether meta can carry the request, and if not, why.
refusal check(const request& r) noexcept;
// Writes the command line for a request that `check` accepted; returns its length. Stores end
// before the value: send the value and "\r\n" after it.
std::size_t encode(const request& r, char* out) noexcept;
// Reads one reply from the start of `in`. Views in `r` point into `in`.
parsed parse(std::string_view in, response& r) noexcept;

}  // namespace memcxx::protocol::meta
