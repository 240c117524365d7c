// A connection to one server that never touches a socket: it is given bytes and answers with bytes.
// Lives here: requests in flight, buffers with limits, the handshake, matching replies to requests,
// and the decision when a connection is no longer fit for use.
// Never here: sockets, clocks, threads, routing, retries.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <memcxx/error.hpp>
#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx {

enum class protocol_choice : std::uint8_t {
  automatic,  // meta where the server has it, classic where not
  classic,
  meta,
  binary,
};
std::string_view name_of(protocol_choice p) noexcept;

struct connection_options {
  protocol_choice protocol = protocol_choice::automatic;
  // What an earlier connection to the same server found out, to save `automatic` the question.
  protocol_choice known = protocol_choice::automatic;
  // With `known = classic`: a get is asked first, and the connection is ready when it is answered,
  // so that what is known is seen to be so. See negotiation.
  bool prove_known = false;
  // A value longer than this, announced by the server or given by the caller, is refused.
  std::size_t max_value_size = std::size_t{128} << 20;
  // Requests in flight before `has_room` says no.
  std::size_t max_in_flight = 4096;
  // Bytes waiting to be written before `has_room` says no.
  std::size_t max_unsent = std::size_t{256} << 10;
  // Values up to this size are copied into the send buffer; longer ones are sent from where they
  // are, and must stay there until they are written.
  std::size_t copy_below = std::size_t{16} << 10;
  // Close the connection when a classic get is answered with another key. Off only for queue
  // servers (kestrel, darner), which answer with the queue's name.
  bool check_keys = true;
};

// True when a response with this status leaves the connection in an unknown state, so that it must
// be closed. The one place that decides it. `v` is the verb that was answered.
bool ends_connection(errc status, protocol::verb v) noexcept;

// What the end of a connection says of its server.
enum class verdict : std::uint8_t {
  // Nothing. It had been idle, and servers and balancers close those; or the server closed it at a
  // verb that not every server has (flush, stats, gat, a negative ttl, …); or we ended it.
  nothing,
  failed,    // the server is not there, does not answer, or answers nonsense
  answered,  // it is there: the connection ended because of what it answered
};

// A passive connection. Threads: none of its own; not safe to share without a lock.
// Handlers are called from within received(), closed(), fail() and submit(); they must not call
// back into the connection.
//
//   connection c{{}};
//   c.open();
//   c.submit({.key = "greeting"}, handler, 0);
//   for (auto out : c.output()) …write it…;  c.sent(n);
//   for (auto in : c.input()) …read into it…;  c.received(n);
class connection {
 public:
  explicit connection(const connection_options& options);
  ~connection();
  connection(connection&&) noexcept;
  connection& operator=(connection&&) noexcept;

  // Begins the handshake: for automatic and meta asks the server whether it has meta commands, and
  // reads a meta store as one, unless `known` tells. Call once, first.
  void open();
  // It is put aside, ready, before its first request: its end says nothing of the server then, as
  // that of any connection that was idle.
  void rest() noexcept;
  // The handshake is over, requests may be submitted.
  [[nodiscard]] bool ready() const noexcept;
  // What the handshake found: classic, meta or binary; automatic until `ready()`.
  [[nodiscard]] protocol_choice speaks() const noexcept;

  // False when enough is waiting: write and read first. A request may be submitted all the same.
  [[nodiscard]] bool has_room() const noexcept;
  // Puts the request into the send buffer and remembers it. Its views must stay valid until the
  // handler has its response, or until `abandon`. Returns a refusal, and does not call the handler,
  // when the protocol cannot carry the request; nothing of it was written then.
  protocol::refusal submit(const protocol::request& r, protocol::response_handler& to,
                           std::uint32_t tag);
  // The last request once more for each of these: a quiet get, whose line is still being written,
  // with other keys; or a quiet set with other keys and values, and the rest alike. Returns how
  // many were submitted. Fewer, when it was neither of these, or its line or run has ended, or a
  // value is too long to be copied, or there is no more room: submit() the next then. Prefix and
  // keys have passed check_key, as with request::text_key.
  struct another {
    std::string_view key;
    std::string_view value = {};
    std::uint32_t tag = 0;
  };
  std::size_t submit_again(std::span<const another> more, protocol::response_handler& to);
  // One request over an idle connection, without the queue that several need: what most calls are.
  // Returns its bytes, to be written at once, or nothing when it is not for this: submit() it then.
  // `r` gets another opaque, and its views stay valid until the answer. Value up to `copy_below`.
  std::string_view ask(protocol::request& r);
  // All of that was written, and `n` bytes were then read into input(). The response, when it is
  // one that says nothing of failure, and all there is; valid until the next call that is not
  // const. Null otherwise: queue() it, and go on.
  [[nodiscard]] const protocol::response* answered(std::size_t n);
  // Makes of what was asked a request in flight, of which `written` bytes were written: as if it
  // had been submitted. What came of its answer is delivered.
  void queue(protocol::response_handler& to, std::uint32_t tag, std::size_t written);
  // Ends a run of quiet requests, so that each of them gets its response. Does nothing when the
  // last request was not quiet.
  void fence();

  // What to write next: at most 64 pieces, empty when there is nothing. Valid until the next call
  // that is not const.
  [[nodiscard]] std::span<const std::span<const char>> output();
  // Of the bytes that output() showed, the first `n` were written.
  void sent(std::size_t n);
  [[nodiscard]] bool has_output() const noexcept;

  // Where to put the bytes that are read: one or two pieces, never empty. Valid until the next call
  // that is not const.
  [[nodiscard]] std::span<const std::span<char>> input();
  // `n` bytes were read into input(). Delivers responses.
  void received(std::size_t n);
  // The server ended the connection. Requests in flight fail with connection_closed.
  void closed();
  // The engine gives up (timeout, reset, cancelled). Requests in flight fail with this code.
  void fail(errc code, std::string_view why);
  // The same, by one who ends it for a reason of its own (silence, say), and knows what that says
  // of the server: it ended at no request, so that nobody is a bystander (response::bystander).
  void fail(errc code, std::string_view why, verdict says);

  // From now on nothing is delivered to this handler: its responses are read, verified and dropped.
  // Requests of it that still wait to be written are written; large values that the send buffer
  // only refers to are copied first.
  void abandon(const protocol::response_handler& to);
  // The same, but first each of its requests without a response gets this one: `code`, and `why` as
  // its text. What was submitted may have been, or may yet be, executed.
  void abandon(protocol::response_handler& to, errc code, std::string_view why);
  // How many abandoned requests ended in an error that nobody was told. Grows only.
  [[nodiscard]] std::uint64_t unclaimed_errors() const noexcept;

  [[nodiscard]] bool failed() const noexcept;
  // Why it failed. Valid while the connection lives.
  [[nodiscard]] errc failure() const noexcept;
  [[nodiscard]] std::string_view failure_text() const noexcept;
  // It failed in a way that a fresh connection with `known = classic` may not: the server closed it
  // at the question, or answered a meta command with ERROR. Only with protocol_choice::automatic.
  [[nodiscard]] bool retry_as_classic() const noexcept;
  // What its end says of the server. After failed(); no other place judges that.
  [[nodiscard]] verdict says() const noexcept;
  // For how long a connection that is idle may be used without a look at its socket first. Short
  // but for binary: replies of classic do not tell what they answer, nor does a miss of meta, so
  // that bytes that nobody asked for would be taken for the answer to the next request.
  [[nodiscard]] std::chrono::microseconds trusted_idle() const noexcept;
  // Requests that have no response yet, the handshake's own and abandoned ones included.
  [[nodiscard]] std::size_t in_flight() const noexcept;
  // Of these, how many nobody waits for any more.
  [[nodiscard]] std::size_t abandoned() const noexcept;
  // How many requests were in flight and had the last word of the server, be it silence before the
  // answer to another; the values of a classic line count at its END. What answered() gave was
  // never in flight. Grows only, and stands still while nothing but parts of a reply come.
  [[nodiscard]] std::uint64_t replies() const noexcept;
  // Whether somebody waits for the reply that is coming in, or for the one that comes next.
  [[nodiscard]] bool awaited() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace memcxx
