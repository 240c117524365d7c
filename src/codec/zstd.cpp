// zstd frames, RFC 8878, with the value's size and a checksum in each, and dictionaries found by
// their ids. Never here: flags, skippable frames, several frames for one value.
#include <algorithm>
#include <cstdint>
#include <utility>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec/compress.hpp"
#include "codec/output.hpp"

namespace memcxx::codecs {

namespace {

struct releasing {
  void operator()(ZSTD_CCtx* p) const noexcept { ZSTD_freeCCtx(p); }
  void operator()(ZSTD_DCtx* p) const noexcept { ZSTD_freeDCtx(p); }
  void operator()(ZSTD_CDict* p) const noexcept { ZSTD_freeCDict(p); }
  void operator()(ZSTD_DDict* p) const noexcept { ZSTD_freeDDict(p); }
};
template <class T>
using owned = std::unique_ptr<T, releasing>;

// Contexts cost more to set up than a short value to compress: each thread keeps its own. What
// stays in them from a call before is reset by the next, and never followed until then.
owned<ZSTD_CCtx>& compressing() {
  thread_local owned<ZSTD_CCtx> kept;
  return kept;
}
owned<ZSTD_DCtx>& decompressing() {
  thread_local owned<ZSTD_DCtx> kept;
  return kept;
}
// A context that a high level has made larger is not kept.
constexpr std::size_t kept_memory = std::size_t{8} << 20;

// What the library wants free behind its output while it writes; with less it gives up too soon.
constexpr std::size_t room_to_work = 64;

constexpr std::size_t largest_block = ZSTD_BLOCKSIZE_MAX;
constexpr std::size_t smallest_block = 4;  // that stands for anything: a head of 3 and a byte

// Up to this ratio the whole value's memory is taken at once, because the input pays for it.
constexpr std::size_t ready_ratio = 32;
constexpr std::size_t least_room = 4096;
constexpr std::size_t growth = 4;

bool begins_frame(std::string_view in) noexcept {
  if (in.size() < 4) return false;
  std::uint32_t magic = 0;
  for (std::size_t i = 0; i < 4; ++i)
    magic |= std::uint32_t{static_cast<unsigned char>(in[i])} << (8 * i);
  return magic == ZSTD_MAGICNUMBER;
}

std::string words_of(std::size_t failed) {
  return std::string("zstd: ") + ZSTD_getErrorName(failed);
}

std::string named(std::size_t index) { return "zstd dictionary " + std::to_string(index + 1); }

error bad(std::string what) { return error(errc::invalid_argument, std::move(what)); }

std::unexpected<error> too_large(const std::string& how_many, std::size_t max_size) {
  return std::unexpected(error(errc::value_too_large, "zstd: " + how_many +
                                                          " bytes once decompressed, and the "
                                                          "limit is " +
                                                          std::to_string(max_size)));
}

// Decompresses one whole frame that is all of `in`. In a single pass, so that the output is the
// window, and there is no other memory that a frame's head could ask for. Where the head asks for
// more than the input pays for, or does not say, it is tried with less, which costs a third more
// time at worst: the library says for certain when it runs out of room.
result<void> decompress_frame(std::string_view in, ZSTD_DCtx& context, const ZSTD_DDict* dictionary,
                              std::optional<std::size_t> says, std::size_t max_size,
                              std::string& out) {
  const std::size_t most = says.value_or(max_size);
  std::size_t room = most;
  if (in.size() < most / ready_ratio)
    room = std::min(most, std::max(in.size() * ready_ratio, least_room));
  for (;;) {
    std::size_t status = 0;
    if (out.capacity() < room) std::string().swap(out);  // nothing in it is worth moving
    append_written(out, room, [&](char* to) -> std::size_t {
      status = dictionary ? ZSTD_decompress_usingDDict(&context, to, room, in.data(), in.size(),
                                                       dictionary)
                          : ZSTD_decompressDCtx(&context, to, room, in.data(), in.size());
      return ZSTD_isError(status) ? 0 : status;
    });
    if (!ZSTD_isError(status)) return {};
    switch (ZSTD_getErrorCode(status)) {
      case ZSTD_error_memory_allocation:
        return std::unexpected(error(errc::out_of_memory));
      case ZSTD_error_dstSize_tooSmall:
        break;
      default:
        return corrupt(words_of(status));
    }
    if (room == most) {
      if (says) return corrupt("zstd: holds more than the " + std::to_string(most) + " it says");
      return too_large("more", max_size);
    }
    room = room > most / growth ? most : room * growth;
  }
}

}  // namespace

struct zstd::state {
  struct dictionary {
    unsigned id;
    owned<ZSTD_DDict> digested;
  };
  owned<ZSTD_CDict> writing;  // none: without a dictionary
  std::vector<dictionary> reading;
  int level = ZSTD_CLEVEL_DEFAULT;

  [[nodiscard]] const dictionary* find(unsigned id) const noexcept {
    const auto found = std::ranges::find(reading, id, &dictionary::id);
    return found == reading.end() ? nullptr : &*found;
  }
};

zstd::zstd() : state_(std::make_unique<state>()) {}
zstd::~zstd() = default;
zstd::zstd(zstd&&) noexcept = default;
zstd& zstd::operator=(zstd&&) noexcept = default;

result<zstd> zstd::make(const std::vector<std::string>& dictionaries, std::optional<int> level) {
  return guarded([&]() -> result<zstd> {
    zstd made;
    state& s = *made.state_;
    if (level && (*level < ZSTD_minCLevel() || *level > ZSTD_maxCLevel())) {
      return std::unexpected(bad("zstd has no level " + std::to_string(*level) +
                                 ": its levels are " + std::to_string(ZSTD_minCLevel()) + " to " +
                                 std::to_string(ZSTD_maxCLevel())));
    }
    s.level = level.value_or(ZSTD_CLEVEL_DEFAULT);
    for (std::size_t i = 0; i < dictionaries.size(); ++i) {
      const std::string& bytes = dictionaries[i];
      // Raw content would serve to write, and no reader could find it again.
      const unsigned id = ZSTD_getDictID_fromDict(bytes.data(), bytes.size());
      if (id == 0) {
        return std::unexpected(
            bad(named(i) + " has no id: it is not one that \"zstd --train\" has made"));
      }
      if (const auto* same = s.find(id)) {
        const auto other = static_cast<std::size_t>(same - s.reading.data());
        return std::unexpected(
            bad(named(i) + " has the id of " + named(other) + ": " + std::to_string(id)));
      }
      owned<ZSTD_DDict> digested(ZSTD_createDDict(bytes.data(), bytes.size()));
      if (i == 0) s.writing.reset(ZSTD_createCDict(bytes.data(), bytes.size(), s.level));
      if (!digested || !s.writing)
        return std::unexpected(bad(named(i) + " is damaged, or memory ran out"));
      s.reading.push_back({id, std::move(digested)});
    }
    return made;
  });
}

compressed zstd::compress(std::string_view in, std::size_t less_than, std::string& out) const {
  return guarded([&]() -> compressed {
    if (less_than == 0) return false;
    owned<ZSTD_CCtx>& context = compressing();
    if (!context) context.reset(ZSTD_createCCtx());
    if (!context) return std::unexpected(error(errc::out_of_memory));
    ZSTD_CCtx* const c = context.get();
    // The checksum costs 4 bytes and next to no time. Without it a damaged value may well
    // decompress, to another value.
    std::size_t status = ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
    if (!ZSTD_isError(status)) status = ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    if (!ZSTD_isError(status))
      status = ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, state_->level);
    if (!ZSTD_isError(status)) status = ZSTD_CCtx_refCDict(c, state_->writing.get());
    std::size_t made = 0;
    if (!ZSTD_isError(status)) {
      const std::size_t bound = ZSTD_compressBound(in.size());
      const std::size_t room =
          less_than > bound ? bound : std::min(bound, less_than - 1 + room_to_work);
      made = append_written(out, room, [&](char* to) -> std::size_t {
        status = ZSTD_compress2(c, to, room, in.data(), in.size());
        return ZSTD_isError(status) || status >= less_than ? 0 : status;
      });
    }
    if (ZSTD_sizeof_CCtx(c) > kept_memory) context.reset();
    if (!ZSTD_isError(status)) return made != 0;
    switch (ZSTD_getErrorCode(status)) {
      case ZSTD_error_dstSize_tooSmall:
        return false;
      case ZSTD_error_memory_allocation:
        return std::unexpected(error(errc::out_of_memory));
      default:
        return std::unexpected(error(errc::not_supported, words_of(status)));
    }
  });
}

result<void> zstd::decompress(std::string_view in, std::size_t max_size, std::string& out) const {
  out.clear();
  auto done = guarded([&]() -> result<void> {
    if (!begins_frame(in)) return corrupt("zstd: does not begin with a frame");
    const std::size_t frame = ZSTD_findFrameCompressedSize(in.data(), in.size());
    if (ZSTD_isError(frame)) {
      if (ZSTD_getErrorCode(frame) == ZSTD_error_srcSize_wrong)
        return corrupt("zstd: the frame is cut off: it has no end in " + std::to_string(in.size()) +
                       " bytes");
      return corrupt(words_of(frame));
    }
    if (frame != in.size()) {
      return corrupt("zstd: " + std::to_string(in.size() - frame) +
                     " bytes behind the frame's end at byte " + std::to_string(frame));
    }
    const unsigned long long said = ZSTD_getFrameContentSize(in.data(), in.size());
    if (said == ZSTD_CONTENTSIZE_ERROR) return corrupt("zstd: the frame's head is damaged");
    std::optional<std::size_t> says;
    if (said != ZSTD_CONTENTSIZE_UNKNOWN) {
      if (said / largest_block > in.size() / smallest_block) {
        return corrupt("zstd: a frame of " + std::to_string(in.size()) + " bytes cannot hold " +
                       std::to_string(said) + ", as it says");
      }
      if (said > max_size) return too_large(std::to_string(said), max_size);
      says = static_cast<std::size_t>(said);
    }
    const unsigned id = ZSTD_getDictID_fromFrame(in.data(), in.size());
    const state::dictionary* const dictionary = id == 0 ? nullptr : state_->find(id);
    if (id != 0 && !dictionary) {
      return corrupt("zstd: wants the dictionary of id " + std::to_string(id) +
                     ", which the client does not have");
    }
    owned<ZSTD_DCtx>& context = decompressing();
    if (!context) context.reset(ZSTD_createDCtx());
    if (!context) return std::unexpected(error(errc::out_of_memory));
    return decompress_frame(in, *context, dictionary ? dictionary->digested.get() : nullptr, says,
                            max_size, out);
  });
  if (!done) out.clear();
  return done;
}

}  // namespace memcxx::codecs
