// Pickles of plain data, protocols 0 to 5: the machine that CPython's pickletools.py describes,
// less everything by which a pickle reaches code. A pickle that needs that is refused by its name.
// Stricter than CPython where a difference can only be damage: the stack has to be empty at the
// end, frames may not be run over, numbers have no blanks around them. Never here: what becomes of
// the objects (pickle_graph.hpp).
#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "codec/document.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/pickle.hpp"
#include "codec/pickle_graph.hpp"
#include "codec/pickle_input.hpp"
#include "codec/pickle_memo.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace pickle {
namespace {

constexpr std::string_view format = "pickle";
constexpr std::string_view over_limits = "more objects or bytes than may be read at once";
constexpr std::string_view underflow = "the stack holds too little for this";

// A name for an error message: hostile bytes do not go to a log.
std::string shown(std::string_view name) {
  std::string out(name.substr(0, 60));
  std::ranges::replace_if(out, [](char c) { return c <= ' ' || c > '~'; }, '?');
  return out;
}

class machine {
 public:
  machine(std::string_view in, const limits& bounds)
      : in_(in), objects_(bounds), memo_(objects_.most()) {}

  result<document> run() {
    if (in_.left() > UINT32_MAX) return corrupt_at(format, 0, "longer than 4 GiB");
    while (!stopped_) {
      start_ = in_.at();
      if (!step()) return std::unexpected(std::move(why_));
    }
    if (in_.left() > 0) return corrupt_at(format, in_.at(), "more bytes after the value");
    if (stack_.size() != 1 || !marks_.empty()) {
      return corrupt_at(format, start_, "not one object on the stack at the end");
    }
    return objects_.copy(stack_.back());
  }

 private:
  // --- errors
  // --------------------------------------------------------------------------------------

  bool fail(std::string_view what) {
    why_ = corrupt_at(format, start_, what).error();
    return false;
  }
  // Whether an argument could be read.
  bool got(bool read) { return read || fail(in_.problem()); }
  bool refuse(std::string_view what) {
    why_ = refused_at(format, start_, std::string(what) + ": only Python can read this pickle")
               .error();
    return false;
  }
  bool refuse_class(std::string_view module, std::string_view name) {
    return refuse(shown(module) + "." + shown(name));
  }

  // --- the stack
  // -----------------------------------------------------------------------------------

  // What is above the last mark.
  [[nodiscard]] std::size_t height() const noexcept {
    return stack_.size() - (marks_.empty() ? 0 : marks_.back());
  }
  bool needs(std::size_t objects) { return height() >= objects || fail(underflow); }
  ref take() noexcept {
    const ref top = stack_.back();
    stack_.pop_back();
    return top;
  }
  bool push(ref object) {
    stack_.push_back(object);
    return true;
  }
  [[nodiscard]] std::uint32_t place() const noexcept { return static_cast<std::uint32_t>(start_); }

  bool push_new(kind is) {
    ref made = 0;
    return objects_.add(is, place(), made) ? push(made) : fail(over_limits);
  }
  bool push_number(kind is, std::uint64_t bits) {
    ref made = 0;
    return objects_.add_number(is, bits, place(), made) ? push(made) : fail(over_limits);
  }
  bool push_bytes(std::string_view in_input) {
    ref made = 0;
    return objects_.add_text(kind::bytes, in_input, place(), made) ? push(made) : fail(over_limits);
  }
  bool push_kept(kind is, std::string&& s) {
    ref made = 0;
    return objects_.add_kept(is, std::move(s), place(), made) ? push(made) : fail(over_limits);
  }

  // --- scalars
  // -------------------------------------------------------------------------------------

  bool push_integer(std::optional<document>&& n) {
    if (!n) return fail("not an integer, or one of too many digits");
    if (const auto* small = std::get_if<std::int64_t>(&n->is)) {
      return push_number(kind::integer, static_cast<std::uint64_t>(*small));
    }
    if (const auto* natural = std::get_if<std::uint64_t>(&n->is)) {
      return push_number(kind::natural, *natural);
    }
    return push_kept(kind::big, std::move(std::get<big_integer>(n->is).digits));
  }
  bool decimal(std::string_view digits) {
    if (digits.starts_with('+')) return fail("not an integer");
    const std::string_view magnitude = digits.substr(digits.starts_with('-') ? 1 : 0);
    // To C these would be octal.
    if (magnitude.size() > 1 && magnitude.front() == '0')
      return fail("an integer that begins with 0");
    return push_integer(integer_of_decimal(digits));
  }
  bool int_line() {
    std::string_view digits;
    if (!got(in_.line(digits))) return false;
    if (digits == "00" || digits == "01") return push_number(kind::boolean, digits == "01" ? 1 : 0);
    return decimal(digits);
  }
  bool long_line() {
    std::string_view digits;
    if (!got(in_.line(digits))) return false;
    if (digits.ends_with('L')) digits.remove_suffix(1);
    return decimal(digits);
  }
  bool fixed_integer(std::size_t size) {
    std::uint64_t n = 0;
    if (!got(in_.number(size, n))) return false;
    // Only the one of four bytes has a sign.
    if (size == 4) n = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(n)});
    return push_number(kind::integer, n);
  }
  bool long_integer(std::string_view s) {
    // The conversion takes time in the square of the size.
    const std::size_t limbs = std::min(s.size(), max_integer_bytes) / 4;
    constexpr std::size_t most_work = std::size_t{1} << 28;
    conversions_ += limbs * limbs;
    if (conversions_ > most_work) return fail("too many long integers");
    return push_integer(integer_of_bytes(s));
  }
  bool float_line() {
    std::string_view digits;
    if (!got(in_.line(digits))) return false;
    const auto d = double_of(digits);
    if (!d) return fail("not a number that a double holds");
    return push_number(kind::floating, std::bit_cast<std::uint64_t>(*d));
  }
  bool float_bits() {
    std::uint64_t bits = 0;
    if (!got(in_.number(8, bits))) return false;
    std::uint64_t big_endian = 0;
    for (int i = 0; i < 8; ++i, bits >>= 8) big_endian = big_endian << 8 | (bits & 0xff);
    return push_number(kind::floating, big_endian);
  }

  bool check_text(std::string_view s) {
    switch (check_utf8(s).fault) {
      case utf8_fault::none:
        return true;
      case utf8_fault::surrogate:
        return refuse("text with half of a surrogate pair");
      case utf8_fault::malformed:
        break;
    }
    return fail("text that is not UTF-8");
  }
  bool text(std::string_view s) {
    ref made = 0;
    if (!check_text(s)) return false;
    return objects_.add_text(kind::text, s, place(), made) ? push(made) : fail(over_limits);
  }
  bool unicode_line() {
    std::string_view s;
    if (!got(in_.line(s))) return false;
    auto plain = unescape_unicode(s);
    if (!plain) return fail("a wrong escape in text");
    return check_text(*plain) && push_kept(kind::text, *std::move(plain));
  }
  bool string_line() {
    std::string_view s;
    if (!got(in_.line(s))) return false;
    auto plain = unquote(s);
    if (!plain) return fail("a string that is not quoted, or with a wrong escape");
    return push_kept(kind::bytes, *std::move(plain));
  }

  // --- containers
  // ----------------------------------------------------------------------------------

  // The objects above the last mark move to the end of the container.
  bool fill(ref container, kind is) {
    const std::size_t from = marks_.back();
    const std::size_t count = stack_.size() - from;
    if (is == kind::dict && count % 2 != 0) return fail("a key without a value");
    for (std::size_t i = from; i < stack_.size(); ++i) {
      if (!objects_.append(container, stack_[i])) return fail(over_limits);
    }
    stack_.resize(from);
    marks_.pop_back();
    return true;
  }
  bool has_mark() { return !marks_.empty() || fail("no mark on the stack"); }

  bool from_mark(kind is) {
    ref made = 0;
    if (!has_mark()) return false;
    if (!objects_.add(is, place(), made)) return fail(over_limits);
    return fill(made, is) && push(made);
  }
  bool tuple_of(std::size_t count) {
    if (!needs(count)) return false;
    marks_.push_back(static_cast<std::uint32_t>(stack_.size() - count));
    return from_mark(kind::tuple);
  }
  // `count` objects, or all above the mark, go to the container below them.
  bool extend(kind is, std::size_t count = 0) {
    if (count > 0) {
      if (!needs(count + 1)) return false;
      marks_.push_back(static_cast<std::uint32_t>(stack_.size() - count));
    } else if (!has_mark()) {
      return false;
    }
    const std::size_t from = marks_.back();
    const std::size_t fence = marks_.size() > 1 ? marks_[marks_.size() - 2] : 0;
    if (from <= fence) return fail(underflow);
    const ref container = stack_[from - 1];
    if (objects_[container].is != is) return fail("adds to what is no such container");
    return fill(container, is);
  }

  bool pop() {
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
      return true;
    }
    if (!needs(1)) return false;
    stack_.pop_back();
    return true;
  }
  bool pop_mark() {
    if (!has_mark()) return false;
    stack_.resize(marks_.back());
    marks_.pop_back();
    return true;
  }

  // --- the memo
  // ------------------------------------------------------------------------------------

  bool put(std::uint64_t at) {
    if (!needs(1)) return false;
    return memo_.put(static_cast<std::uint32_t>(at), stack_.back()) || fail(over_limits);
  }
  bool get(std::uint64_t at) {
    const ref* const found = memo_.get(static_cast<std::uint32_t>(at));
    return found != nullptr ? push(*found) : fail("nothing at this place in the memo");
  }
  bool put_numbered(std::size_t size) {
    std::uint64_t at = 0;
    return got(in_.number(size, at)) && put(at);
  }
  bool get_numbered(std::size_t size) {
    std::uint64_t at = 0;
    return got(in_.number(size, at)) && get(at);
  }
  bool put_line() {
    std::uint32_t at = 0;
    return got(in_.line_number(at)) && put(at);
  }
  bool get_line() {
    std::uint32_t at = 0;
    return got(in_.line_number(at)) && get(at);
  }

  // --- what would be code
  // --------------------------------------------------------------------------

  bool global() {
    std::string_view module, name;
    if (!got(in_.line(module) && in_.line(name))) return false;
    if (module == encode_module && name == encode_name) return push_new(kind::encode_function);
    if ((module == bytes_module || module == "builtins") && name == bytes_name) {
      return push_new(kind::bytes_type);
    }
    return refuse_class(module, name);
  }
  bool stack_global() {
    if (!needs(2)) return false;
    const node& module = objects_[stack_[stack_.size() - 2]];
    const node& name = objects_[stack_.back()];
    if (module.is != kind::text || name.is != kind::text) return fail("a class without a name");
    return refuse_class(module.text, name.text);
  }
  bool inst() {
    std::string_view module, name;
    return got(in_.line(module) && in_.line(name)) && refuse_class(module, name);
  }
  // Bytes before protocol 3, and no other call.
  bool reduce() {
    if (!needs(2)) return false;
    const ref arguments = take();
    const kind function = objects_[take()].is;
    if (function != kind::encode_function && function != kind::bytes_type) {
      return fail("a call of what is no function");
    }
    if (objects_[arguments].is != kind::tuple) return fail("a call without arguments");
    const std::vector<ref> given = objects_.children(arguments, 3);
    if (function == kind::bytes_type) {
      return given.empty() ? push_bytes({}) : refuse("bytes made of something");
    }
    if (given.size() != 2 || objects_[given[0]].is != kind::text ||
        objects_[given[1]].is != kind::text || objects_[given[1]].text != latin1_name) {
      return refuse("a call of _codecs.encode");
    }
    auto latin1 = latin1_of(objects_[given[0]].text);
    if (!latin1) return fail("bytes above 255");
    return push_kept(kind::bytes, *std::move(latin1));
  }

  // --- the whole
  // -----------------------------------------------------------------------------------

  bool protocol() {
    std::uint64_t version = 0;
    if (!got(in_.number(1, version))) return false;
    if (start_ != 0) return fail("a protocol in the middle");
    return version <= highest_protocol || fail("an unknown protocol");
  }
  bool frame() {
    std::uint64_t size = 0;
    if (!got(in_.number(8, size))) return false;
    if (frame_end_ != 0) return fail("a frame within a frame");
    if (size > in_.left()) return fail("cut off");
    frame_end_ = in_.at() + static_cast<std::size_t>(size);
    return true;
  }

  bool step() {
    unsigned char code = 0;
    if (frame_end_ == start_) frame_end_ = 0;
    if (!got(in_.opcode(code)) || !run_one(static_cast<op>(code))) return false;
    return frame_end_ == 0 || in_.at() <= frame_end_ || fail("runs over the end of its frame");
  }

  bool run_one(op code);
  bool run_scalar(op code);
  bool run_refused(op code);

  input in_;
  std::size_t start_ = 0;      // of the opcode that is run
  std::size_t frame_end_ = 0;  // 0: in no frame
  bool stopped_ = false;
  std::size_t conversions_ = 0;
  graph objects_;
  memo memo_;
  std::vector<ref> stack_;
  std::vector<std::uint32_t> marks_;
  error why_;
};

bool machine::run_one(op code) {
  switch (code) {
    case op::proto:
      return protocol();
    case op::frame:
      return frame();
    case op::stop:
      stopped_ = true;
      return true;

    case op::mark:
      marks_.push_back(static_cast<std::uint32_t>(stack_.size()));
      return true;
    case op::pop:
      return pop();
    case op::pop_mark:
      return pop_mark();
    case op::dup:
      return needs(1) && push(stack_.back());

    case op::empty_list:
      return push_new(kind::list);
    case op::empty_tuple:
      return push_new(kind::tuple);
    case op::empty_dict:
      return push_new(kind::dict);
    case op::empty_set:
      return push_new(kind::set);
    case op::list:
      return from_mark(kind::list);
    case op::tuple:
      return from_mark(kind::tuple);
    case op::dict:
      return from_mark(kind::dict);
    case op::frozenset:
      return from_mark(kind::frozenset);
    case op::tuple1:
      return tuple_of(1);
    case op::tuple2:
      return tuple_of(2);
    case op::tuple3:
      return tuple_of(3);
    case op::append:
      return extend(kind::list, 1);
    case op::appends:
      return extend(kind::list);
    case op::setitem:
      return extend(kind::dict, 2);
    case op::setitems:
      return extend(kind::dict);
    case op::additems:
      return extend(kind::set);

    case op::put:
      return put_line();
    case op::binput:
      return put_numbered(1);
    case op::long_binput:
      return put_numbered(4);
    case op::memoize:
      return put(memo_.size());
    case op::get:
      return get_line();
    case op::binget:
      return get_numbered(1);
    case op::long_binget:
      return get_numbered(4);

    case op::global:
      return global();
    case op::stack_global:
      return stack_global();
    case op::inst:
      return inst();
    case op::reduce:
      return reduce();

    default:
      return run_scalar(code);
  }
}

bool machine::run_scalar(op code) {
  std::string_view s;
  switch (code) {
    case op::none:
      return push_new(kind::none);
    case op::newtrue:
      return push_number(kind::boolean, 1);
    case op::newfalse:
      return push_number(kind::boolean, 0);

    case op::int_text:
      return int_line();
    case op::long_text:
      return long_line();
    case op::binint:
      return fixed_integer(4);
    case op::binint1:
      return fixed_integer(1);
    case op::binint2:
      return fixed_integer(2);
    case op::long1:
      return got(in_.counted(1, s)) && long_integer(s);
    case op::long4:
      return got(in_.counted_signed(s)) && long_integer(s);
    case op::float_text:
      return float_line();
    case op::binfloat:
      return float_bits();

    case op::unicode_text:
      return unicode_line();
    case op::short_binunicode:
      return got(in_.counted(1, s)) && text(s);
    case op::binunicode:
      return got(in_.counted(4, s)) && text(s);
    case op::binunicode8:
      return got(in_.counted(8, s)) && text(s);

    // Python 2's str, which may be text and may be not.
    case op::string_text:
      return string_line();
    case op::binstring:
      return got(in_.counted_signed(s)) && push_bytes(s);
    case op::short_binstring:
    case op::short_binbytes:
      return got(in_.counted(1, s)) && push_bytes(s);
    case op::binbytes:
      return got(in_.counted(4, s)) && push_bytes(s);
    case op::binbytes8:
    case op::bytearray8:
      return got(in_.counted(8, s)) && push_bytes(s);

    default:
      return run_refused(code);
  }
}

bool machine::run_refused(op code) {
  switch (code) {
    case op::build:
    case op::obj:
    case op::newobj:
    case op::newobj_ex:
      return refuse("an object of a class");
    case op::ext1:
    case op::ext2:
    case op::ext4:
      return refuse("a registered class");
    case op::persid:
    case op::binpersid:
      return refuse("a persistent object");
    case op::next_buffer:
    case op::readonly_buffer:
      return refuse("a buffer beside the pickle");
    default:
      return fail("no opcode");
  }
}

}  // namespace
}  // namespace pickle

result<document> read_pickle(std::string_view in, const limits& bounds) {
  return guarded([&] { return pickle::machine(in, bounds).run(); });
}

}  // namespace memcxx::codecs
