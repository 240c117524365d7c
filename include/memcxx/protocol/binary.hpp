// The binary protocol (memcached's protocol-binary.xml and protocol_binary.h). Deprecated by the
// server, still what some fleets speak. Pure: bytes in, bytes out. All functions are thread-safe.
#pragma once

#include <cstddef>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx::protocol::binary {

inline constexpr std::size_t header_size = 24;
inline constexpr std::size_t max_head = 512;
// An error's message, a version or a statistic longer than this is malformed.
inline constexpr std::size_t max_text = 8192;

// Whether the binary protocol can carry the request, and if not, why.
refusal check(const request& r) noexcept;
// Writes header, extras and key for a request that `check` accepted; returns their length. The
// value follows as it is.
std::size_t encode(const request& r, char* out) noexcept;
// Reads one reply from the start of `in`. Views in `r` point into `in`.
parsed parse(std::string_view in, response& r) noexcept;

}  // namespace memcxx::protocol::binary
