// The graph of a pickle's objects. See pickle_graph.hpp.
// Never here: opcodes.
#include "codec/pickle_graph.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "codec/reading.hpp"

namespace memcxx::codecs::pickle {
namespace {

// On its way a pickle makes more objects than its document has: for bytes in protocol 0 a text, a
// tuple and the bytes. So the graph may have several times what the document may, and no more.
constexpr std::size_t on_the_way = 4;
constexpr std::size_t most_refs = UINT32_MAX - 1;

}  // namespace

graph::graph(const limits& bounds)
    : bounds_(bounds),
      most_(std::min(bounds.nodes, most_refs / on_the_way) * on_the_way),
      bytes_left_(std::min(bounds.bytes, SIZE_MAX / on_the_way) * on_the_way) {}

bool graph::add(kind is, std::uint32_t at, ref& out) {
  if (nodes_.size() >= most_) return false;
  node n;
  n.is = is;
  n.at = at;
  switch (is) {
    case kind::list:
    case kind::tuple:
    case kind::set:
    case kind::frozenset:
    case kind::dict:
      std::construct_at(&n.children);
      break;
    default:
      break;
  }
  out = static_cast<ref>(nodes_.size());
  nodes_.push_back(n);
  return true;
}

bool graph::add_number(kind is, std::uint64_t bits, std::uint32_t at, ref& out) {
  if (!add(is, at, out)) return false;
  nodes_[out].bits = bits;
  return true;
}

bool graph::add_text(kind is, std::string_view in_input, std::uint32_t at, ref& out) {
  if (!add(is, at, out)) return false;
  std::construct_at(&nodes_[out].text, in_input);
  return true;
}

bool graph::add_kept(kind is, std::string&& text, std::uint32_t at, ref& out) {
  if (text.size() > bytes_left_) return false;
  bytes_left_ -= text.size();
  return add_text(is, kept_.emplace_back(std::move(text)), at, out);
}

bool graph::append(ref container, ref child) {
  if (links_.size() >= most_) return false;
  links_.push_back({.child = child});
  const auto added = static_cast<ref>(links_.size());  // counted from 1
  node::chain& c = nodes_[container].children;
  if (c.first == 0) {
    c.first = added;
  } else {
    links_[c.last - 1].next = added;
  }
  c.last = added;
  ++c.count;
  return true;
}

std::vector<ref> graph::children(ref container, std::size_t count) const {
  std::vector<ref> out;
  for (ref at = nodes_[container].children.first; at != 0 && out.size() < count;
       at = links_[at - 1].next) {
    out.push_back(links_[at - 1].child);
  }
  return out;
}

// Calls itself for every container, and no deeper than the limit of depth. `is_key`: Python hashes
// it, so that it has to be something that does not change.
class graph::copier {
 public:
  explicit copier(graph& of) noexcept : of_(of), left_(of.bounds_) {}

  bool copy(ref from, std::size_t depth, bool is_key, document& to) {
    const node& n = of_.nodes_[from];
    awaited_ -= depth > 0 ? 1 : 0;
    if (!left_.node(size_of(n))) return corrupt(n, left_.problem());
    switch (n.is) {
      case kind::none:
        to.is = std::monostate{};
        return true;
      case kind::boolean:
        to.is = n.bits != 0;
        return true;
      case kind::integer:
        to.is = static_cast<std::int64_t>(n.bits);
        return true;
      case kind::natural:
        to.is = n.bits;
        return true;
      case kind::floating:
        to.is = std::bit_cast<double>(n.bits);
        return true;
      case kind::big:
        to.is = big_integer{std::string(n.text)};
        return true;
      case kind::text:
        to.is = text_node{std::string(n.text)};
        return true;
      case kind::bytes:
        to.is = bytes_node{std::string(n.text)};
        return true;
      case kind::encode_function:
      case kind::bytes_type:
        return fail(refused_at("pickle", n.at, "a function or class of Python's").error());
      default:
        return container(from, depth + 1, is_key, to);
    }
  }

  [[nodiscard]] error&& why() noexcept { return std::move(why_); }

 private:
  static std::size_t size_of(const node& n) noexcept {
    return n.is == kind::text || n.is == kind::bytes || n.is == kind::big ? n.text.size() : 0;
  }

  bool fail(error&& why) {
    why_ = std::move(why);
    return false;
  }
  bool corrupt(const node& n, std::string_view what) {
    return fail(corrupt_at("pickle", n.at, what).error());
  }

  bool container(ref from, std::size_t depth, bool is_key, document& to) {
    node& n = of_.nodes_[from];
    if (is_key && n.is != kind::tuple && n.is != kind::frozenset) {
      return corrupt(n, "in a key or a set, what cannot be there");
    }
    if (n.is_open) {
      return fail(refused_at("pickle", n.at, "a container that holds itself").error());
    }
    if (!left_.depth(depth)) return corrupt(n, left_.problem());
    // Room is made for what is still to come of every container that is open: that has to be within
    // the limits as well.
    if (awaited_ > left_.nodes_left() || n.children.count > left_.nodes_left() - awaited_) {
      return corrupt(n, "more values than may be read at once");
    }
    awaited_ += n.children.count;
    n.is_open = true;
    const bool done = n.is == kind::dict ? dict(n, depth, to) : list(n, depth, is_key, to);
    n.is_open = false;
    return done;
  }

  bool list(const node& n, std::size_t depth, bool is_key, document& to) {
    is_key = is_key || n.is == kind::set || n.is == kind::frozenset;
    auto& made = to.is.emplace<list_node>();
    made.reserve(n.children.count);
    for (ref at = n.children.first; at != 0; at = of_.links_[at - 1].next) {
      if (!copy(of_.links_[at - 1].child, depth, is_key, made.emplace_back())) return false;
    }
    return true;
  }

  bool dict(const node& n, std::size_t depth, document& to) {
    auto& made = to.is.emplace<map_node>();
    made.reserve(n.children.count / 2);
    for (ref at = n.children.first; at != 0; at = of_.links_[at - 1].next) {
      auto& [key, mapped] = made.emplace_back();
      if (!copy(of_.links_[at - 1].child, depth, true, key)) return false;
      at = of_.links_[at - 1].next;
      if (!copy(of_.links_[at - 1].child, depth, false, mapped)) return false;
    }
    return true;
  }

  graph& of_;
  budget left_;
  std::size_t awaited_ = 0;
  error why_;
};

result<document> graph::copy(ref root) {
  document out;
  copier c(*this);
  if (!c.copy(root, 0, false, out)) return std::unexpected(c.why());
  return out;
}

}  // namespace memcxx::codecs::pickle
