// The verbs as users call them, once for every face: a client, a session and a batch have these
// members, and differ only in what they return (a result at once, or a reply to read later).
// Never here: anything but the mapping from a call to its command.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <memcxx/command.hpp>

namespace memcxx {

template <class T>
concept stringlike = std::convertible_to<const T&, std::string_view>;
// Keys of many: what can be gone through twice and reads as strings. All are copied before anything
// else happens, so a range may also make them on the way, as views with a function do.
template <class Keys>
concept key_range = std::ranges::forward_range<const Keys> &&
                    stringlike<std::remove_cvref_t<std::ranges::range_reference_t<const Keys>>>;
// Stored as it is by a verb without a type.
template <class T>
concept plain_string = std::same_as<T, std::string_view> || std::same_as<T, std::string>;

namespace detail {
// A string is stored as it is, anything else by its codec.
template <class T>
auto store_of(protocol::verb op, std::string_view key, const T& value, const store_options& o) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return commands::store{op, key, value, o};
  } else {
    return commands::store_value::of(op, key, value, o);
  }
}
}  // namespace detail

// `Face` has `execute(const Command&)`, and where calls are asynchronous `execute(command, token)`:
// `Token` is the completion token behind a verb's last argument, and nothing elsewhere. Keys: 1 to
// 250 bytes with the client's prefix; text protocols carry no byte at or below 0x20 nor 0x7f. Views
// need to live only for the call. Sources: protocol.txt, sections "Storage commands" to
// "Increment/Decrement" and "Meta Commands".

// Of faces that do what they are asked: a client, a session. They are handles, so a const one will
// do. What they answer is the outcome: whoever ignores it is warned.
template <class Face>
class verbs {
 public:
#define MEMCXX_VERB [[nodiscard]]
#define MEMCXX_VERB_CONST const
#include <memcxx/verb_list.hpp>
#undef MEMCXX_VERB
#undef MEMCXX_VERB_CONST

 protected:
  ~verbs() = default;

 private:
  const Face& face() const noexcept { return static_cast<const Face&>(*this); }
};

// Of faces that take note of what they are asked, and do it later: a batch. What they answer may be
// left alone.
template <class Face>
class queued_verbs {
 public:
#define MEMCXX_VERB
#define MEMCXX_VERB_CONST
#include <memcxx/verb_list.hpp>
#undef MEMCXX_VERB
#undef MEMCXX_VERB_CONST

 protected:
  ~queued_verbs() = default;

 private:
  Face& face() noexcept { return static_cast<Face&>(*this); }
};

}  // namespace memcxx
