// A queue of verbs. See batch.hpp.
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include <memcxx/batch.hpp>

namespace memcxx {

batch::batch() = default;
batch::~batch() = default;

// What was moved from is an empty batch, fit for use.
batch::batch(batch&& other) noexcept { *this = std::move(other); }
batch& batch::operator=(batch&& other) noexcept {
  if (this == &other) return *this;
  slots_ = std::exchange(other.slots_, {});  // the old ones end before their memory
  blocks_ = std::exchange(other.blocks_, {});
  free_ = std::exchange(other.free_, 0);
  index_ = std::exchange(other.index_, {});
  ran_ = std::exchange(other.ran_, false);
  return *this;
}

void* batch::take(std::size_t size, std::size_t align) {
  if (free_ != 0) {
    // Blocks begin where anything may lie but what asks for more than that.
    void* at = blocks_.back().get() + (block_size - free_);
    std::size_t left = free_;
    if (std::align(align, size, at, left) != nullptr) {
      free_ = left - size;
      return at;
    }
  }
  const std::size_t spare = align > alignof(std::max_align_t) ? align : 0;
  if (size + spare > block_size / 4) {
    // A large one gets a block of its own, before the one that is being filled.
    auto own = std::make_unique_for_overwrite<char[]>(size + spare);
    void* at = own.get();
    std::size_t left = size + spare;
    std::align(align, size, at, left);
    blocks_.insert(blocks_.end() - (free_ != 0 ? 1 : 0), std::move(own));
    return at;
  }
  blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size));
  free_ = block_size;
  return take(size, align);
}

std::string_view batch::keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  auto* const at = static_cast<char*>(take(bytes.size(), 1));
  std::memcpy(at, bytes.data(), bytes.size());
  return {at, bytes.size()};
}

void batch::queue(slot* s) {
  std::unique_ptr<slot, end_in_place> queued(s);
  slots_.push_back(std::move(queued));
}

bool batch::begin_step(unsigned step, const value_codec& values) noexcept try {
  if (step == 0) index_.reserve(slots_.size());
  return index_.begin_step(
      step, slots_.size(), [this](std::size_t i) -> slot& { return *slots_[i]; }, values);
} catch (...) {
  index_.clear();
  for (const auto& s : slots_) s->fail(errc::out_of_memory);
  return false;
}

protocol::refusal batch::request(std::size_t i, protocol::request& out) const noexcept {
  return slots_[index_[i].operation]->request(index_[i].part, out);
}

std::span<char> batch::on_value(std::size_t i, const protocol::response& head,
                                std::size_t size) noexcept {
  return slots_[index_[i].operation]->on_value(index_[i].part, head, size);
}

void batch::on_response(std::size_t i, const protocol::response& r,
                        std::string_view server) noexcept {
  slots_[index_[i].operation]->on_response(index_[i].part, r, server);
}

error batch::ran_before() {
  return {errc::invalid_argument, "a batch runs once; queue into a new one"};
}

result<void> batch::outcome() const {
  for (const auto& s : slots_) {
    const error* const why = s->failure();
    if (why != nullptr && why->whose() != fault::answer) return std::unexpected(*why);
  }
  return {};
}

}  // namespace memcxx
