// The servers of a client at one moment, and which of them a key belongs to.
// Never here: connections, health, bytes on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/distribution.hpp>
#include <memcxx/options.hpp>
#include <memcxx/protocol/request.hpp>

namespace memcxx::routing {

struct topology {
  std::vector<server_address> servers;  // the client's own, then those of the gutter
  std::vector<std::string> names;       // servers[i].name()
  std::size_t own = 0;                  // how many are the client's own
  std::unique_ptr<const distribution> where;
  std::unique_ptr<const distribution> gutter;  // null without one
  std::string prefix;
  bool prefix_in_hash = true;
  std::string hash_tag;
  std::vector<bool> near;  // whether an own server is in the client's zone

  [[nodiscard]] std::span<const server_address> own_servers() const noexcept {
    return {servers.data(), own};
  }
  [[nodiscard]] std::span<const std::string> own_names() const noexcept {
    return {names.data(), own};
  }

  // The index of the server for a key (without the prefix). no_server when a distribution of the
  // user's own names one that does not exist.
  [[nodiscard]] std::uint32_t home(std::string_view key) const noexcept;
  // out[i] = home(keys[i]). `out` has at least as many places as there are keys. Allocates nothing.
  void homes(std::span<const std::string_view> keys, std::span<std::uint32_t> out) const noexcept;
  // Where a key goes when its home and the next n - 1 servers cannot be used; n = 0 is its home.
  // All are different. Empty (no_server) when there are no more.
  [[nodiscard]] std::uint32_t place(std::string_view key, std::size_t n) const noexcept;
  // The server of the gutter for a key.
  [[nodiscard]] std::uint32_t gutter_place(std::string_view key) const noexcept;
  // The places 0 … n - 1, those in the client's zone first. Returns how many there are.
  std::size_t nearest(std::string_view key, std::span<std::uint32_t> out) const noexcept;

  static constexpr std::uint32_t no_server = UINT32_MAX;
  static constexpr std::size_t most_places = 16;

 private:
  // The bytes that are hashed for a key: with or without the prefix, or a part in braces only.
  struct hashed {
    char bytes[protocol::max_key_size];
    std::string_view of(const topology& t, std::string_view key) noexcept;
  };
};

// Builds it from options that `check` accepted.
result<topology> make_topology(const options& o);

}  // namespace memcxx::routing
