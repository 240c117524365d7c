// A place in binary input that is read by jumping about in it: for formats whose values refer to
// others (marshal, Ruby's Marshal).
// Never here: a format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "codec/document.hpp"
#include "codec/reading.hpp"

namespace memcxx::codecs {

// Every step answers whether it went well; after the first that did not, `failure` says why, and
// nothing else of the reader is of use. Borrows the input.
class cursor {
 public:
  // `format` stands in front of what went wrong; static storage.
  cursor(std::string_view format, std::string_view in, const limits& bounds) noexcept
      : in_(in), format_(format), left_(bounds) {}

  std::unexpected<error> failure() { return std::unexpected(std::move(failure_)); }

 protected:
  // These answer false, so that a step may end with them. What is wrong is at `at_`, or at `at`.
  bool corrupt(std::string_view what) { return corrupt(at_, what); }
  bool corrupt(std::size_t at, std::string_view what) {
    failure_ = corrupt_at(format_, at, what).error();
    return false;
  }
  bool refuse(std::size_t at, std::string_view what) {
    failure_ = refused_at(format_, at, what).error();
    return false;
  }

  [[nodiscard]] bool at_end() const noexcept { return at_ == in_.size(); }

  bool take(std::size_t size, std::string_view& out) {
    if (size > in_.size() - at_) return corrupt("cut off");
    out = in_.substr(at_, size);
    at_ += size;
    return true;
  }
  bool take(unsigned char& out) {
    if (at_end()) return corrupt("cut off");
    out = static_cast<unsigned char>(in_[at_++]);
    return true;
  }
  bool take_little_endian(std::size_t size, std::uint64_t& out) {
    std::string_view bytes;
    if (!take(size, bytes)) return false;
    out = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
      out = out << 8 | static_cast<unsigned char>(bytes[i]);
    return true;
  }

  // One value, with so many bytes of its own.
  bool spend(std::size_t bytes = 0) { return left_.node(bytes) || corrupt(left_.problem()); }
  // A container with `around` containers around it.
  bool enter(std::size_t around) {
    return (left_.depth(around + 1) || corrupt(left_.problem())) && spend();
  }
  // Every value takes a byte at least: a count beyond that is a lie, and refused early.
  bool has_room_for(std::size_t count, std::size_t values_each = 1) {
    return count <= (in_.size() - at_) / values_each || corrupt("cut off");
  }

  std::string_view in_;
  std::size_t at_ = 0;

 private:
  std::string_view format_;
  budget left_;
  error failure_;
};

}  // namespace memcxx::codecs
