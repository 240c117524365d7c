// The text of the verbs, for verbs.hpp alone, which says for whom. Included once for each kind of
// face: no guard, and no use by itself. MEMCXX_VERB stands before each verb's type, and
// MEMCXX_VERB_CONST behind its arguments.
// Never here: anything but the mapping from a call to its command.

// Reads an item. errc::miss when there is none.
template <class... Token>
MEMCXX_VERB auto get(std::string_view key, const get_options& o = {}, Token&&... token)
    MEMCXX_VERB_CONST {
  return face().execute(commands::get{key, o}, std::forward<Token>(token)...);
}
// Reads an item and sets its ttl. errc::miss when there is none.
template <class... Token>
MEMCXX_VERB auto gat(std::string_view key, const ttl& t, const get_options& o = {},
                     Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::gat{key, t, o}, std::forward<Token>(token)...);
}

// Reads into the caller's memory; nothing is allocated. The reply's value lies in `buffer`.
// errc::value_too_large when it is longer.
template <class... Token>
MEMCXX_VERB auto get_into(std::string_view key, std::span<char> buffer, const get_options& o = {},
                          Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::get_into{key, buffer, o}, std::forward<Token>(token)...);
}

// --- typed values ------------------------------------------------------------------------
// What the client's dialect (options::values) makes of an item, as a T: see codec.hpp for the
// types. `o` tells how to find the item; its attributes are get_item's. Beside the errors of
// get: unknown_flags, corrupt_value, wrong_type, value_too_large, each with the item
// (error::item).
template <class T, class... Token>
MEMCXX_VERB auto get(std::string_view key, const get_options& o = {.cas = false}, Token&&... token)
    MEMCXX_VERB_CONST {
  return face().execute(commands::get_value<T>{{key, std::nullopt, o}},
                        std::forward<Token>(token)...);
}
template <class T, class... Token>
MEMCXX_VERB auto gat(std::string_view key, const ttl& t, const get_options& o = {.cas = false},
                     Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::get_value<T>{{key, t, o}}, std::forward<Token>(token)...);
}
// The same with the item's attributes, such as the token for cas(). A stub that somebody is
// filling (vivify) is an item with `stub` set and an empty T; `won` says whether that is this
// caller. To get<T> it is a miss, and so is an invalidated item to the one caller who is to
// refresh it.
template <class T, class... Token>
MEMCXX_VERB auto get_item(std::string_view key, const get_options& o = {}, Token&&... token)
    MEMCXX_VERB_CONST {
  return face().execute(commands::get_item<T>{{key, std::nullopt, o}},
                        std::forward<Token>(token)...);
}

// --- stores ------------------------------------------------------------------------------
// A string is stored as it is, with the flags of the options, and any other value by the
// client's dialect. `set<std::string>(key, bytes)` has the dialect's compression, flags and
// splitting for strings, too; read those with get<std::string>.

// Stores, whatever is there.
template <class T = std::string_view, class... Token>
  requires plain_string<T>
MEMCXX_VERB auto set(std::string_view key, const std::type_identity_t<T>& value,
                     const store_options& o = {}, Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(detail::store_of<T>(protocol::verb::set, key, value, o),
                        std::forward<Token>(token)...);
}
template <storable T, class... Token>
  requires(!plain_string<T>)
MEMCXX_VERB auto set(std::string_view key, const T& value, const store_options& o = {},
                     Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(detail::store_of<T>(protocol::verb::set, key, value, o),
                        std::forward<Token>(token)...);
}
// Stores only if there is no item; else errc::not_stored.
template <class T = std::string_view, class... Token>
  requires plain_string<T>
MEMCXX_VERB auto add(std::string_view key, const std::type_identity_t<T>& value,
                     const store_options& o = {}, Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(detail::store_of<T>(protocol::verb::add, key, value, o),
                        std::forward<Token>(token)...);
}
template <storable T, class... Token>
  requires(!plain_string<T>)
MEMCXX_VERB auto add(std::string_view key, const T& value, const store_options& o = {},
                     Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(detail::store_of<T>(protocol::verb::add, key, value, o),
                        std::forward<Token>(token)...);
}
// Stores only if there is an item; else errc::not_stored.
template <class T = std::string_view, class... Token>
  requires plain_string<T>
MEMCXX_VERB auto replace(std::string_view key, const std::type_identity_t<T>& value,
                         const store_options& o = {}, Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(detail::store_of<T>(protocol::verb::replace, key, value, o),
                        std::forward<Token>(token)...);
}
template <storable T, class... Token>
  requires(!plain_string<T>)
MEMCXX_VERB auto replace(std::string_view key, const T& value, const store_options& o = {},
                         Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(detail::store_of<T>(protocol::verb::replace, key, value, o),
                        std::forward<Token>(token)...);
}
// Stores only if the item is still the one whose `cas_token` was read (item::cas). errc::exists
// when it changed, errc::miss when it is gone, errc::invalid_argument for a token of 0.
template <class T = std::string_view, class... Token>
  requires plain_string<T>
MEMCXX_VERB auto cas(std::string_view key, const std::type_identity_t<T>& value,
                     std::uint64_t cas_token, store_options o = {}, Token&&... token)
    MEMCXX_VERB_CONST {
  o.cas = cas_token;
  return face().execute(detail::store_of<T>(protocol::verb::cas, key, value, o),
                        std::forward<Token>(token)...);
}
template <storable T, class... Token>
  requires(!plain_string<T>)
MEMCXX_VERB auto cas(std::string_view key, const T& value, std::uint64_t cas_token,
                     store_options o = {}, Token&&... token) MEMCXX_VERB_CONST {
  o.cas = cas_token;
  return face().execute(detail::store_of<T>(protocol::verb::cas, key, value, o),
                        std::forward<Token>(token)...);
}
// Puts the value behind the item's; errc::not_stored when there is none. Flags and ttl stay.
template <class... Token>
MEMCXX_VERB auto append(std::string_view key, std::string_view value, const store_options& o = {},
                        Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::store{protocol::verb::append, key, value, o},
                        std::forward<Token>(token)...);
}
// Puts the value before the item's; errc::not_stored when there is none. Flags and ttl stay.
template <class... Token>
MEMCXX_VERB auto prepend(std::string_view key, std::string_view value, const store_options& o = {},
                         Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::store{protocol::verb::prepend, key, value, o},
                        std::forward<Token>(token)...);
}
// Deletes. errc::miss when there was none.
template <class... Token>
MEMCXX_VERB auto remove(std::string_view key, const remove_options& o = {}, Token&&... token)
    MEMCXX_VERB_CONST {
  return face().execute(commands::remove{key, o}, std::forward<Token>(token)...);
}
// Sets the ttl. errc::miss when there is none.
template <class... Token>
MEMCXX_VERB auto touch(std::string_view key, const ttl& t, Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::touch{key, t}, std::forward<Token>(token)...);
}

// Adds to a decimal number; wraps at 2^64. errc::miss, errc::not_a_number, errc::invalid_argument
// for a negative delta.
template <std::integral Delta = std::uint64_t, class... Token>
MEMCXX_VERB auto incr(std::string_view key, Delta delta = 1, const counter_options& o = {},
                      Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::count{protocol::verb::incr, key, commands::delta_of(delta), o},
                        std::forward<Token>(token)...);
}
// Subtracts; stops at 0. Errors as incr.
template <std::integral Delta = std::uint64_t, class... Token>
MEMCXX_VERB auto decr(std::string_view key, Delta delta = 1, const counter_options& o = {},
                      Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::count{protocol::verb::decr, key, commands::delta_of(delta), o},
                        std::forward<Token>(token)...);
}

// The item's internals as the server prints them. Meta only.
template <class... Token>
MEMCXX_VERB auto debug(std::string_view key, Token&&... token) MEMCXX_VERB_CONST {
  return face().execute(commands::debug{key}, std::forward<Token>(token)...);
}
