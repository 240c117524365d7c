// A queue of verbs. See batch.hpp.
#include <cstring>
#include <utility>

#include <memcxx/batch.hpp>

namespace memcxx {

batch::batch() = default;
batch::~batch() = default;

// What was moved from is an empty batch, fit for use.
batch::batch(batch&& other) noexcept { *this = std::move(other); }
batch& batch::operator=(batch&& other) noexcept {
  if (this == &other) return *this;
  slots_ = std::exchange(other.slots_, {});
  blocks_ = std::exchange(other.blocks_, {});
  free_ = std::exchange(other.free_, 0);
  index_ = std::exchange(other.index_, {});
  ran_ = std::exchange(other.ran_, false);
  return *this;
}

std::string_view batch::keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* at = nullptr;
  if (bytes.size() <= free_) {
    at = blocks_.back().get() + (block_size - free_);
    free_ -= bytes.size();
  } else if (bytes.size() > block_size / 4) {
    // Long ones get a block of their own, before the one that is being filled.
    auto own = std::make_unique_for_overwrite<char[]>(bytes.size());
    at = own.get();
    blocks_.insert(blocks_.end() - (free_ != 0 ? 1 : 0), std::move(own));
  } else {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size));
    at = blocks_.back().get();
    free_ = block_size - bytes.size();
  }
  std::memcpy(at, bytes.data(), bytes.size());
  return {at, bytes.size()};
}

void batch::queue(std::unique_ptr<slot> s) { slots_.push_back(std::move(s)); }

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
