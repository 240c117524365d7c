// What must happen when the process forks: a child gets nothing of its parent's connections.
// Lives here: the process's one list of things to tidy in a child. It is the library's only global
// state; pthread_atfork offers no other way.
// Never here: what there is to tidy.
#pragma once

namespace memcxx::engine {

// What has something to tidy. Called by the forking thread, for every registered object.
class fork_guarded {
 public:
  virtual void before_fork() noexcept = 0;  // take the lock
  virtual void after_fork() noexcept = 0;   // in the parent: let go of it
  virtual void in_child() noexcept = 0;     // tidy, then let go of it

 protected:
  ~fork_guarded() = default;
};

// Locks are taken in this order, before a fork as everywhere: who locks a server or a client's
// servers may have locked an engine before, and never the other way round.
enum class fork_rank { engine, other };

// Registers an object for as long as it lives. To be its last member: the object is whole for all
// of that time. Begins and ends with none of the locks held.
class fork_registration {
 public:
  explicit fork_registration(fork_guarded& what, fork_rank rank = fork_rank::other);
  ~fork_registration();
  fork_registration(const fork_registration&) = delete;
  fork_registration& operator=(const fork_registration&) = delete;

 private:
  fork_guarded& what_;
};

}  // namespace memcxx::engine
