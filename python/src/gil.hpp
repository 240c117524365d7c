// Letting go of the GIL and taking it, also when Python ends meanwhile.
// Never here: what is done with it or without.
#pragma once

#include <Python.h>
#include <unistd.h>

namespace memcxx::python {

// A daemon thread that takes the GIL while Python ends is not given it. Python 3.14 has it wait
// there for the end of the process. Before, its stack is unwound, which would end the process at
// the first function that lets no exception out: so it waits here.
[[noreturn]] inline void wait_for_the_end() noexcept {
  for (;;) ::pause();
}

class gil_released {
 public:
  gil_released() noexcept : state_(PyEval_SaveThread()) {}
  gil_released(const gil_released&) = delete;
  gil_released& operator=(const gil_released&) = delete;
  ~gil_released() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      wait_for_the_end();
    }
  }

 private:
  PyThreadState* state_;
};

class gil_held {
 public:
  gil_held() noexcept : state_(take()) {}
  gil_held(const gil_held&) = delete;
  gil_held& operator=(const gil_held&) = delete;
  ~gil_held() { PyGILState_Release(state_); }

 private:
  static PyGILState_STATE take() noexcept {
    try {
      return PyGILState_Ensure();
    } catch (...) {
      wait_for_the_end();
    }
  }
  PyGILState_STATE state_;
};

}  // namespace memcxx::python
