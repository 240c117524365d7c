// How commands become requests, and how errors are made of responses. See command.hpp.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

#include <memcxx/command.hpp>

namespace memcxx {

using protocol::refusal;
using protocol::request;
using protocol::verb;
using protocol::want;

namespace {

refusal put_ttl(const ttl& t, std::int32_t& out) noexcept {
  if (t == ttl{}) {  // most never expire
    out = 0;
    return {};
  }
  std::chrono::sys_seconds now{};
  if (t.needs_clock()) {
    now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  if (const auto wire = t.on_wire(now)) {
    out = *wire;
    return {};
  }
  return {errc::invalid_argument, "ttl: ends after 2038-01-19, which the protocols cannot carry"};
}

refusal put_ttl(const std::optional<ttl>& t, std::optional<std::int32_t>& out) noexcept {
  if (!t) return {};
  return put_ttl(*t, out.emplace());
}

refusal put_read(std::string_view key, const get_options& o, request& out) noexcept {
  out.key = key;
  // Without a branch for each: a flag is a factor of 0 or 1.
  const auto when = [](bool wanted, want w) {
    return static_cast<want>(static_cast<unsigned>(wanted) * static_cast<unsigned>(w));
  };
  out.wants = when(o.value, want::value) | when(o.cas, want::cas) | when(o.ttl, want::ttl) |
              when(o.last_access, want::last_access) | when(o.hit_before, want::hit_before) |
              when(o.size, want::size);
  out.opaque = o.opaque;
  if (const refusal no = put_ttl(o.vivify, out.vivify_ttl)) return no;
  return put_ttl(o.recache, out.recache_ttl);
}

// A number where it is one, with its sign and fraction; anything else stays text. So does a whole
// number beyond 64 bits: as a double it would lose digits.
stat_value typed(std::string_view text) {
  const char* const end = text.data() + text.size();
  const auto whole = [end](const std::from_chars_result& r) {
    return r.ec == std::errc{} && r.ptr == end;
  };
  if (!text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))) {
    std::uint64_t u = 0;
    if (whole(std::from_chars(text.data(), end, u))) return u;
    std::int64_t i = 0;
    if (whole(std::from_chars(text.data(), end, i))) return i;
    double d = 0;
    const bool has_fraction = text.find('.') != std::string_view::npos;
    if (has_fraction && whole(std::from_chars(text.data(), end, d, std::chars_format::fixed))) {
      return d;
    }
  }
  return std::string(text);
}

}  // namespace

bool call::begin_step(unsigned step, const value_codec&) noexcept { return step == 0; }

std::span<char> call::on_value(std::size_t, const protocol::response&, std::size_t) noexcept {
  return {};
}

error error_of(const protocol::response& r, std::string_view server) {
  switch (fault_of(r.status)) {
    case fault::none:
    case fault::answer:
      if (r.status != errc::not_a_number) return r.status;
      [[fallthrough]];
    default:
      return {r.status, std::string(r.text), std::string(server)};
  }
}

namespace commands {

refusal get::to_request(request& out) const noexcept {
  out.op = verb::get;
  return put_read(key, options, out);
}

void get::read(const protocol::response& r, item_attributes& out) {
  using std::chrono::seconds;
  out.flags = r.flags;
  out.cas = r.cas;
  if (r.ttl) out.ttl = seconds(*r.ttl);
  if (r.last_access) out.last_access = seconds(*r.last_access);
  out.hit_before = r.hit_before;
  out.size = r.size;
  out.won = r.won;
  out.stale = r.stale;
  out.already_won = r.already_won;
  out.opaque = r.has_opaque ? r.opaque : 0;
}

refusal gat::to_request(request& out) const noexcept {
  out.op = verb::gat;
  if (const refusal no = put_ttl(ttl, out.ttl)) return no;
  return put_read(key, options, out);
}

refusal get_into::to_request(request& out) const noexcept {
  out.op = verb::get;
  return put_read(key, options, out);
}

refusal read_value::to_request(request& out) const noexcept {
  out.op = ttl ? verb::gat : verb::get;
  if (ttl) {
    if (const refusal no = put_ttl(*ttl, out.ttl)) return no;
  }
  if (!options.value) {
    return {errc::invalid_argument, "a typed read without the value; get() reads attributes alone"};
  }
  return put_read(key, options, out);
}

void store_value::take(const result<value_view>& encoded) {
  if (!encoded) {
    refused = encoded.error();
    return;
  }
  kind = encoded->kind;
  const std::string_view bytes = encoded->bytes;
  const auto from = reinterpret_cast<std::uintptr_t>(scratch.data());
  const auto at = reinterpret_cast<std::uintptr_t>(bytes.data());
  in_scratch = at >= from && at < from + std::max<std::size_t>(scratch.size(), 1);
  if (!in_scratch) {
    value = bytes;
  } else if (at == from) {
    scratch.resize(bytes.size());
  } else {
    scratch = std::string(bytes);
  }
}

refusal store::to_request(request& out) const noexcept {
  out.op = op;
  out.key = key;
  out.value = value;
  return put(options, options.quiet, out);
}

refusal store::put(const store_options& o, bool quiet, request& out) noexcept {
  if (o.min_compress) {
    return {errc::invalid_argument, "min_compress is for typed stores, as set<std::string>(…)"};
  }
  out.flags = o.flags;
  out.cas = o.cas;
  out.quiet = quiet;
  out.invalidate = o.invalidate;
  out.opaque = o.opaque;
  // The answer to a quiet store is not waited for, so it need not be long.
  out.wants = quiet ? want::nothing : want::cas;
  if (out.op == verb::cas && o.cas == 0) {
    return {errc::invalid_argument, "cas: the token is 0; read the item with .cas = true"};
  }
  return put_ttl(o.ttl, out.ttl);
}

refusal remove::to_request(request& out) const noexcept {
  out.op = verb::remove;
  out.key = key;
  out.cas = options.cas;
  out.quiet = options.quiet;
  out.invalidate = options.invalidate;
  out.opaque = options.opaque;
  if (!options.ttl) return {};
  if (!options.invalidate) {
    return {errc::invalid_argument, "remove: a ttl needs .invalidate = true"};
  }
  return put_ttl(*options.ttl, out.ttl);
}

refusal touch::to_request(request& out) const noexcept {
  out.op = verb::touch;
  out.key = key;
  return put_ttl(ttl, out.ttl);
}

refusal count::to_request(request& out) const noexcept {
  out.op = op;
  out.key = key;
  if (!delta) return {errc::invalid_argument, "the delta is negative"};
  out.delta = *delta;
  out.initial = options.initial;
  out.opaque = options.opaque;
  out.wants = want::value | want::cas;
  return put_ttl(options.ttl, out.ttl);
}

refusal debug::to_request(request& out) const noexcept {
  out.op = verb::debug;
  out.key = key;
  return {};
}

refusal flush::to_request(request& out) const noexcept {
  out.op = verb::flush;
  if (delay < std::chrono::seconds(0)) {
    return {errc::invalid_argument, "flush: the delay is negative"};
  }
  return put_ttl(ttl(delay), out.ttl);
}

refusal stats::to_request(request& out) const noexcept {
  out.op = verb::stats;
  out.key = group;
  return {};
}

void stats::read(const protocol::response& r, statistics& out) {
  if (r.more) out.insert_or_assign(std::string(r.key), typed(r.value));
}

refusal version::to_request(request& out) const noexcept {
  out.op = verb::version;
  return {};
}

refusal verbosity::to_request(request& out) const noexcept {
  out.op = verb::verbosity;
  out.delta = level;
  return {};
}

refusal ping::to_request(request& out) const noexcept {
  out.op = verb::ping;
  return {};
}

refusal cluster_config::to_request(request& out) const noexcept {
  out.op = verb::config;
  out.key = "cluster";
  return {};
}

}  // namespace commands
}  // namespace memcxx
