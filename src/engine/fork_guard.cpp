// The list of things to tidy after a fork. See fork_guard.hpp.
#include "engine/fork_guard.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <vector>

#include "engine/signals.hpp"

namespace memcxx::engine {

struct fork_registry {
  std::mutex lock;
  std::vector<fork_guarded*> all;

  // Never destroyed: forks may come while the program exits.
  static fork_registry& instance() {
    alignas(fork_registry) static std::byte place[sizeof(fork_registry)];
    static fork_registry* const one = std::construct_at(reinterpret_cast<fork_registry*>(place));
    return *one;
  }

  fork_registry() { ::pthread_atfork(&prepare, &parent, &child); }

  static void prepare() {
    auto& r = instance();
    r.lock.lock();
    for (fork_guarded* g : r.all) g->before_fork();
  }
  static void parent() {
    auto& r = instance();
    for (fork_guarded* g : r.all) g->after_fork();
    r.lock.unlock();
  }
  static void child() {
    auto& r = instance();
    note_fork();
    for (fork_guarded* g : r.all) g->in_child();
    r.lock.unlock();
  }
};

fork_registration::fork_registration(fork_guarded& what, fork_rank rank) : what_(what) {
  auto& r = fork_registry::instance();
  const std::scoped_lock hold(r.lock);
  r.all.insert(rank == fork_rank::engine ? r.all.begin() : r.all.end(), &what_);
}

fork_registration::~fork_registration() {
  auto& r = fork_registry::instance();
  const std::scoped_lock hold(r.lock);
  std::erase(r.all, &what_);
}

}  // namespace memcxx::engine
