// See hub.hpp.
#include "hub.hpp"

#include <Python.h>
#include <cstddef>
#include <new>
#include <structmember.h>

#include <memcxx/error.hpp>

#include "errors.hpp"

namespace memcxx::python {

namespace {

// socket.socket as it was when it was last looked at. Kept for ever, as its module is.
struct sockets_seen {
  PyObject* names = nullptr;  // the module's
  PyObject* name = nullptr;
  PyObject* type = nullptr;
  bool are_greenlets = false;
};
sockets_seen seen;

bool is_of(PyObject* type, const char* package) {
  const nb::object module = nb::getattr(type, "__module__", nb::str(""));
  return module.attr("partition")(".")[0].equal(nb::str(package));
}

void find_sockets() {
  const nb::object name = nb::steal(PyUnicode_InternFromString("socket"));
  if (!name.is_valid()) throw nb::python_error();
  nb::object module = nb::module_::import_("socket");
  seen.names = PyModule_GetDict(module.release().ptr());
  seen.name = name.inc_ref().ptr();
}

// A verb of a client, as a method. For objects of just this class it is passed on to
// instead(client), unless that is None, once greenlets are here.
struct verb {
  PyObject head;
  vectorcallfunc call;
  PyObject* own;  // what it is otherwise
  PyObject* name;
  PyObject* of;  // the class; borrowed, since it holds this
  PyObject* instead;
  PyObject* method;  // types.MethodType
};

verb& verb_of(PyObject* self) { return *reinterpret_cast<verb*>(self); }

// Who takes the call, or nothing.
nb::object taker(const verb& v, PyObject* client) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(client)) != v.of || !greenlets_are_here()) return {};
  nb::object other = nb::borrow(v.instead)(nb::handle(client));
  return other.is_none() ? nb::object() : other;
}

PyObject* call_verb(PyObject* self, PyObject* const* args, std::size_t flagged, PyObject* names) {
  const verb& v = verb_of(self);
  const Py_ssize_t n = PyVectorcall_NARGS(flagged);
  try {
    const nb::object other = n > 0 ? taker(v, args[0]) : nb::object();
    if (!other.is_valid()) return PyObject_Vectorcall(v.own, args, flagged, names);
    const nb::object method = nb::steal(PyObject_GetAttr(other.ptr(), v.name));
    if (!method.is_valid()) return nullptr;
    return PyObject_Vectorcall(method.ptr(), args + 1, static_cast<std::size_t>(n - 1), names);
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

PyObject* bind_verb(PyObject* self, PyObject* client, PyObject*) {
  if (client == nullptr || client == Py_None) {
    Py_INCREF(self);
    return self;
  }
  return PyObject_CallFunctionObjArgs(verb_of(self).method, self, client, nullptr);
}

// Its documentation, and what else there is to know of it.
PyObject* attribute_of_verb(PyObject* self, PyObject* name) {
  return PyObject_GetAttr(verb_of(self).own, name);
}

void end_verb(PyObject* self) {
  verb& v = verb_of(self);
  Py_CLEAR(v.own);
  Py_CLEAR(v.name);
  Py_CLEAR(v.instead);
  Py_CLEAR(v.method);
  PyTypeObject* const type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

PyObject* type_of_verbs() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(verb, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(&PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(&bind_verb)},
      {Py_tp_getattro, reinterpret_cast<void*>(&attribute_of_verb)},
      {Py_tp_dealloc, reinterpret_cast<void*>(&end_verb)},
      {Py_tp_members, members},
      {0, nullptr},
  };
  static PyType_Spec spec = {
      "memcxx._core.verb", sizeof(verb), 0,
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
  return PyType_FromSpec(&spec);
}

}  // namespace

bool greenlets_are_here() {
  if (seen.names == nullptr) find_sockets();
  PyObject* const now = PyDict_GetItemWithError(seen.names, seen.name);  // borrowed
  if (now == nullptr || now == seen.type) {
    if (now == nullptr && PyErr_Occurred() != nullptr) throw nb::python_error();
    return now != nullptr && seen.are_greenlets;
  }
  const bool found = is_of(now, "gevent") || is_of(now, "eventlet");
  Py_INCREF(now);
  Py_XDECREF(seen.type);
  seen.type = now;
  seen.are_greenlets = found;
  return found;
}

void let_greenlets_run() {
  if (!greenlets_are_here()) return;
  raise(error(errc::not_supported,
              "gevent or eventlet are in place, and what is derived from memcxx.Client waits in "
              "the core, where it would hold up every greenlet: derive from memcxx.green.Client, "
              "or say transport=\"native\""));
}

void bind_hub(nb::module_& m) {
  using namespace nb::literals;
  m.def("greenlets_are_here", &greenlets_are_here);
  m.attr("_verb") = nb::steal(type_of_verbs());
  // The method `name` of `type`: see verb.
  m.def(
      "verb_of",
      [type = nb::handle(m.attr("_verb")).ptr()](nb::handle of, nb::str name, nb::object own,
                                                 nb::object instead) {
        auto* const kind = reinterpret_cast<PyTypeObject*>(type);
        nb::object method = nb::module_::import_("types").attr("MethodType");
        nb::object made = nb::steal(PyType_GenericAlloc(kind, 0));
        if (!made.is_valid()) throw nb::python_error();
        verb& v = verb_of(made.ptr());
        v.call = &call_verb;
        v.own = own.release().ptr();
        v.name = name.release().ptr();
        v.of = of.ptr();
        v.instead = instead.release().ptr();
        v.method = method.release().ptr();
        return made;
      },
      "of"_a, "name"_a, "own"_a, "instead"_a);
}

}  // namespace memcxx::python
