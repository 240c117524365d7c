// Whether options make sense: servers' addresses, durations and limits.
// Never here: the syntax of servers (server_list.cpp) and of a URI (uri.cpp), I/O. Nothing is
// resolved.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <memcxx/distribution.hpp>
#include <memcxx/options.hpp>
#include <memcxx/protocol/request.hpp>

#include "text.hpp"

namespace memcxx {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t longest_host = 253;       // RFC 1035, 2.3.4, without the final dot
constexpr std::size_t longest_host_label = 63;  // RFC 1035, 2.3.4
constexpr std::size_t longest_path = 107;       // sockaddr_un::sun_path less its zero byte
constexpr std::size_t longest_value = std::size_t{1} << 30;
constexpr std::size_t largest_pool = 10'000;
constexpr std::uint32_t heaviest = 65'535;
constexpr std::size_t longest_label = 250;
constexpr unsigned most_replicas = 16;
constexpr milliseconds longest_timeout = 24h;
constexpr std::chrono::seconds longest_gutter_ttl = std::chrono::days(30);  // more would be a date
constexpr std::size_t longest_meta_binary_key = 186;  // becomes 248 bytes of base64

bool is_alnum(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool all_digits(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// What two addresses share when they mean the same server: names differ in case, IPv6 addresses in
// spelling.
std::string identity(const server_address& s) {
  if (s.is_unix || s.scheme != "memcached") return s.name();
  server_address plain = s;
  plain.host = lowered(s.host);
  in6_addr bytes{};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_pton(AF_INET6, plain.host.c_str(), &bytes) == 1 &&
      inet_ntop(AF_INET6, &bytes, text.data(), text.size()) != nullptr)
    plain.host = text.data();
  else if (plain.host.ends_with('.'))
    plain.host.pop_back();
  return plain.name();
}

// Why a label or a zone cannot be one; empty when it can, or when there is none.
std::string word_fault(std::string_view text) {
  if (!protocol::is_text_safe(text)) return "holds a space or a control byte";
  if (text.size() > longest_label) return "is longer than 250 bytes";
  return {};
}

result<void> check_server(const server_address& s, const options& o) {
  if (s.scheme != "memcached" && s.scheme != "memory" && !o.drivers.contains(s.scheme))
    return api::invalid("scheme " + api::in_quotes(s.scheme) + " is not known; known are " +
                        api::known_schemes(o));
  std::string fault;
  if (s.is_unix) {
    if (s.scheme != "memcached")
      fault = "a unix socket cannot be served by scheme " + api::in_quotes(s.scheme);
    else
      fault = api::path_fault(s.host);
  } else if (s.scheme == "memcached") {
    fault = api::host_fault(s.host);
    if (fault.empty() && s.port == 0)
      fault = "port 0 in " + api::in_quotes(s.name()) + " is not between 1 and 65535";
  } else if (api::has_control(s.host)) {
    fault = "host " + api::in_quotes(s.host) + " holds a control byte";
  } else if (s.host.size() > longest_host) {
    fault = "host " + api::in_quotes(s.host) + " is longer than 253 bytes";
  }
  if (!fault.empty()) return api::invalid(std::move(fault));
  if (s.weight < 1 || s.weight > heaviest)
    return api::invalid("weight " + std::to_string(s.weight) + " of " + api::in_quotes(s.name()) +
                        " is not between 1 and 65535");
  for (const auto& [what, text] : {std::pair("label", &s.label), std::pair("zone", &s.zone)})
    if (std::string wrong = word_fault(*text); !wrong.empty())
      return api::invalid(std::string(what) + " " + api::in_quotes(*text) + " of " +
                          api::in_quotes(s.name()) + " " + wrong);
  return {};
}

// What a server may be called on a ring: its label, or what the clients in the field make of its
// address.
std::vector<std::string> ring_names(const server_address& s) {
  if (!s.label.empty()) return {s.label};
  const std::string with_port = s.host + ':' + std::to_string(s.port);
  std::vector<std::string> names = {s.name(), with_port, '/' + with_port};
  if (s.is_unix || s.port == default_port) names.push_back(s.host);
  return names;
}

result<void> check_servers(const options& o) {
  if (o.servers.empty()) return api::invalid("there is no server");
  std::unordered_set<std::string> seen;
  std::unordered_map<std::string, const server_address*> called;
  for (const auto* list : {&o.servers, &o.gutter}) {
    const std::string where = list == &o.gutter ? "gutter: " : "";
    for (const server_address& s : *list) {
      if (auto fine = check_server(s, o); !fine)
        return api::invalid(where + std::string(fine.error().message()));
      if (!seen.insert(identity(s)).second)
        return api::invalid(where + "server " + api::in_quotes(s.name()) + " is listed twice");
      for (const std::string& name : ring_names(s)) {
        const auto [at, is_new] = called.emplace(name, &s);
        const server_address& other = *at->second;
        // Without a label, only spellings of different servers can meet; no ring uses both.
        if (is_new || &other == &s || (other.label.empty() && s.label.empty())) continue;
        return api::invalid(where + "label " + api::in_quotes(name) + " belongs to two servers, " +
                            api::in_quotes(other.name()) + " and " + api::in_quotes(s.name()));
      }
    }
  }
  return {};
}

result<void> check_timeout(std::string_view name, milliseconds value) {
  if (value > 0ms && value <= longest_timeout) return {};
  return api::invalid(std::string(name) + " of " + std::to_string(value.count()) +
                      "ms is not more than 0 and at most 1 day");
}

result<void> check_health(const options& o) {
  const health_options& h = o.health;
  if (auto fine = check_timeout("retry_min", h.retry_min); !fine) return fine;
  if (auto fine = check_timeout("retry_max", h.retry_max); !fine) return fine;
  if (h.retry_min > h.retry_max)
    return api::invalid("retry_min of " + std::to_string(h.retry_min.count()) +
                        "ms is longer than retry_max of " + std::to_string(h.retry_max.count()) +
                        "ms");
  if (!(h.max_failure_rate >= 0 && h.max_failure_rate <= 1))  // nor is it no number at all
    return api::invalid("max_failure_rate of " + std::to_string(h.max_failure_rate) +
                        " is not between 0 and 1");
  if (h.max_failures != 0) return {};
  if (h.max_failure_rate > 0)
    return api::invalid("max_failure_rate needs a max_failures that is not 0, which means never");
  if (o.flush_on_reconnect)
    return api::invalid("flush_on_reconnect needs a max_failures that is not 0, which means never");
  return {};
}

result<void> check_failover(const options& o) {
  const bool uses_gutter = o.failover == failover_policy::gutter;
  if (uses_gutter && o.gutter.empty())
    return api::invalid("failover=gutter needs servers in gutter, and there is none");
  if (!uses_gutter && !o.gutter.empty())
    return api::invalid("gutter names " + api::in_quotes(o.gutter.front().name()) +
                        ", and failover is not gutter");
  if (o.gutter_ttl < 1s || o.gutter_ttl > longest_gutter_ttl)
    return api::invalid("gutter_ttl of " + std::to_string(o.gutter_ttl.count()) +
                        "s is not between 1 second and 30 days");
  if (o.replicas < 1 || o.replicas > most_replicas)
    return api::invalid("replicas of " + std::to_string(o.replicas) + " is not between 1 and 16");
  if (o.replicas > 1 && o.failover != failover_policy::surface)
    return api::invalid(
        "replicas and failover: with replicas a read goes to the next of them, and "
        "failover would do nothing");
  if (o.replicas > o.servers.size())
    return api::invalid("replicas of " + std::to_string(o.replicas) + " is more than there are " +
                        "servers, which is " + std::to_string(o.servers.size()));
  if (std::string wrong = word_fault(o.zone); !wrong.empty())
    return api::invalid("zone " + api::in_quotes(o.zone) + " " + wrong);
  return {};
}

result<void> check_hash_tag(std::string_view tag) {
  const auto printable = [](char c) { return c > 0x20 && c < 0x7f; };
  if (tag.empty() || (tag.size() == 2 && tag[0] != tag[1] && std::ranges::all_of(tag, printable)))
    return {};
  return api::invalid("hash_tag " + api::in_quotes(tag) +
                      " is not two different printable characters, as {}");
}

result<void> check_prefix(const options& o) {
  if (o.prefix.size() >= protocol::max_key_size)
    return api::invalid("prefix of " + std::to_string(o.prefix.size()) +
                        " bytes leaves no room for a key; it must be shorter than 250");
  if (protocol::is_text_safe(o.prefix)) return {};
  if (o.protocol != protocol_choice::meta && o.protocol != protocol_choice::binary)
    return api::invalid("prefix " + api::in_quotes(o.prefix) +
                        " holds a space or a control byte, which only the protocols meta and "
                        "binary carry, and protocol is " +
                        std::string(name_of(o.protocol)));
  if (o.protocol == protocol_choice::meta && o.prefix.size() >= longest_meta_binary_key)
    return api::invalid("prefix of " + std::to_string(o.prefix.size()) +
                        " bytes leaves no room for a key in base64; it must be shorter than 186");
  return {};
}

result<void> check_distribution(const options& o) {
  if (o.custom_distribution) return {};
  const std::vector<std::string_view> known = distribution_names();
  // "name/hash": whether the hash fits is found out when the distribution is made.
  const std::string_view bare =
      std::string_view(o.distribution).substr(0, o.distribution.find('/'));
  if (std::ranges::find(known, bare) != known.end()) return {};
  std::string list;
  for (const std::string_view name : known) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  return api::invalid("distribution " + api::in_quotes(o.distribution) +
                      " is not known; known are " + list);
}

}  // namespace

namespace api {

std::string known_schemes(const options& o) {
  std::string out = "memcached, unix, inet, inet6, memory";
  for (const auto& [scheme, _] : o.drivers)
    if (scheme != "memory") out += ", " + scheme;
  return out;
}

bool is_ipv4(std::string_view text) noexcept {
  std::array<char, INET_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size()) return false;
  std::ranges::copy(text, copy.begin());
  in_addr bytes{};
  return std::string_view(copy.data()) == text && inet_pton(AF_INET, copy.data(), &bytes) == 1;
}

bool is_ipv6(std::string_view text) noexcept {
  const std::size_t percent = text.find('%');
  if (percent != std::string_view::npos) {
    const std::string_view zone = text.substr(percent + 1);
    if (zone.empty() || zone.size() > 15 || !std::ranges::all_of(zone, [](char c) {
          return is_alnum(c) || c == '.' || c == '-' || c == '_';
        }))
      return false;
    text = text.substr(0, percent);
  }
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size()) return false;
  std::ranges::copy(text, copy.begin());
  in6_addr bytes{};
  return std::string_view(copy.data()) == text && inet_pton(AF_INET6, copy.data(), &bytes) == 1;
}

std::string host_fault(std::string_view host) {
  if (host.empty()) return "the host is empty";
  if (is_ipv6(host)) return {};
  const std::string named = "host " + in_quotes(host);
  if (host.size() - (host.ends_with('.') ? 1 : 0) > longest_host)
    return named + " is longer than 253 bytes";
  for (const char c : host) {
    if (is_alnum(c) || c == '.' || c == '-' || c == '_') continue;
    return named + " holds " + in_quotes({&c, 1}) +
           ", which is neither letter, digit nor one of .-_";
  }
  std::string_view rest = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    if (part.empty()) return named + " has an empty part";
    if (part.size() > longest_host_label) return named + " has a part longer than 63 bytes";
    if (part.starts_with('-')) return named + " has a part that begins with \"-\"";
    if (dot == std::string_view::npos) {
      // A name never ends in a number: it was meant as an address.
      if (all_digits(part) && !is_ipv4(host)) return named + " is not a valid IPv4 address";
      return {};
    }
    rest.remove_prefix(dot + 1);
  }
}

std::string path_fault(std::string_view path) {
  if (path.empty()) return "the path of the unix socket is empty";
  if (has_control(path)) return "path " + in_quotes(path) + " holds a control byte";
  if (path.size() > longest_path)
    return "path " + in_quotes(path) +
           " is longer than 107 bytes, the most that a unix socket takes";
  return {};
}

}  // namespace api

result<milliseconds> parse_duration(std::string_view text) {
  constexpr std::int64_t longest = std::int64_t{86'400'000} * 36'500;  // a century
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> units{
      {{"ms", 1}, {"s", 1'000}, {"", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  const auto bad = [&](std::string_view why) {
    return api::invalid("duration " + api::in_quotes(text) + " " + std::string(why));
  };
  constexpr std::string_view forms = "is not a number with ms, s, m, h or d behind it";

  const std::size_t digits_end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, digits_end);
  if (digits.empty()) return bad(forms);
  std::string_view rest = text.substr(digits_end);
  std::string_view fraction;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    fraction = rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
    if (fraction.empty()) return bad(forms);
    if (fraction.size() > 9) return bad("has more than 9 digits behind the point");
    rest.remove_prefix(fraction.size());
  }
  const auto* unit =
      std::ranges::find(units, rest, &std::pair<std::string_view, std::int64_t>::first);
  if (unit == units.end()) return bad(forms);

  const auto whole = api::whole_number(digits);
  if (!whole || *whole > static_cast<std::uint64_t>(longest / unit->second))
    return bad("is longer than 100 years");
  std::int64_t total = static_cast<std::int64_t>(*whole) * unit->second;
  if (!fraction.empty()) {
    std::int64_t scale = 1;
    for (std::size_t i = 0; i < fraction.size(); ++i) scale *= 10;
    const auto part = static_cast<std::int64_t>(*api::whole_number(fraction)) * unit->second;
    total += (part + scale - 1) / scale;  // up, so that a short time does not become none
  }
  return milliseconds(total);
}

result<void> check(const options& o) {
  if (auto fine = check_servers(o); !fine) return fine;
  if (auto fine = check_distribution(o); !fine) return fine;
  if (auto fine = check_timeout("timeout", o.timeout); !fine) return fine;
  if (auto fine = check_timeout("connect_timeout", o.connect_timeout); !fine) return fine;
  if (auto fine = check_health(o); !fine) return fine;
  if (auto fine = check_failover(o); !fine) return fine;
  if (auto fine = check_hash_tag(o.hash_tag); !fine) return fine;
  if (auto fine = check_prefix(o); !fine) return fine;
  if (o.pool_size < 1 || o.pool_size > largest_pool)
    return api::invalid("pool_size of " + std::to_string(o.pool_size) +
                        " is not between 1 and 10000");
  if (o.max_value_size < 1 || o.max_value_size > longest_value)
    return api::invalid("max_value_size of " + std::to_string(o.max_value_size) +
                        " bytes is not between 1 byte and 1GiB");
  if (o.memory_limit < 1) return api::invalid("memory_limit of 0 bytes is not at least 1 byte");
  if (!o.check_keys && o.protocol != protocol_choice::classic &&
      o.protocol != protocol_choice::automatic)
    return api::invalid("check_keys=false needs protocol classic or automatic, not " +
                        std::string(name_of(o.protocol)));
  if (auto values = value_codec::make(o.values, o.prefix.size()); !values)
    return std::unexpected(std::move(values).error());
  return {};
}

}  // namespace memcxx
