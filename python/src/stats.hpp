// Statistics as the servers write them: every value its text. The core's own have numbers.
// Never here: what a statistic means.
#pragma once

#include <map>
#include <nanobind/nanobind.h>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/client.hpp>

namespace memcxx::python {

namespace nb = nanobind;

using text_statistics = std::map<std::string, std::string, std::less<>>;

struct text_stats {
  using reply = text_statistics;
  std::string_view group;

  protocol::refusal to_request(protocol::request& out) const noexcept {
    return commands::stats{group}.to_request(out);
  }
  static void read(const protocol::response& r, text_statistics& out) {
    if (r.more) out.insert_or_assign(std::string(r.key), std::string(r.value));
  }
};

// Of all servers at once, each over a connection of its own, within the client's timeout. Without
// the GIL.
std::vector<server_reply<text_statistics>> text_stats_of(client& c, std::string_view group);

// {name: str}
nb::dict dict_of(const text_statistics& all);

}  // namespace memcxx::python
