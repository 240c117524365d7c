// Codecs by dialect, packing and unpacking in one step, and values of every kind.
// Never here: what comes out.
#pragma once

#include <array>
#include <gtest/gtest.h>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/dialect.hpp>

namespace memcxx {

// For GoogleTest's messages.
inline void PrintTo(const value& v, std::ostream* out) {
  *out << name_of(v.kind) << " " << testing::PrintToString(v.bytes);
}
inline void PrintTo(dialect d, std::ostream* out) { *out << name_of(d); }

namespace test {

inline constexpr std::array<dialect, 9> every_dialect = {
    dialect::native, dialect::python_memcached, dialect::cmemcache,
    dialect::pyermc, dialect::pymemcache,       dialect::pylibmc,
    dialect::libmc,  dialect::gomemcached,      dialect::dalli};

inline value_codec codec_of(const value_options& options, std::size_t prefix_size = 0) {
  auto made = value_codec::make(options, prefix_size);
  if (made) return *std::move(made);
  ADD_FAILURE() << made.error();
  return {};
}

inline value_codec codec_of(dialect d) { return codec_of(value_options{.dialect = d}); }

template <class T>
errc code_of(const result<T>& r) {
  return r ? errc::ok : r.error().code();
}

// An item's flags and bytes.
struct stored {
  std::uint32_t flags = 0;
  std::string bytes;
  bool operator==(const stored&) const = default;
};

inline result<stored> pack(const value_codec& codec, const value& v, std::string_view key = "k",
                           std::optional<std::size_t> min_compress = std::nullopt) {
  value_codec::packed out;
  if (auto ok = codec.pack(key, v, out, min_compress); !ok)
    return std::unexpected(std::move(ok).error());
  return stored{out.flags, std::string(out.bytes)};
}

inline result<value> unpack(const value_codec& codec, const stored& item,
                            std::string_view key = "k",
                            value_codec::opaque_values how = value_codec::opaque_values::decoded) {
  std::string storage;
  const auto v = codec.unpack(key, item.flags, item.bytes, storage, how);
  if (!v) return std::unexpected(v.error());
  return value{v->kind, std::string(v->bytes)};
}

inline value bytes(std::string b) { return {value_kind::bytes, std::move(b)}; }
inline value text_of(std::string t) { return {value_kind::text, std::move(t)}; }
inline value integer(std::string digits) { return {value_kind::integer, std::move(digits)}; }

// Values of all kinds that every dialect takes, and what to call them.
inline std::vector<std::pair<std::string, value>> common_values() {
  using namespace std::string_literals;
  return {
      {"bytes", bytes("a\0\xff\r\n"s)},
      {"no bytes", bytes("")},
      {"long bytes", bytes(std::string(5000, 'b'))},
      {"text", text_of("h\xc3\xa9 \xf0\x9f\x98\x80 \\ \n")},
      {"empty text", text_of("")},
      {"long text", text_of(std::string(5000, 't'))},
      {"integer", integer("42")},
      {"negative", integer("-1")},
      {"lowest", integer("-9223372036854775808")},
      {"highest", integer("18446744073709551615")},
      {"floating", {value_kind::floating, "1.5"}},
      {"small", {value_kind::floating, "-1e-300"}},
      {"infinite", {value_kind::floating, "-inf"}},
      {"not a number", {value_kind::floating, "nan"}},
      {"true", {value_kind::boolean, "1"}},
      {"false", {value_kind::boolean, "0"}},
      {"none", {value_kind::none, ""}},
      {"list", {value_kind::msgpack, "\x93\x01\xa1x\xc0"}},
      {"map", {value_kind::msgpack, "\x82\xa1k\xcb\x3f\xf8\0\0\0\0\0\0\x07\x92\xc3\xc4\x01\xff"s}},
      {"empty list", {value_kind::msgpack, "\x90"}},
      {"long list", {value_kind::msgpack, "\xdc\x07\xd0" + std::string(2000, '\x05')}},
      {"json", {value_kind::json, R"({"a":[1,null,true,"b"]})"}},
      {"json text", {value_kind::json, R"("a")"}},
  };
}

}  // namespace test
}  // namespace memcxx
