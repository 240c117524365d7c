// Distributions that hash every server's name: pymemcache's rendezvous, and maglev's table.
// Never here: rings.
#include <algorithm>
#include <bitset>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "distributions.hpp"
#include "md5.hpp"
#include "murmur3.hpp"
#include "names.hpp"

namespace memcxx::routing {
namespace {

// pymemcache hashes text: of each code point the low eight bits. A byte that is not UTF-8 counts as
// itself, which is what Python's "surrogateescape" makes of it.
void add_text(murmur3_state& state, std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    const unsigned second = byte(i + 1);
    unsigned low = first;
    std::size_t length = 1;
    if (first >= 0xc2 && first <= 0xdf && continues(i + 1)) {
      length = 2;
      low = first << 6 | (second & 0x3f);
    } else if ((first & 0xf0) == 0xe0 && continues(i + 1) && continues(i + 2)) {
      const bool overlong = first == 0xe0 && second < 0xa0;
      const bool surrogate = first == 0xed && second > 0x9f;
      if (!overlong && !surrogate) {
        length = 3;
        low = second << 6 | (byte(i + 2) & 0x3f);
      }
    } else if (first >= 0xf0 && first <= 0xf4 && continues(i + 1) && continues(i + 2) &&
               continues(i + 3)) {
      const bool overlong = first == 0xf0 && second < 0x90;
      const bool beyond = first == 0xf4 && second > 0x8f;
      if (!overlong && !beyond) {
        length = 4;
        low = byte(i + 2) << 6 | (byte(i + 3) & 0x3f);
      }
    }
    state.add(static_cast<unsigned char>(low & 0xff));
    i += length;
  }
}

class pymemcache final : public distribution {
 public:
  explicit pymemcache(servers_view servers) {
    std::vector<std::string> names;
    for (const server_address& s : servers) names.push_back(label_or(pymemcache_name, s));
    for (const std::string& name : names) {
      murmur3_state begin(0);
      add_text(begin, name + '-');
      const auto smaller = std::ranges::count_if(names, [&](const auto& n) { return n < name; });
      nodes_.push_back({begin, static_cast<std::uint32_t>(smaller)});
    }
  }

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    attempt %= static_cast<unsigned>(nodes_.size());
    std::uint32_t best = best_below(key, nothing_yet);
    for (; attempt > 0; --attempt) best = best_below(key, rank_of(key, best));
    return best;
  }

 private:
  struct node {
    murmur3_state begin;          // after the name and the hyphen
    std::uint32_t order_of_name;  // settles equal scores
  };
  static constexpr std::uint64_t nothing_yet = ~std::uint64_t{0};

  [[nodiscard]] std::uint64_t rank_of(std::string_view key, std::uint32_t server) const noexcept {
    murmur3_state state = nodes_[server].begin;
    add_text(state, key);
    return std::uint64_t{state.finish()} << 32 | nodes_[server].order_of_name;
  }

  [[nodiscard]] std::uint32_t best_below(std::string_view key, std::uint64_t limit) const noexcept {
    std::uint32_t best = 0;
    std::uint64_t highest = 0;
    bool found = false;
    for (std::uint32_t server = 0; server < nodes_.size(); ++server) {
      const std::uint64_t rank = rank_of(key, server);
      if (rank >= limit || (found && rank <= highest)) continue;
      best = server;
      highest = rank;
      found = true;
    }
    return best;
  }

  std::vector<node> nodes_;
};

// Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4.
// Servers take turns in claiming the next free slot of their own permutation of the table; one of
// weight w has as many turns as w is of the greatest weight.
class maglev final : public distribution {
 public:
  maglev(hash_function key_hash, servers_view servers)
      : key_hash_(key_hash), servers_(static_cast<std::uint32_t>(servers.size())) {
    // Prime, and at least a hundred slots for each server.
    const std::uint32_t slots = servers.size() <= 655 ? 65537 : 655373;
    struct claim {
      std::uint32_t at, step, weight;
      std::uint64_t credit;
    };
    std::vector<claim> claims;
    std::uint32_t heaviest = 0;
    for (const server_address& s : servers) {
      const auto digest = md5_words(label_or(plain_name, s));
      claims.push_back({digest[0] % slots, digest[1] % (slots - 1) + 1, s.weight, 0});
      heaviest = std::max(heaviest, s.weight);
    }
    constexpr std::uint16_t free = 0xffff;
    table_.assign(slots, free);
    for (std::uint32_t left = slots; left > 0;) {
      for (std::uint16_t server = 0; server < servers_ && left > 0; ++server) {
        claim& c = claims[server];
        if ((c.credit += c.weight) < heaviest) continue;
        c.credit -= heaviest;
        while (table_[c.at] != free) c.at = (c.at + c.step) % slots;
        table_[c.at] = server;
        --left;
      }
    }
    std::bitset<max_servers> seen;
    for (const std::uint16_t server : table_) seen.set(server);
    reachable_ = static_cast<std::uint32_t>(seen.count());
  }

  std::uint32_t pick(std::string_view key, unsigned attempt) const noexcept override {
    std::size_t at = key_hash_(key) % table_.size();
    if (attempt == 0) return table_[at];
    std::bitset<max_servers> seen;
    for (unsigned left = attempt % reachable_; left > 0; --left) {
      seen.set(table_[at]);
      while (seen[table_[at]]) at = at + 1 == table_.size() ? 0 : at + 1;
    }
    return table_[at];
  }

  void pick_each(std::span<const std::string_view> keys,
                 std::span<std::uint32_t> out) const noexcept override {
    hash_each(key_hash_, keys, out);
    for (std::uint32_t& place : out.first(keys.size())) place = table_[place % table_.size()];
  }

 private:
  hash_function key_hash_;
  std::uint32_t servers_;
  std::uint32_t reachable_ = 0;
  std::vector<std::uint16_t> table_;
};

}  // namespace

distribution_ptr make_pymemcache(servers_view servers, hash_function) {
  return std::make_unique<pymemcache>(servers);
}

distribution_ptr make_maglev(servers_view servers, hash_function key_hash) {
  return std::make_unique<maglev>(key_hash, servers);
}

}  // namespace memcxx::routing
