// gomemcached's dialect: flags 0 for bytes (its functions for raw data), 1 for MessagePack as
// vmihailenco/msgpack v4.3.5 encodes it. That library, run, writes an int64 or int always in nine
// bytes (0xd3), a uint64 or uint likewise (0xcf), and everything else as short as can be.
//
// The original compares the flags with 1 and takes any others for raw bytes; here others are
// unknown. It compresses nothing. A counter is a raw decimal: an integer that is stored by type
// cannot be incremented, with the original as here.
// Never here: MessagePack for anything but integers.
#include <charconv>
#include <system_error>

#include "codec/forms.hpp"

namespace memcxx::codecs {
namespace {

constexpr std::uint32_t msgpack_flags = 1;

template <class Integer>
bool reads_as(std::string_view digits, Integer& n) noexcept {
  const char* const end = digits.data() + digits.size();
  const auto [at, failure] = std::from_chars(digits.data(), end, n);
  return failure == std::errc{} && at == end;
}

void append_nine_bytes(unsigned char format, std::uint64_t n, std::string& out) {
  out += static_cast<char>(format);
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift & 0xff);
}

result<written> as_go_integer(const value_view& v, std::string& storage) {
  const std::string_view digits = trimmed(v.bytes);
  std::int64_t n = 0;
  std::uint64_t u = 0;
  storage.clear();
  if (reads_as(digits, n)) {
    append_nine_bytes(0xd3, static_cast<std::uint64_t>(n), storage);
  } else if (reads_as(digits, u)) {
    append_nine_bytes(0xcf, u, storage);
  } else {
    return std::unexpected(error(errc::wrong_type, "an integer beyond what MessagePack holds"));
  }
  return written{.flags = msgpack_flags, .bytes = storage, .compressible = false};
}

result<written> write(const value_view& v, std::string& storage) {
  if (const auto ok = check(v); !ok) return std::unexpected(ok.error());
  if (v.kind == value_kind::bytes) return verbatim(v, 0);
  if (v.kind == value_kind::msgpack) return verbatim(v, msgpack_flags);
  if (v.kind == value_kind::integer) return as_go_integer(v, storage);
  return as_document(v, msgpack_flags, write_msgpack, storage);
}

std::optional<meaning> read(std::uint32_t flags) noexcept {
  if (flags == 0) return meaning{};
  if (flags == msgpack_flags) return meaning{.kind = value_kind::msgpack};
  return std::nullopt;
}

std::optional<std::uint32_t> mark(std::uint32_t, compressor) noexcept { return std::nullopt; }

}  // namespace

constinit const rules gomemcached_rules = {.which = dialect::gomemcached,
                                           .write = write,
                                           .read = read,
                                           .mark = mark,
                                           .own = compressor::automatic};

}  // namespace memcxx::codecs
