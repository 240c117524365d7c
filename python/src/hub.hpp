// Clients that were made before gevent or eventlet put their sockets in place of Python's. A call
// that waits in the core would hold up every greenlet of its thread. Lives here: noticing that.
// Never here: the client that answers instead.
#pragma once

#include <nanobind/nanobind.h>

namespace memcxx::python {

// Whether gevent's or eventlet's sockets are in place. Looked at for each call: they may come at
// any time. With the GIL.
bool greenlets_are_here();

// Py_tp_getattro of Client: attributes of one that was made before are those of another client.
PyObject* attribute_of_client(PyObject* self, PyObject* name);

void bind_hub(nanobind::module_& m);  // answer_for

}  // namespace memcxx::python
