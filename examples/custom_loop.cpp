// memcxx::connection in a loop of one's own. A connection touches no socket: it is asked what to
// write and where to read, and is told what happened. It belongs to memcxx::protocol, the library
// without dependencies. Here: a hundred sets and gets in flight at once, over one epoll loop.
#include <arpa/inet.h>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <netinet/in.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <memcxx/connection.hpp>
#include <memcxx/options.hpp>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

int connect_to(const memcxx::server_address& server) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.port);
  expect(::inet_pton(AF_INET, server.host.c_str(), &to.sin_addr) == 1, "an IPv4 address");
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  expect(fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0, "connect");
  return fd;
}

// [handler]
// Receives every response, with the number that its request was submitted under.
struct handler final : memcxx::protocol::response_handler {
  int answered = 0;
  std::vector<std::string> values = std::vector<std::string>(200);

  void on_response(std::uint32_t tag, const memcxx::protocol::response& r) noexcept override {
    if (r.status == memcxx::errc::ok) values[tag] = r.value;  // valid only inside this call
    if (!r.more) ++answered;
  }
};
// [end]

// [loop]
// One turn: writes what there is to write, waits, reads what there is to read.
void turn(memcxx::connection& c, int fd, int epoll) {
  while (c.has_output()) {
    const auto piece = c.output().front();
    const ssize_t n = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) break;
    c.sent(static_cast<std::size_t>(n));
  }
  epoll_event wanted{};
  wanted.events = c.has_output() ? EPOLLIN | EPOLLOUT : EPOLLIN;
  ::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &wanted);
  epoll_event ready{};
  if (::epoll_wait(epoll, &ready, 1, 1000) == 0) return c.fail(memcxx::errc::timeout, "1 s passed");
  if ((ready.events & ~EPOLLOUT) == 0U) return;
  const auto room = c.input().front();
  const ssize_t n = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
  if (n > 0) c.received(static_cast<std::size_t>(n));  // calls the handlers
  if (n == 0) c.closed();
}
// [end]

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const auto options = memcxx::parse_uri(named != nullptr ? named : "127.0.0.1").value();
  const int fd = connect_to(options.servers.front());
  const int epoll = ::epoll_create1(0);
  epoll_event none{};
  expect(epoll >= 0 && ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &none) == 0, "epoll");

  // [use]
  memcxx::connection c{{}};  // automatic: asks the server whether it has meta commands
  c.open();
  while (!c.ready() && !c.failed()) turn(c, fd, epoll);

  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back("loop:" + std::to_string(i));

  handler answers;
  using memcxx::protocol::verb;
  for (std::uint32_t i = 0; i < 100; ++i) {
    c.submit({.op = verb::set, .key = keys[i], .value = keys[i]}, answers, i);
    c.submit({.op = verb::get, .key = keys[i]}, answers, 100 + i);
  }
  while (c.in_flight() != 0 && !c.failed()) turn(c, fd, epoll);
  // [end]
  if (c.failed()) std::cerr << c.failure() << ": " << c.failure_text() << '\n';
  expect(!c.failed() && answers.answered == 200, "200 answers");
  for (std::uint32_t i = 0; i < 100; ++i)
    expect(answers.values[100 + i] == keys[i], "each its own");
  std::cout << "200 requests answered over one connection that speaks "
            << memcxx::name_of(c.speaks()) << '\n';
  ::close(epoll);
  ::close(fd);
}
