// Requests read and answers written as protocol.txt and the binary protocol's document have them.
#include "wire.hpp"

#include <algorithm>
#include <cstdio>
#include <gtest/gtest.h>
#include <sstream>

namespace memcxx::test::wire {
namespace {

template <class N>
std::string big_endian(N n) {
  std::string bytes(sizeof n, '\0');
  for (std::size_t i = 0; i < sizeof n; ++i)
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(n) >> (8 * (sizeof n - 1 - i)));
  return bytes;
}

std::uint32_t big_endian_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < size; ++i) n = (n << 8) | static_cast<unsigned char>(bytes[at + i]);
  return n;
}

// Binary opcodes (protocol_binary.h): quiet variants, and those that tell the key.
bool is_quiet(std::uint8_t op) {
  return op == 0x09 || op == 0x0d || (op >= 0x11 && op <= 0x1a) || op == 0x1e || op == 0x24;
}
bool tells_key(std::uint8_t op) { return op == 0x0c || op == 0x0d || op == 0x23 || op == 0x24; }
bool is_read(std::uint8_t op) {
  return op == 0x00 || op == 0x09 || op == 0x0c || op == 0x0d || op == 0x1d || op == 0x1e ||
         op == 0x23 || op == 0x24;
}

request read_binary(peer& p) {
  const std::string header = p.read(24);
  request r;
  r.speaks = dialect::binary;
  r.opcode = static_cast<std::uint8_t>(header[1]);
  const std::size_t key_size = big_endian_at(header, 2, 2);
  const std::size_t extras_size = static_cast<unsigned char>(header[4]);
  const std::size_t body_size = big_endian_at(header, 8, 4);
  r.opaque = big_endian_at(header, 12, 4);
  const std::string body = p.read(body_size);
  r.key = body.substr(extras_size, key_size);
  r.value = body.substr(extras_size + key_size);
  char name[8];
  std::snprintf(name, sizeof name, "0x%02x", static_cast<unsigned>(r.opcode));
  r.verb = name;
  return r;
}

// The flags of a meta reply: what was asked for, in the order asked (protocol.txt, "Meta Get").
std::string returned_flags(const request& r, std::uint32_t flags, std::uint64_t cas,
                           std::size_t size) {
  std::string out;
  for (std::size_t i = r.verb == "ms" ? 3 : 2; i < r.words.size(); ++i) {
    const std::string& w = r.words[i];
    switch (w[0]) {
      case 'O':
        out += " " + w;
        break;
      case 'k':
        out += " k" + r.words[1];
        break;
      case 'b':
        out += " b";
        break;
      case 'c':
        out += " c" + std::to_string(cas);
        break;
      case 'f':
        out += " f" + std::to_string(flags);
        break;
      case 's':
        out += " s" + std::to_string(size);
        break;
      case 't':
        out += " t-1";
        break;
      case 'h':
        out += " h0";
        break;
      case 'l':
        out += " l0";
        break;
      default:
        break;
    }
  }
  return out;
}

}  // namespace

bool request::meta_flag(char f) const {
  return speaks == dialect::meta &&
         std::any_of(words.begin() + std::min<std::ptrdiff_t>(2, std::ssize(words)), words.end(),
                     [f](const std::string& w) { return w[0] == f; });
}

request read_plain(peer& p) {
  // The shortest text request is "mn\r\n": one byte tells the dialect.
  const std::string first = p.read(1);
  if (first == "\x80") {
    p.unread(first);
    return read_binary(p);
  }
  std::string line = first + p.read_line();
  line.resize(line.size() - 2);
  request r;
  std::istringstream words(line);
  for (std::string w; words >> w;) r.words.push_back(w);
  if (r.words.empty()) {
    ADD_FAILURE() << "an empty request line";
    return r;
  }
  r.verb = r.words[0];
  if (r.words.size() > 1) r.key = r.words[1];
  for (const char* m : {"mg", "ms", "md", "ma", "mn", "me"})
    if (r.verb == m) r.speaks = dialect::meta;
  std::size_t size_at = 0;
  if (r.verb == "ms") size_at = 2;
  for (const char* s : {"set", "add", "replace", "append", "prepend", "cas"})
    if (r.verb == s) size_at = 4;
  if (r.verb == "gat" || r.verb == "gats") r.key = r.words.size() > 2 ? r.words[2] : "";
  if (size_at != 0 && r.words.size() > size_at) {
    r.value = p.read(std::stoul(r.words[size_at]));
    p.expect("\r\n");
  }
  return r;
}

namespace {

bool is_question(const request& r) { return r.verb == "ms" && r.key.starts_with("memcxx:"); }

}  // namespace

request read(peer& p) {
  const bool opening = p.untouched();
  request r = read_plain(p);
  if (!opening || !is_question(r)) return r;
  // read_plain() took the first "mn" for the value.
  p.expect("mn\r\nversion\r\n");
  p.send_outside_cut(speaks_meta);
  return read_plain(p);
}

std::string binary_reply(const request& r, std::uint16_t status, std::string_view extras,
                         std::string_view key, std::string_view value, std::uint64_t cas) {
  std::string out = "\x81";
  out += static_cast<char>(r.opcode);
  out += big_endian(static_cast<std::uint16_t>(key.size()));
  out += static_cast<char>(extras.size());
  out += '\0';
  out += big_endian(status);
  out += big_endian(static_cast<std::uint32_t>(extras.size() + key.size() + value.size()));
  out += big_endian(r.opaque);
  out += big_endian(cas);
  out += extras;
  out += key;
  out += value;
  return out;
}

std::string hit(const request& r, std::string_view value, std::uint32_t flags, std::uint64_t cas) {
  const std::string body(value);
  switch (r.speaks) {
    case dialect::classic: {
      const bool tells_cas = r.verb == "gets" || r.verb == "gats";
      return "VALUE " + r.key + " " + std::to_string(flags) + " " + std::to_string(value.size()) +
             (tells_cas ? " " + std::to_string(cas) : "") + "\r\n" + body + "\r\nEND\r\n";
    }
    case dialect::meta:
      if (!r.meta_flag('v')) return "HD" + returned_flags(r, flags, cas, value.size()) + "\r\n";
      return "VA " + std::to_string(value.size()) + returned_flags(r, flags, cas, value.size()) +
             "\r\n" + body + "\r\n";
    case dialect::binary:
      return binary_reply(r, 0, big_endian(flags), tells_key(r.opcode) ? r.key : "", value, cas);
  }
  return {};
}

std::string miss(const request& r) {
  switch (r.speaks) {
    case dialect::classic:
      return r.verb.starts_with("g") ? "END\r\n" : "NOT_FOUND\r\n";
    case dialect::meta:
      return r.verb == "mg" ? "EN\r\n" : "NF" + returned_flags(r, 0, 0, 0) + "\r\n";
    case dialect::binary:
      return binary_reply(r, 1, "", "", "Not found");
  }
  return {};
}

std::string stored(const request& r, std::uint64_t cas) {
  switch (r.speaks) {
    case dialect::classic:
      return "STORED\r\n";
    case dialect::meta:
      return "HD" + returned_flags(r, 0, cas, r.value.size()) + "\r\n";
    case dialect::binary:
      return binary_reply(r, 0, "", "", "", cas);
  }
  return {};
}

std::string done(const request& r) {
  switch (r.speaks) {
    case dialect::classic:
      if (r.verb == "delete") return "DELETED\r\n";
      if (r.verb == "touch") return "TOUCHED\r\n";
      if (r.verb == "version") return "VERSION 1.6.18\r\n";
      return "OK\r\n";
    case dialect::meta:
      return r.verb == "mn" ? "MN\r\n" : "HD" + returned_flags(r, 0, 7, 0) + "\r\n";
    case dialect::binary:
      return binary_reply(r, 0, "", "", "");
  }
  return {};
}

std::string number(const request& r, std::uint64_t n) {
  const std::string text = std::to_string(n);
  switch (r.speaks) {
    case dialect::classic:
      return text + "\r\n";
    case dialect::meta:
      return "VA " + std::to_string(text.size()) + returned_flags(r, 0, 7, text.size()) + "\r\n" +
             text + "\r\n";
    case dialect::binary:
      return binary_reply(r, 0, "", "", big_endian(n));
  }
  return {};
}

std::string failed(const request& r, std::string_view words) {
  if (r.speaks != dialect::binary) return "SERVER_ERROR " + std::string(words) + "\r\n";
  return binary_reply(r, words.starts_with("out of memory") ? 0x82 : 0x84, "", "", words);
}

request with_opaque_changed(request r) {
  r.opaque += 1;
  for (std::string& w : r.words)
    if (w[0] == 'O') w = w == "O1" ? "O2" : "O1";
  return r;
}

std::string answer(const request& r, const store& items) {
  if (r.speaks == dialect::binary) {
    if (is_read(r.opcode)) {
      const auto at = items.find(r.key);
      if (at != items.end()) return hit(r, at->second);
      return is_quiet(r.opcode) ? "" : miss(r);
    }
    return is_quiet(r.opcode) ? "" : stored(r);
  }
  if (r.speaks == dialect::meta) {
    if (r.verb == "mn") return "MN\r\n";
    const bool quiet = r.meta_flag('q');
    if (r.verb == "mg") {
      const auto at = items.find(r.key);
      if (at != items.end()) return hit(r, at->second);
      return quiet ? "" : miss(r);
    }
    return quiet ? "" : stored(r);
  }
  if (r.verb == "get" || r.verb == "gets") {
    std::string out;
    for (std::size_t i = 1; i < r.words.size(); ++i) {
      const auto at = items.find(r.words[i]);
      if (at == items.end()) continue;
      request one = r;
      one.key = r.words[i];
      const std::string whole = hit(one, at->second);
      out += whole.substr(0, whole.size() - 5);  // without END
    }
    return out + "END\r\n";
  }
  if (r.words.back() == "noreply") return "";
  return r.value.empty() && r.words.size() < 5 ? done(r) : stored(r);
}

bool names(const request& r, std::string_view key) {
  return r.key == key || (r.speaks == dialect::classic &&
                          std::find(r.words.begin(), r.words.end(), key) != r.words.end());
}

std::string answer_up_to(request r, std::string_view key, const store& items) {
  if (r.speaks != dialect::classic) return "";
  r.words.erase(std::find(r.words.begin(), r.words.end(), key), r.words.end());
  const std::string whole = answer(r, items);
  return whole.substr(0, whole.size() - 5);  // without END
}

script serve(store items) {
  return [items = std::move(items)](peer& p) {
    for (;;) {
      const std::string said = answer(read(p), items);
      if (!said.empty()) p.send(said);
    }
  };
}

}  // namespace memcxx::test::wire
