// A call whose caller does not wait for its answers: it ends when everything is written, and
// failures nobody waited for are counted (client::unclaimed_errors).
// Never here: what is asked, and how.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <memcxx/command.hpp>

namespace memcxx::python {

// `of` in all but that. What was written when it ends had the usual outcome.
class unawaited final : public call {
 public:
  explicit unawaited(call& of) noexcept : of_(of) {}

  bool begin_step(unsigned step, const value_codec& values) noexcept override {
    return of_.begin_step(step, values);
  }
  std::size_t size() const noexcept override { return of_.size(); }
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override {
    return of_.request(i, out);
  }
  protocol::refusal request_after(std::size_t i, protocol::request& out) const noexcept override {
    return of_.request_after(i, out);
  }
  bool differs_by_key() const noexcept override { return of_.differs_by_key(); }
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t n) noexcept override {
    return of_.on_value(i, head, n);
  }
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override {
    of_.on_response(i, r, server);
  }
  bool quiet() const noexcept override { return true; }

 private:
  call& of_;
};

}  // namespace memcxx::python
