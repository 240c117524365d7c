// How typed values lie in the server: the flags and formats of the clients in the field,
// compression, values over several items, keys that are too long. Never here: C++ types
// (codec.hpp), I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/error.hpp>
#include <memcxx/value.hpp>

namespace memcxx {

// Whose flags and formats a client's typed values have. They contradict each other, and no flag
// tells them apart: one is chosen for a client, and never guessed. Bytes are 0 in each. What the
// original could not read, and flags that it does not write, are errors (wrong_type when packed,
// unknown_flags when unpacked), even where the original would hand out some bytes for them.
enum class dialect : std::uint8_t {
  native,            // memcxx's own; the only one that tells a foreign value from its own
  python_memcached,  // text 16, int 2, else 1: pickle 0; zlib 8
  cmemcache,         // int and bool 2, int over 63 bits 4, else (text, too) 1: pickle 2
  pyermc,            // the same; lz4 8
  pymemcache,        // pickle_serde, compressed_serde: text 16, int 2, else 1: pickle 5; zlib 8
  pylibmc,           // text 16, int 4, bool 2 (reads back as int), else 1: pickle 5; zlib 8
  libmc,             // int 4, bool 8, else 32: marshal 2; zlib 16; long values in pieces 4096
  gomemcached,       // else (int, too) 1: MessagePack
  dalli,             // else (text and int, too) 1: Ruby's Marshal; zlib 2; reads text 4
};

// "native", "python-memcached", "cmemcache", "pyermc", "pymemcache", "pylibmc", "libmc",
// "gomemcached", "dalli".
std::string_view name_of(dialect d) noexcept;
std::optional<dialect> dialect_named(std::string_view name) noexcept;

enum class compressor : std::uint8_t {
  automatic,  // the dialect's own; zstd for native
  lz4,        // as pyermc frames it: the size as 32 bits, little-endian, then one block
  zlib,       // RFC 1950
  zstd,       // RFC 8878, with the size in its frame
};

// "automatic", "lz4", "zlib", "zstd".
std::string_view name_of(compressor c) noexcept;
std::optional<compressor> compressor_named(std::string_view name) noexcept;

// What a client does with typed values. Threads: a value type.
struct value_options {
  memcxx::dialect dialect = memcxx::dialect::native;

  // Compress what is longer than so many bytes, and store that if it is shorter. 0: never. Integers
  // are never compressed, so that they stay counters; nor what is over max_decompressed.
  // store_options::min_compress is for one call. cmemcache and gomemcached compress nothing.
  std::size_t min_compress = 0;
  memcxx::compressor compressor = memcxx::compressor::automatic;  // has to be one the dialect reads
  std::optional<int> compression_level =
      std::nullopt;  // the compressor's scale; its default unless set
  // zstd dictionaries, native only. The first is used for writing; each is found by its id for
  // reading, so an old one stays here until its values have expired.
  std::vector<std::string> zstd_dictionaries = {};
  // Longer values are not decompressed: value_too_large.
  std::size_t max_decompressed = std::size_t{128} << 20;  // bytes

  // Values over so many bytes as stored are spread over several items (native, libmc). 0: never.
  // From 1024 to what the servers take for one item, less 200. libmc's own is 1,000,000; it has its
  // prefix in the names of pieces, so it splits only without one.
  std::size_t split_over = 0;
  // Keys that are too long are hashed, and kept in full beside the value (native only). Typed
  // verbs, remove and touch take such keys; incr and decr do not.
  bool hash_long_keys = false;

  // Makes a value of a pickle, a marshal or a Ruby object that the library does not read: it reads
  // plain data (numbers, text, bytes, lists, maps) and never runs what a pickle asks to be run.
  // Called on the thread of the call. An error of its becomes the caller's.
  std::function<result<value>(const value_view& opaque)> decode_opaque = {};
};

// Packs values for the server and unpacks them again. Threads: immutable, safe to share; move-only.
class value_codec {
 public:
  value_codec();  // native, nothing compressed, nothing split
  ~value_codec();
  value_codec(value_codec&&) noexcept;
  value_codec& operator=(value_codec&&) noexcept;
  // `prefix_size` counts for what is a long key. invalid_argument says which option is wrong.
  static result<value_codec> make(const value_options& options, std::size_t prefix_size = 0);

  [[nodiscard]] const value_options& options() const noexcept;

  // As an item holds it. `bytes` borrows from what was packed, or from `storage`; moving keeps it
  // right.
  struct packed {
    std::uint32_t flags = 0;
    std::string_view bytes = {};
    std::string storage = {};

    packed() = default;
    packed(packed&& other) noexcept;
    packed& operator=(packed&& other) noexcept;
  };
  // Errors: wrong_type when the dialect has no form for the value or its bytes are not of its kind;
  // corrupt_value when they are JSON or the like that is none, and has to be taken apart;
  // value_too_large.
  result<void> pack(std::string_view key, const value_view& v, packed& out,
                    std::optional<std::size_t> min_compress = std::nullopt) const;

  enum class opaque_values : std::uint8_t { decoded, kept };
  // The value of an item. The result borrows from `bytes` or from `storage`. Errors carry the item
  // (error::item): unknown_flags; corrupt_value (also text that is not UTF-8, as the originals
  // refuse it); wrong_type (a pickle that only Python can read, or an item that stands for
  // several); value_too_large (once decompressed). miss: the item is another long key's.
  result<value_view> unpack(std::string_view key, std::uint32_t flags, std::string_view bytes,
                            std::string& storage, opaque_values how = opaque_values::decoded) const;
  // Whether an item with these flags holds the value's bytes as they are, so that they may be read
  // straight to where they are wanted, without unpack. Text does not: it is checked.
  [[nodiscard]] bool is_verbatim(std::uint32_t flags) const noexcept;
  // Whether these flags say that an item's bytes are not its value's: compressed, spread over
  // several items, or behind a long key.
  [[nodiscard]] bool is_packed(std::uint32_t flags) const noexcept;

  // --- values over several items --------------------------------------------------------------
  struct piece {
    std::string key;
    std::string_view bytes;  // borrows from what was split
  };
  struct split_value {
    std::uint32_t flags = 0;  // of the item that stands for all, under the value's own key
    std::string bytes;        // its value
    std::uint32_t piece_flags = 0;
    std::vector<piece> pieces;
  };
  // Empty when the value fits in one item, and when it cannot be split: over 4096 pieces or over
  // max_decompressed; for libmc over ten pieces or a key over 200 bytes. (The server then refuses
  // it.) Each value that is split gets piece keys of its own, but in libmc: write the pieces first.
  [[nodiscard]] std::optional<split_value> split(std::string_view key, const packed& whole) const;
  [[nodiscard]] bool is_split(std::uint32_t flags) const noexcept;
  // What to fetch for an item that stands for several, and how to know that it is whole.
  struct join_plan {
    std::uint32_t flags = 0;  // of the joined bytes, for unpack
    std::vector<std::string> keys;
    std::size_t piece_size = 0;             // of all but the last; 0: not told
    std::optional<std::size_t> size;        // of all pieces together
    std::optional<std::uint32_t> checksum;  // CRC-32 of all pieces together
  };
  // Errors: corrupt_value, value_too_large; not_supported for libmc with a prefix.
  result<join_plan> pieces_of(std::string_view key, std::uint32_t flags,
                              std::string_view bytes) const;
  // Errors: corrupt_value. The pieces are those of the plan, in its order.
  static result<void> check_joined(const join_plan& plan, std::string_view joined);

  // --- long keys --------------------------------------------------------------------------------
  // The key that goes to the server: `key`, or its stand-in in `storage`.
  [[nodiscard]] std::string_view item_key(std::string_view key, std::string& storage) const;

 private:
  struct state;
  std::unique_ptr<const state> state_;
};

}  // namespace memcxx
