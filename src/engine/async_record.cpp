// One call under way, between its connection and its leg. See async_engine.hpp.
#include <utility>

#include "engine/async_channel.hpp"
#include "engine/async_engine.hpp"

namespace memcxx::engine {

routing::leg& async_record::make_leg() noexcept {
  const std::uint32_t server = lone()->server;
  const options& settings = on->set.servers[server]->settings();
  auto& x = asks.emplace<routing::exchange>(*what, *on->set.map, settings);
  x.adopt(server);
  one.leg = x.legs().data();
  one.leg->begin(one.reused);
  return *one.leg;
}

void async_rider::begin(async_record& r, routing::leg* l) noexcept {
  leg = l;
  of = &r;
  on = nullptr;
  sent = settled = fresh = reused = false;
}

void async_rider::give_up(errc code, std::string_view why) noexcept {
  if (leg != nullptr) return leg->give_up(code, why);
  // It is not in flight: the connection would have said what became of it.
  protocol::response no;
  no.status = code;
  no.text = why;
  no.unsent = true;
  reused = false;
  of->make_leg().on_response(0, no);
}

std::span<char> async_rider::on_value(std::uint32_t tag, const protocol::response& head,
                                      std::size_t size) noexcept {
  return of->what->on_value(tag, head, size);
}

void async_rider::on_response(std::uint32_t tag, const protocol::response& r) noexcept {
  of->sent = of->sent || !r.unsent;  // whatever becomes of the others
  const bool is_answer = r.status <= errc::not_a_number;
  if (const auto* const lone = of->lone(); lone != nullptr && is_answer && !r.more) {
    of->what->on_response(0, r, of->on->set.map->names[lone->server]);
    settled = true;
    on->note_settled(*this);
    return;
  }
  if (leg == nullptr) of->make_leg();
  leg->on_response(tag, r);
  if (settled) return;
  if (leg->done()) {
    settled = true;
    on->note_settled(*this);
  } else if (on != nullptr && !leg->submitted()) {
    on->board_again(*this);
  }
}

}  // namespace memcxx::engine
