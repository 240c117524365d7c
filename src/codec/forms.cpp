// The checks and forms of forms.hpp.
// Never here: anything that only one dialect does.
#include "codec/forms.hpp"

#include "codec/numbers.hpp"
#include "codec/utf8.hpp"

namespace memcxx::codecs {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::unexpected<error> not_of_kind(value_kind kind, std::string_view what) {
  return std::unexpected(error(errc::wrong_type, "the bytes of the value of kind " +
                                                     std::string(name_of(kind)) + " are not " +
                                                     std::string(what)));
}

}  // namespace

std::string_view trimmed(std::string_view bytes) noexcept {
  while (!bytes.empty() && is_blank(bytes.front())) bytes.remove_prefix(1);
  while (!bytes.empty() && is_blank(bytes.back())) bytes.remove_suffix(1);
  return bytes;
}

bool is_boolean(std::string_view bytes) noexcept { return bytes == "1" || bytes == "0"; }

result<void> check(const value_view& v) {
  switch (v.kind) {
    case value_kind::text:
      if (!is_utf8(v.bytes)) return not_of_kind(v.kind, "UTF-8");
      break;
    case value_kind::integer:
      if (!is_decimal(trimmed(v.bytes))) return not_of_kind(v.kind, "a decimal number");
      break;
    case value_kind::floating:
      if (!double_of(v.bytes)) return not_of_kind(v.kind, "a number");
      break;
    case value_kind::boolean:
      if (!is_boolean(v.bytes)) return not_of_kind(v.kind, "1 or 0");
      break;
    case value_kind::none:
      if (!v.bytes.empty()) return not_of_kind(v.kind, "empty");
      break;
    case value_kind::bytes:
    case value_kind::msgpack:
    case value_kind::json:
    case value_kind::pickle:
    case value_kind::marshal:
    case value_kind::ruby:
      break;
  }
  return {};
}

written verbatim(const value_view& v, std::uint32_t flags) noexcept {
  return {.flags = flags, .bytes = v.bytes, .compressible = true};
}

result<written> as_decimal(const value_view& v, std::uint32_t flags, std::size_t most_digits) {
  const std::string_view digits = trimmed(v.bytes);
  if (digits.size() - (digits.starts_with('-') ? 1 : 0) > most_digits)
    return std::unexpected(
        error(errc::wrong_type, "an integer of more than " + std::to_string(most_digits) +
                                    " digits, which clients of the dialect cannot read"));
  return written{.flags = flags, .bytes = digits, .compressible = false};
}

result<written> as_document(const value_view& v, std::uint32_t flags, writer write,
                            std::string& storage) {
  const result<document> d = to_document(v);
  if (!d) return std::unexpected(d.error());
  storage.clear();
  if (const result<void> ok = write(*d, storage); !ok) return std::unexpected(ok.error());
  return written{.flags = flags, .bytes = storage, .compressible = true};
}

}  // namespace memcxx::codecs
