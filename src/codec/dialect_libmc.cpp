// libmc's dialect, as version 1.4.17 on Python 3 has it when run: 0 bytes, 4 integer (2 from Python
// 2), 8 boolean as "1" or "0", 32 Python's marshal version 2 for everything else, 1 a pickle of
// protocol 2 for what marshal refuses; 16 zlib; 4096 in pieces.
//
// libmc compresses integers as well, and keeps what compressing made longer: both are read here,
// and neither is written. Of flags that it does not know it hands out the bytes; where several
// kinds are set, an order of its own decides. Here those are unknown: nobody writes them. Never
// here: marshal itself, the pieces (split.cpp).
#include "codec/forms.hpp"
#include "codec/numbers.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::uint32_t pickle_bit = 1;
constexpr std::uint32_t integer_bit = 2;
constexpr std::uint32_t long_bit = 4;
constexpr std::uint32_t boolean_bit = 8;
constexpr std::uint32_t compressed_bit = 16;
constexpr std::uint32_t marshal_bit = 32;

result<written> write(const value_view& v, std::string& storage) {
  if (const auto ok = check(v); !ok) return std::unexpected(ok.error());
  switch (v.kind) {
    case value_kind::bytes:
      return verbatim(v, 0);
    case value_kind::integer:
      return as_decimal(v, long_bit, max_digits);
    case value_kind::boolean:
      return as_decimal(v, boolean_bit);
    case value_kind::pickle:
      return verbatim(v, pickle_bit);
    case value_kind::marshal:
      return verbatim(v, marshal_bit);
    case value_kind::text:
    case value_kind::floating:
    case value_kind::none:
    case value_kind::msgpack:
    case value_kind::json:
    case value_kind::ruby:
      break;
  }
  return as_document(v, marshal_bit, write_marshal, storage);
}

std::optional<meaning> read(std::uint32_t flags) noexcept {
  meaning m{.split = (flags & libmc::split_mark) != 0};
  if ((flags & compressed_bit) != 0) m.compressed = compressor::zlib;
  switch (flags & ~(compressed_bit | libmc::split_mark)) {
    case 0:
      break;
    case pickle_bit:
      m.kind = value_kind::pickle;
      break;
    case integer_bit:
    case long_bit:
      m.kind = value_kind::integer;
      break;
    case boolean_bit:
      m.kind = value_kind::boolean;
      break;
    case marshal_bit:
      m.kind = value_kind::marshal;
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

constinit const rules libmc_rules = {
    .which = dialect::libmc, .write = write, .read = read, .mark = mark, .own = compressor::zlib};

}  // namespace memcxx::codecs
