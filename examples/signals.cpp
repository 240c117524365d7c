// A signal that ends a call: Ctrl-C need not wait for a server that is silent.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// A server that accepts and never answers.
class silent_server {
 public:
  silent_server() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    const auto generic = reinterpret_cast<sockaddr*>(&at);
    const bool listens = ::bind(fd_, generic, size) == 0 && ::listen(fd_, 8) == 0 &&
                         ::getsockname(fd_, generic, &size) == 0;
    expect(listens, "a socket that listens");
    port_ = ntohs(at.sin_port);
  }
  ~silent_server() { ::close(fd_); }
  silent_server(const silent_server&) = delete;
  silent_server& operator=(const silent_server&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

// [handler]
std::atomic<bool> asked_to_stop = false;  // lock-free: a handler may set it

struct interrupted : std::runtime_error {
  interrupted() : std::runtime_error("interrupted") {}
};

memcxx::client make(const std::string& servers) {
  std::signal(SIGALRM, [](int) { asked_to_stop = true; });
  memcxx::options o = memcxx::parse_uri(servers).value();
  o.timeout = 10s;
  o.on_interrupt = [] {  // on the thread that waits, not in the handler: it may throw
    if (asked_to_stop) throw interrupted();
  };
  return memcxx::client(o);
}
// [end]

}  // namespace

int main() {
  const silent_server server;
  const memcxx::client cache = make(server.address());
  const auto began = std::chrono::steady_clock::now();
  itimerval soon{};
  soon.it_value.tv_usec = 50'000;
  ::setitimer(ITIMER_REAL, &soon, nullptr);
  bool ended = false;
  try {
    (void)cache.get("key");
  } catch (const interrupted& why) {
    ended = true;
    std::cout << why.what() << '\n';
  }
  expect(ended, "what on_interrupt throws comes out of the call");
  expect(std::chrono::steady_clock::now() - began < 5s, "at once");
}
