// The blocking client for Python: verbs over typed values, and over items as they are for the
// packages that decide about flags themselves. The GIL is let go of while a call is under way.
// Never here: protocols, routing, pickling.
#include "client.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/client.hpp>

#include "answers.hpp"
#include "callbacks.hpp"
#include "convert.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "hub.hpp"
#include "reading.hpp"
#include "request.hpp"
#include "room.hpp"
#include "stats.hpp"
#include "storing.hpp"
#include "unawaited.hpp"

namespace memcxx::python {

namespace {

using protocol::verb;

// Without the GIL.
template <class Work>
auto unlocked(Work&& work) {
  const gil_released release;
  return work();
}

nb::handle item_of(nb::handle tuple, std::size_t i) {
  return NB_TUPLE_GET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i));
}

// What `within` was given; the package has checked it.
std::chrono::milliseconds timeout_of(double seconds) {
  if (!(seconds > 0)) raise(error(errc::invalid_argument, "a timeout is more than 0"));
  return std::chrono::ceil<std::chrono::milliseconds>(
      std::chrono::duration<double>(std::min(seconds, 86'400.0)));
}

std::optional<verb> store_verb(std::string_view name) {
  for (const verb v :
       {verb::set, verb::add, verb::replace, verb::append, verb::prepend, verb::cas}) {
    if (protocol::name_of(v) == name) return v;
  }
  return std::nullopt;
}

// A client with its pickling. Threads: safe to share.
class py_client {
 public:
  py_client(const std::string& servers, nb::object dumps, nb::object loads, nb::object on_down,
            nb::object on_up)
      : pickling_{std::move(dumps), std::move(loads)},
        callbacks_(std::move(on_down), std::move(on_up)),
        client_(make(servers, callbacks_)),
        timeout_(std::chrono::duration<double>(client_.settings().timeout).count()) {}

  py_client(const py_client& other, double timeout)
      : pickling_(other.pickling_),
        callbacks_(other.callbacks_),
        client_(other.client_.within(timeout_of(timeout))),
        timeout_(timeout),
        minds_greenlets_(other.minds_greenlets_) {}

  // From now on a call is refused where it would hold up greenlets.
  void mind_greenlets() { minds_greenlets_ = true; }

  int visit_all(visitproc visit, void* arg) const {
    if (const int stop = pickling_.visit_all(visit, arg); stop != 0) return stop;
    return callbacks_.visit_all(visit, arg);
  }
  void clear() {
    pickling_.clear();
    callbacks_.clear();
  }

  // --- typed values
  nb::object get(nb::handle key, nb::object fallback) {
    return read_one(reading::form::typed, key, false, std::nullopt, std::move(fallback));
  }
  nb::object gat(nb::handle key, nb::handle live, nb::object fallback) {
    return read_one(reading::form::typed, key, false, to_ttl(live), std::move(fallback));
  }
  // (value, attributes), or None.
  nb::object get_item(nb::handle key, const get_options& o) {
    const std::string_view k = to_key(key);
    const auto r = unlocked([&] { return client_.get_item<incoming>(k, o); });
    if (r)
      return nb::make_tuple(to_object({r->value.kind, r->value.bytes}, pickling_), dict_of(*r));
    if (r.error() == errc::miss) return nb::none();
    raise(r.error());
  }
  nb::dict get_many(nb::handle wanted, bool errors_too) {
    return read_many(reading::form::typed, wanted, false, errors_too);
  }
  bool store(verb op, nb::handle key, nb::handle object, nb::handle live, std::uint64_t cas,
             std::optional<std::size_t> min_compress) {
    const std::string_view k = to_key(key);
    storing one(op, 1, {.ttl = to_ttl(live), .cas = cas, .min_compress = min_compress}, values());
    one.add(k, object, pickling_);
    unlocked([&] { client_.run(one); });
    if (one.status(0) == errc::ok) return true;
    const auto no = {errc::not_stored, errc::exists, errc::miss};
    if (!one.splits()) return is_done(result<stored>(std::unexpected(one.why(0))), no);
    const auto whole = one.commands();
    return is_done(unlocked([&] { return client_.execute(whole.front()); }), no);
  }
  nb::dict store_many(verb op, nb::handle pairs, nb::handle live,
                      std::optional<std::size_t> min_compress) {
    // Silence is success; but of an add the answer is wanted.
    const store_options o{
        .ttl = to_ttl(live), .quiet = op == verb::set, .min_compress = min_compress};
    const nb::object mine = pairs_of(pairs);
    const std::size_t n = nb::len(mine);
    storing all(op, n, o, values());
    PyObject *key = nullptr, *object = nullptr;
    Py_ssize_t at = 0;
    while (all.size() < n && PyDict_Next(mine.ptr(), &at, &key, &object) != 0) {
      all.add(to_key(key), object, pickling_);
    }
    unlocked([&] { client_.run(all); });
    const auto keys = [&] { return nb::steal(PyDict_Keys(mine.ptr())); };
    if (!all.splits()) return undone(keys, all);
    outcomes_call<commands::store_value> whole(all.commands());
    unlocked([&] { client_.run(whole.what()); });
    all.note(whole.take());
    return undone(keys, all);
  }

  // --- items as they are: bytes and flags
  // (bytes, flags, cas), or None.
  nb::object get_raw(nb::handle key) {
    return read_one(reading::form::raw, key, true, std::nullopt, nb::none());
  }
  nb::object gat_raw(nb::handle key, nb::handle live) {
    return read_one(reading::form::raw, key, true, to_ttl(live), nb::none());
  }
  // {key: (bytes, flags, cas)} of the hits; what failed raises, or is its exception.
  nb::dict get_many_raw(nb::handle wanted, bool with_cas, bool errors_too) {
    return read_many(reading::form::raw, wanted, with_cas, errors_too);
  }
  // "stored", "not_stored", "exists" or "miss".
  nb::object store_raw(std::string_view name, nb::handle key, nb::bytes bytes, std::uint32_t flags,
                       nb::handle live, std::uint64_t cas, bool quiet) {
    const auto op = store_verb(name);
    if (!op) throw nb::value_error("no such store");
    const commands::store c{*op,
                            to_key(key),
                            {bytes.c_str(), bytes.size()},
                            {.flags = flags, .ttl = to_ttl(live), .cas = cas, .quiet = quiet}};
    const auto r = unlocked([&] { return client_.execute(c); });
    if (r) return nb::str("stored");
    if (fault_of(r.error().code()) != fault::answer) raise(r.error());
    const std::string_view answer = name_of(r.error().code());
    return nb::str(answer.data(), answer.size());
  }
  // Of (key, bytes, flags): {key: False or exception} of those that were not stored; False: the
  // server said so. `quiet`: returns when all is written; what goes wrong later is counted.
  nb::dict set_many_raw(nb::handle entries, nb::handle live, bool quiet) {
    const nb::object mine = tuple_of(entries);
    const std::size_t n = nb::len(mine);
    storing all(verb::set, n, {.ttl = to_ttl(live), .quiet = true}, values());
    for (std::size_t i = 0; i < n; ++i) {
      const nb::handle e = item_of(mine, i);  // a tuple keeps what is in it
      std::uint32_t flags = 0;
      // A subclass may say of itself whatever it likes.
      if (!PyTuple_Check(e.ptr()) || PyTuple_Size(e.ptr()) != 3 ||
          !PyBytes_Check(item_of(e, 1).ptr()) || !nb::try_cast(item_of(e, 2), flags)) {
        throw nb::type_error("an entry is (key, bytes, flags)");
      }
      all.add(to_key(item_of(e, 0)), bytes_of(item_of(e, 1)), flags);
    }
    run(all, quiet);
    nb::dict out;
    for (std::size_t i = 0; i < n; ++i) {
      if (all.status(i) != errc::ok) out[item_of(item_of(mine, i), 0)] = not_done(all.why(i));
    }
    return out;
  }

  // --- verbs without a value
  bool remove(nb::handle key, bool quiet, std::uint64_t cas) {
    const std::string_view k = to_key(key);
    const auto r = unlocked([&] { return client_.remove(k, {.cas = cas, .quiet = quiet}); });
    return is_done(r, {errc::miss, errc::exists});
  }
  nb::dict remove_many(nb::handle wanted, bool quiet) {
    const nb::object mine = tuple_of(wanted);
    std::vector<commands::remove> removes(nb::len(mine));
    for (std::size_t i = 0; i < removes.size(); ++i) {
      removes[i] = {to_key(item_of(mine, i)), {.quiet = quiet}};
    }
    outcomes_call<commands::remove> all(std::move(removes));
    run(all.what(), quiet);
    return undone([&] { return mine; }, all.take());
  }
  bool touch(nb::handle key, nb::handle live, bool quiet) {
    return is_done(run_one(commands::touch{to_key(key), to_ttl(live)}, quiet), {errc::miss});
  }
  nb::object count(verb op, nb::handle key, std::uint64_t delta,
                   std::optional<std::uint64_t> initial, nb::handle live, bool quiet) {
    const commands::count c{op, to_key(key), delta, {.initial = initial, .ttl = to_ttl(live)}};
    const auto r = run_one(c, quiet);
    if (r) return quiet ? nb::object(nb::none()) : nb::int_(r->value);
    if (r.error() == errc::miss) return nb::none();
    raise(r.error());
  }

  // --- every server
  nb::dict flush_all(nb::handle delay, bool quiet) {
    const double s = to_double(delay);
    if (!(s >= 0)) raise(error(errc::invalid_argument, "flush: the delay is negative"));
    // Beyond what a ttl may be it is refused; here it has to fit in a duration.
    const auto wait = std::chrono::duration<double>(std::min(s, 1e12));
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
    const auto r = unlocked([&] { return client_.flush(seconds, quiet); });
    return by_server(r, [](const done&) { return nb::bool_(true); });
  }
  nb::dict stats(const std::string& group, bool text) {
    if (text) {
      const auto r = unlocked([&] { return text_stats_of(client_, group); });
      return by_server(r, [](const text_statistics& all) { return dict_of(all); });
    }
    const auto r = unlocked([&] { return client_.stats(group); });
    return by_server(r, [](const statistics& all) { return dict_of(all); });
  }
  nb::dict version() {
    const auto r = unlocked([&] { return client_.version(); });
    return by_server(r, [](const std::string& v) { return nb::str(v.data(), v.size()); });
  }
  nb::dict ping() {
    const auto r = unlocked([&] { return client_.ping(); });
    return by_server(r, [](const done&) { return nb::bool_(true); });
  }
  nb::dict verbosity(std::uint32_t level) {
    const auto r = unlocked([&] { return client_.verbosity(level); });
    return by_server(r, [](const done&) { return nb::bool_(true); });
  }
  // {server: whether it had the item}
  nb::dict remove_everywhere(nb::handle key) {
    const std::string_view k = to_key(key);
    const auto replies = unlocked([&] { return client_.remove_everywhere(k); });
    nb::dict out;
    for (const auto& r : replies) {
      out[nb::str(r.server.data(), r.server.size())] = r.reply ? nb::object(nb::bool_(true))
                                                       : r.reply.error() == errc::miss
                                                           ? nb::object(nb::bool_(false))
                                                           : exception_of(r.reply.error());
    }
    return out;
  }

  // --- requests for other engines
  py_request request(std::string_view verb, nb::handle key, nb::object value, std::uint32_t flags,
                     nb::handle live, std::uint64_t cas, std::uint64_t number,
                     std::optional<std::uint64_t> initial, bool want_cas, bool as_text) {
    request_parts p{.value = value.is_none() ? nb::object() : std::move(value),
                    .flags = flags,
                    .live = to_ttl(live),
                    .cas = cas,
                    .number = number,
                    .initial = initial,
                    .reading = {.cas = want_cas}};
    if (p.value.is_valid() && !PyBytes_Check(p.value.ptr())) {
      throw nb::type_error("the bytes of an item are bytes");
    }
    py_request r = make_request(client_, verb, to_key(key), p);
    r.as_text = as_text;
    return r;
  }
  py_request item_request(nb::handle key, const get_options& o) {
    py_request r = make_request(client_, "get", to_key(key), {.reading = o});
    r.attributes = true;
    return r;
  }
  nb::dict settings() const {
    const options& o = client_.settings();
    const auto seconds = [](std::chrono::milliseconds d) {
      return std::chrono::duration<double>(d).count();
    };
    const auto name = name_of(o.protocol);
    nb::dict out;
    out["protocol"] = nb::str(name.data(), name.size());
    out["timeout"] = seconds(o.timeout);
    out["connect_timeout"] = seconds(o.connect_timeout);
    out["pool_size"] = o.pool_size;
    out["max_value_size"] = o.max_value_size;
    out["check_keys"] = o.check_keys;
    out["keepalive"] = o.keepalive;
    out["errors_are_misses"] = o.on_error == error_policy::miss;
    out["max_failures"] = o.health.max_failures;
    out["max_failure_rate"] = o.health.max_failure_rate;
    out["retry_min"] = seconds(o.health.retry_min);
    out["retry_max"] = seconds(o.health.retry_max);
    out["gutter"] = o.failover == failover_policy::gutter;
    out["replicas"] = o.replicas;
    out["flush_on_reconnect"] = o.flush_on_reconnect;
    out["hash_long_keys"] = o.values.hash_long_keys;
    bool network = true;
    for (const server_address& s : o.servers) network = network && s.scheme == "memcached";
    out["network"] = network;
    return out;
  }

  // --- servers
  std::string which(nb::handle key) { return client_.which(to_key(key)); }
  std::vector<std::string> places(nb::handle key) { return client_.places(to_key(key)); }
  std::vector<std::string> servers() { return client_.servers(); }
  void add_server(const std::string& server) {
    const auto address = value_or_raise(parse_server(server));
    value_or_raise(python::unlocked([&] { return client_.add_server(address); }));
  }
  void remove_server(const std::string& server) {
    value_or_raise(python::unlocked([&] { return client_.remove_server(server); }));
  }
  void replace_servers(const std::vector<std::string>& servers) {
    std::vector<server_address> all;
    for (const std::string& s : servers) all.push_back(value_or_raise(parse_server(s)));
    value_or_raise(python::unlocked([&] { return client_.replace_servers(std::move(all)); }));
  }
  void disconnect() {
    python::unlocked([&] { client_.disconnect(); });
  }
  std::uint64_t unclaimed_errors() const { return client_.unclaimed_errors(); }
  double timeout() const { return timeout_; }

 private:
  static client make(const std::string& servers, const callbacks& those) {
    auto o = value_or_raise(parse_uri(servers));
    those.install(o);
    return value_or_raise(client::create(std::move(o)));
  }
  // A call, without the GIL.
  template <class Work>
  std::invoke_result_t<Work> unlocked(Work&& work) const {
    if (minds_greenlets_) let_greenlets_run();
    return python::unlocked(std::forward<Work>(work));
  }
  const value_options& values() const { return client_.settings().values; }
  void run(call& c, bool quiet) {
    unawaited unheard(c);
    unlocked([&] { client_.run(quiet ? unheard : c); });
  }
  template <class Command>
  result<typename Command::reply> run_one(const Command& c, bool quiet) {
    single_call<Command> one(c);
    run(one, quiet);
    return one.take();
  }
  nb::object read_one(reading::form as, nb::handle key, bool cas, const std::optional<ttl>& touch,
                      nb::object fallback) {
    const std::string_view k = to_key(key);
    reading one(as, 1, cas, touch);
    one.add(k);
    if (nb::object room = room_.take(); room.is_valid()) one.offer(std::move(room));
    unlocked([&] { client_.run(one); });
    const errc became = one.status(0);
    if (became == errc::ok) {
      room_.saw(one.size_of(0));
      nb::object out = one.object(0, pickling_);
      room_.give_back(one.take_room());
      return out;
    }
    room_.give_back(one.take_room());
    if (became == errc::miss) return fallback;
    raise(one.why(0));
  }
  nb::dict read_many(reading::form as, nb::handle wanted, bool cas, bool errors_too) {
    const nb::object mine = tuple_of(wanted);
    const std::size_t n = nb::len(mine);
    reading all(as, n, cas);
    for (std::size_t i = 0; i < n; ++i) all.add(to_key(item_of(mine, i)));
    unlocked([&] { client_.run(all); });
    return all.dict(mine, pickling_, errors_too);
  }

  pickling pickling_;
  large_room room_;
  callbacks callbacks_;
  client client_;
  double timeout_;  // seconds
  bool minds_greenlets_ = false;
};

get_options item_options(bool ttl, bool last_access, bool hit_before, bool size, nb::handle vivify,
                         nb::handle recache) {
  get_options o{.ttl = ttl, .last_access = last_access, .hit_before = hit_before, .size = size};
  if (!vivify.is_none()) o.vivify = to_ttl(vivify);
  if (!recache.is_none()) o.recache = to_ttl(recache);
  return o;
}

}  // namespace

void bind_client(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<py_client>(m, "Client", nb::type_slots(collected<py_client>))
      .def(nb::init<const std::string&, nb::object, nb::object, nb::object, nb::object>(),
           "servers"_a, "dumps"_a = nb::none(), "loads"_a = nb::none(),
           "on_server_down"_a = nb::none(), "on_server_up"_a = nb::none())
      // The same client with another timeout.
      .def(
          "__init__",
          [](py_client* at, const py_client& other, double seconds) {
            std::construct_at(at, other, seconds);
          },
          "other"_a, "timeout"_a)
      .def(
          "within", [](const py_client& c, double seconds) { return py_client(c, seconds); },
          "timeout"_a)
      .def("get", &py_client::get, "key"_a, "default"_a = nb::none(), "The value, or `default`.")
      .def("gat", &py_client::gat, "key"_a, "ttl"_a.none(), "default"_a = nb::none(),
           "The value, whose ttl (seconds, timedelta, datetime) is set; or `default`.")
      .def(
          "get_item",
          [](py_client& c, nb::handle key, bool ttl, bool last_access, bool hit_before, bool size,
             nb::handle vivify, nb::handle recache) {
            return c.get_item(key,
                              item_options(ttl, last_access, hit_before, size, vivify, recache));
          },
          "key"_a, "ttl"_a = false, "last_access"_a = false, "hit_before"_a = false,
          "size"_a = false, "vivify"_a = nb::none(), "recache"_a = nb::none(),
          "(value, attributes), or None.")
      .def("get_many", &py_client::get_many, "keys"_a, "errors_too"_a = false,
           "{key: value} of the hits; what failed raises, or is its exception.")
      .def(
          "store",
          [](py_client& c, std::string_view name, nb::handle key, nb::handle value, nb::handle ttl,
             std::uint64_t cas, std::optional<std::size_t> min_compress) {
            const auto op = store_verb(name);
            if (!op) throw nb::value_error("no such store");
            return c.store(*op, key, value, ttl, cas, min_compress);
          },
          "verb"_a, "key"_a, "value"_a.none(), "ttl"_a.none() = 0, "cas"_a = 0,
          "min_compress"_a = nb::none(), "What set, add, replace and cas are made of.")
      .def(
          "set",
          [](py_client& c, nb::handle key, nb::handle value, nb::handle ttl,
             std::optional<std::size_t> min_compress) {
            return c.store(verb::set, key, value, ttl, 0, min_compress);
          },
          "key"_a, "value"_a.none(), "ttl"_a.none() = 0, "min_compress"_a = nb::none(),
          "Stores, whatever is there. True. `ttl`: seconds (0, None: for ever; negative: expired), "
          "a timedelta or a datetime.")
      .def(
          "set_many",
          [](py_client& c, nb::handle pairs, nb::handle ttl,
             std::optional<std::size_t> min_compress) {
            return c.store_many(verb::set, pairs, ttl, min_compress);
          },
          "pairs"_a, "ttl"_a.none() = 0, "min_compress"_a = nb::none(),
          "{key: exception} of those that were not stored; False in place of one that is a miss by "
          "on_error.")
      .def(
          "add_many",
          [](py_client& c, nb::handle pairs, nb::handle ttl,
             std::optional<std::size_t> min_compress) {
            return c.store_many(verb::add, pairs, ttl, min_compress);
          },
          "pairs"_a, "ttl"_a.none() = 0, "min_compress"_a = nb::none(),
          "{key: False or exception} of those that were not stored; False: there is an item.")
      .def("get_raw", &py_client::get_raw, "key"_a, "(bytes, flags, cas), or None.")
      .def("gat_raw", &py_client::gat_raw, "key"_a, "ttl"_a.none())
      .def("get_many_raw", &py_client::get_many_raw, "keys"_a, "cas"_a = false,
           "errors_too"_a = false)
      .def("store_raw", &py_client::store_raw, "verb"_a, "key"_a, "value"_a, "flags"_a = 0,
           "ttl"_a.none() = 0, "cas"_a = 0, "quiet"_a = false)
      .def("set_many_raw", &py_client::set_many_raw, "entries"_a, "ttl"_a.none() = 0,
           "quiet"_a = false)
      .def("delete", &py_client::remove, "key"_a, "quiet"_a = false, "cas"_a = 0,
           "False when there was no item.")
      .def("delete_many", &py_client::remove_many, "keys"_a, "quiet"_a = false,
           "{key: False or exception} of those that were not deleted; False: there was no item.")
      .def("delete_everywhere", &py_client::remove_everywhere, "key"_a,
           "{server: whether it had the item}, for keys that moved between them.")
      .def("touch", &py_client::touch, "key"_a, "ttl"_a.none() = 0, "quiet"_a = false,
           "Sets the ttl; False when there is no item.")
      .def(
          "incr",
          [](py_client& c, nb::handle key, std::uint64_t delta,
             std::optional<std::uint64_t> initial, nb::handle ttl,
             bool quiet) { return c.count(verb::incr, key, delta, initial, ttl, quiet); },
          "key"_a, "delta"_a = 1, "initial"_a = nb::none(), "ttl"_a.none() = 0, "quiet"_a = false,
          "The counter's new value; None when there is none. `initial` creates it.")
      .def(
          "decr",
          [](py_client& c, nb::handle key, std::uint64_t delta,
             std::optional<std::uint64_t> initial, nb::handle ttl,
             bool quiet) { return c.count(verb::decr, key, delta, initial, ttl, quiet); },
          "key"_a, "delta"_a = 1, "initial"_a = nb::none(), "ttl"_a.none() = 0, "quiet"_a = false,
          "As incr, but downwards; it stops at 0.")
      .def("flush_all", &py_client::flush_all, "delay"_a = 0, "quiet"_a = false,
           "Drops everything on every server, after `delay` seconds. {server: True or exception}")
      .def("stats", &py_client::stats, "group"_a = "", "text"_a = false,
           "{server: {name: int, float or str}}; with `text` every value as the server wrote it.")
      .def("version", &py_client::version)
      .def("ping", &py_client::ping)
      .def("verbosity", &py_client::verbosity, "level"_a)
      .def("request", &py_client::request, "verb"_a, "key"_a = "", "value"_a = nb::none(),
           "flags"_a = 0, "ttl"_a.none() = 0, "cas"_a = 0, "number"_a = 1, "initial"_a = nb::none(),
           "want_cas"_a = false, "as_text"_a = false)
      .def(
          "item_request",
          [](py_client& c, nb::handle key, bool ttl, bool last_access, bool hit_before, bool size,
             nb::handle vivify, nb::handle recache) {
            return c.item_request(
                key, item_options(ttl, last_access, hit_before, size, vivify, recache));
          },
          "key"_a, "ttl"_a = false, "last_access"_a = false, "hit_before"_a = false,
          "size"_a = false, "vivify"_a = nb::none(), "recache"_a = nb::none())
      .def("_mind_greenlets", &py_client::mind_greenlets)
      .def("settings", &py_client::settings)
      .def("which", &py_client::which, "key"_a, "The server that a key lives on.")
      .def("places", &py_client::places, "key"_a)
      .def("servers", &py_client::servers)
      .def("add_server", &py_client::add_server, "server"_a)
      .def("remove_server", &py_client::remove_server, "server"_a)
      .def("replace_servers", &py_client::replace_servers, "servers"_a)
      .def("disconnect", &py_client::disconnect,
           "Closes idle connections; the next call opens what it needs.")
      .def("unclaimed_errors", &py_client::unclaimed_errors,
           "Failures of quiet calls, which nobody waited for.")
      .def_prop_ro("timeout", &py_client::timeout);
  // (name, host, port), or for a unix socket (name, path, None).
  m.def(
      "parse_server",
      [](const std::string& text) {
        const server_address a = value_or_raise(parse_server(text));
        return nb::make_tuple(a.name(), a.host,
                              a.is_unix ? nb::object(nb::none()) : nb::object(nb::int_(a.port)));
      },
      "server"_a);
}

}  // namespace memcxx::python
