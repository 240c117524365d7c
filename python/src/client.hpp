// What the extension module is made of. Never here: how.
#pragma once

#include <nanobind/nanobind.h>

namespace memcxx::python {

void bind_client(nanobind::module_& m);      // Client
void bind_connection(nanobind::module_& m);  // Connection
void bind_values(nanobind::module_& m);      // ValueCodec, JoinPlan

}  // namespace memcxx::python
