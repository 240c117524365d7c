// zlib's format, RFC 1950 around RFC 1951. At the default level the bytes are those that Python's
// zlib.compress makes with the same library. Never here: gzip, preset dictionaries, flags.
#define ZLIB_CONST
#include <algorithm>
#include <limits>
#include <zlib.h>

#include "codec/compress.hpp"
#include "codec/output.hpp"

namespace memcxx::codecs {

namespace {

// zlib counts what it may read and write in an unsigned int: more is handed over in portions.
uInt portion(std::size_t left) noexcept {
  return static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max()));
}

const Bytef* bytes_of(std::string_view in) noexcept {
  return reinterpret_cast<const Bytef*>(in.data());
}

// A quarter of a megabyte, whose set-up takes longer than to compress a short value: each thread
// keeps one.
class deflater {
 public:
  deflater() = default;
  deflater(const deflater&) = delete;
  deflater& operator=(const deflater&) = delete;
  ~deflater() { end(); }

  // Ready for a new stream. Otherwise zlib's error.
  int begin(int level) noexcept {
    if (level_ == level) return deflateReset(&stream);
    end();
    stream = z_stream{};
    const int status = deflateInit(&stream, level);
    if (status == Z_OK) level_ = level;
    return status;
  }

  z_stream stream{};

 private:
  void end() noexcept {
    if (level_) deflateEnd(&stream);
    level_.reset();
  }
  std::optional<int> level_;
};

deflater& deflater_of_thread() {
  thread_local deflater kept;
  return kept;
}

struct inflater {
  inflater() = default;
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;
  ~inflater() { inflateEnd(&stream); }
  z_stream stream{};
};

std::string where(std::size_t at, std::size_t size) {
  return " at byte " + std::to_string(at) + " of " + std::to_string(size);
}

// Decompresses into `out`, which is at most `max_size` long at any time.
result<void> inflate_into(std::string_view in, std::size_t max_size, std::string& out) {
  constexpr std::size_t expected_ratio = 4;
  constexpr std::size_t least = 256;

  inflater z;
  switch (inflateInit(&z.stream)) {
    case Z_OK:
      break;
    case Z_MEM_ERROR:
      return std::unexpected(error(errc::out_of_memory));
    default:
      return std::unexpected(error(errc::not_supported, "zlib is not the one built with"));
  }
  std::size_t room = max_size;
  if (in.size() < max_size / expected_ratio)
    room = std::min(max_size, std::max(in.size() * expected_ratio, least));
  grow(out, 0, room);

  z.stream.next_in = bytes_of(in);
  std::size_t in_left = in.size();
  std::size_t used = 0;
  Bytef beyond = 0;  // where a byte goes that is one too many
  for (;;) {
    const bool full = used == max_size;
    const uInt given = portion(in_left);
    const uInt offered = full ? 1 : portion(room - used);
    z.stream.next_out = full ? &beyond : reinterpret_cast<Bytef*>(out.data() + used);
    z.stream.avail_in = given;
    z.stream.avail_out = offered;
    const int status = inflate(&z.stream, Z_FINISH);
    in_left -= given - z.stream.avail_in;
    const std::size_t at = in.size() - in_left;
    const std::size_t made = offered - z.stream.avail_out;
    if (full && made != 0) {
      return std::unexpected(error(
          errc::value_too_large,
          "zlib: more than the limit of " + std::to_string(max_size) + " bytes once decompressed"));
    }
    used += made;
    switch (status) {
      case Z_STREAM_END:
        if (in_left != 0) {
          return corrupt("zlib: " + std::to_string(in_left) + " bytes behind the stream's end" +
                         where(at, in.size()));
        }
        out.resize(used);
        return {};
      case Z_OK:
      case Z_BUF_ERROR:  // for want of room or of input
        if (z.stream.avail_out != 0) {
          if (in_left == 0) return corrupt("zlib: cut off" + where(at, in.size()));
        } else if (used == room && room < max_size) {
          room = room > max_size / 2 ? max_size : room * 2;
          grow(out, used, room);
        }
        break;
      case Z_NEED_DICT:
        return corrupt("zlib: asks for a preset dictionary" + where(at, in.size()));
      case Z_MEM_ERROR:
        return std::unexpected(error(errc::out_of_memory));
      default:
        return corrupt(std::string("zlib: ") + (z.stream.msg ? z.stream.msg : "damaged") +
                       where(at, in.size()));
    }
  }
}

}  // namespace

result<void> zlib_check_level(std::optional<int> level) {
  if (!level || (*level >= Z_DEFAULT_COMPRESSION && *level <= Z_BEST_COMPRESSION)) return {};
  return std::unexpected(
      error(errc::invalid_argument,
            "zlib has no level " + std::to_string(*level) + ": its levels are -1 to 9"));
}

compressed zlib_compress(std::string_view in, std::optional<int> level, std::size_t less_than,
                         std::string& out) {
  return guarded([&]() -> compressed {
    if (auto known = zlib_check_level(level); !known) return std::unexpected(known.error());
    if (less_than == 0) return false;
    deflater& d = deflater_of_thread();
    switch (d.begin(level.value_or(Z_DEFAULT_COMPRESSION))) {
      case Z_OK:
        break;
      case Z_MEM_ERROR:
        return std::unexpected(error(errc::out_of_memory));
      default:
        return std::unexpected(error(errc::not_supported, "zlib is not the one built with"));
    }
    z_stream& z = d.stream;
    const std::size_t room =
        std::min<std::size_t>(less_than - 1, deflateBound(&z, static_cast<uLong>(in.size())));
    const std::size_t made = append_written(out, room, [&](char* to) -> std::size_t {
      z.next_in = bytes_of(in);
      z.next_out = reinterpret_cast<Bytef*>(to);
      std::size_t in_left = in.size();
      std::size_t out_left = room;
      int status = Z_OK;
      while (status == Z_OK && out_left != 0) {
        const uInt given = portion(in_left);
        const uInt offered = portion(out_left);
        z.avail_in = given;
        z.avail_out = offered;
        status = deflate(&z, given == in_left ? Z_FINISH : Z_NO_FLUSH);
        in_left -= given - z.avail_in;
        out_left -= offered - z.avail_out;
      }
      return status == Z_STREAM_END ? room - out_left : 0;
    });
    return made != 0;
  });
}

result<void> zlib_decompress(std::string_view in, std::size_t max_size, std::string& out) {
  out.clear();
  auto done = guarded([&] { return inflate_into(in, max_size, out); });
  if (!done) out.clear();
  return done;
}

}  // namespace memcxx::codecs
