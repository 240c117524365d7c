// What a run tells: replies and errors as plain text or as JSON, one line of complaint on standard
// error, and the exit code that follows from it all.
// Never here: calls to servers, the command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/error.hpp>
#include <memcxx/item.hpp>
#include <memcxx/value.hpp>

#include "values.hpp"

namespace mcx {

// What the exit codes promise; the worst of a run is the run's, and a failure is worse than a
// value.
enum class exit_code {
  done = 0,     // or a hit
  unmet = 1,    // a miss, or a condition that does not hold
  mistake = 2,  // of the caller
  failure = 3,  // of a server, the network, the clock, or standard output
  value = 4,    // a typed value that is not what was wanted
};

exit_code code_of(const memcxx::error& e) noexcept;

// A typed value and the bytes that a form has for it.
struct typed_value {
  memcxx::value_kind kind;
  read_form form;
  std::string_view printed;
};

// Threads: one.
class output {
 public:
  explicit output(bool json) noexcept : json_(json) {}

  [[nodiscard]] bool as_json() const noexcept { return json_; }
  // Standard output took what it was given so far. When not, there is no use in going on.
  [[nodiscard]] bool writable() const noexcept { return write_error_ == 0; }

  // Exact bytes, in either form.
  void bytes(std::string_view text) noexcept;

  // --- replies about a key
  void hit(std::string_view key, const memcxx::item& found);
  void typed_hit(std::string_view key, const typed_value& v, const memcxx::item_attributes& found);
  void stored(std::string_view key, const memcxx::stored& s);
  void counted(std::string_view key, const memcxx::counter& n);
  // `what` is "deleted" or "touched".
  void changed(std::string_view key, std::string_view what);
  void lives_on(std::string_view key, std::string_view server);
  // `text` holds words as "name=value".
  void internals(std::string_view key, std::string_view text);
  // A miss is told by the exit code alone; as JSON, so are all answers.
  void failed(const memcxx::error& e, std::string_view key);

  // --- replies about a server
  void server_did(std::string_view server, std::string_view what);
  void server_version(std::string_view server, std::string_view version);
  void server_answered(std::string_view server, std::chrono::nanoseconds after);
  void server_stats(std::string_view server, std::string_view group,
                    const memcxx::statistics& stats);
  // The server has no such item; `elsewhere`: another had it, so that this is as it should be.
  void server_missed(std::string_view server, bool elsewhere);
  // In the plain form, standard output has what worked and nothing else.
  void server_failed(std::string_view server, const memcxx::error& e);

  // --- about the spread of keys
  // Both in per cent; `after` when the servers are to change.
  void share(std::string_view server, double now, std::optional<double> after);
  // `of` keys were placed, and these would move, in per cent of all.
  void moved(double share, std::uint64_t of);
  void moved(double share, std::string_view from, std::string_view to);

  // --- about neither
  void failed(const memcxx::error& e);
  // Stands on standard error behind the complaints, and changes no exit code.
  void note(std::string text);

  // Writes what is left and the complaint; the last call of a run.
  exit_code finish() noexcept;

 private:
  void line(std::initializer_list<std::string_view> fields) noexcept;
  void complain(exit_code code, std::string text);

  bool json_;
  int write_error_ = 0;
  exit_code worst_ = exit_code::done;
  std::vector<std::string> complaints_;  // those of the worst code, each once
  std::size_t more_complaints_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace mcx
