// Packing and unpacking: a value to what an item holds and back, in the order form, compression,
// frame of a long key. What differs between dialects is in their rules.
// Never here: what a flag means (dialect_*.cpp), values over several items (split.cpp).
#include <functional>
#include <utility>

#include <memcxx/dialect.hpp>

#include "codec/forms.hpp"
#include "codec/long_key.hpp"
#include "codec/numbers.hpp"
#include "codec/output.hpp"
#include "codec/split.hpp"
#include "codec/utf8.hpp"
#include "codec/value_codec_state.hpp"

namespace memcxx {

using codecs::codec_state;
using codecs::guarded;

namespace {

std::unexpected<error> bad_option(std::string_view option, const std::string& what) {
  return std::unexpected(error(errc::invalid_argument, std::string(option) + ": " + what));
}

std::string the_dialect(dialect d) { return "the dialect " + std::string(name_of(d)); }

bool within(const char* p, const std::string& s) noexcept {
  return std::less_equal<>{}(s.data(), p) && std::less_equal<>{}(p, s.data() + s.size());
}

codecs::compressed compress(const codec_state& s, std::string_view in, std::size_t less_than,
                            std::string& out) {
  const std::optional<int> level = s.options.compression_level;
  switch (s.writes) {
    case compressor::lz4:
      return codecs::lz4_compress(in, level, less_than, out);
    case compressor::zlib:
      return codecs::zlib_compress(in, level, less_than, out);
    case compressor::zstd:
      return s.own_zstd ? s.own_zstd->compress(in, less_than, out)
                        : codecs::zstd().compress(in, less_than, out);
    case compressor::automatic:
      break;
  }
  return false;
}

result<void> decompress(const codec_state& s, compressor how, std::string_view in,
                        std::string& out) {
  const std::size_t most = s.options.max_decompressed;
  switch (how) {
    case compressor::lz4:
      return codecs::lz4_decompress(in, most, out);
    case compressor::zlib:
      return codecs::zlib_decompress(in, most, out);
    case compressor::zstd:
      return s.own_zstd ? s.own_zstd->decompress(in, most, out)
                        : codecs::zstd().decompress(in, most, out);
    case compressor::automatic:
      break;
  }
  return std::unexpected(error(errc::unknown_flags, "compressed in a way that has no name"));
}

// What is wrong with the level is said by the compressor that would be given it.
result<void> check_level(compressor c, std::optional<int> level) {
  if (c == compressor::lz4) return codecs::lz4_check_level(level);
  if (c == compressor::zlib) return codecs::zlib_check_level(level);
  if (c == compressor::zstd) {
    if (auto made = codecs::zstd::make({}, level); !made) return std::unexpected(made.error());
    return {};
  }
  if (!level) return {};
  return std::unexpected(error(errc::invalid_argument, "nothing is ever compressed"));
}

result<void> check_options(const value_options& o, const codecs::rules& rules, compressor writes,
                           std::size_t prefix_size) {
  const std::string whose = the_dialect(o.dialect);
  const bool native = o.dialect == dialect::native;
  const bool splits = native || o.dialect == dialect::libmc;
  if (o.compressor != compressor::automatic && !rules.mark(0, o.compressor))
    return bad_option("compressor", whose + " does not read " + std::string(name_of(o.compressor)));
  if (o.min_compress != 0 && writes == compressor::automatic)
    return bad_option("min_compress", whose + " compresses nothing");
  if (const auto ok = check_level(writes, o.compression_level); !ok)
    return bad_option("compression_level", std::string(ok.error().message()));
  if (!o.zstd_dictionaries.empty() && !native)
    return bad_option("zstd_dictionaries", whose + " does not know zstd");
  if (o.max_decompressed == 0) return bad_option("max_decompressed", "has to be above 0");
  if (o.split_over != 0 && !splits)
    return bad_option("split_over", whose + " knows no values over several items");
  if (o.split_over != 0 && o.split_over < codecs::shortest_piece)
    return bad_option("split_over",
                      "at least " + std::to_string(codecs::shortest_piece) + " bytes");
  if (o.split_over != 0 && prefix_size + codecs::longest_piece_key > codecs::longest_key)
    return bad_option("split_over", "a prefix of " + std::to_string(prefix_size) +
                                        " bytes leaves no room for the names of pieces");
  if (o.split_over != 0 && !native && prefix_size != 0)
    return bad_option("split_over",
                      "libmc names pieces by the key with its prefix; have the prefix in the keys");
  if (o.hash_long_keys && !native)
    return bad_option("hash_long_keys", whose + " keeps no key beside a value");
  if (o.hash_long_keys && prefix_size + codecs::stand_in_tail > codecs::longest_key)
    return bad_option("hash_long_keys", "a prefix of " + std::to_string(prefix_size) +
                                            " bytes leaves no room for a hash of " +
                                            std::to_string(codecs::stand_in_tail));
  return {};
}

// --- reading ------------------------------------------------------------------------------------

std::unexpected<error> corrupt(value_kind kind, std::string_view what) {
  return codecs::corrupt("stored as " + std::string(name_of(kind)) + ", and is not " +
                         std::string(what));
}

result<codecs::document> read_opaque(value_kind kind, std::string_view bytes,
                                     const codecs::limits& bounds) {
  if (kind == value_kind::marshal) return codecs::read_marshal(bytes, bounds);
  if (kind == value_kind::ruby) return codecs::read_ruby(bytes, bounds);
  return codecs::read_pickle(bytes, bounds);
}

codecs::limits bounds_of(const value_options& o) noexcept {
  codecs::limits bounds;
  bounds.bytes = o.max_decompressed;
  return bounds;
}

// Whether a MessagePack object has structure, or is of a kind that only MessagePack has. Its first
// byte says which.
bool is_structured(char first) noexcept {
  const auto b = static_cast<unsigned char>(first);
  return (b >= 0x80 && b <= 0x9f) || (b >= 0xc7 && b <= 0xc9) || (b >= 0xd4 && b <= 0xd8) ||
         (b >= 0xdc && b <= 0xdf);
}

// `stored` may lie in `storage`.
result<value_view> decode_document(const codec_state& s, const value_view& stored,
                                   std::string& storage) {
  const codecs::limits bounds = bounds_of(s.options);
  const bool foreign = stored.kind != value_kind::msgpack;
  const result<codecs::document> d = foreign ? read_opaque(stored.kind, stored.bytes, bounds)
                                             : codecs::read_msgpack(stored.bytes, bounds);
  if (d) {
    storage.clear();  // the document has bytes of its own
    return codecs::to_value(*d, storage);
  }
  if (!foreign || d.error() != errc::wrong_type || !s.options.decode_opaque)
    return std::unexpected(d.error());
  result<value> made = s.options.decode_opaque(stored);
  if (!made) return std::unexpected(std::move(made).error());
  storage = std::move(made->bytes);
  return value_view{made->kind, storage};
}

// The canonical form of a value that is neither compressed nor framed any more.
result<value_view> canonical(const codec_state& s, const value_view& stored, std::string& storage,
                             value_codec::opaque_values how) {
  switch (stored.kind) {
    case value_kind::bytes:
    case value_kind::json:
      return stored;
    case value_kind::text:
      if (!codecs::is_utf8(stored.bytes)) return corrupt(stored.kind, "UTF-8");
      return stored;
    case value_kind::integer: {
      const std::string_view digits = codecs::trimmed(stored.bytes);
      if (!codecs::is_decimal(digits)) return corrupt(stored.kind, "a decimal number");
      return value_view{stored.kind, digits};
    }
    case value_kind::floating:
      if (!codecs::double_of(stored.bytes)) return corrupt(stored.kind, "a number");
      return stored;
    case value_kind::boolean:
      if (!codecs::is_boolean(stored.bytes)) return corrupt(stored.kind, "1 or 0");
      return stored;
    case value_kind::none:
      if (!stored.bytes.empty()) return corrupt(stored.kind, "empty");
      return stored;
    case value_kind::msgpack:
      // Where scalars are stored as MessagePack they get their kinds back.
      if (s.dialect_rules->which == dialect::native) return stored;
      if (!stored.bytes.empty() && is_structured(stored.bytes.front())) return stored;
      return decode_document(s, stored, storage);
    case value_kind::pickle:
    case value_kind::marshal:
    case value_kind::ruby:
      if (how == value_codec::opaque_values::kept) return stored;
      return decode_document(s, stored, storage);
  }
  return std::unexpected(error(errc::unknown_flags, "a kind that has no name"));
}

result<value_view> unpack_item(const codec_state& s, std::string_view key, const raw_item& item,
                               std::string& storage, value_codec::opaque_values how) {
  const std::optional<codecs::meaning> m = s.dialect_rules->read(item.flags);
  if (!m)
    return std::unexpected(
        error(errc::unknown_flags,
              the_dialect(s.options.dialect) + " has no flags " + std::to_string(item.flags)));
  if (m->split)
    return std::unexpected(
        error(errc::wrong_type, "the item stands for a value over several items"));

  std::string_view bytes = item.bytes;
  if (m->long_key) {
    const std::optional<codecs::unframed> frame = codecs::read_frame(bytes);
    if (!frame) return codecs::corrupt("cut off within the key that stands before the value");
    if (frame->key != key) return std::unexpected(errc::miss);
    bytes = frame->value;
  } else if (s.options.hash_long_keys && codecs::needs_stand_in(key, s.prefix_size)) {
    return codecs::corrupt("found by the hash of a long key, and does not say whose it is");
  }
  if (m->compressed) {
    if (auto ok = decompress(s, *m->compressed, bytes, storage); !ok)
      return std::unexpected(std::move(ok).error());
    bytes = storage;
  }
  return canonical(s, {m->kind, bytes}, storage, how);
}

}  // namespace

const codec_state& value_codec::state::of(const value_codec& codec) noexcept {
  static const state defaults;  // allocates nothing
  return codec.state_ ? *codec.state_ : defaults;
}

value_codec::value_codec() = default;
value_codec::~value_codec() = default;
value_codec::value_codec(value_codec&&) noexcept = default;
value_codec& value_codec::operator=(value_codec&&) noexcept = default;

value_codec::packed::packed(packed&& other) noexcept { *this = std::move(other); }

value_codec::packed& value_codec::packed::operator=(packed&& other) noexcept {
  if (this == &other) return *this;
  // A short string's bytes move to another address.
  const bool owned = within(other.bytes.data(), other.storage);
  const std::size_t at =
      owned ? static_cast<std::size_t>(other.bytes.data() - other.storage.data()) : 0;
  flags = std::exchange(other.flags, 0);
  bytes = std::exchange(other.bytes, {});
  storage = std::exchange(other.storage, {});
  if (owned) bytes = std::string_view(storage).substr(at, bytes.size());
  return *this;
}

result<value_codec> value_codec::make(const value_options& options, std::size_t prefix_size) {
  return guarded([&]() -> result<value_codec> {
    const codecs::rules& rules = codecs::rules_of(options.dialect);
    const compressor writes =
        options.compressor == compressor::automatic ? rules.own : options.compressor;
    if (const auto ok = check_options(options, rules, writes, prefix_size); !ok)
      return std::unexpected(ok.error());
    auto s = std::make_unique<state>();
    s->dialect_rules = &rules;
    s->writes = writes;
    s->prefix_size = prefix_size;
    if (options.dialect == dialect::native) {
      // The level is the chosen compressor's, and zstd may be there only to read.
      const std::optional<int> level =
          writes == compressor::zstd ? options.compression_level : std::nullopt;
      auto z = codecs::zstd::make(options.zstd_dictionaries, level);
      if (!z && z.error() == errc::invalid_argument)
        return bad_option("zstd_dictionaries", std::string(z.error().message()));
      if (!z) return std::unexpected(std::move(z).error());
      s->own_zstd = *std::move(z);
    }
    s->options = options;
    value_codec made;
    made.state_ = std::move(s);
    return made;
  });
}

const value_options& value_codec::options() const noexcept { return state::of(*this).options; }

bool value_codec::is_verbatim(std::uint32_t flags) const noexcept {
  // Plain bytes have these flags in every dialect. Text is checked, and long keys are compared.
  return flags == 0 && (!state_ || !state_->options.hash_long_keys);
}

bool value_codec::is_packed(std::uint32_t flags) const noexcept {
  if (flags == 0) return false;
  const std::optional<codecs::meaning> m = state::of(*this).dialect_rules->read(flags);
  return m && (m->compressed || m->split || m->long_key);
}

result<void> value_codec::pack(std::string_view key, const value_view& v, packed& out,
                               std::optional<std::size_t> min_compress) const {
  const codec_state& s = state::of(*this);
  return guarded([&]() -> result<void> {
    auto form = s.dialect_rules->write(v, out.storage);
    if (!form) return std::unexpected(std::move(form).error());
    out.flags = form->flags;
    out.bytes = form->bytes;

    const bool framed = s.options.hash_long_keys && codecs::needs_stand_in(key, s.prefix_size);
    const std::size_t over = min_compress.value_or(s.options.min_compress);
    // What would be over the limit once decompressed could not be read again.
    const bool worth = over != 0 && form->compressible && form->bytes.size() > over &&
                       form->bytes.size() <= s.options.max_decompressed;
    const auto compressed_flags =
        worth ? s.dialect_rules->mark(form->flags, s.writes) : std::optional<std::uint32_t>();
    if (!framed && !compressed_flags) return {};

    std::string made;
    if (framed) codecs::append_frame(key, made);
    const std::size_t less_than = form->bytes.size() + (s.dialect_rules->keeps_equal_size ? 1 : 0);
    codecs::compressed smaller = false;
    if (compressed_flags) smaller = compress(s, form->bytes, less_than, made);
    if (!smaller) return std::unexpected(std::move(smaller).error());
    if (!*smaller) {
      if (!framed) return {};
      made += form->bytes;
    }
    if (*smaller) out.flags = *compressed_flags;
    if (framed) out.flags = codecs::native::marked(out.flags, codecs::native::long_key_mark);
    out.storage = std::move(made);
    out.bytes = out.storage;
    return {};
  });
}

result<value_view> value_codec::unpack(std::string_view key, std::uint32_t flags,
                                       std::string_view bytes, std::string& storage,
                                       opaque_values how) const {
  if (is_verbatim(flags)) return value_view{value_kind::bytes, bytes};
  return guarded([&]() -> result<value_view> {
    const raw_item item{flags, bytes};
    result<value_view> v = unpack_item(state::of(*this), key, item, storage, how);
    if (!v && fault_of(v.error().code()) != fault::answer)
      return std::unexpected(v.error().about(item));
    return v;
  });
}

}  // namespace memcxx
