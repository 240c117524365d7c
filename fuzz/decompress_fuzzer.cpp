// Feeds any bytes to the compressors: the first byte picks one. What decompresses is within its
// bound, is refused one byte below its length, and survives being compressed again.
// Never here: which error damaged bytes are.
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "codec/compress.hpp"
#include "parse_any.hpp"

namespace {

using namespace memcxx;
using fuzz::require;

constexpr std::size_t max_size = 100'000;

const codecs::zstd& plain() {
  static const codecs::zstd z;
  return z;
}

codecs::compressed compress(int which, std::string_view in, std::string& out) {
  constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
  if (which == 0) return codecs::lz4_compress(in, std::nullopt, any, out);
  if (which == 1) return codecs::zlib_compress(in, std::nullopt, any, out);
  return plain().compress(in, any, out);
}

result<void> decompress(int which, std::string_view in, std::size_t most, std::string& out) {
  if (which == 0) return codecs::lz4_decompress(in, most, out);
  if (which == 1) return codecs::zlib_decompress(in, most, out);
  return plain().decompress(in, most, out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const int which = data[0] % 3;
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string value;
  if (const auto done = decompress(which, in, max_size, value); !done) {
    require(done.error() == errc::corrupt_value || done.error() == errc::value_too_large);
    require(!done.error().message().empty() && value.empty());
    return 0;
  }
  require(value.size() <= max_size);
  std::string again = "before";
  require(decompress(which, in, value.size(), again).has_value() && again == value);
  if (!value.empty()) {
    const auto done = decompress(which, in, value.size() - 1, again);
    require(!done && done.error() == errc::value_too_large);
  }
  std::string packed;
  require(compress(which, value, packed).value_or(false));
  require(decompress(which, packed, value.size(), again).has_value() && again == value);
  return 0;
}
