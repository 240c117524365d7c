// Everything that can be set on a client, and how it is written as a URI.
// Never here: I/O; a host name is only a name until a connection is needed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/connection.hpp>
#include <memcxx/dialect.hpp>
#include <memcxx/distribution.hpp>
#include <memcxx/driver.hpp>
#include <memcxx/error.hpp>

namespace memcxx {

inline constexpr std::uint16_t default_port = 11211;

// One server. Written "host", "host:port", "[::1]:port", "unix:/path", each with an optional
// "*weight".
struct server_address {
  std::string scheme = "memcached";  // which driver: "memcached" is the network's
  std::string host;                  // a name, an address without brackets, or a socket's path
  std::uint16_t port = default_port;
  bool is_unix = false;      // `host` is the path of a unix socket; `port` means nothing
  std::uint32_t weight = 1;  // share of the keys, for distributions that know weights; at least 1
  std::string label = {};    // identity on the ring, independent of the address; empty: name()
  std::string zone = {};     // where it stands; see options::zone

  // "host:port", "[v6]:port" or the path; for other drivers "scheme://host".
  [[nodiscard]] std::string name() const;
  bool operator==(const server_address&) const = default;
};

enum class error_policy : std::uint8_t {
  surface,  // an error is an error
  miss,     // failures of server, network and clock turn into misses; the caller's own do not
};

// How the blocking client waits for the answer to a call of one server.
enum class wait_policy : std::uint8_t {
  block,  // sleeps in the kernel
  // Looks again and again for up to 30 microseconds, giving way to other threads in between, before
  // it sleeps; only while answers take less than 50 microseconds on average. For threads that have
  // a core to themselves and a server nearby: an answer is seen when it comes, and not when the
  // scheduler has woken the thread. It costs processor time while waiting.
  adaptive,
};

// When a server counts as down. Apart from where keys go: what then becomes of its keys is
// failover's question.
struct health_options {
  // So many calls in a row without a connection or an answer mark a server down. Calls that overlap
  // in time count once, so one slow moment never does. 0: no server is ever
  // marked down, whatever else is set.
  unsigned max_failures = 3;
  // Marks it down, too: this share of the last calls (about 32) failed. 0: off; at most 1.
  double max_failure_rate = 0;
  // A server that is down is tried again after retry_min, then after twice as long, up to
  // retry_max, each varied by a quarter either way. In between, calls fail at once with
  // errc::server_down.
  std::chrono::milliseconds retry_min{50};
  std::chrono::milliseconds retry_max{2000};
};

// What becomes of a key whose server cannot be used. Read docs/clusters.md before choosing anything
// but `surface`: the others can serve stale data when a server was away only for some clients.
enum class failover_policy : std::uint8_t {
  surface,  // the error is the caller's to see
  next,  // the next place in the distribution's own order: python-memcached's rehash, a ring's next
         // point
  gutter,  // a server of options::gutter, where nothing lives longer than gutter_ttl
};

// Threads: a value type.
struct options {
  std::vector<server_address> servers;  // at least one; duplicates are refused

  protocol_choice protocol = protocol_choice::automatic;
  std::string distribution = "ketama";
  distribution_factory custom_distribution;  // when set, instead of `distribution`

  // For a whole call: waiting for a connection, connecting, writing, and reading to the last byte.
  std::chrono::milliseconds timeout{1000};
  // For the part of a call that opens a connection: resolving, connecting, handshake.
  std::chrono::milliseconds connect_timeout{500};
  // Connections to each server, opened when needed.
  std::size_t pool_size = 32;

  std::string prefix;          // stands before every key
  bool prefix_in_hash = true;  // whether the prefix counts when the server is chosen
  // Two characters, as "{}": only what stands between the first of each is hashed, so that keys
  // that share it live on one server. Empty: off.
  std::string hash_tag;
  std::size_t max_value_size = std::size_t{128} << 20;  // bytes; longer values are refused
  bool check_keys = true;  // off only for queue servers that answer with another key
  bool keepalive = true;   // TCP keepalive
  wait_policy wait = wait_policy::block;
  error_policy on_error = error_policy::surface;
  health_options health;
  failover_policy failover = failover_policy::surface;
  std::vector<server_address> gutter;  // for failover_policy::gutter
  std::chrono::seconds gutter_ttl{10};

  // Each item is stored on so many servers (the key's home and the next ones in the distribution's
  // order), and read from one: the first, or the next on a miss or a failure. A write succeeds when
  // one of them took it; see docs/clusters.md for what that means for consistency.
  unsigned replicas = 1;
  // Reads ask the replica in this zone first (server_address::zone).
  std::string zone;

  // How typed values (get<T>, set(key, T)) are written: whose flags and formats, compression, long
  // values, long keys. The verbs without a type see items as they are.
  value_options values;

  // Drop all items of a server that was down before it is used again: they may be out of date.
  bool flush_on_reconnect = false;

  // Called on the thread whose call found out, after that call and with no lock held. They may use
  // the client. Exceptions of theirs are the caller's.
  std::function<void(std::string_view server, const error& why)> on_server_down;
  std::function<void(std::string_view server)> on_server_up;
  std::function<void(const std::vector<std::string>& servers)> on_topology_change;
  // Called while a call of a client or session waits, on the thread that waits and with no lock
  // held: when a signal interrupted the wait, and five times a second besides, so that no signal
  // goes unheard that came just before. For those who do in it what cannot be done in a signal
  // handler. It may use the client, and may throw: the call then ends with that exception, at once.
  // What it had sent may have been executed; its connections are closed, so that nobody else meets
  // its answers. Otherwise the call goes on with what is left of its time. Not called by an
  // async_client; while cache() waits for another thread's computation; and, on other threads than
  // the process's first, hardly for calls that travel together (docs/threads.md).
  std::function<void()> on_interrupt;

  std::size_t memory_limit = std::size_t{64} << 20;            // bytes, for each memory:// server
  std::map<std::string, driver_factory, std::less<>> drivers;  // by scheme; "memory" is built in
};

// Reads a URI or a plain list of servers:
//   "127.0.0.1"   "a:11211 b:11211"   "a,b*2,[::1]:11212"   "unix:/run/memcached.sock"
//   "memcached://a,b*2/?timeout=250ms&distribution=ketama"   "memory://"   "mydriver://x,y"
// Behind an address, in this order: "*weight", ";label=x" and ";zone=y" (either first):
//   "10.0.0.1:11212*2;label=cache-1;zone=east"
// In paths, drivers' names, labels and zones "%2C" and the like stand for bytes that have a meaning
// here: space % * , ; ? and a "/" at the end. server_address::name() writes them so.
// Options may follow any form after a '?', with '&' between them: protocol, distribution, timeout,
// connect_timeout, pool_size, prefix, prefix_in_hash, hash_tag, max_value_size, check_keys,
// keepalive, wait (block, adaptive), on_error, failover (surface, next or rehash, gutter), gutter
// (a list of servers), gutter_ttl, replicas, zone, max_failures, max_failure_rate, retry_min,
// retry_max, flush_on_reconnect, memory_limit, and of value_options dialect, min_compress,
// compressor, compression_level, max_decompressed, split_over, hash_long_keys. Their values are
// percent-encoded where they hold % or &. Also understood, as python-memcached writes them:
// "inet:host:port", "inet6:[::1]:port". Errors: invalid_argument says what and where; not_supported
// for TLS and credentials.
result<options> parse_uri(std::string_view uri);
// The same, on top of options that hold already (drivers, defaults): the URI wins.
result<options> parse_uri(std::string_view uri, options defaults);

// One server of a list. Errors as parse_uri.
result<server_address> parse_server(std::string_view text);

// "250ms", "2s", "1.5s", "10m", "1h", "30d"; a bare number is seconds. Errors: invalid_argument.
result<std::chrono::milliseconds> parse_duration(std::string_view text);

// Whether a client can be made of these options; the error names the culprit.
result<void> check(const options& o);

}  // namespace memcxx
