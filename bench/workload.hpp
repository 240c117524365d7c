// What is measured: the workloads by name, and the keys and values that each of them uses.
// Never here: a client, time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/options.hpp>

namespace memcxx::bench {

enum class shape : std::uint8_t { get, set, incr, multi_get, set_many, mixed };
// Who calls: one caller after the other, many calls in flight from one thread, threads that share a
// client, or threads with a client each.
enum class callers : std::uint8_t { one, in_flight, threads_shared, threads_each };

struct workload {
  std::string_view name;
  shape what;
  std::size_t servers = 1;
  std::size_t items = 1;  // keys of one multi-get, stores of one run
  std::size_t value_size = 100;
  callers who = callers::one;
  std::size_t how_many = 1;     // threads, or calls in flight
  std::string_view limit = {};  // the workload that the bare loop runs for it; empty: the same
  bool extra = false;           // only what the Python clients are measured against
};

std::span<const workload> workloads();
// Throws std::invalid_argument for an unknown name.
const workload& workload_named(std::string_view name);

// 20 bytes; another one for each number.
std::string key_of(std::size_t number);

// What one run works on.
struct data {
  std::vector<std::string> keys;
  std::vector<std::size_t> homes;  // of each key: the index of its server
  std::string value;
  // For shape::mixed: what to do, in order. A read of keys[step.key], or a store.
  struct step {
    std::uint32_t key = 0;
    bool store = false;
  };
  std::vector<step> steps;
};

// The same for the same workload and number of servers, wherever these listen: of many keys those
// are taken that give every server its equal share.
data make_data(const workload& w, std::span<const server_address> servers);

// Puts the items on their servers. Throws std::runtime_error when they cannot be reached.
void store(const data& d, std::span<const server_address> servers);

}  // namespace memcxx::bench
