// The names of dialects and compressors, and the rules of each dialect by its name.
// Never here: a flag.
#include "codec/dialects.hpp"

#include <array>
#include <utility>

namespace memcxx {
namespace {

constexpr std::array<std::pair<dialect, std::string_view>, 9> dialects = {{
    {dialect::native, "native"},
    {dialect::python_memcached, "python-memcached"},
    {dialect::cmemcache, "cmemcache"},
    {dialect::pyermc, "pyermc"},
    {dialect::pymemcache, "pymemcache"},
    {dialect::pylibmc, "pylibmc"},
    {dialect::libmc, "libmc"},
    {dialect::gomemcached, "gomemcached"},
    {dialect::dalli, "dalli"},
}};

constexpr std::array<std::pair<compressor, std::string_view>, 4> compressors = {{
    {compressor::automatic, "automatic"},
    {compressor::lz4, "lz4"},
    {compressor::zlib, "zlib"},
    {compressor::zstd, "zstd"},
}};

template <class Table, class E>
std::string_view name_in(const Table& table, E value) noexcept {
  for (const auto& [e, name] : table)
    if (e == value) return name;
  return "unknown";
}

template <class E, std::size_t N>
std::optional<E> named_in(const std::array<std::pair<E, std::string_view>, N>& table,
                          std::string_view name) noexcept {
  for (const auto& [e, its_name] : table)
    if (its_name == name) return e;
  return std::nullopt;
}

}  // namespace

std::string_view name_of(dialect d) noexcept { return name_in(dialects, d); }
std::optional<dialect> dialect_named(std::string_view name) noexcept {
  return named_in(dialects, name);
}
std::string_view name_of(compressor c) noexcept { return name_in(compressors, c); }
std::optional<compressor> compressor_named(std::string_view name) noexcept {
  return named_in(compressors, name);
}

namespace codecs {

const rules& rules_of(dialect d) noexcept {
  switch (d) {
    case dialect::native:
      return native_rules;
    case dialect::python_memcached:
      return python_memcached_rules;
    case dialect::cmemcache:
      return cmemcache_rules;
    case dialect::pyermc:
      return pyermc_rules;
    case dialect::pymemcache:
      return pymemcache_rules;
    case dialect::pylibmc:
      return pylibmc_rules;
    case dialect::libmc:
      return libmc_rules;
    case dialect::gomemcached:
      return gomemcached_rules;
    case dialect::dalli:
      return dalli_rules;
  }
  return native_rules;
}

}  // namespace codecs
}  // namespace memcxx
