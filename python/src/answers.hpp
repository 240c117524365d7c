// What the outcomes of calls are to Python: values, False, or exceptions.
// Never here: calls.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <nanobind/nanobind.h>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/client.hpp>

#include "errors.hpp"
#include "storing.hpp"

namespace memcxx::python {

template <class T>
T value_or_raise(result<T> r) {
  if (!r) raise(r.error());
  if constexpr (!std::is_void_v<T>) return std::move(*r);
}

// True, or False for the answers of `no`; anything else raises.
template <class T>
bool is_done(const result<T>& r, std::initializer_list<errc> no) {
  if (r) return true;
  for (const errc answer : no) {
    if (r.error() == answer) return false;
  }
  raise(r.error());
}

// The i-th of many: whether it was done, and why not.
inline bool is_done(const storing& all, std::size_t i) { return all.status(i) == errc::ok; }
inline error why_not(const storing& all, std::size_t i) { return all.why(i); }
template <class T>
bool is_done(const many<T>& all, std::size_t i) {
  return all[i].has_value();
}
template <class T>
error why_not(const many<T>& all, std::size_t i) {
  return all[i].error();
}

// What the verb for one key would have answered or raised.
inline nb::object not_done(const error& why) {
  if (fault_of(why.code()) == fault::answer) return nb::bool_(false);
  return exception_of(why);
}

// {key: what the verb for one key would have answered or raised, when that is not True}
// `keys` makes a sequence of those that became what `all` says.
template <class Keys, class All>
nb::dict undone(Keys keys, const All& all) {
  nb::dict out;
  nb::object names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (is_done(all, i)) continue;
    if (!names.is_valid()) names = keys();
    out[names[i]] = not_done(why_not(all, i));
  }
  return out;
}

// {server: what `convert` makes of its reply, or the exception}
template <class T, class Convert>
nb::dict by_server(const std::vector<server_reply<T>>& replies, Convert convert) {
  nb::dict out;
  for (const auto& r : replies) {
    out[nb::str(r.server.data(), r.server.size())] =
        r.reply ? nb::object(convert(*r.reply)) : exception_of(r.reply.error());
  }
  return out;
}

}  // namespace memcxx::python
