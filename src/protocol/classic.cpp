// The classic text protocol (protocol.txt, everything before "Meta Commands").
// Never here: meta commands, sockets, clocks, allocation, state between calls.
#include <algorithm>
#include <cstring>

#include <memcxx/protocol/classic.hpp>

#include "checks.hpp"
#include "plain.hpp"
#include "text.hpp"

namespace memcxx::protocol::classic {
namespace {

using text::reader;
using text::writer;

constexpr meta_only_reasons reasons = {
    .attributes = "the classic protocol does not tell ttl, last access, hit before or size",
    .no_value = "the classic protocol cannot read an item without its value",
    .vivify = "the classic protocol has no vivify",
    .recache = "the classic protocol has no recache",
    .invalidate = "the classic protocol has no invalidate",
    .debug = "the classic protocol has no debug",
};

// A ttl that is over. Not every server takes a negative one: Infinispan 15 refuses such a set and
// then runs its value as commands, twemproxy closes. A point in time long ago they all take (the
// first second that is one; protocol.txt, "Expiration times").
std::int32_t as_exptime(std::int32_t ttl) noexcept {
  constexpr std::int32_t long_ago = 60 * 60 * 24 * 30 + 1;
  return ttl < 0 ? long_ago : ttl;
}

std::size_t end_line(writer& w, bool noreply) noexcept {
  if (noreply) w.word(" noreply");
  return w.word("\r\n").size();
}

// protocol.txt, "Storage commands". append and prepend ignore flags and ttl, so 0 stands there
// for them.
std::size_t encode_store(const request& r, writer& w) noexcept {
  const bool keeps_attributes = r.op == verb::append || r.op == verb::prepend;
  w.key(r).word(" ").number(std::uint64_t{keeps_attributes ? 0 : r.flags});
  w.word(" ").number(keeps_attributes ? 0 : as_exptime(r.ttl));
  w.word(" ").number(std::uint64_t{r.value.size()});
  if (r.op == verb::cas) w.word(" ").number(r.cas);
  return end_line(w, r.quiet);
}

void begin_get(const request& r, writer& w) noexcept {
  const bool with_cas = asks(r.wants, want::cas);
  if (r.op == verb::gat) {
    // protocol.txt, "Get And Touch": the exptime stands before the keys.
    if (with_cas) {
      w.word("gats ");
    } else {
      w.word("gat ");
    }
    w.number(as_exptime(r.ttl)).word(" ");
  } else if (with_cas) {
    w.word("gets ");
  } else {
    w.word("get ");
  }
  w.key(r);
}

}  // namespace

refusal check(const request& r) noexcept {
  if (is_plain(r)) return {};
  if (names_item(r.op) && !r.text_key)
    if (const refusal no = check_key(r.prefix, r.key, false)) return no;
  if (const refusal no = check_common(r)) return no;
  if (const refusal no = check_not_meta(r, reasons)) return no;
  if (r.cas != 0 && r.op != verb::cas && names_item(r.op))
    return {errc::not_supported, "the classic protocol has a cas condition only in the verb cas"};
  if (r.initial && (r.op == verb::incr || r.op == verb::decr))
    return {errc::not_supported, "the classic protocol cannot create a counter (initial)"};
  if (r.opaque != 0) return {errc::not_supported, "the classic protocol carries no opaque"};
  return {};
}

std::size_t encode(const request& r, char* out) noexcept {
  writer w(out);
  switch (r.op) {
    case verb::get:
    case verb::gat:
      begin_get(r, w);
      return end_line(w, false);
    case verb::set:
      return encode_store(r, w.word("set "));
    case verb::add:
      return encode_store(r, w.word("add "));
    case verb::replace:
      return encode_store(r, w.word("replace "));
    case verb::append:
      return encode_store(r, w.word("append "));
    case verb::prepend:
      return encode_store(r, w.word("prepend "));
    case verb::cas:
      return encode_store(r, w.word("cas "));
    case verb::remove:
      return end_line(w.word("delete ").key(r), r.quiet);
    case verb::touch:
      return end_line(w.word("touch ").key(r).word(" ").number(as_exptime(r.ttl)), r.quiet);
    case verb::incr:
      return end_line(w.word("incr ").key(r).word(" ").number(r.delta), r.quiet);
    case verb::decr:
      return end_line(w.word("decr ").key(r).word(" ").number(r.delta), r.quiet);
    case verb::flush:
      w.word("flush_all");
      if (r.ttl > 0) w.word(" ").number(r.ttl);
      return end_line(w, r.quiet);
    case verb::stats:
      w.word("stats");
      if (!r.key.empty()) w.word(" ").bytes(r.key);
      return end_line(w, false);
    case verb::verbosity:
      return end_line(w.word("verbosity ").number(r.delta), r.quiet);
    // Classic has no command that does nothing; version is the cheapest that answers.
    case verb::ping:
    case verb::version:
      return end_line(w.word("version"), false);
    // Not in protocol.txt: the configuration endpoints of managed clusters (AWS, Google Cloud).
    case verb::config:
      return end_line(w.word("config get ").key(r), false);
    case verb::debug:
      break;  // check refuses it
  }
  return 0;
}

std::size_t open_get(const request& r, char* out) noexcept {
  writer w(out);
  begin_get(r, w);
  return w.size();
}

namespace {

// "VALUE <key> <flags> <bytes> [<cas unique>]" (protocol.txt, "Retrieval command"), after the first
// word and to the line's end. A CONFIG has the same shape. Empty when fine, else what is wrong.
std::string_view read_value(reader& in, response& r, std::uint64_t& size) noexcept {
  r.key = in.word();
  if (r.key.empty() || r.key.size() > max_key_size) return "a value with a bad key";
  std::uint64_t flags = 0;
  const std::string_view why = plain::read_fields(in, flags, r, size);
  set_flags(r, flags);
  return why;
}

// "STAT <name> <value>"; the value may be empty or hold spaces. PREFIX and ITEM lines (stats
// detail dump, stats cachedump) have the same shape.
parsed read_stat(reader in, std::size_t head_size, response& r) noexcept {
  r.key = in.word();
  if (r.key.empty()) return malformed("a statistic without a name");
  in.skip(' ');
  r.value = in.rest();
  r.more = true;
  return reply(reply_kind::stat, head_size);
}

// The new value of a counter; servers that shrink it in place pad it with spaces (protocol.txt,
// "Increment/Decrement").
parsed read_number(reader in, std::size_t head_size, response& r) noexcept {
  if (!in.number(r.number)) return malformed("a counter that is not a number of 64 bits");
  while (in.skip(' ')) {
  }
  if (!in.empty()) return malformed("a counter with something behind it");
  return reply(reply_kind::number, head_size);
}

}  // namespace

parsed parse(std::string_view in, response& r) noexcept {
  // Items are what speed is about: they are read without looking for the line's end first.
  reader item(in.substr(0, max_line));
  if (item.skip("VALUE ") || item.skip("CONFIG ")) {
    clear(r);
    std::uint64_t size = 0;
    const std::string_view why = read_value(item, r, size);
    if (!why.empty()) return text::unreadable(in, max_line, why);
    return value_reply(item.position(), static_cast<std::size_t>(size), 2);
  }
  const text::line line = text::first_line(in, max_line);
  if (line.is != text::line::state::whole) return text::no_line(line.is);
  const std::string_view words = line.words;
  const std::size_t head_size = words.size() + 2;
  if (words.empty()) return malformed("an empty line");
  clear(r);

  const auto done = [&] { return reply(reply_kind::done, head_size); };
  const auto refused = [&](errc status) {
    r.status = status;
    return reply(reply_kind::refused, head_size);
  };
  reader rest(words);
  switch (words.front()) {
    case 'V':
      if (rest.skip("VERSION ")) {
        r.text = rest.rest();
        return reply(reply_kind::text, head_size);
      }
      break;
    case 'E':
      if (words == "END") return reply(reply_kind::end, head_size);
      if (words == "EXISTS") return refused(errc::exists);
      break;
    case 'S':
      if (words == "STORED") return done();
      if (rest.skip("STAT ")) return read_stat(rest, head_size, r);
      break;
    case 'N':
      if (words == "NOT_FOUND") return refused(errc::miss);
      if (words == "NOT_STORED") return refused(errc::not_stored);
      break;
    case 'D':
      if (words == "DELETED") return done();
      break;
    case 'T':
      if (words == "TOUCHED") return done();
      break;
    case 'O':
      if (words == "OK") return done();
      break;
    case 'R':
      if (words == "RESET") return done();
      break;
    case 'P':
      if (rest.skip("PREFIX ")) return read_stat(rest, head_size, r);
      break;
    case 'I':
      if (rest.skip("ITEM ")) return read_stat(rest, head_size, r);
      break;
    default:
      if (words.front() >= '0' && words.front() <= '9') return read_number(rest, head_size, r);
      break;
  }
  if (text::read_error(words, r)) return reply(reply_kind::error, head_size);
  return malformed("a line that is no reply of the classic protocol");
}

}  // namespace memcxx::protocol::classic
