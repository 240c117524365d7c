// What readers of documents have in common: errors that name the byte, and a builder that takes
// values in the order of the input and keeps to the limits.
// Never here: a format.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/error.hpp>

#include "codec/document.hpp"

namespace memcxx::codecs {

// "msgpack, byte 7: cut off".
inline std::string placed(std::string_view format, std::size_t at, std::string_view what) {
  std::string out(format);
  return out.append(", byte ").append(std::to_string(at)).append(": ").append(what);
}

inline std::unexpected<error> corrupt_at(std::string_view format, std::size_t at,
                                         std::string_view what) {
  return std::unexpected(error(errc::corrupt_value, placed(format, at, what)));
}

// It is sound, but not plain data.
inline std::unexpected<error> refused_at(std::string_view format, std::size_t at,
                                         std::string_view what) {
  return std::unexpected(error(errc::wrong_type, placed(format, at, what)));
}

// It cannot be written in this format.
inline std::unexpected<error> unwritable(std::string_view format, std::string_view what) {
  std::string out(format);
  return std::unexpected(error(errc::wrong_type, out.append(" cannot hold ").append(what)));
}

// Documents nested deeper than this are not written; readers stop long before.
inline constexpr std::size_t max_write_depth = 1000;

// What is left of the limits while a document is made. Each call is false when it is too much, and
// `problem` then says of what.
class budget {
 public:
  explicit budget(const limits& bounds) noexcept : left_(bounds) {}

  bool node(std::size_t bytes = 0) noexcept {
    if (left_.nodes == 0) return exceeded("more values than may be read at once");
    if (bytes > left_.bytes) return exceeded("more bytes in all than may be read at once");
    --left_.nodes;
    left_.bytes -= bytes;
    return true;
  }
  bool depth(std::size_t containers) noexcept {
    return containers <= left_.depth || exceeded("nested too deeply");
  }
  [[nodiscard]] std::size_t nodes_left() const noexcept { return left_.nodes; }
  [[nodiscard]] std::string_view problem() const noexcept { return problem_; }

 private:
  bool exceeded(std::string_view what) noexcept {
    problem_ = what;
    return false;
  }

  limits left_;
  std::string_view problem_;
};

// Builds a document from its parts in the order of the input. In a map, keys and values take turns;
// both may be containers. Never calls itself, so that depth costs memory and no stack.
class builder {
 public:
  explicit builder(const limits& bounds) noexcept : left_(bounds) {}
  // Containers that are open point into `root_`.
  builder(const builder&) = delete;
  builder& operator=(const builder&) = delete;

  // A scalar. `bytes` are those of its text, to be counted.
  bool put(document&& d, std::size_t bytes = 0);
  // `count` elements are made room for: the caller knows that the input has so many.
  bool open_list(std::size_t count = 0);
  bool open_map(std::size_t count = 0);
  void close() noexcept { open_.pop_back(); }

  [[nodiscard]] bool is_whole() const noexcept { return begun_ && open_.empty(); }
  [[nodiscard]] std::string_view problem() const noexcept { return left_.problem(); }
  document take() noexcept { return std::move(root_); }

 private:
  struct container {
    document* at;
    bool has_key = false;  // the next is the value of the last key
  };

  bool open(document&& empty);
  document& slot();

  budget left_;
  document root_;
  bool begun_ = false;
  // Only the innermost grows, so that those around it stay where they are.
  std::vector<container> open_;
};

}  // namespace memcxx::codecs
