// The matrix: every verb on every protocol, transport and number of servers, on real memcached, and
// on memory. One table tells what passed and what a protocol cannot do, and why.
// Never here: what a verb has to do to pass (matrix_cells).
#include <algorithm>
#include <gtest/gtest.h>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "../support/memcached_server.hpp"
#include "matrix_cells.hpp"

namespace memcxx::test {
namespace {

enum : unsigned { classic = 1, meta = 2, binary = 4, memory = 8 };

// What cannot be done, and where: written down rather than read from the answers, so that a verb
// that stops working is seen. `automatic` finds meta on these servers, and is held to its row.
struct gap {
  std::string_view row;
  unsigned where;
};
constexpr gap gaps[] = {
    {"incr initial", classic},
    {"stats groups", memory},
    {"verbosity", binary},
    {"debug", classic | binary},
    {"get value=false", classic | binary},
    {"item ttl", classic | binary},
    {"last_access", classic | binary},
    {"hit_before", classic | binary},
    {"size", classic | binary},
    {"vivify", classic | binary},
    {"recache", classic | binary},
    {"set with cas", classic},
    {"remove with cas", classic},
    {"invalidate remove", classic | binary},
    {"invalidate set", classic | binary},
    {"opaque", classic},
};

bool expected_gap(std::string_view row, unsigned where) {
  return std::any_of(std::begin(gaps), std::end(gaps),
                     [&](const gap& g) { return g.row == row && (g.where & where) != 0; });
}

struct column {
  std::string title;
  unsigned where;
  std::string servers;  // empty: not available on this machine
  protocol_choice protocol;
  bool network;
};

class table {
 public:
  void add(std::string_view row, const std::string& cell) {
    cells_[std::string(row)].push_back(cell);
  }
  void reason(std::string_view row, std::string_view where, const std::string& why) {
    reasons_[std::string(row)].insert(std::string(where) + ": " + why);
  }
  void print(const std::vector<column>& columns) const {
    std::ostringstream out;
    out << "\nEvery verb on real memcached servers, and on memory://. n/s: not_supported, the "
           "reason at the end of the row.\n";
    for (std::size_t line = 0; line < 3; ++line) {
      out << std::left << std::setw(19) << (line == 0 ? "verb" : "");
      for (const column& c : columns) out << std::setw(8) << word(c.title, line);
      out << '\n';
    }
    for (const matrix::row& r : matrix::rows) {
      const auto at = cells_.find(std::string(r.name));
      if (at == cells_.end()) continue;
      out << std::setw(19) << r.name;
      for (const std::string& c : at->second) out << std::setw(8) << c;
      if (const auto why = reasons_.find(at->first); why != reasons_.end())
        for (const std::string& one : why->second) out << "[" << one << "] ";
      out << '\n';
    }
    std::cout << out.str() << std::endl;
  }

 private:
  static std::string word(const std::string& title, std::size_t n) {
    std::istringstream in(title);
    std::string w;
    for (std::size_t i = 0; i <= n; ++i)
      if (!(in >> w)) return "";
    return w;
  }
  std::map<std::string, std::vector<std::string>> cells_;
  std::map<std::string, std::set<std::string>> reasons_;
};

std::string_view title_of(unsigned where) {
  switch (where) {
    case classic:
      return "classic";
    case meta:
      return "meta";
    case binary:
      return "binary";
    default:
      return "memory";
  }
}

TEST(matrix, every_verb_protocol_transport_and_number_of_servers) {
  std::map<transport, std::vector<memcached_server>> running;
  for (const transport t : {transport::v4, transport::v6, transport::unix_socket}) {
    if (t == transport::v6 && !has_ipv6_loopback()) {
      std::cout << "*** THIS MACHINE HAS NO ::1: the v6 columns are SKIPPED ***" << std::endl;
      continue;
    }
    running.emplace(t, start_servers(4, t));
  }

  std::vector<column> columns;
  const std::pair<protocol_choice, unsigned> protocols[] = {{protocol_choice::classic, classic},
                                                            {protocol_choice::meta, meta},
                                                            {protocol_choice::binary, binary},
                                                            {protocol_choice::automatic, meta}};
  for (const auto& [protocol, where] : protocols) {
    for (const transport t : {transport::v4, transport::v6, transport::unix_socket}) {
      for (const std::size_t n : {1u, 4u}) {
        std::string title(protocol == protocol_choice::automatic ? "auto" : name_of(protocol));
        title += " " + name_of(t) + " " + std::to_string(n);
        const auto at = running.find(t);
        std::string servers;
        if (at != running.end()) servers = n == 1 ? at->second[0].address() : list_of(at->second);
        columns.push_back({title, where, servers, protocol, true});
      }
    }
  }
  columns.push_back({"memory in-proc 1", memory, "memory://", protocol_choice::automatic, false});
  columns.push_back(
      {"memory in-proc 4", memory, "memory://a,b,c,d", protocol_choice::automatic, false});

  table results;
  std::size_t number = 0;
  for (const column& c : columns) {
    ++number;
    if (c.servers.empty()) {
      for (const matrix::row& r : matrix::rows) results.add(r.name, "no ::1");
      continue;
    }
    auto settings = parse_uri(c.servers);
    ASSERT_TRUE(settings) << settings.error();
    settings->protocol = c.protocol;
    settings->timeout = std::chrono::seconds(5);
    client cache(*settings);
    std::set<std::string> used;
    for (std::size_t i = 0; i < std::size(matrix::rows); ++i) {
      const matrix::row& r = matrix::rows[i];
      const protocol_choice speaks = c.network && c.protocol == protocol_choice::automatic
                                         ? protocol_choice::meta
                                         : c.protocol;
      matrix::place place{cache, {}, speaks, c.network};
      const std::size_t keys = cache.servers().size() == 1 ? 1 : 8;
      for (std::size_t k = 0; k < keys; ++k) {
        place.keys.push_back("m" + std::to_string(number) + ":" + std::to_string(i) + ":" +
                             std::to_string(k));
        used.insert(cache.which(place.keys.back()));
      }
      const bool gap = expected_gap(r.name, c.where);
      const std::string where = std::string(r.name) + " on " + c.title;
      try {
        r.run(place);
        results.add(r.name, "pass");
        EXPECT_FALSE(gap) << where << " is listed as not_supported, and passed";
      } catch (const matrix::unsupported& u) {
        results.add(r.name, "n/s");
        results.reason(r.name, title_of(c.where), u.reason);
        EXPECT_TRUE(gap) << where << " is not_supported: " << u.reason;
        EXPECT_FALSE(u.reason.empty()) << where << ": not_supported without a reason";
      } catch (const matrix::failed& f) {
        results.add(r.name, "FAILED");
        ADD_FAILURE() << where << ": " << f.what;
      }
    }
    EXPECT_EQ(used.size(), cache.servers().size()) << c.title << ": some server never got a key";
  }
  results.print(columns);
}

}  // namespace
}  // namespace memcxx::test
