// Who computes, and who waits. See single_flight.hpp.
#include <memcxx/single_flight.hpp>

namespace memcxx {

std::pair<std::shared_ptr<single_flight::flight>, single_flight::part> single_flight::join(
    std::string_view key, std::type_index type,
    const std::function<std::shared_ptr<flight>()>& make) {
  const auto me = std::this_thread::get_id();
  const std::scoped_lock hold(flying_);
  const auto at = flights_.find(std::pair(key, type));
  if (at == flights_.end()) {
    auto mine = make();
    mine->key = key;
    mine->type = type;
    flights_.emplace(std::pair(std::string(key), type), mine);
    return {std::move(mine), part::leads};
  }
  // Who computes it may be waiting for somebody who is waiting … for this thread.
  for (const flight* f = at->second.get(); f != nullptr && !f->off_board;) {
    if (f->leader == me) return {at->second, part::endless};
    const auto next = waiting_.find(f->leader);
    f = next == waiting_.end() ? nullptr : next->second;
  }
  waiting_.emplace(me, at->second.get());
  return {at->second, part::waits};
}

void single_flight::land(flight& what) noexcept {
  {
    const std::scoped_lock hold(flying_);
    what.off_board = true;
    const auto at = flights_.find(std::pair(std::string_view(what.key), what.type));
    // Another or none in a child of a fork that the computation made. Nobody there waits for it,
    // and a thread of the parent may have held its lock.
    if (at == flights_.end() || at->second.get() != &what) return;
    flights_.erase(at);
  }
  {
    const std::scoped_lock hold(what.landing);
    what.done = true;
  }
  what.landed.notify_all();
}

void single_flight::wait_for(flight& f) {
  {
    std::unique_lock hold(f.landing);
    f.landed.wait(hold, [&f] { return f.done; });
  }
  const std::scoped_lock hold(flying_);
  waiting_.erase(std::this_thread::get_id());
}

void single_flight::in_child() noexcept {
  flights_.clear();
  waiting_.clear();
  flying_.unlock();
}

}  // namespace memcxx
