// Errors of the core as Python exceptions. The classes live in memcxx/errors.py, one for each
// errc; this finds them by name.
// Never here: which call raises what.
#pragma once

#include <nanobind/nanobind.h>

#include <memcxx/error.hpp>

namespace memcxx::python {

namespace nb = nanobind;

// Raises what `e` stands for. With the GIL.
[[noreturn]] void raise(const error& e);
// The exception without raising it.
nb::object exception_of(const error& e);

}  // namespace memcxx::python
