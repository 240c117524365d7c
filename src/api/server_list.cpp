// How servers are written as text, one or a list, and how their names are written so that they can
// be read back. Never here: options (uri.cpp), what makes servers valid (options.cpp), I/O. A
// password that turns up in the text is never repeated in an error.
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
  if (at == string_view::npos || text.substr(0, at).find_first_of(":/, [];") != string_view::npos)
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

result<std::uint32_t> parse_weight(string_view text, string_view item) {
  const auto number = api::whole_number(text);
  if (!number || *number < 1 || *number > 65'535)
    return invalid("weight " + in_quotes(text) + " in " + in_quotes(item) +
                   " is not between 1 and 65535");
  return static_cast<std::uint32_t>(*number);
}

// "label=x" or "zone=y".
result<void> parse_attribute(string_view text, string_view item, server_address& into) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const string_view name = text.substr(0, equals);
  if (name != "label" && name != "zone")
    return invalid("attribute " + in_quotes(name) + " in " + in_quotes(item) +
                   " is not known; known are label, zone");
  const string_view value = text.substr(std::min(equals + 1, text.size()));
  if (value.find('*') != string_view::npos)
    return invalid(in_quotes(item) + " has a \"*\" in its " + std::string(name) +
                   "; a weight stands before the first \";\", and a \"*\" that is meant as such is "
                   "written %2A");
  auto read = api::percent_decoded(value);
  if (!read)
    return invalid(in_quotes(item) + " has a \"%\" without two hexadecimal digits behind it");
  std::string& target = name == "label" ? into.label : into.zone;
  if (read->empty())
    return invalid("the " + std::string(name) + " in " + in_quotes(item) + " is empty");
  if (!target.empty())
    return invalid("the " + std::string(name) + " in " + in_quotes(item) + " is given twice");
  target = *std::move(read);
  return {};
}

// One entry of a list: address, "*weight", ";label=…" and ";zone=…", then the '/' that may end a
// URI.
result<server_address> parse_item(string_view item, string_view scheme, const options& known) {
  auto [own_scheme, rest] = split_scheme(item);
  if (own_scheme) {
    scheme = *own_scheme;
    if (auto fine = check_scheme(scheme, known); !fine) return std::unexpected(fine.error());
    if (scheme == "unix" && !rest.starts_with('/'))
      return invalid(in_quotes(item) + " names a host; a unix socket is written unix:/path");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::size_t semicolon = rest.find(';');
  string_view attributes = rest.substr(std::min(semicolon, rest.size()));
  rest = rest.substr(0, semicolon);
  result<std::uint32_t> weight = 1;
  if (const std::size_t star = rest.rfind('*'); star != string_view::npos) {
    weight = parse_weight(rest.substr(star + 1), item);
    if (!weight) return std::unexpected(weight.error());
    rest = rest.substr(0, star);
  }
  auto server = parse_address(scheme, rest, item, known);
  if (!server) return server;
  server->weight = *weight;
  while (!attributes.empty()) {
    attributes.remove_prefix(1);
    semicolon = std::min(attributes.find(';'), attributes.size());
    if (auto fine = parse_attribute(attributes.substr(0, semicolon), item, *server); !fine)
      return std::unexpected(fine.error());
    attributes.remove_prefix(semicolon);
  }
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

// Percent-encodes what would be read as something else, or not at all.
std::string encoded(string_view text, string_view special) {
  constexpr string_view digits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    // A "/" at the end is a URI's, and "//" begins with a host.
    const bool slash = c == '/' && (i + 1 == text.size() || (i == 1 && text[0] == '/'));
    if (byte <= 0x20 || byte == 0x7f || slash || special.find(c) != string_view::npos)
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    else
      out += c;
  }
  return out;
}

}  // namespace

namespace api {

result<std::vector<server_address>> parse_servers(string_view list, const options& known) {
  auto [leading, rest] = split_scheme(list);
  const string_view scheme = leading.value_or("memcached");
  if (leading)
    if (auto fine = check_scheme(scheme, known); !fine) return std::unexpected(fine.error());
  std::vector<string_view> entries = split_list(rest);
  // First of all, so that no error below quotes a piece of a password.
  if (scheme != "unix" && std::ranges::any_of(entries, has_credentials))
    return credentials_refused();
  const bool one_nameless = leading && is_driver(scheme, known) && (rest.empty() || rest == "/");
  if (!one_nameless && rest.find_first_not_of(", ") == string_view::npos)
    return invalid("there is no server in " + in_quotes(list));
  std::vector<server_address> servers;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].empty() && !one_nameless)
      return invalid("server " + std::to_string(i + 1) + " of " + in_quotes(list) + " is empty");
    if (leading && scheme == "unix" && !entries[i].starts_with('/'))
      return invalid(in_quotes(list) + " names a host; a unix socket is written unix:/path");
    auto server = parse_item(entries[i], scheme, known);
    if (!server) return std::unexpected(server.error());
    servers.push_back(*std::move(server));
  }
  return servers;
}

error without_secrets(const error& e, string_view text) {
  if (e.code() != errc::invalid_argument || text.find('@') == string_view::npos ||
      text.starts_with("unix:") || text.starts_with('/'))
    return e;
  return {errc::invalid_argument,
          "the list of servers cannot be read, and is not repeated here because its \"@\" may "
          "belong to credentials; an \"@\" that is meant as such is written %40"};
}

}  // namespace api

std::string server_address::name() const {
  if (is_unix) {
    std::string path = encoded(host, "%*,;?");
    return path.starts_with('/') ? path : "unix:" + path;
  }
  if (scheme != "memcached") return scheme + "://" + encoded(host, "%*,;?@");
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]:" : host + ":") + std::to_string(port);
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
  if (!server) return std::unexpected(api::without_secrets(server.error(), text));
  return server;
}

}  // namespace memcxx
