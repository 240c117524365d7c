// What the configuration endpoint of a managed cluster says, as AWS and Google Cloud have it.
// Never here: asking for it (source_discovery.cpp), what becomes of it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <memcxx/error.hpp>
#include <memcxx/options.hpp>

namespace memcxx::api {

struct cluster {
  std::uint64_t version = 0;  // grows with every change
  std::vector<server_address> servers;
};

// Reads the body of an answer to "config get cluster": a line with the version, then a line of
// nodes "host|ip|port" with spaces between them, then nothing more. A node is reached by its ip
// where there is a valid one, else by its host. Its label is "host:port" in either case, so that
// its keys stay where they are when its address changes. Errors: invalid_argument names the
// culprit.
result<cluster> parse_cluster(std::string_view body);

}  // namespace memcxx::api
