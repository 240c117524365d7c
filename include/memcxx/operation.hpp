// A command on its way: what it asks for, step by step, and what became of it. Engines run calls;
// a call is made of operations.
// Never here: I/O, routing, what a flag means.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/codec.hpp>
#include <memcxx/command.hpp>
#include <memcxx/dialect.hpp>
#include <memcxx/error.hpp>
#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx {

// Gathers the response to one command. A value goes from the receive buffer, or straight from the
// socket, into the reply's own string, and is never copied again.
template <class Command>
class gathered {
 public:
  using reply = typename Command::reply;

  std::span<char> on_value(std::size_t size) noexcept {
    if constexpr (holds_value) {
      try {
        // The library may offer more than was asked for.
        bytes_of(value_).resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
        return bytes_of(value_);
      } catch (...) {
        return {};  // the connection finds room, or fails
      }
    }
    return {};
  }

  void on_response(const protocol::response& r, std::string_view server) noexcept try {
    if (r.status != errc::ok) {
      outcome_ = std::unexpected(error_of(r, server));
      return;
    }
    if constexpr (holds_value) {
      // Either it was read straight into the string, or it is still in the receive buffer.
      if (r.value.data() != bytes_of(value_).data()) bytes_of(value_).assign(r.value);
    }
    Command::read(r, value_);
    if (!r.more) outcome_ = std::move(value_);
  } catch (...) {
    outcome_ = std::unexpected(error(errc::out_of_memory));
  }

  [[nodiscard]] result<reply>& outcome() noexcept { return outcome_; }
  [[nodiscard]] const result<reply>& outcome() const noexcept { return outcome_; }

 private:
  // Replies that a value has a place in. A response that has text instead (a version) has no value,
  // and its command takes the text.
  static constexpr bool holds_value =
      std::is_same_v<reply, item> || std::is_same_v<reply, std::string>;
  static std::string& bytes_of(item& i) noexcept { return i.value; }
  static std::string& bytes_of(std::string& s) noexcept { return s; }

  reply value_{};
  result<reply> outcome_ = std::unexpected(error(errc::cancelled));
};

// What reads without a type have in common: bytes that are not the value's are not taken for it.
class plain_reading {
 public:
  void begin(const value_codec& values) noexcept { values_ = &values; }
  [[nodiscard]] bool refuses(const protocol::response& r, const get_options& o) const noexcept {
    return r.flags != 0 && is_packed(r, o);  // most items have none
  }
  // wrong_type, with the item; out_of_memory when there is none for it.
  [[nodiscard]] static error why(const protocol::response& r, std::string_view server) noexcept;

 private:
  [[nodiscard]] bool is_packed(const protocol::response& r, const get_options& o) const noexcept;
  const value_codec* values_ = nullptr;
};

// A command that is one request. The command outlives it.
template <class Command>
class operation {
 public:
  using reply = typename Command::reply;

  explicit operation(const Command& c) noexcept : command_(c) {}

  // As call::begin_step, for this command's part of the call.
  bool begin_step(unsigned step, const value_codec& values) noexcept {
    if (step != 0) return false;
    if constexpr (finds_long_keys) return key_.find(command_.key, values);
    if constexpr (reads_plainly) reading_.begin(values);
    return true;
  }
  // How many requests the step has.
  [[nodiscard]] std::size_t parts() const noexcept { return 1; }
  protocol::refusal request(std::size_t, protocol::request& out) const noexcept {
    const protocol::refusal no = command_.to_request(out);
    if constexpr (finds_long_keys) key_.replace(out);
    return no;
  }
  std::span<char> on_value(std::size_t, const protocol::response&, std::size_t n) noexcept {
    return gathered_.on_value(n);
  }
  void on_response(std::size_t, const protocol::response& r, std::string_view server) noexcept {
    if constexpr (reads_plainly) {
      if (reading_.refuses(r, command_.options)) {
        gathered_.outcome() = std::unexpected(plain_reading::why(r, server));
        return;
      }
    }
    gathered_.on_response(r, server);
  }
  [[nodiscard]] bool quiet() const noexcept {
    if constexpr (requires { command_.options.quiet; }) return command_.options.quiet;
    return false;
  }
  // Whether the step that has begun is known not to be the last, and whose order counts then.
  [[nodiscard]] bool goes_on() const noexcept { return false; }
  [[nodiscard]] std::string_view key() const noexcept {
    if constexpr (requires { command_.key; }) return command_.key;
    return {};
  }
  [[nodiscard]] result<reply>& outcome() noexcept { return gathered_.outcome(); }

 private:
  // Verbs that name an item without looking at its value.
  static constexpr bool finds_long_keys =
      std::is_same_v<Command, commands::remove> || std::is_same_v<Command, commands::touch>;
  static constexpr bool reads_plainly =
      std::is_same_v<Command, commands::get> || std::is_same_v<Command, commands::gat>;
  struct no_key {};
  struct no_reading {};
  class long_key {
   public:
    bool find(std::string_view key, const value_codec& values) noexcept;
    void replace(protocol::request& out) const noexcept {
      if (!name_.empty()) out.key = name_;
    }

   private:
    std::string name_;
  };

  const Command& command_;
  [[no_unique_address]] std::conditional_t<finds_long_keys, long_key, no_key> key_;
  [[no_unique_address]] std::conditional_t<reads_plainly, plain_reading, no_reading> reading_;
  gathered<Command> gathered_;
};

template <class Command>
bool operation<Command>::long_key::find(std::string_view key, const value_codec& values) noexcept {
  try {
    std::string storage;
    if (values.item_key(key, storage).data() != key.data()) name_ = std::move(storage);
    return true;
  } catch (...) {
    return true;  // the long key is refused
  }
}

template <>
class operation<commands::get_into> {
 public:
  using reply = item_view;

  explicit operation(const commands::get_into& c) noexcept : command_(c) {}

  bool begin_step(unsigned step, const value_codec& values) noexcept {
    reading_.begin(values);
    return step == 0;
  }
  [[nodiscard]] std::size_t parts() const noexcept { return 1; }
  protocol::refusal request(std::size_t, protocol::request& out) const noexcept {
    return command_.to_request(out);
  }
  std::span<char> on_value(std::size_t, const protocol::response&, std::size_t n) noexcept {
    // What is too long has to be read all the same; the connection finds room for it.
    return n <= command_.buffer.size() ? command_.buffer.first(n) : std::span<char>();
  }
  void on_response(std::size_t, const protocol::response& r, std::string_view server) noexcept;
  [[nodiscard]] bool quiet() const noexcept { return false; }
  [[nodiscard]] bool goes_on() const noexcept { return false; }
  [[nodiscard]] std::string_view key() const noexcept { return command_.key; }
  [[nodiscard]] result<reply>& outcome() noexcept { return outcome_; }

 private:
  const commands::get_into& command_;
  plain_reading reading_;
  result<reply> outcome_ = std::unexpected(error(errc::cancelled));
};

// What reads of typed values have in common, whatever their type: one item, or the pieces of one.
class value_reading {
 public:
  value_reading(const value_reading&) = delete;
  value_reading& operator=(const value_reading&) = delete;

  bool begin_step(unsigned step, const value_codec& values) noexcept;
  [[nodiscard]] std::size_t parts() const noexcept;
  protocol::refusal request(std::size_t part, protocol::request& out) const noexcept;
  std::span<char> on_value(std::size_t part, const protocol::response& head,
                           std::size_t n) noexcept;
  void on_response(std::size_t part, const protocol::response& r, std::string_view server) noexcept;
  [[nodiscard]] bool quiet() const noexcept { return false; }
  [[nodiscard]] bool goes_on() const noexcept { return false; }
  [[nodiscard]] std::string_view key() const noexcept { return command_.key; }
  // The key that the first step asks for.
  [[nodiscard]] std::string_view item_key() const noexcept {
    return key_.empty() ? command_.key : std::string_view(key_);
  }

 protected:
  // `tells`: the reply has a place for the item's attributes.
  value_reading(const commands::read_value& c, value_codec::opaque_values how, bool tells) noexcept;
  value_reading(value_reading&&) noexcept;
  ~value_reading();

 private:
  struct pieces;

  // Where a value that is a string's bytes goes at once; null for values of other types.
  virtual std::string* place() noexcept = 0;
  // `v` may lie in *place().
  virtual result<void> take(const value_view& v) = 0;
  virtual void take(const protocol::response& r, bool stub) = 0;
  // What became of it; nothing wrong when `why` is ok.
  virtual void conclude(error why) noexcept = 0;

  void on_whole(std::uint32_t flags, std::string_view bytes, std::string& held,
                std::string_view server);
  void begin_pieces(const protocol::response& r, std::string_view server);
  void on_piece(std::size_t part, const protocol::response& r, std::string_view server) noexcept;
  void keep_piece(std::size_t part, const protocol::response& r, std::string_view server);
  void join();

  const commands::read_value& command_;
  const value_codec* values_ = nullptr;
  value_codec::opaque_values how_;
  bool tells_;
  std::string key_;    // the stand-in of a long key
  std::string bytes_;  // a value on its way that is not put to its place at once
  std::unique_ptr<pieces> pieces_;
};

template <class Command>
  requires std::derived_from<Command, commands::read_value>
class operation<Command> final : public value_reading {
 public:
  using type = typename Command::value_type;
  using reply = typename Command::reply;
  static_assert(readable<type>, "this type has no codec: see codec.hpp, msgpack.hpp and json.hpp");

  explicit operation(const Command& c) noexcept
      : value_reading(c,
                      keeps_opaque<type> ? value_codec::opaque_values::kept
                                         : value_codec::opaque_values::decoded,
                      is_item) {}

  [[nodiscard]] result<reply>& outcome() noexcept { return outcome_; }

 private:
  static constexpr bool is_item = !std::is_same_v<type, reply>;
  // A codec may have a string in its type where bytes are put at once (codec::place); what decode()
  // is given then may lie in it.
  static constexpr bool has_place = requires(type& v) {
    { codec<type>::place(v) } -> std::same_as<std::string&>;
  };

  type& value() noexcept {
    if constexpr (is_item) {
      return reply_.value;
    } else {
      return reply_;
    }
  }
  std::string* place() noexcept override {
    if constexpr (std::is_same_v<type, std::string>) {
      return &value();
    } else if constexpr (std::is_same_v<type, text>) {
      return &value().utf8;
    } else if constexpr (has_place) {
      return &codec<type>::place(value());
    } else {
      return nullptr;
    }
  }
  result<void> take(const value_view& v) override {
    if constexpr (!has_place) {
      if (const std::string* at = place(); at != nullptr && is_stringlike(v.kind)) {
        if (v.bytes.data() == at->data() && v.bytes.size() == at->size()) return {};
      }
    }
    return codec<type>::decode(v, value());
  }
  void take(const protocol::response& r, bool stub) override {
    if constexpr (is_item) {
      commands::get::read(r, reply_);
      reply_.stub = stub;
    }
  }
  void conclude(error why) noexcept override {
    if (why != errc::ok) {
      outcome_ = std::unexpected(std::move(why));
      return;
    }
    try {
      outcome_ = std::move(reply_);
    } catch (...) {  // a type that can only be copied
      outcome_ = std::unexpected(error(errc::out_of_memory));
    }
  }

  reply reply_{};
  result<reply> outcome_ = std::unexpected(error(errc::cancelled));
};

// Many stores go out quietly, but longer values are stored one answer each: should the server
// refuse one for its length, it is certain which.
inline constexpr std::size_t surely_accepted = std::size_t{32} << 10;  // bytes

// Packs its value, and stores it as one item, or first its pieces and then the item that names
// them: so a reader meets the old value or the new one, never parts of both.
template <>
class operation<commands::store_value> {
 public:
  using reply = stored;

  explicit operation(const commands::store_value& c) noexcept;
  operation(operation&&) noexcept;
  ~operation();

  bool begin_step(unsigned step, const value_codec& values) noexcept;
  [[nodiscard]] std::size_t parts() const noexcept;
  protocol::refusal request(std::size_t part, protocol::request& out) const noexcept;
  std::span<char> on_value(std::size_t, const protocol::response&, std::size_t) noexcept {
    return {};
  }
  void on_response(std::size_t part, const protocol::response& r, std::string_view server) noexcept;
  [[nodiscard]] bool quiet() const noexcept { return command_.options.quiet && !splitting_; }
  [[nodiscard]] bool goes_on() const noexcept { return in_pieces_; }
  [[nodiscard]] std::string_view key() const noexcept { return command_.key; }
  [[nodiscard]] result<reply>& outcome() noexcept { return outcome_; }

 private:
  const commands::store_value& command_;
  std::string key_;  // the stand-in of a long key
  value_codec::packed packed_;
  std::unique_ptr<value_codec::split_value> splitting_;
  bool in_pieces_ = false;  // this step stores the pieces
  error refused_;           // before anything was sent
  result<reply> outcome_ = std::unexpected(error(errc::cancelled));
};

// A call of one command, on the caller's stack.
template <class Command>
class single_call final : public call {
 public:
  explicit single_call(const Command& c) noexcept : operation_(c) {}

  bool begin_step(unsigned step, const value_codec& values) noexcept override {
    return operation_.begin_step(step, values);
  }
  std::size_t size() const noexcept override { return operation_.parts(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    return operation_.request(i, out);
  }
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t n) noexcept override {
    return operation_.on_value(i, head, n);
  }
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    operation_.on_response(i, r, server);
  }
  bool quiet() const noexcept override { return operation_.quiet(); }
  result<typename Command::reply>&& take() noexcept { return std::move(operation_.outcome()); }

 private:
  operation<Command> operation_;
};

// Which request of a step is which part of which operation.
class step_index {
 public:
  struct place {
    std::size_t operation = 0;
    std::size_t part = 0;
  };
  void clear() noexcept { places_.clear(); }
  void reserve(std::size_t requests) { places_.reserve(requests); }
  void add(std::size_t operation, std::size_t parts) {
    for (std::size_t part = 0; part < parts; ++part) places_.push_back({operation, part});
  }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] const place& operator[](std::size_t i) const noexcept { return places_[i]; }

  // Begins a step of `n` operations, of which `at(i)` gives the i-th. What follows a store in
  // pieces of the same key waits until that is done: requests for one key take effect in their
  // order. False when there is nothing to ask.
  template <class At>
  bool begin_step(unsigned step, std::size_t n, At at, const value_codec& values) {
    places_.clear();
    if (step == 0) begun_.clear();
    std::vector<std::string_view> busy;
    for (std::size_t i = 0; i < n; ++i) {
      auto& each = at(i);
      const unsigned own = begun_.empty() ? step : begun_[i];
      if (own == 0 && std::ranges::find(busy, each.key()) != busy.end()) {
        if (begun_.empty()) {  // from now on they do not all begin the same step
          begun_.assign(n, 0);
          std::fill_n(begun_.begin(), i, 1U);
        }
        continue;
      }
      if (each.begin_step(own, values)) {
        add(i, each.parts());
        if (each.goes_on()) busy.push_back(each.key());
      }
      if (!begun_.empty()) begun_[i] = own + 1;
    }
    return !places_.empty();
  }

 private:
  std::vector<place> places_;
  std::vector<unsigned> begun_;  // steps of each operation, once they differ
};

// A call of many commands of one kind. `alike`: reads that differ in nothing but their keys.
template <class Command>
class many_call final : public call {
 public:
  explicit many_call(std::vector<Command> commands, bool alike = false)
      : commands_(std::move(commands)), alike_(alike) {
    operations_.reserve(commands_.size());
    for (const Command& c : commands_) operations_.emplace_back(c);
  }

  bool begin_step(unsigned step, const value_codec& values) noexcept override try {
    if (step == 0) index_.reserve(operations_.size());
    if (step != 0) alike_ = false;
    return index_.begin_step(
        step, operations_.size(),
        [this](std::size_t i) -> operation<Command>& { return operations_[i]; }, values);
  } catch (...) {
    index_.clear();
    for (auto& o : operations_) o.outcome() = std::unexpected(error(errc::out_of_memory));
    return false;
  }
  std::size_t size() const noexcept override { return index_.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    const auto [which, part] = index_[i];
    return operations_[which].request(part, out);
  }
  protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept override {
    if constexpr (std::derived_from<Command, commands::read_value>) {
      if (alike_) {
        out.key = operations_[index_[i].operation].item_key();
        return {};
      }
    }
    return call::request_after(i, out);
  }
  bool differs_by_key() const noexcept override { return alike_; }
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t n) noexcept override {
    const auto [which, part] = index_[i];
    return operations_[which].on_value(part, head, n);
  }
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    const auto [which, part] = index_[i];
    operations_[which].on_response(part, r, server);
  }

  [[nodiscard]] const std::vector<Command>& commands() const noexcept { return commands_; }
  // The i-th command's outcome, to be moved out.
  result<typename Command::reply>& outcome(std::size_t i) noexcept {
    return operations_[i].outcome();
  }

 private:
  std::vector<Command> commands_;
  std::vector<operation<Command>> operations_;
  step_index index_;
  bool alike_;  // in this step
};

}  // namespace memcxx
