// The insides of a connection: one struct, whose members are defined by meaning in
// submitting.cpp (requests out), receiving.cpp (bytes in), matching.cpp (which reply is whose),
// lines.cpp (the same for classic gets), handshake.cpp (what the server speaks) and asking.cpp (one
// request and its answer, without a queue).
// Never here: sockets, clocks, routing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/connection.hpp>

#include "connection/in_flight.hpp"
#include "connection/receive_buffer.hpp"
#include "connection/send_buffer.hpp"

namespace memcxx {

struct connection::state {
  explicit state(const connection_options& o) : options(o) {}

  // --- handshake.cpp
  void open();
  void ask_for_meta();
  void ask_in_classic();
  void handshake_reply(const protocol::parsed& p, const protocol::response& r);
  void end_question();

  // --- submitting.cpp
  [[nodiscard]] detail::wire_form form_for(const protocol::request& r) const noexcept;
  [[nodiscard]] protocol::refusal check(const protocol::request& r,
                                        detail::wire_form form) const noexcept;
  protocol::refusal submit(const protocol::request& r, protocol::response_handler& to,
                           std::uint32_t tag);
  std::size_t submit_again(std::span<const another> more, protocol::response_handler& to);
  std::size_t submit_keys(std::span<const another> more, protocol::response_handler& to);
  std::size_t submit_stores(std::span<const another> more, protocol::response_handler& to);
  detail::pending& push_silent(const another& one, std::string_view prefix,
                               protocol::response_handler& to, protocol::verb op,
                               detail::wire_form form, std::uint64_t begin) noexcept;
  [[nodiscard]] bool in_run_of_stores() const noexcept;
  detail::pending& enqueue(const protocol::request& r, protocol::response_handler& to,
                           std::uint32_t tag, detail::wire_form form, bool quiet);
  void close_when_full();
  void write(const protocol::request& r, detail::wire_form form);
  std::size_t render(const protocol::request& r, detail::wire_form form, bool with_value, char* at);
  void write_get(const protocol::request& r, bool quiet);
  void end_long_line();
  void end_line();
  [[nodiscard]] bool fits_line(std::size_t key_size) const noexcept;
  [[nodiscard]] static bool may_be_refused(const protocol::request& r) noexcept;
  // Something is about to be in flight; if nothing is, it begins anew what says() goes by.
  void begin_stretch() noexcept {
    if (!waiting.empty()) return;
    rested = used;
    unheard = true;
    complained = in_doubt = false;
  }
  void fence();
  void push_fence(detail::wire_form form);
  bool begin_line(const another& one, protocol::response_handler& to);
  std::uint32_t new_opaque() noexcept {
    return next_opaque = next_opaque == UINT32_MAX ? 1 : next_opaque + 1;
  }

  // --- asking.cpp
  std::string_view ask(protocol::request& r);
  const protocol::response* answered(std::size_t n);
  bool is_whole_answer(const protocol::parsed& p);
  void queue(protocol::response_handler& to, std::uint32_t tag, std::size_t written);

  // --- receiving.cpp
  std::span<const std::span<char>> input() noexcept;
  void received(std::size_t n);
  void deliver();
  bool deliver_one();
  protocol::parsed parse(detail::wire_form form) noexcept;
  static bool read_counter(std::string_view text, std::uint64_t& out) noexcept;
  bool begin_body(const protocol::parsed& p, protocol::response& r);
  bool begin_counter(const protocol::parsed& p, protocol::response& r);
  bool end_body();
  bool refuse_body(const protocol::parsed& p, protocol::response& r);
  void abandon(const protocol::response_handler& to);
  void abandon(protocol::response_handler& to, errc code, std::string_view why);

  // --- matching.cpp
  [[nodiscard]] static bool fits(const detail::pending& p, protocol::reply_kind kind) noexcept;
  enum class matched : std::uint8_t {
    request,  // the reply is for waiting[current]; silent ones before it were resolved
    settled,  // the reply has been dealt with
    nobody,   // an error that names no request; it was remembered
    failed,   // the reply fits nothing: the connection has failed
  };
  matched match(const protocol::parsed& p, protocol::response& r);
  [[nodiscard]] std::size_t find(const protocol::parsed& p, const protocol::response& r);
  [[nodiscard]] bool is_for(detail::pending& e, const protocol::parsed& p,
                            const protocol::response& r) const noexcept;
  [[nodiscard]] bool is_value_of(const detail::pending& e,
                                 const protocol::response& r) const noexcept;
  bool resolve_before(std::size_t target);
  matched take_stray(const protocol::parsed& p, const protocol::response& r);
  void go_again_if_misjudged(const detail::pending& e, protocol::response& r) const noexcept;
  void finish(protocol::response& r);
  void answer_front(protocol::response& r);
  void answer(detail::pending& e, protocol::response& r) noexcept;

  // --- lines.cpp: a classic line of gets at the front, answered by values, errors, and END.
  matched match_line(const protocol::parsed& p, protocol::response& r);
  [[nodiscard]] std::size_t find_in_line(const protocol::response& r) noexcept;
  [[nodiscard]] std::size_t line_size() noexcept;
  [[nodiscard]] std::size_t open_in_line(std::size_t size) noexcept;
  matched take_line_error(const protocol::response& r);
  [[nodiscard]] bool may_end_another(std::size_t size) noexcept;
  [[nodiscard]] std::size_t fences_behind(std::size_t size) noexcept;
  matched end_line_unsaid();
  bool end_line_answer(bool with_end, bool in_doubt_of_whom = false);
  [[nodiscard]] bool is_behind_line(const protocol::parsed& p,
                                    const protocol::response& r) noexcept;
  void find_lines_end();
  void give_line_errors();
  bool deliver_items();
  // Whether what follows a value shows that it ended there.
  enum class frame : std::uint8_t { proven, unknown, broken };
  [[nodiscard]] frame frame_after(std::string_view rest) noexcept;

  // --- connection.cpp
  [[nodiscard]] bool awaited() noexcept;
  // Everything in flight fails with this code.
  void fail(errc code, std::string_view why, std::optional<verdict> ours = std::nullopt);
  // Because of what the server answered.
  void close_after(std::string_view why);
  [[nodiscard]] verdict judge(errc code) noexcept;

  static constexpr std::size_t not_found = static_cast<std::size_t>(-1);
  // A classic get line: more keys, or a longer line, and the next key begins another one.
  static constexpr std::size_t keys_per_line = 512;
  std::size_t bytes_per_line = 16'000;  // with its end

  connection_options options;
  protocol_choice speaks = protocol_choice::automatic;
  // The handshake's question that is out.
  enum class question : std::uint8_t { none, meta, classic };
  question asking = question::none;
  // Of the answer to the one for meta, so far.
  struct {
    std::uint8_t lines = 0;
    std::uint8_t noops = 0;
    bool reads_stores = false;
    std::string words;  // of its first error
  } told;
  bool retry_as_classic = false;

  // What its end would say of the server.
  verdict says = verdict::nothing;
  bool used = false;        // it has answered a request
  bool rested = false;      // it was idle before what is in flight now
  bool unheard = true;      // nothing of that was answered yet
  bool complained = false;  // the last answer was an error
  bool misjudged = false;   // … of a server that knows no meta
  bool ended_at = false;    // we ended it, at the answer to a request

  detail::send_buffer out;
  detail::receive_buffer in;
  detail::in_flight_queue waiting;
  std::uint32_t next_opaque = 0;

  // The classic get line that is being written. On a connection that speaks meta its answer follows
  // one that says what it is for (begins_line: what was submitted last is such a head of a run).
  bool begins_line = false;
  bool line_open = false;
  bool line_cas = false;
  std::size_t line_keys = 0;
  std::uint64_t line_begin = 0;

  // What was asked, and the length of its bytes, which lie behind what `out` holds. Not in
  // `waiting`.
  detail::pending asked;
  std::size_t asked_size = 0;

  // Quiet requests of meta or binary since the last fence.
  std::size_t quiet_run = 0;
  std::size_t longest_quiet_run = 512;
  // What stands between key and value of the store that was submitted last, but for the value's
  // length; nothing when it was no quiet set of meta's without a condition.
  struct {
    std::array<char, 40> bytes;
    std::size_t size = 0;
    [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
  } store_tail;
  // Once an error named nobody on this connection, fewer shall be in doubt the next time.
  static constexpr std::size_t longest_doubtful_run = 64;

  // The queue was full, and is not yet half empty: few large writes are better than many small
  // ones.
  bool full = false;

  // Which of the requests in flight the reply at hand is for: the first, but for values of a
  // classic line, which may come in any order.
  std::size_t current = 0;
  std::size_t line_cursor = 0;              // where in its line the next value is expected
  std::array<protocol::response, 2> items;  // of deliver_items
  protocol::response reply;                 // of deliver_one, and of what was asked
  // Of the statistics that are being answered. The longest that a server has to tell is "conns":
  // four lines, 140 bytes, for each of 65,536 connections, and 24 bytes a line in binary. A
  // "cachedump" is cut off at 2 MiB by memcached itself.
  std::size_t stat_bytes = 0;
  std::size_t stat_lines = 0;
  static constexpr std::size_t most_stat_bytes = std::size_t{16} << 20;
  static constexpr std::size_t most_stat_lines = std::size_t{1} << 18;

  // A value that is being read, of waiting[current].
  struct body {
    bool active = false;
    bool dropped = false;    // nobody wants it: counted, not kept
    std::size_t size = 0;    // of the value
    std::size_t filled = 0;  // so much of value and trailer has come (dropped: was consumed)
    std::uint8_t trailer = 0;
    char* into = nullptr;
    std::unique_ptr<char[]> own;  // when the handler had no place for it
    protocol::response head;
  } body;

  // Errors that name no request, in the order they came, while quiet requests or a line were at the
  // front.
  struct stray {
    errc status;
    std::string text;
  };
  std::vector<stray> strays;
  bool in_doubt = false;  // one may have been no line's; until a reply that tells what it answers

  std::uint64_t unclaimed = 0;
  errc failure = errc::ok;
  std::string failure_text;
  std::array<std::span<char>, 2> rooms;
};

}  // namespace memcxx
