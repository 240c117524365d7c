// What options and URIs share: reading and quoting text, and which names and addresses can be
// servers. Never here: what an option means, I/O.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/error.hpp>

namespace memcxx {
struct options;
struct server_address;
}  // namespace memcxx

namespace memcxx::api {

// The text in double quotes, fit for one line of a log: anything but printable ASCII is written as
// \xNN, and what is longer than 80 bytes is cut.
inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 80;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out += text.size() > longest ? "\"..." : "\"";
}

inline std::unexpected<error> invalid(std::string message) {
  return std::unexpected(error(errc::invalid_argument, std::move(message)));
}

// A whole decimal number, digits only. Empty when it is not one or does not fit.
inline std::optional<std::uint64_t> whole_number(std::string_view text) noexcept {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Reads "%41" as "A". Empty when a '%' is not followed by two hexadecimal digits.
inline std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    if (text.size() - i < 3) return std::nullopt;
    const char* digits = text.data() + i + 1;
    const auto [end, wrong] = std::from_chars(digits, digits + 2, byte, 16);
    if (wrong != std::errc{} || end != digits + 2) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

// Whether a byte is there that no host, path or label may hold.
inline bool has_control(std::string_view text) noexcept {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

// Reads a list of servers (server_list.cpp). `known` has the drivers.
result<std::vector<server_address>> parse_servers(std::string_view list, const options& known);
// The error as it may be told: an "@" in text that cannot be read may be the end of a password that
// holds "/", "?" or a control byte, so then the text is not quoted.
error without_secrets(const error& e, std::string_view text);

// The schemes that these options have a driver for, as a list to show.
std::string known_schemes(const options& o);

// The reason why `host` cannot be the name or address of a server on the network; empty when it
// can. Quotes the host.
std::string host_fault(std::string_view host);
// The reason why `path` cannot be the path of a unix socket; empty when it can.
std::string path_fault(std::string_view path);

bool is_ipv4(std::string_view text) noexcept;
// With an optional zone: "fe80::1%eth0".
bool is_ipv6(std::string_view text) noexcept;

}  // namespace memcxx::api
