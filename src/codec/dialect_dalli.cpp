// dalli's dialect: flags 1 for Ruby's Marshal, 2 for zlib, 0 for raw strings. dalli 3.0.6, run,
// marshals whatever it is not told to store raw: text and integers, too. From 5.0.4 on (by its
// change log) `string_fastpath` stores UTF-8 as it is with flags 4, and binary strings with 0.
//
// Written here: bytes raw, which every dalli reads as a binary string; all else marshalled, because
// an older dalli takes flags 4 for binary. Read: all of the above. Flags 2 alone were UTF-8 to the
// string_fastpath of dalli 4 and 5.0.0 to 5.0.3, and are a compressed raw string to all others;
// here as there, such text is a value that does not decompress.
//
// dalli ignores other bits; here flags with them are unknown. It compresses from its limit on
// (not only above it) and keeps what became longer; here neither.
// A typed integer cannot be incremented, with dalli as here; one that incr made reads as bytes.
// Never here: Marshal itself.
#include "codec/forms.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::uint32_t marshal_bit = 1;
constexpr std::uint32_t compressed_bit = 2;
constexpr std::uint32_t text_bit = 4;

result<written> write(const value_view& v, std::string& storage) {
  if (const auto ok = check(v); !ok) return std::unexpected(ok.error());
  if (v.kind == value_kind::bytes) return verbatim(v, 0);
  if (v.kind == value_kind::ruby) return verbatim(v, marshal_bit);
  auto w = as_document(v, marshal_bit, write_ruby, storage);
  if (w && v.kind == value_kind::integer) w->compressible = false;
  return w;
}

std::optional<meaning> read(std::uint32_t flags) noexcept {
  meaning m;
  if ((flags & compressed_bit) != 0) m.compressed = compressor::zlib;
  switch (flags & ~compressed_bit) {
    case 0:
      break;
    case marshal_bit:
      m.kind = value_kind::ruby;
      break;
    case text_bit:
      m.kind = value_kind::text;
      break;
    default:
      return std::nullopt;
  }
  return m;
}

std::optional<std::uint32_t> mark(std::uint32_t flags, compressor c) noexcept {
  if (c != compressor::zlib) return std::nullopt;
  return flags | compressed_bit;
}

}  // namespace

constinit const rules dalli_rules = {
    .which = dialect::dalli, .write = write, .read = read, .mark = mark, .own = compressor::zlib};

}  // namespace memcxx::codecs
