// memcxx's own dialect: every kind as its canonical bytes, and flags that nobody else has.
// Never here: manifests (split.cpp), the frame of long keys (long_key.cpp).
#include "codec/forms.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::uint32_t kind_bits = 0xf;
constexpr std::uint32_t compressor_shift = 4;
constexpr std::uint32_t compressor_bits = 0x70;
constexpr std::uint32_t highest_kind = static_cast<std::uint32_t>(value_kind::ruby);
constexpr std::uint32_t known_bits =
    kind_bits | compressor_bits | native::split_mark | native::long_key_mark;

// The numbers are on the wire: the enumerators keep theirs.
static_assert(static_cast<int>(value_kind::text) == 1 && highest_kind == 10);
static_assert(static_cast<int>(compressor::lz4) == 1 && static_cast<int>(compressor::zstd) == 3);

result<written> write(const value_view& v, std::string&) {
  if (const auto ok = check(v); !ok) return std::unexpected(ok.error());
  if (v.kind == value_kind::bytes) return verbatim(v, 0);
  const std::uint32_t flags = native::magic | static_cast<std::uint32_t>(v.kind);
  if (v.kind == value_kind::integer) return as_decimal(v, flags);
  return verbatim(v, flags);
}

std::optional<meaning> read(std::uint32_t flags) noexcept {
  if (flags == 0) return meaning{};
  const std::uint32_t low = flags ^ native::magic;  // has high bits if that is not the magic
  if (low == 0 || (low & ~known_bits) != 0) return std::nullopt;
  const std::uint32_t kind = low & kind_bits;
  const std::uint32_t how = (low & compressor_bits) >> compressor_shift;
  if (kind > highest_kind || how > static_cast<std::uint32_t>(compressor::zstd))
    return std::nullopt;
  std::optional<meaning> m(std::in_place);
  m->kind = static_cast<value_kind>(kind);
  m->split = (low & native::split_mark) != 0;
  m->long_key = (low & native::long_key_mark) != 0;
  if (how != 0) m->compressed = static_cast<compressor>(how);
  return m;
}

std::optional<std::uint32_t> mark(std::uint32_t flags, compressor c) noexcept {
  if (c == compressor::automatic) return std::nullopt;
  return native::marked(flags, static_cast<std::uint32_t>(c) << compressor_shift);
}

}  // namespace

constinit const rules native_rules = {
    .which = dialect::native, .write = write, .read = read, .mark = mark, .own = compressor::zstd};

}  // namespace memcxx::codecs
