// Ruby's Marshal 4.8, plain data of it: doc/marshal.rdoc of Ruby's sources, and marshal.c where
// that is silent (which values count as objects, how floats are written). Never here: classes,
// objects of users, or anything else that is made by running something.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "codec/cursor.hpp"
#include "codec/magnitude.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::string_view format = "ruby";
constexpr unsigned char major_version = 4;
constexpr unsigned char minor_version = 8;

// --- reading -------------------------------------------------------------------------------------

bool is_ascii(std::string_view s) noexcept {
  for (const char c : s)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

// What a string's bytes are, by its encoding. A string may well hold bytes that are not of its
// encoding: those are no text.
enum class encoding : std::uint8_t { none, ascii, utf8, other };

bool is_text(std::string_view bytes, encoding how) noexcept {
  switch (how) {
    case encoding::utf8:
      return is_utf8(bytes);
    case encoding::ascii:
      return is_ascii(bytes);
    case encoding::none:
    case encoding::other:
      return false;
  }
  return false;
}

void set_string(document& out, std::string_view bytes, bool as_text) {
  if (as_text) {
    out.is = text_node{std::string(bytes)};
  } else {
    out.is = bytes_node{std::string(bytes)};
  }
}

// Whether Ruby writes floats like this. It reads what else there is up to where it stops to be a
// number, which would be another number.
bool is_float(std::string_view text) noexcept {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text == "inf" || text == "nan") return true;
  const auto skip_digits = [&text] {
    const std::size_t size = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(size);
    return size > 0;
  };
  if (!skip_digits()) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!skip_digits()) return false;
  }
  if (!text.starts_with('e')) return text.empty();
  text.remove_prefix(text.starts_with("e-") ? 2 : 1);
  return skip_digits() && text.empty();
}

// Of what cannot be read: its type's name in a message.
std::string_view unreadable_type(unsigned char type) noexcept {
  switch (type) {
    case 'o':
    case 'u':
    case 'U':
      return "an object of class ";
    case 'S':
      return "a Struct of class ";
    case 'C':
      return "a string, array or hash of class ";
    case 'e':
      return "an object extended by ";
    case 'd':
      return "a C object of class ";
    case 'c':
    case 'm':
    case 'M':
      return "a class or module";
    case '/':
      return "a regular expression";
    default:
      return {};
  }
}

class reader : public cursor {
 public:
  reader(std::string_view in, const limits& bounds) noexcept : cursor(format, in, bounds) {}

  bool read_all(document& out) {
    unsigned char major = 0, minor = 0;
    if (!take(major) || !take(minor)) return false;
    if (major != major_version || minor > minor_version)
      return corrupt(0, "a version other than 4.8");
    if (!value(out, 0)) return false;
    return at_end() || corrupt("more bytes after the value");
  }

 private:
  // What an '@' may mean. It is read again where it stands: a copy costs what it costs, which the
  // limits bound, and nothing is kept.
  struct object {
    std::size_t at;
    bool open;  // its end has not been read
  };
  // What a ';' may mean.
  struct symbol {
    std::string_view bytes;
    bool text;
  };

  bool value(document& out, std::size_t depth) {
    const std::size_t start = at_;
    unsigned char type = 0;
    if (!take(type)) return false;
    switch (type) {
      case '0':
        out.is = std::monostate();
        return spend();
      case 'T':
        out.is = true;
        return spend();
      case 'F':
        out.is = false;
        return spend();
      case 'i': {
        std::int64_t n = 0;
        if (!spend() || !number(n)) return false;
        out.is = n;
        return true;
      }
      case ':':
      case ';':
        at_ = start;
        return symbol_value(out);
      case '@':
        return link(start, out, depth);
      case 'I':
        return with_variables(start, out);
      case 'f':
      case 'l':
      case '"':
      case '[':
      case '{':
      case '}':
        return counted(start, type, out, depth);
      default:
        return refuse_type(start, type);
    }
  }

  // What may be the aim of a link: numbered in the order in which they begin.
  bool counted(std::size_t start, unsigned char type, document& out, std::size_t depth) {
    const std::size_t index = begin_object(start);
    bool ok = false;
    switch (type) {
      case 'f':
        ok = floating(out);
        break;
      case 'l':
        ok = big_number(out);
        break;
      case '"':
        ok = string(false, out);
        break;
      case '[':
        ok = array(out, depth);
        break;
      default:
        ok = hash(type == '}', out, depth);
        break;
    }
    end_object(index);
    return ok;
  }

  std::size_t begin_object(std::size_t start) {
    if (!again_) objects_.push_back({start, true});
    return objects_.size() - 1;
  }
  void end_object(std::size_t index) {
    if (!again_) objects_[index].open = false;
  }

  bool refuse_type(std::size_t start, unsigned char type) {
    const std::string_view what = unreadable_type(type);
    if (what.empty()) return corrupt(start, "a type that Marshal does not have");
    if (!what.ends_with(' ')) return refuse(start, what);
    symbol name{};
    if (!read_symbol(name)) return false;
    // Names come from the network: what could upset a log stays out of the message.
    constexpr std::size_t longest = 80;
    std::string message(what);
    for (const char c : name.bytes.substr(0, longest)) message += c > ' ' && c < 0x7f ? c : '?';
    return refuse(start, message);
  }

  // marshal.rdoc, "Fixnum and long": one byte that is the number, or how many bytes it has.
  bool number(std::int64_t& out) {
    unsigned char first = 0;
    if (!take(first)) return false;
    const auto c = static_cast<signed char>(first);
    if (c == 0) {
      out = 0;
    } else if (c > 4) {
      out = c - 5;
    } else if (c < -4) {
      out = c + 5;
    } else {
      const auto size = static_cast<std::size_t>(c < 0 ? -c : c);
      std::uint64_t bits = 0;
      if (!take_little_endian(size, bits)) return false;
      out = static_cast<std::int64_t>(bits);
      if (c < 0) out -= std::int64_t{1} << (8 * size);
    }
    return true;
  }

  bool size(std::size_t& out) {
    const std::size_t start = at_;
    std::int64_t n = 0;
    if (!number(n)) return false;
    if (n < 0) return corrupt(start, "a negative size");
    out = static_cast<std::size_t>(n);
    return true;
  }

  bool counted_bytes(std::string_view& out) {
    std::size_t n = 0;
    return size(n) && take(n, out);
  }

  // --- symbols and encodings ---------------------------------------------------------------------

  bool symbol_value(document& out) {
    symbol s{};
    if (!read_symbol(s) || !spend(s.bytes.size())) return false;
    set_string(out, s.bytes, s.text);
    return true;
  }

  // ':', ';' or 'I' and ':'.
  bool read_symbol(symbol& out) {
    const std::size_t start = at_;
    unsigned char type = 0;
    if (!take(type)) return false;
    if (type == ';') {
      std::size_t index = 0;
      if (!size(index)) return false;
      if (index >= symbols_.size()) return corrupt(start, "a link to a symbol that has not been");
      out = symbols_[index];
      return true;
    }
    const bool encoded = type == 'I';
    if (encoded && !take(type)) return false;
    if (type != ':') return corrupt(start, "no symbol where one should be");
    return symbol_here(encoded, out);
  }

  bool symbol_here(bool encoded, symbol& out) {
    if (!counted_bytes(out.bytes)) return false;
    out.text = !encoded && is_ascii(out.bytes);
    const std::size_t index = symbols_.size();
    if (!again_) symbols_.push_back(out);
    if (!encoded) return true;
    encoding how = encoding::none;
    if (!read_encoding(how)) return false;
    out.text = is_text(out.bytes, how);
    if (!again_) symbols_[index].text = out.text;
    return true;
  }

  // The instance variables of a string or symbol, of which there is one: its encoding.
  bool read_encoding(encoding& out) {
    const std::size_t start = at_;
    std::size_t variables = 0;
    if (!size(variables)) return false;
    if (variables == 0) return true;
    symbol name{};
    if (!read_symbol(name)) return false;
    if (variables > 1) return refuse(start, "a string with instance variables");
    if (name.bytes == "E") {
      unsigned char is_utf8 = 0;
      if (!take(is_utf8)) return false;
      if (is_utf8 != 'T' && is_utf8 != 'F') return corrupt(at_ - 1, "no encoding");
      out = is_utf8 == 'T' ? encoding::utf8 : encoding::ascii;
      return true;
    }
    if (name.bytes != "encoding") return refuse(start, "a string with instance variables");
    out = encoding::other;
    return encoding_name();
  }

  // A string without an encoding of its own, or a link to one.
  bool encoding_name() {
    const std::size_t start = at_;
    unsigned char type = 0;
    if (!take(type)) return false;
    if (type == '"') {
      end_object(begin_object(start));
      std::string_view name;
      return counted_bytes(name);
    }
    std::size_t index = 0;
    if (type != '@') return corrupt(start, "no encoding");
    if (!size(index)) return false;
    return index < objects_.size() || corrupt(start, "a link to an object that has not been");
  }

  // --- objects -----------------------------------------------------------------------------------

  bool with_variables(std::size_t start, document& out) {
    unsigned char type = 0;
    if (!take(type)) return false;
    if (type == ':') {
      symbol s{};
      if (!symbol_here(true, s) || !spend(s.bytes.size())) return false;
      set_string(out, s.bytes, s.text);
      return true;
    }
    if (type == '"') {
      const std::size_t index = begin_object(start);
      const bool ok = string(true, out);
      end_object(index);
      return ok;
    }
    if (!unreadable_type(type).empty()) return refuse_type(start, type);
    if (std::string_view("fl[{}").contains(static_cast<char>(type)))
      return refuse(start, "a value with instance variables");
    return corrupt(start, "instance variables of what has none");
  }

  bool string(bool with_encoding, document& out) {
    std::string_view bytes;
    if (!counted_bytes(bytes) || !spend(bytes.size())) return false;
    encoding how = encoding::none;
    if (with_encoding && !read_encoding(how)) return false;
    set_string(out, bytes, is_text(bytes, how));
    return true;
  }

  bool link(std::size_t start, document& out, std::size_t depth) {
    std::size_t index = 0;
    if (!size(index)) return false;
    if (index >= objects_.size()) return corrupt(start, "a link to an object that has not been");
    const object what = objects_[index];
    if (what.open) return refuse(start, "a value that contains itself");
    const std::size_t resume = std::exchange(at_, what.at);
    const bool was_again = std::exchange(again_, true);
    if (!value(out, depth)) return false;
    at_ = resume;
    again_ = was_again;
    return true;
  }

  bool floating(document& out) {
    std::string_view text;
    if (!counted_bytes(text) || !spend(text.size())) return false;
    if (const auto d = double_of(text); d && is_float(text)) {
      out.is = *d;
      return true;
    }
    return corrupt(at_ - text.size(), "a float that is no number");
  }

  // A sign, how many pairs of bytes, and those.
  bool big_number(document& out) {
    const std::size_t start = at_;
    unsigned char sign = 0;
    std::size_t pairs = 0;
    std::string_view bytes;
    if (!take(sign)) return false;
    if (sign != '+' && sign != '-') return corrupt(start, "an integer without a sign");
    if (!size(pairs) || !take(pairs * 2, bytes) || !spend(decimal_cost(bytes.size()))) return false;
    if (auto d = integer_of({sign == '-', std::string(bytes)})) {
      out = std::move(*d);
      return true;
    }
    return corrupt(start, "an integer with more digits than may be read");
  }

  bool array(document& out, std::size_t depth) {
    std::size_t count = 0;
    if (!enter(depth) || !size(count) || !has_room_for(count)) return false;
    auto& items = out.is.emplace<list_node>();
    for (std::size_t i = 0; i < count; ++i)
      if (!value(items.emplace_back(), depth + 1)) return false;
    return true;
  }

  bool hash(bool with_default, document& out, std::size_t depth) {
    std::size_t count = 0;
    if (!enter(depth) || !size(count) || !has_room_for(count, 2)) return false;
    auto& items = out.is.emplace<map_node>();
    for (std::size_t i = 0; i < count; ++i) {
      auto& [key, item] = items.emplace_back();
      if (!value(key, depth + 1) || !value(item, depth + 1)) return false;
    }
    // What the hash answers for other keys is not among its data.
    document ignored;
    return !with_default || value(ignored, depth + 1);
  }

  std::vector<object> objects_;
  std::vector<symbol> symbols_;
  bool again_ = false;  // within an '@': nothing is to be noted twice
};

// --- writing -------------------------------------------------------------------------------------

// Whether Ruby (of 64 bits) holds the double in the reference itself: then all that are equal are
// one object, and Marshal links to the first. include/ruby/internal and numeric.c: "flonum".
bool is_immediate(double d) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(d);
  if (bits == 0) return true;
  const std::uint64_t top = bits >> 60 & 7;
  return bits != 0x3000000000000000U && (top == 3 || top == 4);
}

class writer {
 public:
  explicit writer(std::string& out) noexcept : out_(out) {}

  result<void> write_all(const document& d) {
    byte(major_version);
    byte(minor_version);
    return value(d, 0);
  }

 private:
  static std::unexpected<error> refuse(std::string_view what) { return unwritable(format, what); }

  result<void> value(const document& d, std::size_t depth) {
    if (depth > max_write_depth) return refuse("a value nested so deeply");
    return std::visit([&](const auto& node) { return write(node, d, depth); }, d.is);
  }

  result<void> write(std::monostate, const document&, std::size_t) { return type('0'); }
  result<void> write(bool b, const document&, std::size_t) { return type(b ? 'T' : 'F'); }
  result<void> write(std::int64_t n, const document& d, std::size_t) {
    constexpr std::int64_t end = std::int64_t{1} << 30;
    if (n < -end || n >= end) return big_number(d);
    type('i');
    number(n);
    return {};
  }
  result<void> write(std::uint64_t n, const document& d, std::size_t depth) {
    if (std::in_range<std::int64_t>(n)) return write(static_cast<std::int64_t>(n), d, depth);
    return big_number(d);
  }
  result<void> write(const big_integer& n, const document&, std::size_t depth) {
    const auto smallest = integer_of_decimal(n.digits);
    if (!smallest) return refuse("an integer of so many digits, or what is none");
    if (std::holds_alternative<big_integer>(smallest->is)) return big_number(*smallest);
    return value(*smallest, depth);
  }

  result<void> write(double d, const document&, std::size_t) {
    if (is_immediate(d)) {
      const auto [known, is_new] = floats_.try_emplace(std::bit_cast<std::uint64_t>(d), objects_);
      if (!is_new) {
        type('@');
        return size(known->second);
      }
    }
    ++objects_;
    type('f');
    return counted(text_of(d));
  }

  result<void> write(const text_node& text, const document&, std::size_t) {
    if (!is_utf8(text.utf8)) return refuse("text that is not UTF-8");
    ++objects_;
    out_ += "I\"";
    if (auto ok = counted(text.utf8); !ok) return ok;
    // One variable, E, true. The symbol is the only one: a link to the first is to it.
    out_ += encoded_ ? std::string_view("\x06;\x00T", 4)
                     : std::string_view(
                           "\x06:\x06"
                           "ET");
    encoded_ = true;
    return {};
  }
  result<void> write(const bytes_node& bytes, const document&, std::size_t) {
    ++objects_;
    type('"');
    return counted(bytes.bytes);
  }
  result<void> write(const list_node& items, const document&, std::size_t depth) {
    ++objects_;
    type('[');
    if (auto ok = size(items.size()); !ok) return ok;
    for (const document& item : items)
      if (auto ok = value(item, depth + 1); !ok) return ok;
    return {};
  }
  result<void> write(const map_node& items, const document&, std::size_t depth) {
    ++objects_;
    type('{');
    if (auto ok = size(items.size()); !ok) return ok;
    for (const auto& [key, item] : items) {
      if (auto ok = value(key, depth + 1); !ok) return ok;
      if (auto ok = value(item, depth + 1); !ok) return ok;
    }
    return {};
  }

  result<void> big_number(const document& d) {
    auto m = magnitude_of(d);
    if (!m) return refuse("an integer of so many digits");
    ++objects_;
    if (m->bytes.size() % 2 != 0) m->bytes += '\0';
    type('l');
    type(m->negative ? '-' : '+');
    if (auto ok = size(m->bytes.size() / 2); !ok) return ok;
    out_ += m->bytes;
    return {};
  }

  // The shortest digits, placed as marshal.c places them.
  static std::string text_of(double d) {
    if (std::isnan(d)) return "nan";
    if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
    if (d == 0) return std::signbit(d) ? "-0" : "0";
    std::array<char, 32> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(d),
                                   std::chars_format::scientific)
                         .ptr;
    const std::string_view scientific(buffer.data(), end);
    const std::size_t e = scientific.find('e');
    int exponent = 0;
    std::from_chars(scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1), end, exponent);
    std::string digits;
    for (const char c : scientific.substr(0, e))
      if (c != '.') digits += c;

    const int point = exponent + 1;  // before which digit
    const auto count = static_cast<int>(digits.size());
    std::string out = std::signbit(d) ? "-" : "";
    if (point < -3 || point > count) {
      out += digits.substr(0, 1);
      if (count > 1) out += "." + digits.substr(1);
      return out += "e" + std::to_string(exponent);
    }
    if (point <= 0) return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
    out += digits.substr(0, static_cast<std::size_t>(point));
    if (count > point) out += "." + digits.substr(static_cast<std::size_t>(point));
    return out;
  }

  result<void> counted(std::string_view bytes) {
    if (auto ok = size(bytes.size()); !ok) return ok;
    out_ += bytes;
    return {};
  }

  result<void> size(std::size_t n) {
    if (n > std::size_t{std::numeric_limits<std::int32_t>::max()})
      return refuse("more than 2147483647 elements or bytes in one");
    number(static_cast<std::int64_t>(n));
    return {};
  }

  // The shortest form. Of at most 32 bits.
  void number(std::int64_t n) {
    if (n == 0) return byte(0);
    if (n > 0 && n < 123) return byte(static_cast<unsigned char>(n + 5));
    if (n < 0 && n > -124) return byte(static_cast<unsigned char>((n - 5) & 0xff));
    std::string bytes;
    const std::int64_t end = n < 0 ? -1 : 0;
    for (; n != end; n >>= 8) bytes += static_cast<char>(n & 0xff);
    const auto count = static_cast<int>(bytes.size());
    byte(static_cast<unsigned char>((end < 0 ? -count : count) & 0xff));
    out_ += bytes;
  }

  result<void> type(char c) {
    out_ += c;
    return {};
  }
  void byte(unsigned char c) { out_ += static_cast<char>(c); }

  std::string& out_;
  std::size_t objects_ = 0;                      // how many there have been that links may mean
  std::map<std::uint64_t, std::size_t> floats_;  // which of them hold an immediate double
  bool encoded_ = false;                         // the symbol E has been written
};

}  // namespace

result<document> read_ruby(std::string_view in, const limits& bounds) {
  return guarded([&]() -> result<document> {
    reader r(in, bounds);
    document out;
    if (!r.read_all(out)) return r.failure();
    return out;
  });
}

result<void> write_ruby(const document& d, std::string& out) {
  const std::size_t before = out.size();
  auto done = guarded([&] { return writer(out).write_all(d); });
  if (!done) out.resize(before);
  return done;
}

}  // namespace memcxx::codecs
