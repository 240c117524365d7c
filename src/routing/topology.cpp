// Where a key goes. See topology.hpp.
#include "routing/topology.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace memcxx::routing {

std::string_view topology::hashed::of(const topology& t, std::string_view key) noexcept {
  std::string_view whole = key;
  const std::size_t n = t.prefix.size() + key.size();
  if (!t.prefix.empty() && t.prefix_in_hash && n <= sizeof bytes) {  // a longer one is refused
    std::memcpy(bytes, t.prefix.data(), t.prefix.size());
    if (!key.empty()) std::memcpy(bytes + t.prefix.size(), key.data(), key.size());
    whole = {bytes, n};
  }
  if (t.hash_tag.size() != 2) return whole;
  // As twemproxy does: the bytes between the first pair, if there are any.
  const std::size_t from = whole.find(t.hash_tag[0]);
  if (from == std::string_view::npos) return whole;
  const std::size_t to = whole.find(t.hash_tag[1], from + 1);
  if (to == std::string_view::npos || to == from + 1) return whole;
  return whole.substr(from + 1, to - from - 1);
}

std::uint32_t topology::home(std::string_view key) const noexcept {
  if (own == 1) return 0;
  hashed h;
  const std::uint32_t s = where->pick(h.of(*this, key));
  return s < own ? s : no_server;
}

void topology::homes(std::span<const std::string_view> keys,
                     std::span<std::uint32_t> out) const noexcept {
  out = out.first(keys.size());
  if (own == 1) {
    std::ranges::fill(out, 0U);
    return;
  }
  if (hash_tag.empty() && (prefix.empty() || !prefix_in_hash)) {
    where->pick_each(keys, out);
  } else {
    std::array<hashed, 32> room;
    std::array<std::string_view, room.size()> parts;
    for (std::size_t at = 0; at < keys.size(); at += parts.size()) {
      const auto some = keys.subspan(at, std::min(parts.size(), keys.size() - at));
      for (std::size_t i = 0; i < some.size(); ++i) parts[i] = room[i].of(*this, some[i]);
      where->pick_each(std::span(parts).first(some.size()), out.subspan(at));
    }
  }
  for (std::uint32_t& s : out) {
    if (s >= own) s = no_server;
  }
}

std::uint32_t topology::place(std::string_view key, std::size_t n) const noexcept {
  std::array<std::uint32_t, most_places> seen;
  if (n >= seen.size() || n >= own) return no_server;
  hashed h;
  const std::string_view k = h.of(*this, key);
  std::size_t found = 0;
  // A distribution may name a server again before it has named all.
  const auto most = static_cast<unsigned>(own * 2 + 64);
  for (unsigned attempt = 0; attempt < most; ++attempt) {
    const std::uint32_t s = where->pick(k, attempt);
    if (s >= own) return no_server;
    if (std::find(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(found), s) !=
        seen.begin() + static_cast<std::ptrdiff_t>(found)) {
      continue;
    }
    if (found == n) return s;
    seen[found++] = s;
  }
  return no_server;
}

std::uint32_t topology::gutter_place(std::string_view key) const noexcept {
  if (gutter == nullptr) return no_server;
  hashed h;
  const std::uint32_t s = gutter->pick(h.of(*this, key));
  return s < servers.size() - own ? static_cast<std::uint32_t>(own) + s : no_server;
}

std::size_t topology::nearest(std::string_view key, std::span<std::uint32_t> out) const noexcept {
  std::size_t n = 0;
  while (n < out.size()) {
    const std::uint32_t s = place(key, n);
    if (s == no_server) break;
    out[n++] = s;
  }
  if (near.empty()) return n;
  // Near ones first, each group in its order: insertion keeps it so without allocating.
  std::size_t first_far = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!near[out[i]]) continue;
    for (std::size_t j = i; j > first_far; --j) std::swap(out[j], out[j - 1]);
    ++first_far;
  }
  return n;
}

result<topology> make_topology(const options& o) {
  topology t;
  t.servers = o.servers;
  t.own = o.servers.size();
  t.servers.insert(t.servers.end(), o.gutter.begin(), o.gutter.end());
  for (const server_address& s : t.servers) t.names.push_back(s.name());
  t.prefix = o.prefix;
  t.prefix_in_hash = o.prefix_in_hash;
  t.hash_tag = o.hash_tag;
  if (!o.zone.empty()) {
    for (const server_address& s : o.servers) t.near.push_back(s.zone == o.zone);
  }
  const auto make = [&o](std::span<const server_address> servers) {
    if (!o.custom_distribution) return make_distribution(o.distribution, servers);
    auto made = o.custom_distribution(servers);
    if (made != nullptr) return result<std::unique_ptr<distribution>>(std::move(made));
    return result<std::unique_ptr<distribution>>(
        std::unexpected(error(errc::invalid_argument, "custom_distribution made no distribution")));
  };
  auto own = make(t.own_servers());
  if (!own) return std::unexpected(std::move(own).error());
  t.where = std::move(*own);
  if (!o.gutter.empty()) {
    auto gutter = make(o.gutter);
    if (!gutter) return std::unexpected(std::move(gutter).error());
    t.gutter = std::move(*gutter);
  }
  return t;
}

}  // namespace memcxx::routing
