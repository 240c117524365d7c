// Every verb, as one short program that uses it and verifies what it did: the rows of the matrix.
// Never here: which servers and protocols they run on, and what is expected of those (matrix_test).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <memcxx/client.hpp>

namespace memcxx::test::matrix {

using namespace std::chrono_literals;

struct unsupported {
  std::string reason;
};
struct failed {
  std::string what;
};

inline void check(bool ok, const std::string& what) {
  if (!ok) throw failed{what};
}

template <class T>
T must(result<T> r, const std::string& what) {
  if (!r && r.error() == errc::not_supported) throw unsupported{std::string(r.error().message())};
  if (!r) throw failed{what + ": " + r.error().what()};
  if constexpr (!std::is_void_v<T>) return std::move(*r);
}

template <class T>
void answers(const result<T>& r, errc code, const std::string& what) {
  if (!r && r.error() == errc::not_supported && code != errc::not_supported)
    throw unsupported{std::string(r.error().message())};
  if (r) throw failed{what + ": expected " + std::string(name_of(code)) + ", was done"};
  if (!(r.error() == code))
    throw failed{what + ": expected " + std::string(name_of(code)) + ": " + r.error().what()};
}

// Where a row runs: a client, and keys that no other row uses, spread over its servers.
struct place {
  client& cache;
  std::vector<std::string> keys;
  protocol_choice speaks;  // classic, meta, binary; automatic: memory, which speaks nothing
  bool network;

  void reads(const std::string& key, std::string_view value) const {
    const item got = must(cache.get(key), "get " + key);
    check(got.value == value, key + " reads '" + got.value + "', not '" + std::string(value) + "'");
  }
  void absent(const std::string& key) const { answers(cache.get(key), errc::miss, "get " + key); }
  stored put(const std::string& key, std::string_view value, const store_options& o = {}) const {
    return must(cache.set(key, value, o), "set " + key);
  }
};

template <class Replies>
void all_servers(const place& p, const Replies& replies, const std::string& what) {
  check(replies.size() == p.cache.servers().size(), what + ": not one reply for each server");
  for (std::size_t i = 0; i < replies.size(); ++i) {
    check(replies[i].server == p.cache.servers()[i], what + ": a reply names " + replies[i].server);
    if (!replies[i].reply) must(replies[i].reply, what);
  }
}

// --- one item
// -------------------------------------------------------------------------------------

inline void get(const place& p) {
  for (const auto& k : p.keys) {
    p.absent(k);
    p.put(k, "value of " + k, {.flags = 0xdeadbeef});
    const item got = must(p.cache.get(k), "get");
    check(got.value == "value of " + k, "another value: " + got.value);
    check(got.flags == 0xdeadbeef, "other flags");
    check(got.cas != 0, "no cas");
    check(must(p.cache.get(k, {.cas = false}), "get").value == "value of " + k, "without cas");
  }
}

inline void gat(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.gat(k, 60s), errc::miss, "gat of nothing");
    p.put(k, "v", {.flags = 3});
    const item got = must(p.cache.gat(k, 60s), "gat");
    check(got.value == "v" && got.flags == 3 && got.cas != 0, "gat reads another item");
    must(p.cache.gat(k, -1s), "gat, expiring");
    p.absent(k);
  }
}

inline void set(const place& p) {
  for (const auto& k : p.keys) {
    const stored first = p.put(k, "one");
    p.reads(k, "one");
    const stored second = p.put(k, "two");
    p.reads(k, "two");
    if (p.speaks == protocol_choice::binary || p.speaks == protocol_choice::meta)
      check(second.cas != 0 && second.cas != first.cas, "the new cas is not told");
    if (second.cas != 0)
      check(must(p.cache.get(k), "get").cas == second.cas, "get tells another cas than set");
  }
}

inline void add(const place& p) {
  for (const auto& k : p.keys) {
    must(p.cache.add(k, "one"), "add");
    answers(p.cache.add(k, "two"), errc::not_stored, "second add");
    p.reads(k, "one");
  }
}

inline void replace(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.replace(k, "one"), errc::not_stored, "replace of nothing");
    p.absent(k);
    p.put(k, "one");
    must(p.cache.replace(k, "two"), "replace");
    p.reads(k, "two");
  }
}

inline void append(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.append(k, "x"), errc::not_stored, "append to nothing");
    p.put(k, "one", {.flags = 9});
    must(p.cache.append(k, "+two"), "append");
    const item got = must(p.cache.get(k), "get");
    check(got.value == "one+two" && got.flags == 9, "append made '" + got.value + "'");
  }
}

inline void prepend(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.prepend(k, "x"), errc::not_stored, "prepend to nothing");
    p.put(k, "one", {.flags = 9});
    must(p.cache.prepend(k, "two+"), "prepend");
    const item got = must(p.cache.get(k), "get");
    check(got.value == "two+one" && got.flags == 9, "prepend made '" + got.value + "'");
  }
}

inline void cas(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.cas(k, "x", 12345), errc::miss, "cas of nothing");
    answers(p.cache.cas(k, "x", 0), errc::invalid_argument, "cas with a token of 0");
    p.put(k, "one");
    const std::uint64_t token = must(p.cache.get(k), "get").cas;
    must(p.cache.cas(k, "two", token), "cas");
    answers(p.cache.cas(k, "three", token), errc::exists, "cas with an old token");
    p.reads(k, "two");
  }
}

inline void remove(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.remove(k), errc::miss, "remove of nothing");
    p.put(k, "one");
    must(p.cache.remove(k), "remove");
    p.absent(k);
  }
}

inline void touch(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.touch(k, 60s), errc::miss, "touch of nothing");
    p.put(k, "one");
    must(p.cache.touch(k, 60s), "touch");
    p.reads(k, "one");
    must(p.cache.touch(k, -1s), "touch, expiring");
    p.absent(k);
  }
}

inline void incr(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.incr(k), errc::miss, "incr of nothing");
    p.put(k, "41");
    check(must(p.cache.incr(k), "incr").value == 42, "41 + 1");
    check(must(p.cache.incr(k, 58), "incr").value == 100, "42 + 58");
    p.put(k, "18446744073709551615");
    check(must(p.cache.incr(k), "incr").value == 0, "2^64 - 1 + 1");
    p.put(k, "word");
    answers(p.cache.incr(k), errc::not_a_number, "incr of a word");
  }
}

inline void decr(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.decr(k), errc::miss, "decr of nothing");
    p.put(k, "10");
    check(must(p.cache.decr(k), "decr").value == 9, "10 - 1");
    check(must(p.cache.incr(k, 0), "incr").value == 9, "9 + 0");
    check(must(p.cache.decr(k, 10), "decr").value == 0, "9 - 10 stops at 0");
    p.put(k, "word");
    answers(p.cache.decr(k), errc::not_a_number, "decr of a word");
  }
}

inline void counter_initial(const place& p) {
  for (const auto& k : p.keys) {
    check(must(p.cache.incr(k, 5, {.initial = 7, .ttl = 1h}), "incr").value == 7, "made as 7");
    check(must(p.cache.incr(k, 5, {.initial = 7, .ttl = 1h}), "incr").value == 12, "7 + 5");
    check(must(p.cache.decr(k + "d", 5, {.initial = 0}), "decr").value == 0, "made as 0");
    p.reads(k, "12");
  }
}

inline void debug(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.debug(k), errc::miss, "debug of nothing");
    p.put(k, "one");
    check(must(p.cache.debug(k), "debug").find("exp=") != std::string::npos, "no exp=");
  }
}

inline void quiet_set(const place& p) {
  for (const auto& k : p.keys) {
    must(p.cache.set(k, "quiet", {.quiet = true}), "quiet set");
    // The call does not wait for the server, so neither answer is wrong for a moment.
    for (int i = 0; i < 500 && !p.cache.get(k); ++i) std::this_thread::sleep_for(1ms);
    p.reads(k, "quiet");
  }
}

// --- many items
// -----------------------------------------------------------------------------------

inline void get_many(const place& p) {
  std::vector<std::string> asked;
  for (const auto& k : p.keys) {
    p.put(k, "value of " + k, {.flags = 5});
    asked.insert(asked.end(), {k, k + "-missing"});
  }
  for (const bool with_cas : {false, true}) {
    const items got = p.cache.get_many(asked, {.cas = with_cas});
    check(got.size() == asked.size(), "not one entry for each key");
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (got[i].status == errc::not_supported)
        throw unsupported{std::string(got[i].status.message())};
      check(got[i].key == asked[i], "an entry for another key");
      if (i % 2 == 1) {
        check(got[i].miss(), "not a miss: " + got[i].status.what());
        continue;
      }
      check(got[i].hit(), "not a hit: " + got[i].status.what());
      check(got[i].value == "value of " + asked[i] && got[i].flags == 5, "another item");
      check((got[i].cas != 0) == with_cas || !with_cas, "no cas");
    }
    check(got.hits() == p.keys.size() && got.failures() == 0, "counts");
  }
}

inline void set_many(const place& p) {
  std::vector<store_entry> entries;
  for (const auto& k : p.keys) entries.push_back({k, k, {.flags = 2}});
  const auto done = p.cache.set_many(entries);
  check(done.size() == entries.size(), "not one reply for each key");
  for (const auto& r : done) must(r, "set_many");
  for (const auto& k : p.keys) p.reads(k, k);
}

inline void remove_many(const place& p) {
  for (const auto& k : p.keys) p.put(k, "one");
  const std::string missing = p.keys[0] + "-missing";
  std::vector<std::string_view> asked(p.keys.begin(), p.keys.end());
  asked.push_back(missing);
  const auto done = p.cache.remove_many(asked);
  check(done.size() == asked.size(), "not one reply for each key");
  for (std::size_t i = 0; i < p.keys.size(); ++i) must(done[i], "remove_many");
  answers(done[p.keys.size()], errc::miss, "remove_many of nothing");
  for (const auto& k : p.keys) p.absent(k);
}

inline void batch_of_verbs(const place& p) {
  for (const auto& k : p.keys) {
    batch b;
    const auto nothing = b.get(k);
    const auto set = b.set(k, "5");
    const auto again = b.add(k, "6");
    const auto more = b.incr(k, 10);
    const auto read = b.get(k);
    const auto gone = b.remove(k);
    const auto last = b.get(k);
    check(!*nothing && nothing->error() == errc::cancelled, "a reply before run");
    must(p.cache.run(b), "run");
    answers(*nothing, errc::miss, "get");
    must(*set, "set");
    answers(*again, errc::not_stored, "add");
    check(must(*more, "incr").value == 15, "incr");
    check(must(*read, "get").value == "15", "get");
    must(*gone, "remove");
    answers(*last, errc::miss, "get");
  }
}

// --- servers
// --------------------------------------------------------------------------------------

inline void flush(const place& p) {
  for (const auto& k : p.keys) p.put(k, "one");
  all_servers(p, p.cache.flush(), "flush");
  for (const auto& k : p.keys) p.absent(k);
  for (const auto& k : p.keys) p.put(k, "two");
  for (const auto& k : p.keys) p.reads(k, "two");
}

inline void flush_delay(const place& p) {
  for (const auto& k : p.keys) p.put(k, "one");
  all_servers(p, p.cache.flush(1h), "flush in an hour");
  for (const auto& k : p.keys) p.reads(k, "one");
  all_servers(p, p.cache.flush(), "flush");
}

inline void stats(const place& p) {
  const auto replies = p.cache.stats();
  all_servers(p, replies, "stats");
  for (const auto& r : replies) {
    if (p.network) {
      check(r.reply->contains("version"), "no version");
      check(std::holds_alternative<std::string>(r.reply->at("version")), "version is not text");
    }
    check(r.reply->contains("curr_items"), "no curr_items");
    check(std::holds_alternative<std::uint64_t>(r.reply->at("curr_items")), "not a number");
  }
}

inline void stats_groups(const place& p) {
  for (const auto& k : p.keys) p.put(k, "one");
  for (const char* group : {"settings", "items", "slabs", "sizes"}) {
    const auto replies = p.cache.stats(group);
    all_servers(p, replies, std::string("stats ") + group);
    std::size_t found = 0;
    for (const auto& r : replies) found += r.reply->size();
    check(found != 0, std::string("stats ") + group + " tells nothing");
  }
}

inline void version(const place& p) {
  const auto replies = p.cache.version();
  all_servers(p, replies, "version");
  for (const auto& r : replies)
    check(r.reply->starts_with(p.network ? "1." : ""), "version: " + *r.reply);
}

inline void verbosity(const place& p) {
  all_servers(p, p.cache.verbosity(1), "verbosity");
  all_servers(p, p.cache.verbosity(0), "verbosity");
}

inline void ping(const place& p) { all_servers(p, p.cache.ping(), "ping"); }

inline void remove_everywhere(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    const auto replies = p.cache.remove_everywhere(k);
    check(replies.size() == p.cache.servers().size(), "not one reply for each server");
    std::size_t removed = 0;
    for (const auto& r : replies) {
      if (r.reply) {
        ++removed;
        check(r.server == p.cache.which(k), "removed on " + r.server);
      } else {
        answers(r.reply, errc::miss, "remove_everywhere");
      }
    }
    check(removed == 1, "not removed exactly once");
    p.absent(k);
  }
}

inline void session_verbs(const place& p) {
  for (const auto& k : p.keys) {
    session s = must(p.cache.open(p.cache.which(k)), "open");
    must(s.connect(), "connect");
    check(s.server() == p.cache.which(k), "connected to another server");
    if (p.network) check(s.connected() && s.speaks() == p.speaks, "speaks another protocol");
    must(s.set(k, "one"), "set");
    p.reads(k, "one");
    check(must(s.get(k), "get").value == "one", "reads another value");
    check(must(s.execute(commands::version{}), "version").starts_with(p.network ? "1." : ""),
          "version");
    batch b;
    const auto read = b.get(k);
    must(s.run(b), "run");
    check(must(*read, "get").value == "one", "a batch reads another value");
    s.disconnect();
    check(must(s.get(k), "get after disconnect").value == "one", "after disconnect");
  }
}

// --- meta's extras
// --------------------------------------------------------------------------------

inline void get_without_value(const place& p) {
  for (const auto& k : p.keys) {
    answers(p.cache.get(k, {.value = false}), errc::miss, "get of nothing");
    p.put(k, "one");
    check(must(p.cache.get(k, {.value = false}), "get").value.empty(), "a value after all");
  }
}

inline void item_ttl(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one", {.ttl = 100s});
    const item got = must(p.cache.get(k, {.ttl = true}), "get");
    check(got.ttl && *got.ttl >= 95s && *got.ttl <= 100s, "ttl is not about 100 s");
    p.put(k, "one");
    check(must(p.cache.get(k, {.ttl = true}), "get").ttl == -1s, "never expires is not -1 s");
  }
}

inline void last_access(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    const item got = must(p.cache.get(k, {.last_access = true}), "get");
    check(got.last_access && *got.last_access >= 0s && *got.last_access <= 5s, "last access");
  }
}

inline void hit_before(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    check(must(p.cache.get(k, {.hit_before = true}), "get").hit_before == false, "first read");
    check(must(p.cache.get(k, {.hit_before = true}), "get").hit_before == true, "second read");
  }
}

inline void size(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "12345");
    const item got = must(p.cache.get(k, {.value = false, .size = true}), "get");
    check(got.size == 5u && got.value.empty(), "size");
  }
}

inline void vivify(const place& p) {
  for (const auto& k : p.keys) {
    const item first = must(p.cache.get(k, {.vivify = 30s}), "get");
    check(first.won && !first.already_won && first.value.empty(), "the first does not win");
    const item second = must(p.cache.get(k, {.vivify = 30s}), "get");
    check(!second.won && second.already_won, "the second wins, too");
    p.put(k, "filled");
    const item third = must(p.cache.get(k, {.vivify = 30s}), "get");
    check(!third.won && third.value == "filled", "after filling");
  }
}

inline void recache(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one", {.ttl = 30s});
    check(!must(p.cache.get(k, {.recache = 10s}), "get").won, "won with time to spare");
    check(must(p.cache.get(k, {.recache = 60s}), "get").won, "not won");
    const item second = must(p.cache.get(k, {.recache = 60s}), "get");
    check(!second.won && second.already_won && second.value == "one", "won twice");
  }
}

inline void set_with_cas(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    const std::uint64_t token = must(p.cache.get(k), "get").cas;
    must(p.cache.set(k, "two", {.cas = token}), "set with cas");
    answers(p.cache.set(k, "three", {.cas = token}), errc::exists, "set with an old cas");
    p.reads(k, "two");
  }
}

inline void remove_with_cas(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    const std::uint64_t token = must(p.cache.get(k), "get").cas;
    p.put(k, "two");
    answers(p.cache.remove(k, {.cas = token}), errc::exists, "remove with an old cas");
    p.reads(k, "two");
    must(p.cache.remove(k, {.cas = must(p.cache.get(k), "get").cas}), "remove with cas");
    p.absent(k);
  }
}

inline void invalidate_remove(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    must(p.cache.remove(k, {.invalidate = true, .ttl = 30s}), "remove, invalidating");
    const item first = must(p.cache.get(k), "get");
    check(first.stale && first.won && first.value == "one", "not stale and won");
    const item second = must(p.cache.get(k), "get");
    check(second.stale && !second.won && second.already_won, "won twice");
  }
}

inline void invalidate_set(const place& p) {
  for (const auto& k : p.keys) {
    p.put(k, "one");
    const std::uint64_t token = must(p.cache.get(k), "get").cas;
    must(p.cache.remove(k, {.invalidate = true}), "remove, invalidating");
    must(p.cache.set(k, "two", {.cas = token, .invalidate = true}), "set with an older cas");
    const item got = must(p.cache.get(k), "get");
    check(got.value == "two" && got.stale, "not stored as stale");
  }
}

inline void opaque(const place& p) {
  for (const auto& k : p.keys) {
    must(p.cache.set(k, "one", {.opaque = 77}), "set");
    check(must(p.cache.get(k, {.opaque = 0xfffffffe}), "get").opaque == 0xfffffffe, "opaque");
    p.reads(k, "one");
  }
}

struct row {
  std::string_view name;
  void (*run)(const place&);
};

inline constexpr row rows[] = {
    {"get", get},
    {"get_many", get_many},
    {"gat", gat},
    {"set", set},
    {"add", add},
    {"replace", replace},
    {"append", append},
    {"prepend", prepend},
    {"cas", cas},
    {"remove", remove},
    {"remove_many", remove_many},
    {"set_many", set_many},
    {"touch", touch},
    {"incr", incr},
    {"decr", decr},
    {"incr initial", counter_initial},
    {"flush", flush},
    {"flush delay", flush_delay},
    {"stats", stats},
    {"stats groups", stats_groups},
    {"version", version},
    {"verbosity", verbosity},
    {"ping", ping},
    {"debug", debug},
    {"quiet set", quiet_set},
    {"remove_everywhere", remove_everywhere},
    {"get value=false", get_without_value},
    {"item ttl", item_ttl},
    {"last_access", last_access},
    {"hit_before", hit_before},
    {"size", size},
    {"vivify", vivify},
    {"recache", recache},
    {"set with cas", set_with_cas},
    {"remove with cas", remove_with_cas},
    {"invalidate remove", invalidate_remove},
    {"invalidate set", invalidate_set},
    {"opaque", opaque},
    {"batch", batch_of_verbs},
    {"session", session_verbs},
};

}  // namespace memcxx::test::matrix
