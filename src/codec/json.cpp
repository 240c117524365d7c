// JSON (RFC 8259) to documents and back: read by nlohmann-json's event parser, which keeps no tree
// and does not call itself.
// Never here: C++ types; the public json.hpp has those.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codec/document.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::string_view format = "JSON";

// --- reading -------------------------------------------------------------------------------------

// The parser refuses a number that its type for floating numbers cannot hold, and with double these
// would be integers of 310 digits. Values are made from the text, so nothing is rounded twice.
using parser = nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t,
                                    std::uint64_t, long double>;

// Bytes, and how far the parser has come: it tells that only with errors of its own.
class counted {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  counted(const char* at, const char** seen) noexcept : at_(at), seen_(seen) {}
  reference operator*() const noexcept { return *at_; }
  counted& operator++() noexcept {
    *seen_ = ++at_;
    return *this;
  }
  counted operator++(int) noexcept {
    const counted before = *this;
    ++*this;
    return before;
  }
  bool operator==(const counted& other) const noexcept { return at_ == other.at_; }

 private:
  const char* at_;
  const char** seen_;
};

// The parser's events. Each answers whether to go on. The names are the parser's.
class events {
 public:
  explicit events(const limits& bounds) : made_(bounds) {}

  bool null() { return put({}); }
  bool boolean(bool b) { return put({b}); }
  bool number_integer(std::int64_t n) { return put({n}); }
  bool number_unsigned(std::uint64_t n) {
    if (std::in_range<std::int64_t>(n)) return put({static_cast<std::int64_t>(n)});
    return put({n});
  }
  bool number_float(long double approximate, const std::string& text) {
    if (is_decimal(text)) {
      auto n = integer_of_decimal(text);
      if (!n) return fail("an integer of too many digits");
      const auto* big = std::get_if<big_integer>(&n->is);
      const std::size_t size = big == nullptr ? 0 : big->digits.size();
      return made(made_.put(*std::move(n), size));
    }
    // The point is the locale's here.
    std::string plain = text;
    std::ranges::replace_if(
        plain,
        [](char c) { return std::string_view("0123456789+-eE").find(c) == std::string_view::npos; },
        '.');
    if (const auto d = double_of(plain)) return put({*d});
    if (std::abs(approximate) < 1) return put({std::copysign(0.0, plain.front() == '-' ? -1 : 1)});
    return fail("a number that is too large");
  }
  bool string(std::string& s) {
    const std::size_t size = s.size();
    return made(made_.put({text_node{std::move(s)}}, size));
  }
  bool key(std::string& s) { return string(s); }
  template <class Binary>
  bool binary(Binary&) {
    return fail("not JSON");  // the parser has this event for other formats
  }
  bool start_object(std::size_t) { return made(made_.open_map()); }
  bool start_array(std::size_t) { return made(made_.open_list()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) {
    constexpr int number_overflow = 406;
    if (e.id == number_overflow) return fail("a number that is too large");
    // Its own words, without the line and without what it read.
    std::string_view words = e.what();
    const std::size_t begin = words.find("syntax error");
    if (begin == std::string_view::npos) return fail("not JSON");
    words = words.substr(begin);
    words = words.substr(0, words.find("; last read"));
    return fail(words);
  }

  document take() noexcept { return made_.take(); }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  bool put(document&& d) { return made(made_.put(std::move(d))); }
  bool close() noexcept {
    made_.close();
    return true;
  }
  bool made(bool within_limits) { return within_limits || fail(made_.problem()); }
  bool fail(std::string_view why) {
    problem_ = why;
    return false;
  }

  builder made_;
  std::string problem_;
};

result<document> read(std::string_view in, const limits& bounds) {
  // To the parser this would be the end, whatever follows.
  if (const std::size_t nul = in.find('\0'); nul != std::string_view::npos) {
    return corrupt_at(format, nul, "a zero byte");
  }
  const char* seen = in.data();
  events e(bounds);
  if (parser::sax_parse(counted(in.data(), &seen), counted(in.data() + in.size(), &seen), &e)) {
    return e.take();
  }
  return corrupt_at(format, static_cast<std::size_t>(seen - in.data()), e.problem());
}

// --- writing -------------------------------------------------------------------------------------

class writer {
 public:
  explicit writer(std::string& out) noexcept : out_(out) {}

  result<void> write(const document& d, std::size_t depth) {
    if (depth > max_write_depth) return unwritable(format, "what is nested so deeply");
    return std::visit([&](const auto& is) { return one(is, depth); }, d.is);
  }

 private:
  result<void> word(std::string_view s) {
    out_ += s;
    return {};
  }
  result<void> one(std::monostate, std::size_t) { return word("null"); }
  result<void> one(bool b, std::size_t) { return word(b ? "true" : "false"); }
  result<void> one(std::int64_t n, std::size_t) { return word(decimal_of(n)); }
  result<void> one(std::uint64_t n, std::size_t) { return word(decimal_of(n)); }
  result<void> one(const big_integer& n, std::size_t) {
    if (!is_big_decimal(n.digits)) return unwritable(format, "an integer without digits");
    return word(n.digits);
  }
  result<void> one(double d, std::size_t) {
    if (!std::isfinite(d)) return unwritable(format, shortest(d));
    return word(shortest(d));
  }
  result<void> one(const text_node& t, std::size_t) {
    if (!is_utf8(t.utf8)) return unwritable(format, "text that is not UTF-8");
    quote(t.utf8);
    return {};
  }
  result<void> one(const bytes_node& b, std::size_t) {
    if (!is_utf8(b.bytes)) return unwritable(format, "bytes that are not UTF-8");
    quote(b.bytes);
    return {};
  }
  result<void> one(const list_node& list, std::size_t depth) {
    char before = '[';
    for (const document& d : list) {
      out_.push_back(before);
      before = ',';
      if (auto ok = write(d, depth + 1); !ok) return ok;
    }
    return word(list.empty() ? "[]" : "]");
  }
  result<void> one(const map_node& map, std::size_t depth) {
    if (auto ok = check_keys(map); !ok) return ok;
    char before = '{';
    for (const auto& [k, mapped] : map) {
      out_.push_back(before);
      before = ',';
      if (auto ok = key(k); !ok) return ok;
      out_.push_back(':');
      if (auto ok = write(mapped, depth + 1); !ok) return ok;
    }
    return word(map.empty() ? "{}" : "}");
  }

  // Keys are text: a scalar becomes what it would be as a value, in quotes.
  result<void> key(const document& k) {
    if (std::holds_alternative<list_node>(k.is) || std::holds_alternative<map_node>(k.is)) {
      return unwritable(format, "a key that is a list or a map");
    }
    const bool is_quoted =
        std::holds_alternative<text_node>(k.is) || std::holds_alternative<bytes_node>(k.is);
    if (!is_quoted) out_.push_back('"');
    auto ok = write(k, 0);
    if (!is_quoted) out_.push_back('"');
    return ok;
  }

  // Keys that are different may be the same as text (1 and "1"): readers would lose one of them.
  // Among keys that are all text nothing becomes the same.
  static result<void> check_keys(const map_node& map) {
    const auto is_text = [](const auto& pair) {
      return std::holds_alternative<text_node>(pair.first.is);
    };
    if (map.size() < 2 || std::ranges::all_of(map, is_text)) return {};
    std::vector<std::string> keys;
    keys.reserve(map.size());
    for (const auto& [k, mapped] : map) {
      if (auto ok = writer(keys.emplace_back()).key(k); !ok) return ok;
    }
    std::ranges::sort(keys);
    if (const auto twice = std::ranges::adjacent_find(keys); twice != keys.end()) {
      return unwritable(format, "two keys that become the same text");
    }
    return {};
  }

  // RFC 8259, section 7: quotes, backslashes and what is below a blank are escaped.
  void quote(std::string_view s) {
    constexpr std::string_view hex = "0123456789abcdef";
    constexpr std::string_view named = "\"\\\b\f\n\r\t";
    constexpr std::string_view names = "\"\\bfnrt";
    out_.push_back('"');
    std::size_t plain = 0;  // where what is still to be written begins
    for (std::size_t i = 0; i < s.size(); ++i) {
      const auto c = static_cast<unsigned char>(s[i]);
      if (c >= 0x20 && c != '"' && c != '\\') continue;
      out_ += s.substr(plain, i - plain);
      plain = i + 1;
      if (const std::size_t n = named.find(s[i]); n != std::string_view::npos) {
        out_.push_back('\\');
        out_.push_back(names[n]);
      } else {
        out_ += "\\u00";
        out_.push_back(hex[c >> 4]);
        out_.push_back(hex[c & 15]);
      }
    }
    out_ += s.substr(plain);
    out_.push_back('"');
  }

  std::string& out_;
};

}  // namespace

result<document> read_json(std::string_view in, const limits& bounds) {
  return guarded([&] { return read(in, bounds); });
}

result<void> write_json(const document& d, std::string& out) {
  const std::size_t before = out.size();
  auto done = guarded([&] { return writer(out).write(d, 0); });
  if (!done) out.resize(before);
  return done;
}

}  // namespace memcxx::codecs
