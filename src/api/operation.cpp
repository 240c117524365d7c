// Operations that are more than one request and its response: typed values, which may lie in
// several items. See operation.hpp.
// Never here: what a flag means, how a value is packed (codec).
#include <cstring>
#include <utility>

#include <memcxx/operation.hpp>

namespace memcxx {

using protocol::refusal;
using protocol::request;
using protocol::response;
using protocol::verb;
using protocol::want;

namespace {

// `text` takes the bytes; an empty span when there is no memory for them.
std::span<char> room_in(std::string& text, std::size_t n) noexcept try {
  text.resize_and_overwrite(n, [n](char*, std::size_t) { return n; });
  return text;
} catch (...) {
  return {};
}

// The stand-in of a long key, or nothing.
void name_item(std::string_view key, const value_codec& values, std::string& stand_in) {
  std::string storage;
  if (values.item_key(key, storage).data() != key.data()) stand_in = std::move(storage);
}

error with_item(const error& why, std::string_view server, const raw_item& item) {
  return error(why.code(), std::string(why.message()), std::string(server)).about(item);
}

}  // namespace

bool plain_reading::is_packed(const response& r, const get_options& o) const noexcept {
  return o.value && !o.packed && values_ != nullptr && values_->is_packed(r.flags);
}

error plain_reading::why(const response& r, std::string_view server) noexcept try {
  const error no(
      errc::wrong_type,
      "a typed store packed the value; read it with a type, as get<std::string>, or with "
      ".packed = true as it lies there");
  return with_item(no, server, {r.flags, r.value});
} catch (...) {
  return errc::out_of_memory;
}

void operation<commands::get_into>::on_response(std::size_t, const response& r,
                                                std::string_view server) noexcept try {
  if (r.status != errc::ok) {
    outcome_ = std::unexpected(error_of(r, server));
    return;
  }
  if (reading_.refuses(r, command_.options)) {
    outcome_ = std::unexpected(plain_reading::why(r, server));
    return;
  }
  const std::span<char> buffer = command_.buffer;
  if (r.value.size() > buffer.size()) {
    outcome_ = std::unexpected(
        error(errc::value_too_large, "the value has " + std::to_string(r.value.size()) +
                                         " bytes, the buffer " + std::to_string(buffer.size())));
    return;
  }
  if (r.value.data() != buffer.data() && !r.value.empty()) {
    std::memcpy(buffer.data(), r.value.data(), r.value.size());
  }
  item_view& out = outcome_.emplace();
  commands::get::read(r, out);
  out.value = {buffer.data(), r.value.size()};
} catch (...) {
  outcome_ = std::unexpected(error(errc::out_of_memory));
}

// --- reading ---------------------------------------------------------------------------------

// The pieces of one value, while they come in.
struct value_reading::pieces {
  value_codec::join_plan plan;
  std::string server;  // of the item that names them
  std::size_t left = 0;
  error failed;
  std::string joined;
  std::vector<std::string> loose;  // when the plan does not tell their sizes

  [[nodiscard]] bool sized() const noexcept { return plan.size && plan.piece_size != 0; }
  [[nodiscard]] std::size_t offset(std::size_t part) const noexcept {
    return part * plan.piece_size;
  }
  [[nodiscard]] std::size_t length(std::size_t part) const noexcept {
    return part + 1 == plan.keys.size() ? *plan.size - offset(part) : plan.piece_size;
  }
};

value_reading::value_reading(const commands::read_value& c, value_codec::opaque_values how,
                             bool tells) noexcept
    : command_(c), how_(how), tells_(tells) {}
value_reading::value_reading(value_reading&&) noexcept = default;
value_reading::~value_reading() = default;

bool value_reading::begin_step(unsigned step, const value_codec& values) noexcept try {
  if (step == 0) {
    values_ = &values;
    name_item(command_.key, values, key_);
    return true;
  }
  return step == 1 && pieces_ != nullptr;
} catch (...) {
  conclude(errc::out_of_memory);
  return false;
}

std::size_t value_reading::parts() const noexcept {
  return pieces_ ? pieces_->plan.keys.size() : 1;
}

refusal value_reading::request(std::size_t part, protocol::request& out) const noexcept {
  if (!tells_ && (command_.options.vivify || command_.options.recache)) {
    return {errc::invalid_argument, "vivify and recache need get_item<T>, which tells who has won"};
  }
  const refusal no = command_.to_request(out);
  out.key = item_key();
  if (pieces_) {
    out.key = pieces_->plan.keys[part];
    out.wants = want::value;
    out.opaque = 0;
    out.vivify_ttl.reset();
    out.recache_ttl.reset();
  }
  return no;
}

std::span<char> value_reading::on_value(std::size_t part, const response& head,
                                        std::size_t n) noexcept {
  if (!pieces_) {
    std::string* const at = values_->is_verbatim(head.flags) ? place() : nullptr;
    return room_in(at != nullptr ? *at : bytes_, n);
  }
  pieces& p = *pieces_;
  if (!p.sized()) return room_in(p.loose[part], n);
  if (n != p.length(part)) return {};
  if (p.joined.empty() && room_in(p.joined, *p.plan.size).empty()) return {};
  return {p.joined.data() + p.offset(part), n};
}

void value_reading::on_response(std::size_t part, const response& r,
                                std::string_view server) noexcept try {
  if (pieces_) return on_piece(part, r, server);
  if (r.status != errc::ok) return conclude(error_of(r, server));
  // The stub that vivify leaves is no value. Whoever only asked for the value is told that there is
  // none, and likewise when it has won the right to refresh it: somebody has to.
  const bool stub = r.value.empty() && !r.stale && (r.won || r.already_won);
  take(r, stub);
  if (!tells_ && (r.won || stub)) return conclude(errc::miss);
  if (stub) return conclude({});
  if (values_->is_split(r.flags)) return begin_pieces(r, server);
  on_whole(r.flags, r.value, bytes_, server);
} catch (const std::bad_alloc&) {
  conclude(errc::out_of_memory);
} catch (...) {
  conclude(errc::wrong_type);
}

// `held` is where the bytes may lie.
void value_reading::on_whole(std::uint32_t flags, std::string_view bytes, std::string& held,
                             std::string_view server) {
  std::string own;
  std::string* const at = place();
  auto v = values_->unpack(command_.key, flags, bytes, at != nullptr ? *at : own, how_);
  if (!v) {
    if (v.error() == errc::miss) return conclude(errc::miss);
    return conclude(with_item(v.error(), server, {flags, bytes}));
  }
  if (at != nullptr && is_stringlike(v->kind) && v->bytes.data() == held.data() &&
      v->bytes.size() == held.size()) {
    at->swap(held);  // instead of a copy
    v->bytes = *at;
  }
  result<void> taken;
  try {
    taken = take(*v);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {  // a codec of the user's
    taken = std::unexpected(error(errc::wrong_type, e.what()));
  }
  if (!taken) return conclude(with_item(taken.error(), server, {flags, bytes}));
  conclude({});
}

void value_reading::begin_pieces(const response& r, std::string_view server) {
  auto plan = values_->pieces_of(command_.key, r.flags, r.value);
  if (!plan) return conclude(with_item(plan.error(), server, {r.flags, r.value}));
  auto p = std::make_unique<pieces>();
  p->plan = std::move(*plan);
  p->server = server;
  p->left = p->plan.keys.size();
  if (!p->sized()) p->loose.resize(p->left);
  pieces_ = std::move(p);
}

void value_reading::on_piece(std::size_t part, const response& r,
                             std::string_view server) noexcept {
  pieces& p = *pieces_;
  try {
    keep_piece(part, r, server);
  } catch (...) {
    p.failed = errc::out_of_memory;
  }
  if (--p.left != 0) return;
  try {
    join();
  } catch (...) {
    conclude(errc::out_of_memory);
  }
}

void value_reading::keep_piece(std::size_t part, const response& r, std::string_view server) {
  pieces& p = *pieces_;
  // A failure says more than a miss.
  if (r.status != errc::ok) {
    if (p.failed == errc::ok || p.failed == errc::miss) p.failed = error_of(r, server);
  } else if (!p.sized()) {
    if (r.value.data() != p.loose[part].data()) p.loose[part].assign(r.value);
  } else if (r.value.size() != p.length(part)) {
    p.failed = error(errc::corrupt_value,
                     "piece " + std::to_string(part) + " has " + std::to_string(r.value.size()) +
                         " bytes instead of " + std::to_string(p.length(part)),
                     std::string(server));
  } else {
    if (p.joined.empty() && room_in(p.joined, *p.plan.size).empty()) throw std::bad_alloc();
    char* const at = p.joined.data() + p.offset(part);
    if (r.value.data() != at) std::memcpy(at, r.value.data(), r.value.size());
  }
}

void value_reading::join() {
  pieces& p = *pieces_;
  if (!(p.failed == errc::ok)) return conclude(p.failed);
  for (const std::string& piece : p.loose) p.joined += piece;
  if (const auto whole = value_codec::check_joined(p.plan, p.joined); !whole) {
    return conclude(error(whole.error().code(), std::string(whole.error().message()), p.server));
  }
  on_whole(p.plan.flags, p.joined, p.joined, p.server);
}

// --- storing ---------------------------------------------------------------------------------

operation<commands::store_value>::operation(const commands::store_value& c) noexcept
    : command_(c) {}
operation<commands::store_value>::operation(operation&&) noexcept = default;
operation<commands::store_value>::~operation() = default;

bool operation<commands::store_value>::begin_step(unsigned step, const value_codec& values) noexcept
    try {
  if (step != 0) {
    // The pieces are there: now the item that names them.
    return std::exchange(in_pieces_, false) && refused_ == errc::ok;
  }
  refused_ = command_.refused;
  if (!(refused_ == errc::ok)) return true;
  if (command_.options.flags != 0) {
    refused_ = error(errc::invalid_argument, "the flags of a typed value are its dialect's");
    return true;
  }
  name_item(command_.key, values, key_);
  const auto done =
      values.pack(command_.key, command_.canonical(), packed_, command_.options.min_compress);
  if (!done) {
    refused_ = done.error();
    return true;
  }
  // libmc's pieces have fixed names, so that only a set may write them before it is decided.
  const bool may_split =
      values.options().dialect != dialect::libmc || command_.op == protocol::verb::set;
  if (auto s = may_split ? values.split(command_.key, packed_) : std::nullopt) {
    splitting_ = std::make_unique<value_codec::split_value>(std::move(*s));
    in_pieces_ = true;
  }
  return true;
} catch (...) {
  refused_ = errc::out_of_memory;
  return true;
}

std::size_t operation<commands::store_value>::parts() const noexcept {
  return in_pieces_ ? splitting_->pieces.size() : 1;
}

refusal operation<commands::store_value>::request(std::size_t part,
                                                  protocol::request& out) const noexcept {
  if (!(refused_ == errc::ok)) return {refused_.code(), refused_.message()};
  commands::store one{.op = command_.op, .key = command_.key, .options = command_.options};
  one.options.min_compress.reset();
  if (in_pieces_) {
    one.op = verb::set;
    one.options = {.flags = splitting_->piece_flags, .ttl = command_.options.ttl};
    one.key = splitting_->pieces[part].key;
    one.value = splitting_->pieces[part].bytes;
  } else {
    if (!key_.empty()) one.key = key_;
    one.options.flags = splitting_ ? splitting_->flags : packed_.flags;
    one.value = splitting_ ? std::string_view(splitting_->bytes) : packed_.bytes;
    one.options.quiet =
        command_.options.quiet && !splitting_ && one.value.size() <= surely_accepted;
  }
  const refusal no = one.to_request(out);
  if (in_pieces_) out.wants = want::nothing;
  return no;
}

void operation<commands::store_value>::on_response(std::size_t, const response& r,
                                                   std::string_view server) noexcept try {
  if (r.status != errc::ok) {
    if (!in_pieces_ || refused_ == errc::ok) outcome_ = std::unexpected(error_of(r, server));
    if (in_pieces_) refused_ = r.status;
    return;
  }
  if (!in_pieces_) outcome_ = stored{r.cas};
} catch (...) {
  outcome_ = std::unexpected(error(errc::out_of_memory));
  refused_ = errc::out_of_memory;
}

}  // namespace memcxx
