// The passive connection for Python, and how the connections to a server find out what it speaks:
// what the asyncio client and the client over Python's own sockets are made of. It never touches a
// socket.
// Never here: sockets, waiting, routing.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/connection.hpp>
#include <memcxx/negotiation.hpp>
#include <memcxx/options.hpp>

#include "client.hpp"
#include "convert.hpp"
#include "errors.hpp"
#include "request.hpp"
#include "stats.hpp"

namespace memcxx::python {

namespace {

nb::bytes bytes_of(std::string_view s) { return nb::bytes(s.data(), s.size()); }
nb::str name_str(std::string_view s) { return nb::str(s.data(), s.size()); }

std::string_view name_of_verdict(verdict v) noexcept {
  switch (v) {
    case verdict::nothing:
      break;
    case verdict::failed:
      return "failed";
    case verdict::answered:
      return "answered";
  }
  return "nothing";
}

std::string_view name_of_step(negotiation::step s) noexcept {
  switch (s) {
    case negotiation::step::use:
      return "use";
    case negotiation::step::keep_and_ask:
      return "keep_and_ask";
    case negotiation::step::use_kept:
      return "use_kept";
    case negotiation::step::again:
      return "again";
    case negotiation::step::give_up:
      break;
  }
  return "give_up";
}

// Of time.monotonic(), or an event loop's time.
std::chrono::steady_clock::time_point moment(double seconds) {
  using std::chrono::steady_clock;
  return steady_clock::time_point(
      std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds)));
}

// Requests by number in, responses by number out. A number may be used again once its response came
// or it was forgotten. Threads: one at a time.
//
//   c = Connection("auto"); c.open()
//   … sock.sendall(c.output()), c.received(sock.recv(65536)) until c.ready …
//   c.send(1, client.request("get", "key"))
//   … for number, status, value, flags, cas, count, text, unsent, extra, misjudged,
//     bystander in c.received(data): …
class py_connection final {
 public:
  // With a negotiation: the next one of it, at the moment `now`.
  py_connection(const std::string& protocol, std::size_t max_value_size, bool check_keys,
                negotiation* of, double now)
      : connection_(options_of(protocol, max_value_size, check_keys, of, now)) {}

  const connection& itself() const { return connection_; }
  void open() { connection_.open(); }
  void rest() { connection_.rest(); }
  nb::str says() const { return name_str(name_of_verdict(connection_.says())); }
  double trusted_idle() const {
    return std::chrono::duration<double>(connection_.trusted_idle()).count();
  }
  bool ready() const { return connection_.ready(); }
  bool failed() const { return connection_.failed(); }
  bool has_room() const { return connection_.has_room(); }
  bool has_output() const { return connection_.has_output(); }
  bool retry_as_classic() const { return connection_.retry_as_classic(); }
  std::size_t in_flight() const { return connection_.in_flight(); }
  std::size_t abandoned() const { return connection_.abandoned(); }
  std::uint64_t replies() const { return connection_.replies(); }
  std::uint64_t unclaimed_errors() const { return connection_.unclaimed_errors(); }
  nb::str speaks() const { return name_str(name_of(connection_.speaks())); }
  nb::tuple failure() const {
    const auto text = connection_.failure_text();
    return nb::make_tuple(
        name_str(name_of(connection_.failure())),
        nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()),
                                       "backslashreplace")));
  }

  // Queues a request. An exception says why it cannot be sent; nothing was queued then.
  void send(std::uint32_t number, const py_request& request, bool quiet) {
    forget(number);  // should it still be in use
    finished_.reserve(entries_.size() + 1);
    entry& made = *(entries_[number] = std::make_unique<entry>(*this, number, request));
    protocol::request r = made.request.on_wire();
    r.quiet = quiet;
    if (const auto no = connection_.submit(r, made, number)) {
      entries_.erase(number);
      raise(error(no.code, std::string(no.why)));
    }
  }
  void fence() { connection_.fence(); }
  // Nobody waits for this request any more: its answer is read, and dropped.
  void forget(std::uint32_t number) {
    const auto at = entries_.find(number);
    if (at == entries_.end()) return;
    connection_.abandon(*at->second);
    entries_.erase(at);
  }

  // Up to `most` bytes of what is to be written. The same again until sent() says how much of it
  // was.
  nb::bytes output(std::size_t most) {
    std::size_t n = 0;
    const auto pieces = connection_.output();
    for (const auto& piece : pieces) n += piece.size();
    n = std::min(n, most);
    nb::bytes all =
        nb::steal<nb::bytes>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(n)));
    if (!all.is_valid()) throw nb::python_error();
    char* to = PyBytes_AsString(all.ptr());
    for (const auto& piece : pieces) {
      const std::size_t part = std::min(piece.size(), n);
      std::memcpy(to, piece.data(), part);
      to += part;
      n -= part;
      if (n == 0) break;
    }
    return all;
  }
  void sent(std::size_t n) { connection_.sent(n); }

  // Bytes came. Returns the responses.
  nb::list received(nb::bytes data) {
    const char* from = data.c_str();
    for (std::size_t left = data.size(); left > 0 && !connection_.failed();) {
      std::size_t n = 0;
      for (const auto& room : connection_.input()) {
        const std::size_t piece = std::min(room.size(), left - n);
        std::memcpy(room.data(), from + n, piece);
        n += piece;
        if (n == left) break;
      }
      connection_.received(n);
      from += n;
      left -= n;
    }
    return take();
  }
  nb::list closed() {
    connection_.closed();
    return take();
  }
  // `says`: what that says of the server, by one who closes it because nothing comes: "failed" or
  // "nothing".
  nb::list fail(const std::string& code, const std::string& why, const std::string& says) {
    const errc as = code == "timeout"     ? errc::timeout
                    : code == "cancelled" ? errc::cancelled
                                          : errc::connection_closed;
    if (says.empty()) {
      connection_.fail(as, why);
    } else {
      connection_.fail(as, why, says == "failed" ? verdict::failed : verdict::nothing);
    }
    return take();
  }

 private:
  // A request in flight.
  struct entry final : protocol::response_handler {
    entry(py_connection& owner, std::uint32_t its_number, const py_request& what)
        : of(owner), number(its_number), request(what) {}

    std::span<char> on_value(std::uint32_t, const protocol::response&,
                             std::size_t size) noexcept override {
      // Filled in place: it is the object that Python gets.
      value = nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
      if (!value.is_valid()) {
        PyErr_Clear();
        return {};
      }
      return {PyBytes_AsString(value.ptr()), size};
    }

    void on_response(std::uint32_t, const protocol::response& r) noexcept override {
      try {
        if (request.head.op == protocol::verb::stats) {
          if (!told) told.emplace();
          if (r.status == errc::ok) {
            request.as_text ? text_stats::read(r, told->text)
                            : commands::stats::read(r, told->typed);
          }
        }
        if (!r.more) of.done_.append(response_of(r));
      } catch (...) {
        PyErr_Clear();
        of.no_memory_ = true;
      }
      if (!r.more) of.finished_.push_back(number);  // within the reserved room
    }

    nb::tuple response_of(const protocol::response& r) {
      nb::object extra = nb::none();
      if (told) {
        extra = request.as_text ? dict_of(told->text) : dict_of(told->typed);
      } else if (request.attributes && r.status == errc::ok) {
        item_attributes a;
        commands::get::read(r, a);
        extra = dict_of(a);
      }
      const bool in_place = value.is_valid() && r.value.data() == PyBytes_AsString(value.ptr());
      nb::object bytes = in_place ? std::move(value) : nb::object(bytes_of(r.value));
      return nb::make_tuple(number, name_str(name_of(r.status)), bytes, r.flags, r.cas, r.number,
                            bytes_of(r.text), r.unsent, extra, r.misjudged, r.bystander);
    }

    py_connection& of;
    std::uint32_t number;
    py_request request;
    nb::object value;
    struct statistics_told {
      statistics typed;
      text_statistics text;  // the one or the other
    };
    std::optional<statistics_told> told;
  };

  static connection_options options_of(const std::string& protocol, std::size_t max_value_size,
                                       bool check_keys, negotiation* of, double now) {
    auto o = parse_uri("memory://?protocol=" + protocol);
    if (!o) raise(o.error());
    connection_options out;
    out.protocol = o->protocol;
    out.max_value_size = max_value_size;
    out.check_keys = check_keys;
    if (of != nullptr) of->prepare(out, moment(now));
    return out;
  }

  // What was answered since the last time. Handlers are not at work any more, so that they may go.
  nb::list take() {
    for (const std::uint32_t number : finished_) entries_.erase(number);
    finished_.clear();
    if (std::exchange(no_memory_, false)) throw std::bad_alloc();
    return std::exchange(done_, nb::list());
  }

  std::unordered_map<std::uint32_t, std::unique_ptr<entry>> entries_;
  std::vector<std::uint32_t> finished_;
  nb::list done_;
  bool no_memory_ = false;
  connection connection_;  // the last member: it refers to the others
};

}  // namespace

void bind_connection(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<protocol_memory>(m, "ProtocolMemory")
      .def(nb::init<>())
      .def(
          "takes_for_classic",
          [](const protocol_memory& memory, double now) {
            return memory.takes_for_classic(moment(now));
          },
          "now"_a)
      .def(
          "refused_meta",
          [](protocol_memory& memory, double now) { memory.refused_meta(moment(now)); }, "now"_a);
  nb::class_<negotiation>(m, "Negotiation")
      .def(nb::init<protocol_memory&>(), "memory"_a, nb::keep_alive<1, 2>())
      // "use", "keep_and_ask", "use_kept", "again" or "give_up"
      .def(
          "next",
          [](negotiation& n, const py_connection& c, double now) {
            return name_str(name_of_step(n.next(c.itself(), moment(now))));
          },
          "connection"_a, "now"_a)
      .def(
          "use_kept", [](negotiation& n, double now) { return n.use_kept(moment(now)); }, "now"_a)
      .def_prop_ro("guessed", &negotiation::guessed)
      .def_prop_ro("advice", [](const negotiation& n) { return name_str(n.advice()); });
  nb::class_<py_connection>(m, "Connection")
      .def(nb::init<const std::string&, std::size_t, bool, negotiation*, double>(),
           "protocol"_a = "auto", "max_value_size"_a = std::size_t{128} << 20,
           "check_keys"_a = true, "negotiation"_a = nb::none(), "now"_a = 0.0)
      .def("open", &py_connection::open)
      .def("rest", &py_connection::rest)
      // Once it has failed: "nothing", "failed" or "answered" of its server
      .def_prop_ro("says", &py_connection::says)
      // seconds
      .def_prop_ro("trusted_idle", &py_connection::trusted_idle)
      .def_prop_ro("ready", &py_connection::ready)
      .def_prop_ro("failed", &py_connection::failed)
      .def_prop_ro("failure", &py_connection::failure)
      .def_prop_ro("retry_as_classic", &py_connection::retry_as_classic)
      .def_prop_ro("speaks", &py_connection::speaks)
      .def_prop_ro("has_room", &py_connection::has_room)
      .def_prop_ro("has_output", &py_connection::has_output)
      .def_prop_ro("in_flight", &py_connection::in_flight)
      .def_prop_ro("abandoned", &py_connection::abandoned)
      .def_prop_ro("replies", &py_connection::replies)
      .def_prop_ro("unclaimed_errors", &py_connection::unclaimed_errors)
      .def("send", &py_connection::send, "number"_a, "request"_a, "quiet"_a = false)
      .def("fence", &py_connection::fence)
      .def("forget", &py_connection::forget, "number"_a)
      .def("output", &py_connection::output, "most"_a = std::size_t{256} << 10)
      .def("sent", &py_connection::sent, "size"_a)
      .def("received", &py_connection::received, "data"_a)
      .def("closed", &py_connection::closed)
      .def("fail", &py_connection::fail, "code"_a, "why"_a, "says"_a = "");
}

}  // namespace memcxx::python
