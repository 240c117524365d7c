// memcxx::connection in a loop of one's own. A connection touches no socket: it is asked what to
// write and where to read, and is told what happened. It belongs to memcxx::protocol, the library
// without dependencies. Here: hundreds of requests in flight to each server, over one epoll loop.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <netinet/in.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
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

// [handler]
// Receives every response, with the number that its request was submitted under.
struct answers final : memcxx::protocol::response_handler {
  std::vector<std::string> values = std::vector<std::string>(200);

  void on_response(std::uint32_t tag, const memcxx::protocol::response& r) noexcept override {
    if (r.status == memcxx::errc::ok) values[tag] = r.value;  // valid only inside this call
  }
};
// [end]

// [loop]
struct peer {
  int fd;
  memcxx::connection wire{{}};  // automatic: asks the server whether it has meta commands
};

void fail(peer& p) {
  p.wire.fail(memcxx::errc::connection_closed, std::generic_category().message(errno));
}

void on_readable(peer& p) {
  const auto room = p.wire.input().front();
  const ssize_t n = ::recv(p.fd, room.data(), room.size(), 0);
  if (n > 0) return p.wire.received(static_cast<std::size_t>(n));  // calls the handlers
  if (n == 0) return p.wire.closed();
  if (errno != EAGAIN && errno != EINTR) fail(p);
}

// Writes what there is to write, and waits for room if the socket takes no more.
void flush(peer& p, int epoll) {
  while (p.wire.has_output()) {
    const auto piece = p.wire.output().front();
    const ssize_t n = ::send(p.fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return fail(p);
    if (n < 0) break;
    p.wire.sent(static_cast<std::size_t>(n));
  }
  epoll_event wanted{.events = EPOLLIN, .data = {.ptr = &p}};
  if (p.wire.has_output()) wanted.events |= EPOLLOUT;
  ::epoll_ctl(epoll, EPOLL_CTL_MOD, p.fd, &wanted);
}

// Turns until `done` says so.
void run(std::deque<peer>& peers, int epoll, auto done) {
  for (peer& p : peers) flush(p, epoll);
  while (!std::ranges::all_of(peers, [&](peer& p) { return p.wire.failed() || done(p.wire); })) {
    epoll_event ready[16];
    const int n = ::epoll_wait(epoll, ready, 16, 5000);
    if (n == 0) {
      for (peer& p : peers) p.wire.fail(memcxx::errc::timeout, "no answer within 5s");
    }
    for (int i = 0; i < n; ++i) {
      peer& p = *static_cast<peer*>(ready[i].data.ptr);
      if (p.wire.failed()) continue;
      if ((ready[i].events & ~EPOLLOUT) != 0U) on_readable(p);
      flush(p, epoll);
    }
  }
}
// [end]

void connect(peer& p, const memcxx::server_address& server, int epoll) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.port);
  expect(::inet_pton(AF_INET, server.host.c_str(), &to.sin_addr) == 1, "an IPv4 address");
  p.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(p.fd >= 0, "a socket");
  const int begun = ::connect(p.fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  expect(begun == 0 || errno == EINPROGRESS, "connect");
  epoll_event wanted{.events = EPOLLIN | EPOLLOUT, .data = {.ptr = &p}};
  expect(::epoll_ctl(epoll, EPOLL_CTL_ADD, p.fd, &wanted) == 0, "epoll_ctl");
}

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const auto options = memcxx::parse_uri(named != nullptr ? named : "127.0.0.1").value();
  const int epoll = ::epoll_create1(0);
  std::deque<peer> peers;
  for (const auto& server : options.servers) connect(peers.emplace_back(), server, epoll);

  // [use]
  for (peer& p : peers) p.wire.open();
  run(peers, epoll, [](const memcxx::connection& c) { return c.ready(); });

  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back("loop:" + std::to_string(i));
  std::deque<answers> got(peers.size());
  using memcxx::protocol::verb;
  for (std::size_t s = 0; s < peers.size(); ++s) {
    for (std::uint32_t i = 0; i < 100; ++i) {
      peers[s].wire.submit({.op = verb::set, .key = keys[i], .value = keys[i]}, got[s], i);
      peers[s].wire.submit({.op = verb::get, .key = keys[i]}, got[s], 100 + i);
    }
  }
  run(peers, epoll, [](const memcxx::connection& c) { return c.in_flight() == 0; });
  // [end]

  for (std::size_t s = 0; s < peers.size(); ++s) {
    if (peers[s].wire.failed()) std::cerr << peers[s].wire.failure_text() << '\n';
    expect(!peers[s].wire.failed(), "no failure");
    for (std::uint32_t i = 0; i < 100; ++i) {
      expect(got[s].values[100 + i] == keys[i], "each its own");
    }
    ::close(peers[s].fd);
  }
  std::cout << peers.size() * 200 << " requests answered over " << peers.size()
            << " connections that speak " << memcxx::name_of(peers.front().wire.speaks()) << '\n';
  ::close(epoll);
}
