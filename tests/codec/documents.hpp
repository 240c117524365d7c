// Documents for tests: built by hand, from golden files, and at random; and how a failed comparison
// prints them.
// Never here: what is expected of a format.
#pragma once

#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/document.hpp"

namespace memcxx::codecs::test {

inline document none() { return {}; }
inline document truth(bool b) { return {b}; }
inline document integer(std::int64_t n) { return {n}; }
inline document natural(std::uint64_t n) { return {n}; }
inline document big(std::string digits) { return {big_integer{std::move(digits)}}; }
inline document floating(double d) { return {d}; }
inline document txt(std::string s) { return {text_node{std::move(s)}}; }
inline document byt(std::string s) { return {bytes_node{std::move(s)}}; }
inline document list(list_node l = {}) { return {std::move(l)}; }
inline document map(map_node m = {}) { return {std::move(m)}; }

// A list in a list in a list …
inline document nested(std::size_t lists) {
  document d = list();
  for (std::size_t i = 1; i < lists; ++i) {
    document outer = list();
    std::get<list_node>(outer.is).push_back(std::move(d));
    d = std::move(outer);
  }
  return d;
}

// --- the notation of golden files: scripts/golden/values_notation.py
// ------------------------------

class notation {
 public:
  explicit notation(std::string_view s) : s_(s) {}

  static std::string bytes(std::string_view packed) { return notation(packed).packed(); }
  static document document_of(std::string_view s) {
    notation n(s);
    document d = n.value();
    if (n.at_ != s.size()) throw std::runtime_error("more than one value");
    return d;
  }

 private:
  char next() { return s_.at(at_++); }
  std::string_view until(char end) {
    const std::size_t from = at_;
    at_ = s_.find(end, from);
    if (at_ == std::string_view::npos) throw std::runtime_error("an end is missing");
    return s_.substr(from, at_++ - from);
  }
  template <class T>
  static T number(std::string_view s, int base = 10) {
    T n{};
    const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), n, base);
    if (problem != std::errc{} || end != s.data() + s.size()) throw std::runtime_error("no number");
    return n;
  }
  std::string packed() {
    std::string out;
    while (at_ < s_.size() && s_[at_] != ';') {
      const char byte = static_cast<char>(number<unsigned char>(s_.substr(at_, 2), 16));
      at_ += 2;
      const bool repeated = at_ < s_.size() && s_[at_] == '*';
      if (repeated) ++at_;
      out.append(repeated ? number<std::size_t>(until('.')) : 1, byte);
    }
    return out;
  }
  std::string content() {
    std::string out = packed();
    next();
    return out;
  }
  static document decimal(std::string_view digits) {
    const char* const end = digits.data() + digits.size();
    std::int64_t n = 0;
    if (std::from_chars(digits.data(), end, n).ec == std::errc{}) return integer(n);
    std::uint64_t m = 0;
    if (std::from_chars(digits.data(), end, m).ec == std::errc{} && digits.front() != '-')
      return natural(m);
    return big(std::string(digits));
  }

  document value() {
    switch (next()) {
      case 'n':
        return none();
      case 't':
        return truth(true);
      case 'f':
        return truth(false);
      case 'i':
        return decimal(until(';'));
      case 'd': {
        std::uint64_t bits = 0;
        for (const char c : content()) bits = bits << 8 | static_cast<unsigned char>(c);
        return floating(std::bit_cast<double>(bits));
      }
      case 's':
        return txt(content());
      case 'b':
        return byt(content());
      case '[': {
        list_node out;
        while (s_.at(at_) != ']') {
          const bool repeated = s_[at_] == 'x';
          if (repeated) ++at_;
          const std::size_t count = repeated ? number<std::size_t>(until(';')) : 1;
          out.insert(out.end(), count, value());
        }
        ++at_;
        return list(std::move(out));
      }
      case '{': {
        map_node out;
        while (s_.at(at_) != '}') {
          document key = value();
          document mapped = value();
          out.emplace_back(std::move(key), std::move(mapped));
        }
        ++at_;
        return map(std::move(out));
      }
      default:
        throw std::runtime_error("no value");
    }
  }

  std::string_view s_;
  std::size_t at_ = 0;
};

// --- printing ------------------------------------------------------------------------------------

inline void print(const document& d, std::ostream& out) {
  struct visitor {
    std::ostream& to;
    void operator()(std::monostate) const { to << "none"; }
    void operator()(bool b) const { to << (b ? "true" : "false"); }
    void operator()(std::int64_t n) const { to << n; }
    void operator()(std::uint64_t n) const { to << n << "u"; }
    void operator()(const big_integer& n) const { to << "big " << n.digits; }
    void operator()(double x) const { to << "float " << testing::PrintToString(x); }
    void operator()(const text_node& t) const { to << testing::PrintToString(t.utf8); }
    void operator()(const bytes_node& b) const { to << "b" << testing::PrintToString(b.bytes); }
    void operator()(const list_node& l) const {
      to << "[";
      for (const document& x : l) print(x, to << " ");
      to << " ]";
    }
    void operator()(const map_node& m) const {
      to << "{";
      for (const auto& [k, v] : m) {
        print(k, to << " ");
        print(v, to << ": ");
      }
      to << " }";
    }
  };
  std::visit(visitor{out}, d.is);
}

// --- at random -----------------------------------------------------------------------------------

// What a format can hold.
struct shape {
  bool big_integers = true;
  bool bytes = true;
  bool not_finite = true;
  bool only_text_keys = false;
  bool container_keys = false;
};

class random_documents {
 public:
  random_documents(std::uint64_t seed, shape of) : random_(seed), of_(of) {}

  document next(std::size_t depth = 5) {
    switch (below(depth > 0 ? 12 : 9)) {
      case 0:
        return none();
      case 1:
        return truth(below(2) == 0);
      case 2:
        return integer(static_cast<std::int64_t>(random_()) >> below(64));
      case 3:
        // Above what int64 holds, so that it is written as what it is.
        return natural(random_() | std::uint64_t{1} << 63);
      case 4:
        if (of_.big_integers) return big(digits());
        [[fallthrough]];
      case 5:
        return floating(number());
      case 6:
        if (of_.bytes) return byt(bytes());
        [[fallthrough]];
      case 7:
      case 8:
        return txt(text());
      case 9:
      case 10: {
        list_node out;
        for (std::size_t n = below(8); n > 0; --n) out.push_back(next(depth - 1));
        return list(std::move(out));
      }
      default: {
        map_node out;
        for (std::size_t n = below(8); n > 0; --n) {
          // Different keys, so that every format has them all.
          const std::string number = std::to_string(n);
          document key =
              of_.container_keys && below(4) == 0 ? list({next(0), integer(1)}) : next(0);
          if (of_.only_text_keys || below(2) == 0) key = txt(text() + number);
          out.emplace_back(std::move(key), next(depth - 1));
        }
        return map(std::move(out));
      }
    }
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  double number() {
    while (true) {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      constexpr std::array known = {0.0, -0.0, 1.0, -1.5, 5e-324, 1e300, infinity, -infinity, 0.1};
      const double d =
          below(3) == 0 ? known[below(known.size())] : std::bit_cast<double>(random_());
      if (of_.not_finite || d - d == 0) return d;
    }
  }
  std::string digits() {
    std::string out(21 + below(below(8) == 0 ? 1200 : 30), '7');
    for (char& c : out) c = static_cast<char>('0' + below(10));
    out.front() = static_cast<char>('1' + below(9));
    return (below(2) == 0 ? "-" : "") + out;
  }
  std::string bytes() {
    std::string out(below(below(8) == 0 ? 400 : 12), '\0');
    for (char& c : out) c = static_cast<char>(random_() & 0xff);
    return out;
  }
  std::string text() {
    constexpr std::array<std::string_view, 14> parts = {"a",
                                                        "0",
                                                        "\\",
                                                        "\n",
                                                        "\x1a",
                                                        "\"",
                                                        "'",
                                                        "\x7f",
                                                        "\xc3\xa9",
                                                        "\xc3\xbf",
                                                        "\xe2\x82\xac",
                                                        "\xef\xbf\xbf",
                                                        "\xf0\x9f\x98\x80",
                                                        "\\u0041"};
    std::string out;
    for (std::size_t n = below(below(8) == 0 ? 200 : 8); n > 0; --n) {
      out += below(20) == 0 ? std::string_view("\0", 1) : parts[below(parts.size())];
    }
    return out;
  }

  std::mt19937_64 random_;
  shape of_;
};

// --- damage --------------------------------------------------------------------------------------

// What a byte is changed with: every bit by itself, and some together.
inline constexpr std::array changes = {1,   2,    4,    8,           16,   32,  64,
                                       128, 0x03, 0x0f, 0x20 | 0x01, 0xf0, 0xff};

// --- what is expected ----------------------------------------------------------------------------

template <class T>
void expect_error(const result<T>& r, errc code, std::string_view words = {}) {
  ASSERT_FALSE(r.has_value()) << "there is a value";
  EXPECT_EQ(r.error().code(), code) << r.error();
  EXPECT_NE(r.error().what().find(words), std::string::npos) << r.error();
  EXPECT_FALSE(r.error().message().empty());
}

}  // namespace memcxx::codecs::test

namespace memcxx::codecs {

inline void PrintTo(const document& d, std::ostream* out) { test::print(d, *out); }

}  // namespace memcxx::codecs
