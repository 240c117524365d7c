// Feeds any bytes to the meta parser. Never here: what the checks are, see parse_any.hpp.
#include <memcxx/protocol/meta.hpp>

#include "parse_any.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  memcxx::fuzz::parse_any(memcxx::protocol::meta::parse, data, size);
  return 0;
}
