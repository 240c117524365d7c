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
// The exception that was caught, which is gone from `e` then. Before Python 3.12 e.value() may be
// less: a str that the exception would yet have been made of, or nothing.
nb::object exception_of(nb::python_error& e);

}  // namespace memcxx::python
