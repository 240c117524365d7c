// A call that travels with others: where the connection delivers, and how its thread learns that it
// is over.
// Never here: who leads, sockets, system calls.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include "engine/combining.hpp"

namespace memcxx::engine {

// On the stack of its thread. The connection delivers to it on the leader's.
struct combining::rider final : protocol::response_handler, chained<rider> {
  rider(combining& c, routing::leg& l, std::chrono::milliseconds t, clock::time_point since,
        clock::time_point until) noexcept
      : of(c), leg(l), timeout(t), began(since), deadline(until) {}

  [[nodiscard]] std::uint32_t bell() const noexcept { return seat / seats_per_bell; }
  [[nodiscard]] std::uint32_t bit() const noexcept { return 1U << seat % seats_per_bell; }

  // Whoever settles it says how it ended. From then on nothing refers to it but `settled_`.
  enum class ending : std::uint8_t {
    answered,  // with `kept`, for its leg
    given,     // its leg knows
    late,      // it ran out of time, and nothing of it was sent
    alone,
    again,
    broken,  // by an exception
  };
  void settle(ending e) noexcept {
    if (over) return;
    how = e;
    over = true;
    of.settled_.push_back(*this);
  }

  std::span<char> on_value(std::uint32_t t, const protocol::response& head,
                           std::size_t size) noexcept override {
    const std::span<char> where = leg.on_value(t, head, size);
    place = where.data();
    return where;
  }

  void on_response(std::uint32_t t, const protocol::response& r) noexcept override {
    if (over) return;
    // Whether it is sent again is the leg's to say, at once.
    if (r.status == errc::connection_closed || !keep(t, r)) {
      leg.on_response(t, r);
      if (leg.done()) settle(ending::given);
      return;
    }
    settle(ending::answered);
  }

  // Copies what the response refers to, unless it lies where the caller wants it.
  bool keep(std::uint32_t t, const protocol::response& r) noexcept {
    const bool placed = place != nullptr && r.value.data() == place;
    const std::size_t n = r.key.size() + r.text.size() + (placed ? 0 : r.value.size());
    char* at = few.data();
    if (n > few.size()) {
      many.reset(new (std::nothrow) char[n]);
      at = many.get();
      if (at == nullptr) return false;  // then here and now
    }
    tag = t;
    kept = r;
    const auto copy = [&at](std::string_view& s) {
      if (s.empty()) return;
      std::memcpy(at, s.data(), s.size());
      s = {at, s.size()};
      at += s.size();
    };
    copy(kept.key);
    copy(kept.text);
    if (!placed) copy(kept.value);
    return true;
  }

  combining& of;
  routing::leg& leg;
  const std::chrono::milliseconds timeout;
  const clock::time_point began;
  const clock::time_point deadline;
  std::uint32_t seat = 0;
  bool queued = true;  // under the lock
  bool over = false;
  ending how = ending::given;
  bool crowded_out = false;  // late, because there was no connection
  std::exception_ptr what;
  // What its thread waits for, and the last that others do to it.
  enum class word : std::uint8_t { none, leads, ended };
  std::atomic<word> news = word::none;

  char* place = nullptr;
  std::uint32_t tag = 0;
  protocol::response kept;
  std::array<char, 1024> few;
  std::unique_ptr<char[]> many;
};

}  // namespace memcxx::engine
