// Python's marshal, plain data of it. The format is CPython's Python/marshal.c, as of 2.7 for
// versions 0 to 2 and of 3.13 for versions 3 and 4; no document describes it.
// Never here: code objects, or anything else that is made by running something.
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <system_error>
#include <vector>

#include "codec/cursor.hpp"
#include "codec/magnitude.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::string_view format = "marshal";
constexpr unsigned char referable = 0x80;  // marks what a later 'r' may mean, in the type's byte
constexpr std::uint32_t digit_bits = 15;   // of an 'l'
constexpr std::uint32_t max_size = std::numeric_limits<std::int32_t>::max();

class reader : public cursor {
 public:
  reader(std::string_view in, const limits& bounds) noexcept : cursor(format, in, bounds) {}

  bool read_all(document& out) {
    if (!value(out, 0)) return false;
    return at_end() || corrupt("more bytes after the value");
  }

 private:
  // What an 'r' may mean. It is read again where it stands: a copy costs what it costs, which the
  // limits bound, and nothing is kept.
  struct reference {
    std::size_t at;
    bool open;  // its end has not been read
  };

  bool value(document& out, std::size_t depth) {
    bool ended = false;
    if (!value_or_end(out, depth, ended)) return false;
    return !ended || corrupt("an end where a value should be");
  }

  // `ended` when it is the '0' that ends a dict.
  bool value_or_end(document& out, std::size_t depth, bool& ended) {
    const std::size_t start = at_;
    unsigned char type = 0;
    if (!take(type)) return false;
    if (type == '0') {
      ended = true;
      return true;
    }
    const bool marked = (type & referable) != 0 && !again_;
    switch (type & ~unsigned{referable}) {
      // Never marked: they are the same object wherever they stand.
      case 'N':
        out.is = std::monostate();
        return spend();
      case 'T':
        out.is = true;
        return spend();
      case 'F':
        out.is = false;
        return spend();
      case 'r':
        return another(references_, out, depth);
      case 'R':
        return another(interned_, out, depth);
      case 'S':
      case '.':
        return refuse(start, "a constant that is no data");
      case 'x':
      case 'y':
        return refuse(start, "a complex number");
      case 'c':
        return refuse(start, "a code object");
      case ':':
        return refuse(start, "a slice");
      default:
        break;
    }
    const std::size_t number = references_.size();
    if (marked) references_.push_back({start, true});
    if (!marked_value(static_cast<unsigned char>(type & ~unsigned{referable}), start, out, depth))
      return false;
    if (marked) references_[number].open = false;
    return true;
  }

  bool marked_value(unsigned char type, std::size_t start, document& out, std::size_t depth) {
    switch (type) {
      case 'i':
        return fixed_integer<std::int32_t>(out);
      case 'I':
        return fixed_integer<std::int64_t>(out);
      case 'l':
        return long_integer(out);
      case 'f':
        return text_float(out);
      case 'g':
        return binary_float(out);
      case 's':
        return string(size_of(4), false, out);
      case 't':
        if (!again_) interned_.push_back({start, false});
        return interned(size_of(4), out);
      case 'u':
        return string(size_of(4), true, out);
      case 'a':
      case 'A':
        return ascii(size_of(4), out);
      case 'z':
      case 'Z':
        return ascii(size_of(1), out);
      case '(':
      case '[':
      case '<':
      case '>':
        return list(size_of(4), out, depth);
      case ')':
        return list(size_of(1), out, depth);
      case '{':
        return dict(out, depth);
      default:
        return corrupt(start, "a type that marshal does not have");
    }
  }

  bool another(const std::vector<reference>& known, document& out, std::size_t depth) {
    const std::size_t start = at_ - 1;
    std::uint64_t number = 0;
    if (!take_little_endian(4, number)) return false;
    if (number >= known.size()) return corrupt(start, "a reference to what has not been");
    const reference what = known[static_cast<std::size_t>(number)];
    if (what.open) return refuse(start, "a value that contains itself");
    const std::size_t resume = std::exchange(at_, what.at);
    const bool was_again = std::exchange(again_, true);
    if (!value(out, depth)) return false;
    at_ = resume;
    again_ = was_again;
    return true;
  }

  // Empty when it failed, or is negative.
  std::optional<std::size_t> size_of(std::size_t width) {
    std::uint64_t size = 0;
    if (!take_little_endian(width, size)) return std::nullopt;
    if (size <= max_size) return static_cast<std::size_t>(size);
    corrupt(at_ - width, "a negative size");
    return std::nullopt;
  }

  bool content(std::optional<std::size_t> size, std::string_view& out) {
    return size && take(*size, out) && spend(*size);
  }

  bool string(std::optional<std::size_t> size, bool is_text, document& out) {
    std::string_view bytes;
    if (!content(size, bytes)) return false;
    if (!is_text) {
      out.is = bytes_node{std::string(bytes)};
      return true;
    }
    if (const utf8_state state = check_utf8(bytes); state.fault != utf8_fault::none) {
      const std::size_t at = at_ - bytes.size() + state.at;
      return state.fault == utf8_fault::surrogate ? refuse(at, "text with a lone surrogate")
                                                  : corrupt(at, "text that is not UTF-8");
    }
    out.is = text_node{std::string(bytes)};
    return true;
  }

  // Text in Python 3, and in Python 2 a string that was a name somewhere: nearly always text.
  bool interned(std::optional<std::size_t> size, document& out) {
    std::string_view bytes;
    if (!content(size, bytes)) return false;
    if (is_utf8(bytes)) {
      out.is = text_node{std::string(bytes)};
    } else {
      out.is = bytes_node{std::string(bytes)};
    }
    return true;
  }

  bool ascii(std::optional<std::size_t> size, document& out) {
    std::string_view bytes;
    if (!content(size, bytes)) return false;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (static_cast<unsigned char>(bytes[i]) < 0x80) continue;
      return corrupt(at_ - bytes.size() + i, "text that is not ASCII");
    }
    out.is = text_node{std::string(bytes)};
    return true;
  }

  template <class Integer>
  bool fixed_integer(document& out) {
    std::uint64_t bits = 0;
    if (!spend() || !take_little_endian(sizeof(Integer), bits)) return false;
    out.is = std::int64_t{static_cast<Integer>(bits)};
    return true;
  }

  // A count of digits whose sign is the integer's, and so many digits of 15 bits.
  bool long_integer(document& out) {
    const std::size_t start = at_;
    std::uint64_t bits = 0;
    if (!take_little_endian(4, bits)) return false;
    const auto signed_count = std::int64_t{static_cast<std::int32_t>(bits)};
    const auto count = static_cast<std::size_t>(signed_count < 0 ? -signed_count : signed_count);
    std::string_view digits;
    if (!take(count * 2, digits)) return false;
    const std::size_t size = (count * digit_bits + 7) / 8;
    if (!spend(decimal_cost(size))) return false;

    magnitude m{.negative = signed_count < 0, .bytes = {}};
    std::uint32_t pending = 0;
    unsigned pending_bits = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t digit = static_cast<unsigned char>(digits[2 * i]) |
                                  std::uint32_t{static_cast<unsigned char>(digits[2 * i + 1])} << 8;
      if (digit >> digit_bits != 0 || (digit == 0 && i + 1 == count))
        return corrupt(at_ - 2 * (count - i), "a digit that no integer has there");
      pending |= digit << pending_bits;
      for (pending_bits += digit_bits; pending_bits >= 8; pending_bits -= 8, pending >>= 8)
        m.bytes += static_cast<char>(pending & 0xff);
    }
    m.bytes += static_cast<char>(pending);
    if (auto d = integer_of(std::move(m))) {
      out = std::move(*d);
      return true;
    }
    return corrupt(start, "an integer with more digits than may be read");
  }

  bool text_float(document& out) {
    std::string_view text;
    if (!content(size_of(1), text)) return false;
    if (const auto d = double_of(text)) {
      out.is = *d;
      return true;
    }
    return corrupt(at_ - text.size(), "a float that is no number");
  }

  bool binary_float(document& out) {
    std::uint64_t bits = 0;
    if (!spend() || !take_little_endian(8, bits)) return false;
    out.is = std::bit_cast<double>(bits);
    return true;
  }

  bool list(std::optional<std::size_t> size, document& out, std::size_t depth) {
    if (!size || !enter(depth) || !has_room_for(*size)) return false;
    auto& items = out.is.emplace<list_node>();
    for (std::size_t i = 0; i < *size; ++i)
      if (!value(items.emplace_back(), depth + 1)) return false;
    return true;
  }

  bool dict(document& out, std::size_t depth) {
    if (!enter(depth)) return false;
    auto& items = out.is.emplace<map_node>();
    while (true) {
      bool ended = false;
      document key;
      if (!value_or_end(key, depth + 1, ended)) return false;
      if (ended) return true;
      auto& item = items.emplace_back(std::move(key), document());
      if (!value(item.second, depth + 1)) return false;
    }
  }

  std::vector<reference> references_;  // for 'r'
  std::vector<reference> interned_;    // for 'R', which only Python 2 writes
  bool again_ = false;                 // within an 'r' or 'R': nothing is to be noted twice
};

// Version 2: no references.
class writer {
 public:
  explicit writer(std::string& out) noexcept : out_(out) {}

  result<void> value(const document& d, std::size_t depth = 0, bool is_key = false) {
    if (depth > max_write_depth) return refuse("a value nested so deeply");
    return std::visit([&](const auto& node) { return write(node, d, depth, is_key); }, d.is);
  }

 private:
  static std::unexpected<error> refuse(std::string_view what) { return unwritable(format, what); }

  result<void> write(std::monostate, const document&, std::size_t, bool) { return type('N'); }
  result<void> write(bool b, const document&, std::size_t, bool) { return type(b ? 'T' : 'F'); }
  result<void> write(std::int64_t n, const document& d, std::size_t, bool) {
    if (n != static_cast<std::int32_t>(n)) return long_integer(d);
    type('i');
    little_endian(static_cast<std::uint64_t>(n), 4);
    return {};
  }
  result<void> write(std::uint64_t, const document& d, std::size_t, bool) { return integer(d); }
  result<void> write(const big_integer&, const document& d, std::size_t, bool) {
    return integer(d);
  }
  result<void> write(double n, const document&, std::size_t, bool) {
    type('g');
    little_endian(std::bit_cast<std::uint64_t>(n), 8);
    return {};
  }
  result<void> write(const text_node& text, const document&, std::size_t, bool) {
    if (!is_utf8(text.utf8)) return refuse("text that is not UTF-8");
    return string('u', text.utf8);
  }
  result<void> write(const bytes_node& bytes, const document&, std::size_t, bool) {
    return string('s', bytes.bytes);
  }
  // A list cannot be a key in Python: what was read as one was a tuple.
  result<void> write(const list_node& items, const document&, std::size_t depth, bool is_key) {
    if (auto ok = counted(is_key ? '(' : '[', items.size()); !ok) return ok;
    for (const document& item : items)
      if (auto ok = value(item, depth + 1, is_key); !ok) return ok;
    return {};
  }
  result<void> write(const map_node& items, const document&, std::size_t depth, bool is_key) {
    if (is_key) return refuse("a map as a map's key");
    type('{');
    for (const auto& [key, item] : items) {
      if (auto ok = value(key, depth + 1, true); !ok) return ok;
      if (auto ok = value(item, depth + 1); !ok) return ok;
    }
    return type('0');
  }

  result<void> integer(const document& d) {
    const auto m = magnitude_of(d);
    if (!m) return refuse("an integer of so many digits, or what is none");
    if (m->bytes.size() > 4) return long_integer(d);
    std::uint64_t n = 0;
    for (std::size_t i = m->bytes.size(); i-- > 0;)
      n = n << 8 | static_cast<unsigned char>(m->bytes[i]);
    const auto plain = static_cast<std::int64_t>(n);
    return write(m->negative ? -plain : plain, d, 0, false);
  }

  result<void> long_integer(const document& d) {
    const auto m = magnitude_of(d);
    if (!m) return refuse("an integer of so many digits");
    std::vector<std::uint32_t> digits;
    std::uint32_t pending = 0;
    unsigned pending_bits = 0;
    for (const char c : m->bytes) {
      pending |= std::uint32_t{static_cast<unsigned char>(c)} << pending_bits;
      pending_bits += 8;
      if (pending_bits < digit_bits) continue;
      digits.push_back(pending & ((1U << digit_bits) - 1));
      pending >>= digit_bits;
      pending_bits -= digit_bits;
    }
    if (pending != 0) digits.push_back(pending);
    type('l');
    const std::uint64_t count = digits.size();
    little_endian(m->negative ? 0 - count : count, 4);
    for (const std::uint32_t digit : digits) little_endian(digit, 2);
    return {};
  }

  result<void> string(char kind, std::string_view bytes) {
    if (auto ok = counted(kind, bytes.size()); !ok) return ok;
    out_ += bytes;
    return {};
  }

  result<void> counted(char kind, std::size_t size) {
    if (size > max_size) return refuse("more than 2147483647 elements or bytes in one");
    type(kind);
    little_endian(size, 4);
    return {};
  }

  result<void> type(char c) {
    out_ += c;
    return {};
  }

  void little_endian(std::uint64_t n, std::size_t size) {
    for (; size > 0; --size, n >>= 8) out_ += static_cast<char>(n & 0xff);
  }

  std::string& out_;
};

}  // namespace

result<document> read_marshal(std::string_view in, const limits& bounds) {
  return guarded([&]() -> result<document> {
    reader r(in, bounds);
    document out;
    if (!r.read_all(out)) return r.failure();
    return out;
  });
}

result<void> write_marshal(const document& d, std::string& out) {
  const std::size_t before = out.size();
  auto done = guarded([&] { return writer(out).value(d); });
  if (!done) out.resize(before);
  return done;
}

}  // namespace memcxx::codecs
