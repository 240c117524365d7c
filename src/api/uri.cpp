// How options are written as text: a URI or a plain list of servers, with options behind a '?'.
// Never here: what makes options valid (options.cpp), I/O. A password that turns up in the text is
// never repeated in an error.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/options.hpp>

#include "text.hpp"

namespace memcxx {

namespace {

using api::in_quotes;
using api::invalid;
using std::string_view;

// --- servers ------------------------------------------------------------------------------------

bool is_scheme(string_view text) noexcept {
  return !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '.' ||
                  c == '-' || c == '_';
         });
}

// "scheme://rest"; no scheme when there is none at the beginning.
struct schemed {
  std::optional<string_view> scheme;
  string_view rest;
};

schemed split_scheme(string_view text) noexcept {
  const std::size_t at = text.find("://");
  if (at == string_view::npos || text.substr(0, at).find_first_of(":/, []") != string_view::npos)
    return {std::nullopt, text};
  return {text.substr(0, at), text.substr(at + 3)};
}

bool is_driver(string_view scheme, const options& known) {
  return scheme == "memory" || known.drivers.contains(scheme);
}

result<void> check_scheme(string_view scheme, const options& known) {
  if (scheme == "memcached" || scheme == "unix" || scheme == "inet" || scheme == "inet6" ||
      is_driver(scheme, known))
    return {};
  if (scheme == "memcacheds")
    return std::unexpected(error(errc::not_supported, "TLS (memcacheds://) is not supported"));
  return invalid("scheme " + in_quotes(scheme) + (is_scheme(scheme) ? "" : " is malformed, and") +
                 " is not known; known are " + api::known_schemes(known));
}

result<std::uint16_t> parse_port(string_view port, string_view item) {
  const auto number = api::whole_number(port);
  if (!number || *number < 1 || *number > 65'535)
    return invalid("port " + in_quotes(port) + " in " + in_quotes(item) +
                   " is not between 1 and 65535");
  return static_cast<std::uint16_t>(*number);
}

// The address between brackets. A zone may be written "%eth0", or "%25eth0" as RFC 6874 has it.
result<std::string> parse_bracketed(string_view inside, string_view item) {
  std::string host(inside);
  if (const std::size_t at = host.find("%25"); at != std::string::npos && at + 3 < host.size())
    host.erase(at + 1, 2);
  if (!api::is_ipv6(host) || host.find(':') == std::string::npos)
    return invalid(in_quotes(inside) + " in " + in_quotes(item) + " is not a valid IPv6 address");
  return host;
}

// "host", "host:port", "[v6]", "[v6]:port", "v6".
result<server_address> parse_network(string_view text, string_view item) {
  server_address server;
  std::optional<string_view> port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == string_view::npos)
      return invalid(in_quotes(item) + " has a \"[\" without a \"]\"");
    auto host = parse_bracketed(text.substr(1, close - 1), item);
    if (!host) return std::unexpected(host.error());
    server.host = *std::move(host);
    const string_view behind = text.substr(close + 1);
    if (behind.starts_with(':'))
      port = behind.substr(1);
    else if (!behind.empty())
      return invalid(in_quotes(behind) + " in " + in_quotes(item) +
                     " does not belong behind a \"]\"");
  } else if (api::is_ipv6(text)) {
    server.host = text;
  } else {
    const std::size_t colon = text.find(':');
    if (colon != text.rfind(':'))
      return invalid(in_quotes(item) +
                     " has more than one \":\"; an IPv6 address with a port is written "
                     "[::1]:11211");
    server.host = text.substr(0, colon);
    if (colon != string_view::npos) port = text.substr(colon + 1);
    if (std::string fault = api::host_fault(server.host); !fault.empty())
      return invalid(fault + (server.host == item ? "" : ", in " + in_quotes(item)));
  }
  if (port) {
    const auto number = parse_port(*port, item);
    if (!number) return std::unexpected(number.error());
    server.port = *number;
  }
  return server;
}

result<server_address> parse_unix(string_view text, string_view item) {
  if (text.starts_with("//")) {  // unix:///path: an empty authority, then the path
    if (!text.starts_with("///"))
      return invalid(in_quotes(item) + " names a host; a unix socket is written unix:/path");
    text.remove_prefix(2);
  }
  auto path = api::percent_decoded(text);
  if (!path)
    return invalid(in_quotes(item) + " has a \"%\" without two hexadecimal digits behind it");
  if (std::string fault = api::path_fault(*path); !fault.empty())
    return invalid(fault + ", in " + in_quotes(item));
  server_address server;
  server.host = *std::move(path);
  server.is_unix = true;
  return server;
}

// The part behind "scheme://" belongs to the driver: no port is read out of it.
result<server_address> parse_for_driver(string_view scheme, string_view text, string_view item) {
  auto host = api::percent_decoded(text);
  if (!host)
    return invalid(in_quotes(item) + " has a \"%\" without two hexadecimal digits behind it");
  server_address server;
  server.scheme = scheme;
  server.host = *std::move(host);
  return server;
}

result<server_address> parse_address(string_view scheme, string_view text, string_view item,
                                     const options& known) {
  if (is_driver(scheme, known)) return parse_for_driver(scheme, text, item);
  if (scheme == "unix") return parse_unix(text, item);
  if (scheme == "memcached") {
    if (text.starts_with("unix:")) return parse_unix(text.substr(5), item);
    if (text.starts_with('/')) return parse_unix(text, item);
    if (text.starts_with("inet:")) return parse_address("inet", text.substr(5), item, known);
    if (text.starts_with("inet6:")) return parse_address("inet6", text.substr(6), item, known);
  }
  auto server = parse_network(text, item);
  if (!server) return server;
  const bool v6 = server->host.find(':') != std::string::npos;
  if (scheme == "inet6" && !v6)
    return invalid(in_quotes(item) + " is not an IPv6 address, which inet6 asks for");
  if (scheme == "inet" && v6)
    return invalid(in_quotes(item) + " is an IPv6 address, which inet rules out; write inet6");
  return server;
}

// One entry of a list: address, then "*weight", then the '/' that may end a URI.
result<server_address> parse_item(string_view item, string_view scheme, const options& known) {
  auto [own_scheme, rest] = split_scheme(item);
  if (own_scheme) {
    scheme = *own_scheme;
    if (auto fine = check_scheme(scheme, known); !fine) return std::unexpected(fine.error());
    if (scheme == "unix" && !rest.starts_with('/'))
      return invalid(in_quotes(item) + " names a host; a unix socket is written unix:/path");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::uint32_t weight = 1;
  if (const std::size_t star = rest.rfind('*'); star != string_view::npos) {
    const auto number = api::whole_number(rest.substr(star + 1));
    if (!number || *number < 1 || *number > 65'535)
      return invalid("weight " + in_quotes(rest.substr(star + 1)) + " in " + in_quotes(item) +
                     " is not between 1 and 65535");
    weight = static_cast<std::uint32_t>(*number);
    rest = rest.substr(0, star);
  }
  auto server = parse_address(scheme, rest, item, known);
  if (server) server->weight = weight;
  return server;
}

// Entries stand between commas, spaces or both.
std::vector<string_view> split_list(string_view list) {
  std::vector<string_view> entries;
  while (true) {
    const std::size_t comma = list.find(',');
    string_view part = list.substr(0, comma);
    const std::size_t before = entries.size();
    while (true) {
      part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
      if (part.empty()) break;
      const std::size_t space = std::min(part.find(' '), part.size());
      entries.push_back(part.substr(0, space));
      part.remove_prefix(space);
    }
    if (entries.size() == before) entries.push_back({});  // nothing between two commas
    if (comma == string_view::npos) return entries;
    list.remove_prefix(comma + 1);
  }
}

bool has_credentials(string_view item) {
  const string_view rest = split_scheme(item).rest;
  return rest.find('@') != string_view::npos && !rest.starts_with("unix:") &&
         !rest.starts_with('/');
}

std::unexpected<error> credentials_refused() {
  return std::unexpected(error(errc::not_supported,
                               "authentication is not supported: there are credentials (\"@\") "
                               "before a server"));
}

result<void> parse_servers(string_view list, options& into) {
  auto [leading, rest] = split_scheme(list);
  const string_view scheme = leading.value_or("memcached");
  if (leading)
    if (auto fine = check_scheme(scheme, into); !fine) return fine;
  std::vector<string_view> entries = split_list(rest);
  // First of all, so that no error below quotes a piece of a password.
  if (scheme != "unix" && std::ranges::any_of(entries, has_credentials))
    return credentials_refused();
  into.servers.clear();
  const bool one_nameless = leading && is_driver(scheme, into) && (rest.empty() || rest == "/");
  if (!one_nameless && rest.find_first_not_of(", ") == string_view::npos)
    return invalid("there is no server in " + in_quotes(list));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].empty() && !one_nameless)
      return invalid("server " + std::to_string(i + 1) + " of " + in_quotes(list) + " is empty");
    if (leading && scheme == "unix" && !entries[i].starts_with('/'))
      return invalid(in_quotes(list) + " names a host; a unix socket is written unix:/path");
    auto server = parse_item(entries[i], scheme, into);
    if (!server) return std::unexpected(server.error());
    into.servers.push_back(*std::move(server));
  }
  return {};
}

// --- options ------------------------------------------------------------------------------------

// What a value had to be; empty when it was understood.
using expectation = std::string;

expectation read_bool(string_view value, bool& out) {
  if (value == "true" || value == "yes" || value == "on" || value == "1")
    out = true;
  else if (value == "false" || value == "no" || value == "off" || value == "0")
    out = false;
  else
    return "true or false";
  return {};
}

expectation read_size(string_view value, std::uint64_t most, std::size_t& out) {
  constexpr std::array<std::pair<string_view, std::uint64_t>, 7> units{{{"KiB", 1'024},
                                                                        {"MiB", 1'048'576},
                                                                        {"GiB", 1'073'741'824},
                                                                        {"KB", 1'000},
                                                                        {"MB", 1'000'000},
                                                                        {"GB", 1'000'000'000},
                                                                        {"", 1}}};
  const std::size_t end = std::min(value.find_first_not_of("0123456789"), value.size());
  const auto number = api::whole_number(value.substr(0, end));
  for (const auto& [name, factor] : units) {
    if (value.substr(end) != name) continue;
    if (!number || *number < 1 || *number > most / factor) break;
    out = static_cast<std::size_t>(*number * factor);
    return {};
  }
  return "a number of bytes from 1 to " + std::to_string(most >> 30) +
         "GiB, as 4096, 64KiB, 2MiB, 1GiB, 500KB or 5MB";
}

expectation read_timeout(string_view value, std::chrono::milliseconds& out) {
  const auto time = parse_duration(value);
  if (!time || *time <= std::chrono::milliseconds(0) || *time > std::chrono::hours(24))
    return "more than 0 and at most 1 day, as 250ms, 2s, 1.5s, 10m or 1h";
  out = *time;
  return {};
}

expectation read_protocol(string_view value, protocol_choice& out) {
  if (value == "automatic" || value == "auto")
    out = protocol_choice::automatic;
  else if (value == "classic")
    out = protocol_choice::classic;
  else if (value == "meta")
    out = protocol_choice::meta;
  else if (value == "binary")
    out = protocol_choice::binary;
  else
    return "automatic (or auto), classic, meta or binary";
  return {};
}

struct option {
  string_view name;
  expectation (*read)(string_view value, options& into);
};

constexpr std::array<option, 12> known_options{{
    {"protocol", [](string_view v, options& o) { return read_protocol(v, o.protocol); }},
    {"distribution",
     [](string_view v, options& o) {
       o.distribution = v;
       return expectation{};
     }},
    {"timeout", [](string_view v, options& o) { return read_timeout(v, o.timeout); }},
    {"connect_timeout",
     [](string_view v, options& o) { return read_timeout(v, o.connect_timeout); }},
    {"pool_size",
     [](string_view v, options& o) {
       const auto number = api::whole_number(v);
       if (!number || *number < 1 || *number > 10'000) return expectation("from 1 to 10000");
       o.pool_size = static_cast<std::size_t>(*number);
       return expectation{};
     }},
    {"prefix",
     [](string_view v, options& o) {
       o.prefix = v;
       return expectation{};
     }},
    {"prefix_in_hash", [](string_view v, options& o) { return read_bool(v, o.prefix_in_hash); }},
    {"max_value_size",
     [](string_view v, options& o) {
       return read_size(v, std::uint64_t{1} << 30, o.max_value_size);
     }},
    {"check_keys", [](string_view v, options& o) { return read_bool(v, o.check_keys); }},
    {"keepalive", [](string_view v, options& o) { return read_bool(v, o.keepalive); }},
    {"on_error",
     [](string_view v, options& o) {
       if (v != "surface" && v != "miss") return expectation("surface or miss");
       o.on_error = v == "miss" ? error_policy::miss : error_policy::surface;
       return expectation{};
     }},
    {"memory_limit",
     [](string_view v, options& o) {
       return read_size(v, std::uint64_t{1} << 40, o.memory_limit);
     }},
}};

result<void> parse_option(string_view text, string_view query, options& into) {
  const std::size_t equals = text.find('=');
  const string_view name = text.substr(0, equals);
  const auto* found = std::ranges::find(known_options, name, &option::name);
  if (found == known_options.end()) {
    std::string list;
    for (const option& o : known_options) list += (list.empty() ? "" : ", ") + std::string(o.name);
    return invalid("option " + in_quotes(name) + " in " + in_quotes(query) +
                   " is not known; known are " + list);
  }
  if (equals == string_view::npos)
    return invalid("option " + in_quotes(name) + " in " + in_quotes(query) + " has no value");
  const auto value = api::percent_decoded(text.substr(equals + 1));
  if (!value)
    return invalid("option " + in_quotes(text) +
                   " has a \"%\" without two hexadecimal digits behind it");
  if (const expectation expected = found->read(*value, into); !expected.empty())
    return invalid("option " + in_quotes(name) + " is " + in_quotes(*value) + ", and should be " +
                   expected);
  return {};
}

result<void> parse_options(string_view query, options& into) {
  std::vector<string_view> seen;
  string_view rest = query;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.empty()) return invalid("there is an empty option in " + in_quotes(query));
    if (auto fine = parse_option(text, query, into); !fine) return fine;
    const string_view name = text.substr(0, text.find('='));
    if (std::ranges::find(seen, name) != seen.end())
      return invalid("option " + in_quotes(name) + " in " + in_quotes(query) + " is given twice");
    seen.push_back(name);
  }
  return {};
}

result<options> parse_all(string_view uri, options defaults) {
  if (api::has_control(uri)) return invalid(in_quotes(uri) + " holds a control byte");
  const std::size_t question = std::min(uri.find('?'), uri.size());
  const string_view query = uri.substr(std::min(question + 1, uri.size()));
  if (auto fine = parse_servers(uri.substr(0, question), defaults); !fine)
    return std::unexpected(fine.error());
  if (auto fine = parse_options(query, defaults); !fine) return std::unexpected(fine.error());
  if (auto fine = check(defaults); !fine) return std::unexpected(fine.error());
  return defaults;
}

// An "@" in text that cannot be read may be the end of a password that holds "/", "?" or a control
// byte, so the text is not quoted.
error without_secrets(const error& e, string_view text) {
  if (e.code() != errc::invalid_argument || text.find('@') == string_view::npos ||
      text.starts_with("unix:") || text.starts_with('/'))
    return e;
  return {errc::invalid_argument,
          "the list of servers cannot be read, and is not repeated here because its \"@\" may "
          "belong to credentials; an \"@\" that is meant as such is written %40"};
}

}  // namespace

result<options> parse_uri(string_view uri) { return parse_uri(uri, options{}); }

result<options> parse_uri(string_view uri, options defaults) {
  auto parsed = parse_all(uri, std::move(defaults));
  if (!parsed) return std::unexpected(without_secrets(parsed.error(), uri));
  return parsed;
}

result<server_address> parse_server(string_view text) {
  const auto parse = [text]() -> result<server_address> {
    if (api::has_control(text)) return invalid(in_quotes(text) + " holds a control byte");
    if (text.empty()) return invalid("the server is empty");
    const bool is_path = text.starts_with("unix:") || text.starts_with('/');
    options alone;
    if (const auto scheme = split_scheme(text).scheme)
      if (auto fine = check_scheme(*scheme, alone); !fine) return std::unexpected(fine.error());
    if (!is_path && has_credentials(text)) return credentials_refused();
    if (!is_path && text.find_first_of(", ?") != string_view::npos)
      return invalid(in_quotes(text) + " is not one server");
    auto server = parse_item(text, "memcached", alone);
    if (!server) return server;
    alone.servers.push_back(*server);
    if (auto fine = check(alone); !fine) return std::unexpected(fine.error());
    return server;
  };
  auto server = parse();
  if (!server) return std::unexpected(without_secrets(server.error(), text));
  return server;
}

}  // namespace memcxx
