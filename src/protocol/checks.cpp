// Checks of a request that more than one protocol makes in the same way.
// Never here: bytes on the wire, anything of a single protocol.
#include "checks.hpp"

namespace memcxx::protocol {
namespace {

// One or more words of printable bytes, with single spaces between them; or nothing.
bool is_group(std::string_view group) noexcept {
  bool after_word = false;
  for (const char c : group) {
    if (c == ' ') {
      if (!after_word) return false;
      after_word = false;
    } else {
      if (c <= 0x20 || c >= 0x7f) return false;
      after_word = true;
    }
  }
  return group.empty() || after_word;
}

}  // namespace

refusal check_common(const request& r) noexcept {
  switch (r.op) {
    case verb::get:
    case verb::gat:
      if (r.cas != 0) return {errc::not_supported, "no protocol has a read with a cas condition"};
      break;
    case verb::cas:
      if (r.cas == 0) return {errc::invalid_argument, "the verb cas needs a cas token, not 0"};
      [[fallthrough]];
    case verb::set:
    case verb::add:
    case verb::replace:
    case verb::append:
    case verb::prepend:
      if (r.value.size() > longest_value)
        return {errc::value_too_large, "the value is longer than memcached can be told (2 GiB)"};
      break;
    case verb::touch:
      if (r.cas != 0) return {errc::not_supported, "no protocol has a touch with a cas condition"};
      break;
    case verb::stats:
      if (r.key.size() > longest_group)
        return {errc::invalid_argument, "the group of statistics is longer than 200 bytes"};
      if (!is_group(r.key))
        return {errc::invalid_argument,
                "the group of statistics is not printable words with single spaces between them"};
      break;
    case verb::verbosity:
      if (r.delta > 0xffffffffU)
        return {errc::invalid_argument, "the level of verbosity does not fit in 32 bits"};
      break;
    case verb::config:
      return check_key(r.prefix, r.key, false);
    case verb::remove:
    case verb::incr:
    case verb::decr:
    case verb::debug:
    case verb::flush:
    case verb::version:
    case verb::ping:
      break;
  }
  return {};
}

refusal check_not_meta(const request& r, const meta_only_reasons& why) noexcept {
  if (r.invalidate) return {errc::not_supported, why.invalidate};
  if (r.op == verb::debug) return {errc::not_supported, why.debug};
  if (r.op != verb::get && r.op != verb::gat) return {};
  constexpr want attributes = want::ttl | want::last_access | want::hit_before | want::size;
  if (asks(r.wants, attributes)) return {errc::not_supported, why.attributes};
  if (!asks(r.wants, want::value)) return {errc::not_supported, why.no_value};
  if (r.vivify_ttl) return {errc::not_supported, why.vivify};
  if (r.recache_ttl) return {errc::not_supported, why.recache};
  return {};
}

}  // namespace memcxx::protocol
