// One API call on its way. See exchange.hpp.
#include "routing/exchange.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <memcxx/protocol/binary.hpp>
#include <memcxx/protocol/classic.hpp>
#include <memcxx/protocol/meta.hpp>

namespace memcxx::routing {

using protocol::refusal;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

namespace {

// What the one protocol that a client is bound to cannot carry. With `automatic` only a connection
// knows.
refusal check_protocol(protocol_choice p, const request& r) noexcept {
  switch (p) {
    case protocol_choice::automatic:
      return {};
    case protocol_choice::classic:
      return protocol::classic::check(r);
    case protocol_choice::meta:
      return protocol::meta::has(r.op) ? protocol::meta::check(r) : protocol::classic::check(r);
    case protocol_choice::binary:
      return protocol::binary::check(r);
  }
  return {};
}

constexpr std::string_view names_nobody = "custom_distribution named a server that does not exist";

// Says which byte of a key is at fault: `byte 0x0a at offset 3 of key "a…"`.
std::string describe_key(std::string_view prefix, std::string_view key, std::string_view why) {
  const auto hex = [](std::string& out, unsigned char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    out.append("\\x").push_back(digits[c >> 4U]);
    out.push_back(digits[c & 15U]);
  };
  const auto bad = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  if (key.empty()) return std::string(why);
  std::string whole(prefix);
  whole.append(key);
  std::string out(why);
  out += ": ";
  if (whole.size() <= protocol::max_key_size) {
    const auto at = std::find_if(whole.begin(), whole.end(), bad);
    if (at != whole.end()) {
      out += "byte ";
      hex(out, static_cast<unsigned char>(*at));
      out += " at offset " + std::to_string(at - whole.begin()) + " of ";
    }
  } else {
    out += std::to_string(whole.size()) + " bytes, ";
  }
  out += "key \"";
  constexpr std::size_t shown = 40;
  for (const char c : whole.substr(0, shown)) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u >= 0x7f || c == '"' || c == '\\') {
      hex(out, u);
    } else {
      out.push_back(c);
    }
  }
  out += whole.size() > shown ? "\"…" : "\"";
  return out;
}

}  // namespace

// --- exchange ----------------------------------------------------------------------------------

void exchange::deliver(std::uint32_t index, const response& r, std::string_view server) noexcept {
  if (options_.on_error == error_policy::miss && r.status != errc::ok) {
    const fault whose = fault_of(r.status);
    const bool failure = whose == fault::server || whose == fault::network ||
                         whose == fault::clock ||
                         (r.status == errc::value_too_large && !server.empty());
    request what;
    if (failure && !call_.request(index, what) && protocol::names_item(what.op)) {
      response miss;
      miss.status = errc::miss;
      call_.on_response(index, miss, server);
      return;
    }
  }
  call_.on_response(index, r, server);
}

[[gnu::cold]] void exchange::refuse(std::uint32_t index, errc code, std::string_view why) noexcept {
  response r;
  r.status = code;
  r.text = why;
  call_.on_response(index, r, {});
}

[[gnu::always_inline]] inline refusal exchange::fit(request& r, const topology& t,
                                                    const options& o) noexcept {
  if (protocol::names_item(r.op)) {
    const bool any_byte = carries_any_byte(o);
    r.prefix = t.prefix;
    r.text_key = !any_byte;
    if (const refusal no = check_key(r.prefix, r.key, any_byte)) return no;
  }
  if (r.value.size() > o.max_value_size) {
    return {errc::value_too_large, "the value is longer than max_value_size"};
  }
  if (o.protocol == protocol_choice::automatic) return {};
  return check_protocol(o.protocol, r);
}

refusal make_fit(request& r, const topology& t, const options& o) noexcept {
  return exchange::fit(r, t, o);
}

// With words about this very request.
[[gnu::cold]] void exchange::refuse_unfit(std::uint32_t index, const request& r,
                                          const refusal& no) noexcept try {
  if (no.code == errc::invalid_key && protocol::check_key(r.prefix, r.key, any_byte_)) {
    refuse(index, no.code, describe_key(r.prefix, r.key, no.why));
  } else if (r.value.size() > options_.max_value_size) {
    refuse(index, no.code,
           "the value has " + std::to_string(r.value.size()) + " bytes, max_value_size is " +
               std::to_string(options_.max_value_size));
  } else {
    refuse(index, no.code, no.why);
  }
} catch (...) {
  refuse(index, no.code, no.why);
}

// Fills in the request; false when it was refused. `filled`: `r` is another request of this call.
bool exchange::accept(std::uint32_t index, request& r, bool filled) noexcept {
  if (const refusal no = filled ? call_.request_after(index, r) : call_.request(index, r)) {
    refuse(index, no.code, no.why);
    return false;
  }
  const refusal no = filled && differs_by_key_ ? check_key(r.prefix, r.key, any_byte_)
                                               : fit(r, topology_, options_);
  if (!no) return true;
  refuse_unfit(index, r, no);
  return false;
}

// Places keys some at a time, because many are hashed for less together.
class exchange::homes_in_chunks {
 public:
  homes_in_chunks(const topology& t, std::vector<placed>& out) noexcept : topology_(t), out_(out) {}
  void add(std::uint32_t index, std::string_view key) {
    out_.push_back({index, topology::no_server});
    keys_[waiting_++] = key;
    if (waiting_ == keys_.size()) finish();
  }
  void finish() noexcept {
    std::array<std::uint32_t, chunk> servers;
    topology_.homes(std::span(keys_).first(waiting_), servers);
    const auto first = out_.end() - static_cast<std::ptrdiff_t>(waiting_);
    for (std::size_t i = 0; i < waiting_; ++i)
      first[static_cast<std::ptrdiff_t>(i)].server = servers[i];
    waiting_ = 0;
  }

 private:
  static constexpr std::size_t chunk = 64;
  const topology& topology_;
  std::vector<placed>& out_;
  std::array<std::string_view, chunk> keys_;
  std::size_t waiting_ = 0;
};

void exchange::prepare(route how, std::uint32_t only) {
  const std::size_t n = call_.size();
  differs_by_key_ = call_.differs_by_key();
  const bool plain = how != route::by_key || is_plain(options_);
  // The common calls: nothing to sort, nothing to allocate.
  if (plain && how == route::one) return go_to_one(only, n);
  if (plain && how == route::by_key && (n == 1 || topology_.own == 1)) {
    return go_to_one(topology::no_server, n);
  }
  if (!plain) {
    courses_.resize(n);
    displaced_.reserve(n);
  }
  std::vector<placed> all;
  all.reserve(n);
  homes_in_chunks homes(topology_, all);
  request r;
  bool filled = false;
  for (std::uint32_t i = 0; i < n; ++i) {
    // What is like the one before differs by its key, and mostly that is fine.
    const bool alike = filled && differs_by_key_ && !call_.request_after(i, r) &&
                       !check_key(r.prefix, r.key, any_byte_);
    if (!alike) {
      if (!filled) r = {};
      filled = accept(i, r, filled);
      if (!filled) continue;
    }
    if (!plain) {
      place(i, r, all);
    } else if (how == route::by_key) {
      homes.add(i, r.key);
    } else {
      all.push_back({i, i});
    }
  }
  homes.finish();
  const auto nowhere = [](const placed& p) { return p.server == topology::no_server; };
  for (const placed& p : all) {
    if (nowhere(p)) refuse(p.index, errc::invalid_argument, names_nobody);
  }
  std::erase_if(all, nowhere);
  deal(all);
}

// All requests to one server; no_server: that of their keys.
void exchange::go_to_one(std::uint32_t server, std::size_t n) {
  std::uint32_t i = 0;
  while (i < n && !accept(i, first_.what, false)) {
    first_.what = {};
    ++i;
  }
  if (i == n) return;
  if (server == topology::no_server) server = topology_.home(first_.what.key);
  if (server == topology::no_server) return refuse(i, errc::invalid_argument, names_nobody);
  one_.owner_ = this;
  one_.server_ = server;
  one_.count_ = n;
  one_.next_ = one_.answered_ = i;  // those before were refused
  if (n > 1 && quiet()) {
    one_.settled_.reserve(n);
    for (std::uint32_t refused = 0; refused < i; ++refused) one_.settled_.push_back(refused);
  }
  one_.adapt(first_.what);
  first_.filled = true;
  checks_late_ = true;
  has_one_ = true;
}

void exchange::adopt(std::uint32_t server) noexcept {
  one_.owner_ = this;
  one_.server_ = server;
  one_.count_ = one_.next_ = 1;
  has_one_ = checks_late_ = true;
}

// Each server's requests are in the order of the call.
void exchange::deal(std::span<const placed> all) {
  std::vector<std::uint32_t> first(topology_.servers.size() + 1, 0);
  for (const placed& p : all) ++first[p.server + 1];
  std::size_t used = 0;
  for (std::size_t s = 1; s < first.size(); ++s) {
    used += first[s] != 0;
    first[s] += first[s - 1];
  }
  order_.resize(all.size());
  std::vector<std::uint32_t> at(first.begin(), first.end() - 1);
  for (const placed& p : all) order_[at[p.server]++] = p.index;
  has_one_ = checks_late_ = false;
  many_.clear();
  many_.reserve(used);
  for (std::uint32_t s = 0; s + 1 < first.size(); ++s) {
    if (first[s] == first[s + 1]) continue;
    leg& l = many_.emplace_back();
    l.owner_ = this;
    l.server_ = s;
    l.order_ = order_.data() + first[s];
    l.count_ = first[s + 1] - first[s];
    if (quiet()) l.settled_.reserve(l.count_);
  }
}

}  // namespace memcxx::routing
