// See request.hpp.
#include "request.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <nanobind/stl/string_view.h>
#include <optional>

#include <memcxx/command.hpp>

#include "errors.hpp"

namespace memcxx::python {

namespace {

using protocol::refusal;
using protocol::request;
using protocol::verb;

std::optional<verb> verb_named(std::string_view name) {
  for (unsigned v = 0; v <= static_cast<unsigned>(verb::config); ++v) {
    if (protocol::name_of(static_cast<verb>(v)) == name) return static_cast<verb>(v);
  }
  return std::nullopt;
}

// The commands know what is wrong with a ttl, or with a cas token of 0.
refusal to_request(verb v, std::string_view key, std::string_view value, const request_parts& p,
                   request& out) {
  switch (v) {
    case verb::get:
      return commands::get{key, p.reading}.to_request(out);
    case verb::gat:
      return commands::gat{key, p.live, p.reading}.to_request(out);
    case verb::set:
    case verb::add:
    case verb::replace:
    case verb::append:
    case verb::prepend:
    case verb::cas:
      return commands::store{v, key, value, {.flags = p.flags, .ttl = p.live, .cas = p.cas}}
          .to_request(out);
    case verb::remove:
      return commands::remove{key, {.cas = p.cas}}.to_request(out);
    case verb::touch:
      return commands::touch{key, p.live}.to_request(out);
    case verb::incr:
    case verb::decr:
      return commands::count{v, key, p.number, {.initial = p.initial, .ttl = p.live}}.to_request(
          out);
    case verb::debug:
      return commands::debug{key}.to_request(out);
    case verb::flush:
      return commands::flush{std::chrono::seconds(p.number)}.to_request(out);
    case verb::stats:
      return commands::stats{key}.to_request(out);
    case verb::version:
      return commands::version{}.to_request(out);
    case verb::verbosity:
      if (p.number > std::numeric_limits<std::uint32_t>::max()) {
        return {errc::invalid_argument, "verbosity: the level has more than 32 bits"};
      }
      return commands::verbosity{static_cast<std::uint32_t>(p.number)}.to_request(out);
    case verb::ping:
      return commands::ping{}.to_request(out);
    case verb::config:
      break;
  }
  return {errc::not_supported, "no request for this verb"};
}

// What is refused before any I/O is refused by the client in its own words, also when nobody waits.
[[noreturn]] void refuse(client& c, const refusal& no, std::string_view key,
                         std::optional<std::string_view> value) {
  if (value) {
    if (const auto said = c.set(key, *value); !said && said.error() == no.code) raise(said.error());
  } else if (const auto said = c.get(key); !said && said.error() == no.code) {
    raise(said.error());
  }
  raise(error(no.code, std::string(no.why)));
}

}  // namespace

py_request make_request(client& c, std::string_view name, std::string_view key,
                        const request_parts& parts) {
  const auto op = verb_named(name);
  if (!op) throw nb::value_error("no such verb");
  const options& o = c.settings();
  std::string_view value;
  if (parts.value.is_valid()) {
    value = {PyBytes_AsString(parts.value.ptr()),
             static_cast<std::size_t>(PyBytes_Size(parts.value.ptr()))};
  }
  py_request out;
  if (const refusal no = to_request(*op, key, value, parts, out.head)) {
    raise(error(no.code, std::string(no.why)));
  }
  const bool named = protocol::names_item(*op);
  if (named) {
    const bool any_byte =
        o.protocol == protocol_choice::meta || o.protocol == protocol_choice::binary;
    if (const auto no = protocol::check_key(o.prefix, key, any_byte)) {
      refuse(c, no, key, std::nullopt);
    }
    if (value.size() > o.max_value_size) {
      refuse(c, {errc::value_too_large, "the value is longer than max_value_size"}, key, value);
    }
    out.key = o.prefix;
  }
  out.key.append(key);
  out.head.key = out.head.value = {};
  out.value = parts.value;
  return out;
}

void bind_request(nb::module_& m) {
  nb::class_<py_request>(m, "Request")
      .def_prop_ro("verb", [](const py_request& r) { return protocol::name_of(r.head.op); })
      .def_prop_ro("key", [](const py_request& r) { return nb::bytes(r.key.data(), r.key.size()); })
      .def_prop_ro("cas", [](const py_request& r) { return r.head.cas; })
      // Bytes of key and value.
      .def_prop_ro("size",
                   [](const py_request& r) { return r.key.size() + r.on_wire().value.size(); })
      // Asking twice leaves no more behind than asking once.
      .def_prop_ro("changes_nothing", [](const py_request& r) {
        return r.head.op == verb::debug ||
               (r.head.op == verb::get && !r.head.vivify_ttl && !r.head.recache_ttl);
      });
}

}  // namespace memcxx::python
