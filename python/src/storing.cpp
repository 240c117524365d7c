// See storing.hpp.
#include "storing.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

namespace memcxx::python {

using protocol::want;

namespace {

// What is packed up to so many bytes is copied once more, and the string used for the next.
constexpr std::size_t copied = 4096;

bool within(const char* p, const std::string& s) noexcept {
  return std::less_equal<>{}(s.data(), p) && std::less_equal<>{}(p, s.data() + s.size());
}

// Plain bytes have flags 0 and are as they are in every dialect, unless they are compressed, split,
// or have their key before them: that takes the empty ones, too.
std::size_t plain_below(const value_options& v, const store_options& o) noexcept {
  if (v.hash_long_keys) return 0;
  const auto above = [](std::size_t n) { return n == 0 || n == SIZE_MAX ? SIZE_MAX : n + 1; };
  return std::min(above(o.min_compress.value_or(v.min_compress)), above(v.split_over));
}

// The place in errors_ of one for which there was no memory.
constexpr std::uint32_t no_words = UINT32_MAX;

}  // namespace

storing::storing(protocol::verb op, std::size_t n, const store_options& o, const value_options& v)
    : op_(op), options_(o), min_compress_(o.min_compress), plain_below_(plain_below(v, o)) {
  options_.min_compress.reset();
  if (n > 1) entries_ = memory_.array<entry>(n);
}

storing::~storing() = default;

void storing::add(std::string_view key, nb::handle object, const pickling& p) {
  nb::object made;
  entry& e = entries_[count_];
  value_view v;
  try {
    v = to_value(object, p, memory_, made);
  } catch (const exception& no) {
    e.key = key;
    fail(e, no.error());
    ++count_;
    return;
  }
  if (made.is_valid()) made_.push_back(std::move(made));
  e.key = key;
  e.kind = v.kind;
  e.bytes = e.value = v.bytes;
  e.packed = v.kind == value_kind::bytes && v.bytes.size() < plain_below_;
  to_pack_ = to_pack_ || !e.packed;
  ++count_;
}

std::vector<commands::store_value> storing::commands() const {
  std::vector<commands::store_value> out;
  out.reserve(count_);
  for (std::size_t i = 0; i < count_; ++i) {
    const entry& e = entries_[i];
    if (e.why != 0) continue;
    out.push_back({.op = op_, .key = e.key, .value = e.value, .options = options_});
    out.back().options.min_compress = min_compress_;
    out.back().kind = e.kind;
  }
  return out;
}

void storing::note(const many<stored>& outcomes) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    entry& e = entries_[i];
    if (e.why != 0) continue;
    const auto& outcome = outcomes[at++];
    e.status = errc::ok;
    if (!outcome) fail(e, outcome.error());
  }
}

void storing::name_long_keys(const value_codec& values) {
  names_ = memory_.array<std::string_view>(count_);
  std::string storage;
  for (std::size_t i = 0; i < count_; ++i) {
    const std::string_view name = values.item_key(entries_[i].key, storage);
    names_[i] = name.data() == entries_[i].key.data() ? name : memory_.copy(name);
  }
}

void storing::pack(entry& e, const value_codec& values) {
  const auto ok = values.pack(e.key, {e.kind, e.value}, packing_, min_compress_);
  if (!ok) return fail(e, ok.error());
  e.flags = packing_.flags;
  if (values.options().split_over != 0 && values.split(e.key, packing_)) splits_ = true;
  if (!within(packing_.bytes.data(), packing_.storage)) {
    e.bytes = packing_.bytes;
  } else if (packing_.bytes.size() > copied) {  // too long for a string to have it in itself
    e.bytes = packing_.bytes;
    kept_.push_back(std::exchange(packing_.storage, {}));
  } else {
    e.bytes = memory_.copy(packing_.bytes);
  }
}

bool storing::begin_step(unsigned step, const value_codec& values) noexcept try {
  if (step != 0 || count_ == 0) return false;
  if (!to_pack_) return true;
  if (values.options().hash_long_keys) name_long_keys(values);
  for (std::size_t i = 0; i < count_ && !splits_; ++i) {
    if (!entries_[i].packed) pack(entries_[i], values);
  }
  return !splits_;
} catch (...) {
  for (std::size_t i = 0; i < count_; ++i) entries_[i].status = errc::out_of_memory;
  return false;
}

protocol::refusal storing::refusal_of(const entry& e) const noexcept {
  if (e.why == 0) return {};
  if (e.why == no_words) return {e.status, {}};
  const error& why = errors_[e.why - 1];
  return {why.code(), why.message()};
}

protocol::refusal storing::request(std::size_t i, protocol::request& out) const noexcept {
  out.op = op_;
  if (const protocol::refusal no = commands::store::put(options_, false, out)) return no;
  return request_after(i, out);
}

protocol::refusal storing::request_after(std::size_t i, protocol::request& out) const noexcept {
  const entry& e = entries_[i];
  if (e.why != 0) [[unlikely]]
    return refusal_of(e);
  out.key = name_of(i);
  out.value = e.bytes;
  out.flags = e.flags;
  out.quiet = options_.quiet && e.bytes.size() <= surely_accepted;
  out.wants = want::nothing;
  return {};
}

void storing::on_response(std::size_t i, const protocol::response& r,
                          std::string_view server) noexcept {
  entry& e = entries_[i];
  if (r.status == errc::ok) {
    e.status = errc::ok;
    return;
  }
  try {
    fail(e, error_of(r, server));
  } catch (...) {
    fail(e, errc::out_of_memory);
  }
}

void storing::fail(entry& e, error why) noexcept {
  e.status = why.code();
  e.why = 0;
  if (fault_of(why.code()) == fault::answer) return;
  try {
    errors_.push_back(std::move(why));
    e.why = static_cast<std::uint32_t>(errors_.size());
  } catch (...) {
    e.status = errc::out_of_memory;
    e.why = no_words;  // what could not be packed must not be sent
  }
}

error storing::why(std::size_t i) const {
  const entry& e = entries_[i];
  return e.why == 0 || e.why == no_words ? error(e.status) : errors_[e.why - 1];
}

}  // namespace memcxx::python
