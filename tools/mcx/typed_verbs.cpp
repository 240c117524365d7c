// The verbs that read and store typed values, in the client's dialect.
// Never here: what a form means (values.cpp), how replies are printed, bare bytes.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/batch.hpp>
#include <memcxx/command.hpp>
#include <memcxx/value.hpp>

#include "input.hpp"
#include "values.hpp"
#include "verbs.hpp"

namespace mcx {

namespace {

using memcxx::errc;
using memcxx::error;

// What a read asks for, with and without the time to live that only meta can tell.
template <class T>
memcxx::commands::get_item<T> reading(std::string_view key, const std::optional<memcxx::ttl>& ttl,
                                      bool with_ttl) {
  return {{.key = key, .ttl = ttl, .options = {.ttl = with_ttl}}};
}

template <class T>
void told(const run& r, const std::string& key, const memcxx::result<memcxx::item_of<T>>& found,
          read_form form) {
  if (!found) return r.out.failed(found.error(), key);
  const memcxx::value_view v{found->value.kind, found->value.bytes};
  const auto printed = in_form(v, form);
  if (!printed) return r.out.failed(printed.error(), key);
  r.out.typed_hit(key, {.kind = v.kind, .form = form, .printed = *printed}, *found);
}

template <class T>
void read_one(const run& r, const std::optional<memcxx::ttl>& ttl, read_form form) {
  const std::string& key = r.given.operands[0];
  auto found = r.cache.execute(reading<T>(key, ttl, r.out.as_json()));
  if (!found && found.error() == errc::not_supported && r.out.as_json())
    found = r.cache.execute(reading<T>(key, ttl, false));
  told<T>(r, key, found, form);
}

// One object for each key, in their order.
template <class T>
void read_all(const run& r, read_form form) {
  const auto& keys = r.given.operands;
  memcxx::batch first;
  std::vector<memcxx::batch_reply<memcxx::item_of<T>>> replies;
  for (const std::string& key : keys)
    replies.push_back(first.execute(reading<T>(key, std::nullopt, true)));
  // Each reply has its own outcome; that of the whole adds nothing.
  static_cast<void>(r.cache.run(first));

  memcxx::batch second;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (!*replies[i] && replies[i]->error() == errc::not_supported)
      replies[i] = second.execute(reading<T>(keys[i], std::nullopt, false));
  if (!second.empty()) static_cast<void>(r.cache.run(second));
  for (std::size_t i = 0; i < keys.size() && r.out.writable(); ++i)
    told<T>(r, keys[i], *replies[i], form);
}

memcxx::result<read_form> chosen_form(const run& r) {
  return r.given.as ? read_form_named(*r.given.as) : read_form::text;
}

}  // namespace

bool is_typed(const arguments& given) noexcept { return given.dialect || given.as; }

void get_typed(const run& r) {
  const auto form = chosen_form(r);
  if (!form) return r.out.failed(form.error());
  const bool whole = *form == read_form::hex;
  if (r.out.as_json())
    return whole ? read_all<memcxx::opaque>(r, *form) : read_all<memcxx::value>(r, *form);
  if (r.given.operands.size() > 1)
    return r.out.failed({errc::invalid_argument, "several keys can only be read with --json"});
  whole ? read_one<memcxx::opaque>(r, std::nullopt, *form)
        : read_one<memcxx::value>(r, std::nullopt, *form);
}

void gat_typed(const run& r) {
  const auto form = chosen_form(r);
  if (!form) return r.out.failed(form.error());
  const auto ttl = read_ttl(r.given.operands[1]);
  if (!ttl) return r.out.failed(ttl.error(), r.given.operands[0]);
  *form == read_form::hex ? read_one<memcxx::opaque>(r, *ttl, *form)
                          : read_one<memcxx::value>(r, *ttl, *form);
}

void store_typed(const run& r, memcxx::protocol::verb op, const memcxx::store_options& options,
                 std::string operand) {
  const std::string& key = r.given.operands[0];
  const auto form = r.given.as ? write_form_named(*r.given.as) : write_form::text;
  if (!form) return r.out.failed(form.error(), key);
  if (r.given.flags)
    return r.out.failed(
        {errc::invalid_argument, "--flags are the dialect's for a typed value; leave one out"},
        key);
  memcxx::store_options all = options;
  if (r.given.min_compress) {
    const auto size = read_number("--min-compress", *r.given.min_compress, SIZE_MAX);
    if (!size) return r.out.failed(size.error(), key);
    all.min_compress = static_cast<std::size_t>(*size);
  }
  const auto value = from_operand(std::move(operand), *form, r.cache.settings().values.dialect);
  if (!value) return r.out.failed(value.error(), key);
  const auto reply = r.cache.execute(memcxx::commands::store_value::of(op, key, *value, all));
  if (reply)
    r.out.stored(key, *reply);
  else
    r.out.failed(reply.error(), key);
}

}  // namespace mcx
