// One client for all threads, and what happens in a child after fork.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <memcxx/client.hpp>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  // Fewer connections than threads: a thread that finds none free waits, within its timeout.
  // [threads]
  memcxx::client cache(std::string(named != nullptr ? named : "127.0.0.1") + "?pool_size=4");

  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&cache, &wrong, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string key = "thread:" + std::to_string(t) + ":" + std::to_string(i);
        cache.set(key, key).value();
        if (cache.get(key).value().value != key) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  // [end]
  expect(wrong == 0, "every thread reads what it wrote");
  std::cout << "8 threads over 4 connections to a server: " << wrong << " wrong values\n";

  // A child opens connections of its own, and the parent's stay as they are.
  const pid_t child = ::fork();
  if (child == 0) {
    bool right = true;
    for (int i = 0; i < 100; ++i) {
      const std::string key = "thread:0:" + std::to_string(i);
      const auto item = cache.get(key);
      right = right && item && item->value == key;
    }
    ::_exit(right ? 0 : 1);
  }
  expect(child > 0, "fork");
  for (int i = 100; i < 200; ++i) {
    const std::string key = "thread:0:" + std::to_string(i);
    expect(cache.get(key).value().value == key, "the parent goes on meanwhile");
  }
  int status = 0;
  expect(::waitpid(child, &status, 0) == child, "waitpid");
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child reads the right values");
  std::cout << "parent and child read side by side\n";
}
