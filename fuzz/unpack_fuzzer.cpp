// Feeds any item to every dialect's reader. What it makes of the item has to be of its kind, and
// has to come back when it is packed and unpacked again; what it does not read is an error with the
// item. Input: a byte for the dialect and the codec's options, the flags as four bytes,
// little-endian, and the item's bytes. Never here: what is right for one dialect.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <memcxx/dialect.hpp>

#include "codec/document.hpp"

namespace {

using namespace memcxx;

constexpr std::array dialects = {dialect::native, dialect::python_memcached, dialect::cmemcache,
                                 dialect::pyermc, dialect::pymemcache,       dialect::pylibmc,
                                 dialect::libmc,  dialect::gomemcached,      dialect::dalli};
constexpr std::size_t most = 1 << 20;  // bytes of a value: a fuzzer is to be quick

void require(bool ok) {
  if (!ok) std::abort();
}

value_codec codec_of(dialect d) {
  value_options options{.dialect = d, .max_decompressed = most};
  options.hash_long_keys = d == dialect::native;
  return value_codec::make(options).value();
}

// Some dialects have no booleans, and read the integer that they store for one. Some have no more
// than one NaN.
bool is_same(const value_view& a, const value_view& b) {
  const bool as_integer = a.kind == value_kind::boolean && b.kind == value_kind::integer;
  if (a.kind != b.kind && !as_integer) return false;
  if (a.bytes == b.bytes) return true;
  const auto d = codecs::to_document(a);
  const auto e = codecs::to_document(b);
  return a.kind == value_kind::msgpack && d && e && *d == *e;
}

void unpack(const value_codec& codec, std::string_view key, std::uint32_t flags,
            std::string_view bytes, value_codec::opaque_values how) {
  std::string storage;
  const auto v = codec.unpack(key, flags, bytes, storage, how);
  if (!v) {
    require(v.error() == errc::miss || (v.error().item() && v.error().item()->flags == flags &&
                                        v.error().item()->bytes == bytes));
    return;
  }
  require(!codec.is_verbatim(flags) || v->bytes.data() == bytes.data());
  value_codec::packed again;
  if (!codec.pack(key, *v, again)) return;  // an integer of too many digits
  const value_codec::packed moved = std::move(again);
  std::string other;
  // Text that a client stored as it is may be marshalled by this one.
  const bool opaque = v->kind >= value_kind::pickle;
  const auto back = codec.unpack(key, moved.flags, moved.bytes, other,
                                 opaque ? how : value_codec::opaque_values::decoded);
  require(back && is_same(*v, *back));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 5) return 0;
  static const std::array codecs = [] {
    std::array<value_codec, dialects.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = codec_of(dialects[i]);
    return all;
  }();
  const value_codec& codec = codecs[data[0] % dialects.size()];
  const bool long_key = (data[0] & 0x80) != 0;
  std::uint32_t flags = 0;
  for (std::size_t i = 0; i < 4; ++i) flags |= std::uint32_t{data[1 + i]} << (8 * i);
  // Bytes of their own, so that a sanitizer sees what is read beyond them.
  const std::string bytes(reinterpret_cast<const char*>(data) + 5, size - 5);
  const std::string key(long_key ? 300 : 1, 'k');

  unpack(codec, key, flags, bytes, value_codec::opaque_values::decoded);
  unpack(codec, key, flags, bytes, value_codec::opaque_values::kept);
  if (const auto plan = codec.pieces_of(key, flags, bytes)) {
    require(codec.is_split(flags) && !plan->keys.empty() && plan->keys.size() <= 4096);
    require(!plan->size || *plan->size <= most);
    static_cast<void>(value_codec::check_joined(*plan, bytes));
  }
  return 0;
}
