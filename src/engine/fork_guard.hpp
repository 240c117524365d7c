// What must happen when the process forks: a child gets nothing of its parent's connections.
// Lives here: the process's one list of things to tidy in a child. It is the library's only global
// state; pthread_atfork offers no other way.
// Never here: what there is to tidy.
#pragma once

namespace memcxx::engine {

// Derive, and register for as long as the object lives.
class fork_guarded {
 public:
  fork_guarded();
  fork_guarded(const fork_guarded&) = delete;
  fork_guarded& operator=(const fork_guarded&) = delete;

 protected:
  ~fork_guarded();

 private:
  friend struct fork_registry;
  virtual void before_fork() noexcept = 0;  // take the lock
  virtual void after_fork() noexcept = 0;   // in the parent: let go of it
  virtual void in_child() noexcept = 0;     // tidy, then let go of it
};

}  // namespace memcxx::engine
