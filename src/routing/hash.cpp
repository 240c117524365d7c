// The names of hashes, and the functions that take a key byte by byte.
// Never here: servers or rings.
#include "hash.hpp"

#include <array>
#include <cstddef>

#include "md5.hpp"
#include "md5_lanes.hpp"

namespace memcxx::routing {
namespace {

// A byte as C code on x86 sees it when it widens a `char`.
std::uint32_t sign_extended(char c) noexcept {
  return static_cast<std::uint32_t>(std::int32_t{static_cast<signed char>(c)});
}

std::uint32_t plain(char c) noexcept { return static_cast<unsigned char>(c); }

constexpr std::uint32_t fnv_basis = 0x811c9dc5;
constexpr std::uint32_t fnv_prime = 0x01000193;
constexpr std::uint64_t fnv_basis_64 = 0xcbf29ce484222325;
constexpr std::uint64_t fnv_prime_64 = 0x00000100000001b3;

std::uint32_t textbook_fnv1_32(std::string_view key) noexcept {
  std::uint32_t h = fnv_basis;
  for (const char c : key) h = (h * fnv_prime) ^ plain(c);
  return h;
}

std::uint32_t textbook_fnv1a_32(std::string_view key) noexcept {
  std::uint32_t h = fnv_basis;
  for (const char c : key) h = (h ^ plain(c)) * fnv_prime;
  return h;
}

struct named_hash {
  std::string_view name;
  hash_function function;
};

constexpr std::array hashes = {
    named_hash{"default", one_at_a_time}, named_hash{"one_at_a_time", one_at_a_time},
    named_hash{"md5", md5_hash},          named_hash{"crc", crc32_high},
    named_hash{"crc32", crc32_high},      named_hash{"crc32a", crc32},
    named_hash{"crc16", crc16},           named_hash{"fnv1_32", fnv1_32},
    named_hash{"fnv1a_32", fnv1a_32},     named_hash{"fnv1_64", fnv1_64},
    named_hash{"fnv1a_64", fnv1a_64},     named_hash{"hsieh", hsieh},
    named_hash{"murmur", murmur},         named_hash{"murmur3", murmur3},
    named_hash{"jenkins", jenkins},
};

constexpr std::array libmc_hashes = {
    named_hash{"default", md5_hash},
    named_hash{"md5", md5_hash},
    named_hash{"crc_32", crc32},
    named_hash{"crc32a", crc32},
    named_hash{"fnv1_32", textbook_fnv1_32},
    named_hash{"fnv1a_32", textbook_fnv1a_32},
};

hash_function find_in(std::span<const named_hash> table, std::string_view name) noexcept {
  for (const named_hash& h : table) {
    if (h.name == name) return h.function;
  }
  return nullptr;
}

template <class Word>
constexpr std::array<Word, 256> crc_table(Word (*entry)(std::uint32_t)) {
  std::array<Word, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) table[i] = entry(i);
  return table;
}

constexpr auto crc32_table = crc_table<std::uint32_t>([](std::uint32_t c) {
  for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0xedb88320U : 0U);
  return c;
});

// Polynomial 0x1021, high bit first.
constexpr auto crc16_table = crc_table<std::uint16_t>([](std::uint32_t c) {
  c <<= 8;
  for (int bit = 0; bit < 8; ++bit) c = (c << 1) ^ ((c & 0x8000) != 0 ? 0x1021U : 0U);
  return static_cast<std::uint16_t>(c);
});

}  // namespace

std::uint32_t one_at_a_time(std::string_view key) noexcept {
  std::uint32_t h = 0;
  for (const char c : key) {
    h += sign_extended(c);
    h += h << 10;
    h ^= h >> 6;
  }
  h += h << 3;
  h ^= h >> 11;
  h += h << 15;
  return h;
}

std::uint32_t fnv1_32(std::string_view key) noexcept {
  std::uint32_t h = fnv_basis;
  for (const char c : key) h = (h * fnv_prime) ^ sign_extended(c);
  return h;
}

std::uint32_t fnv1a_32(std::string_view key) noexcept {
  std::uint32_t h = fnv_basis;
  for (const char c : key) h = (h ^ sign_extended(c)) * fnv_prime;
  return h;
}

std::uint32_t fnv1_64(std::string_view key) noexcept {
  std::uint64_t h = fnv_basis_64;
  for (const char c : key) {
    h = (h * fnv_prime_64) ^ static_cast<std::uint64_t>(std::int64_t{static_cast<signed char>(c)});
  }
  return static_cast<std::uint32_t>(h);
}

std::uint32_t fnv1a_64(std::string_view key) noexcept {
  auto h = static_cast<std::uint32_t>(fnv_basis_64);
  for (const char c : key) h = (h ^ sign_extended(c)) * static_cast<std::uint32_t>(fnv_prime_64);
  return h;
}

std::uint32_t md5_hash(std::string_view key) noexcept { return md5_words(key)[0]; }

std::uint32_t crc32_after(std::uint32_t before, std::string_view more) noexcept {
  std::uint32_t crc = ~before;
  for (const char c : more) crc = (crc >> 8) ^ crc32_table[(crc ^ plain(c)) & 0xff];
  return ~crc;
}

std::uint32_t crc32(std::string_view key) noexcept { return crc32_after(0, key); }

std::uint32_t crc32_high(std::string_view key) noexcept { return crc32(key) >> 16 & 0x7fff; }

std::uint32_t crc16(std::string_view key) noexcept {
  std::uint32_t crc = 0;
  for (const char c : key) crc = (crc << 8) ^ crc16_table[((crc >> 8) ^ plain(c)) & 0xff];
  return crc;
}

void hash_each(hash_function hash, std::span<const std::string_view> keys,
               std::span<std::uint32_t> out) noexcept {
  if (hash == md5_hash) return md5_first_words(keys, out);
  for (std::size_t i = 0; i < keys.size(); ++i) out[i] = hash(keys[i]);
}

hash_function find_hash(std::string_view name) noexcept { return find_in(hashes, name); }

hash_function find_twemproxy_hash(std::string_view name) noexcept {
  return name == "default" ? fnv1a_64 : find_in(hashes, name);
}

hash_function find_libmc_hash(std::string_view name) noexcept {
  return find_in(libmc_hashes, name);
}

}  // namespace memcxx::routing
