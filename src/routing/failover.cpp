// Requests that more than one server may answer: those of a server that cannot be used (failover),
// and those of replicated items. Which servers, in which order, and which answer counts.
// Never here: bytes on the wire, sockets, clocks.
#include <algorithm>
#include <array>

#include "routing/exchange.hpp"

namespace memcxx::routing {

using protocol::request;
using protocol::response;
using protocol::verb;

namespace {

// Asked of one replica: what it is for is the answer. (A gat sets the ttl on that one alone.)
bool is_read(const request& r) noexcept {
  return r.op == verb::get || r.op == verb::gat || r.op == verb::debug;
}

// Asking two servers leaves no more behind than asking one.
bool changes_nothing(const request& r) noexcept {
  return r.op == verb::debug || (r.op == verb::get && !r.vivify_ttl && !r.recache_ttl);
}

bool is_failure(const response& r) noexcept {
  const fault whose = fault_of(r.status);
  return whose != fault::none && whose != fault::answer;
}

// The server could not be reached, or did not answer a read: another may be asked. Never with a cas
// token: it is of one server, and may be the number of something else on another.
bool may_go_elsewhere(const request& what, const response& r) noexcept {
  const fault whose = fault_of(r.status);
  const bool out_of_reach = whose == fault::network || (r.status == errc::timeout && r.unsent);
  return out_of_reach && what.cas == 0 && (r.unsent || changes_nothing(what));
}

}  // namespace

// Where a request goes first: a read to one server, a replicated write to all of its servers.
void exchange::place(std::uint32_t index, const request& r, std::vector<placed>& out) {
  course& c = courses_[index];
  std::array<std::uint32_t, topology::most_places> places;
  const std::size_t wanted =
      protocol::names_item(r.op) ? std::min<std::size_t>(options_.replicas, places.size()) : 1;
  if (wanted > 1 && is_read(r)) {
    const std::size_t n = topology_.nearest(r.key, std::span(places).first(wanted));
    if (n == 0) return refuse(index, errc::invalid_argument, "no server for the key");
    out.push_back({index, places[0]});
    return;
  }
  if (wanted > 1 && r.cas != 0) {
    return refuse(index, errc::not_supported,
                  "a cas token is of one server, and the item is on several (replicas)");
  }
  for (std::size_t n = 0; n < wanted; ++n) {
    const std::uint32_t s = topology_.place(r.key, n);
    if (s == topology::no_server) break;
    out.push_back({index, s});
    ++c.outstanding;
  }
  if (c.outstanding == 0) refuse(index, errc::invalid_argument, "no server for the key");
}

// The next server for a request that `c.tried` servers could not serve; no_server when there is
// none.
std::uint32_t exchange::elsewhere(const course& c, const request& r) const noexcept {
  if (options_.replicas > 1) {
    std::array<std::uint32_t, topology::most_places> places;
    const std::size_t wanted = std::min<std::size_t>(options_.replicas, places.size());
    const std::size_t n = topology_.nearest(r.key, std::span(places).first(wanted));
    return is_read(r) && c.tried < n ? places[c.tried] : topology::no_server;
  }
  switch (options_.failover) {
    case failover_policy::surface:
      return topology::no_server;
    case failover_policy::next:
      return topology_.place(r.key, c.tried);
    case failover_policy::gutter:
      return c.tried == 1 ? topology_.gutter_place(r.key) : topology::no_server;
  }
  return topology::no_server;
}

// An answer counts more than a failure, and that of an earlier place more than that of a later.
void exchange::keep_best(course& c, const response& r, std::uint32_t server,
                         std::uint8_t rank) noexcept {
  const bool answered = !is_failure(r);
  if (c.best_place != UINT8_MAX) {
    if (c.answered && !answered) return;
    if (c.answered == answered && c.best_place <= rank) return;
  }
  c.best = r;
  c.best.key = c.best.value = {};
  try {
    c.text = r.text;
  } catch (...) {
    c.text.clear();
  }
  c.best.text = c.text;
  c.server = server;
  c.best_place = rank;
  c.answered = answered;
}

void exchange::deliver_best(std::uint32_t index) noexcept {
  const course& c = courses_[index];
  deliver(index, c.best, name_of(c.server));
}

std::string_view exchange::name_of(std::uint32_t server) const noexcept {
  return server == topology::no_server ? std::string_view() : topology_.names[server];
}

// A server's last word to a request, or with no_server what its connection would not send.
void exchange::outcome(std::uint32_t index, const response& r, std::uint32_t server) noexcept {
  if (courses_.empty()) return deliver(index, r, name_of(server));
  course& c = courses_[index];
  request what;
  (void)call_.request(index, what);  // accepted before

  if (options_.replicas > 1 && !is_read(what)) {
    std::uint8_t rank = 0;
    while (rank < options_.replicas && topology_.place(what.key, rank) != server) ++rank;
    keep_best(c, r, server, rank);
    if (--c.outstanding == 0) deliver_best(index);
    return;
  }

  ++c.tried;
  // With replicas a miss or an error of one server is not the last word: another has the item too.
  const bool try_next =
      options_.replicas > 1 && (r.status == errc::miss || fault_of(r.status) == fault::server);
  if (try_next || may_go_elsewhere(what, r)) {
    // A failure is remembered before a miss: the server that failed may have had the item.
    const bool keep = c.best_place == UINT8_MAX || (c.answered && is_failure(r));
    if (keep) {
      c.best_place = UINT8_MAX;
      keep_best(c, r, server, 0);
    }
    const std::uint32_t next = elsewhere(c, what);
    if (next != topology::no_server) {
      displaced_.push_back({index, next});  // within the reserved room
      return;
    }
    return deliver_best(index);
  }
  deliver(index, r, name_of(server));
}

void exchange::next_round() {
  std::ranges::sort(displaced_, {}, &placed::index);
  deal(displaced_);
  displaced_.clear();
}

void exchange::conclude() noexcept {
  for (const placed& p : displaced_) deliver_best(p.index);
  displaced_.clear();
}

}  // namespace memcxx::routing
