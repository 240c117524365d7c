// The verbs for one key or several: operands and options become a command, its reply is told.
// Never here: how replies are printed, verbs for every server.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/batch.hpp>
#include <memcxx/command.hpp>

#include "input.hpp"
#include "verbs.hpp"

namespace mcx {

namespace {

using memcxx::errc;
using memcxx::error;

// Without a dialect a value is the bytes that lie there, whatever a typed store would read in them.
constexpr memcxx::get_options with_ttl{.ttl = true, .packed = true};
constexpr memcxx::get_options without_ttl{.packed = true};
constexpr memcxx::get_options bytes_alone{.cas = false, .packed = true};

void told(const run& r, const std::string& key, const memcxx::result<memcxx::item>& found) {
  if (found)
    r.out.hit(key, *found);
  else
    r.out.failed(found.error(), key);
}

// One object for each key, in their order, the time to live included where the protocol tells it.
void get_as_json(const run& r) {
  const auto& keys = r.given.operands;
  memcxx::batch first;
  std::vector<memcxx::batch_reply<memcxx::item>> replies;
  for (const std::string& key : keys) replies.push_back(first.get(key, with_ttl));
  // Each reply has its own outcome; that of the whole adds nothing.
  static_cast<void>(r.cache.run(first));

  memcxx::batch second;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (!*replies[i] && replies[i]->error() == errc::not_supported)
      replies[i] = second.get(keys[i], without_ttl);
  if (!second.empty()) static_cast<void>(r.cache.run(second));
  for (std::size_t i = 0; i < keys.size() && r.out.writable(); ++i) told(r, keys[i], *replies[i]);
}

memcxx::result<memcxx::protocol::verb> store_verb(std::string_view name) {
  using memcxx::protocol::verb;
  for (const verb v : {verb::set, verb::add, verb::replace, verb::append, verb::prepend, verb::cas})
    if (memcxx::protocol::name_of(v) == name) return v;
  return std::unexpected(error(errc::invalid_argument, "this verb stores nothing"));
}

memcxx::result<memcxx::commands::store> store_command(const arguments& given) {
  memcxx::commands::store c;
  const auto verb = store_verb(given.verb);
  if (!verb) return std::unexpected(verb.error());
  c.op = *verb;
  c.key = given.operands[0];
  if (given.ttl) {
    const auto ttl = read_ttl(*given.ttl);
    if (!ttl) return std::unexpected(ttl.error());
    c.options.ttl = *ttl;
  }
  if (given.flags) {
    const auto flags = read_number("flags", *given.flags, UINT32_MAX);
    if (!flags) return std::unexpected(flags.error());
    c.options.flags = static_cast<std::uint32_t>(*flags);
  }
  if (c.op == memcxx::protocol::verb::cas) {
    const auto token = read_number("cas token", given.operands[2]);
    if (!token) return std::unexpected(token.error());
    c.options.cas = *token;
  }
  return c;
}

memcxx::result<memcxx::commands::count> count_command(const arguments& given) {
  memcxx::commands::count c;
  c.op = given.verb == "incr" ? memcxx::protocol::verb::incr : memcxx::protocol::verb::decr;
  c.key = given.operands[0];
  if (given.operands.size() > 1) {
    const auto delta = read_number("delta", given.operands[1]);
    if (!delta) return std::unexpected(delta.error());
    c.delta = *delta;
  }
  if (given.initial) {
    const auto initial = read_number("initial value", *given.initial);
    if (!initial) return std::unexpected(initial.error());
    c.options.initial = *initial;
  }
  if (given.ttl) {
    if (!given.initial)
      return std::unexpected(error(errc::invalid_argument,
                                   "--ttl is for the counter that --initial creates; touch sets "
                                   "the ttl of one that is there"));
    const auto ttl = read_ttl(*given.ttl);
    if (!ttl) return std::unexpected(ttl.error());
    c.options.ttl = *ttl;
  }
  return c;
}

}  // namespace

void get(const run& r) {
  if (is_typed(r.given)) return get_typed(r);
  if (r.out.as_json()) return get_as_json(r);
  if (r.given.operands.size() > 1)
    return r.out.failed({errc::invalid_argument, "several keys can only be read with --json"});
  const std::string& key = r.given.operands[0];
  told(r, key, r.cache.get(key, bytes_alone));
}

void gat(const run& r) {
  if (is_typed(r.given)) return gat_typed(r);
  const std::string& key = r.given.operands[0];
  const auto ttl = read_ttl(r.given.operands[1]);
  if (!ttl) return r.out.failed(ttl.error(), key);
  if (!r.out.as_json()) return told(r, key, r.cache.gat(key, *ttl, bytes_alone));
  auto found = r.cache.gat(key, *ttl, with_ttl);
  if (!found && found.error() == errc::not_supported) found = r.cache.gat(key, *ttl, without_ttl);
  told(r, key, found);
}

void store(const run& r) {
  const std::string& key = r.given.operands[0];
  auto command = store_command(r.given);
  if (!command) return r.out.failed(command.error(), key);
  std::string value = r.given.operands[1];
  if (value == "-") {
    // One byte more than is allowed is enough to have it refused.
    auto read = read_stdin(r.cache.settings().max_value_size + 1);
    if (!read) return r.out.failed(read.error(), key);
    value = *std::move(read);
  }
  using memcxx::protocol::verb;
  if (is_typed(r.given) && command->op != verb::append && command->op != verb::prepend)
    return store_typed(r, command->op, command->options, std::move(value));
  if (r.given.min_compress)
    return r.out.failed(
        {errc::invalid_argument, "--min-compress is for typed values: see --dialect and --as"},
        key);
  command->value = value;
  const auto reply = r.cache.execute(*command);
  if (reply)
    r.out.stored(key, *reply);
  else
    r.out.failed(reply.error(), key);
}

void remove(const run& r) {
  if (r.given.everywhere) return remove_everywhere(r);
  const std::string& key = r.given.operands[0];
  if (const auto reply = r.cache.remove(key); reply)
    r.out.changed(key, "deleted");
  else
    r.out.failed(reply.error(), key);
}

void touch(const run& r) {
  const std::string& key = r.given.operands[0];
  const auto ttl = read_ttl(r.given.operands[1]);
  if (!ttl) return r.out.failed(ttl.error(), key);
  if (const auto reply = r.cache.touch(key, *ttl); reply)
    r.out.changed(key, "touched");
  else
    r.out.failed(reply.error(), key);
}

void count(const run& r) {
  const std::string& key = r.given.operands[0];
  const auto command = count_command(r.given);
  if (!command) return r.out.failed(command.error(), key);
  if (const auto reply = r.cache.execute(*command); reply)
    r.out.counted(key, *reply);
  else
    r.out.failed(reply.error(), key);
}

void debug(const run& r) {
  const std::string& key = r.given.operands[0];
  if (const auto reply = r.cache.debug(key); reply)
    r.out.internals(key, *reply);
  else
    r.out.failed(reply.error(), key);
}

}  // namespace mcx
