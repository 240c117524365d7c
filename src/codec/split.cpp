// Values over several items, as memcxx lays them out and as libmc does.
//
// Native: the value's own item is a manifest (split.hpp). Each value that is split gets an id of
// its own, so the pieces of two writers never mix: a reader gets one of the two values whole, or
// learns from the checksum that it did not. Pieces that nobody points to any more stay until they
// expire.
//
// libmc 1.4.17, run: values over 1,000,000 bytes as stored are cut into so many bytes each. The
// item under the key holds the number of pieces in decimal, with the value's flags and 4096; the
// pieces,
// "~" + length of the key + key + "/" + index, have the value's flags. At most ten pieces and keys
// of 200 bytes. It has no checksum, and two writers of one key do mix: this is its format. Only its
// set splits; add, replace and cas do not. Never here: fetching or storing pieces.
#include "codec/split.hpp"

#include <charconv>
#include <sys/random.h>
#include <system_error>
#include <zlib.h>

#include "codec/output.hpp"
#include "codec/value_codec_state.hpp"

namespace memcxx {
namespace {

using codecs::manifest;

constexpr std::size_t libmc_pieces = 10;
constexpr std::size_t libmc_key = 200;

std::uint32_t checksum_of(std::string_view bytes) noexcept {
  // Null would ask zlib for the checksum to begin with.
  const auto* const from = reinterpret_cast<const Bytef*>(bytes.empty() ? "" : bytes.data());
  return static_cast<std::uint32_t>(crc32_z(0, from, bytes.size()));
}

std::string libmc_piece_key(std::string_view key, std::size_t index) {
  return "~" + std::to_string(key.size()) + std::string(key) + "/" + std::to_string(index);
}

template <class KeyOf>
std::vector<value_codec::piece> cut(std::string_view bytes, std::size_t size, KeyOf key_of) {
  std::vector<value_codec::piece> pieces;
  pieces.reserve(bytes.size() / size + 1);
  for (std::size_t at = 0; at < bytes.size(); at += size)
    pieces.push_back({.key = key_of(pieces.size()), .bytes = bytes.substr(at, size)});
  return pieces;
}

std::optional<value_codec::split_value> split_native(const value_codec::packed& whole,
                                                     std::size_t over) {
  if (over > UINT32_MAX) return std::nullopt;
  manifest m{.id = {},
             .size = whole.bytes.size(),
             .piece_size = static_cast<std::uint32_t>(over),
             .checksum = checksum_of(whole.bytes)};
  if (m.pieces() > codecs::most_pieces) return std::nullopt;
  // From the kernel each time: nothing that a fork could copy, nothing to seed.
  if (getentropy(m.id.data(), m.id.size()) != 0) return std::nullopt;
  return value_codec::split_value{
      .flags = codecs::native::marked(whole.flags, codecs::native::split_mark),
      .bytes = codecs::bytes_of(m),
      .piece_flags = codecs::native::piece_flags,
      .pieces = cut(whole.bytes, over,
                    [&m](std::size_t index) { return codecs::piece_key(m.id, index); })};
}

std::optional<value_codec::split_value> split_libmc(std::string_view key,
                                                    const value_codec::packed& whole,
                                                    std::size_t over) {
  if (key.size() > libmc_key || whole.bytes.size() > libmc_pieces * over) return std::nullopt;
  value_codec::split_value out{.flags = whole.flags | codecs::libmc::split_mark,
                               .bytes = {},
                               .piece_flags = whole.flags,
                               .pieces = cut(whole.bytes, over, [key](std::size_t index) {
                                 return libmc_piece_key(key, index);
                               })};
  out.bytes = std::to_string(out.pieces.size());
  return out;
}

result<value_codec::join_plan> native_plan(const codecs::codec_state& s, const raw_item& item) {
  const std::optional<manifest> m = codecs::read_manifest(item.bytes);
  if (!m) return codecs::corrupt("no manifest of a value over several items");
  if (m->size > s.options.max_decompressed)
    return std::unexpected(
        error(errc::value_too_large, std::to_string(m->size) + " bytes over several items"));
  value_codec::join_plan plan{
      .flags = codecs::native::unmarked(item.flags, codecs::native::split_mark),
      .keys = {},
      .piece_size = m->piece_size,
      .size = static_cast<std::size_t>(m->size),
      .checksum = m->checksum};
  const auto count = static_cast<std::size_t>(m->pieces());
  plan.keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) plan.keys.push_back(codecs::piece_key(m->id, i));
  return plan;
}

result<value_codec::join_plan> libmc_plan(const codecs::codec_state& s, std::string_view key,
                                          const raw_item& item) {
  if (s.prefix_size != 0)
    return std::unexpected(
        error(errc::not_supported,
              "libmc names pieces by the key with its prefix; have the prefix in the keys"));
  std::string_view digits = item.bytes;
  while (digits.ends_with('\0')) digits.remove_suffix(1);  // older libmc's, and libmc reads them
  std::size_t count = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, failure] = std::from_chars(digits.data(), end, count);
  if (failure != std::errc{} || at != end || count == 0 || count > libmc_pieces)
    return codecs::corrupt("no number of pieces from 1 to 10");
  if (key.size() > libmc_key) return codecs::corrupt("pieces under a key of over 200 bytes");
  value_codec::join_plan plan{.flags = item.flags & ~codecs::libmc::split_mark,
                              .keys = {},
                              .piece_size = 0,  // what other clients cut is theirs to choose
                              .size = std::nullopt,
                              .checksum = std::nullopt};
  for (std::size_t i = 0; i < count; ++i) plan.keys.push_back(libmc_piece_key(key, i));
  return plan;
}

}  // namespace

std::optional<value_codec::split_value> value_codec::split(std::string_view key,
                                                           const packed& whole) const {
  const codecs::codec_state& s = state::of(*this);
  const std::size_t over = s.options.split_over;
  if (over == 0 || whole.bytes.size() <= over) return std::nullopt;
  if (s.options.dialect == dialect::libmc) return split_libmc(key, whole, over);
  // It could be stored, and not be read again.
  if (whole.bytes.size() > s.options.max_decompressed) return std::nullopt;
  return split_native(whole, over);
}

bool value_codec::is_split(std::uint32_t flags) const noexcept {
  if (flags == 0) return false;
  const auto m = state::of(*this).dialect_rules->read(flags);
  return m && m->split;
}

result<value_codec::join_plan> value_codec::pieces_of(std::string_view key, std::uint32_t flags,
                                                      std::string_view bytes) const {
  const codecs::codec_state& s = state::of(*this);
  const raw_item item{flags, bytes};
  return codecs::guarded([&]() -> result<join_plan> {
    auto plan = [&]() -> result<join_plan> {
      if (!is_split(flags)) return codecs::corrupt("no item that stands for several");
      return s.options.dialect == dialect::libmc ? libmc_plan(s, key, item) : native_plan(s, item);
    }();
    if (!plan) return std::unexpected(plan.error().about(item));
    return plan;
  });
}

result<void> value_codec::check_joined(const join_plan& plan, std::string_view joined) {
  return codecs::guarded([&]() -> result<void> {
    std::string wrong;
    if (plan.size && *plan.size != joined.size()) {
      wrong =
          std::to_string(joined.size()) + " bytes in pieces, and not " + std::to_string(*plan.size);
    } else if (plan.checksum && *plan.checksum != checksum_of(joined)) {
      wrong = "the pieces have another checksum than their whole had";
    } else {
      return {};
    }
    return std::unexpected(
        error(errc::corrupt_value, std::move(wrong)).about({plan.flags, joined}));
  });
}

namespace codecs {
namespace {

void append_le(std::uint64_t n, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
}

std::uint64_t read_le(std::string_view bytes) noexcept {
  std::uint64_t n = 0;
  for (std::size_t i = bytes.size(); i > 0; --i)
    n = n << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return n;
}

constexpr char version = 1;

}  // namespace

std::string bytes_of(const manifest& m) {
  std::string out(1, version);
  out.append(m.id.data(), m.id.size());
  append_le(m.size, 8, out);
  append_le(m.piece_size, 4, out);
  append_le(m.checksum, 4, out);
  return out;
}

std::optional<manifest> read_manifest(std::string_view bytes) noexcept {
  if (bytes.size() != manifest_size || bytes[0] != version) return std::nullopt;
  manifest m{.id = {},
             .size = read_le(bytes.substr(17, 8)),
             .piece_size = static_cast<std::uint32_t>(read_le(bytes.substr(25, 4))),
             .checksum = static_cast<std::uint32_t>(read_le(bytes.substr(29, 4)))};
  bytes.copy(m.id.data(), m.id.size(), 1);
  if (m.piece_size < shortest_piece || m.size <= m.piece_size || m.pieces() > most_pieces)
    return std::nullopt;
  return m;
}

std::string piece_key(const std::array<char, 16>& id, std::size_t index) {
  std::string key = "mx:";
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    key += "0123456789abcdef"[byte >> 4];
    key += "0123456789abcdef"[byte & 0xf];
  }
  return key + ":" + std::to_string(index);
}

}  // namespace codecs
}  // namespace memcxx
