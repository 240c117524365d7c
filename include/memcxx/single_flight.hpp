// One computation for all who want the same thing at the same time.
// Never here: what is computed, I/O.
#pragma once

#include <concepts>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <typeindex>
#include <utility>

#include <memcxx/error.hpp>

namespace memcxx {

template <class R>
struct value_type_of_result {
  using type = R;
};
template <class T>
struct value_type_of_result<result<T>> {
  using type = T;
};
// T of a function that answers a T or a result<T>.
template <class R>
using value_type_of = typename value_type_of_result<std::remove_cvref_t<R>>::type;

// Threads: safe to share. Fork: computations under way in the parent do not exist in the child.
class single_flight {
 public:
  // What `compute` answers; or, when another thread is computing a T for this key, what that one
  // does, with what it throws. errc::invalid_argument when waiting would never end: this thread
  // computes that very key, or one that the other thread waits for.
  template <class T, class F>
  result<T> run(std::string_view key, F&& compute) {
    static_assert(std::copy_constructible<T>, "those who wait get a copy");
    const auto [at, how] = join(key, typeid(T), [] { return std::make_shared<flight_of<T>>(); });
    auto& f = static_cast<flight_of<T>&>(*at);
    switch (how) {
      case part::endless:
        return std::unexpected(error(errc::invalid_argument, "this computation waits for itself"));
      case part::waits:
        wait_for(f);
        if (f.thrown) std::rethrow_exception(f.thrown);
        if (!f.outcome) {
          return std::unexpected(error(errc::cancelled, "the thread that computed it has ended"));
        }
        return *f.outcome;
      case part::leads:
        break;
    }
    const landing ends{*this, f};
    try {
      f.outcome.emplace(compute());
    } catch (...) {
      f.thrown = std::current_exception();
      throw;
    }
    return *f.outcome;
  }

  // For whoever holds this when the process forks; see engine/fork_guard.hpp.
  void before_fork() noexcept { flying_.lock(); }
  void after_fork() noexcept { flying_.unlock(); }
  void in_child() noexcept;

 private:
  struct flight {
    virtual ~flight() = default;
    std::mutex landing;
    std::condition_variable landed;
    bool done = false;       // guarded by `landing`
    bool off_board = false;  // guarded by the board's lock, as what follows
    std::string key;
    std::type_index type = typeid(void);
    std::thread::id leader = std::this_thread::get_id();
    std::exception_ptr thrown;
  };
  template <class T>
  struct flight_of final : flight {
    std::optional<result<T>> outcome;
  };
  struct earlier {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return a.first != b.first ? a.first < b.first : a.second < b.second;
    }
  };
  enum class part { leads, waits, endless };

  // Takes the flight off the board and wakes who waits, whatever happened.
  struct landing {
    single_flight& board;
    flight& what;
    ~landing() { board.land(what); }
  };

  std::pair<std::shared_ptr<flight>, part> join(
      std::string_view key, std::type_index type,
      const std::function<std::shared_ptr<flight>()>& make);
  void land(flight& what) noexcept;
  void wait_for(flight& f);

  std::mutex flying_;
  std::map<std::pair<std::string, std::type_index>, std::shared_ptr<flight>, earlier> flights_;
  std::map<std::thread::id, flight*> waiting_;  // who waits for what
};

}  // namespace memcxx
