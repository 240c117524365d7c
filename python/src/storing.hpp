// Stores on their way: one call of the core for one value or many, and what Python gets of it.
// Values stay in the objects that they are of, unless their dialect has another form for them.
// Never here: what a flag means, pickling, arguments of verbs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nanobind/nanobind.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/many.hpp>
#include <memcxx/operation.hpp>

#include "arena.hpp"
#include "convert.hpp"

namespace memcxx::python {

// Threads: made and read with the GIL, run without it, all on one thread. Keys and values are
// borrowed until it goes: whoever makes it keeps their objects.
class storing final : public call {
 public:
  // Up to `n` stores that have `op` and `o` in common, but for the flags. `values`: of the client
  // that will run it.
  storing(protocol::verb op, std::size_t n, const store_options& o, const value_options& values);
  ~storing();

  // A value, packed by the client's dialect. Raises what Python makes of it.
  void add(std::string_view key, nb::handle object, const pickling& p);
  // Bytes as they are.
  void add(std::string_view key, std::string_view bytes, std::uint32_t flags) noexcept {
    entries_[count_++] = {.key = key, .bytes = bytes, .flags = flags};
  }

  // A value is to be stored over several items. Then nothing was sent: that is for the core's own
  // typed stores, which borrow from this: of all values that can be stored. What became of them is
  // noted in the same order.
  [[nodiscard]] bool splits() const noexcept { return splits_; }
  [[nodiscard]] std::vector<commands::store_value> commands() const;
  void note(const many<stored>& outcomes);

  // --- what became of the i-th
  [[nodiscard]] errc status(std::size_t i) const noexcept { return entries_[i].status; }
  [[nodiscard]] error why(std::size_t i) const;

  // --- for the engine
  bool begin_step(unsigned step, const value_codec& values) noexcept override;
  std::size_t size() const noexcept override { return count_; }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override;
  protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept override;
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override;

 private:
  struct entry {
    std::string_view key = {};
    std::string_view bytes = {};  // what is stored
    std::string_view value = {};  // its canonical form, when it is to be packed
    std::uint32_t flags = 0;
    std::uint32_t why = 0;  // 1 + the place in errors_, where there is one
    value_kind kind = value_kind::bytes;
    bool packed = true;
    errc status = errc::cancelled;
  };

  void name_long_keys(const value_codec& values);
  [[nodiscard]] std::string_view name_of(std::size_t i) const noexcept {
    return names_ != nullptr ? names_[i] : entries_[i].key;
  }
  void pack(entry& e, const value_codec& values);
  void fail(entry& e, error why) noexcept;
  [[nodiscard]] protocol::refusal refusal_of(const entry& e) const noexcept;

  arena memory_;
  entry one_;
  entry* entries_ = &one_;
  std::size_t count_ = 0;
  std::string_view* names_ = nullptr;  // of the items, where a key may have a stand-in
  protocol::verb op_;
  store_options options_;  // without min_compress
  std::optional<std::size_t> min_compress_;
  std::size_t plain_below_;  // bytes shorter than this are stored as they are
  bool to_pack_ = false;
  bool splits_ = false;
  std::vector<nb::object> made_;   // of values
  value_codec::packed packing_;    // to be kept elsewhere
  std::vector<std::string> kept_;  // unless it is long
  std::vector<error> errors_;
};

}  // namespace memcxx::python
