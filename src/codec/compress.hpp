// The compressors: each one function to compress, one to decompress, over the well-kept library.
// Never here: flags, when to compress.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/dialect.hpp>
#include <memcxx/error.hpp>

namespace memcxx::codecs {

// Appends the compressed bytes to `out` if they are fewer than `less_than`; false, and `out` as it
// was, if they are not. Errors: value_too_large (over 2,113,929,216 bytes for lz4), out_of_memory,
// invalid_argument (a level that the compressor does not have).
using compressed = result<bool>;

compressed lz4_compress(std::string_view in, std::optional<int> level, std::size_t less_than,
                        std::string& out);
compressed zlib_compress(std::string_view in, std::optional<int> level, std::size_t less_than,
                         std::string& out);

// invalid_argument says which levels there are. lz4: 1 to 12 are LZ4HC's, 0 the default, below 0
// faster still and larger. zlib: 0 to 9, -1 the default. (zstd: see zstd::make.)
result<void> lz4_check_level(std::optional<int> level);
result<void> zlib_check_level(std::optional<int> level);

// Replaces `out`; empty after an error. The whole input has to be one compressed value. Never holds
// more than `max_size` bytes, whatever the input declares; memory grows with what really comes out,
// or is at most what the format can make of an input as long (255 times as much, for lz4). Errors:
// corrupt_value (also a size that the input cannot hold, however large), value_too_large,
// out_of_memory.
result<void> lz4_decompress(std::string_view in, std::size_t max_size, std::string& out);
result<void> zlib_decompress(std::string_view in, std::size_t max_size, std::string& out);

// zstd, with the dictionaries of a client. Threads: immutable, safe to share; contexts are the
// thread's own, and go with it. One that was moved from may be assigned to, or destroyed.
class zstd {
 public:
  zstd();
  ~zstd();
  zstd(zstd&&) noexcept;
  zstd& operator=(zstd&&) noexcept;
  // The first dictionary is written with; each is read with, by its id. They are copied.
  // invalid_argument says which is none (raw content has no id), which two have one id, or that
  // there is no such level.
  static result<zstd> make(const std::vector<std::string>& dictionaries, std::optional<int> level);

  compressed compress(std::string_view in, std::size_t less_than, std::string& out) const;
  result<void> decompress(std::string_view in, std::size_t max_size, std::string& out) const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace memcxx::codecs
