// The lines of those requests and replies that come by the thousand, to be written and read inline:
// the next key of a multi-key get and the item it is answered with, and quiet stores.
// Never here: what is rare. classic.hpp and meta.hpp carry everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

#include "text.hpp"

namespace memcxx::protocol::plain {

// " <key>", behind "get <key>" (protocol.txt, "Retrieval command").
inline std::size_t another_get(std::string_view prefix, std::string_view key, char* out) noexcept {
  return text::writer(out).word(" ").bytes(prefix).bytes(key).size();
}

// A quiet "ms" with its value (protocol.txt, "Meta Set"), of a request that is_plain(), in two
// parts: what stands behind the value's length, which is alike for many; and all of it with that.
// There is no opaque: a store without a condition answers, if it has to, with an error, and those
// carry none; and the server has less to read.
inline std::size_t quiet_tail(const request& r, char* out) noexcept {
  text::writer w(out);
  if (r.flags != 0) w.word(" F").number(std::uint64_t{r.flags});
  if (r.ttl != 0) w.word(" T").number(r.ttl);
  if (asks(r.wants, want::cas)) w.word(" c");
  return w.word(" q\r\n").size();
}
// Beside key and value: "ms ", " ", a length, the tail, "\r\n", and what a number may write over.
inline constexpr std::size_t most_of_another_set = 80;
inline std::size_t another_set(std::string_view prefix, std::string_view key,
                               std::string_view value, std::string_view tail, char* out) noexcept {
  text::writer w(out);
  w.word("ms ").bytes(prefix).bytes(key).word(" ").number(std::uint64_t{value.size()});
  return w.bytes(tail).bytes(value).word("\r\n").size();
}

// What stands behind the key of an item (protocol.txt, "Retrieval command"): "<flags> <bytes>
// [<cas unique>]" to the line's end. Empty when fine, else what is wrong.
[[gnu::always_inline]] inline std::string_view read_fields(text::reader& in, std::uint64_t& flags,
                                                           response& r,
                                                           std::uint64_t& size) noexcept {
  flags = 0;
  if (!in.skip(" 0 ")) {  // most values have none
    if (!in.skip(' ')) return "a value with bad flags";
    if (!in.number(flags)) {
      // Infinispan 15 reads flags of 32 bits as signed: they are nothing that anybody stored.
      if (!in.skip('-') || !in.number(flags)) return "a value with bad flags";
      flags = UINT64_MAX;
    }
    if (!in.skip(' ')) return "a value with a bad length";
  }
  if (!in.number(size, UINT32_MAX)) return "a value with a bad length";
  r.flags = static_cast<std::uint32_t>(flags);
  if (in.skip(' ')) {
    if (!in.number(r.cas)) return "a value with a bad cas";
    r.has_cas = true;
  }
  return in.skip("\r\n") ? "" : "a value with something behind its fields";
}

// Reads the head of an item of this key, as servers send it when it is its turn in a line: the key
// is compared and need not be found. Returns the head's length and fills in key, flags and cas;
// leaves the rest of `r` alone. 0 for everything else, be it incomplete or malformed:
// classic::parse() knows.
[[gnu::always_inline]] inline std::size_t read_item(std::string_view in, std::string_view prefix,
                                                    std::string_view key, std::size_t longest_line,
                                                    response& r, std::size_t& value_size) noexcept {
  constexpr std::string_view first_word = "VALUE ";
  const std::size_t key_size = prefix.size() + key.size();
  const std::size_t fields = first_word.size() + key_size;
  constexpr std::size_t least_fields = 6;  // " 0 0\r\n"
  if (in.size() < fields + least_fields) return 0;
  const char* at = in.data();
  if (std::memcmp(at, first_word.data(), first_word.size()) != 0) return 0;
  at += first_word.size();
  if (!prefix.empty() && std::memcmp(at, prefix.data(), prefix.size()) != 0) return 0;
  if (std::memcmp(at + prefix.size(), key.data(), key.size()) != 0) return 0;
  r.key = {at, key_size};
  r.cas = 0;
  r.has_cas = false;
  at += key_size;
  std::uint64_t size = 0;
  text::reader rest({at, std::min(in.size() - fields, longest_line - max_key_size)});
  std::uint64_t flags = 0;
  if (!read_fields(rest, flags, r, size).empty() || flags > UINT32_MAX) return 0;
  value_size = static_cast<std::size_t>(size);
  return fields + rest.position();
}

}  // namespace memcxx::protocol::plain
