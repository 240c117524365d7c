// The verbs as users call them, once for every face: a client, a session and a batch have these
// members, and differ only in what they return (a result at once, or a reply to read later).
// Never here: anything but the mapping from a call to its command.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include <memcxx/command.hpp>

namespace memcxx {

// `Face` has `execute(const Command&)`. Keys: 1 to 250 bytes with the client's prefix; text
// protocols carry no byte at or below 0x20 nor 0x7f. Views need to live only for the call. Sources:
// protocol.txt, sections "Storage commands" to "Increment/Decrement" and "Meta Commands".
template <class Face>
class verbs {
 public:
  // Reads an item. errc::miss when there is none.
  auto get(std::string_view key, const get_options& o = {}) {
    return face().execute(commands::get{key, o});
  }
  // Reads an item and sets its ttl. errc::miss when there is none.
  auto gat(std::string_view key, const ttl& t, const get_options& o = {}) {
    return face().execute(commands::gat{key, t, o});
  }

  // Stores, whatever is there.
  auto set(std::string_view key, std::string_view value, const store_options& o = {}) {
    return face().execute(commands::store{protocol::verb::set, key, value, o});
  }
  // Stores only if there is no item; else errc::not_stored.
  auto add(std::string_view key, std::string_view value, const store_options& o = {}) {
    return face().execute(commands::store{protocol::verb::add, key, value, o});
  }
  // Stores only if there is an item; else errc::not_stored.
  auto replace(std::string_view key, std::string_view value, const store_options& o = {}) {
    return face().execute(commands::store{protocol::verb::replace, key, value, o});
  }
  // Puts the value behind the item's; errc::not_stored when there is none. Flags and ttl stay.
  auto append(std::string_view key, std::string_view value, const store_options& o = {}) {
    return face().execute(commands::store{protocol::verb::append, key, value, o});
  }
  // Puts the value before the item's; errc::not_stored when there is none. Flags and ttl stay.
  auto prepend(std::string_view key, std::string_view value, const store_options& o = {}) {
    return face().execute(commands::store{protocol::verb::prepend, key, value, o});
  }
  // Stores only if the item is still the one whose `token` was read (item::cas). errc::exists when
  // it changed, errc::miss when it is gone, errc::invalid_argument for a token of 0.
  auto cas(std::string_view key, std::string_view value, std::uint64_t token,
           store_options o = {}) {
    o.cas = token;
    return face().execute(commands::store{protocol::verb::cas, key, value, o});
  }

  // Deletes. errc::miss when there was none.
  auto remove(std::string_view key, const remove_options& o = {}) {
    return face().execute(commands::remove{key, o});
  }
  // Sets the ttl. errc::miss when there is none.
  auto touch(std::string_view key, const ttl& t) { return face().execute(commands::touch{key, t}); }

  // Adds to a decimal number; wraps at 2^64. errc::miss, errc::not_a_number, errc::invalid_argument
  // for a negative delta.
  template <std::integral Delta = std::uint64_t>
  auto incr(std::string_view key, Delta delta = 1, const counter_options& o = {}) {
    return face().execute(commands::count{protocol::verb::incr, key, commands::delta_of(delta), o});
  }
  // Subtracts; stops at 0. Errors as incr.
  template <std::integral Delta = std::uint64_t>
  auto decr(std::string_view key, Delta delta = 1, const counter_options& o = {}) {
    return face().execute(commands::count{protocol::verb::decr, key, commands::delta_of(delta), o});
  }

  // The item's internals as the server prints them. Meta only.
  auto debug(std::string_view key) { return face().execute(commands::debug{key}); }

 protected:
  ~verbs() = default;

 private:
  Face& face() noexcept { return static_cast<Face&>(*this); }
};

}  // namespace memcxx
