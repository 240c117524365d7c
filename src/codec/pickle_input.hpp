// Reads opcodes and their arguments.
// Never here: what an opcode does.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace memcxx::codecs::pickle {

// Every call answers whether it went well; `problem` says why not. Borrows the input.
class input {
 public:
  explicit input(std::string_view in) noexcept : in_(in) {}

  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::size_t left() const noexcept { return in_.size() - at_; }
  [[nodiscard]] std::string_view problem() const noexcept { return problem_; }

  bool opcode(unsigned char& out) noexcept {
    if (left() == 0) return fail("cut off");
    out = static_cast<unsigned char>(in_[at_++]);
    return true;
  }
  bool bytes(std::uint64_t size, std::string_view& out) noexcept {
    if (left() < size) return fail("cut off");
    out = in_.substr(at_, static_cast<std::size_t>(size));
    at_ += out.size();
    return true;
  }
  // Little-endian.
  bool number(std::size_t size, std::uint64_t& out) noexcept {
    std::string_view s;
    if (!bytes(size, s)) return false;
    out = 0;
    for (std::size_t i = size; i-- > 0;) out = out << 8 | static_cast<unsigned char>(s[i]);
    return true;
  }
  // Bytes after their size.
  bool counted(std::size_t size_of_size, std::string_view& out) noexcept {
    std::uint64_t size = 0;
    return number(size_of_size, size) && bytes(size, out);
  }
  // The same with four bytes of size that have a sign.
  bool counted_signed(std::string_view& out) noexcept {
    std::uint64_t size = 0;
    if (!number(4, size)) return false;
    if (size > INT32_MAX) return fail("a negative size");
    return bytes(size, out);
  }
  // Up to the next newline, which belongs to no argument.
  bool line(std::string_view& out) noexcept {
    const std::size_t end = in_.find('\n', at_);
    if (end == std::string_view::npos) return fail("cut off");
    out = in_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }
  bool line_number(std::uint32_t& out) noexcept {
    std::string_view digits;
    if (!line(digits)) return false;
    const char* const last = digits.data() + digits.size();
    const auto [end, wrong] = std::from_chars(digits.data(), last, out);
    return (wrong == std::errc{} && end == last) || fail("not a number from 0 to 4294967295");
  }

 private:
  bool fail(std::string_view why) noexcept {
    problem_ = why;
    return false;
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string_view problem_;
};

}  // namespace memcxx::codecs::pickle
