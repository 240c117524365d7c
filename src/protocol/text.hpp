// What the text protocols share: writing words and numbers, finding a line, reading numbers
// strictly, and the error lines (protocol.txt, "Error strings").
// Never here: a command or a reply of one protocol, allocation.
#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

#include "outcome.hpp"

namespace memcxx::protocol::text {

// Writes a command line into memory that is known to have room for it (max_head).
class writer {
 public:
  explicit writer(char* out) noexcept : begin_(out), at_(out) {}

  template <std::size_t N>
  writer& word(const char (&literal)[N]) noexcept {
    std::memcpy(at_, literal, N - 1);
    at_ += N - 1;
    return *this;
  }
  writer& bytes(std::string_view s) noexcept {
    copy(s);
    at_ += s.size();
    return *this;
  }
  writer& number(std::uint64_t n) noexcept {
    // Lengths, flags and opaques are mostly short, and std::to_chars begins by counting digits.
    if (n < 10'000) return short_number(static_cast<std::uint32_t>(n));
    if (n < 100'000'000) {
      const auto m = static_cast<std::uint32_t>(n);
      return short_number(m / 10'000).four_digits(m % 10'000);
    }
    at_ = std::to_chars(at_, at_ + 20, n).ptr;
    return *this;
  }
  writer& number(std::int32_t n) noexcept {
    if (n >= 0) return number(static_cast<std::uint64_t>(n));
    at_ = std::to_chars(at_, at_ + 11, n).ptr;
    return *this;
  }
  writer& key(const request& r) noexcept { return bytes(r.prefix).bytes(r.key); }

  [[nodiscard]] char* at() const noexcept { return at_; }
  void advance(std::size_t n) noexcept { at_ += n; }
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

 private:
  // Of a number below 10,000, its four digits from the left in the lowest byte on.
  static std::uint32_t digits_of(std::uint32_t n) noexcept {
    const std::uint32_t halves = n / 100 | n % 100 << 16U;
    const std::uint32_t tens = halves * 103 >> 10U & 0x000f000fU;
    return tens | (halves - tens * 10) << 8U;
  }
  static constexpr std::uint32_t zeros = 0x30303030U;  // "0000"

  writer& four_digits(std::uint32_t n) noexcept { return put(digits_of(n) | zeros, 4); }
  writer& short_number(std::uint32_t n) noexcept {
    const std::uint32_t digits = digits_of(n);
    const auto skipped = static_cast<unsigned>(std::countr_zero(digits | 0x01000000U)) / 8;
    return put((digits | zeros) >> skipped * 8, 4 - skipped);
  }
  // Most keys and many values are as short as that, and a call for each costs more than the copy:
  // two that overlap, of a size that the compiler knows.
  template <std::size_t Half>
  void copy_twice(std::string_view s) noexcept {
    char first[Half];
    char last[Half];
    std::memcpy(first, s.data(), Half);
    std::memcpy(last, s.data() + (s.size() - Half), Half);
    std::memcpy(at_, first, Half);
    std::memcpy(at_ + (s.size() - Half), last, Half);
  }
  void copy(std::string_view s) noexcept {
    if (s.size() > 32) {
      std::memcpy(at_, s.data(), s.size());
    } else if (s.size() >= 16) {
      copy_twice<16>(s);
    } else if (s.size() >= 8) {
      copy_twice<8>(s);
    } else if (s.size() >= 4) {
      copy_twice<4>(s);
    } else {
      for (std::size_t i = 0; i < s.size(); ++i) at_[i] = s[i];
    }
  }

  // Writes the lowest `n` of four bytes, and may write over the rest of four.
  writer& put(std::uint32_t four, std::size_t n) noexcept {
    if constexpr (std::endian::native == std::endian::big) four = std::byteswap(four);
    std::memcpy(at_, &four, sizeof four);
    at_ += n;
    return *this;
  }

  char* begin_;
  char* at_;
};

// The first line of `in`.
struct line {
  enum class state : std::uint8_t { whole, incomplete, too_long, bare_newline };
  state is = state::incomplete;
  std::string_view words;  // without "\r\n"
};

inline line first_line(std::string_view in, std::size_t longest) noexcept {
  const std::size_t seen = in.size() < longest ? in.size() : longest;
  const void* found = seen == 0 ? nullptr : std::memchr(in.data(), '\n', seen);
  if (found == nullptr)
    return {.is = seen == longest ? line::state::too_long : line::state::incomplete, .words = {}};
  const auto size = static_cast<std::size_t>(static_cast<const char*>(found) - in.data());
  if (size == 0 || in[size - 1] != '\r') return {.is = line::state::bare_newline, .words = {}};
  return {.is = line::state::whole, .words = {in.data(), size - 1}};
}

// What `parse` answers when there is no whole line.
parsed no_line(line::state is) noexcept;
// What `parse` answers when the line cannot be read, because of `why` or because its end has not
// come yet.
parsed unreadable(std::string_view in, std::size_t longest, std::string_view why) noexcept;

// Reads words from left to right. It may be given more than the line: what it reads never goes past
// the line's end, because no word and no number holds a byte of it.
class reader {
 public:
  explicit reader(std::string_view words) noexcept
      : begin_(words.data()), at_(begin_), end_(begin_ + words.size()) {}

  [[nodiscard]] bool empty() const noexcept { return at_ == end_; }
  [[nodiscard]] std::string_view rest() const noexcept {
    return {at_, static_cast<std::size_t>(end_ - at_)};
  }
  // How many bytes were read.
  [[nodiscard]] std::size_t position() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }
  // The next byte, 0 at the end.
  [[nodiscard]] char front() const noexcept { return at_ == end_ ? '\0' : *at_; }
  // Whether a word ended here: a space follows, or the line's end.
  [[nodiscard]] bool at_end_of_word() const noexcept { return front() == ' ' || front() == '\r'; }
  void advance() noexcept { ++at_; }  // only if not at the end

  bool skip(char c) noexcept {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  template <std::size_t N>
  bool skip(const char (&literal)[N]) noexcept {
    if (static_cast<std::size_t>(end_ - at_) < N - 1) return false;
    if (std::memcmp(at_, literal, N - 1) != 0) return false;
    at_ += N - 1;
    return true;
  }

  // Everything up to the next byte at or below 0x20, or the end; may be empty.
  std::string_view word() noexcept {
    const char* const start = at_;
    if constexpr (std::endian::native == std::endian::little) {
      for (; end_ - at_ >= 8; at_ += 8) {
        constexpr std::uint64_t every_byte = 0x0101010101010101U;
        std::uint64_t eight;
        std::memcpy(&eight, at_, sizeof eight);
        // The lowest bit found is exact: a borrow only spoils the bytes above a finding.
        const std::uint64_t found = (eight - every_byte * 0x21) & ~eight & every_byte * 0x80;
        if (found != 0) {
          at_ += std::countr_zero(found) / 8;
          return {start, static_cast<std::size_t>(at_ - start)};
        }
      }
    }
    while (at_ != end_ && static_cast<unsigned char>(*at_) > 0x20) ++at_;
    return {start, static_cast<std::size_t>(at_ - start)};
  }

  // Decimal digits, of a number that is at most `most`. False leaves the reader anywhere.
  bool number(std::uint64_t& out, std::uint64_t most = UINT64_MAX) noexcept {
    if (short_number(out)) return out <= most;
    const char* const start = at_;
    // Nineteen digits cannot overflow 64 bits; the twentieth may, and there is no more.
    const char* const safe = end_ - start > 19 ? start + 19 : end_;
    std::uint64_t n = 0;
    for (; at_ != safe; ++at_) {
      const unsigned digit = digit_of(*at_);
      if (digit > 9) {
        out = n;
        return at_ != start && n <= most;
      }
      n = n * 10 + digit;
    }
    if (at_ != end_ && digit_of(*at_) <= 9) {
      const unsigned digit = digit_of(*at_++);
      if (n > (UINT64_MAX - digit) / 10) return false;
      n = n * 10 + digit;
      if (at_ != end_ && digit_of(*at_) <= 9) return false;
    }
    out = n;
    return at_ != start && n <= most;
  }

 private:
  // A number of one to seven digits in eight bytes or more, so that no digit asks for the end.
  // False when it is none, and the reader stays.
  bool short_number(std::uint64_t& out) noexcept {
    constexpr int most_digits = 7;
    if (end_ - at_ <= most_digits) return false;
    unsigned n = digit_of(at_[0]);
    if (n > 9) return false;
#pragma GCC unroll 7
    for (int i = 1; i <= most_digits; ++i) {
      const unsigned digit = digit_of(at_[i]);
      if (digit > 9) {
        at_ += i;
        out = n;
        return true;
      }
      n = n * 10 + digit;
    }
    return false;
  }

  // Above 9 for every byte that is no digit.
  static unsigned digit_of(char c) noexcept {
    return static_cast<unsigned char>(c) - unsigned{'0'};
  }

  const char* begin_;
  const char* at_;
  const char* end_;
};

// Recognises ERROR, CLIENT_ERROR and SERVER_ERROR; false when `words` is none of them. Fills
// status and text.
bool read_error(std::string_view words, response& r) noexcept;

}  // namespace memcxx::protocol::text
