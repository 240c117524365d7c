// See callbacks.hpp.
#include "callbacks.hpp"

#include <nanobind/stl/string_view.h>
#include <string_view>
#include <unistd.h>

#include <memcxx/error.hpp>

#include "gil.hpp"

namespace memcxx::python {

namespace {

// What a callback raises goes where Python reports what nobody can catch.
template <class F>
void guarded(F&& call) noexcept {
  try {
    call();
  } catch (nb::python_error& e) {
    e.discard_as_unraisable("memcxx: a callback");
  } catch (...) {
  }
}

// Python runs the handlers of signals in the main thread of its main interpreter, which is the
// process's first: nobody else need take the GIL for that. What a handler raises ends the call.
void handle_signals() {
  if (::gettid() != ::getpid()) return;
  const gil_held hold;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}
bool in_main_interpreter() { return PyInterpreterState_GetID(PyInterpreterState_Get()) == 0; }

}  // namespace

void callbacks::install(options& o) const {
  if (in_main_interpreter()) o.on_interrupt = handle_signals;
  // A reference of their own for as long as a callback runs: it may make its client go.
  if (!down_.is_none()) {
    o.on_server_down = [those = std::weak_ptr(alive_)](std::string_view server, const error& why) {
      const gil_held hold;
      nb::object function;
      if (const auto now = those.lock()) function = nb::borrow(now->down);
      if (!function.is_valid()) return;
      guarded([&] { function(nb::str(server.data(), server.size()), exception_of(why)); });
    };
  }
  if (!up_.is_none()) {
    o.on_server_up = [those = std::weak_ptr(alive_)](std::string_view server) {
      const gil_held hold;
      nb::object function;
      if (const auto now = those.lock()) function = nb::borrow(now->up);
      if (!function.is_valid()) return;
      guarded([&] { function(nb::str(server.data(), server.size())); });
    };
  }
}

}  // namespace memcxx::python
