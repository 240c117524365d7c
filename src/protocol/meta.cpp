// The meta commands of the text protocol (protocol.txt, "Meta Commands" to "Meta No-Op").
// Never here: classic commands, sockets, clocks, allocation, state between calls.
#include <memcxx/protocol/meta.hpp>

#include "checks.hpp"
#include "text.hpp"

namespace memcxx::protocol::meta {
namespace {

using text::reader;
using text::writer;

bool is_text_key(const request& r) noexcept {
  return r.text_key || (is_text_safe(r.key) && (r.prefix.empty() || is_text_safe(r.prefix)));
}

// Writes prefix and key as one base64 text (RFC 4648, with padding).
void write_base64(const request& r, writer& w) noexcept {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](std::size_t i) -> unsigned {
    return static_cast<unsigned char>(i < r.prefix.size() ? r.prefix[i]
                                                          : r.key[i - r.prefix.size()]);
  };
  const std::size_t size = r.key_size();
  char* out = w.at();
  std::size_t i = 0;
  for (; i + 3 <= size; i += 3) {
    const unsigned three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    *out++ = digits[three >> 18];
    *out++ = digits[three >> 12 & 63];
    *out++ = digits[three >> 6 & 63];
    *out++ = digits[three & 63];
  }
  if (i < size) {
    const bool two = i + 2 == size;
    const unsigned three = byte(i) << 16 | (two ? byte(i + 1) << 8 : 0U);
    *out++ = digits[three >> 18];
    *out++ = digits[three >> 12 & 63];
    *out++ = two ? digits[three >> 6 & 63] : '=';
    *out++ = '=';
  }
  w.advance(static_cast<std::size_t>(out - w.at()));
}

// Writes the key, and says whether the flag b must follow.
bool write_key(const request& r, writer& w) noexcept {
  if (is_text_key(r)) {
    w.key(r);
    return false;
  }
  write_base64(r, w);
  return true;
}

[[gnu::always_inline]] inline std::size_t end_line(const request& r, writer& w,
                                                   bool may_be_quiet) noexcept {
  if (r.opaque != 0) w.word(" O").number(std::uint64_t{r.opaque});
  if (r.quiet && may_be_quiet) w.word(" q");
  return w.word("\r\n").size();
}

// What most reads are, of a key that is text.
std::size_t encode_plain_get(const request& r, writer& w) noexcept {
  w.word("mg ").key(r).word(" v f");
  if (asks(r.wants, want::cas)) w.word(" c");
  return end_line(r, w, true);
}

// protocol.txt, "Meta Get".
std::size_t encode_get(const request& r, writer& w) noexcept {
  if (write_key(r, w.word("mg "))) w.word(" b");
  // The server works through the flags in order: what changes the ttl stands before what tells it,
  // and recache is judged by the ttl that was.
  if (r.recache_ttl) w.word(" R").number(*r.recache_ttl);
  if (r.op == verb::gat) w.word(" T").number(r.ttl);
  if (r.vivify_ttl) w.word(" N").number(*r.vivify_ttl);
  if (asks(r.wants, want::value)) w.word(" v");
  w.word(" f");
  if (asks(r.wants, want::cas)) w.word(" c");
  if (asks(r.wants, want::ttl)) w.word(" t");
  if (asks(r.wants, want::last_access)) w.word(" l");
  if (asks(r.wants, want::hit_before)) w.word(" h");
  if (asks(r.wants, want::size)) w.word(" s");
  return end_line(r, w, true);
}

// A touch is a get without the value. Never quiet: mg keeps silent about a miss and tells a
// success, so that silence would mean the opposite of what it means for every other write.
std::size_t encode_touch(const request& r, writer& w) noexcept {
  if (write_key(r, w.word("mg "))) w.word(" b");
  return end_line(r, w.word(" T").number(r.ttl), false);
}

// protocol.txt, "Meta Set".
std::size_t encode_store(const request& r, writer& w) noexcept {
  const bool binary = write_key(r, w.word("ms "));
  w.word(" ").number(std::uint64_t{r.value.size()});
  if (binary) w.word(" b");
  if (r.op != verb::append && r.op != verb::prepend) {
    if (r.flags != 0) w.word(" F").number(std::uint64_t{r.flags});
    if (r.ttl != 0) w.word(" T").number(r.ttl);
  }
  if (asks(r.wants, want::cas)) w.word(" c");
  if (r.cas != 0) w.word(" C").number(r.cas);
  if (r.invalidate) w.word(" I");
  if (r.op == verb::add) w.word(" ME");
  if (r.op == verb::replace) w.word(" MR");
  if (r.op == verb::append) w.word(" MA");
  if (r.op == verb::prepend) w.word(" MP");
  return end_line(r, w, true);
}

// protocol.txt, "Meta Delete".
std::size_t encode_remove(const request& r, writer& w) noexcept {
  if (write_key(r, w.word("md "))) w.word(" b");
  if (r.cas != 0) w.word(" C").number(r.cas);
  if (r.invalidate) {
    w.word(" I");
    if (r.ttl != 0) w.word(" T").number(r.ttl);
  }
  return end_line(r, w, true);
}

// protocol.txt, "Meta Arithmetic".
std::size_t encode_count(const request& r, writer& w) noexcept {
  if (write_key(r, w.word("ma "))) w.word(" b");
  if (r.op == verb::decr) w.word(" MD");
  if (r.delta != 1) w.word(" D").number(r.delta);
  w.word(" v");
  if (asks(r.wants, want::cas)) w.word(" c");
  if (r.cas != 0) w.word(" C").number(r.cas);
  if (r.initial) w.word(" N").number(r.ttl).word(" J").number(*r.initial);
  return end_line(r, w, true);
}

}  // namespace

bool has(verb v) noexcept { return names_item(v) || v == verb::ping; }

refusal check(const request& r) noexcept {
  if (is_plain(r)) return {};
  if (!has(r.op)) return {errc::not_supported, "the meta protocol has no command for this verb"};
  if (names_item(r.op)) {
    if (const refusal no = check_key(r.prefix, r.key, true)) return no;
    if (r.key_size() > max_binary_key && !is_text_key(r))
      return {errc::invalid_key,
              "the key is longer than 186 bytes and not text, so its base64 is too long"};
    // Once such an item was appended to, counted or vivified, memcached answers `me` with the raw
    // key, whose bytes could then pass for replies.
    if (r.op == verb::debug && !is_text_key(r))
      return {errc::not_supported, "the meta protocol has debug only for keys that are text"};
  }
  if (const refusal no = check_common(r)) return no;

  // What follows memcached accepts, and then does something else.
  if (r.op == verb::add && r.cas != 0)
    return {errc::not_supported, "the meta protocol ignores a cas condition on add"};
  if ((r.op == verb::incr || r.op == verb::decr) && r.initial && r.cas != 0)
    return {errc::not_supported,
            "the meta protocol creates a missing counter (initial) in spite of a cas condition"};
  const bool can_invalidate = r.op == verb::set || r.op == verb::replace || r.op == verb::cas ||
                              r.op == verb::remove || r.op == verb::ping;
  if (r.invalidate && !can_invalidate)
    return {errc::not_supported,
            "the meta protocol has invalidate only for set, replace, cas and remove"};
  return {};
}

std::size_t encode(const request& r, char* out) noexcept {
  writer w(out);
  switch (r.op) {
    case verb::get:
      if (r.text_key && is_plain_get(r)) return encode_plain_get(r, w);
      [[fallthrough]];
    case verb::gat:
      return encode_get(r, w);
    case verb::touch:
      return encode_touch(r, w);
    case verb::set:
    case verb::add:
    case verb::replace:
    case verb::append:
    case verb::prepend:
    case verb::cas:
      return encode_store(r, w);
    case verb::remove:
      return encode_remove(r, w);
    case verb::incr:
    case verb::decr:
      return encode_count(r, w);
    case verb::debug:
      return w.word("me ").key(r).word("\r\n").size();
    case verb::ping:
      return w.word("mn\r\n").size();
    case verb::flush:
    case verb::stats:
    case verb::version:
    case verb::verbosity:
    case verb::config:
      break;  // check refuses them
  }
  return 0;
}

namespace {

// The token of a return flag that is one number, into a field of any width. A token that is longer
// than its number is found by read_flags.
template <class Field>
bool read_token(reader& in, Field& out, std::uint64_t most) noexcept {
  std::uint64_t n = 0;
  if (!in.number(n, most)) return false;
  if constexpr (requires { typename Field::value_type; }) {
    out = static_cast<typename Field::value_type>(n);
  } else {
    out = static_cast<Field>(n);
  }
  return true;
}

// memcached counts seconds in 32 bits without a sign: an item that is told after it expired (a gat
// or a vivify with a ttl in the past) has a few less than 2^32 left to live. It has none.
template <class Seconds>
constexpr Seconds unless_wrapped(Seconds n) noexcept {
  return n > INT32_MAX && n <= UINT32_MAX ? 0 : n;
}

// Reads one return flag with its token. Flags that are not known are let pass: newer servers have
// more of them. Empty when fine, else what is wrong.
std::string_view read_flag(char flag, reader& in, response& r) noexcept {
  switch (flag) {
    case 'f': {
      std::uint64_t flags = 0;
      if (!in.number(flags)) return "a flag f that is no number";
      set_flags(r, flags);
      return "";
    }
    case 'c':
      r.has_cas = true;
      return read_token(in, r.cas, UINT64_MAX) ? "" : "a bad flag c";
    case 'O':
      r.has_opaque = true;
      return read_token(in, r.opaque, UINT32_MAX) ? "" : "an opaque that is no 32-bit number";
    case 't':
      // -1: the item never expires.
      if (in.skip("-1")) {
        r.ttl = -1;
        return "";
      }
      if (!read_token(in, r.ttl, INT64_MAX)) return "a flag t that is no number";
      r.ttl = unless_wrapped(*r.ttl);
      return "";
    case 'l':
      if (!read_token(in, r.last_access, INT64_MAX)) return "a flag l that is no number";
      r.last_access = unless_wrapped(*r.last_access);
      return "";
    case 's':
      return read_token(in, r.size, UINT64_MAX) ? "" : "a flag s that is no number";
    case 'h':
      return read_token(in, r.hit_before, 1) ? "" : "a flag h that is neither 0 nor 1";
    case 'k':
      r.key = in.word();
      return !r.key.empty() && r.key.size() <= max_key_size ? "" : "a flag k with a bad key";
    case 'W':
      r.won = true;
      return "";
    case 'X':
      r.stale = true;
      return "";
    case 'Z':
      r.already_won = true;
      return "";
    default:
      in.word();
      return "";
  }
}

// Reads return flags up to and including the line's end. Empty when fine, else what is wrong.
// Servers answer in the order asked, so that the usual three are looked for in ours.
std::string_view read_flags(reader& in, response& r) noexcept {
  constexpr std::string_view behind = "a return flag with something behind its token";
  std::uint64_t n = 0;
  if (in.skip(" f")) {
    if (!in.number(n)) return "a flag f that is no number";
    set_flags(r, n);
    if (!in.at_end_of_word()) return behind;
  }
  if (in.skip(" c")) {
    if (!in.number(r.cas)) return "a bad flag c";
    r.has_cas = true;
    if (!in.at_end_of_word()) return behind;
  }
  if (in.skip(" O")) {
    if (!in.number(n, UINT32_MAX)) return "an opaque that is no 32-bit number";
    r.opaque = static_cast<std::uint32_t>(n);
    r.has_opaque = true;
    if (!in.at_end_of_word()) return behind;
  }
  while (in.skip(' ')) {
    const char flag = in.front();
    if (static_cast<unsigned char>(flag) <= 0x20) continue;  // some servers end lines with a space
    in.advance();
    if (const std::string_view why = read_flag(flag, in, r); !why.empty()) return why;
    if (!in.at_end_of_word()) return behind;
  }
  return in.skip("\r\n") ? "" : "a return code with something behind it";
}

// "ME <key> <name>=<value>*" (protocol.txt, "Meta Debug"). `words` is the line.
parsed read_debug(std::string_view words, response& r) noexcept {
  reader in(words.substr(2));
  if (!in.skip(' ')) return malformed("ME without a key");
  r.key = in.word();
  if (r.key.empty() || r.key.size() > max_key_size) return malformed("ME with a bad key");
  if (!in.empty() && !in.skip(' ')) return malformed("ME with a bad key");
  r.text = in.rest();
  return reply(reply_kind::text, words.size() + 2);
}

constexpr unsigned code(char first, char second) noexcept {
  return static_cast<unsigned>(static_cast<unsigned char>(first)) << 8 |
         static_cast<unsigned char>(second);
}

// ME and the error lines, whose words are free: they are read within their line.
parsed parse_words(std::string_view in, response& r) noexcept {
  const text::line line = text::first_line(in, max_line);
  if (line.is != text::line::state::whole) return text::no_line(line.is);
  clear(r);
  if (line.words.starts_with("ME ")) return read_debug(line.words, r);
  if (text::read_error(line.words, r)) return reply(reply_kind::error, line.words.size() + 2);
  return malformed("a line that is no reply of the meta protocol");
}

}  // namespace

parsed parse(std::string_view in, response& r) noexcept {
  if (in.size() < 3 || (in[2] != ' ' && in[2] != '\r')) return parse_words(in, r);

  reply_kind kind = reply_kind::done;
  errc status = errc::ok;
  switch (code(in[0], in[1])) {
    case code('V', 'A'):
      kind = reply_kind::value;
      break;
    case code('H', 'D'):
      break;
    case code('E', 'N'):
    case code('N', 'F'):
      kind = reply_kind::refused;
      status = errc::miss;
      break;
    case code('N', 'S'):
      kind = reply_kind::refused;
      status = errc::not_stored;
      break;
    case code('E', 'X'):
      kind = reply_kind::refused;
      status = errc::exists;
      break;
    case code('M', 'N'):
      kind = reply_kind::noop;
      break;
    default:
      return parse_words(in, r);
  }
  // Read without looking for the line's end first: what is wrong may only be that it is not there.
  clear(r);
  r.status = status;
  reader rest(in.substr(0, max_line));
  rest.advance();
  rest.advance();
  std::uint64_t size = 0;
  if (kind == reply_kind::value && (!rest.skip(' ') || !rest.number(size, UINT32_MAX)))
    return text::unreadable(in, max_line, "VA with a bad length");
  if (const std::string_view why = read_flags(rest, r); !why.empty())
    return text::unreadable(in, max_line, why);
  if (kind == reply_kind::value)
    return value_reply(rest.position(), static_cast<std::size_t>(size), 2);
  return reply(kind, rest.position());
}

}  // namespace memcxx::protocol::meta
