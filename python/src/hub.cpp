// See hub.hpp.
#include "hub.hpp"

#include <Python.h>

namespace memcxx::python {

namespace nb = nanobind;

namespace {

// socket.socket as it was when it was last looked at. Kept for ever, as the module is.
struct sockets_seen {
  PyObject* names = nullptr;  // the module's
  PyObject* name = nullptr;
  PyObject* type = nullptr;
  bool are_greenlets = false;
};
sockets_seen seen;

// Whose attributes come from elsewhere, and what says from where. Borrowed from the package, which
// takes them back when Python ends.
struct substitution {
  PyObject* type = nullptr;
  PyObject* instead = nullptr;
};
substitution substituted;

bool is_of(PyObject* type, const char* package) {
  const nb::object module = nb::getattr(type, "__module__", nb::str(""));
  const nb::object first = module.attr("partition")(".")[0];
  return first.equal(nb::str(package));
}

bool begins_with_underscore(PyObject* name) {
  return PyUnicode_Check(name) && PyUnicode_GetLength(name) > 0 &&
         PyUnicode_ReadChar(name, 0) == '_';
}

}  // namespace

bool greenlets_are_here() {
  if (seen.names == nullptr) {
    nb::object module = nb::module_::import_("socket");
    PyObject* const name = PyUnicode_InternFromString("socket");
    if (name == nullptr) throw nb::python_error();
    seen.name = name;
    seen.names = PyModule_GetDict(module.release().ptr());
  }
  PyObject* const now = PyDict_GetItemWithError(seen.names, seen.name);  // borrowed
  if (now == nullptr) throw nb::python_error();
  if (now == seen.type) return seen.are_greenlets;
  const bool found = is_of(now, "gevent") || is_of(now, "eventlet");
  Py_INCREF(now);
  Py_XDECREF(seen.type);
  seen.type = now;
  seen.are_greenlets = found;
  return found;
}

PyObject* attribute_of_client(PyObject* self, PyObject* name) {
  const bool may_be = reinterpret_cast<PyObject*>(Py_TYPE(self)) == substituted.type;
  if (!may_be || begins_with_underscore(name)) return PyObject_GenericGetAttr(self, name);
  try {
    if (!greenlets_are_here()) return PyObject_GenericGetAttr(self, name);
    const nb::object other = nb::borrow(substituted.instead)(nb::handle(self));
    if (other.is_none()) return PyObject_GenericGetAttr(self, name);
    return PyObject_GetAttr(other.ptr(), name);
  } catch (nb::python_error& e) {
    e.restore();
    return nullptr;
  }
}

void bind_hub(nb::module_& m) {
  using namespace nb::literals;
  // Attributes of `type` itself, not of what is derived from it, are those of instead(client),
  // unless that is None, once greenlets are there.
  m.def(
      "answer_for",
      [](nb::handle type, nb::handle instead) {
        substituted.type = type.is_none() ? nullptr : type.ptr();
        substituted.instead = instead.is_none() ? nullptr : instead.ptr();
      },
      "type"_a.none(), "instead"_a.none());
}

}  // namespace memcxx::python
