// The binary protocol (protocol-binary.xml: "Request header", "Response header", "Commands").
// Never here: text, sockets, clocks, allocation, state between calls.
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#include <memcxx/protocol/binary.hpp>

#include "checks.hpp"
#include "outcome.hpp"

namespace memcxx::protocol::binary {
namespace {

constexpr std::uint8_t request_magic = 0x80;
constexpr std::uint8_t response_magic = 0x81;

enum opcode : std::uint8_t {
  op_get = 0x00,
  op_set = 0x01,
  op_add = 0x02,
  op_replace = 0x03,
  op_delete = 0x04,
  op_increment = 0x05,
  op_decrement = 0x06,
  op_quit = 0x07,
  op_flush = 0x08,
  op_getq = 0x09,
  op_noop = 0x0a,
  op_version = 0x0b,
  op_getk = 0x0c,
  op_getkq = 0x0d,
  op_append = 0x0e,
  op_prepend = 0x0f,
  op_stat = 0x10,
  op_setq = 0x11,
  op_addq = 0x12,
  op_replaceq = 0x13,
  op_deleteq = 0x14,
  op_incrementq = 0x15,
  op_decrementq = 0x16,
  op_quitq = 0x17,
  op_flushq = 0x18,
  op_appendq = 0x19,
  op_prependq = 0x1a,
  op_verbosity = 0x1b,
  op_touch = 0x1c,
  op_gat = 0x1d,
  op_gatq = 0x1e,
};

enum status : std::uint16_t {
  st_ok = 0x0000,
  st_not_found = 0x0001,
  st_exists = 0x0002,
  st_too_large = 0x0003,
  st_invalid_arguments = 0x0004,
  st_not_stored = 0x0005,
  st_not_a_number = 0x0006,
  st_auth_error_old = 0x0008,
  st_auth_continue_old = 0x0009,
  st_auth_error = 0x0020,
  st_auth_continue = 0x0021,
  st_unknown_command = 0x0081,
  st_out_of_memory = 0x0082,
  st_not_supported = 0x0083,
  st_internal = 0x0084,
  st_busy = 0x0085,
  st_temporary = 0x0086,
};

template <std::unsigned_integral T>
constexpr T big_endian(T n) noexcept {
  if constexpr (sizeof(T) > 1 && std::endian::native == std::endian::little) n = std::byteswap(n);
  return n;
}

template <std::unsigned_integral T>
void put(char* at, T n) noexcept {
  n = big_endian(n);
  std::memcpy(at, &n, sizeof n);
}

template <std::unsigned_integral T>
T take(const char* at) noexcept {
  T n;
  std::memcpy(&n, at, sizeof n);
  return big_endian(n);
}

constexpr meta_only_reasons reasons = {
    .attributes = "the binary protocol does not tell ttl, last access, hit before or size",
    .no_value = "the binary protocol cannot read an item without its value",
    .vivify = "the binary protocol has no vivify",
    .recache = "the binary protocol has no recache",
    .invalidate = "the binary protocol has no invalidate",
    .debug = "the binary protocol has no debug",
};

opcode opcode_of(verb v, bool quiet) noexcept {
  switch (v) {
    case verb::get:
      return quiet ? op_getq : op_get;
    case verb::gat:
      return quiet ? op_gatq : op_gat;
    case verb::set:
    case verb::cas:
      return quiet ? op_setq : op_set;
    case verb::add:
      return quiet ? op_addq : op_add;
    case verb::replace:
      return quiet ? op_replaceq : op_replace;
    case verb::append:
      return quiet ? op_appendq : op_append;
    case verb::prepend:
      return quiet ? op_prependq : op_prepend;
    case verb::remove:
      return quiet ? op_deleteq : op_delete;
    case verb::touch:
      return op_touch;
    case verb::incr:
      return quiet ? op_incrementq : op_increment;
    case verb::decr:
      return quiet ? op_decrementq : op_decrement;
    case verb::flush:
      return quiet ? op_flushq : op_flush;
    case verb::stats:
      return op_stat;
    case verb::version:
      return op_version;
    case verb::verbosity:
      return op_verbosity;
    case verb::debug:
    case verb::ping:
    case verb::config:
      break;
  }
  return op_noop;
}

// The server reads the expiration as unsigned: a negative one would be a date in 2106, and all ones
// also tells a counter not to be created. The first second after the range of relative times is a
// date in January 1970, so the item is gone at once.
constexpr std::uint32_t expired = 60 * 60 * 24 * 30 + 1;
constexpr std::uint32_t do_not_create = 0xffffffff;

constexpr std::uint32_t expiration(std::int32_t ttl) noexcept {
  return ttl < 0 ? expired : static_cast<std::uint32_t>(ttl);
}

// Writes the extras of a request; returns their length.
std::size_t put_extras(const request& r, char* at) noexcept {
  switch (r.op) {
    case verb::set:
    case verb::cas:
    case verb::add:
    case verb::replace:
      put(at, r.flags);
      put(at + 4, expiration(r.ttl));
      return 8;
    case verb::incr:
    case verb::decr:
      put(at, r.delta);
      put(at + 8, r.initial.value_or(0));
      put(at + 16, r.initial ? expiration(r.ttl) : do_not_create);
      return 20;
    case verb::gat:
    case verb::touch:
      put(at, expiration(r.ttl));
      return 4;
    case verb::flush:
      if (r.ttl <= 0) return 0;
      put(at, expiration(r.ttl));
      return 4;
    case verb::get:
    case verb::append:
    case verb::prepend:
    case verb::remove:
    case verb::debug:
    case verb::stats:
    case verb::version:
    case verb::verbosity:
    case verb::ping:
    case verb::config:
      break;
  }
  return 0;
}

}  // namespace

refusal check(const request& r) noexcept {
  if (names_item(r.op))
    if (const refusal no = check_key(r.prefix, r.key, true)) return no;
  if (const refusal no = check_common(r)) return no;
  if (const refusal no = check_not_meta(r, reasons)) return no;
  // memcached answers "unknown command" and then takes the next request's first bytes for this
  // one's body, which ends the connection.
  if (r.op == verb::verbosity)
    return {errc::not_supported, "memcached has no verbosity in the binary protocol"};
  if (r.op == verb::config)
    return {errc::not_supported,
            "a cluster's configuration is asked for in the classic protocol only"};
  if (r.op == verb::add && r.cas != 0)
    return {errc::not_supported, "the binary protocol never stores an add with a cas condition"};
  if ((r.op == verb::incr || r.op == verb::decr) && r.initial && r.cas != 0)
    return {errc::not_supported,
            "the binary protocol creates a missing counter (initial) in spite of a cas condition"};
  return {};
}

std::size_t encode(const request& r, char* out) noexcept {
  const bool keyed = names_item(r.op);
  const std::string_view prefix = keyed ? r.prefix : std::string_view();
  const std::string_view key = keyed || r.op == verb::stats ? r.key : std::string_view();
  const std::size_t value_size = carries_value(r.op) ? r.value.size() : 0;
  const std::size_t key_size = prefix.size() + key.size();

  const std::size_t extras_size = put_extras(r, out + header_size);
  char* at = out + header_size + extras_size;
  if (!prefix.empty()) std::memcpy(at, prefix.data(), prefix.size());
  if (!key.empty()) std::memcpy(at + prefix.size(), key.data(), key.size());

  out[0] = static_cast<char>(request_magic);
  out[1] = static_cast<char>(opcode_of(r.op, r.quiet));
  put(out + 2, static_cast<std::uint16_t>(key_size));
  out[4] = static_cast<char>(extras_size);
  out[5] = 0;                      // data type: raw bytes
  put(out + 6, std::uint16_t{0});  // vbucket
  put(out + 8, static_cast<std::uint32_t>(extras_size + key_size + value_size));
  put(out + 12, r.opaque);
  put(out + 16, r.cas);
  return header_size + extras_size + key_size;
}

namespace {

struct header {
  std::uint8_t opcode;
  std::uint16_t status;
  std::size_t key_size;
  std::size_t extras_size;
  std::size_t body_size;  // extras, key and value

  [[nodiscard]] std::size_t value_size() const noexcept {
    return body_size - extras_size - key_size;
  }
  [[nodiscard]] std::size_t value_at() const noexcept {
    return header_size + extras_size + key_size;
  }
};

bool reads(std::uint8_t op) noexcept {
  return op == op_get || op == op_getq || op == op_getk || op == op_getkq || op == op_gat ||
         op == op_gatq;
}

struct meaning {
  reply_kind kind;
  errc code;
  std::string_view phrase;  // when the server says nothing itself
};

meaning meaning_of(const header& h) noexcept {
  const std::uint8_t op = h.opcode;
  switch (h.status) {
    case st_not_found:
      // What the text protocols call NOT_STORED.
      if (op == op_replace || op == op_replaceq) return {reply_kind::refused, errc::not_stored, ""};
      // No item was asked for: the group is not known.
      if (op == op_stat) return {reply_kind::error, errc::not_supported, "Not found"};
      return {reply_kind::refused, errc::miss, ""};
    case st_exists:
      if (op == op_add || op == op_addq) return {reply_kind::refused, errc::not_stored, ""};
      return {reply_kind::refused, errc::exists, ""};
    case st_not_stored:
      return {reply_kind::refused, errc::not_stored, ""};
    case st_too_large:
      return {reply_kind::error, errc::value_too_large, "Too large"};
    case st_invalid_arguments:
      return {reply_kind::error, errc::client_error, "Invalid arguments"};
    case st_not_a_number:
      return {reply_kind::error, errc::not_a_number, "Not a number"};
    case st_auth_error_old:
    case st_auth_error:
      return {reply_kind::error, errc::server_error, "Authentication error"};
    case st_auth_continue_old:
    case st_auth_continue:
      return {reply_kind::error, errc::server_error, "Authentication continues"};
    case st_unknown_command:
      return {reply_kind::error, errc::not_supported, "Unknown command"};
    case st_out_of_memory:
      return {reply_kind::error, errc::out_of_memory, "Out of memory"};
    case st_not_supported:
      return {reply_kind::error, errc::not_supported, "Not supported"};
    case st_internal:
      return {reply_kind::error, errc::server_error, "Internal error"};
    case st_busy:
      return {reply_kind::error, errc::server_error, "Busy"};
    case st_temporary:
      return {reply_kind::error, errc::server_error, "Temporary failure"};
    default:
      return {reply_kind::error, errc::server_error, "An unknown status"};
  }
}

// A get's reply: flags as extras, the key for getk, then the value.
parsed read_value(std::string_view in, const header& h, response& r) noexcept {
  if (h.extras_size != 4) return malformed("a value whose extras are not four bytes");
  if (in.size() < h.value_at()) return {};
  r.flags = take<std::uint32_t>(in.data() + header_size);
  r.key = in.substr(header_size + h.extras_size, h.key_size);
  return value_reply(h.value_at(), h.value_size(), 0);
}

// A success that is wholly in `in`, for every opcode but the reads.
parsed read_success(std::string_view in, const header& h, response& r) noexcept {
  const std::size_t whole = header_size + h.body_size;
  const std::string_view value = in.substr(h.value_at(), h.value_size());
  switch (h.opcode) {
    case op_increment:
    case op_decrement:
    case op_incrementq:
    case op_decrementq:
      if (h.body_size != 8 || value.size() != 8) return malformed("a counter that is not 64 bits");
      r.number = take<std::uint64_t>(value.data());
      return reply(reply_kind::number, whole);
    case op_stat:
      r.key = in.substr(header_size + h.extras_size, h.key_size);
      r.value = value;
      if (r.key.empty() && !r.value.empty()) return malformed("a statistic without a name");
      r.more = !r.key.empty();
      return reply(r.more ? reply_kind::stat : reply_kind::end, whole);
    case op_version:
      r.text = value;
      return reply(reply_kind::text, whole);
    // The item's flags come back as extras; nobody asked for them.
    case op_touch:
      return reply(reply_kind::done, whole);
    default:
      break;
  }
  if (h.body_size != 0) return malformed("a body where memcached sends none");
  return reply(h.opcode == op_noop ? reply_kind::noop : reply_kind::done, whole);
}

}  // namespace

parsed parse(std::string_view in, response& r) noexcept {
  // A server that speaks text answers with fewer bytes than a header has: say so at once.
  if (!in.empty() && static_cast<unsigned char>(in[0]) != response_magic)
    return malformed("a reply that does not start with the magic byte 0x81");
  if (in.size() < header_size) return {};

  const char* at = in.data();
  const header h = {.opcode = take<std::uint8_t>(at + 1),
                    .status = take<std::uint16_t>(at + 6),
                    .key_size = take<std::uint16_t>(at + 2),
                    .extras_size = take<std::uint8_t>(at + 4),
                    .body_size = take<std::uint32_t>(at + 8)};
  if (h.opcode > op_gatq) return malformed("a reply to an unknown opcode");
  if (h.key_size + h.extras_size > h.body_size)
    return malformed("a body shorter than its extras and key");
  if (h.key_size > max_key_size) return malformed("a key longer than 250 bytes");

  const bool is_value = h.status == st_ok && reads(h.opcode);
  if (!is_value && h.body_size > max_text) return malformed("a message that is too long");
  if (!is_value && in.size() < header_size + h.body_size) return {};

  clear(r);
  r.has_opaque = true;
  r.opaque = take<std::uint32_t>(at + 12);
  r.cas = take<std::uint64_t>(at + 16);
  r.has_cas = r.cas != 0;
  if (is_value) return read_value(in, h, r);
  if (h.status == st_ok) return read_success(in, h, r);

  const meaning m = meaning_of(h);
  r.status = m.code;
  if (m.kind == reply_kind::error) {
    r.text = in.substr(h.value_at(), h.value_size());
    if (r.text.empty()) r.text = m.phrase;
  }
  return reply(m.kind, header_size + h.body_size);
}

}  // namespace memcxx::protocol::binary
