// Values of one dialect without a client, for the clients over Python's own sockets.
// Never here: flags and formats themselves, I/O, pickling.
#include <cstdint>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/dialect.hpp>
#include <memcxx/options.hpp>

#include "callbacks.hpp"
#include "client.hpp"
#include "convert.hpp"
#include "errors.hpp"

namespace memcxx::python {

namespace {

nb::bytes bytes_of(std::string_view s) { return nb::bytes(s.data(), s.size()); }

template <class T>
T value_or_raise(result<T> r) {
  if (!r) raise(r.error());
  return std::move(*r);
}

// Threads: immutable, safe to share.
class py_value_codec {
 public:
  // `options`: what stands behind the '?' of a URI.
  py_value_codec(const std::string& options, nb::object dumps, nb::object loads)
      : pickling_{std::move(dumps), std::move(loads)}, codec_(make(options)) {}

  // (flags, bytes)
  nb::tuple pack(nb::handle key, nb::handle object, std::optional<std::size_t> min_compress) {
    arena memory;
    nb::object made;
    const value_view v = value_of(object, memory, made);
    value_codec::packed out;
    if (const auto ok = codec_.pack(to_key(key), v, out, min_compress); !ok) raise(ok.error());
    return nb::make_tuple(out.flags, bytes_of(out.bytes));
  }

  // `missing` when the item is that of another long key.
  nb::object unpack(nb::handle key, std::uint32_t flags, nb::bytes bytes, nb::object missing) {
    std::string storage;
    const std::string_view view(bytes.c_str(), bytes.size());
    auto v = codec_.unpack(to_key(key), flags, view, storage, value_codec::opaque_values::kept);
    if (!v && v.error() == errc::miss) return missing;
    if (v) v = checked(*v, storage);
    if (v) return to_object(*v, pickling_);
    raise(v.error().item() ? v.error() : v.error().about({flags, view}));
  }

  // What goes over the wire for a key: the key, or the stand-in of one that is too long.
  nb::object item_key(nb::handle key) {
    std::string storage;
    const std::string_view given = to_key(key);
    const std::string_view k = codec_.item_key(given, storage);
    if (k.data() == given.data()) return nb::borrow(key);
    return bytes_of(k);
  }

  // None when the value fits in one item, or (flags, bytes, flags of the pieces,
  // [(key, bytes), …]).
  nb::object split(nb::handle key, std::uint32_t flags, nb::bytes bytes) {
    value_codec::packed whole;
    whole.flags = flags;
    whole.bytes = {bytes.c_str(), bytes.size()};
    const auto s = codec_.split(to_key(key), whole);
    if (!s) return nb::none();
    nb::list pieces;
    for (const auto& p : s->pieces) {
      pieces.append(nb::make_tuple(bytes_of(p.key), bytes_of(p.bytes)));
    }
    return nb::make_tuple(s->flags, bytes_of(s->bytes), s->piece_flags, pieces);
  }
  int visit_all(visitproc visit, void* arg) const { return pickling_.visit_all(visit, arg); }
  void clear() { pickling_.clear(); }

  bool is_split(std::uint32_t flags) const { return codec_.is_split(flags); }
  value_codec::join_plan pieces_of(nb::handle key, std::uint32_t flags, nb::bytes bytes) {
    return value_or_raise(codec_.pieces_of(to_key(key), flags, {bytes.c_str(), bytes.size()}));
  }

 private:
  value_view value_of(nb::handle object, arena& memory, nb::object& made) const try {
    return to_value(object, pickling_, memory, made);
  } catch (const exception& e) {
    raise(e.error());
  }
  static value_codec make(const std::string& options) {
    const auto o = value_or_raise(parse_uri("memory://" + (options.empty() ? "" : "?" + options)));
    return value_or_raise(value_codec::make(o.values, o.prefix.size()));
  }

  pickling pickling_;
  value_codec codec_;
};

// The bytes of all pieces together, in the order of the plan's keys. Errors: corrupt_value.
nb::bytes join(const value_codec::join_plan& plan, const std::vector<nb::bytes>& pieces) {
  if (pieces.size() != plan.keys.size()) throw nb::value_error("a piece for each key");
  std::string all;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (plan.size && plan.piece_size != 0) {
      const bool last = i + 1 == pieces.size();
      const std::size_t expected = last ? *plan.size - i * plan.piece_size : plan.piece_size;
      if (pieces[i].size() != expected) {
        raise(error(errc::corrupt_value, "piece " + std::to_string(i) + " has " +
                                             std::to_string(pieces[i].size()) +
                                             " bytes instead of " + std::to_string(expected)));
      }
    }
    all.append(pieces[i].c_str(), pieces[i].size());
  }
  if (const auto ok = value_codec::check_joined(plan, all); !ok) raise(ok.error());
  return bytes_of(all);
}

}  // namespace

void bind_values(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<value_codec::join_plan>(m, "JoinPlan")
      .def_ro("flags", &value_codec::join_plan::flags)
      .def_prop_ro("keys",
                   [](const value_codec::join_plan& p) {
                     nb::list out;
                     for (const std::string& key : p.keys) out.append(bytes_of(key));
                     return out;
                   })
      .def("join", &join, "pieces"_a);
  nb::class_<py_value_codec>(m, "ValueCodec", nb::type_slots(collected<py_value_codec>))
      .def(nb::init<const std::string&, nb::object, nb::object>(), "options"_a = "",
           "dumps"_a = nb::none(), "loads"_a = nb::none())
      .def("pack", &py_value_codec::pack, "key"_a, "value"_a.none(), "min_compress"_a = nb::none())
      .def("unpack", &py_value_codec::unpack, "key"_a, "flags"_a, "value"_a,
           "missing"_a = nb::none())
      .def("item_key", &py_value_codec::item_key, "key"_a)
      .def("split", &py_value_codec::split, "key"_a, "flags"_a, "value"_a)
      .def("is_split", &py_value_codec::is_split, "flags"_a)
      .def("pieces_of", &py_value_codec::pieces_of, "key"_a, "flags"_a, "value"_a);
}

}  // namespace memcxx::python
