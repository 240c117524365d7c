// What memcached's verbs do, over the store.
// Never here: locks, clocks, how items are kept.
#include "verbs.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <memcxx/version.hpp>

namespace memcxx::detail {

using protocol::request;
using protocol::response;
using protocol::response_handler;
using protocol::verb;
using protocol::want;
using item = stored_item;

namespace {

constexpr std::string_view no_room = "out of memory storing object";

// Seconds left to live; -1 for ever.
std::int64_t left_to_live(const item& it, epoch_seconds now) noexcept {
  if (it.expires == item::never) return -1;
  return it.expired(now) ? 0 : it.expires - now;
}

std::int64_t idle(const item& it, epoch_seconds now) noexcept {
  return std::max<std::int64_t>(0, now - it.accessed);  // a clock may be set back
}

// When an item with this ttl expires (protocol.txt, "Expiration times").
epoch_seconds expiry(std::int32_t ttl, epoch_seconds now) noexcept {
  constexpr std::int32_t longest_relative = 60 * 60 * 24 * 30;
  if (ttl == 0) return item::never;
  if (ttl < 0) return 0;
  return ttl > longest_relative ? ttl : now + ttl;
}

// The number that memcached's own parser finds: space before it and anything after a space is let
// pass, a sign too as long as the result is not negative as 64 bits.
bool read_number(const std::string& text, std::uint64_t& number) noexcept {
  const char* const begin = text.c_str();
  char* end = nullptr;
  errno = 0;
  number = std::strtoull(begin, &end, 10);
  if (errno == ERANGE || end == begin) return false;
  if (*end != '\0' && std::strchr(" \t\n\v\f\r", *end) == nullptr) return false;
  const auto length = static_cast<std::size_t>(end - begin);
  return static_cast<std::int64_t>(number) >= 0 || std::memchr(begin, '-', length) == nullptr;
}

// What every protocol refuses, because memcached would let the condition pass unseen: a program
// must not learn only in production that its condition was none.
protocol::refusal check_conditions(const request& r) noexcept {
  const bool counts = r.op == verb::incr || r.op == verb::decr;
  if (r.op == verb::cas && r.cas == 0)
    return {errc::invalid_argument, "the verb cas needs a cas token, not 0"};
  if (r.cas != 0) {
    if (r.op == verb::get || r.op == verb::gat || r.op == verb::touch || r.op == verb::add)
      return {errc::not_supported, "get, gat, touch and add take no cas condition"};
    if (counts && r.initial)
      return {errc::not_supported, "a counter is created (initial) in spite of a cas condition"};
  }
  const bool marks =
      r.op == verb::set || r.op == verb::replace || r.op == verb::cas || r.op == verb::remove;
  if (r.invalidate && !marks)
    return {errc::not_supported, "only set, replace, cas and remove can invalidate"};
  return {};
}

}  // namespace

void memory_verbs::call::refuse(errc status, std::string_view why) const noexcept {
  out.status = status;
  out.text = why;
}

void memory_verbs::call::tell_cas(const item& it) const noexcept {
  out.has_cas = true;
  out.cas = it.cas;
}

void memory_verbs::run(const request& r, epoch_seconds now, response& out, response_handler& to,
                       std::uint32_t tag) {
  out.opaque = r.opaque;
  out.has_opaque = r.opaque != 0;

  std::array<char, protocol::max_key_size> joined;
  const call c{r, {joined.data(), std::min(r.key_size(), joined.size())}, now, out};
  if (names_item(r.op)) {
    if (r.key_size() == 0 || r.key_size() > joined.size())
      return c.refuse(errc::invalid_key, "a key has 1 to 250 bytes");
    if (const protocol::refusal no = check_conditions(r)) return c.refuse(no.code, no.why);
    std::ranges::copy(r.key, std::ranges::copy(r.prefix, joined.data()).out);
  }
  drop_what_was_flushed(c.now);

  switch (r.op) {
    case verb::get:
    case verb::gat:
      return read(c);
    case verb::set:
    case verb::add:
    case verb::replace:
    case verb::append:
    case verb::prepend:
    case verb::cas:
      return store(c);
    case verb::remove:
      return remove(c);
    case verb::touch:
      return touch(c);
    case verb::incr:
    case verb::decr:
      return count(c);
    case verb::debug:
      return debug(c);
    case verb::flush:
      return flush(c);
    case verb::stats:
      return stats(c, to, tag);
    case verb::version:
      text_.assign("memcxx-memory ").append(library_version);
      out.text = text_;
      return;
    case verb::verbosity:
    case verb::ping:
      return;
    case verb::config:
      break;
  }
  c.refuse(errc::not_supported, "the memory driver does not know this verb");
}

// protocol.txt, "Meta Get".
void memory_verbs::read(const call& c) {
  const request& r = c.r;
  item* it = items_.find(c.key, c.now);
  const bool created = it == nullptr && r.vivify_ttl;
  if (created) {
    it = put(c, {}, 0, expiry(*r.vivify_ttl, c.now));
    if (it == nullptr) return c.refuse(errc::out_of_memory, no_room);
  }
  count_read(r.op == verb::gat, it != nullptr);
  if (it == nullptr) return c.refuse(errc::miss);

  bool win = created || (it->stale && !it->token_sent);
  if (r.recache_ttl && !created && !it->token_sent) {
    // Decided by the ttl that the item had, not by the one that a gat gives it.
    const epoch_seconds edge = expiry(*r.recache_ttl, c.now);
    win = win || (edge != item::never && it->expires < edge);
  }
  // A stub lives as long as its vivify says, under a gat too.
  if (r.op == verb::gat && !created) it->expires = expiry(r.ttl, c.now);

  response& out = c.out;
  out.flags = it->flags;
  out.stale = it->stale;
  out.already_won = it->token_sent;
  out.won = win;
  if (win) it->token_sent = true;
  if (asks(r.wants, want::value)) out.value = it->value;
  if (asks(r.wants, want::cas)) c.tell_cas(*it);
  if (asks(r.wants, want::ttl)) out.ttl = left_to_live(*it, c.now);
  if (asks(r.wants, want::size)) out.size = it->value.size();
  // These two tell of the time before this read, so it is noted after them.
  if (asks(r.wants, want::last_access))
    out.last_access = static_cast<std::uint64_t>(idle(*it, c.now));
  if (asks(r.wants, want::hit_before)) out.hit_before = it->fetched;
  it->fetched = true;
  items_.use(*it, c.now);
}

// protocol.txt, "Storage commands" and "Meta Set".
void memory_verbs::store(const call& c) {
  const request& r = c.r;
  ++counters_.cmd_set;
  if (!has_room_for(c)) return;
  if (r.op == verb::append || r.op == verb::prepend) return extend(c);

  item* const old = items_.find(c.key, c.now);
  epoch_seconds expires = expiry(r.ttl, c.now);
  bool stale = false;
  bool token_sent = false;
  if (r.cas != 0) {  // with a token, set and replace are cas
    if (old == nullptr) return c.refuse(errc::miss);
    if (r.cas != old->cas) {
      if (!r.invalidate || r.cas > old->cas) return c.refuse(errc::exists);
      // Stored all the same, for as long as the item had, but marked.
      expires = old->expires;
      stale = true;
      token_sent = old->token_sent;
    }
  } else if (r.op == verb::add && old != nullptr) {
    items_.use(*old, c.now);
    return c.refuse(errc::not_stored);
  } else if (r.op == verb::replace && old == nullptr) {
    return c.refuse(errc::not_stored);
  }

  item* const it = put(c, std::string(r.value), r.flags, expires);
  if (it == nullptr) return c.refuse(errc::out_of_memory, no_room);
  it->stale = stale;
  it->token_sent = token_sent;
  c.tell_cas(*it);
}

// append and prepend: flags and ttl are the item's, the request's do not count.
void memory_verbs::extend(const call& c) {
  const request& r = c.r;
  const item* const old = items_.find(c.key, c.now);
  if (old == nullptr) return c.refuse(errc::not_stored);
  if (r.cas != 0 && r.cas != old->cas) return c.refuse(errc::exists);
  const std::size_t size = old->value.size() + r.value.size();
  // As the server has it: the old value stays when there is no room for both.
  if (size > max_item_size_ || !items_.fits(c.key.size(), size)) return c.refuse(errc::not_stored);

  std::string value;
  value.reserve(size);
  if (r.op == verb::append)
    value.append(old->value).append(r.value);
  else
    value.append(r.value).append(old->value);
  item* const it = put(c, std::move(value), old->flags, old->expires);
  if (it == nullptr) return c.refuse(errc::out_of_memory, no_room);
  c.tell_cas(*it);
}

// A value that can never be stored takes its predecessor with it, whatever the verb, so that nobody
// reads the old one for the new. Answers false when it has refused.
bool memory_verbs::has_room_for(const call& c) {
  if (c.r.value.size() > max_item_size_) {
    c.refuse(errc::value_too_large, "object too large for cache");
  } else if (!items_.fits(c.key.size(), c.r.value.size())) {
    c.refuse(errc::out_of_memory, no_room);
  } else {
    return true;
  }
  items_.erase(c.key);
  return false;
}

// protocol.txt, "Deletion" and "Meta Delete".
void memory_verbs::remove(const call& c) {
  item* const it = items_.find(c.key, c.now);
  if (it == nullptr) return c.refuse(errc::miss);
  if (c.r.cas != 0 && c.r.cas != it->cas) return c.refuse(errc::exists);
  if (!c.r.invalidate) return items_.erase(c.key);
  // The next reader wins, and a ttl of 0 leaves the one that the item has.
  if (c.r.ttl != 0) it->expires = expiry(c.r.ttl, c.now);
  it->stale = true;
  it->token_sent = false;
  items_.renew_cas(*it);
}

void memory_verbs::touch(const call& c) {
  item* const it = items_.find(c.key, c.now);
  count_read(true, it != nullptr);
  if (it == nullptr) return c.refuse(errc::miss);
  it->expires = expiry(c.r.ttl, c.now);
  it->fetched = true;
  items_.use(*it, c.now);
}

// protocol.txt, "Increment/Decrement" and "Meta Arithmetic".
void memory_verbs::count(const call& c) {
  const request& r = c.r;
  item* it = items_.find(c.key, c.now);
  std::uint64_t number = 0;
  if (it == nullptr) {
    if (!r.initial) return c.refuse(errc::miss);
    number = *r.initial;
    it = put(c, std::to_string(number), 0, expiry(r.ttl, c.now));
    if (it == nullptr) return c.refuse(errc::out_of_memory, no_room);
  } else {
    constexpr std::string_view why = "cannot increment or decrement non-numeric value";
    if (it->value.empty()) return c.refuse(errc::not_a_number, why);
    if (r.cas != 0 && r.cas != it->cas) return c.refuse(errc::exists);
    if (!read_number(it->value, number)) return c.refuse(errc::not_a_number, why);
    number = r.op == verb::incr ? number + r.delta : number - std::min(number, r.delta);
    // The server keeps the marks when it can write the number in place, and loses them when not;
    // here they stay. Nor is a shorter number padded with spaces.
    if (!items_.assign(*it, std::to_string(number), c.now))
      return c.refuse(errc::out_of_memory, no_room);
  }
  c.out.number = number;
  c.tell_cas(*it);
}

// protocol.txt, "Meta Debug". Looking does not count as use.
void memory_verbs::debug(const call& c) {
  const item* const it = items_.find(c.key, c.now);
  if (it == nullptr) return c.refuse(errc::miss);
  text_.assign("exp=").append(std::to_string(left_to_live(*it, c.now)));
  text_.append(" la=").append(std::to_string(idle(*it, c.now)));
  text_.append(" cas=").append(std::to_string(it->cas));
  text_.append(it->fetched ? " fetch=yes" : " fetch=no").append(" size=");
  text_.append(std::to_string(items_.charge(it->key.size(), it->value.size())));
  c.out.text = text_;
}

// protocol.txt, "flush_all". A later flush replaces one that is still to come. What is stored in
// the second in which a flush is due stays, where the server's coarser clock drops it.
void memory_verbs::flush(const call& c) {
  ++counters_.cmd_flush;
  flush_due_ = c.r.ttl <= 0 ? c.now : expiry(c.r.ttl, c.now);
  drop_what_was_flushed(c.now);
}

void memory_verbs::drop_what_was_flushed(epoch_seconds now) noexcept {
  if (now < flush_due_) return;
  flush_due_ = item::never;
  items_.clear();
}

void memory_verbs::stats(const call& c, response_handler& to, std::uint32_t tag) {
  if (c.r.key == "reset") {
    counters_ = {};
    items_.reset_evictions();
    return;
  }
  if (!c.r.key.empty())
    return c.refuse(errc::not_supported, "the memory driver has general statistics only");
  const auto tell = [&](std::string_view name, std::uint64_t number) {
    std::array<char, 20> digits;  // enough for 2^64 - 1
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    response line;
    line.more = true;
    line.key = name;
    line.value = {digits.data(), end};
    to.on_response(tag, line);
  };
  tell("uptime", static_cast<std::uint64_t>(std::max<std::int64_t>(0, c.now - started_)));
  tell("time", static_cast<std::uint64_t>(c.now));
  tell("curr_items", items_.size());
  tell("total_items", counters_.total_items);
  tell("bytes", items_.bytes());
  tell("limit_maxbytes", items_.limit());
  tell("cmd_get", counters_.cmd_get);
  tell("cmd_set", counters_.cmd_set);
  tell("cmd_touch", counters_.cmd_touch);
  tell("cmd_flush", counters_.cmd_flush);
  tell("get_hits", counters_.get_hits);
  tell("get_misses", counters_.get_misses);
  tell("touch_hits", counters_.touch_hits);
  tell("touch_misses", counters_.touch_misses);
  tell("evictions", items_.evictions());
}

stored_item* memory_verbs::put(const call& c, std::string value, std::uint32_t flags,
                               epoch_seconds expires) {
  item* const it = items_.put(c.key, std::move(value), c.now);
  if (it == nullptr) return nullptr;
  it->flags = flags;
  it->expires = expires;
  ++counters_.total_items;
  return it;
}

// The server counts a gat as a touch, not as a get.
void memory_verbs::count_read(bool touches, bool hit) noexcept {
  ++(touches ? counters_.cmd_touch : counters_.cmd_get);
  if (touches)
    ++(hit ? counters_.touch_hits : counters_.touch_misses);
  else
    ++(hit ? counters_.get_hits : counters_.get_misses);
}

}  // namespace memcxx::detail
