// The builder of documents. See reading.hpp.
// Never here: a format.
#include "codec/reading.hpp"

#include <algorithm>
#include <variant>

namespace memcxx::codecs {

document& builder::slot() {
  begun_ = true;
  if (open_.empty()) return root_;
  container& in = open_.back();
  if (auto* list = std::get_if<list_node>(&in.at->is)) return list->emplace_back();
  auto& map = std::get<map_node>(in.at->is);
  in.has_key = !in.has_key;
  return in.has_key ? map.emplace_back().first : map.back().second;
}

bool builder::put(document&& d, std::size_t bytes) {
  if (!left_.node(bytes)) return false;
  slot() = std::move(d);
  return true;
}

bool builder::open(document&& empty) {
  if (!left_.depth(open_.size() + 1) || !left_.node()) return false;
  document& d = slot();
  d = std::move(empty);
  open_.push_back({&d});
  return true;
}

bool builder::open_list(std::size_t count) {
  if (!open({list_node{}})) return false;
  std::get<list_node>(open_.back().at->is).reserve(std::min(count, left_.nodes_left()));
  return true;
}

bool builder::open_map(std::size_t count) {
  if (!open({map_node{}})) return false;
  std::get<map_node>(open_.back().at->is).reserve(std::min(count, left_.nodes_left() / 2));
  return true;
}

}  // namespace memcxx::codecs
