// One point of a curve: how long an item takes and how much memory a call needs, when there is more
// of something. Prints one line of JSON. bench/scaling.py runs it for every point, in a process of
// its own each time: memory that one point has touched would be the next one's gain.
//
//   bench_scaling --servers LIST keys N | servers N | connections N | channels N | get N | set N
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <malloc.h>
#include <string>
#include <vector>

#include <memcxx/client.hpp>

#include "client.hpp"
#include "raw.hpp"
#ifdef MEMCXX_BENCH_ASYNC
#include <memcxx/async_client.hpp>
#endif

namespace memcxx::bench {
namespace {

constexpr auto at_least = std::chrono::milliseconds(300);
constexpr std::size_t few = 3;
constexpr std::string_view hundred_bytes =
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";

// A line "name:   123 kB" of /proc/self/status.
std::size_t memory(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stoull(line.substr(name.size() + 1));
  }
  wrong("no memory in /proc");
}

// What is there now; from here on the peak is counted.
std::size_t memory_before() {
  ::malloc_trim(0);  // what was freed would be taken again, and not be seen
  std::ofstream("/proc/self/clear_refs") << 5;
  return memory("VmRSS");
}

struct point {
  double us = 0;              // of one operation
  std::size_t kilobytes = 0;  // beyond what was there before the client
};

// The fastest of its runs stands for what it costs: the machine's other work only adds.
point measure(std::size_t before, const std::function<void()>& operation) {
  operation();
  double best = 0;
  std::size_t runs = 0;
  for (const auto began = steady::now(); runs < few || steady::now() - began < at_least; ++runs) {
    const auto start = steady::now();
    operation();
    const double us = std::chrono::duration<double, std::micro>(steady::now() - start).count();
    best = runs == 0 ? us : std::min(best, us);
  }
  return {best, memory("VmHWM") - before};
}

options options_of(std::span<const server_address> servers) {
  options o;
  o.servers.assign(servers.begin(), servers.end());
  o.timeout = o.connect_timeout = std::chrono::minutes(1);
  return o;
}

point multi_get(std::span<const server_address> servers, std::size_t keys) {
  data d;
  d.value = hundred_bytes;
  for (std::size_t i = 0; i < keys; ++i) d.keys.push_back(key_of(i));
  {
    client fill(options_of(servers));
    std::vector<store_entry> entries;
    for (const auto& key : d.keys) entries.push_back({.key = key, .value = d.value});
    expect(fill.set_many(entries).all(), "not all are stored");
  }
  const std::size_t before = memory_before();
  client cache(options_of(servers));
  return measure(before,
                 [&] { expect(cache.get_many(d.keys).hits() == keys, "not all are hits"); });
}

// One get on each of so many connections.
point connections(const server_address& to, std::size_t count) {
  client cache(options_of({&to, 1}));
  expect(cache.set("key", hundred_bytes).has_value(), "not stored");
  const std::size_t before = memory_before();
  std::vector<session> sessions;
  for (std::size_t i = 0; i < count; ++i) {
    auto opened = cache.open(to.name());
    if (!opened) wrong(opened.error().what());
    sessions.push_back(std::move(*opened));
  }
  char room[100];
  point p = measure(before, [&] {
    for (session& s : sessions) expect(s.get_into("key", room).has_value(), "no hit");
  });
  p.us /= static_cast<double>(count);
  return p;
}

#ifdef MEMCXX_BENCH_ASYNC
// 64 gets in flight on each of so many connections of the asynchronous client.
point channels(const server_address& to, std::size_t count) {
  const std::size_t in_flight = 64 * count;
  std::vector<char> room(in_flight * hundred_bytes.size());
  const std::size_t before = memory_before();
  net::io_context io{1};
  async_client cache(io, options_of({&to, 1}), {.connections = count});
  std::size_t missing = 0;
  point p = measure(before, [&] {
    missing = in_flight;
    for (std::size_t i = 0; i < in_flight; ++i) {
      const std::span at(room.data() + i * hundred_bytes.size(), hundred_bytes.size());
      cache.get_into("key", at, {.cas = false}, [&](const result<item_view>& r) {
        expect(r.has_value(), "no hit");
        if (--missing == 0) io.stop();
      });
    }
    io.restart();
    io.run();
    expect(missing == 0, "a call was never answered");
  });
  p.us /= static_cast<double>(in_flight);
  return p;
}
#endif

point value(const server_address& to, std::size_t bytes, bool reads) {
  const std::string stored(bytes, 'v');
  std::vector<char> room(bytes);
  const std::size_t before = memory_before();
  client cache(options_of({&to, 1}));
  expect(cache.set("value", stored).has_value(), "not stored");
  if (!reads) {
    return measure(before, [&] { expect(cache.set("value", stored).has_value(), "not stored"); });
  }
  return measure(before, [&] {
    const auto r = cache.get_into("value", room, {.cas = false});
    expect(r && r->value.size() == bytes, "no hit, or another value");
  });
}

int run(int count, char** words) {
  if (count != 5 || std::string_view(words[1]) != "--servers") {
    std::fputs("usage: bench_scaling --servers LIST WHAT N\n", stderr);
    return 2;
  }
  const auto parsed = parse_uri(words[2]);
  if (!parsed) wrong(parsed.error().what());
  const std::span servers(parsed->servers);
  const std::string_view what = words[3];
  const std::size_t n = std::stoull(words[4]);
  // Of a thousand keys as of one: what a key costs is asked for.
  constexpr std::size_t keys_for_servers = 1000;

  point p;
  double items = 1;
  if (what == "keys") {
    p = multi_get(servers.first(1), n);
    items = static_cast<double>(n);
  } else if (what == "servers") {
    p = multi_get(servers.first(std::min(n, servers.size())), keys_for_servers);
    items = static_cast<double>(keys_for_servers);
  } else if (what == "connections") {
    p = connections(servers[0], n);
#ifdef MEMCXX_BENCH_ASYNC
  } else if (what == "channels") {
    client fill(options_of(servers.first(1)));
    expect(fill.set("key", hundred_bytes).has_value(), "not stored");
    p = channels(servers[0], n);
#endif
  } else if (what == "get" || what == "set") {
    p = value(servers[0], n, what == "get");
  } else {
    wrong("what is " + std::string(what) + "?");
  }
  std::printf("{\"what\": \"%s\", \"n\": %zu, \"us\": %.4f, \"us_an_item\": %.4f, \"kb\": %zu}\n",
              words[3], n, p.us, p.us / items, p.kilobytes);
  return 0;
}

}  // namespace
}  // namespace memcxx::bench

int main(int count, char** words) try {
  return memcxx::bench::run(count, words);
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_scaling: %s\n", e.what());
  return 1;
}
