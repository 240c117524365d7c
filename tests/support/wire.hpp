// What memcached's three protocols look like from the server's side, for scripts: reading a request
// whatever the protocol, and the bytes of the usual answers to it.
// Never here: sockets (scripted_server), the library's own encoders and parsers: tests must not
// agree with a mistake of theirs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "scripted_server.hpp"

namespace memcxx::test::wire {

enum class dialect : std::uint8_t { classic, meta, binary };

// A request as it came. The dialect is told by its first byte and word.
struct request {
  dialect speaks = dialect::classic;
  std::vector<std::string> words;  // text: the command line
  std::string verb;                // "get", "ms", "mn", …; binary: "0x01"
  std::string key;                 // the first one
  std::string value;
  std::uint8_t opcode = 0;                     // binary
  std::uint32_t opaque = 0;                    // binary
  [[nodiscard]] bool meta_flag(char f) const;  // meta: whether the flag was given
};

// The question for meta that opens a connection, and what a memcached of 1.6.10 or later answers.
inline constexpr std::string_view question =
    "ms memcxx:is-this-read-as-a-store 2 MR\r\nmn\r\nmn\r\nversion\r\n";
inline constexpr std::string_view speaks_meta = "NS\r\nMN\r\nVERSION 1.6.18\r\n";

// Reads one request. The question for meta that opens the connection is answered as memcached
// does, and the request after it is read.
request read(peer& p);
// The same, without answering an opening question.
request read_plain(peer& p);

// Answers to a request. A hit answers get, gat, mg; `number` answers incr, decr, ma.
std::string hit(const request& r, std::string_view value, std::uint32_t flags = 0,
                std::uint64_t cas = 7);
std::string miss(const request& r);
std::string stored(const request& r, std::uint64_t cas = 7);
// The plain answer to what is neither a read nor a store.
std::string done(const request& r);
std::string number(const request& r, std::uint64_t n);
// SERVER_ERROR and these words; binary: status 0x82 for words that begin with "out of memory", else
// 0x84 (internal error).
std::string failed(const request& r, std::string_view words);
// A binary response with any status.
std::string binary_reply(const request& r, std::uint16_t status, std::string_view extras,
                         std::string_view key, std::string_view value, std::uint64_t cas = 0);

// The bytes of a text reply with another opaque (meta O flag), or a binary one: what a reply to
// somebody else's request would be.
request with_opaque_changed(request r);

using store = std::map<std::string, std::string>;
// What a good server that holds these items answers: reads, quiet ones and of many keys included,
// fences, and every store with success. Empty when it would stay silent.
std::string answer(const request& r, const store& items);
// Whether the request names this key; classic asks for many in one line.
bool names(const request& r, std::string_view key);
// The part of the answer to a read that comes before this key's.
std::string answer_up_to(request r, std::string_view key, const store& items);
// Answers until the client goes.
script serve(store items);

}  // namespace memcxx::test::wire
