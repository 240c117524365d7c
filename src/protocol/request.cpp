// Names of verbs, and the key rules that hold for every protocol.
// Never here: bytes on the wire.
#include <memcxx/protocol/request.hpp>

#include "key_bytes.hpp"

namespace memcxx::protocol {

std::string_view name_of(verb v) noexcept {
  switch (v) {
    case verb::get:
      return "get";
    case verb::gat:
      return "gat";
    case verb::set:
      return "set";
    case verb::add:
      return "add";
    case verb::replace:
      return "replace";
    case verb::append:
      return "append";
    case verb::prepend:
      return "prepend";
    case verb::cas:
      return "cas";
    case verb::remove:
      return "remove";
    case verb::touch:
      return "touch";
    case verb::incr:
      return "incr";
    case verb::decr:
      return "decr";
    case verb::debug:
      return "debug";
    case verb::flush:
      return "flush";
    case verb::stats:
      return "stats";
    case verb::version:
      return "version";
    case verb::verbosity:
      return "verbosity";
    case verb::ping:
      return "ping";
    case verb::config:
      return "config";
  }
  return "unknown";
}

bool is_text_safe(std::string_view bytes) noexcept { return key_bytes::all_safe(bytes); }

refusal check_key(std::string_view prefix, std::string_view key, bool any_byte) noexcept {
  if (key.empty()) return {errc::invalid_key, "the key is empty"};
  // Compared one by one: the sum of two hostile sizes could wrap.
  if (prefix.size() > max_key_size || key.size() > max_key_size - prefix.size())
    return {errc::invalid_key, "the key is longer than 250 bytes, prefix included"};
  if (any_byte) return {};
  if (!key_bytes::all_safe(key))
    return {errc::invalid_key, "the key holds a space, a control byte or 0x7f"};
  if (!prefix.empty() && !is_text_safe(prefix))
    return {errc::invalid_key, "the prefix holds a space, a control byte or 0x7f"};
  return {};
}

}  // namespace memcxx::protocol
