// Pickles of plain data, byte for byte what CPython's C pickler makes of the same data (Python 3.8
// and later): its choice of opcodes, its batches, its frames (PEP 3154) and its memo.
// Where an object stands in several places, CPython writes it once and refers to it then. A
// document has no shared objects, so each text and container is written out; but CPython has one
// object only of the empty text and bytes, and of those of one Latin-1 character, and these are
// referred to here as well. A list that is a key was a tuple, and becomes one. Never here: reading.
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <variant>

#include "codec/document.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/pickle.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace pickle {
namespace {

constexpr std::string_view format = "pickle";
constexpr std::size_t batch_size = 1000;
constexpr std::size_t frame_target = std::size_t{64} << 10;
constexpr std::size_t frame_least = 4;  // below, a frame is not worth its head
constexpr std::size_t frame_head = 9;

class pickler {
 public:
  pickler(int protocol, std::string& out) noexcept : protocol_(protocol), out_(out) {}

  result<void> dump(const document& d) {
    if (protocol_ >= 2) {
      code(op::proto);
      little_endian(static_cast<unsigned>(protocol_), 1);
    }
    framing_ = protocol_ >= 4;
    if (auto ok = save(d, 0); !ok) return ok;
    write(op::stop);
    end_frame();
    return {};
  }

 private:
  // Where in the memo an object is, once it is there.
  using place = std::optional<std::uint32_t>;

  // --- bytes and frames
  // ----------------------------------------------------------------------------

  void code(op c) { out_.push_back(static_cast<char>(c)); }
  void little_endian(std::uint64_t n, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) out_.push_back(static_cast<char>(n >> 8 * i & 0xff));
  }
  [[nodiscard]] bool is_binary() const noexcept { return protocol_ >= 2; }

  // Before anything is written. A frame's size is filled in when it ends.
  void begin_opcode() {
    if (!framing_ || frame_) return;
    frame_ = out_.size();
    out_.append(frame_head, '\0');
  }
  void end_frame() {
    if (!frame_) return;
    const std::size_t at = *frame_;
    const std::size_t size = out_.size() - at - frame_head;
    frame_.reset();
    if (size < frame_least) {
      out_.erase(at, frame_head);
      return;
    }
    out_[at] = static_cast<char>(op::frame);
    for (std::size_t i = 0; i < 8; ++i) {
      out_[at + 1 + i] = static_cast<char>(std::uint64_t{size} >> 8 * i & 0xff);
    }
  }
  // Before an object. Opcodes within one stay together.
  void between_objects() {
    if (frame_ && out_.size() - *frame_ - frame_head >= frame_target) end_frame();
  }

  // An opcode with its size and its bytes; those that are long stand outside of frames.
  void write_sized(op c, std::size_t size_of_size, std::string_view s) {
    const bool alone = s.size() >= frame_target;
    if (alone) {
      end_frame();
    } else {
      begin_opcode();
    }
    code(c);
    little_endian(s.size(), size_of_size);
    out_ += s;
  }
  void write(op c) {
    begin_opcode();
    code(c);
  }
  void write_line(op c, std::string_view s) {
    write(c);
    out_ += s;
    out_ += '\n';
  }

  // --- the memo
  // ------------------------------------------------------------------------------------

  std::uint32_t memoize() {
    const std::uint32_t at = memoized_++;
    if (protocol_ >= 4) {
      write(op::memoize);
    } else {
      write_memo(at, op::put, op::binput, op::long_binput);
    }
    return at;
  }
  // Writes a reference, if the object is known.
  bool get(const place& known) {
    if (!known) return false;
    write_memo(*known, op::get, op::binget, op::long_binget);
    return true;
  }
  void write_memo(std::uint32_t at, op text, op one_byte, op four_bytes) {
    if (!is_binary()) {
      write_line(text, decimal_of(std::uint64_t{at}));
    } else {
      write(at <= 0xff ? one_byte : four_bytes);
      little_endian(at, at <= 0xff ? 1 : 4);
    }
  }

  // The object that CPython has only once, of such text: none, if it makes a new one each time.
  place* single_text(std::string_view utf8) {
    if (utf8.empty()) return &single_texts_.back();
    if (utf8.size() > 2) return nullptr;
    const auto latin1 = latin1_of(utf8);
    if (!latin1 || latin1->size() != 1) return nullptr;
    return &single_texts_[static_cast<unsigned char>(latin1->front())];
  }
  place* single_bytes(std::string_view s) {
    if (s.empty()) return &single_bytes_.back();
    return s.size() == 1 ? &single_bytes_[static_cast<unsigned char>(s.front())] : nullptr;
  }

  // --- values
  // --------------------------------------------------------------------------------------

  result<void> save(const document& d, std::size_t depth, bool is_key = false) {
    if (depth > max_write_depth) return unwritable(format, "what is nested so deeply");
    between_objects();
    if (const auto* list = std::get_if<list_node>(&d.is)) {
      return is_key ? save_tuple(*list, depth) : save_list(*list, depth);
    }
    if (const auto* map = std::get_if<map_node>(&d.is)) {
      if (is_key) return unwritable(format, "a map as a key");
      return save_map(*map, depth);
    }
    return std::visit([&](const auto& is) { return scalar(is); }, d.is);
  }

  result<void> scalar(const list_node&) { return {}; }  // save has these
  result<void> scalar(const map_node&) { return {}; }

  result<void> scalar(std::monostate) {
    write(op::none);
    return {};
  }
  result<void> scalar(bool b) {
    if (is_binary()) {
      write(b ? op::newtrue : op::newfalse);
    } else {
      write_line(op::int_text, b ? "01" : "00");
    }
    return {};
  }
  result<void> scalar(std::int64_t n) {
    if (!std::in_range<std::int32_t>(n)) return long_integer(decimal_of(n), bytes_of_integer(n));
    if (!is_binary()) {
      write_line(op::int_text, decimal_of(n));
      return {};
    }
    const bool is_one = n >= 0 && n <= 0xff;
    const bool is_two = n >= 0 && n <= 0xffff;
    write(is_one ? op::binint1 : is_two ? op::binint2 : op::binint);
    little_endian(static_cast<std::uint64_t>(n), is_one ? 1 : is_two ? 2 : 4);
    return {};
  }
  result<void> scalar(std::uint64_t n) {
    if (std::in_range<std::int64_t>(n)) return scalar(static_cast<std::int64_t>(n));
    return long_integer(decimal_of(n), bytes_of_integer(n));
  }
  result<void> scalar(const big_integer& n) {
    if (!is_big_decimal(n.digits)) return unwritable(format, "an integer of no or too many digits");
    return long_integer(n.digits, is_binary() ? bytes_of_integer(n) : std::string());
  }
  result<void> long_integer(std::string_view digits, std::string_view bytes) {
    if (!is_binary()) {
      write(op::long_text);
      out_.append(digits).append("L\n");
      return {};
    }
    const bool is_short = bytes.size() <= 0xff;
    write(is_short ? op::long1 : op::long4);
    little_endian(bytes.size(), is_short ? 1 : 4);
    out_ += bytes;
    return {};
  }
  result<void> scalar(double d) {
    if (!is_binary()) {
      write_line(op::float_text, shortest(d));
      return {};
    }
    write(op::binfloat);
    const auto bits = std::bit_cast<std::uint64_t>(d);
    for (unsigned shift = 64; shift > 0; shift -= 8) little_endian(bits >> (shift - 8) & 0xff, 1);
    return {};
  }

  result<void> scalar(const text_node& t) {
    if (!is_utf8(t.utf8)) return unwritable(format, "text that is not UTF-8");
    place* const single = single_text(t.utf8);
    return single == nullptr ? text(t.utf8, nullptr) : shared_text(t.utf8, *single);
  }
  result<void> shared_text(std::string_view utf8, place& known) {
    return get(known) ? result<void>() : text(utf8, &known);
  }
  result<void> text(std::string_view utf8, place* known) {
    if (!is_binary()) {
      write(op::unicode_text);
      escape_unicode(utf8, out_);
      out_.push_back('\n');
    } else if (utf8.size() <= 0xff && protocol_ >= 4) {
      write_sized(op::short_binunicode, 1, utf8);
    } else if (utf8.size() <= UINT32_MAX) {
      write_sized(op::binunicode, 4, utf8);
    } else if (protocol_ >= 4) {
      write_sized(op::binunicode8, 8, utf8);
    } else {
      return unwritable(format, "text over 4 GiB in this protocol");
    }
    const std::uint32_t at = memoize();
    if (known != nullptr) *known = at;
    return {};
  }

  result<void> scalar(const bytes_node& b) {
    place* const known = single_bytes(b.bytes);
    if (known != nullptr && get(*known)) return {};
    if (protocol_ < 3) {
      if (auto ok = called_bytes(b.bytes); !ok) return ok;
    } else if (b.bytes.size() <= 0xff) {
      write_sized(op::short_binbytes, 1, b.bytes);
    } else if (b.bytes.size() <= UINT32_MAX) {
      write_sized(op::binbytes, 4, b.bytes);
    } else {
      write_sized(op::binbytes8, 8, b.bytes);
    }
    const std::uint32_t at = memoize();
    if (known != nullptr) *known = at;
    return {};
  }
  // The call that makes them where there is no opcode for bytes.
  result<void> called_bytes(std::string_view bytes) {
    if (bytes.empty()) {
      global(bytes_module, bytes_name, bytes_type_);
      begin_tuple(0);
      end_tuple(0);
    } else {
      global(encode_module, encode_name, encode_);
      begin_tuple(2);
      if (auto ok = scalar(text_node{utf8_of_latin1(bytes)}); !ok) return ok;
      if (auto ok = shared_text(latin1_name, latin1_); !ok) return ok;
      end_tuple(2);
    }
    write(op::reduce);
    return {};
  }
  void global(std::string_view module, std::string_view name, place& known) {
    if (get(known)) return;
    write_line(op::global, module);
    out_.append(name).append("\n");
    known = memoize();
  }

  // --- containers
  // ----------------------------------------------------------------------------------

  void begin_tuple(std::size_t size) {
    const bool has_code = is_binary() && size <= 3;
    if (!has_code) write(op::mark);
  }
  void end_tuple(std::size_t size) {
    constexpr std::array codes = {op::empty_tuple, op::tuple1, op::tuple2, op::tuple3};
    write(is_binary() && size < codes.size() ? codes[size] : op::tuple);
    if (size > 0) memoize();
  }
  // Of a key: what is in it has to be fit for a key, too.
  result<void> save_tuple(const list_node& list, std::size_t depth) {
    begin_tuple(list.size());
    for (const document& d : list) {
      if (auto ok = save(d, depth + 1, true); !ok) return ok;
    }
    end_tuple(list.size());
    return {};
  }

  void begin_container(op empty, op from_mark) {
    if (is_binary()) {
      write(empty);
    } else {
      write(op::mark);
      write(from_mark);
    }
    memoize();
  }

  result<void> save_list(const list_node& list, std::size_t depth) {
    begin_container(op::empty_list, op::list);
    const bool in_batches = is_binary() && list.size() > 1;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (in_batches && i % batch_size == 0) write(op::mark);
      if (auto ok = save(list[i], depth + 1); !ok) return ok;
      if (!in_batches) {
        write(op::append);
      } else if (i + 1 == list.size() || (i + 1) % batch_size == 0) {
        write(op::appends);
      }
    }
    return {};
  }

  result<void> save_map(const map_node& map, std::size_t depth) {
    begin_container(op::empty_dict, op::dict);
    const bool in_batches = is_binary() && map.size() > 1;
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (in_batches && i % batch_size == 0) write(op::mark);
      if (auto ok = save(map[i].first, depth + 1, true); !ok) return ok;
      if (auto ok = save(map[i].second, depth + 1); !ok) return ok;
      if (!in_batches) {
        write(op::setitem);
      } else if (i + 1 == map.size() || (i + 1) % batch_size == 0) {
        write(op::setitems);
      }
    }
    // CPython finds out that a full batch was the last by beginning another.
    if (in_batches && map.size() % batch_size == 0) {
      write(op::mark);
      write(op::setitems);
    }
    return {};
  }

  int protocol_;
  std::string& out_;
  bool framing_ = false;
  std::optional<std::size_t> frame_;  // where the head of the open frame is
  std::uint32_t memoized_ = 0;
  place encode_;
  place bytes_type_;
  place latin1_;
  // By the character; the last is the empty one.
  std::array<place, 257> single_texts_;
  std::array<place, 257> single_bytes_;
};

}  // namespace
}  // namespace pickle

result<void> write_pickle(const document& d, int protocol, std::string& out) {
  if (protocol != 0 && protocol != 2 && protocol != 5) {
    return std::unexpected(error(errc::invalid_argument, "a pickle of protocol 0, 2 or 5 only"));
  }
  const std::size_t before = out.size();
  auto done = guarded([&] { return pickle::pickler(protocol, out).dump(d); });
  if (!done) out.resize(before);
  return done;
}

}  // namespace memcxx::codecs
