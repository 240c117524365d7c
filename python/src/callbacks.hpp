// What the core calls back: when a server goes down or comes up, and when a signal may have come
// while a call waits. And which Python objects a client keeps, for the garbage collector.
// Never here: when that happens.
#pragma once

#include <Python.h>
#include <memory>
#include <nanobind/nanobind.h>
#include <utility>

#include <memcxx/options.hpp>

#include "convert.hpp"
#include "errors.hpp"

namespace memcxx::python {

// The callbacks of a client. The core calls them for as long as one of those that share it, which
// are copies of each other, lives: each keeps references of its own, so that the collector can
// count them, and the core's functions keep none. Threads: with the GIL.
class callbacks {
 public:
  // None, or called with (server, error) and (server).
  callbacks(nb::object on_down, nb::object on_up)
      : down_(std::move(on_down)),
        up_(std::move(on_up)),
        alive_(std::make_shared<const pair>(pair{down_.ptr(), up_.ptr()})) {}

  // Puts functions into `o` that call them, from any thread.
  void install(options& o) const;

  int visit_all(visitproc visit, void* arg) const {
    Py_VISIT(down_.ptr());
    Py_VISIT(up_.ptr());
    return 0;
  }
  void clear() {
    alive_.reset();
    const nb::object down = std::exchange(down_, nb::none());
    const nb::object up = std::exchange(up_, nb::none());
  }

 private:
  struct pair {
    PyObject* down;
    PyObject* up;
  };

  nb::object down_;
  nb::object up_;
  std::shared_ptr<const pair> alive_;
};

// Type slots of a class T that keeps Python objects: with T::visit_all() and T::clear() they let
// the collector see them.
template <class T>
int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;  // not made yet
  return nb::inst_ptr<T>(self)->visit_all(visit, arg);
}
template <class T>
int clear(PyObject* self) {
  if (nb::inst_ready(self)) nb::inst_ptr<T>(self)->clear();
  return 0;
}
template <class T>
inline PyType_Slot collected[] = {
    {Py_tp_traverse, reinterpret_cast<void*>(&traverse<T>)},
    {Py_tp_clear, reinterpret_cast<void*>(&clear<T>)},
    {0, nullptr},
};

}  // namespace memcxx::python
