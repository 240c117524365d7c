// The verbs that tell where keys go. They ask no server.
// Never here: how the answer is printed, how a distribution works.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <memcxx/options.hpp>
#include <memcxx/protocol/request.hpp>

#include "input.hpp"
#include "verbs.hpp"

namespace mcx {

namespace {

using memcxx::errc;
using memcxx::error;

// Keys that were routed as they came, and yet are not what most clients would ask for.
struct odd_keys {
  std::uint64_t unsafe = 0;  // holding a byte that no text protocol carries
  std::uint64_t cr = 0;      // of those, ending in a CR

  void look_at(std::string_view key) noexcept {
    if (memcxx::protocol::is_text_safe(key)) return;
    ++unsafe;
    if (key.ends_with('\r')) ++cr;
  }
  void tell(output& out) const {
    if (unsafe == 0) return;
    std::string text = std::to_string(unsafe) + (unsafe == 1 ? " key holds" : " keys hold") +
                       " bytes that no text protocol carries";
    if (cr == unsafe)
      text += ": a CR at the end, as in a file with CRLF";
    else if (cr != 0)
      text += "; " + std::to_string(cr) + " end in a CR, as in a file with CRLF";
    out.note(std::move(text));
  }
};

// Where a key belongs. It need not be one that this client's protocol can carry, only one that some
// client can store.
bool tell_server(const run& r, std::string_view key, odd_keys& odd) {
  const auto& prefix = r.cache.settings().prefix;
  if (const auto refused = memcxx::protocol::check_key(prefix, key, true)) {
    r.out.failed(error(refused.code, std::string(refused.why) + ": key " + in_quotes(key)), key);
  } else {
    odd.look_at(key);
    r.out.lives_on(key, r.cache.which(key));
  }
  return r.out.writable();
}

// The servers with one added, one removed, or both.
memcxx::result<memcxx::options> changed(const memcxx::options& from, const arguments& given) {
  memcxx::options to = from;
  const auto read = [](const char* what, const std::string& text) {
    auto server = memcxx::parse_server(text);
    if (!server)
      return memcxx::result<memcxx::server_address>(
          std::unexpected(error(server.error().code(),
                                std::string(what) + ": " + std::string(server.error().message()))));
    return server;
  };
  if (given.removed) {
    const auto server = read("--remove", *given.removed);
    if (!server) return std::unexpected(server.error());
    const auto named = [name = server->name()](const auto& s) { return s.name() == name; };
    if (std::erase_if(to.servers, named) == 0)
      return std::unexpected(
          error(errc::invalid_argument, "--remove: " + server->name() + " is not in the list"));
  }
  if (given.added) {
    auto server = read("--add", *given.added);
    if (!server) return std::unexpected(server.error());
    to.servers.push_back(*std::move(server));
  }
  return to;
}

// Where generated keys go, before and after a change.
struct spread {
  std::vector<std::string> names;  // those of today, then those that are new
  std::unordered_map<std::string, std::size_t> index;
  std::vector<std::uint64_t> now;
  std::vector<std::uint64_t> after;
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> moves;  // from, to

  void add_server(const std::string& name) {
    if (!index.try_emplace(name, names.size()).second) return;
    names.push_back(name);
    now.push_back(0);
    after.push_back(0);
  }
  void place(const std::string& key, const memcxx::client& before,
             const memcxx::client* changed_to) {
    const std::size_t from = index.at(before.which(key));
    ++now[from];
    if (changed_to == nullptr) return;
    const std::size_t to = index.at(changed_to->which(key));
    ++after[to];
    if (from != to) ++moves[{from, to}];
  }
};

void tell(const spread& s, std::uint64_t keys, bool changes, output& out) {
  const auto share = [keys](std::uint64_t n) {
    return 100 * static_cast<double>(n) / static_cast<double>(keys);
  };
  for (std::size_t i = 0; i < s.names.size(); ++i)
    out.share(s.names[i], share(s.now[i]),
              changes ? std::optional(share(s.after[i])) : std::nullopt);
  if (!changes) return;
  std::uint64_t moved = 0;
  for (const auto& [between, n] : s.moves) moved += n;
  out.moved(share(moved), keys);
  for (const auto& [between, n] : s.moves)
    out.moved(share(n), s.names[between.first], s.names[between.second]);
}

}  // namespace

void which(const run& r) {
  odd_keys odd;
  if (r.given.operands.size() == 1 && r.given.operands[0] == "-") {
    const auto read = read_lines([&](std::string_view key) { return tell_server(r, key, odd); });
    if (!read) r.out.failed(read.error());
  } else {
    for (const std::string& key : r.given.operands)
      if (!tell_server(r, key, odd)) break;
  }
  odd.tell(r.out);
}

void ring(const run& r) {
  constexpr std::uint64_t usual = 1'000'000;
  constexpr std::uint64_t most = 1'000'000'000;
  const auto keys = r.given.keys ? read_number("--keys", *r.given.keys, most) : usual;
  if (!keys) return r.out.failed(keys.error());
  if (*keys == 0) return r.out.failed({errc::invalid_argument, "--keys is 0"});

  spread s;
  for (const std::string& name : r.cache.servers()) s.add_server(name);
  std::optional<memcxx::client> after;
  if (r.given.added || r.given.removed) {
    auto options = changed(r.cache.settings(), r.given);
    if (!options) return r.out.failed(options.error());
    auto made = memcxx::client::create(*std::move(options));
    if (!made) return r.out.failed(made.error());
    after = *std::move(made);
    for (const std::string& name : after->servers()) s.add_server(name);
  }
  for (std::uint64_t i = 0; i < *keys; ++i)
    s.place("key:" + std::to_string(i), r.cache, after ? &*after : nullptr);
  tell(s, *keys, after.has_value(), r.out);
}

}  // namespace mcx
