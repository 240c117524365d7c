// Builds binary replies for tests.
// Never here: the code under test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace memcxx::protocol::testing {

inline std::string big_endian(std::uint64_t n, int size) {
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(n >> (8 * i) & 0xff);
  return bytes;
}

struct frame {
  unsigned magic = 0x81;
  unsigned opcode = 0;
  unsigned status = 0;
  std::string extras = {};
  std::string key = {};
  std::string value = {};
  std::uint64_t cas = 0;
  std::uint32_t opaque = 7;
  unsigned data_type = 0;

  [[nodiscard]] std::string bytes() const {
    return big_endian(magic, 1) + big_endian(opcode, 1) + big_endian(key.size(), 2) +
           big_endian(extras.size(), 1) + big_endian(data_type, 1) + big_endian(status, 2) +
           big_endian(extras.size() + key.size() + value.size(), 4) + big_endian(opaque, 4) +
           big_endian(cas, 8) + extras + key + value;
  }
};

}  // namespace memcxx::protocol::testing
