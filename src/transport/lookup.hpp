// Resolving a name without being held up by it: the system's resolver has no deadline, so it works
// on a thread of its own, and those who wait poll a descriptor and may leave.
// Never here: what memcached is, caching (a name is asked again for every new connection).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport/endpoint.hpp"

namespace memcxx::transport {

// Threads: safe to share; several may wait for one lookup.
class lookup {
  struct passkey {};

 public:
  explicit lookup(passkey);
  // Begins at once. Throws std::system_error when no thread or descriptor can be had.
  static std::shared_ptr<lookup> start(const std::string& host, std::uint16_t port);
  ~lookup();
  lookup(const lookup&) = delete;
  lookup& operator=(const lookup&) = delete;

  // Readable once the answer is there.
  [[nodiscard]] int descriptor() const noexcept { return event_; }
  [[nodiscard]] bool ready() const noexcept;
  // Only when ready(): the addresses in the order to try them, or none and why.
  [[nodiscard]] const std::vector<endpoint>& endpoints() const noexcept;
  [[nodiscard]] const std::string& why_not() const noexcept;

 private:
  struct answer;
  std::shared_ptr<answer> answer_;
  int event_ = -1;
};

}  // namespace memcxx::transport
