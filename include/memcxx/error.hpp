// Errors: what a call can answer instead of a value, and whose fault each one is.
// Lives here: `errc`, `error`, `result`, and the few functions that classify them.
// Never here: anything that decides what to do about an error (that is routing's) or that does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <iosfwd>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace memcxx {

// Every way in which a call can end without a value. Grouped by `fault_of`.
enum class errc : std::uint8_t {
  ok = 0,  // not an error; the status of a response that succeeded

  // Answers: the server did what was asked, and this is the outcome. No allocation, no log line
  // (but for not_a_number, which has the server's words: whoever counts there expected a number).
  miss,          // no item under this key (get, gat, touch, remove, incr, decr, cas)
  not_stored,    // add found an item; replace, append, prepend found none
  exists,        // the item has changed since the cas token was read
  not_a_number,  // incr or decr on a value that is not a decimal number

  // The caller's: refused before any I/O.
  invalid_key,       // empty, too long, or bytes that the protocol cannot carry
  invalid_argument,  // a ttl, an option, a URI, a server that cannot be used
  value_too_large,   // over the client's limit, or (when a server is named) over the server's
  not_supported,     // this protocol, driver or server cannot do that

  // The server's.
  out_of_memory,  // SERVER_ERROR out of memory …
  server_error,   // any other SERVER_ERROR
  client_error,   // the server called the request malformed
  unattributed,   // a quiet request may have failed: the server reported an error without saying
                  // which request of its run it meant

  // The network's.
  resolve_failed,     // the name does not resolve
  connect_failed,     // no address of the server accepted a connection
  server_down,        // marked down after failures, and not tried: see health_options
  connection_closed,  // the connection ended before the whole answer came
  protocol_error,     // bytes that memcached never sends in this place

  // The clock's.
  timeout,     // the deadline passed; the outcome at the server is unknown
  overloaded,  // no connection became free in time, or a queue is full: nothing was sent

  cancelled,  // the call was given up by the caller before it ended

  // The stored value's: it arrived whole, and is not what a typed read wanted. See error::item.
  unknown_flags,  // flags that the client's dialect does not have
  corrupt_value,  // cut off, damaged, or not of the format that its flags say
  wrong_type,     // another type than was asked for, or one that cannot be read or written
};

enum class fault : std::uint8_t { none, answer, caller, server, network, clock, value };

// The name of a code as it is spelled above ("miss"). Never empty; static storage.
std::string_view name_of(errc code) noexcept;

// Whose fault a code is. `value_too_large` counts as the caller's: an `error` that names a server
// (see error::whose) is the server's word for it.
fault fault_of(errc code) noexcept;

// An item as it lies in the server. Borrows from the error that carries it.
struct raw_item {
  std::uint32_t flags = 0;
  std::string_view bytes = {};
};

// What was asked, said or found when an error arose. Immutable once made.
struct error_details {
  std::string server;   // "host:port" or a socket's path; empty when no server was involved
  std::string message;  // the server's own words, or what was wrong and where
  bool has_item = false;
  std::uint32_t flags = 0;
  std::string bytes = {};  // of the item, when it is the item's value that is wrong
};

// A failed call's reason: a code, and for everything but plain answers (miss, not_stored, exists)
// the server and a message. Threads: a value type; copies share immutable details. Copying never
// throws.
class error {
 public:
  error() = default;
  error(errc code) noexcept : code_(code) {}  // implicit: `return errc::miss;`
  error(errc code, std::string message, std::string server = {});
  // This error, carrying the item whose value it is about.
  [[nodiscard]] error about(const raw_item& item) const;

  [[nodiscard]] errc code() const noexcept { return code_; }
  // Empty when no server was involved. Valid as long as this error or a copy of it.
  [[nodiscard]] std::string_view server() const noexcept;
  // Empty for plain answers. Valid as long as this error or a copy of it.
  [[nodiscard]] std::string_view message() const noexcept;
  // The item as it was read, when its value is what is wrong: unknown_flags, corrupt_value,
  // wrong_type, value_too_large once decompressed. Valid as long as this error or a copy of it.
  [[nodiscard]] std::optional<raw_item> item() const noexcept;
  [[nodiscard]] fault whose() const noexcept;
  // One line for a log: "timeout at 10.0.0.1:11211: no answer within 250ms".
  [[nodiscard]] std::string what() const;

  friend bool operator==(const error& e, errc code) noexcept { return e.code_ == code; }

 private:
  errc code_ = errc::ok;
  std::shared_ptr<const error_details> details_;
};

std::ostream& operator<<(std::ostream& out, const error& e);
std::ostream& operator<<(std::ostream& out, errc code);

// A value, or the reason why there is none. `.value()` throws std::bad_expected_access<error>.
template <class T>
using result = std::expected<T, error>;

// Thrown only by constructors (a client from a bad URI); everything else returns a result.
class exception : public std::runtime_error {
 public:
  explicit exception(memcxx::error e) : std::runtime_error(e.what()), error_(std::move(e)) {}
  [[nodiscard]] const memcxx::error& error() const noexcept { return error_; }

 private:
  memcxx::error error_;
};

}  // namespace memcxx
