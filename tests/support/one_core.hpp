// What a client believes about its processors: that there is one, and with 13 threads a crowd.
// Never here: servers, clients.
#pragma once

#include <cstddef>
#include <sched.h>

namespace memcxx::test {

// For the thread that makes it, while it lives.
class one_core {
 public:
  one_core() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
      if (CPU_ISSET(i, &before_)) CPU_SET(i, &one);
    }
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~one_core() { ::sched_setaffinity(0, sizeof before_, &before_); }
  one_core(const one_core&) = delete;
  one_core& operator=(const one_core&) = delete;

 private:
  cpu_set_t before_;
};

}  // namespace memcxx::test
