// See stats.hpp.
#include "stats.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

namespace memcxx::python {

namespace {

result<text_statistics> ask(client c, const std::string& server, std::string_view group) try {
  auto one = c.open(server);
  if (!one) return std::unexpected(std::move(one).error());
  return one->execute(text_stats{group});
} catch (const std::bad_alloc&) {
  return std::unexpected(error(errc::out_of_memory));
}

// What threads write to. It outlives a call that a signal ends: they end by themselves, in time.
struct gathering {
  std::string group;
  std::vector<server_reply<text_statistics>> replies;
  std::mutex lock;
  std::condition_variable changed;
  std::size_t asked = 0;  // by threads that have not ended
};

void ask_beside(const std::shared_ptr<gathering>& all, const client& c, std::size_t i) {
  ++all->asked;
  std::thread([all, c, i] {
    auto reply = ask(c, all->replies[i].server, all->group);
    const std::scoped_lock hold(all->lock);
    all->replies[i].reply = std::move(reply);
    --all->asked;
    all->changed.notify_one();
  }).detach();
}

}  // namespace

std::vector<server_reply<text_statistics>> text_stats_of(client& c, std::string_view group) {
  constexpr std::chrono::milliseconds until_signals_are_heard{100};
  const auto all = std::make_shared<gathering>();
  all->group = group;
  for (std::string& name : c.servers()) all->replies.push_back({std::move(name), {}});
  if (all->replies.empty()) return {};
  std::unique_lock hold(all->lock);
  for (std::size_t i = 1; i < all->replies.size(); ++i) ask_beside(all, c, i);
  hold.unlock();
  all->replies[0].reply = ask(c, all->replies[0].server, all->group);
  hold.lock();
  while (all->asked != 0) {
    if (all->changed.wait_for(hold, until_signals_are_heard) == std::cv_status::no_timeout)
      continue;
    hold.unlock();
    if (const auto& hear = c.settings().on_interrupt) hear();
    hold.lock();
  }
  return std::move(all->replies);
}

nb::dict dict_of(const text_statistics& all) {
  nb::dict out;
  for (const auto& [name, text] : all) {
    out[nb::str(name.data(), name.size())] = nb::steal(PyUnicode_DecodeUTF8(
        text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
  }
  return out;
}

}  // namespace memcxx::python
