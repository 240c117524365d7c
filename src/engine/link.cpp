// Moving bytes between a connection and its socket. See link.hpp.
#include "engine/link.hpp"

#include <sched.h>
#include <string>
#include <system_error>

namespace memcxx::engine {

namespace {

std::string words_for(int error) { return std::generic_category().message(error); }

}  // namespace

bool link::flush() {
  while (wire.has_output()) {
    const auto pieces = wire.output();
    std::size_t offered = 0;
    for (const auto& p : pieces) offered += p.size();
    const transport::transfer t = io.write(pieces);
    wire.sent(t.bytes);
    if (t.error != 0) {
      wire.fail(errc::connection_closed, "write: " + words_for(t.error));
      return false;
    }
    if (t.bytes < offered) return false;
  }
  return true;
}

transport::transfer link::look_or_wait(std::span<const std::span<char>> room) {
  const auto began = clock::now();
  if (gate.is_open()) {
    clock::time_point now;
    do {
      const transport::transfer t = io.read(room);
      now = clock::now();
      if (!t.again) {
        gate.waited(now - began);
        return t;
      }
      ::sched_yield();
    } while (now - began < wait_gate::longest_look);
  }
  const transport::transfer t = io.read_waiting(room);
  gate.waited(clock::now() - began);
  return t;
}

bool link::receive(patience p, wait_policy how) {
  const auto room = wire.input();
  const transport::transfer t = p == patience::none         ? io.read(room)
                                : how == wait_policy::block ? io.read_waiting(room)
                                                            : look_or_wait(room);
  if (t.bytes > 0) {
    wire.received(t.bytes);
    return true;
  }
  if (t.ended) {
    wire.closed();
  } else if (t.error != 0) {
    wire.fail(errc::connection_closed, "read: " + words_for(t.error));
  } else {
    waited_in_vain = p != patience::none;
  }
  return false;
}

link::asked link::ask(protocol::request& r, wait_policy how) {
  const std::string_view bytes = wire.ask(r);
  if (bytes.empty()) return {};
  asked a{.begun = true};
  // A failure is told again to whoever tries again.
  a.written = io.write(std::span<const char>(bytes)).bytes;
  if (a.written != bytes.size()) return a;
  const auto room = wire.input();
  const transport::transfer t =
      how == wait_policy::block ? io.read_waiting(room) : look_or_wait(room);
  if (t.bytes > 0) {
    a.answer = wire.answered(t.bytes);
  } else {
    waited_in_vain = t.again;
  }
  return a;
}

bool link::is_sound(clock::time_point now) noexcept {
  if (wire.failed() || !io.is_open()) return false;
  if (now - last_used < trusted) return true;
  switch (io.look()) {
    case transport::stream::idle_state::quiet:
      return true;
    // Answers to quiet requests may have come; anything else nobody asked for.
    case transport::stream::idle_state::has_bytes:
      return wire.in_flight() != 0;
    case transport::stream::idle_state::dead:
      return false;
  }
  return false;
}

}  // namespace memcxx::engine
