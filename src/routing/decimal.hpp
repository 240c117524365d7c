// A number as decimal text without an allocation.
// Never here: parsing.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace memcxx::routing {

class decimal {
 public:
  explicit decimal(std::uint32_t number) noexcept
      : end_(std::to_chars(text_.data(), text_.data() + text_.size(), number).ptr) {}
  decimal(const decimal&) = delete;
  decimal& operator=(const decimal&) = delete;

  // Valid as long as this object.
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), end_}; }

 private:
  std::array<char, 10> text_{};
  char* end_;
};

}  // namespace memcxx::routing
