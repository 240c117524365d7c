// MessagePack (github.com/msgpack/msgpack, spec.md) to documents and back. The reader is a loop
// over heads: MessagePack has so few that this is shorter than checking a library's for what
// hostile input costs. Never here: C++ types; the public msgpack.hpp packs those.
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <variant>

#include "codec/document.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::string_view format = "msgpack";

// --- reading -------------------------------------------------------------------------------------

class reader {
 public:
  reader(std::string_view in, const limits& bounds) : in_(in), made_(bounds) {}

  result<document> run() {
    do {
      start_ = at_;
      if (!value()) return corrupt_at(format, start_, problem_);
      while (!open_.empty() && open_.back() == 0) {
        open_.pop_back();
        made_.close();
      }
    } while (!open_.empty());
    if (at_ != in_.size()) return corrupt_at(format, at_, "more bytes after the value");
    if (extension_) return refused_at(format, *extension_, "an extension type");
    return made_.take();
  }

 private:
  bool fail(std::string_view why) noexcept {
    problem_ = why;
    return false;
  }
  bool made(bool within_limits) noexcept { return within_limits || fail(made_.problem()); }
  bool cut_off() noexcept { return fail("cut off"); }

  [[nodiscard]] std::size_t left() const noexcept { return in_.size() - at_; }

  // Big-endian, which `size` bytes of the input are.
  bool number(std::size_t size, std::uint64_t& out) noexcept {
    if (left() < size) return cut_off();
    out = 0;
    for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(in_[at_++]);
    return true;
  }
  bool bytes(std::uint64_t size, std::string_view& out) noexcept {
    if (left() < size) return cut_off();
    out = in_.substr(at_, static_cast<std::size_t>(size));
    at_ += out.size();
    return true;
  }

  bool put(document&& d) { return made(made_.put(std::move(d))); }

  bool value() {
    if (left() == 0) return cut_off();
    const auto head = static_cast<unsigned char>(in_[at_++]);
    if (!open_.empty()) {
      --open_.back();
      --announced_;
    }
    if (head <= 0x7f) return put({std::int64_t{head}});
    if (head >= 0xe0) return put({std::int64_t{head} - 0x100});
    if (head <= 0x8f) return map(head & 0x0fU);
    if (head <= 0x9f) return list(head & 0x0fU);
    if (head <= 0xbf) return text(head & 0x1fU);
    // Sizes of the heads in which a number follows, by how they are spelled: 1, 2, 4 or 8 bytes.
    std::uint64_t n = 0;
    switch (head) {
      case 0xc0:
        return put({});
      case 0xc2:
      case 0xc3:
        return put({head == 0xc3});
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return number(std::size_t{1} << (head - 0xc4), n) && binary(n);
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return number(std::size_t{1} << (head - 0xc7), n) && extension(n);
      case 0xca:
        return number(4, n) && put({double{std::bit_cast<float>(static_cast<std::uint32_t>(n))}});
      case 0xcb:
        return number(8, n) && put({std::bit_cast<double>(n)});
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return number(std::size_t{1} << (head - 0xcc), n) && natural(n);
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3: {
        const unsigned size = 1U << (head - 0xd0);
        if (!number(size, n)) return false;
        const unsigned unused = 64 - 8 * size;
        return put({static_cast<std::int64_t>(n << unused) >> unused});
      }
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return extension(std::uint64_t{1} << (head - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return number(std::size_t{1} << (head - 0xd9), n) && text(n);
      case 0xdc:
      case 0xdd:
        return number(head == 0xdc ? 2 : 4, n) && list(n);
      case 0xde:
      case 0xdf:
        return number(head == 0xde ? 2 : 4, n) && map(n);
      default:
        return fail("a byte that begins no value");
    }
  }

  bool natural(std::uint64_t n) {
    if (std::in_range<std::int64_t>(n)) return put({static_cast<std::int64_t>(n)});
    return put({n});
  }

  // A str that is no UTF-8 is bytes: so writes a C++ program its strings, and whoever wrote
  // MessagePack before it told the two apart.
  bool text(std::uint64_t size) {
    std::string_view s;
    if (!bytes(size, s)) return false;
    if (!is_utf8(s)) return put_bytes(s);
    return made(made_.put({text_node{std::string(s)}}, s.size()));
  }
  bool binary(std::uint64_t size) {
    std::string_view s;
    return bytes(size, s) && put_bytes(s);
  }
  bool put_bytes(std::string_view s) {
    return made(made_.put({bytes_node{std::string(s)}}, s.size()));
  }
  bool extension(std::uint64_t size) {
    if (!extension_) extension_ = start_;
    std::string_view ignored;
    return bytes(size + 1, ignored) && put({});
  }

  bool list(std::uint64_t count) {
    return announce(count) && made(made_.open_list(static_cast<std::size_t>(count))) &&
           begin(count);
  }
  bool map(std::uint64_t count) {
    return announce(2 * count) && made(made_.open_map(static_cast<std::size_t>(count))) &&
           begin(2 * count);
  }
  // Every value that is still to come takes a byte at least. So whatever is made room for is in the
  // input, and never twice.
  bool announce(std::uint64_t count) noexcept {
    if (announced_ > left() || count > left() - announced_)
      return fail("cut off: there are more values than bytes left");
    announced_ += static_cast<std::size_t>(count);
    return true;
  }
  bool begin(std::uint64_t count) {
    open_.push_back(static_cast<std::size_t>(count));
    return true;
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;  // of the value that is being read
  builder made_;
  std::vector<std::size_t> open_;  // for each open container how many values are still to come
  std::size_t announced_ = 0;      // their sum
  std::optional<std::size_t> extension_;
  std::string_view problem_;
};

// --- writing -------------------------------------------------------------------------------------

class writer {
 public:
  explicit writer(std::string& out) noexcept : out_(out) {}

  result<void> write(const document& d, std::size_t depth) {
    if (depth > max_write_depth) return unwritable(format, "what is nested so deeply");
    return std::visit([&](const auto& is) { return one(is, depth); }, d.is);
  }

 private:
  void head(unsigned first, std::uint64_t n, std::size_t size) {
    out_.push_back(static_cast<char>(first));
    while (size-- > 0) out_.push_back(static_cast<char>(n >> 8 * size & 0xff));
  }

  result<void> one(std::monostate, std::size_t) {
    head(0xc0, 0, 0);
    return {};
  }
  result<void> one(bool b, std::size_t) {
    head(b ? 0xc3 : 0xc2, 0, 0);
    return {};
  }
  result<void> one(std::int64_t n, std::size_t depth) {
    if (n >= 0) return one(static_cast<std::uint64_t>(n), depth);
    const auto bits = static_cast<std::uint64_t>(n);
    if (n >= -32) {
      head(static_cast<unsigned>(bits & 0xff), 0, 0);
    } else if (std::in_range<std::int8_t>(n)) {
      head(0xd0, bits, 1);
    } else if (std::in_range<std::int16_t>(n)) {
      head(0xd1, bits, 2);
    } else if (std::in_range<std::int32_t>(n)) {
      head(0xd2, bits, 4);
    } else {
      head(0xd3, bits, 8);
    }
    return {};
  }
  result<void> one(std::uint64_t n, std::size_t) {
    if (n <= 0x7f) {
      head(static_cast<unsigned>(n), 0, 0);
    } else if (n <= 0xff) {
      head(0xcc, n, 1);
    } else if (n <= 0xffff) {
      head(0xcd, n, 2);
    } else if (n <= 0xffff'ffff) {
      head(0xce, n, 4);
    } else {
      head(0xcf, n, 8);
    }
    return {};
  }
  result<void> one(const big_integer&, std::size_t) {
    return unwritable(format, "an integer of more than 64 bits");
  }
  result<void> one(double d, std::size_t) {
    head(0xcb, std::bit_cast<std::uint64_t>(d), 8);
    return {};
  }
  result<void> one(const text_node& t, std::size_t) {
    if (!is_utf8(t.utf8)) return unwritable(format, "text that is not UTF-8");
    return sized({.fix = 0xa0, .fix_most = 31, .one = 0xd9, .two = 0xda, .four = 0xdb}, t.utf8);
  }
  result<void> one(const bytes_node& b, std::size_t) {
    return sized({.fix = 0, .fix_most = -1, .one = 0xc4, .two = 0xc5, .four = 0xc6}, b.bytes);
  }
  result<void> one(const list_node& list, std::size_t depth) {
    if (auto ok =
            size({.fix = 0x90, .fix_most = 15, .one = 0, .two = 0xdc, .four = 0xdd}, list.size());
        !ok) {
      return ok;
    }
    for (const document& d : list) {
      if (auto ok = write(d, depth + 1); !ok) return ok;
    }
    return {};
  }
  result<void> one(const map_node& map, std::size_t depth) {
    if (auto ok =
            size({.fix = 0x80, .fix_most = 15, .one = 0, .two = 0xde, .four = 0xdf}, map.size());
        !ok) {
      return ok;
    }
    for (const auto& [key, mapped] : map) {
      if (auto ok = write(key, depth + 1); !ok) return ok;
      if (auto ok = write(mapped, depth + 1); !ok) return ok;
    }
    return {};
  }

  // The heads of one family, for sizes within the head, of one, two and four bytes. 0: there is
  // none.
  struct family {
    unsigned fix;
    int fix_most;
    unsigned one;
    unsigned two;
    unsigned four;
  };
  result<void> size(const family& f, std::uint64_t n) {
    if (std::cmp_less_equal(n, f.fix_most)) {
      head(f.fix | static_cast<unsigned>(n), 0, 0);
    } else if (n <= 0xff && f.one != 0) {
      head(f.one, n, 1);
    } else if (n <= 0xffff) {
      head(f.two, n, 2);
    } else if (n <= 0xffff'ffff) {
      head(f.four, n, 4);
    } else {
      return unwritable(format, "more than 4 GiB in one value");
    }
    return {};
  }
  result<void> sized(const family& f, std::string_view s) {
    auto ok = size(f, s.size());
    if (ok) out_ += s;
    return ok;
  }

  std::string& out_;
};

}  // namespace

result<document> read_msgpack(std::string_view in, const limits& bounds) {
  return guarded([&] { return reader(in, bounds).run(); });
}

result<void> write_msgpack(const document& d, std::string& out) {
  const std::size_t before = out.size();
  auto done = guarded([&] { return writer(out).write(d, 0); });
  if (!done) out.resize(before);
  return done;
}

}  // namespace memcxx::codecs
