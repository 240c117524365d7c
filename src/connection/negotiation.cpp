// What a connection's answer to the handshake means for the next one. See negotiation.hpp.
// Never here: bytes on the wire, sockets.
#include <algorithm>

#include <memcxx/negotiation.hpp>

namespace memcxx {

namespace {

constexpr std::chrono::steady_clock::duration shortest = std::chrono::seconds(1);
constexpr std::chrono::steady_clock::duration longest = std::chrono::minutes(1);

}  // namespace

// Of several connections that find out the same at once, one makes it longer.
void protocol_memory::refused_meta(time_point now) noexcept {
  if (takes_for_classic(now)) return;
  const rep before = wait_.load(std::memory_order_relaxed);
  const rep wait = before == 0 ? shortest.count() : std::min(before * 2, longest.count());
  wait_.store(wait, std::memory_order_relaxed);
  until_.store(now.time_since_epoch().count() + wait, std::memory_order_relaxed);
}

void protocol_memory::left_open(time_point now) noexcept {
  if (takes_for_classic(now)) return;
  until_.store((now.time_since_epoch() + shortest).count(), std::memory_order_relaxed);
}

void protocol_memory::answered() noexcept {
  if (until_.load(std::memory_order_relaxed) == 0) return;
  until_.store(0, std::memory_order_relaxed);
  wait_.store(0, std::memory_order_relaxed);
}

void negotiation::prepare(connection_options& o, time_point now) noexcept {
  if (o.protocol != protocol_choice::automatic) return;
  if (stage_ == stage::new_) {
    stage_ = memory_.takes_for_classic(now) ? stage::trusts : stage::asks;
  }
  o.known = stage_ == stage::trusts || stage_ == stage::proves ? protocol_choice::classic
                                                               : protocol_choice::automatic;
  o.prove_known = stage_ == stage::proves;
}

auto negotiation::next(const connection& c, time_point now) noexcept -> step {
  const bool ready = c.ready();
  switch (stage_) {
    case stage::new_:  // a protocol that is not found out
      return ready ? step::use : step::give_up;
    case stage::trusts:
      guessed_ = ready;
      return ready ? step::use : step::give_up;
    case stage::asks:
      if (ready) {
        memory_.answered();
        return step::use;
      }
      if (!c.retry_as_classic()) return step::give_up;
      stage_ = stage::proves;
      return step::again;
    case stage::proves:
      if (!ready) {
        closes_ = c.failure() == errc::connection_closed && c.says() == verdict::failed;
        return step::give_up;
      }
      if (memory_.is_confirmed()) {
        memory_.refused_meta(now);
        guessed_ = true;
        return step::use;
      }
      stage_ = stage::asks_again;
      return step::keep_and_ask;
    case stage::asks_again:
      if (ready) {
        memory_.answered();
        return step::use;
      }
      memory_.refused_meta(now);
      guessed_ = true;
      return step::use_kept;
  }
  return step::give_up;
}

bool negotiation::use_kept(time_point now) noexcept {
  if (stage_ != stage::asks_again) return false;
  memory_.left_open(now);
  guessed_ = true;
  return true;
}

std::string_view negotiation::advice() const noexcept {
  if (!closes_) return {};
  return "; it closes whatever it is asked in text: if it speaks the binary protocol alone, say "
         "protocol=binary";
}

}  // namespace memcxx
