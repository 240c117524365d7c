// The objects that a pickle makes, as a graph: a container may stand in several others, and be
// added to after that. Only when the pickle has ended does a document come of it.
// Never here: opcodes, the stack, the memo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/document.hpp"

namespace memcxx::codecs::pickle {

enum class kind : std::uint8_t {
  none,
  boolean,
  integer,
  natural,  // above int64
  big,      // above uint64, or below int64
  floating,
  text,  // UTF-8
  bytes,
  list,
  tuple,
  set,
  frozenset,
  dict,
  // Functions, of which a call makes bytes.
  encode_function,
  bytes_type,
};

// An object, by its place in the graph.
using ref = std::uint32_t;

// Small, because one byte of a pickle makes one.
struct node {
  struct chain {
    ref first = 0;  // of the links, counted from 1
    ref last = 0;
    std::uint32_t count = 0;  // keys and values of a dict each count
  };

  node() noexcept : bits(0) {}

  kind is = kind::none;
  bool is_open = false;  // being copied to the document
  std::uint32_t at = 0;  // the byte of the opcode that made it
  union {
    std::uint64_t bits;     // of numbers
    std::string_view text;  // text, bytes, digits: in the input, or kept by the graph
    chain children;
  };
};

class graph {
 public:
  // The input has to outlive the graph.
  explicit graph(const limits& bounds);

  // How many objects there may be, and how many places where they stand.
  [[nodiscard]] std::size_t most() const noexcept { return most_; }

  // Each is false when there would be more than the limits allow.
  bool add(kind is, std::uint32_t at, ref& out);
  bool add_number(kind is, std::uint64_t bits, std::uint32_t at, ref& out);
  bool add_text(kind is, std::string_view in_input, std::uint32_t at, ref& out);
  bool add_kept(kind is, std::string&& text, std::uint32_t at, ref& out);
  bool append(ref container, ref child);

  [[nodiscard]] const node& operator[](ref n) const noexcept { return nodes_[n]; }
  // The children of a container, the first `count` at most.
  [[nodiscard]] std::vector<ref> children(ref container, std::size_t count) const;

  // The document that this object is. Every place where an object stands becomes a copy of its own,
  // within the limits.
  [[nodiscard]] result<document> copy(ref root);

 private:
  struct link {
    ref child = 0;
    ref next = 0;
  };
  class copier;

  limits bounds_;
  std::size_t most_;
  std::size_t bytes_left_;  // of what is kept
  std::vector<node> nodes_;
  std::vector<link> links_;
  std::deque<std::string> kept_;
};

}  // namespace memcxx::codecs::pickle
