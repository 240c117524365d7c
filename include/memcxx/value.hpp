// Values with a type: what a value is, apart from how a client of the field writes that down.
// Never here: flags, compression (dialect.hpp), C++ types (codec.hpp), I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <memcxx/error.hpp>

namespace memcxx {

// What a value is. Each kind has one canonical form, which codecs and dialects speak between them.
enum class value_kind : std::uint8_t {
  bytes,     // the bytes
  text,      // UTF-8
  integer,   // decimal text with an optional '-', of any length; blanks around it are the server's
  floating,  // the shortest decimal text that reads back as the same double; "inf", "-inf", "nan"
  boolean,   // "1" or "0"
  none,      // nothing: Python's None, an empty optional
  msgpack,   // a MessagePack object: lists, maps, and whatever else has structure
  json,      // JSON text
  pickle,    // Python's pickle, opaque
  marshal,   // Python's marshal, opaque
  ruby,      // Ruby's Marshal, opaque
};

// "bytes", "text", … Static storage.
std::string_view name_of(value_kind kind) noexcept;

// A value in its canonical form. Borrows its bytes.
struct value_view {
  value_kind kind = value_kind::bytes;
  std::string_view bytes = {};
};

// The same with bytes of its own; `get<value>` reads whatever is there.
struct value {
  value_kind kind = value_kind::bytes;
  std::string bytes = {};

  operator value_view() const noexcept { return {kind, bytes}; }
  bool operator==(const value&) const = default;
};

// UTF-8 text, where a plain string stands for bytes: dialects tell the two apart.
struct text {
  std::string utf8 = {};
  bool operator==(const text&) const = default;
};

// A value that is not taken apart, though it could be: `get<opaque>` answers a pickle as its bytes.
// Kinds other than pickle, marshal and ruby are as with `value`.
struct opaque {
  value_kind kind = value_kind::bytes;
  std::string bytes = {};
  bool operator==(const opaque&) const = default;
};

// Other forms of a value. Text and numbers become what JSON and MessagePack have for them; for JSON
// bytes have to be UTF-8, and keys of maps text or scalars (which become text).
// Errors: wrong_type when the form cannot hold the value (an opaque pickle), corrupt_value.
result<std::string> to_json(const value_view& v);
result<std::string> to_msgpack(const value_view& v);
// A scalar (a JSON string is text), or msgpack for arrays and objects. Errors: corrupt_value.
result<value> from_json(std::string_view json);

}  // namespace memcxx
