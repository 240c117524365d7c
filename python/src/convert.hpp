// Python objects and the core's values.
// Never here: flags, I/O, pickling itself (Python does that).
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/codec.hpp>
#include <memcxx/item.hpp>
#include <memcxx/ttl.hpp>

namespace memcxx::python {

namespace nb = nanobind;

// How a client's values that are no plain scalars are written and read. With a pickler (dialects
// whose originals pickle) everything that is none goes through it; without one lists and dicts
// become MessagePack and anything else is a TypeError.
struct pickling {
  nb::object dumps;  // None, or object -> a pickle as bytes, or ("marshal", bytes)
  nb::object loads;  // None, or a pickle as bytes -> object; who loads those reads marshal, too

  int visit_all(visitproc visit, void* arg) const {
    Py_VISIT(dumps.ptr());
    Py_VISIT(loads.ptr());
    return 0;
  }
  // Nothing is pickled any more.
  void clear() {
    const nb::object first = std::exchange(dumps, nb::none());
    const nb::object second = std::exchange(loads, nb::none());
  }
};

// A value on its way to a server. Borrows from the object it was made of, which it keeps.
struct outgoing {
  nb::object keeps;
  std::string storage;
  value_view view;
};
outgoing to_value(nb::handle object, const pickling& p);

// What came from a server, read without the GIL. Its memory is the thread's own, and is kept for
// the next one up to a bound: memory that is given back is paid for again, page by page.
struct incoming {
  incoming() noexcept;
  ~incoming();
  incoming(incoming&&) noexcept = default;
  incoming& operator=(incoming&&) noexcept = default;

  value_kind kind = value_kind::bytes;
  std::string bytes;
};
nb::object to_object(const incoming& v, const pickling& p);

// A key: str (as UTF-8) or bytes. Borrows from the object. TypeError for anything else.
std::string_view to_key(nb::handle object);
// Seconds (an int or a float; 0 never expires, negative ones have), a timedelta, or a datetime.
ttl to_ttl(nb::handle object);

// What is known of an item; what is not is None.
nb::dict dict_of(const item_attributes& a);
// {name: int, float or str}
nb::dict dict_of(const statistics& all);

}  // namespace memcxx::python

// Pickles stay as they are; Python decides whether to read them. Whatever has a check is checked
// here, where the core knows whose item it is.
template <>
struct memcxx::codec<memcxx::python::incoming> {
  static constexpr bool keeps_opaque = true;
  static std::string& place(python::incoming& out) noexcept { return out.bytes; }
  static result<void> decode(const value_view& v, python::incoming& out);
};
