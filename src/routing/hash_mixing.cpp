// The hash functions that take a key several bytes at a time.
// Never here: names, servers or rings.
#include <array>
#include <bit>

#include "bytes.hpp"
#include "hash.hpp"
#include "murmur3.hpp"

namespace memcxx::routing {
namespace {

std::uint32_t read_le16(const char* p) noexcept { return byte_at(p, 0) | byte_at(p, 1) << 8; }

// Up to four bytes, as if zeros followed them.
std::uint32_t read_le_tail(std::string_view tail) noexcept {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < tail.size(); ++i) word |= byte_at(tail.data(), i) << (8 * i);
  return word;
}

}  // namespace

std::uint32_t hsieh(std::string_view key) noexcept {
  if (key.empty()) return 0;
  std::uint32_t h = 0;
  for (; key.size() >= 4; key.remove_prefix(4)) {
    h += read_le16(key.data());
    h = (h << 16) ^ (read_le16(key.data() + 2) << 11) ^ h;
    h += h >> 11;
  }
  switch (key.size()) {
    case 3:
      h += read_le16(key.data());
      h ^= h << 16;
      // The only byte that is read as a signed `char` here.
      h ^= static_cast<std::uint32_t>(std::int32_t{static_cast<signed char>(key[2])}) << 18;
      h += h >> 11;
      break;
    case 2:
      h += read_le16(key.data());
      h ^= h << 11;
      h += h >> 17;
      break;
    case 1:
      h += byte_at(key.data(), 0);
      h ^= h << 10;
      h += h >> 1;
      break;
    default:
      break;
  }
  h ^= h << 3;
  h += h >> 5;
  h ^= h << 4;
  h += h >> 17;
  h ^= h << 25;
  h += h >> 6;
  return h;
}

std::uint32_t murmur(std::string_view key) noexcept {
  constexpr std::uint32_t m = 0x5bd1e995;
  const auto length = static_cast<std::uint32_t>(key.size());
  std::uint32_t h = (0xdeadbeefU * length) ^ length;
  for (; key.size() >= 4; key.remove_prefix(4)) {
    std::uint32_t k = read_le32(key.data()) * m;
    k ^= k >> 24;
    h = (h * m) ^ (k * m);
  }
  if (!key.empty()) h = (h ^ read_le_tail(key)) * m;
  h ^= h >> 13;
  h *= m;
  h ^= h >> 15;
  return h;
}

std::uint32_t murmur3(std::string_view key) noexcept {
  murmur3_state state(0xdeadbeefU * static_cast<std::uint32_t>(key.size()));
  for (const char c : key) state.add(static_cast<unsigned char>(c));
  return state.finish();
}

std::uint32_t jenkins(std::string_view key) noexcept {
  std::uint32_t a = 0xdeadbeefU + static_cast<std::uint32_t>(key.size()) + 13U;
  std::uint32_t b = a;
  std::uint32_t c = a;
  for (; key.size() > 12; key.remove_prefix(12)) {
    a += read_le32(key.data());
    b += read_le32(key.data() + 4);
    c += read_le32(key.data() + 8);
    a = (a - c) ^ std::rotl(c, 4), c += b;
    b = (b - a) ^ std::rotl(a, 6), a += c;
    c = (c - b) ^ std::rotl(b, 8), b += a;
    a = (a - c) ^ std::rotl(c, 16), c += b;
    b = (b - a) ^ std::rotl(a, 19), a += c;
    c = (c - b) ^ std::rotl(b, 4), b += a;
  }
  if (key.empty()) return c;
  a += read_le_tail(key.substr(0, 4));
  if (key.size() > 4) b += read_le_tail(key.substr(4, 4));
  if (key.size() > 8) c += read_le_tail(key.substr(8, 4));
  c = (c ^ b) - std::rotl(b, 14);
  a = (a ^ c) - std::rotl(c, 11);
  b = (b ^ a) - std::rotl(a, 25);
  c = (c ^ b) - std::rotl(b, 16);
  a = (a ^ c) - std::rotl(c, 4);
  b = (b ^ a) - std::rotl(a, 14);
  c = (c ^ b) - std::rotl(b, 24);
  return c;
}

}  // namespace memcxx::routing
