// The extension module memcxx._core. Never here: what is in it.
#include <cstdlib>
#include <nanobind/nanobind.h>

#include <memcxx/version.hpp>

#include "client.hpp"
#include "hub.hpp"
#include "request.hpp"

NB_MODULE(_core, m) {
  // Whoever ends a process while its threads are in calls has leaked nothing.
  nanobind::set_leak_warnings(std::getenv("MEMCXX_LEAK_WARNINGS") != nullptr);
  m.attr("__version__") = nanobind::str(memcxx::library_version.data());
  memcxx::python::bind_request(m);
  memcxx::python::bind_hub(m);
  memcxx::python::bind_client(m);
  memcxx::python::bind_connection(m);
  memcxx::python::bind_values(m);
}
