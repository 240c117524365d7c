// How options are written as text: a URI or a plain list of servers, with options behind a '?'.
// Never here: the syntax of servers (server_list.cpp), what makes options valid (options.cpp), I/O.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <memcxx/options.hpp>

#include "text.hpp"

namespace memcxx {

namespace {

using api::in_quotes;
using api::invalid;
using std::string_view;

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

// 0 stands for never.
expectation read_bound(string_view value, std::size_t& out) {
  if (value != "0") {
    const auto expected = read_size(value, std::uint64_t{1} << 30, out);
    return expected.empty() ? expected : "0 (never) or " + expected;
  }
  out = 0;
  return {};
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

expectation read_number(string_view value, std::uint64_t least, std::uint64_t most,
                        std::uint64_t& out) {
  const auto number = api::whole_number(value);
  if (!number || *number < least || *number > most)
    return "from " + std::to_string(least) + " to " + std::to_string(most);
  out = *number;
  return {};
}

expectation read_rate(string_view value, double& out) {
  double rate = -1;
  const char* const end = value.data() + value.size();
  // from_chars knows more forms than are wanted here.
  const bool plain = value.find_first_not_of("0123456789.") == string_view::npos;
  const auto read = std::from_chars(value.data(), end, rate, std::chars_format::fixed);
  if (!plain || read.ec != std::errc{} || read.ptr != end || rate < 0 || rate > 1)
    return "from 0 to 1, as 0.5";
  out = rate;
  return {};
}

expectation read_seconds(string_view value, std::chrono::seconds& out) {
  using std::chrono::seconds;
  const auto time = parse_duration(value);
  if (!time || *time < seconds(1) || *time > std::chrono::days(30) ||
      *time % seconds(1) != std::chrono::milliseconds(0))
    return "whole seconds, from 1s to 30d";
  out = std::chrono::duration_cast<seconds>(*time);
  return {};
}

expectation read_failover(string_view value, failover_policy& out) {
  if (value == "surface")
    out = failover_policy::surface;
  else if (value == "next" || value == "rehash")
    out = failover_policy::next;
  else if (value == "gutter")
    out = failover_policy::gutter;
  else
    return "surface, next (or rehash) or gutter";
  return {};
}

expectation read_text(string_view value, std::string& out) {
  out = value;
  return {};
}

result<void> read_gutter(string_view value, options& into) {
  auto servers = api::parse_servers(value, into);
  if (!servers)
    return std::unexpected(
        error(servers.error().code(), "gutter: " + std::string(servers.error().message())));
  into.gutter = *std::move(servers);
  return {};
}

struct option {
  string_view name;
  expectation (*read)(string_view value, options& into);
  // For values that have errors of their own, in place of `read`.
  result<void> (*read_in_detail)(string_view value, options& into) = nullptr;
};

constexpr std::array<option, 31> known_options{{
    {"protocol", [](string_view v, options& o) { return read_protocol(v, o.protocol); }},
    {"distribution", [](string_view v, options& o) { return read_text(v, o.distribution); }},
    {"timeout", [](string_view v, options& o) { return read_timeout(v, o.timeout); }},
    {"connect_timeout",
     [](string_view v, options& o) { return read_timeout(v, o.connect_timeout); }},
    {"pool_size",
     [](string_view v, options& o) {
       std::uint64_t number = o.pool_size;
       auto expected = read_number(v, 1, 10'000, number);
       o.pool_size = static_cast<std::size_t>(number);
       return expected;
     }},
    {"prefix", [](string_view v, options& o) { return read_text(v, o.prefix); }},
    {"prefix_in_hash", [](string_view v, options& o) { return read_bool(v, o.prefix_in_hash); }},
    {"hash_tag", [](string_view v, options& o) { return read_text(v, o.hash_tag); }},
    {"max_value_size",
     [](string_view v, options& o) {
       return read_size(v, std::uint64_t{1} << 30, o.max_value_size);
     }},
    {"check_keys", [](string_view v, options& o) { return read_bool(v, o.check_keys); }},
    {"keepalive", [](string_view v, options& o) { return read_bool(v, o.keepalive); }},
    {"wait",
     [](string_view v, options& o) {
       if (v != "block" && v != "adaptive") return expectation("block or adaptive");
       o.wait = v == "adaptive" ? wait_policy::adaptive : wait_policy::block;
       return expectation{};
     }},
    {"on_error",
     [](string_view v, options& o) {
       if (v != "surface" && v != "miss") return expectation("surface or miss");
       o.on_error = v == "miss" ? error_policy::miss : error_policy::surface;
       return expectation{};
     }},
    {"failover", [](string_view v, options& o) { return read_failover(v, o.failover); }},
    {"gutter", nullptr, read_gutter},
    {"gutter_ttl", [](string_view v, options& o) { return read_seconds(v, o.gutter_ttl); }},
    {"replicas",
     [](string_view v, options& o) {
       std::uint64_t number = o.replicas;
       auto expected = read_number(v, 1, 16, number);
       o.replicas = static_cast<unsigned>(number);
       return expected;
     }},
    {"zone", [](string_view v, options& o) { return read_text(v, o.zone); }},
    {"max_failures",
     [](string_view v, options& o) {
       std::uint64_t number = o.health.max_failures;
       auto expected = read_number(v, 0, 1'000'000, number);
       o.health.max_failures = static_cast<unsigned>(number);
       return expected;
     }},
    {"max_failure_rate",
     [](string_view v, options& o) { return read_rate(v, o.health.max_failure_rate); }},
    {"retry_min", [](string_view v, options& o) { return read_timeout(v, o.health.retry_min); }},
    {"retry_max", [](string_view v, options& o) { return read_timeout(v, o.health.retry_max); }},
    {"flush_on_reconnect",
     [](string_view v, options& o) { return read_bool(v, o.flush_on_reconnect); }},
    {"memory_limit",
     [](string_view v, options& o) {
       return read_size(v, std::uint64_t{1} << 40, o.memory_limit);
     }},
    {"dialect",
     [](string_view v, options& o) {
       const auto known = dialect_named(v);
       if (known) o.values.dialect = *known;
       return known ? expectation{}
                    : expectation(
                          "native, python-memcached, cmemcache, pyermc, pymemcache, pylibmc, "
                          "libmc, gomemcached or dalli");
     }},
    {"min_compress",
     [](string_view v, options& o) { return read_bound(v, o.values.min_compress); }},
    {"compressor",
     [](string_view v, options& o) {
       const auto known = compressor_named(v);
       if (known) o.values.compressor = *known;
       return known ? expectation{} : expectation("automatic, lz4, zlib or zstd");
     }},
    {"compression_level",
     [](string_view v, options& o) {
       const bool negative = v.starts_with('-');
       std::uint64_t number = 0;
       auto expected = read_number(v.substr(negative ? 1 : 0), 0, 1'000'000, number);
       if (!expected.empty()) return expectation("a whole number, as 3 or -5");
       const auto level = static_cast<int>(number);
       o.values.compression_level = negative ? -level : level;
       return expectation{};
     }},
    {"max_decompressed",
     [](string_view v, options& o) {
       return read_size(v, std::uint64_t{1} << 30, o.values.max_decompressed);
     }},
    {"split_over", [](string_view v, options& o) { return read_bound(v, o.values.split_over); }},
    {"hash_long_keys",
     [](string_view v, options& o) { return read_bool(v, o.values.hash_long_keys); }},
}};

// Errors quote the option at fault and no other: a gutter may hold a password.
result<void> parse_option(string_view text, options& into) {
  const std::size_t equals = text.find('=');
  const string_view name = text.substr(0, equals);
  const auto* found = std::ranges::find(known_options, name, &option::name);
  if (found == known_options.end()) {
    std::string list;
    for (const option& o : known_options) list += (list.empty() ? "" : ", ") + std::string(o.name);
    return invalid("option " + in_quotes(name) + " is not known; known are " + list);
  }
  if (equals == string_view::npos) return invalid("option " + in_quotes(name) + " has no value");
  const auto value = api::percent_decoded(text.substr(equals + 1));
  if (!value)
    return invalid("option " + in_quotes(name) +
                   " has a \"%\" without two hexadecimal digits behind it");
  if (found->read_in_detail != nullptr) return found->read_in_detail(*value, into);
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
    if (text.empty()) return invalid("there is an empty option behind the \"?\"");
    if (auto fine = parse_option(text, into); !fine) return fine;
    const string_view name = text.substr(0, text.find('='));
    if (std::ranges::find(seen, name) != seen.end())
      return invalid("option " + in_quotes(name) + " is given twice");
    seen.push_back(name);
  }
  return {};
}

result<options> parse_all(string_view uri, options defaults) {
  if (api::has_control(uri)) return invalid(in_quotes(uri) + " holds a control byte");
  const std::size_t question = std::min(uri.find('?'), uri.size());
  const string_view query = uri.substr(std::min(question + 1, uri.size()));
  auto servers = api::parse_servers(uri.substr(0, question), defaults);
  if (!servers) return std::unexpected(servers.error());
  defaults.servers = *std::move(servers);
  if (auto fine = parse_options(query, defaults); !fine) return std::unexpected(fine.error());
  if (auto fine = check(defaults); !fine) return std::unexpected(fine.error());
  return defaults;
}

}  // namespace

result<options> parse_uri(string_view uri) { return parse_uri(uri, options{}); }

result<options> parse_uri(string_view uri, options defaults) {
  auto parsed = parse_all(uri, std::move(defaults));
  if (!parsed) return std::unexpected(api::without_secrets(parsed.error(), uri));
  return parsed;
}

}  // namespace memcxx
