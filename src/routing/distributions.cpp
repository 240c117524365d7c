// The presets by name.
// Never here: how any of them works.
#include "distributions.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace memcxx {
namespace {

using namespace routing;

using hash_names = hash_function (*)(std::string_view) noexcept;

struct preset {
  std::string_view name;
  maker make;
  hash_names find_hash = nullptr;    // null: bound to its own hash
  std::string_view usual_hash = {};  // when the name does not say
};

constexpr std::array presets = {
    preset{"ketama", make_libmemcached_weighted, find_hash, "md5"},
    preset{"modula", make_modula, find_hash, "default"},
    preset{"libmemcached-modula", make_modula, find_hash, "default"},
    preset{"libmemcached-consistent", make_libmemcached_consistent, find_hash, "default"},
    preset{"libmemcached-ketama", make_libmemcached_consistent, find_hash, "default"},
    preset{"libmemcached-ketama-weighted", make_libmemcached_weighted, find_hash, "md5"},
    preset{"libmemcached-spy", make_libmemcached_spy, find_hash, "default"},
    preset{"twemproxy-ketama", make_twemproxy_ketama, find_twemproxy_hash, "default"},
    preset{"twemproxy-modula", make_twemproxy_modula, find_twemproxy_hash, "default"},
    preset{"libmc", make_libmc, find_libmc_hash, "default"},
    preset{"spymemcached", make_spymemcached},
    preset{"dalli", make_dalli},
    preset{"gomemcache", make_gomemcache},
    preset{"gomemcached", make_gomemcached},
    preset{"python-memcached", make_python_memcached},
    preset{"python-memcached-1.59", make_python_memcached_159},
    preset{"cmemcache", make_cmemcache},
    preset{"memcached2-rehash", make_memcached2_rehash},
    preset{"memcached2-fractal", make_memcached2_fractal},
    preset{"memcached2-consistent", make_memcached2_consistent},
    preset{"pymemcache", make_pymemcache},
    preset{"rustymem", make_rustymem},
    preset{"jump", make_jump, find_hash, "md5"},
    preset{"maglev", make_maglev, find_hash, "md5"},
};

// Every name that some client family has for a hash.
constexpr std::array<std::string_view, 16> all_hash_names = {
    "default",  "md5",     "crc",      "crc_32", "crc16",  "crc32",   "crc32a",  "fnv1_32",
    "fnv1a_32", "fnv1_64", "fnv1a_64", "hsieh",  "murmur", "murmur3", "jenkins", "one_at_a_time"};

std::unexpected<error> refuse(std::string message) {
  return std::unexpected(error(errc::invalid_argument, std::move(message)));
}

std::unexpected<error> refuse_name(std::string_view name) {
  std::string message = "unknown distribution '" + std::string(name) + "'; known are";
  for (const preset& p : presets) message.append(" ").append(p.name);
  return refuse(std::move(message));
}

std::unexpected<error> refuse_hash(std::string_view distribution, std::string_view hash) {
  return refuse("distribution '" + std::string(distribution) + "' has a hash of its own, and '" +
                std::string(hash) + "' cannot be chosen");
}

std::unexpected<error> refuse_unknown_hash(const preset& p, std::string_view hash) {
  std::string message = "unknown hash '" + std::string(hash) + "' for distribution '" +
                        std::string(p.name) + "'; known are";
  for (const std::string_view name : all_hash_names) {
    if (p.find_hash(name) != nullptr) message.append(" ").append(name);
  }
  return refuse(std::move(message));
}

// What every maker may count on.
result<void> check_servers(std::span<const server_address> servers) {
  if (servers.empty()) return refuse("a distribution needs at least one server");
  if (servers.size() > max_servers) {
    return refuse("a distribution takes at most " + std::to_string(max_servers) + " servers");
  }
  for (const server_address& s : servers) {
    if (s.weight == 0) return refuse("server " + s.name() + " has weight 0");
  }
  return {};
}

result<std::unique_ptr<distribution>> make(const preset& p, std::span<const server_address> servers,
                                           hash_function hash) {
  if (auto fine = check_servers(servers); !fine) return std::unexpected(std::move(fine).error());
  return p.make(servers, hash);
}

}  // namespace

result<std::unique_ptr<distribution>> make_distribution(std::string_view name,
                                                        std::span<const server_address> servers) {
  const std::size_t slash = name.find('/');
  const std::string_view base = name.substr(0, slash);
  const auto found = std::ranges::find(presets, base, &preset::name);
  if (found == presets.end()) return refuse_name(base);

  if (found->find_hash == nullptr) {
    if (slash == std::string_view::npos) return make(*found, servers, nullptr);
    return refuse_hash(base, name.substr(slash + 1));
  }
  const std::string_view hash_name =
      slash == std::string_view::npos ? found->usual_hash : name.substr(slash + 1);
  const hash_function hash = found->find_hash(hash_name);
  if (hash == nullptr) {
    return refuse_unknown_hash(*found, hash_name);
  }
  return make(*found, servers, hash);
}

result<std::unique_ptr<distribution>> make_distribution(std::string_view name,
                                                        std::span<const server_address> servers,
                                                        key_hash own) {
  const auto found = std::ranges::find(presets, name, &preset::name);
  if (found == presets.end()) return refuse_name(name);
  if (found->find_hash == nullptr) {
    return refuse("distribution '" + std::string(name) + "' has a hash of its own");
  }
  if (own == nullptr) return refuse("the hash is a null pointer");
  return make(*found, servers, own);
}

std::vector<std::string_view> distribution_names() {
  std::vector<std::string_view> names;
  for (const preset& p : presets) names.push_back(p.name);
  return names;
}

}  // namespace memcxx
