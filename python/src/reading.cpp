// See reading.hpp.
#include "reading.hpp"

#include <functional>
#include <new>
#include <utility>

#include "errors.hpp"
#include "room.hpp"

namespace memcxx::python {

using protocol::response;

namespace {

// What is unpacked up to so many bytes is copied once more, and the string used for the next.
constexpr std::size_t copied = 4096;

bool within(const char* p, const std::string& s) noexcept {
  return std::less_equal<>{}(s.data(), p) && std::less_equal<>{}(p, s.data() + s.size());
}

// Of a value: where it came from, and the item as it was read.
error about(const error& why, std::string_view server, const response& r) {
  return error(why.code(), std::string(why.message()), std::string(server))
      .about({r.flags, r.value});
}

// Puts an object into a tuple that is being made; takes the reference.
void put(const nb::object& tuple, Py_ssize_t i, nb::object object) {
  if (!object.is_valid() || PyTuple_SetItem(tuple.ptr(), i, object.release().ptr()) != 0) {
    throw nb::python_error();
  }
}

}  // namespace

reading::reading(form as, std::size_t n, bool cas, const std::optional<ttl>& touch)
    : form_(as), command_{.key = {}, .ttl = touch, .options = {.cas = cas}} {
  if (n > 1) entries_ = memory_.array<entry>(n);
}

reading::~reading() {
  using use = thread_buffer::use;
  for (std::string& s : kept_) thread_buffer::give_back(use::unpacking, std::move(s));
  if (unpacks_) thread_buffer::give_back(use::unpacking, std::move(unpacked_));
}

void reading::offer(nb::object room) {
  room_bytes_ = {PyBytes_AsString(room.ptr()), nb::len(room)};
  room_ = std::move(room);
}

void reading::name_long_keys(const value_codec& values) {
  names_ = memory_.array<std::string_view>(count_);
  std::string storage;
  for (std::size_t i = 0; i < count_; ++i) {
    const std::string_view name = values.item_key(entries_[i].key, storage);
    names_[i] = name.data() == entries_[i].key.data() ? name : memory_.copy(name);
  }
}

bool reading::begin_step(unsigned step, const value_codec& values) noexcept try {
  if (step == 0) {
    values_ = &values;
    if (form_ == form::typed) {
      plain_is_verbatim_ = values.is_verbatim(0);
      if (values.options().hash_long_keys) name_long_keys(values);
    }
    return count_ != 0;
  }
  later_ = true;
  parts_.clear();
  for (std::size_t i = 0; i < wholes_.size(); ++i) {
    auto& read = wholes_[i]->read;
    if (read.begin_step(step, values)) parts_.add(i, read.parts());
  }
  return parts_.size() != 0;
} catch (...) {
  parts_.clear();
  if (step == 0) {
    for (std::size_t i = 0; i < count_; ++i) entries_[i].status = errc::out_of_memory;
  }
  for (const auto& w : wholes_) w->read.outcome() = std::unexpected(error(errc::out_of_memory));
  return false;
}

protocol::refusal reading::request(std::size_t i, protocol::request& out) const noexcept {
  if (later_) [[unlikely]] {
    const auto [which, part] = parts_[i];
    return wholes_[which]->read.request(part, out);
  }
  const protocol::refusal no = command_.to_request(out);
  out.key = name_of(i);
  return no;
}

protocol::refusal reading::request_after(std::size_t i, protocol::request& out) const noexcept {
  if (later_) [[unlikely]] {
    out = {};
    return request(i, out);
  }
  out.key = name_of(i);  // one request() was not refused, and only the keys differ
  return {};
}

std::span<char> reading::on_value(std::size_t i, const response& head, std::size_t n) noexcept try {
  if (later_) [[unlikely]] {
    const auto [which, part] = parts_[i];
    return wholes_[which]->read.on_value(part, head, n);
  }
  const bool fits = n >= large_room::least && n <= room_bytes_.size();
  const bool as_it_is = form_ == form::raw || (head.flags == 0 && plain_is_verbatim_);
  char* const at = fits && as_it_is ? room_bytes_.data() : memory_.take(n);
  entries_[i].bytes = {at, n};
  return {at, n};
} catch (...) {
  return {};  // the connection finds room, or fails
}

void reading::on_response(std::size_t i, const response& r, std::string_view server) noexcept try {
  if (later_) [[unlikely]] {
    const auto [which, part] = parts_[i];
    return wholes_[which]->read.on_response(part, r, server);
  }
  entry& e = entries_[i];
  if (r.status != errc::ok) {
    if (r.status == errc::miss) {
      e.status = errc::miss;
    } else {
      fail(e, error_of(r, server));
    }
    return;
  }
  if (form_ == form::typed) {
    const bool plain = r.flags == 0 && plain_is_verbatim_;
    // The stub of somebody who fills it, or an item that this caller is to refresh.
    const bool special = r.won || r.already_won;
    if (!plain || special) return interpret(e, r, server);
  }
  // Either it was read straight into the arena, or it is still in the receive buffer.
  if (r.value.data() != e.bytes.data()) e.bytes = memory_.copy(r.value);
  e.flags = r.flags;
  e.cas = r.cas;
  e.status = errc::ok;
} catch (...) {
  fail(entries_[i], errc::out_of_memory);
}

// A typed value that is not its bytes as they are.
void reading::interpret(entry& e, const response& r, std::string_view server) {
  if (r.won || r.already_won || values_->is_split(r.flags)) return follow(e, r, server);
  if (!std::exchange(unpacks_, true)) {
    unpacked_ = thread_buffer::take(thread_buffer::use::unpacking);
  }
  const bool placed = r.value.data() == e.bytes.data();
  auto v = values_->unpack(e.key, r.flags, r.value, unpacked_, value_codec::opaque_values::kept);
  if (v) v = checked(*v, unpacked_);
  if (!v) return fail(e, v.error() == errc::miss ? v.error() : about(v.error(), server, r));
  e.kind = v->kind;
  if (v->bytes.empty()) {
    e.bytes = {};
  } else if (within(v->bytes.data(), unpacked_) && v->bytes.size() > copied) {
    kept_.push_back(std::move(unpacked_));  // too long for a string to have it in itself
    e.bytes = v->bytes;
  } else {
    e.bytes = placed && !within(v->bytes.data(), unpacked_) ? v->bytes : memory_.copy(v->bytes);
  }
  e.status = errc::ok;
}

void reading::follow(entry& e, const response& r, std::string_view server) {
  commands::read_value c = command_;
  c.key = e.key;
  wholes_.push_back(std::make_unique<whole>(c));
  auto& read = wholes_.back()->read;
  if (read.begin_step(0, *values_)) read.on_response(0, r, server);
  e.status = errc::ok;  // so far
  e.more = static_cast<std::uint32_t>(wholes_.size());
}

void reading::fail(entry& e, error why) noexcept {
  e.status = why.code();
  e.more = 0;
  if (why.message().empty() && why.server().empty() && !why.item()) return;
  try {
    errors_.push_back(std::move(why));
    e.more = static_cast<std::uint32_t>(errors_.size());
  } catch (...) {
    e.status = errc::out_of_memory;
  }
}

// --- what Python gets ----------------------------------------------------------------------------

error reading::why(std::size_t i) const {
  const entry& e = entries_[i];
  if (e.more == 0) return e.status;
  if (e.status == errc::ok) return wholes_[e.more - 1]->read.outcome().error();
  return errors_[e.more - 1];
}

nb::object reading::bytes_of(const entry& e) {
  if (e.bytes.empty() || e.bytes.data() != room_bytes_.data()) return new_bytes(e.bytes);
  if (e.bytes.size() == room_bytes_.size()) return std::move(room_);
#ifdef Py_LIMITED_API
  return new_bytes(e.bytes);  // nothing there makes an object shorter
#else
  PyObject* made = room_.release().ptr();
  if (_PyBytes_Resize(&made, static_cast<Py_ssize_t>(e.bytes.size())) != 0) {
    throw nb::python_error();
  }
  return nb::steal(made);
#endif
}

nb::object reading::object_of(const entry& e, const pickling& p) {
  if (form_ == form::raw) {
    nb::object out = nb::steal(PyTuple_New(3));
    if (!out.is_valid()) throw nb::python_error();
    put(out, 0, bytes_of(e));
    put(out, 1, nb::steal(PyLong_FromUnsignedLong(e.flags)));
    put(out, 2, nb::steal(PyLong_FromUnsignedLongLong(e.cas)));
    return out;
  }
  if (e.more != 0) {
    const incoming& v = *wholes_[e.more - 1]->read.outcome();
    return to_object({v.kind, v.bytes}, p);
  }
  if (e.kind == value_kind::bytes) return bytes_of(e);
  return to_object({e.kind, e.bytes}, p);
}

nb::dict reading::dict(nb::handle keys, const pickling& p, bool errors_too) {
  nb::dict out;
  if (!out.is_valid()) throw nb::python_error();
  const auto set = [&](std::size_t i, const nb::object& value) {
    PyObject* const key = NB_TUPLE_GET_ITEM(keys.ptr(), static_cast<Py_ssize_t>(i));
    // There is no object where there was no memory for it.
    if (!value.is_valid() || PyDict_SetItem(out.ptr(), key, value.ptr()) != 0) {
      throw nb::python_error();
    }
  };
  const bool plain = form_ == form::typed;
  for (std::size_t i = 0; i < count_; ++i) {
    const entry& e = entries_[i];
    const errc became = status_of(e);
    if (became == errc::ok && plain && e.more == 0 && e.kind == value_kind::bytes) [[likely]] {
      set(i, new_bytes(e.bytes));
      continue;
    }
    if (became == errc::miss) continue;
    if (became != errc::ok) {
      if (!errors_too) raise(why(i));
      set(i, exception_of(why(i)));
      continue;
    }
    if (!errors_too) {
      set(i, object_of(e, p));
      continue;
    }
    nb::object value;
    try {
      value = object_of(e, p);
      if (!value.is_valid()) throw nb::python_error();
    } catch (nb::python_error& failed) {
      if (!failed.matches(PyExc_Exception)) throw;
      value = exception_of(failed);
    }
    set(i, value);
  }
  return out;
}

nb::object tuple_of(nb::handle iterable) {
  if (PyUnicode_Check(iterable.ptr()) || PyBytes_Check(iterable.ptr())) {
    throw nb::type_error("many are a list or another iterable, and not one str or bytes");
  }
  nb::object out = nb::steal(PySequence_Tuple(iterable.ptr()));
  if (!out.is_valid()) throw nb::python_error();
  return out;
}

nb::object pairs_of(nb::handle mapping) {
  if (PyDict_CheckExact(mapping.ptr())) {
    nb::object out = nb::steal(PyDict_Copy(mapping.ptr()));
    if (!out.is_valid()) throw nb::python_error();
    return out;
  }
  if (!nb::hasattr(mapping, "keys")) throw nb::type_error("many are a mapping: {key: value}");
  nb::dict out;
  if (!out.is_valid() || PyDict_Update(out.ptr(), mapping.ptr()) != 0) throw nb::python_error();
  return out;
}

}  // namespace memcxx::python
