// Room for a client's next large value, as the bytes object that it will be: what is read straight
// into it is not copied, nor is the GIL needed in between.
// Never here: what a value is.
#pragma once

#include <Python.h>
#include <algorithm>
#include <cstddef>
#include <nanobind/nanobind.h>
#include <utility>

namespace memcxx::python {

namespace nb = nanobind;

// It is made before its length is known: as long as values lately were. There is none for a client
// that reads no large values. Threads: with the GIL.
class large_room {
 public:
  static constexpr std::size_t least = std::size_t{16} << 10;  // bytes; shorter ones are copied
  static constexpr std::size_t most = std::size_t{4} << 20;

  // A bytes object that nobody else has, or nothing.
  nb::object take() {
    if (kept_.is_valid() || wanted_ == 0) [[likely]]
      return std::exchange(kept_, {});
    PyObject* const made = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(wanted_));
    if (made == nullptr) PyErr_Clear();  // then it is copied
    return nb::steal(made);
  }
  // It was not used.
  void give_back(nb::object&& room) {
    if (!room.is_valid()) return;
    // Values have become longer: this one would never be used, and never go.
    if (nb::len(room) < wanted_) return;
    if (++unused_ < most_unused) {
      kept_ = std::move(room);
    } else {
      wanted_ = 0;
      unused_ = 0;
    }
  }
  // A value of `n` bytes was read, wherever to.
  void saw(std::size_t n) noexcept {
    if (n < least || n > most) return;
    unused_ = 0;
    wanted_ = std::max(n, wanted_ - wanted_ / 8);
  }

 private:
  static constexpr unsigned most_unused = 64;  // reads

  nb::object kept_;
  std::size_t wanted_ = 0;
  unsigned unused_ = 0;
};

}  // namespace memcxx::python
