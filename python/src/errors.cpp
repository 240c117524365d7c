// See errors.hpp.
#include "errors.hpp"

#include <string>

namespace memcxx::python {

namespace {

// Words of a server are bytes: whatever they are, they can be shown.
nb::object text(std::string_view bytes) {
  return nb::steal(PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()),
                                        "backslashreplace"));
}

}  // namespace

nb::object exception_of(const error& e) {
  const nb::object make = nb::module_::import_("memcxx.errors").attr("exception_of");
  nb::object item = nb::none();
  if (const auto raw = e.item()) {
    item = nb::make_tuple(raw->flags, nb::bytes(raw->bytes.data(), raw->bytes.size()));
  }
  return make(text(name_of(e.code())), text(e.message()), text(e.server()), item);
}

void raise(const error& e) {
  const nb::object made = exception_of(e);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  throw nb::python_error();
}

}  // namespace memcxx::python
