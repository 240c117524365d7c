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

#include "arena.hpp"

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

// Of str, its UTF-8, and of bytes, or of what derives from them. Borrows from the object.
inline std::string_view utf8_of(nb::handle object) {
#ifndef Py_LIMITED_API
  if (PyUnicode_IS_COMPACT_ASCII(object.ptr())) {
    return {static_cast<const char*>(PyUnicode_DATA(object.ptr())),
            static_cast<std::size_t>(PyUnicode_GET_LENGTH(object.ptr()))};
  }
#endif
  Py_ssize_t size = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
  if (text == nullptr) throw nb::python_error();
  return {text, static_cast<std::size_t>(size)};
}
inline std::string_view bytes_of(nb::handle object) {
#ifndef Py_LIMITED_API
  return {PyBytes_AS_STRING(object.ptr()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(object.ptr()))};
#else
  return {PyBytes_AsString(object.ptr()), static_cast<std::size_t>(PyBytes_Size(object.ptr()))};
#endif
}
inline nb::object new_bytes(std::string_view s) {
  PyObject* const made = PyBytes_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size()));
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

// The value of an object, which outlives it. Its bytes lie in the object, in `memory`, or in
// `made`, which is another object where one had to be made of it. Throws what Python raises, and
// memcxx::exception (wrong_type) for an object of a type that is fine but for its size.
value_view other_to_value(nb::handle object, const pickling& p, arena& memory, nb::object& made);
inline value_view to_value(nb::handle object, const pickling& p, arena& memory, nb::object& made) {
  if (PyBytes_CheckExact(object.ptr())) return {value_kind::bytes, bytes_of(object)};
  return other_to_value(object, p, memory, made);
}

// A value from a server that checked() was content with.
nb::object other_to_object(const value_view& v, const pickling& p);
inline nb::object to_object(const value_view& v, const pickling& p) {
  if (v.kind == value_kind::bytes) return new_bytes(v.bytes);
  return other_to_object(v, p);
}
// Whatever has a check is checked without the GIL, where the core knows whose item it is. The
// result borrows from `v` or from `storage`, where `v` may lie. Pickles stay as they are: Python
// decides whether to read them.
result<value_view> checked(const value_view& v, std::string& storage);

// A value as the core's own typed reads keep it, in the buffer of its thread.
struct incoming {
  incoming() noexcept : bytes(thread_buffer::take(thread_buffer::use::unpacking)) {}
  ~incoming() { thread_buffer::give_back(thread_buffer::use::unpacking, std::move(bytes)); }
  incoming(incoming&&) noexcept = default;
  incoming& operator=(incoming&&) noexcept = default;

  value_kind kind = value_kind::bytes;
  std::string bytes;
};

// A key: str (as UTF-8) or bytes. Borrows from the object. TypeError for anything else.
[[noreturn]] void refuse_key(nb::handle object);
inline std::string_view to_key(nb::handle object) {
  if (PyUnicode_Check(object.ptr())) return utf8_of(object);
  if (PyBytes_Check(object.ptr())) return bytes_of(object);
  refuse_key(object);
}
// Of any number; infinite when it is too large.
double to_double(nb::handle object);
// Seconds (an int or a float; 0 never expires, negative ones have), a timedelta, or a datetime.
ttl to_ttl(nb::handle object);

// What is known of an item; what is not is None.
nb::dict dict_of(const item_attributes& a);
// {name: int, float or str}
nb::dict dict_of(const statistics& all);

}  // namespace memcxx::python

template <>
struct memcxx::codec<memcxx::python::incoming> {
  static constexpr bool keeps_opaque = true;
  static std::string& place(python::incoming& out) noexcept { return out.bytes; }
  static result<void> decode(const value_view& v, python::incoming& out);
};
