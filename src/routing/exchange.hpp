// One API call on its way: which server each request goes to, what is still to be sent, what may be
// sent again, and the delivery of every outcome, exactly once. Passive: an engine brings the
// connections and does the waiting.
// Never here: bytes on the wire, sockets, clocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/connection.hpp>
#include <memcxx/options.hpp>

#include "protocol/key_bytes.hpp"
#include "routing/topology.hpp"

namespace memcxx::routing {

class exchange;

// The part of a call that goes to one server.
class leg final : public protocol::response_handler {
 public:
  [[nodiscard]] std::uint32_t server() const noexcept { return server_; }
  // Every request has its outcome.
  [[nodiscard]] bool done() const noexcept { return answered_ == count_; }
  // Every request was submitted.
  [[nodiscard]] bool submitted() const noexcept {
    return next_ == count_ && again_at_ == again_.size() && alone_ == nullptr;
  }

  // What is left of it is asked key by key, each with nothing else in flight: on a connection that
  // is shared nobody may board before it is through.
  [[nodiscard]] bool asks_apart(const connection& c) const noexcept {
    return each_ && !done() && c.speaks() == protocol_choice::classic;
  }

  // One request for an item, checked and at hand, that no other server may answer.
  [[nodiscard]] bool is_lone() const noexcept;

  // A connection was found: `reused` when it was idle before, and so may have died unnoticed.
  void begin(bool reused) noexcept {
    reused_ = reused;
    heard_ = false;
  }
  // The server has answered something over this connection.
  [[nodiscard]] bool heard() const noexcept { return heard_; }
  // Submits as much as the connection has room for. Responses go to `as`, which passes them on.
  void fill(connection& c, protocol::response_handler& as);
  void fill(connection& c) { fill(c, *this); }
  // The connection failed, and its requests in flight with it. True: there is something left that
  // may be tried on a fresh connection, begin() again with one. False: the leg is done.
  [[nodiscard]] bool lost(const connection& c);
  // No connection can be had, or the time is up: what has no outcome yet fails with this.
  void give_up(errc code, std::string_view why) noexcept;
  // The caller does not wait: what has no outcome yet is taken as done.
  void finish_unanswered() noexcept;
  // Runs everything on a driver instead of a connection.
  void run_on(driver& d, std::chrono::steady_clock::time_point deadline) noexcept;

  std::span<char> on_value(std::uint32_t tag, const protocol::response& head,
                           std::size_t size) noexcept override;
  void on_response(std::uint32_t tag, const protocol::response& r) noexcept override;

 private:
  friend class exchange;
  [[nodiscard]] std::uint32_t at(std::size_t place) const noexcept {
    return order_ != nullptr ? order_[place] : static_cast<std::uint32_t>(place);
  }
  [[nodiscard]] bool upcoming(std::uint32_t& index) const noexcept;
  bool turn_to_those_in_doubt() noexcept;
  void advance() noexcept;
  // A request of the call, with what its server adds. `filled`: whether it holds another one.
  struct slot {
    protocol::request what;
    bool filled = false;
  };
  [[nodiscard]] bool next(std::uint32_t& index, slot& out) noexcept;
  void fill_many(connection& c, protocol::response_handler& as, std::uint32_t index);
  void fill_keys(connection& c, protocol::response_handler& as, std::uint32_t index);
  void fill_each(connection& c, protocol::response_handler& as);
  bool submit_more(connection& c, protocol::response_handler& as, const protocol::request& first);
  [[nodiscard]] bool is_another(const protocol::request& r,
                                const protocol::request& first) const noexcept;
  void submit(connection& c, protocol::response_handler& as, std::uint32_t index,
              const protocol::request& r);
  void refuse(std::uint32_t index, const protocol::refusal& no) noexcept;
  void judge(std::uint32_t tag, const protocol::response& r) noexcept;
  [[nodiscard]] bool goes_again(bool misjudged) const noexcept;
  void request(std::uint32_t index, protocol::request& out) const noexcept;
  void adapt(protocol::request& r) const noexcept;
  [[nodiscard]] std::int32_t ttl_in_gutter(std::int32_t given) const noexcept;
  // This request has its outcome. Which ones have is only noted for a quiet call, which may end
  // before the others have theirs: there is room for it.
  void settle(std::uint32_t index) noexcept {
    ++answered_;
    if (settled_.capacity() != 0) note_settled(index);
  }
  void note_settled(std::uint32_t index) noexcept;

  // Connections end at the requests of others now and then, and rarely so often while one request
  // waits for its answer. At its own, a call would open a connection for each of them: after a few
  // the rest fails, or goes to other servers where it may.
  static constexpr std::uint8_t most_ends = 18;
  static constexpr std::uint8_t cost_of_ours = 6;

  exchange* owner_ = nullptr;
  std::uint32_t server_ = 0;
  std::uint32_t again_at_ = 0;
  const std::uint32_t* order_ = nullptr;  // indices of the call's requests; nullptr: 0, 1, 2, …
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::size_t answered_ = 0;
  std::vector<std::uint32_t> again_;  // to be sent once more
  // The same, of reads in doubt: once nothing else is left. Never empty.
  std::unique_ptr<std::vector<std::uint32_t>> alone_;
  std::vector<std::uint32_t> settled_;  // of a quiet call of many; room for all from the start
  bool reused_ = false;
  bool retried_ = false;
  bool stood_by_ = false;  // something goes again that was lost with somebody else's request
  bool heard_ = false;
  bool failed_ = false;    // one of its own had an error since the last connection ended
  std::uint8_t ends_ = 0;  // of connections, at which something of it stood by
  bool each_ = false;      // what is sent once more is asked one by one
  bool in_line_ = false;   // gets were, or may have been, one classic line
};

// Fills in what the client adds to a request, and says whether it can be sent at all.
protocol::refusal make_fit(protocol::request& r, const topology& t, const options& o) noexcept;

class exchange {
 public:
  // Where the requests of a call go.
  enum class route : std::uint8_t {
    by_key,      // each to the server of its key
    everywhere,  // the i-th to the i-th server
    one,         // all to `only`
  };

  // `now` is only read for ttls in a gutter.
  exchange(call& c, const topology& t, const options& o, std::chrono::sys_seconds now = {}) noexcept
      : call_(c), topology_(t), options_(o), now_(now), any_byte_(carries_any_byte(o)) {}
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  // Checks requests (what cannot be sent gets its error, whatever becomes of the rest) and deals
  // them out to legs. There is none when nothing can be sent.
  void prepare(route r, std::uint32_t only = 0);
  // The call's one request is on its way to this server already, over a connection that was idle.
  void adopt(std::uint32_t server) noexcept;
  // Whether each request goes to one server and has that one's outcome, whatever it is.
  [[nodiscard]] static bool is_plain(const options& o) noexcept {
    return o.failover == failover_policy::surface && o.replicas == 1;
  }
  // After all legs are done: something is to be tried elsewhere (failover, the next replica).
  [[nodiscard]] bool has_next_round() const noexcept { return !displaced_.empty(); }
  // Deals it out: there are legs again.
  void next_round();
  // There is no time for another round: what waits for one gets the outcome it had.
  void conclude() noexcept;

  // The legs that prepare() or next_round() made.
  [[nodiscard]] std::span<leg> legs() noexcept {
    return many_.empty() ? std::span<leg>(&one_, has_one_ ? 1U : 0U) : std::span<leg>(many_);
  }
  [[nodiscard]] bool quiet() const noexcept { return call_.quiet(); }

 private:
  friend class leg;
  friend protocol::refusal make_fit(protocol::request& r, const topology& t,
                                    const options& o) noexcept;
  // Keys need not be text.
  [[nodiscard]] static bool carries_any_byte(const options& o) noexcept {
    return o.protocol == protocol_choice::meta || o.protocol == protocol_choice::binary;
  }
  // As protocol::check_key, in line for what is mostly so.
  [[gnu::always_inline]] static protocol::refusal check_key(std::string_view prefix,
                                                            std::string_view key,
                                                            bool any_byte) noexcept {
    if (protocol::key_bytes::is_surely_fit(prefix, key)) return {};
    return protocol::check_key(prefix, key, any_byte);
  }
  static protocol::refusal fit(protocol::request& r, const topology& t, const options& o) noexcept;
  void deliver(std::uint32_t index, const protocol::response& r, std::string_view server) noexcept;
  void refuse(std::uint32_t index, errc code, std::string_view why) noexcept;
  void refuse_unfit(std::uint32_t index, const protocol::request& r,
                    const protocol::refusal& no) noexcept;
  bool accept(std::uint32_t index, protocol::request& r, bool filled) noexcept;
  void go_to_one(std::uint32_t server, std::size_t n);
  // Deals requests out to legs: placed[i] says which request goes to which server.
  struct placed {
    std::uint32_t index;
    std::uint32_t server;
  };
  void deal(std::span<const placed> all);
  class homes_in_chunks;

  // --- failover.cpp: requests that more than one server may answer.
  // One that is on its way to several servers, one after the other or all at once.
  struct course {
    std::uint8_t tried = 0;        // places asked so far
    std::uint8_t outstanding = 0;  // answers still to come, of a replicated write
    std::uint8_t best_place = UINT8_MAX;
    bool answered = false;  // `best` is an answer, and not a failure
    std::uint32_t server = 0;
    protocol::response best;
    std::string text;  // what best.text refers to
  };
  void place(std::uint32_t index, const protocol::request& r, std::vector<placed>& out);
  void outcome(std::uint32_t index, const protocol::response& r, std::uint32_t server) noexcept;
  [[nodiscard]] std::uint32_t elsewhere(const course& c, const protocol::request& r) const noexcept;
  void keep_best(course& c, const protocol::response& r, std::uint32_t server,
                 std::uint8_t rank) noexcept;
  void deliver_best(std::uint32_t index) noexcept;
  [[nodiscard]] std::string_view name_of(std::uint32_t server) const noexcept;

  call& call_;
  const topology& topology_;
  const options& options_;
  std::chrono::sys_seconds now_;
  bool any_byte_;                // see carries_any_byte
  bool differs_by_key_ = false;  // what the call said when it was prepared
  leg one_;
  bool has_one_ = false;
  // The requests are checked one by one as they are sent: all go to one server, and the first that
  // can be sent is in `first_`.
  bool checks_late_ = false;
  leg::slot first_;
  std::vector<leg> many_;
  std::vector<std::uint32_t> order_;
  std::vector<course> courses_;    // of every request; empty when is_plain()
  std::vector<placed> displaced_;  // for the next round; room for all from the start
};

}  // namespace memcxx::routing
