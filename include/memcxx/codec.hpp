// How a C++ type becomes a value and back. The types of the language and of strings are here;
// structures in msgpack.hpp and json.hpp, for those who ask.
// Never here: flags, compression, I/O.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/error.hpp>
#include <memcxx/value.hpp>

namespace memcxx {

// Specialise for a type of one's own:
//
//   template <> struct memcxx::codec<point> {
//     // The value's bytes may lie in `p` or in `scratch`, and live as long as they.
//     static result<value_view> encode(const point& p, std::string& scratch) {
//       scratch = std::to_string(p.x) + "," + std::to_string(p.y);
//       return value_view{value_kind::text, scratch};
//     }
//     static result<void> decode(const value_view& v, point& out) {
//       const char* const end = v.bytes.data() + v.bytes.size();
//       const auto x = std::from_chars(v.bytes.data(), end, out.x);
//       if (x.ec != std::errc{} || x.ptr == end || *x.ptr != ',') return wrong_type(v, "a point");
//       const auto y = std::from_chars(x.ptr + 1, end, out.y);
//       if (y.ec != std::errc{} || y.ptr != end) return wrong_type(v, "a point");
//       return {};
//     }
//   };
//
// A decoder sees bytes from the network: it checks them. A codec that takes pickles and the like as
// they are says so with `static constexpr bool keeps_opaque = true;`. One whose T holds bytes in a
// std::string may have `static std::string& place(T& out)`: strings are then read straight to that,
// and what decode() is given may lie in it.
template <class T>
struct codec {};

template <class T>
concept storable = requires(const T& v, std::string& scratch) {
  { codec<T>::encode(v, scratch) } -> std::same_as<result<value_view>>;
};
template <class T>
concept readable = std::default_initializable<T> && requires(const value_view& v, T& out) {
  { codec<T>::decode(v, out) } -> std::same_as<result<void>>;
};

// errc::wrong_type: "stored as text, wanted an integer".
std::unexpected<error> wrong_type(const value_view& stored, std::string_view wanted);

// A string's value, whatever reads as one.
bool is_stringlike(value_kind kind) noexcept;
// The digits of an integer without what is around them: a counter that was decremented is padded
// with blanks by the server. Empty when there is none.
std::string_view trimmed_integer(const value_view& v) noexcept;
// Text of a number becomes the nearest number of the type, as long as that is finite, and not zero
// unless the text is; an integer has to be held exactly. errc::wrong_type otherwise.
result<void> decode_floating(const value_view& v, double& out);
result<void> decode_floating(const value_view& v, float& out);
result<void> decode_boolean(const value_view& v, bool& out);
std::string_view encode_floating(double d, std::string& scratch);

// For codecs over somebody else's parser, to go before it: afterwards the input is whole, claims no
// size that it does not have, and nests at most so deep. Otherwise errc::corrupt_value, with what
// is wrong at which byte.
inline constexpr std::size_t max_nesting = 100;
// One object and nothing else. errc::wrong_type when its str has to be UTF-8, and is not.
result<void> check_msgpack(std::string_view bytes, bool str_is_utf8 = false);
// The nesting only; the rest is the parser's. errc::wrong_type for an integer over 64 bits, which
// parsers make a double of.
result<void> check_json(std::string_view text);
bool is_utf8(std::string_view s) noexcept;

// --- bytes and text --------------------------------------------------------------------------

// Bytes; reads numbers and JSON as their text, too.
template <>
struct codec<std::string> {
  static result<value_view> encode(std::string_view v, std::string&) {
    return value_view{value_kind::bytes, v};
  }
  static result<void> decode(const value_view& v, std::string& out) {
    if (!is_stringlike(v.kind)) return wrong_type(v, "a string");
    out.assign(v.bytes);
    return {};
  }
};
template <>
struct codec<std::string_view> {
  static result<value_view> encode(std::string_view v, std::string&) {
    return value_view{value_kind::bytes, v};
  }
};

template <>
struct codec<text> {
  static result<value_view> encode(const text& v, std::string&) {
    return value_view{value_kind::text, v.utf8};
  }
  static result<void> decode(const value_view& v, text& out) {
    if (v.kind == value_kind::bytes && !is_utf8(v.bytes)) return wrong_type(v, "UTF-8 text");
    return codec<std::string>::decode(v, out.utf8);
  }
};

template <class B>
concept byte_like =
    std::same_as<B, char> || std::same_as<B, unsigned char> || std::same_as<B, std::byte>;

template <byte_like B>
struct codec<std::vector<B>> {
  static result<value_view> encode(const std::vector<B>& v, std::string&) {
    return value_view{value_kind::bytes, {reinterpret_cast<const char*>(v.data()), v.size()}};
  }
  static result<void> decode(const value_view& v, std::vector<B>& out) {
    if (!is_stringlike(v.kind)) return wrong_type(v, "bytes");
    out.resize(v.bytes.size());
    if (!out.empty()) std::memcpy(out.data(), v.bytes.data(), out.size());
    return {};
  }
};
template <class B, std::size_t N>
  requires byte_like<std::remove_const_t<B>>
struct codec<std::span<B, N>> {
  static result<value_view> encode(std::span<B, N> v, std::string&) {
    return value_view{value_kind::bytes, {reinterpret_cast<const char*>(v.data()), v.size()}};
  }
};

// --- numbers -----------------------------------------------------------------------------------

template <class T>
concept plain_integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                        !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                        !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

// Decimal text, so that incr and decr work on it.
template <plain_integer T>
struct codec<T> {
  static result<value_view> encode(T v, std::string& scratch) {
    scratch.resize(24);
    const auto end = std::to_chars(scratch.data(), scratch.data() + scratch.size(), v).ptr;
    scratch.resize(static_cast<std::size_t>(end - scratch.data()));
    return value_view{value_kind::integer, scratch};
  }
  static result<void> decode(const value_view& v, T& out) {
    const std::string_view digits = trimmed_integer(v);
    const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (r.ec == std::errc{} && r.ptr == digits.data() + digits.size() && !digits.empty()) return {};
    return wrong_type(v, sizeof(T) < 8 ? "an integer of this width" : "a 64-bit integer");
  }
};

template <class T>
  requires std::is_enum_v<T> && (!std::same_as<T, std::byte>)
struct codec<T> {
  using number =
      std::conditional_t<std::is_signed_v<std::underlying_type_t<T>>, std::int64_t, std::uint64_t>;
  static result<value_view> encode(T v, std::string& scratch) {
    return codec<number>::encode(static_cast<number>(v), scratch);
  }
  static result<void> decode(const value_view& v, T& out) {
    number n = 0;
    if (auto ok = codec<number>::decode(v, n); !ok) return ok;
    const auto as_it_fits = static_cast<std::underlying_type_t<T>>(n);
    if (static_cast<number>(as_it_fits) != n) return wrong_type(v, "an enumerator");
    out = static_cast<T>(as_it_fits);
    return {};
  }
};

// What is read is the very number that was written. Where another type was written, `float` reads
// the nearest it has to a double, and both read integers that they hold exactly: what would become
// infinite, or zero, or another integer is errc::wrong_type.
template <class T>
  requires std::same_as<T, double> || std::same_as<T, float>
struct codec<T> {
  static result<value_view> encode(T v, std::string& scratch) {
    return value_view{value_kind::floating, encode_floating(static_cast<double>(v), scratch)};
  }
  static result<void> decode(const value_view& v, T& out) { return decode_floating(v, out); }
};

template <>
struct codec<bool> {
  static result<value_view> encode(bool v, std::string&) {
    return value_view{value_kind::boolean, v ? "1" : "0"};
  }
  static result<void> decode(const value_view& v, bool& out) { return decode_boolean(v, out); }
};

// --- perhaps nothing, and anything ---------------------------------------------------------------

template <>
struct codec<std::nullptr_t> {
  static result<value_view> encode(std::nullptr_t, std::string&) {
    return value_view{value_kind::none, {}};
  }
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

// Nothing is a value of its own: an empty optional that was stored is a hit.
template <class T>
struct codec<std::optional<T>> {
  static_assert(!is_optional<T>, "an empty optional within an optional has no form of its own");
  static constexpr bool keeps_opaque = requires { requires codec<T>::keeps_opaque; };
  static result<value_view> encode(const std::optional<T>& v, std::string& scratch)
    requires storable<T>
  {
    if (!v) return value_view{value_kind::none, {}};
    return codec<T>::encode(*v, scratch);
  }
  static result<void> decode(const value_view& v, std::optional<T>& out)
    requires readable<T>
  {
    if (v.kind == value_kind::none) {
      out.reset();
      return {};
    }
    return codec<T>::decode(v, out.emplace());
  }
};

template <>
struct codec<value> {
  static result<value_view> encode(const value& v, std::string&) { return value_view(v); }
  static result<void> decode(const value_view& v, value& out) {
    out.kind = v.kind;
    out.bytes.assign(v.bytes);
    return {};
  }
};
template <>
struct codec<value_view> {
  static result<value_view> encode(const value_view& v, std::string&) { return v; }
};
template <>
struct codec<opaque> {
  static constexpr bool keeps_opaque = true;
  static result<value_view> encode(const opaque& v, std::string&) {
    return value_view{v.kind, v.bytes};
  }
  static result<void> decode(const value_view& v, opaque& out) {
    out.kind = v.kind;
    out.bytes.assign(v.bytes);
    return {};
  }
};

template <class T>
inline constexpr bool keeps_opaque = requires { requires codec<T>::keeps_opaque; };

}  // namespace memcxx
