// How the clients in the field write a server's name where they hash it. A label replaces it.
// Never here: what is hashed behind the name.
#pragma once

#include <string>

#include <memcxx/options.hpp>

namespace memcxx::routing {

using server_name = std::string (*)(const server_address&);

inline std::string host_and_port(const server_address& s) {
  return s.host + ':' + std::to_string(s.port);
}

inline std::string label_or(server_name name, const server_address& s) {
  return s.label.empty() ? name(s) : s.label;
}

// The default port is left out; a unix socket's is 0.
inline std::string libmemcached_name(const server_address& s) {
  if (s.is_unix) return s.host + ":0";
  return s.port == default_port ? s.host : host_and_port(s);
}

inline std::string libmemcached_spy_name(const server_address& s) {
  return '/' + (s.is_unix ? s.host + ":0" : host_and_port(s));
}

// As libmemcached's, but the colon of a unix socket's missing port stays.
inline std::string twemproxy_name(const server_address& s) {
  if (s.is_unix) return s.host + ':';
  return s.port == default_port ? s.host : host_and_port(s);
}

// An IPv6 address stands without brackets.
inline std::string pymemcache_name(const server_address& s) {
  return s.is_unix ? s.host : host_and_port(s);
}

inline std::string plain_name(const server_address& s) { return s.name(); }

}  // namespace memcxx::routing
