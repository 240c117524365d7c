// What the configuration endpoint of a managed cluster says. See discovery.hpp.
#include "api/discovery.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "api/text.hpp"

namespace memcxx::api {

namespace {

using std::string_view;

constexpr std::size_t most_nodes = 1'000;  // clusters have up to some dozens

// Takes the first line off; it ends in "\n" or "\r\n", or with the text.
string_view take_line(string_view& text) noexcept {
  const std::size_t end = std::min(text.find('\n'), text.size());
  string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

result<server_address> parse_node(string_view node) {
  const std::size_t first = node.find('|');
  const std::size_t second =
      first == string_view::npos ? string_view::npos : node.find('|', first + 1);
  if (second == string_view::npos || node.find('|', second + 1) != string_view::npos)
    return invalid("node " + in_quotes(node) + " is not host|ip|port");
  const string_view host = node.substr(0, first);
  const string_view ip = node.substr(first + 1, second - first - 1);
  const string_view port = node.substr(second + 1);

  const bool has_ip = is_ipv4(ip) || is_ipv6(ip);
  // Without a host the address is all there is.
  if (!host.empty() || !has_ip)
    if (std::string fault = host_fault(host); !fault.empty())
      return invalid(fault + ", in node " + in_quotes(node));
  const auto number = whole_number(port);
  if (!number || *number < 1 || *number > 65'535)
    return invalid("port " + in_quotes(port) + " in node " + in_quotes(node) +
                   " is not between 1 and 65535");
  server_address s;
  s.host = host.empty() ? ip : host;
  s.port = static_cast<std::uint16_t>(*number);
  // As clients built on libmemcached name it on the ring: the usual port is left out.
  s.label = s.port == default_port ? s.host : s.name();
  if (has_ip) s.host = ip;
  return s;
}

}  // namespace

result<cluster> parse_cluster(string_view body) {
  cluster out;
  string_view rest = body;
  const string_view version = take_line(rest);
  const auto number = whole_number(version);
  if (!number) return invalid("version " + in_quotes(version) + " is not a number");
  out.version = *number;

  string_view nodes = take_line(rest);
  while (true) {
    nodes.remove_prefix(std::min(nodes.find_first_not_of(' '), nodes.size()));
    if (nodes.empty()) break;
    const std::size_t end = std::min(nodes.find(' '), nodes.size());
    if (out.servers.size() == most_nodes)
      return invalid("there are more than " + std::to_string(most_nodes) + " nodes");
    auto server = parse_node(nodes.substr(0, end));
    if (!server) return std::unexpected(std::move(server).error());
    out.servers.push_back(*std::move(server));
    nodes.remove_prefix(end);
  }
  if (out.servers.empty()) return invalid("version " + std::string(version) + " has no nodes");
  if (const std::size_t more = rest.find_first_not_of("\r\n"); more != string_view::npos)
    return invalid("there is " + in_quotes(rest.substr(more)) + " behind the nodes");
  return out;
}

}  // namespace memcxx::api
