// What tests of the asynchronous client share: running coroutines to their end, threads that run a
// context, waiting without sleeping for long, clients in one line.
// Never here: servers, faults.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <memcxx/async_client.hpp>

#include "support/clients.hpp"

namespace memcxx::test {

using namespace std::chrono_literals;

// No wait of a test takes longer: what is not there by then hangs.
inline constexpr std::chrono::seconds patience{60};

inline memcxx::options async_settings(
    std::string_view servers, protocol_choice protocol = protocol_choice::automatic,
    std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
  memcxx::options o = settings_for(servers, protocol, timeout);
  o.connect_timeout = timeout;
  return o;
}

// Runs the context on this thread until `done` says so.
template <class Done>
[[nodiscard]] bool run_until(net::io_context& io, Done&& done) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  while (!done() && std::chrono::steady_clock::now() < limit) {
    if (io.stopped()) io.restart();
    io.run_one_for(10ms);
  }
  return done();
}

// Runs a coroutine to its end, and whatever else there is to do meanwhile.
template <class F>
void run_to_end(net::io_context& io, F&& f) {
  bool ended = false;
  net::co_spawn(io, std::forward<F>(f), [&ended](std::exception_ptr thrown) {
    ended = true;
    if (thrown) std::rethrow_exception(thrown);
  });
  ASSERT_TRUE(run_until(io, [&] { return ended; })) << "it hangs";
}

// Polls until it is so.
template <class F>
[[nodiscard]] bool eventually(F&& f, std::chrono::milliseconds limit = patience) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!f()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

// Threads that run a context, until this is destroyed.
class crew {
 public:
  crew(net::io_context& io, std::size_t threads) : io_(io), work_(io.get_executor()) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([&io] { io.run(); });
  }
  ~crew() {
    work_.reset();
    io_.stop();
    for (auto& t : threads_) t.join();
  }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

 private:
  net::io_context& io_;
  net::executor_work_guard<net::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

}  // namespace memcxx::test
