// What get_many, set_many and remove_many are made of: calls of many commands with the memory for
// their keys, and the results of them.
// Never here: I/O, a command of one key (operation.hpp).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/item.hpp>
#include <memcxx/operation.hpp>
#include <memcxx/verbs.hpp>

namespace memcxx {

// Room for the keys of a call, which lie side by side. A range may make its keys on the way, and
// others the second time: what does not fit then is cut off.
class key_room {
 public:
  key_room() = default;
  explicit key_room(std::span<char> room) noexcept : room_(room) {}
  // How many bytes the keys of a range have together.
  template <std::ranges::forward_range Keys>
  static std::size_t size_of(const Keys& keys) {
    std::size_t bytes = 0;
    for (const auto& key : keys) bytes += std::string_view(key).size();
    return bytes;
  }
  std::string_view copy(std::string_view key) noexcept {
    key = key.substr(0, room_.size());
    char* const at = room_.data();
    std::copy(key.begin(), key.end(), at);
    room_ = room_.subspan(key.size());
    return {at, key.size()};
  }

 private:
  std::span<char> room_;
};

// Reads many items as they are. Keys are copied in.
class items_call final : public call {
 public:
  // Keys: a range of what reads as a string.
  template <std::ranges::forward_range Keys>
  items_call(const Keys& keys, const get_options& o)
      : items_call(static_cast<std::size_t>(std::ranges::distance(keys)), key_room::size_of(keys),
                   o) {
    auto at = entries_.begin();
    for (const auto& key : keys) {
      if (at == entries_.end()) break;
      (at++)->key = room_.copy(key);
    }
  }

  bool begin_step(unsigned step, const value_codec& values) noexcept override {
    reading_.begin(values);
    return step == 0;
  }
  std::size_t size() const noexcept override { return entries_.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override;
  protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept override;
  bool differs_by_key() const noexcept override { return true; }
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t n) noexcept override;
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override;
  items take() noexcept {
    entries_ = {};
    return std::move(gathered_);
  }

 private:
  items_call(std::size_t keys, std::size_t bytes, const get_options& o);
  static void fail(items::entry& e, const protocol::response& r, std::string_view server) noexcept;

  get_options options_;
  items gathered_;
  std::span<items::entry> entries_;  // gathered_'s
  key_room room_;
  plain_reading reading_;
};

// Reads many typed values. Keys are copied in.
template <class T>
class values_call {
 public:
  template <std::ranges::forward_range Keys>
  values_call(const Keys& keys, const get_options& o)
      : call_(reads(keys, o), !o.vivify && !o.recache) {
    entries_.reserve(call_.commands().size());
  }

  [[nodiscard]] call& what() noexcept { return call_; }
  values_of<T> take() noexcept {
    for (std::size_t i = 0; i < call_.commands().size(); ++i) {
      entries_.push_back({call_.commands()[i].key, std::move(call_.outcome(i))});
    }
    return {std::move(keys_), std::move(entries_)};
  }

 private:
  template <class Keys>
  std::vector<commands::get_value<T>> reads(const Keys& keys, const get_options& o) {
    const std::size_t bytes = key_room::size_of(keys);
    keys_ = std::make_unique_for_overwrite<char[]>(bytes);
    key_room room({keys_.get(), bytes});
    std::vector<commands::get_value<T>> out;
    out.reserve(static_cast<std::size_t>(std::ranges::distance(keys)));
    for (const auto& key : keys) out.push_back({{room.copy(key), std::nullopt, o}});
    return out;
  }

  std::unique_ptr<char[]> keys_;
  std::vector<typename values_of<T>::entry> entries_;  // with room for all
  many_call<commands::get_value<T>> call_;
};

// A call of many commands and their outcomes in order.
template <class Command>
class outcomes_call {
 public:
  explicit outcomes_call(std::vector<Command> commands) : call_(std::move(commands)) {
    replies_.reserve(call_.commands().size());
  }
  [[nodiscard]] call& what() noexcept { return call_; }
  many<typename Command::reply> take() noexcept {
    for (std::size_t i = 0; i < call_.commands().size(); ++i) {
      replies_.push_back(std::move(call_.outcome(i)));
    }
    return many<typename Command::reply>(std::move(replies_));
  }

 private:
  std::vector<result<typename Command::reply>> replies_;  // with room for all
  many_call<Command> call_;
};

// A map, or another range of pairs of a key and a value to store. Silence is success: what fails
// answers.
template <class Pairs>
using key_of_pairs = std::tuple_element_t<0, std::ranges::range_value_t<Pairs>>;
template <class Pairs>
using value_of_pairs =
    std::remove_cvref_t<std::tuple_element_t<1, std::ranges::range_value_t<Pairs>>>;
template <class Pairs>
concept storable_pairs = std::ranges::forward_range<const Pairs> && requires {
  // Keys and values are looked at until the call is over: a range that makes its pairs, as views
  // with a function do, is no good.
  requires std::is_lvalue_reference_v<std::ranges::range_reference_t<const Pairs>>;
  requires stringlike<key_of_pairs<Pairs>>;
  requires stringlike<value_of_pairs<Pairs>> || storable<value_of_pairs<Pairs>>;
};
// As verbs::set without a type does: strings as they are, all else by its codec.
struct as_set {};
template <class T, class Pairs>
concept stored_of_pairs =
    (std::same_as<T, as_set> || std::same_as<T, value_of_pairs<Pairs>>) && storable_pairs<Pairs>;
template <class T, class Pairs>
using store_for_pairs =
    std::conditional_t<std::same_as<T, as_set> && stringlike<value_of_pairs<Pairs>>,
                       commands::store, commands::store_value>;
template <class T, class Pairs>
  requires stored_of_pairs<T, Pairs>
std::vector<store_for_pairs<T, Pairs>> stores_of(const Pairs& pairs, const store_options& o) {
  std::vector<store_for_pairs<T, Pairs>> out;
  out.reserve(static_cast<std::size_t>(std::ranges::distance(pairs)));
  for (const auto& [key, v] : pairs) {
    if constexpr (std::same_as<store_for_pairs<T, Pairs>, commands::store>) {
      out.push_back({protocol::verb::set, key, v, o});
      out.back().options.quiet = out.back().value.size() <= surely_accepted;
    } else {
      out.push_back(commands::store_value::of(protocol::verb::set, key, v, o));
      out.back().options.quiet = true;
    }
  }
  return out;
}

}  // namespace memcxx
