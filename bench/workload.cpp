// The table of workloads, and their keys. The contract is in the header.
#include "workload.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

#include <memcxx/distribution.hpp>

#include "raw.hpp"

namespace memcxx::bench {
namespace {

constexpr std::size_t rotating_keys = 1024;
constexpr std::size_t zipf_keys = 10'000;
constexpr std::size_t zipf_steps = 65'536;
constexpr double zipf_exponent = 0.99;
constexpr unsigned stores_of_ten = 1;

constexpr std::array table = {
    workload{.name = "get", .what = shape::get},
    workload{.name = "set", .what = shape::set},
    workload{.name = "multi_get_100", .what = shape::multi_get, .items = 100},
    workload{
        .name = "multi_get_100_4_servers", .what = shape::multi_get, .servers = 4, .items = 100},
    workload{.name = "set_many_1000", .what = shape::set_many, .items = 1000},
    workload{.name = "get_100k", .what = shape::get, .value_size = 100'000},
    workload{.name = "get_1m", .what = shape::get, .value_size = 1'000'000},
    workload{.name = "mixed_zipf", .what = shape::mixed},
    workload{.name = "in_flight_64", .what = shape::get, .who = callers::in_flight, .how_many = 64},
    // More than the server answers at once gains nothing: the limit is that of 64.
    workload{.name = "in_flight_10000",
             .what = shape::get,
             .who = callers::in_flight,
             .how_many = 10'000,
             .limit = "in_flight_64"},
    workload{
        .name = "threads_8_each", .what = shape::get, .who = callers::threads_each, .how_many = 8},
    workload{.name = "threads_8_shared",
             .what = shape::get,
             .who = callers::threads_shared,
             .how_many = 8,
             .limit = "threads_8_each"},
    workload{.name = "threads_64_each",
             .what = shape::get,
             .who = callers::threads_each,
             .how_many = 64},
    workload{.name = "threads_64_shared",
             .what = shape::get,
             .who = callers::threads_shared,
             .how_many = 64,
             .limit = "threads_64_each"},
    workload{.name = "incr", .what = shape::incr, .extra = true},
    workload{.name = "multi_get_10", .what = shape::multi_get, .items = 10, .extra = true},
    workload{.name = "multi_get_1000", .what = shape::multi_get, .items = 1000, .extra = true},
    workload{.name = "set_100k", .what = shape::set, .value_size = 100'000, .extra = true},
    workload{.name = "set_1m", .what = shape::set, .value_size = 1'000'000, .extra = true},
};

std::size_t keys_of(const workload& w) {
  if (w.what == shape::mixed) return zipf_keys;
  if (w.items > 1) return w.items;
  return w.value_size > 10'000 ? 1 : std::max(rotating_keys, w.how_many);
}

// Key k is asked for in proportion to 1 / (k + 1)^0.99.
std::vector<data::step> zipf(std::size_t keys) {
  std::vector<double> upto(keys);
  double sum = 0;
  for (std::size_t k = 0; k < keys; ++k) {
    sum += 1 / std::pow(static_cast<double>(k + 1), zipf_exponent);
    upto[k] = sum;
  }
  std::mt19937_64 random(1);  // the same steps every time
  // Not the library's distributions: each implementation has its own.
  const auto fraction = [&random] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  std::vector<data::step> out(zipf_steps);
  for (data::step& s : out) {
    const auto at = std::ranges::lower_bound(upto, fraction() * sum);
    s.key = static_cast<std::uint32_t>(
        std::min<std::ptrdiff_t>(at - upto.begin(), static_cast<std::ptrdiff_t>(keys) - 1));
    s.store = random() % 10 < stores_of_ten;
  }
  return out;
}

}  // namespace

std::span<const workload> workloads() { return table; }

const workload& workload_named(std::string_view name) {
  const auto* const found = std::ranges::find(table, name, &workload::name);
  if (found == table.end()) throw std::invalid_argument("no workload " + std::string(name));
  return *found;
}

std::string key_of(std::size_t number) {
  const std::string digits = std::to_string(number);
  return "key:" + std::string(16 - digits.size(), '0') + digits;
}

data make_data(const workload& w, std::span<const server_address> servers) {
  if (servers.size() < w.servers) throw std::invalid_argument("too few servers");
  servers = servers.first(w.servers);
  const auto where = make_distribution("ketama", servers);
  if (!where) throw std::invalid_argument(where.error().what());

  data d;
  d.value = w.what == shape::incr ? "1000000000" : std::string(w.value_size, 'v');
  const std::size_t wanted = keys_of(w);
  std::vector<std::size_t> room(servers.size(), (wanted + servers.size() - 1) / servers.size());
  for (std::size_t n = 0; d.keys.size() < wanted; ++n) {
    std::string key = key_of(n);
    const std::size_t home = (*where)->pick(key);
    if (room[home] == 0) continue;
    --room[home];
    d.keys.push_back(std::move(key));
    d.homes.push_back(home);
  }
  if (w.what == shape::mixed) d.steps = zipf(wanted);
  return d;
}

void store(const data& d, std::span<const server_address> servers) {
  for (std::size_t home = 0; home < servers.size(); ++home) {
    raw_connection to(servers[home]);
    std::string requests;
    const auto flush = [&] {
      requests += "mn\r\n";
      to.send(requests);
      to.expect("MN\r\n");
      requests.clear();
    };
    for (std::size_t i = 0; i < d.keys.size(); ++i) {
      if (d.homes[i] != home) continue;
      requests += raw_set(d.keys[i], d.value);
      if (requests.size() > 1'000'000) flush();
    }
    flush();
  }
}

}  // namespace memcxx::bench
