// JSON by nlohmann's library (nlohmann-json3-dev): its json type itself, and types that have its
// to_json and from_json.
//
//   client.set("u1", memcxx::as_json{user});                  // through to_json
//   auto user = client.get<memcxx::as_json<user_type>>("u1");  // through from_json
//   auto any = client.get<nlohmann::json>("u1");
//
// Reads JSON, MessagePack, and the scalars as the JSON that they are. What JSON cannot hold is not
// written: bytes, infinities, nan, text that is not UTF-8 (the library would write null, or throw).
// from_json converts between numbers as C++ does, 1.5 to 1 and 300 to a char: where that matters,
// it has to check.
// Errors: corrupt_value; wrong_type for another kind, for an integer over 64 bits, for what JSON
// cannot hold, and for what to_json and from_json throw; out_of_memory. Threads: nothing is shared.
// Never here: JSON between dialects, which needs no library.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/codec.hpp>

namespace memcxx {

// Stores a T as JSON.
template <class T>
struct as_json {
  T value{};
  bool operator==(const as_json&) const = default;
};
template <class T>
as_json(T) -> as_json<T>;

namespace detail {

// What is being thrown, as an error. Call it where something has been caught.
inline std::unexpected<error> json_failure() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return std::unexpected(error(errc::out_of_memory));
  } catch (const std::exception& e) {
    return std::unexpected(error(errc::wrong_type, std::string("json: ") + e.what()));
  }
}

// What JSON cannot hold; empty when it holds everything.
template <class Json>
std::string_view unwritable_in_json(const Json& j, std::size_t depth = 0) {
  switch (j.type()) {
    case Json::value_t::number_float:
      return std::isfinite(j.template get_ref<const typename Json::number_float_t&>())
                 ? std::string_view()
                 : "json cannot hold infinities and nan";
    case Json::value_t::binary:
      return "json cannot hold bytes";
    case Json::value_t::discarded:
      return "json cannot hold a discarded value";
    case Json::value_t::array:
    case Json::value_t::object:
      if (depth == max_nesting) return "nested too deeply for json";
      for (const Json& inner : j)
        if (const auto what = unwritable_in_json(inner, depth + 1); !what.empty()) return what;
      return {};
    default:
      return {};
  }
}

template <class Json>
struct json_codec {
  static result<value_view> encode(const Json& j, std::string& scratch) {
    if (const auto what = unwritable_in_json(j); !what.empty())
      return std::unexpected(error(errc::wrong_type, std::string(what)));
    try {
      scratch = j.dump();
      return value_view{value_kind::json, scratch};
    } catch (const std::exception&) {
      return json_failure();
    }
  }

  static result<void> decode(const value_view& v, Json& out) {
    try {
      switch (v.kind) {
        case value_kind::json:
          if (auto ok = check_json(v.bytes); !ok) return ok;
          out = Json::parse(v.bytes);
          return {};
        case value_kind::msgpack:
          if (auto ok = check_msgpack(v.bytes, true); !ok) return ok;
          out = Json::from_msgpack(v.bytes);
          return {};
        case value_kind::text:
          if (!is_utf8(v.bytes)) return std::unexpected(error(errc::corrupt_value, "not UTF-8"));
          out = std::string(v.bytes);
          return {};
        case value_kind::integer:
          return v.bytes.contains('-') ? scalar<std::int64_t>(v, out)
                                       : scalar<std::uint64_t>(v, out);
        case value_kind::floating:
          return scalar<double>(v, out);
        case value_kind::boolean:
          return scalar<bool>(v, out);
        case value_kind::none:
          out = nullptr;
          return {};
        default:
          return wrong_type(v, "json");
      }
    } catch (const nlohmann::json::parse_error& e) {
      // MessagePack has been found sound, and is only not JSON.
      const errc code = v.kind == value_kind::json ? errc::corrupt_value : errc::wrong_type;
      return std::unexpected(error(code, std::string("json: ") + e.what()));
    } catch (const std::exception&) {
      return json_failure();
    }
  }

 private:
  template <class T>
  static result<void> scalar(const value_view& v, Json& out) {
    T n{};
    if (auto ok = codec<T>::decode(v, n); !ok) return ok;
    out = n;
    return {};
  }
};

}  // namespace detail

template <>
struct codec<nlohmann::json> : detail::json_codec<nlohmann::json> {};
template <>
struct codec<nlohmann::ordered_json> : detail::json_codec<nlohmann::ordered_json> {};

template <class T>
struct codec<as_json<T>> {
  static result<value_view> encode(const as_json<T>& v, std::string& scratch)
    requires requires { nlohmann::json(v.value); }
  {
    try {
      return codec<nlohmann::json>::encode(nlohmann::json(v.value), scratch);
    } catch (const std::exception&) {
      return detail::json_failure();
    }
  }

  static result<void> decode(const value_view& v, as_json<T>& out)
    requires std::movable<T> && requires(const nlohmann::json& j) { j.get_to(out.value); }
  {
    try {
      nlohmann::json j;
      if (auto ok = codec<nlohmann::json>::decode(v, j); !ok) return ok;
      // from_json may leave members as they are: they are to be the type's, not what `out` had.
      T fresh{};
      j.get_to(fresh);
      out.value = std::move(fresh);
      return {};
    } catch (const std::exception&) {
      return detail::json_failure();
    }
  }
};

}  // namespace memcxx
