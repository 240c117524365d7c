// Structures as MessagePack, by msgpack-cxx (libmsgpack-cxx-dev): the containers of the standard
// library, nested as one likes, and whatever msgpack-cxx packs itself: a class with MSGPACK_DEFINE
// or MSGPACK_DEFINE_MAP, an enum with MSGPACK_ADD_ENUM, an adaptor in its default API namespace.
//
//   struct user { std::string name; std::vector<int> groups; MSGPACK_DEFINE_MAP(name, groups) };
//   client.set("u1", user{"ann", {1, 2}});
//
// What has a codec of its own keeps it. A std::string in a structure is MessagePack's str, which
// other languages read as text; bytes are a std::vector<unsigned char>.
// Reading is exact for what stands here: a tuple or std::array wants as many elements as it has, a
// number has to fit. Within a class it is as msgpack-cxx has it: MSGPACK_DEFINE leaves members
// that are missing at their default and ignores what is new, so that old and new programs
// understand each other.
// Errors: wrong_type for another kind or shape, and for what a class's own code throws;
// corrupt_value; out_of_memory. Reading a list of N elements takes at most N bytes of input, so it
// costs sizeof(T) for each at worst. Threads: nothing is shared.
// Never here: MessagePack between dialects, which needs no msgpack-cxx.
// A struct's members own what they hold: a view in one (std::string_view, raw_ref, msgpack::object)
// would refer to bytes that are gone when the read returns.
#pragma once

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <msgpack.hpp>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <memcxx/codec.hpp>

namespace memcxx::detail {

struct msgpack_sink {
  std::string& out;
  void write(const char* bytes, std::size_t size) { out.append(bytes, size); }

  // spec.md, "float format family".
  template <class Bits>
  static std::array<char, sizeof(Bits) + 1> floating(unsigned char head, Bits bits) {
    std::array<char, sizeof(Bits) + 1> out{static_cast<char>(head)};
    for (std::size_t i = sizeof(Bits); i > 0; --i, bits >>= 8)
      out[i] = static_cast<char>(bits & 0xff);
    return out;
  }
};

}  // namespace memcxx::detail

// msgpack-cxx packs a whole double as an integer: -0.0 would lose its sign, and others would read
// an integer. Into this sink a double is a double.
namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {
  template <>
  inline packer<memcxx::detail::msgpack_sink>& packer<memcxx::detail::msgpack_sink>::pack_double(
      double d) {
    const auto bytes =
        memcxx::detail::msgpack_sink::floating(0xcb, std::bit_cast<std::uint64_t>(d));
    append_buffer(bytes.data(), bytes.size());
    return *this;
  }
  template <>
  inline packer<memcxx::detail::msgpack_sink>& packer<memcxx::detail::msgpack_sink>::pack_float(
      float f) {
    const auto bytes =
        memcxx::detail::msgpack_sink::floating(0xca, std::bit_cast<std::uint32_t>(f));
    append_buffer(bytes.data(), bytes.size());
    return *this;
  }
}
}  // namespace msgpack

namespace memcxx {
namespace detail {

// The primary templates of msgpack-cxx's default API derive from those of its first, whose own
// specialisations are for the types below; a user's derives from nothing.
template <class T>
concept packs_itself = requires(const T& v, msgpack::packer<msgpack_sink>& to) {
  v.msgpack_pack(to);
} || !std::derived_from<msgpack::adaptor::pack<T>, msgpack::v1::adaptor::pack<T>>;
template <class T>
concept unpacks_itself = requires(T& v, const msgpack::object& from) {
  v.msgpack_unpack(from);
} || !std::derived_from<msgpack::adaptor::convert<T>, msgpack::v1::adaptor::convert<T>>;

// What msgpack-cxx can do with a type, known without asking it: its own templates accept anything,
// and fail to compile. `checked` types have to `fit` before they are converted, because conversion
// would take what is not the value.
template <class T>
struct msgpack_shape {
  static constexpr bool packs = packs_itself<T>;
  static constexpr bool unpacks = unpacks_itself<T>;
  static constexpr bool checked = false;
  static bool fits(const msgpack::object&) { return true; }
};

struct msgpack_scalar {
  static constexpr bool packs = true;
  static constexpr bool unpacks = true;
  static constexpr bool checked = false;
  static bool fits(const msgpack::object&) { return true; }
};
template <>
struct msgpack_shape<bool> : msgpack_scalar {};
template <>
struct msgpack_shape<char> : msgpack_scalar {};
template <>
struct msgpack_shape<std::byte> : msgpack_scalar {};
template <>
struct msgpack_shape<std::string> : msgpack_scalar {};
template <plain_integer T>
struct msgpack_shape<T> : msgpack_scalar {};
template <>
struct msgpack_shape<std::string_view> : msgpack_scalar {
  static constexpr bool unpacks = false;  // it would point into what is gone
};

// The rules of codec<double> and codec<float>.
template <class T>
  requires std::same_as<T, double> || std::same_as<T, float>
struct msgpack_shape<T> : msgpack_scalar {
  static constexpr bool checked = true;
  static bool fits(const msgpack::object& o) {
    switch (o.type) {
      case msgpack::type::POSITIVE_INTEGER:
        return holds(o.via.u64);
      case msgpack::type::NEGATIVE_INTEGER:
        return holds(0 - static_cast<std::uint64_t>(o.via.i64));
      case msgpack::type::FLOAT64:
        return !std::isfinite(o.via.f64) || o.via.f64 == 0 ||
               (std::abs(o.via.f64) <= static_cast<double>(std::numeric_limits<T>::max()) &&
                static_cast<T>(o.via.f64) != 0);
      default:
        return true;
    }
  }
  static bool holds(std::uint64_t magnitude) {
    return magnitude == 0 || 64 - std::countl_zero(magnitude) - std::countr_zero(magnitude) <=
                                 std::numeric_limits<T>::digits;
  }
};

template <class T>
struct msgpack_sequence {
  static constexpr bool packs = msgpack_shape<T>::packs;
  static constexpr bool unpacks = msgpack_shape<T>::unpacks && std::default_initializable<T>;
  static constexpr bool checked = msgpack_shape<T>::checked;
  static bool fits(const msgpack::object& o) {
    if (!checked || o.type != msgpack::type::ARRAY) return true;
    return std::all_of(o.via.array.ptr, o.via.array.ptr + o.via.array.size, msgpack_shape<T>::fits);
  }
};
template <class T, class A>
struct msgpack_shape<std::vector<T, A>> : msgpack_sequence<T> {};
template <class T, class A>
struct msgpack_shape<std::deque<T, A>> : msgpack_sequence<T> {};
template <class T, class A>
struct msgpack_shape<std::list<T, A>> : msgpack_sequence<T> {};
template <class T, class A>
struct msgpack_shape<std::forward_list<T, A>> : msgpack_sequence<T> {};
template <class T, class C, class A>
struct msgpack_shape<std::set<T, C, A>> : msgpack_sequence<T> {};
template <class T, class C, class A>
struct msgpack_shape<std::multiset<T, C, A>> : msgpack_sequence<T> {};
template <class T, class H, class E, class A>
struct msgpack_shape<std::unordered_set<T, H, E, A>> : msgpack_sequence<T> {};
template <class T, class H, class E, class A>
struct msgpack_shape<std::unordered_multiset<T, H, E, A>> : msgpack_sequence<T> {};

template <class K, class V>
struct msgpack_pairs {
  static constexpr bool packs = msgpack_shape<K>::packs && msgpack_shape<V>::packs;
  static constexpr bool unpacks = msgpack_shape<K>::unpacks && msgpack_shape<V>::unpacks &&
                                  std::default_initializable<K> && std::default_initializable<V>;
  static constexpr bool checked = msgpack_shape<K>::checked || msgpack_shape<V>::checked;
  static bool fits(const msgpack::object& o) {
    if (!checked || o.type != msgpack::type::MAP) return true;
    return std::all_of(o.via.map.ptr, o.via.map.ptr + o.via.map.size, [](const auto& pair) {
      return msgpack_shape<K>::fits(pair.key) && msgpack_shape<V>::fits(pair.val);
    });
  }
};
template <class K, class V, class C, class A>
struct msgpack_shape<std::map<K, V, C, A>> : msgpack_pairs<K, V> {};
template <class K, class V, class C, class A>
struct msgpack_shape<std::multimap<K, V, C, A>> : msgpack_pairs<K, V> {};
template <class K, class V, class H, class E, class A>
struct msgpack_shape<std::unordered_map<K, V, H, E, A>> : msgpack_pairs<K, V> {};
template <class K, class V, class H, class E, class A>
struct msgpack_shape<std::unordered_multimap<K, V, H, E, A>> : msgpack_pairs<K, V> {};

// As many elements as the type has, in an array. Other objects are for the conversion to refuse.
template <class... Ts>
struct msgpack_fixed {
  static constexpr bool packs = (msgpack_shape<Ts>::packs && ...);
  static constexpr bool unpacks = (msgpack_shape<Ts>::unpacks && ...);
  static constexpr bool checked = true;
  static bool fits(const msgpack::object& o) {
    if (o.type != msgpack::type::ARRAY) return true;
    if (o.via.array.size != sizeof...(Ts)) return false;
    [[maybe_unused]] const msgpack::object* next = o.via.array.ptr;
    return (msgpack_shape<Ts>::fits(*next++) && ...);
  }
};
template <class... Ts>
struct msgpack_shape<std::tuple<Ts...>> : msgpack_fixed<Ts...> {};
template <class A, class B>
struct msgpack_shape<std::pair<A, B>> : msgpack_fixed<A, B> {};
template <class T, std::size_t N>
struct msgpack_shape<std::array<T, N>> : msgpack_sequence<T> {
  static constexpr bool checked = true;
  static bool fits(const msgpack::object& o) {
    switch (o.type) {
      case msgpack::type::ARRAY:
        return o.via.array.size == N && msgpack_sequence<T>::fits(o);
      case msgpack::type::BIN:
        return o.via.bin.size == N;
      case msgpack::type::STR:
        return o.via.str.size == N;
      default:
        return true;
    }
  }
};
template <class T>
struct msgpack_shape<std::optional<T>> : msgpack_sequence<T> {
  static bool fits(const msgpack::object& o) { return o.is_nil() || msgpack_shape<T>::fits(o); }
};

// What is being thrown, as an error. Call it where something has been caught.
inline std::unexpected<error> msgpack_failure() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return std::unexpected(error(errc::out_of_memory));
  } catch (const msgpack::unpack_error& e) {
    return std::unexpected(error(errc::corrupt_value, std::string("msgpack: ") + e.what()));
  } catch (const msgpack::type_error&) {
    return std::unexpected(error(errc::wrong_type, "stored as msgpack, of another structure"));
  } catch (const std::exception& e) {
    return std::unexpected(error(errc::wrong_type, std::string("msgpack: ") + e.what()));
  }
}

}  // namespace detail

template <class T>
  requires std::is_class_v<T> &&
           (detail::msgpack_shape<T>::packs || detail::msgpack_shape<T>::unpacks)
struct codec<T> {
  static result<value_view> encode(const T& v, std::string& scratch)
    requires detail::msgpack_shape<T>::packs
  {
    try {
      scratch.clear();
      detail::msgpack_sink sink{scratch};
      msgpack::packer<detail::msgpack_sink>(sink).pack(v);
      return value_view{value_kind::msgpack, scratch};
    } catch (const std::exception&) {
      return detail::msgpack_failure();
    }
  }

  static result<void> decode(const value_view& v, T& out)
    requires(detail::msgpack_shape<T>::unpacks && std::movable<T>)
  {
    using shape = detail::msgpack_shape<T>;
    if (v.kind != value_kind::msgpack) return wrong_type(v, "a structure");
    // msgpack-cxx allocates what an array or map says that it has, before it looks.
    if (auto ok = check_msgpack(v.bytes); !ok) return ok;
    try {
      const std::size_t size = v.bytes.size();
      const msgpack::unpack_limit limit(size, size, size, size, size, max_nesting + 1);
      std::size_t offset = 0;
      bool referenced = false;
      const auto in_place = [](msgpack::type::object_type, std::size_t, void*) { return true; };
      const msgpack::object_handle handle =
          msgpack::unpack(v.bytes.data(), size, offset, referenced, in_place, nullptr, limit);
      if (shape::checked && !shape::fits(handle.get())) return wrong_type(v, "another structure");
      // A class may leave members as they are: they are to be the type's, not what `out` had.
      T fresh{};
      handle.get().convert(fresh);
      out = std::move(fresh);
      return {};
    } catch (const std::exception&) {
      return detail::msgpack_failure();
    }
  }
};

}  // namespace memcxx
