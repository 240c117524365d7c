// Feeds any bytes to the classic parser. Never here: what the checks are, see parse_any.hpp.
#include <memcxx/protocol/classic.hpp>

#include "parse_any.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  memcxx::fuzz::parse_any(memcxx::protocol::classic::parse, data, size);
  return 0;
}
