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
  first_failure_ = std::exchange(other.first_failure_, {});
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

protocol::refusal batch::request(std::size_t i, protocol::request& out) const noexcept {
  return slots_[i]->request(out);
}

std::span<char> batch::on_value(std::size_t i, const protocol::response&,
                                std::size_t size) noexcept {
  return slots_[i]->on_value(size);
}

void batch::on_response(std::size_t i, const protocol::response& r,
                        std::string_view server) noexcept {
  const fault whose = fault_of(r.status);
  if (whose != fault::none && whose != fault::answer && first_failure_ == errc::ok) {
    try {
      first_failure_ = error_of(r, server);
    } catch (...) {
      first_failure_ = r.status;
    }
  }
  slots_[i]->on_response(r, server);
}

error batch::ran_before() {
  return {errc::invalid_argument, "a batch runs once; queue into a new one"};
}

result<void> batch::outcome() const {
  if (first_failure_ == errc::ok) return {};
  return std::unexpected(first_failure_);
}

}  // namespace memcxx
