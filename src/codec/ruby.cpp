// Reads Ruby's Marshal 4.8, plain data of it: doc/marshal.rdoc of Ruby's sources, and marshal.c
// where that is silent (which values count as objects, how strings get their encoding).
// Never here: classes, objects of users, or anything else that is made by running something.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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

}  // namespace

result<document> read_ruby(std::string_view in, const limits& bounds) {
  return guarded([&]() -> result<document> {
    reader r(in, bounds);
    document out;
    if (!r.read_all(out)) return r.failure();
    return out;
  });
}

}  // namespace memcxx::codecs
