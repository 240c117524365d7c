// The extension module memcxx._core. Never here: what is in it.
#include <cstdint>
#include <cstdlib>
#include <nanobind/nanobind.h>

#include <memcxx/version.hpp>

#include "client.hpp"
#include "hub.hpp"
#include "request.hpp"

namespace {

// Its types belong to the interpreter that made them, and there is one set of them in a process.
void belong_to_one_interpreter() {
  const std::int64_t here = PyInterpreterState_GetID(PyInterpreterState_Get());
  static const std::int64_t home = here;
  if (here == home) return;
  throw nanobind::import_error(
      "memcxx is in use by another interpreter of this process, and can be used by one only "
      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
}

}  // namespace

NB_MODULE(_core, m) {
  belong_to_one_interpreter();
  // Whoever ends a process while its threads are in calls has leaked nothing.
  nanobind::set_leak_warnings(std::getenv("MEMCXX_LEAK_WARNINGS") != nullptr);
  m.attr("__version__") = nanobind::str(memcxx::library_version.data());
  memcxx::python::bind_request(m);
  memcxx::python::bind_hub(m);
  memcxx::python::bind_client(m);
  memcxx::python::bind_connection(m);
  memcxx::python::bind_values(m);
}
