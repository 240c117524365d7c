// Requests that are made and checked before there is a connection: what the clients over Python's
// own sockets send. Never here: sockets, routing.
#pragma once

#include <nanobind/nanobind.h>
#include <string>
#include <string_view>

#include <memcxx/client.hpp>
#include <memcxx/protocol/request.hpp>

namespace memcxx::python {

namespace nb = nanobind;

// A request with bytes of its own; it may be sent any number of times, over any connection.
struct py_request {
  protocol::request head;   // without its views
  std::string key;          // with the client's prefix
  nb::object value;         // bytes, or none
  bool attributes = false;  // the response tells an item's attributes, not only flags and cas
  bool as_text = false;     // of statistics: every value as the server wrote it

  [[nodiscard]] protocol::request on_wire() const {
    protocol::request r = head;
    r.key = key;
    if (value.is_valid()) {
      r.value = {PyBytes_AsString(value.ptr()),
                 static_cast<std::size_t>(PyBytes_Size(value.ptr()))};
    }
    return r;
  }
};

// What a request may have beside its verb and key.
struct request_parts {
  nb::object value = {};  // bytes, or none
  std::uint32_t flags = 0;
  ttl live = {};
  std::uint64_t cas = 0;
  std::uint64_t number = 1;  // incr, decr: by how much; flush: after so many seconds; the log level
  std::optional<std::uint64_t> initial = std::nullopt;
  get_options reading = {};  // of a get or gat
};

// Checks what `c` would check before any I/O; raises what it would answer.
py_request make_request(client& c, std::string_view verb, std::string_view key,
                        const request_parts& parts);

void bind_request(nb::module_& m);  // Request

}  // namespace memcxx::python
