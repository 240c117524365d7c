// The dialects of five Python clients, which have their flags from one ancestor and differ in which
// of them they use. Facts: python-memcached 1.62, pymemcache 4.0.0 and pylibmc 1.6.3, run;
// cmemcache 0.94 and pyermc 0.7 from what they do on Python 2, where a str is bytes.
//
//                    text       integer  boolean  else           compressed
//   python-memcached 16         2        pickled  1, protocol 0  8, zlib
//   pymemcache       16         2        pickled  1, protocol 5  8, zlib; of the same length, too
//   pylibmc          16         4        2        1, protocol 5  8, zlib
//   cmemcache        pickled    2, 4     2        1, protocol 2  never
//   pyermc           pickled    2, 4     2        1, protocol 2  8, lz4
//
// 2 is Python 2's int and 4 its long, which begins above 63 bits; every reader takes both. A
// boolean with flags 2 reads back as the integer that it is to Python.
//
// What the originals make of other flags: python-memcached, pyermc raise; cmemcache answers None;
// pymemcache hands out the bytes; pylibmc ignores bits over 16. Where two bits for a kind are set,
// each has an order of its own. Here all those are unknown: nobody writes them.
// Never here: pickles themselves.
#include <charconv>
#include <system_error>

#include "codec/forms.hpp"
#include "codec/numbers.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::uint32_t pickle_bit = 1;
constexpr std::uint32_t integer_bit = 2;
constexpr std::uint32_t long_bit = 4;
constexpr std::uint32_t compressed_bit = 8;
constexpr std::uint32_t text_bit = 16;

struct habits {
  writer pickle;
  std::uint32_t integer = integer_bit;       // of up to 63 bits and a sign
  std::uint32_t long_integer = integer_bit;  // of more
  std::size_t longest = max_digits;          // of an integer: later Pythons read no more digits
  bool has_text = true;                      // otherwise text is pickled
  bool plain_boolean = false;                // as an integer; otherwise pickled
  compressor compresses = compressor::zlib;
};

template <int Protocol>
result<void> pickled(const document& d, std::string& out) {
  return write_pickle(d, Protocol, out);
}

constexpr habits python_memcached = {.pickle = pickled<0>};
constexpr habits pymemcache = {.pickle = pickled<5>};
constexpr habits pylibmc = {
    .pickle = pickled<5>, .integer = long_bit, .long_integer = long_bit, .plain_boolean = true};
constexpr habits cmemcache = {.pickle = pickled<2>,
                              .long_integer = long_bit,
                              .longest = SIZE_MAX,
                              .has_text = false,
                              .plain_boolean = true,
                              .compresses = compressor::automatic};
constexpr habits pyermc = {.pickle = pickled<2>,
                           .long_integer = long_bit,
                           .longest = SIZE_MAX,
                           .has_text = false,
                           .plain_boolean = true,
                           .compresses = compressor::lz4};

bool fits_in_64_bits(std::string_view digits) noexcept {
  std::int64_t n = 0;
  const char* const end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, n).ec == std::errc{};
}

template <const habits& Of>
result<written> write(const value_view& v, std::string& storage) {
  if (const auto ok = check(v); !ok) return std::unexpected(ok.error());
  switch (v.kind) {
    case value_kind::bytes:
      return verbatim(v, 0);
    case value_kind::text:
      if (Of.has_text) return verbatim(v, text_bit);
      break;
    case value_kind::integer:
      return as_decimal(v, fits_in_64_bits(trimmed(v.bytes)) ? Of.integer : Of.long_integer,
                        Of.longest);
    case value_kind::boolean:
      if (Of.plain_boolean) return as_decimal(v, integer_bit);
      break;
    case value_kind::pickle:
      return verbatim(v, pickle_bit);
    case value_kind::floating:
    case value_kind::none:
    case value_kind::msgpack:
    case value_kind::json:
    case value_kind::marshal:
    case value_kind::ruby:
      break;
  }
  return as_document(v, pickle_bit, Of.pickle, storage);
}

template <const habits& Of>
std::optional<meaning> read(std::uint32_t flags) noexcept {
  meaning m;
  if ((flags & compressed_bit) != 0) {
    if (Of.compresses == compressor::automatic) return std::nullopt;
    m.compressed = Of.compresses;
  }
  switch (flags & ~compressed_bit) {
    case 0:
      break;
    case pickle_bit:
      m.kind = value_kind::pickle;
      break;
    case integer_bit:
    case long_bit:
      m.kind = value_kind::integer;
      break;
    case text_bit:
      if (!Of.has_text) return std::nullopt;
      m.kind = value_kind::text;
      break;
    default:
      return std::nullopt;
  }
  return m;
}

template <const habits& Of>
std::optional<std::uint32_t> mark(std::uint32_t flags, compressor c) noexcept {
  if (c == compressor::automatic || c != Of.compresses) return std::nullopt;
  return flags | compressed_bit;
}

template <const habits& Of>
constexpr rules rules_for(dialect which) {
  return {.which = which,
          .write = write<Of>,
          .read = read<Of>,
          .mark = mark<Of>,
          .own = Of.compresses,
          .keeps_equal_size = which == dialect::pymemcache};
}

}  // namespace

constinit const rules python_memcached_rules =
    rules_for<python_memcached>(dialect::python_memcached);
constinit const rules cmemcache_rules = rules_for<cmemcache>(dialect::cmemcache);
constinit const rules pyermc_rules = rules_for<pyermc>(dialect::pyermc);
constinit const rules pymemcache_rules = rules_for<pymemcache>(dialect::pymemcache);
constinit const rules pylibmc_rules = rules_for<pylibmc>(dialect::pylibmc);

}  // namespace memcxx::codecs
