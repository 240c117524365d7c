// Requests whose response is still to come, in the order they were written.
// Never here: how a reply finds its request (that is matching's).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx::detail {

// How a request stands on the wire. On one text connection classic and meta mix.
enum class wire_form : std::uint8_t { classic, meta, binary };

struct pending {
  std::string_view prefix;
  std::string_view key;
  protocol::response_handler* to = nullptr;  // nullptr: nobody waits for it
  std::uint64_t begin = 0;                   // where its bytes begin in the stream
  std::uint32_t tag = 0;
  std::uint32_t opaque = 0;  // on the wire: the connection's own, so that no two are alike
  std::uint32_t given_opaque = 0;
  protocol::verb op = protocol::verb::ping;
  wire_form form = wire_form::classic;
  bool quiet = false;                // silence means the usual outcome
  bool abandoned = false;            // a user's request that nobody waits for any more
  bool answered = false;             // its value was delivered; only the end of its line is missing
  bool wants_value = true;           // of a read
  bool refusable = false;            // not every server has it; some end the connection instead
  std::unique_ptr<char[]> kept_key;  // of an abandoned one: the key's bytes

  [[nodiscard]] bool reads() const noexcept {
    return op == protocol::verb::get || op == protocol::verb::gat;
  }
  // A classic line, answered with a value for each hit and then END. Its values are known by key.
  [[nodiscard]] bool is_line() const noexcept {
    return form == wire_form::classic && (reads() || op == protocol::verb::config);
  }
};

// A queue in one ring of memory that grows and is then reused.
class in_flight_queue {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] pending& operator[](std::size_t i) noexcept { return ring_[(first_ + i) & mask_]; }
  [[nodiscard]] pending& front() noexcept { return ring_[first_]; }
  [[nodiscard]] pending& back() noexcept { return (*this)[size_ - 1]; }
  [[nodiscard]] const pending& back() const noexcept { return ring_[(first_ + size_ - 1) & mask_]; }

  // Makes sure that the next pushes cannot fail.
  void make_room(std::size_t pushes = 1) {
    if (capacity_ - size_ >= pushes) return;
    const std::size_t wanted = std::max<std::size_t>(16, std::bit_ceil(size_ + pushes));
    auto larger = std::make_unique<pending[]>(wanted);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    ring_ = std::move(larger);
    capacity_ = wanted;
    mask_ = wanted - 1;
    first_ = 0;
  }
  pending& push() noexcept {
    pending& p = (*this)[size_++];
    return p;
  }
  // The first has had the server's last word.
  void pop() noexcept {
    ++popped_;
    drop();
  }
  // The first will not have it.
  void drop() noexcept {
    if (ring_[first_].abandoned) {
      ring_[first_].kept_key.reset();
      --abandoned_;
    }
    first_ = (first_ + 1) & mask_;
    --size_;
  }
  // One of these, once: nobody waits for it any more.
  void abandon(pending& e) noexcept {
    e.abandoned = true;
    ++abandoned_;
  }

  [[nodiscard]] std::uint64_t popped() const noexcept { return popped_; }
  [[nodiscard]] std::size_t abandoned() const noexcept { return abandoned_; }

 private:
  std::unique_ptr<pending[]> ring_;
  std::size_t capacity_ = 0;  // a power of two
  std::size_t mask_ = 0;      // capacity_ - 1
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::size_t abandoned_ = 0;
  std::uint64_t popped_ = 0;
};

}  // namespace memcxx::detail
