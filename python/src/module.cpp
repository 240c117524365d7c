// The extension module memcxx._core. Never here: what is in it.
#include <nanobind/nanobind.h>

#include <memcxx/version.hpp>

#include "client.hpp"
#include "request.hpp"

NB_MODULE(_core, m) {
  m.attr("__version__") = nanobind::str(memcxx::library_version.data());
  memcxx::python::bind_request(m);
  memcxx::python::bind_client(m);
  memcxx::python::bind_connection(m);
  memcxx::python::bind_values(m);
}
