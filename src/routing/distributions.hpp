// What the families of distributions share, and the maker of each preset.
// Never here: the names of presets (distributions.cpp), health, sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <memcxx/distribution.hpp>
#include <memcxx/options.hpp>

#include "hash.hpp"

namespace memcxx::routing {

// The makers are given between 1 and this many servers, each with a weight of at least 1.
inline constexpr std::size_t max_servers = 4096;

using servers_view = std::span<const server_address>;
using distribution_ptr = std::unique_ptr<distribution>;
// `key_hash` is null exactly for presets whose hash cannot be chosen.
using maker = distribution_ptr (*)(servers_view servers, hash_function key_hash);

// distributions_modula.cpp: a hash modulo the number of servers or buckets.
distribution_ptr make_modula(servers_view servers, hash_function key_hash);
distribution_ptr make_twemproxy_modula(servers_view servers, hash_function key_hash);
distribution_ptr make_rustymem(servers_view servers, hash_function);
distribution_ptr make_gomemcache(servers_view servers, hash_function);
distribution_ptr make_cmemcache(servers_view servers, hash_function);
distribution_ptr make_jump(servers_view servers, hash_function key_hash);

// distributions_python.cpp: the rules of python-memcached and of memcached2.
distribution_ptr make_python_memcached(servers_view servers, hash_function);
distribution_ptr make_python_memcached_159(servers_view servers, hash_function);
distribution_ptr make_memcached2_rehash(servers_view servers, hash_function);
distribution_ptr make_memcached2_fractal(servers_view servers, hash_function);
distribution_ptr make_memcached2_consistent(servers_view servers, hash_function);

// distributions_libmemcached.cpp: libmemcached's rings, and those that descend from them.
distribution_ptr make_libmemcached_consistent(servers_view servers, hash_function key_hash);
distribution_ptr make_libmemcached_weighted(servers_view servers, hash_function key_hash);
distribution_ptr make_libmemcached_spy(servers_view servers, hash_function key_hash);
distribution_ptr make_twemproxy_ketama(servers_view servers, hash_function key_hash);
distribution_ptr make_libmc(servers_view servers, hash_function key_hash);
distribution_ptr make_spymemcached(servers_view servers, hash_function);

// distributions_rings.cpp: rings with rules of their own.
distribution_ptr make_gomemcached(servers_view servers, hash_function);
distribution_ptr make_dalli(servers_view servers, hash_function);

// distributions_scores.cpp: every server is scored or ranked by hashing its name.
distribution_ptr make_pymemcache(servers_view servers, hash_function);
distribution_ptr make_maglev(servers_view servers, hash_function key_hash);

}  // namespace memcxx::routing
