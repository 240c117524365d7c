// One flat response, as every protocol and driver gives it, and who receives it.
// Lives here: `response`, `response_handler`, and what a parser reports.
// Never here: sockets, clocks, ownership of the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <memcxx/error.hpp>

namespace memcxx::protocol {

// A response. Views borrow from the connection's receive buffer or from the memory that
// response_handler::on_value gave: they are valid only inside the call that delivers them.
struct response {
  errc status = errc::ok;
  bool more = false;    // further responses to the same request follow (stats)
  bool unsent = false;  // failed before one byte of the request left: safe to send again
  // The server does not speak what the connection took it for; the next one will find out.
  bool misjudged = false;
  // The connection ended at another request, which has its outcome: to ask this one again, as often
  // as it may be, comes to an end.
  bool bystander = false;
  bool has_cas = false;
  bool has_opaque = false;
  bool won = false;          // meta W: this caller is to refresh the item
  bool stale = false;        // meta X: marked stale
  bool already_won = false;  // meta Z: another caller is refreshing it
  std::uint32_t flags = 0;
  std::uint32_t opaque = 0;
  std::uint64_t cas = 0;
  std::uint64_t number = 0;                  // incr, decr: the new value
  std::optional<std::int64_t> ttl;           // seconds; -1 never expires, 0 has expired
  std::optional<std::uint64_t> last_access;  // seconds
  std::optional<bool> hit_before;
  std::optional<std::uint64_t> size;  // bytes
  std::string_view key;               // as the server told it; for stats the name
  std::string_view value;             // for stats the value
  std::string_view text;              // version, debug: the answer; errors: the server's own words
};

// Receives the responses to requests. Whoever submits a request keeps the handler alive until
// on_response has been called with `more == false`, or the request was abandoned.
class response_handler {
 public:
  // A value of `size` bytes is on its way and is not yet wholly in the receive buffer. Returns
  // where to put it (exactly `size` bytes, valid until on_response), or an empty span to have the
  // connection keep it. Called at most once for each response.
  virtual std::span<char> on_value(std::uint32_t /*tag*/, const response& /*head*/,
                                   std::size_t /*size*/) noexcept {
    return {};
  }
  // The response, or with status != ok the reason why there is none. Called once for each request,
  // and before that once for each response with `more`.
  virtual void on_response(std::uint32_t tag, const response& r) noexcept = 0;

 protected:
  ~response_handler() = default;
};

// What kind of reply a parser saw. Whether it fits the request is the connection's question.
enum class reply_kind : std::uint8_t {
  value,    // an item; its bytes follow the head
  end,      // the end of a classic get or of stats
  done,     // success without more to say (STORED, DELETED, TOUCHED, OK, RESET, HD)
  number,   // a counter's new value
  stat,     // one line of statistics
  text,     // VERSION, ME
  noop,     // MN, binary NOOP
  refused,  // miss, not stored, exists; `response::status` tells which
  error,    // ERROR, CLIENT_ERROR, SERVER_ERROR, a binary error status
};

// What a parser made of the bytes it was shown.
struct parsed {
  enum class outcome : std::uint8_t {
    need_more,  // not a whole head yet; nothing was consumed
    reply,      // a head of `head_size` bytes; `body_size` value bytes and `trailer` bytes follow
    malformed,  // memcached never sends this; `why` says what is wrong
  };
  outcome what = outcome::need_more;
  reply_kind kind = reply_kind::done;
  std::uint8_t trailer = 0;  // 2 ("\r\n") after a text value, else 0
  std::size_t head_size = 0;
  std::size_t body_size = 0;
  std::string_view why;  // static storage
};

}  // namespace memcxx::protocol
