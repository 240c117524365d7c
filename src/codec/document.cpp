// Documents by themselves: when two are equal, and what they are as canonical values and JSON.
// Never here: the form of one format.
#include "codec/document.hpp"

#include <bit>
#include <cmath>

#include <memcxx/codec.hpp>

#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/reading.hpp"
#include "codec/utf8.hpp"

namespace memcxx {

std::string_view name_of(value_kind kind) noexcept {
  switch (kind) {
    case value_kind::bytes:
      return "bytes";
    case value_kind::text:
      return "text";
    case value_kind::integer:
      return "integer";
    case value_kind::floating:
      return "floating";
    case value_kind::boolean:
      return "boolean";
    case value_kind::none:
      return "none";
    case value_kind::msgpack:
      return "msgpack";
    case value_kind::json:
      return "json";
    case value_kind::pickle:
      return "pickle";
    case value_kind::marshal:
      return "marshal";
    case value_kind::ruby:
      return "ruby";
  }
  return "unknown";
}

namespace codecs {
namespace {

// A double is equal to another that no program could tell from it: zeros differ by their sign, and
// one NaN is as good as another.
bool same(double a, double b) noexcept {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

result<document> corrupt_scalar(value_kind kind, std::string_view what) {
  std::string message(name_of(kind));
  return std::unexpected(error(errc::corrupt_value, message.append(": ").append(what)));
}

result<document> scalar_document(const value_view& v) {
  switch (v.kind) {
    case value_kind::bytes:
      return document{bytes_node{std::string(v.bytes)}};
    case value_kind::text:
      if (const auto state = check_utf8(v.bytes); state.fault != utf8_fault::none) {
        return corrupt_at("text", state.at, "not UTF-8");
      }
      return document{text_node{std::string(v.bytes)}};
    case value_kind::integer:
      if (auto n = integer_of_decimal(trimmed_integer(v))) return *std::move(n);
      return corrupt_scalar(v.kind, "not a decimal number, or one of too many digits");
    case value_kind::floating:
      if (const auto d = double_of(v.bytes)) return document{*d};
      return corrupt_scalar(v.kind, "not a number that a double holds");
    case value_kind::boolean:
      if (v.bytes == "1" || v.bytes == "0") return document{v.bytes == "1"};
      return corrupt_scalar(v.kind, "neither 0 nor 1");
    case value_kind::none:
      return document{};
    default:
      return corrupt_scalar(v.kind, "not a scalar");
  }
}

result<document> make_document(const value_view& v, const limits& bounds) {
  switch (v.kind) {
    case value_kind::msgpack:
      return read_msgpack(v.bytes, bounds);
    case value_kind::json:
      return read_json(v.bytes, bounds);
    case value_kind::pickle:
      return read_pickle(v.bytes, bounds);
    case value_kind::marshal:
      return read_marshal(v.bytes, bounds);
    case value_kind::ruby:
      return read_ruby(v.bytes, bounds);
    default:
      if (!budget(bounds).node(v.bytes.size())) {
        return corrupt_scalar(v.kind, "more bytes than may be read at once");
      }
      return scalar_document(v);
  }
}

struct to_canonical {
  std::string& storage;

  result<value_view> operator()(std::monostate) const { return value_view{value_kind::none, {}}; }
  result<value_view> operator()(bool b) const { return hold(value_kind::boolean, b ? "1" : "0"); }
  result<value_view> operator()(std::int64_t n) const {
    return hold(value_kind::integer, decimal_of(n));
  }
  result<value_view> operator()(std::uint64_t n) const {
    return hold(value_kind::integer, decimal_of(n));
  }
  result<value_view> operator()(const big_integer& n) const {
    return hold(value_kind::integer, n.digits);
  }
  result<value_view> operator()(double d) const {
    std::string scratch;
    return hold(value_kind::floating, encode_floating(d, scratch));
  }
  result<value_view> operator()(const text_node& t) const { return hold(value_kind::text, t.utf8); }
  result<value_view> operator()(const bytes_node& b) const {
    return hold(value_kind::bytes, b.bytes);
  }

  result<value_view> hold(value_kind kind, std::string_view bytes) const {
    storage = bytes;
    return value_view{kind, storage};
  }
};

}  // namespace

bool document::operator==(const document& other) const {
  if (const auto* d = std::get_if<double>(&is)) {
    const auto* e = std::get_if<double>(&other.is);
    return e != nullptr && same(*d, *e);
  }
  return is == other.is;
}

result<value_view> to_value(const document& d, std::string& storage) {
  return guarded([&]() -> result<value_view> {
    storage.clear();
    return std::visit(
        [&](const auto& is) -> result<value_view> {
          using node = std::remove_cvref_t<decltype(is)>;
          if constexpr (std::is_same_v<node, list_node> || std::is_same_v<node, map_node>) {
            if (auto ok = write_msgpack(d, storage); !ok) return std::unexpected(ok.error());
            return value_view{value_kind::msgpack, storage};
          } else {
            return to_canonical{storage}(is);
          }
        },
        d.is);
  });
}

result<document> to_document(const value_view& v, const limits& bounds) {
  return guarded([&] { return make_document(v, bounds); });
}

}  // namespace codecs

// What is JSON already stays as it is, once it was seen to be that: numbers keep all their digits.
result<std::string> to_json(const value_view& v) {
  return codecs::guarded([&]() -> result<std::string> {
    auto d = codecs::to_document(v);
    if (!d) return std::unexpected(std::move(d).error());
    if (v.kind == value_kind::json) return std::string(v.bytes);
    std::string out;
    if (auto ok = codecs::write_json(*d, out); !ok) return std::unexpected(std::move(ok).error());
    return out;
  });
}

// What is MessagePack already stays as it is, with the extension types that documents do not have.
result<std::string> to_msgpack(const value_view& v) {
  return codecs::guarded([&]() -> result<std::string> {
    auto d = codecs::to_document(v);
    // Only of a whole and sound one does the reader say that it is of a wrong type.
    const bool is_sound = d || d.error() == errc::wrong_type;
    if (v.kind == value_kind::msgpack && is_sound) return std::string(v.bytes);
    if (!d) return std::unexpected(std::move(d).error());
    std::string out;
    if (auto ok = codecs::write_msgpack(*d, out); !ok) {
      return std::unexpected(std::move(ok).error());
    }
    return out;
  });
}

result<value> from_json(std::string_view json) {
  return codecs::guarded([&]() -> result<value> {
    auto d = codecs::read_json(json);
    if (!d) return std::unexpected(std::move(d).error());
    value out;
    auto v = codecs::to_value(*d, out.bytes);
    if (!v) return std::unexpected(std::move(v).error());
    out.kind = v->kind;
    return out;
  });
}

}  // namespace memcxx
