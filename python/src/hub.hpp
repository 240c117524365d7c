// Clients that were made before gevent or eventlet put their sockets in place of Python's. A call
// that waits in the core would hold up every greenlet of its thread. Lives here: noticing that, and
// passing calls on to whom the package names.
// Never here: the client that takes them.
#pragma once

#include <nanobind/nanobind.h>

namespace memcxx::python {

// Whether gevent's or eventlet's sockets are in place. Looked at for each call: they may come at
// any time. With the GIL.
bool greenlets_are_here();

// Raises if so: this call would wait in the core.
void let_greenlets_run();

void bind_hub(nanobind::module_& m);

}  // namespace memcxx::python
