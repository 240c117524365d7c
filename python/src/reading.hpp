// Reads on their way: one call of the core for one key or many, and what Python gets of it. Values
// go from the connection to one arena, and from there into Python's objects.
// Never here: what a flag means, pickling, arguments of verbs.
#pragma once

#include <Python.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nanobind/nanobind.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/operation.hpp>

#include "arena.hpp"
#include "convert.hpp"

namespace memcxx::python {

// Threads: made and read with the GIL, run without it, all on one thread. Keys are borrowed until
// it goes: whoever makes it keeps their objects.
class reading final : public call {
 public:
  enum class form : std::uint8_t {
    typed,  // values by the client's dialect
    raw,    // bytes, flags and cas
  };

  // Up to `n` keys. With a ttl every item that is found gets it.
  reading(form as, std::size_t n, bool cas, const std::optional<ttl>& touch = std::nullopt);
  ~reading();
  void add(std::string_view key) noexcept { entries_[count_++].key = key; }
  // Of one key: where a long value may go, a bytes object that nobody else has.
  void offer(nb::object room);

  // --- what became of the i-th key
  [[nodiscard]] errc status(std::size_t i) const noexcept { return status_of(entries_[i]); }
  // Of a hit: the value, or (bytes, flags, cas). Raises what Python makes of it.
  [[nodiscard]] nb::object object(std::size_t i, const pickling& p) {
    return object_of(entries_[i], p);
  }
  // What was offered, if no value is in it.
  [[nodiscard]] nb::object take_room() noexcept { return std::move(room_); }
  // Bytes of a value that is bytes; 0 of any other.
  [[nodiscard]] std::size_t size_of(std::size_t i) const noexcept {
    return entries_[i].kind == value_kind::bytes ? entries_[i].bytes.size() : 0;
  }
  // Why it is no hit.
  [[nodiscard]] error why(std::size_t i) const;

  // {key: object} of the hits. What failed raises, or with `errors_too` is its exception. `keys`: a
  // tuple, of which the i-th was the i-th added.
  [[nodiscard]] nb::dict dict(nb::handle keys, const pickling& p, bool errors_too);

  // --- for the engine
  bool begin_step(unsigned step, const value_codec& values) noexcept override;
  std::size_t size() const noexcept override { return later_ ? parts_.size() : count_; }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override;
  protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept override;
  bool differs_by_key() const noexcept override { return !later_ && !command_.ttl; }
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t n) noexcept override;
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override;

 private:
  struct entry {
    std::string_view key;
    std::string_view bytes;
    std::uint64_t cas = 0;
    std::uint32_t flags = 0;
    std::uint32_t more = 0;  // 1 + the place in errors_ or, of a hit, in wholes_
    errc status = errc::cancelled;
    value_kind kind = value_kind::bytes;
  };
  // A value that takes more than one look, as the core's own typed reads have it.
  struct whole {
    explicit whole(const commands::read_value& c) noexcept : command{c}, read(command) {}
    commands::get_value<incoming> command;
    operation<commands::get_value<incoming>> read;
  };

  void name_long_keys(const value_codec& values);
  [[nodiscard]] std::string_view name_of(std::size_t i) const noexcept {
    return names_ != nullptr ? names_[i] : entries_[i].key;
  }
  // What became of a value that took more looks is only known at the end.
  [[nodiscard]] errc status_of(const entry& e) const noexcept {
    if (e.status != errc::ok || e.more == 0) [[likely]]
      return e.status;
    const auto& outcome = wholes_[e.more - 1]->read.outcome();
    return outcome ? errc::ok : outcome.error().code();
  }
  void interpret(entry& e, const protocol::response& r, std::string_view server);
  void follow(entry& e, const protocol::response& r, std::string_view server);
  void fail(entry& e, error why) noexcept;
  [[nodiscard]] nb::object object_of(const entry& e, const pickling& p);
  [[nodiscard]] nb::object bytes_of(const entry& e);

  arena memory_;
  entry one_;
  entry* entries_ = &one_;
  std::size_t count_ = 0;
  std::string_view* names_ = nullptr;  // of the items, where a key may have a stand-in
  form form_;
  bool later_ = false;             // a step after the first
  bool plain_is_verbatim_ = true;  // what has no flags is its bytes as they are
  commands::read_value command_;
  const value_codec* values_ = nullptr;
  nb::object room_;
  std::span<char> room_bytes_;  // of it
  bool unpacks_ = false;
  std::string unpacked_;           // what is unpacked, to be kept elsewhere
  std::vector<std::string> kept_;  // unless it is long
  std::vector<error> errors_;
  std::vector<std::unique_ptr<whole>> wholes_;
  step_index parts_;  // of the wholes, in the steps after the first
};

// What is of many, which stays the same and alive whatever becomes of what was given: the objects
// of an iterable that is no str or bytes itself, and the pairs of a mapping. TypeError for others.
nb::object tuple_of(nb::handle iterable);
nb::object pairs_of(nb::handle mapping);

}  // namespace memcxx::python
