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

nb::object exception_of(nb::python_error& e) {
  e.restore();
#if PY_VERSION_HEX >= 0x030c0000
  return nb::steal(PyErr_GetRaisedException());
#else
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const nb::object mine = nb::steal(type);
  const nb::object where = nb::steal(traceback);
  if (where.is_valid()) PyException_SetTraceback(value, where.ptr());
  return nb::steal(value);
#endif
}

void raise(const error& e) {
  const nb::object made = exception_of(e);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  throw nb::python_error();
}

}  // namespace memcxx::python
