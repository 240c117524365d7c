// See convert.hpp.
#include "convert.hpp"

#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <nanobind/stl/string.h>
#include <string>

#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

#include <memcxx/value.hpp>

#include "errors.hpp"

namespace memcxx::python {

namespace {

constexpr int deepest = 100;

struct packer : msgpack::packer<msgpack::sbuffer> {
  explicit packer(msgpack::sbuffer& b) : msgpack::packer<msgpack::sbuffer>(b), buffer(b) {}
  // The library's own makes an integer of 1.0.
  void pack_float64(double d) {
    char out[9] = {'\xcb'};
    const auto bits = std::bit_cast<std::uint64_t>(d);
    for (unsigned i = 0; i < 8; ++i) out[1 + i] = static_cast<char>(bits >> (56 - 8 * i));
    buffer.write(out, sizeof(out));
  }
  msgpack::sbuffer& buffer;
};

std::string type_of(nb::handle object) {
  return nb::cast<std::string>(object.type().attr("__name__"));
}

[[noreturn]] void refuse(nb::handle object, const char* why) {
  throw nb::type_error(("cannot store a " + type_of(object) + why).c_str());
}

void pack(packer& out, PyObject* object, int depth) {
  if (depth > deepest) {
    throw nb::value_error("cannot store a list or dict that is nested deeper than 100 levels");
  }
  if (object == Py_None) {
    out.pack_nil();
  } else if (PyBool_Check(object)) {
    object == Py_True ? out.pack_true() : out.pack_false();
  } else if (PyLong_CheckExact(object)) {
    int overflow = 0;
    const long long n = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) {
      out.pack_int64(n);
    } else {
      const unsigned long long u = PyLong_AsUnsignedLongLong(object);
      if (PyErr_Occurred() != nullptr) {
        PyErr_Clear();
        throw exception(error(errc::wrong_type, "an int beyond 64 bits inside a list or dict"));
      }
      out.pack_uint64(u);
    }
  } else if (PyFloat_CheckExact(object)) {
    out.pack_float64(PyFloat_AsDouble(object));
  } else if (PyUnicode_CheckExact(object)) {
    const std::string_view text = utf8_of(object);
    out.pack_str(static_cast<std::uint32_t>(text.size()));
    out.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
  } else if (PyBytes_CheckExact(object)) {
    const std::string_view bytes = bytes_of(object);
    out.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  } else if (PyList_CheckExact(object)) {
    const Py_ssize_t n = PyList_Size(object);
    out.pack_array(static_cast<std::uint32_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* const each = PyList_GetItem(object, i);
      if (each == nullptr) throw nb::python_error();
      pack(out, each, depth + 1);
    }
  } else if (PyDict_CheckExact(object)) {
    out.pack_map(static_cast<std::uint32_t>(PyDict_Size(object)));
    PyObject *key = nullptr, *item = nullptr;
    for (Py_ssize_t at = 0; PyDict_Next(object, &at, &key, &item) != 0;) {
      pack(out, key, depth + 1);
      pack(out, item, depth + 1);
    }
  } else {
    refuse(object,
           " inside a list or dict; plain data is None, bool, int, float, str, bytes, "
           "list and dict");
  }
}

nb::object unpack(const msgpack::object& o) {
  switch (o.type) {
    case msgpack::type::NIL:
      return nb::none();
    case msgpack::type::BOOLEAN:
      return nb::bool_(o.via.boolean);
    case msgpack::type::POSITIVE_INTEGER:
      return nb::steal(PyLong_FromUnsignedLongLong(o.via.u64));
    case msgpack::type::NEGATIVE_INTEGER:
      return nb::steal(PyLong_FromLongLong(o.via.i64));
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      return nb::float_(o.via.f64);
    case msgpack::type::STR: {
      PyObject* const text =
          PyUnicode_DecodeUTF8(o.via.str.ptr, static_cast<Py_ssize_t>(o.via.str.size), nullptr);
      if (text == nullptr) throw nb::python_error();
      return nb::steal(text);
    }
    case msgpack::type::BIN:
      return nb::bytes(o.via.bin.ptr, o.via.bin.size);
    case msgpack::type::EXT:
      raise(error(errc::wrong_type, "a MessagePack extension"));
    case msgpack::type::ARRAY: {
      nb::list out;
      for (std::uint32_t i = 0; i < o.via.array.size; ++i) out.append(unpack(o.via.array.ptr[i]));
      return out;
    }
    case msgpack::type::MAP: {
      nb::dict out;
      for (std::uint32_t i = 0; i < o.via.map.size; ++i) {
        out[unpack(o.via.map.ptr[i].key)] = unpack(o.via.map.ptr[i].val);
      }
      return out;
    }
  }
  raise(error(errc::corrupt_value, "a MessagePack value of no known type"));
}

nb::object unpack(std::string_view bytes) {
  // Nothing may declare more members or bytes than the input has.
  const msgpack::unpack_limit bounds(bytes.size(), bytes.size(), bytes.size(), bytes.size(),
                                     bytes.size(), deepest + 1);
  try {
    std::size_t end = 0;
    const msgpack::object_handle o =
        msgpack::unpack(bytes.data(), bytes.size(), end, nullptr, nullptr, bounds);
    if (end != bytes.size()) raise(error(errc::corrupt_value, "bytes behind a MessagePack value"));
    return unpack(o.get());
  } catch (const msgpack::unpack_error& e) {
    raise(error(errc::corrupt_value, std::string("MessagePack: ") + e.what()));
  }
}

nb::object integer_of(std::string_view digits) {
  long long n = 0;
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (r.ec == std::errc{} && r.ptr == digits.data() + digits.size()) {
    return nb::steal(PyLong_FromLongLong(n));
  }
  PyObject* const big = PyLong_FromString(std::string(digits).c_str(), nullptr, 10);
  if (big == nullptr) throw nb::python_error();
  return nb::steal(big);
}

nb::object seconds_of(const std::optional<std::chrono::seconds>& s) {
  return s ? nb::object(nb::int_(s->count())) : nb::object(nb::none());
}

nb::object object_of(const stat_value& v) {
  return std::visit(
      [](const auto& x) -> nb::object {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return nb::steal(PyUnicode_DecodeUTF8(x.data(), static_cast<Py_ssize_t>(x.size()),
                                                "backslashreplace"));
        } else {
          return nb::cast(x);
        }
      },
      v);
}

// What a pickler gave.
value_view dumped(nb::object given, nb::object& made) {
  value_kind kind = value_kind::pickle;
  if (PyTuple_Check(given.ptr()) && PyTuple_Size(given.ptr()) == 2) {
    const nb::object name = given[0];
    if (!PyUnicode_Check(name.ptr()) || utf8_of(name.ptr()) != "marshal") {
      throw nb::type_error("the pickler gave neither bytes nor (\"marshal\", bytes)");
    }
    kind = value_kind::marshal;
    given = given[1];
  }
  if (!PyBytes_Check(given.ptr())) throw nb::type_error("the pickler did not give bytes");
  made = std::move(given);
  return {kind, bytes_of(made.ptr())};
}

// None is an object, too: nothing when Python's marshal cannot read it.
nb::object unmarshalled(std::string_view bytes) {
  try {
    return nb::module_::import_("marshal").attr("loads")(nb::bytes(bytes.data(), bytes.size()));
  } catch (const nb::python_error& e) {
    if (e.matches(PyExc_ValueError) || e.matches(PyExc_EOFError) || e.matches(PyExc_TypeError)) {
      return {};
    }
    throw;
  }
}

}  // namespace

value_view other_to_value(nb::handle object, const pickling& p, arena& memory, nb::object& made) {
  PyObject* const o = object.ptr();
  if (PyUnicode_CheckExact(o)) return {value_kind::text, utf8_of(o)};
  if (PyLong_CheckExact(o)) {
    int overflow = 0;
    const long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow == 0) {
      char digits[std::numeric_limits<long long>::digits10 + 2];
      const char* const end = std::to_chars(digits, std::end(digits), n).ptr;
      return {value_kind::integer, memory.copy({digits, end})};
    }
    made = nb::steal(PyObject_Str(o));
    if (!made.is_valid()) throw nb::python_error();
    return {value_kind::integer, utf8_of(made.ptr())};
  }
  if (o == Py_None) return {value_kind::none, {}};
  if (PyBool_Check(o)) return {value_kind::boolean, o == Py_True ? "1" : "0"};
  if (PyFloat_CheckExact(o)) {
    std::string scratch;
    return {value_kind::floating, memory.copy(encode_floating(PyFloat_AsDouble(o), scratch))};
  }
  if (!p.dumps.is_none()) return dumped(p.dumps(object), made);
  if (PyList_CheckExact(o) || PyDict_CheckExact(o)) {
    msgpack::sbuffer buffer;
    packer packing(buffer);
    pack(packing, o, 1);
    return {value_kind::msgpack, memory.copy({buffer.data(), buffer.size()})};
  }
  if (PyByteArray_Check(o) || PyMemoryView_Check(o)) {
    made = nb::steal(PyBytes_FromObject(o));
    if (!made.is_valid()) throw nb::python_error();
    return {value_kind::bytes, bytes_of(made.ptr())};
  }
  refuse(object, "; plain data is None, bool, int, float, str, bytes, list and dict");
}

nb::object other_to_object(const value_view& v, const pickling& p) {
  switch (v.kind) {
    case value_kind::bytes:
      return new_bytes(v.bytes);
    case value_kind::text: {
      PyObject* const text =
          PyUnicode_DecodeUTF8(v.bytes.data(), static_cast<Py_ssize_t>(v.bytes.size()), nullptr);
      if (text == nullptr) throw nb::python_error();
      return nb::steal(text);
    }
    case value_kind::integer:
      return integer_of(trimmed_integer(v));
    case value_kind::floating: {
      double d = 0;
      if (const auto ok = decode_floating(v, d); !ok) raise(ok.error());
      return nb::float_(d);
    }
    case value_kind::boolean:
      return nb::bool_(v.bytes == "1");
    case value_kind::none:
      return nb::none();
    case value_kind::msgpack:
      return unpack(v.bytes);
    case value_kind::json:
      return nb::module_::import_("json").attr("loads")(nb::bytes(v.bytes.data(), v.bytes.size()));
    case value_kind::pickle:
      if (!p.loads.is_none()) return p.loads(nb::bytes(v.bytes.data(), v.bytes.size()));
      raise(error(errc::wrong_type, "a pickle, which this client does not load"));
    case value_kind::marshal:
      // It has more types than MessagePack. What it refuses may be Python 2's.
      if (!p.loads.is_none()) {
        if (nb::object made = unmarshalled(v.bytes); made.is_valid()) return made;
      }
      [[fallthrough]];
    case value_kind::ruby: {
      auto plain = to_msgpack(v);
      if (!plain) raise(plain.error());
      return unpack(*plain);
    }
  }
  raise(error(errc::corrupt_value, "a value of no known kind"));
}

result<value_view> checked(const value_view& v, std::string& storage) {
  switch (v.kind) {
    case value_kind::msgpack:
      if (auto ok = check_msgpack(v.bytes, true); !ok) return std::unexpected(ok.error());
      break;
    case value_kind::json:
      if (auto ok = check_json(v.bytes); !ok) return std::unexpected(ok.error());
      break;
    case value_kind::floating: {
      double d = 0;
      if (auto ok = decode_floating(v, d); !ok) return std::unexpected(ok.error());
      break;
    }
    case value_kind::ruby: {
      auto plain = to_msgpack(v);
      if (!plain) return std::unexpected(std::move(plain).error());
      storage = std::move(*plain);
      return value_view{value_kind::msgpack, storage};
    }
    default:
      break;
  }
  return v;
}

void refuse_key(nb::handle object) {
  throw nb::type_error(("a key is str or bytes, not " + type_of(object)).c_str());
}

namespace {

// Nothing when it is no number.
std::optional<ttl> seconds_to_ttl(nb::handle object) {
  PyObject* const o = object.ptr();
  if (PyLong_Check(o)) {
    int overflow = 0;
    const long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (n == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
    if (overflow == 0) return std::chrono::duration<long long>(n);
    return std::chrono::duration<double>(overflow * 1e18);  // as any that is too long, or past
  }
  if (PyFloat_Check(o)) {
    const double d = PyFloat_AsDouble(o);
    if (!std::isfinite(d)) {
      raise(error(errc::invalid_argument, "a ttl is a finite number of seconds"));
    }
    return std::chrono::duration<double>(d);
  }
  return std::nullopt;
}

}  // namespace

double to_double(nb::handle object) {
  const double d = PyFloat_AsDouble(object.ptr());
  if (PyErr_Occurred() == nullptr) return d;
  if (PyErr_ExceptionMatches(PyExc_OverflowError) == 0) throw nb::python_error();
  PyErr_Clear();
  return std::numeric_limits<double>::infinity();
}

ttl to_ttl(nb::handle object) {
  if (object.is_none()) return {};
  if (const auto seconds = seconds_to_ttl(object)) return *seconds;
  // That is a number; what has it for ever (a mock) is not asked a second time.
  if (nb::hasattr(object, "total_seconds")) {
    const nb::object total = object.attr("total_seconds")();
    if (const auto seconds = seconds_to_ttl(total)) return *seconds;
    throw nb::type_error("the total_seconds() of a ttl are a number");
  }
  if (nb::hasattr(object, "timestamp")) {
    const double at = to_double(object.attr("timestamp")());
    if (!(std::abs(at) < 1e18)) {
      raise(error(errc::invalid_argument, "the timestamp() of a ttl is out of range"));
    }
    return std::chrono::sys_seconds(std::chrono::seconds(static_cast<long long>(std::ceil(at))));
  }
  throw nb::type_error("a ttl is a number of seconds, a timedelta or a datetime");
}

nb::dict dict_of(const item_attributes& a) {
  nb::dict out;
  out["flags"] = a.flags;
  out["cas"] = a.cas;
  out["ttl"] = seconds_of(a.ttl);
  out["last_access"] = seconds_of(a.last_access);
  out["hit_before"] = a.hit_before ? nb::object(nb::bool_(*a.hit_before)) : nb::object(nb::none());
  out["size"] = a.size ? nb::object(nb::int_(*a.size)) : nb::object(nb::none());
  out["won"] = a.won;
  out["stale"] = a.stale;
  out["already_won"] = a.already_won;
  return out;
}

nb::dict dict_of(const statistics& all) {
  nb::dict out;
  for (const auto& [name, v] : all) out[nb::str(name.data(), name.size())] = object_of(v);
  return out;
}

}  // namespace memcxx::python

namespace memcxx {

result<void> codec<python::incoming>::decode(const value_view& v, python::incoming& out) {
  const auto ok = python::checked(v, out.bytes);
  if (!ok) return std::unexpected(ok.error());
  out.kind = ok->kind;
  const bool is_there =
      ok->bytes.data() == out.bytes.data() && ok->bytes.size() == out.bytes.size();
  if (!is_there) out.bytes.assign(ok->bytes);
  return {};
}

}  // namespace memcxx
