// Runs one client through one workload, and prints what it measured as one line of JSON.
//
//   bench --list
//   bench --servers a:1,b:2 --client memcxx --workload get --seconds 0.5 [--warm-up 0.1]
//   bench --servers a:1,b:2 --client memcxx --workload get --count 1000 [--no-clocks]
//
// The servers are there, and their cores chosen (taskset), by whoever calls: scripts/bench,
// scripts/bench-cost.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <thread>

#include "client.hpp"

namespace memcxx::bench {
namespace {

std::vector<kind> all_kinds() {
  std::vector<kind> all;
  const auto add = [&all](auto&& kinds) { all.insert(all.end(), kinds.begin(), kinds.end()); };
  add(raw_kinds());
  add(memcxx_blocking_kinds());
#ifdef MEMCXX_BENCH_ASYNC
  add(memcxx_async_kinds());
#endif
#ifdef MEMCXX_BENCH_LIBMEMCACHED
  add(libmemcached_kinds());
#endif
  return all;
}

void list(const std::vector<kind>& kinds) {
  for (const workload& w : workloads()) {
    for (const kind& k : kinds) {
      if (!k.runs(w)) continue;
      const std::string limit(w.limit.empty() ? w.name : w.limit);
      const bool threads = w.who == callers::threads_each || w.who == callers::threads_shared;
      std::printf(
          "{\"workload\": \"%s\", \"client\": \"%s\", \"limit\": \"%s\", \"items\": %zu, "
          "\"threads\": %zu, \"extra\": %s}\n",
          std::string(w.name).c_str(), std::string(k.name).c_str(), limit.c_str(), w.items,
          threads ? w.how_many : 1, w.extra ? "true" : "false");
    }
  }
}

struct arguments {
  std::map<std::string, std::string> values;
  [[nodiscard]] bool has(const std::string& name) const { return values.contains(name); }
  [[nodiscard]] const std::string& text(const std::string& name) const {
    const auto found = values.find(name);
    if (found == values.end()) throw std::invalid_argument("no --" + name);
    return found->second;
  }
  [[nodiscard]] double number(const std::string& name, double otherwise) const {
    const auto found = values.find(name);
    if (found == values.end()) return otherwise;
    const std::string& s = found->second;
    double n = 0;
    const auto [end, failure] = std::from_chars(s.data(), s.data() + s.size(), n);
    if (failure != std::errc() || end != s.data() + s.size() || !(n >= 0)) {
      throw std::invalid_argument("--" + name + " " + s + " is not a number");
    }
    return n;
  }
};

arguments parse(int count, char** words) {
  arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (!word.starts_with("--")) throw std::invalid_argument("what is " + std::string(word) + "?");
    const std::string name(word.substr(2));
    const bool takes_a_value = name != "list" && name != "no-clocks";
    if (takes_a_value && i + 1 == count) throw std::invalid_argument("no value for --" + name);
    out.values[name] = takes_a_value ? words[++i] : "";
  }
  return out;
}

struct measured {
  std::uint64_t operations = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  std::uint64_t page_faults = 0;
  std::uint64_t allocations = 0;
  call_counts calls = {};
  std::vector<float> samples;  // us
};

void add_calls(measured& to, const meter& m) {
  for (std::size_t i = 0; i < to.calls.size(); ++i) {
    to.calls[i] += m.ended().calls[i] - m.begun().calls[i];
  }
}

measured measure(client_under_test& c, const limits& l) {
  meter m(l);
  c.run(m);
  const spending& a = m.begun();
  const spending& b = m.ended();
  measured out{.operations = m.operations(),
               .seconds = std::chrono::duration<double>(b.when - a.when).count(),
               .cpu_seconds = static_cast<double>(b.cpu_us - a.cpu_us) / 1e6,
               .page_faults = b.page_faults - a.page_faults,
               .allocations = b.allocations - a.allocations,
               .samples = m.samples()};
  add_calls(out, m);
  return out;
}

// All threads warm up and then run for the same time; each counts what it did in its own share of
// it.
measured measure_threads(const kind& k, const setting& s, const limits& l) {
  const std::size_t threads = s.what.how_many;
  if (!l.clocks || l.time == steady::duration::zero()) {
    throw std::invalid_argument("threads are measured by time");
  }
  std::vector<std::unique_ptr<client_under_test>> clients;
  const std::size_t how_many = s.what.who == callers::threads_each ? threads : 1;
  for (std::size_t i = 0; i < how_many; ++i) clients.push_back(k.make(s));

  std::vector<meter> meters(threads, meter(l));
  std::vector<std::exception_ptr> failures(threads);
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      try {
        clients[i % how_many]->run(meters[i]);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  }
  for (auto& t : running) t.join();
  for (const auto& f : failures) {
    if (f) std::rethrow_exception(f);
  }

  measured all;
  double rate = 0;
  for (const meter& m : meters) {
    const double seconds = std::chrono::duration<double>(m.ended().when - m.begun().when).count();
    all.operations += m.operations();
    all.seconds += seconds / static_cast<double>(threads);
    rate += static_cast<double>(m.operations()) / seconds;
    // Of the process, as this thread saw it.
    all.cpu_seconds += static_cast<double>(m.ended().cpu_us - m.begun().cpu_us) / 1e6 /
                       static_cast<double>(threads);
    all.page_faults += (m.ended().page_faults - m.begun().page_faults) / threads;
    all.allocations += m.ended().allocations - m.begun().allocations;
    add_calls(all, m);
    all.samples.insert(all.samples.end(), m.samples().begin(), m.samples().end());
  }
  all.seconds = static_cast<double>(all.operations) / rate;
  return all;
}

double percentile(std::vector<float>& samples, double share) {
  if (samples.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(samples.size() - 1));
  std::ranges::nth_element(samples, samples.begin() + at);
  return static_cast<double>(samples[static_cast<std::size_t>(at)]);
}

void run(const arguments& given) {
  const auto kinds = all_kinds();
  if (given.has("list")) return list(kinds);

  const workload& w = workload_named(given.text("workload"));
  const auto k = std::ranges::find(kinds, given.text("client"), &kind::name);
  if (k == kinds.end()) throw std::invalid_argument("no client " + given.text("client"));
  if (!k->runs(w)) throw std::invalid_argument("it does not run this workload");

  auto parsed = parse_uri(given.text("servers"));
  if (!parsed) throw std::invalid_argument(parsed.error().what());
  if (parsed->servers.size() < w.servers) throw std::invalid_argument("too few servers");
  const auto servers = std::span(parsed->servers).first(w.servers);
  const data items = make_data(w, servers);
  store(items, servers);

  const auto seconds = [](double s) {
    return std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(s));
  };
  limits l;
  l.operations = static_cast<std::uint64_t>(given.number("count", 0));
  l.time = seconds(given.number("seconds", l.operations == 0 ? 1 : 3600));
  l.warm_operations = static_cast<std::uint64_t>(given.number("warm-count", 0));
  l.warm_time = seconds(given.number("warm-up", l.warm_operations == 0 ? 0.05 : 3600));
  l.clocks = !given.has("no-clocks");
  if (!l.clocks && (l.operations == 0 || l.warm_operations == 0)) {
    throw std::invalid_argument("without clocks it needs --count and --warm-count");
  }

  const std::string options = given.has("options") ? given.text("options") : "";
  const setting s{w, items, servers, options};
  const bool threads = w.who == callers::threads_each || w.who == callers::threads_shared;
  measured r = threads ? measure_threads(*k, s, l) : measure(*k->make(s), l);
  const double p50 = percentile(r.samples, 0.50);
  const double p99 = percentile(r.samples, 0.99);
  std::printf(
      "{\"workload\": \"%s\", \"client\": \"%s\", \"operations\": %llu, \"seconds\": %.6f, "
      "\"p50_us\": %.3f, \"p99_us\": %.3f, \"cpu_seconds\": %.6f, \"allocations\": %llu, "
      "\"page_faults\": %llu, \"calls\": {",
      std::string(w.name).c_str(), std::string(k->name).c_str(),
      static_cast<unsigned long long>(r.operations), r.seconds, p50, p99, r.cpu_seconds,
      static_cast<unsigned long long>(r.allocations),
      static_cast<unsigned long long>(r.page_faults));
  const char* separator = "";
  for (std::size_t i = 0; i < r.calls.size(); ++i) {
    if (r.calls[i] == 0) continue;
    std::printf("%s\"%s\": %llu", separator, std::string(counted_calls[i]).c_str(),
                static_cast<unsigned long long>(r.calls[i]));
    separator = ", ";
  }
  std::printf("}}\n");
}

}  // namespace

std::string list_of(std::span<const server_address> servers) {
  std::string out;
  for (const auto& s : servers) {
    if (!out.empty()) out += ",";
    out += s.is_unix ? "unix:" + s.name() : s.name();
  }
  return out;
}

}  // namespace memcxx::bench

int main(int count, char** words) try {
  memcxx::bench::run(memcxx::bench::parse(count, words));
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench: %s\n", e.what());
  return 1;
}
