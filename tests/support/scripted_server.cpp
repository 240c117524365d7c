// The scripted server's threads and sockets. The contract is in the header.
#include "scripted_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr int longest_wait = 10'000;  // milliseconds

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

const sockaddr* as_sockaddr(const sockaddr_in& a) { return reinterpret_cast<const sockaddr*>(&a); }

// A socket bound to a port that the system picks.
int bound_socket(std::uint16_t& port, int kind = 0) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | kind, 0);
  sockaddr_in a = loopback(0);
  socklen_t size = sizeof a;
  if (fd < 0 || ::bind(fd, as_sockaddr(a), sizeof a) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) != 0)
    throw std::runtime_error("no port on 127.0.0.1");
  port = ntohs(a.sin_port);
  return fd;
}

}  // namespace

// --- peer
// -----------------------------------------------------------------------------------------

void peer::await(int fd, short events) {
  if (fd < 0) throw ended{};
  pollfd watched[] = {{fd, events, 0}, {server_.wake_, POLLIN, 0}};
  const int n = ::poll(watched, 2, longest_wait);
  if (n == 0) ADD_FAILURE() << "a script waited ten seconds, connection " << index_;
  if (n <= 0 || watched[1].revents != 0) throw ended{};
}

void peer::fill() {
  await(fd_, POLLIN);
  char buffer[16384];
  const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) throw ended{};
  const std::string_view bytes(buffer, static_cast<std::size_t>(n));
  read_ += bytes.size();
  pending_ += bytes;
  server_.record(index_, bytes);
}

std::string peer::read(std::size_t n) {
  while (pending_.size() < n) fill();
  std::string bytes = pending_.substr(0, n);
  pending_.erase(0, n);
  return bytes;
}

std::string peer::read_until(std::string_view end) {
  std::size_t from = 0;
  for (;;) {
    const std::size_t at = pending_.find(end, from);
    if (at != std::string::npos) return read(at + end.size());
    from = pending_.size() >= end.size() ? pending_.size() - end.size() + 1 : 0;
    fill();
  }
}

void peer::expect(std::string_view bytes) {
  const std::string got = read(bytes.size());
  EXPECT_EQ(got, bytes) << "connection " << index_;
  if (got != bytes) throw ended{};
}

void peer::send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    await(fd, POLLOUT);
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0) throw ended{};
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void peer::send(std::string_view bytes) {
  const bool cut = bytes.size() >= left_;
  if (cut) bytes = bytes.substr(0, left_);
  send_all(fd_, bytes);
  if (left_ != SIZE_MAX) left_ -= bytes.size();
  if (!cut) return;
  finish();
  throw ended{};
}

void peer::send_split(std::string_view bytes, std::initializer_list<std::size_t> at) {
  std::size_t from = 0;
  for (const std::size_t to : at) {
    if (to <= from || to >= bytes.size()) continue;
    send(bytes.substr(from, to - from));
    wait(2ms);
    from = to;
  }
  send(bytes.substr(from));
}

void peer::pour(std::string_view bytes, std::size_t piece, std::chrono::milliseconds pause) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    wait(pause);
    send(bytes.substr(0, piece));
  }
}

void peer::wait(std::chrono::milliseconds time) {
  pollfd stop{server_.wake_, POLLIN, 0};
  if (::poll(&stop, 1, static_cast<int>(time.count())) != 0) throw ended{};
}

void peer::finish() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
}

void peer::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void peer::reset() {
  if (fd_ < 0) return;
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

void peer::relay(std::uint16_t port) {
  const int up = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct closer {
    int fd;
    ~closer() { ::close(fd); }
  } guard{up};
  if (::connect(up, as_sockaddr(loopback(port)), sizeof(sockaddr_in)) != 0) throw ended{};
  const int on = 1;
  ::setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Each way holds one small piece at a time, and takes no more before that is gone.
  struct way {
    int from;
    int to;
    std::string held;
  };
  way up_way{fd_, up, std::exchange(pending_, {})};
  way down_way{up, fd_, {}};
  for (;;) {
    const auto wanted = [&](const way& in, const way& out) {
      return static_cast<short>((in.held.empty() ? POLLIN : 0) | (out.held.empty() ? 0 : POLLOUT));
    };
    pollfd watched[] = {{fd_, wanted(up_way, down_way), 0},
                        {up, wanted(down_way, up_way), 0},
                        {server_.wake_, POLLIN, 0}};
    if (::poll(watched, 3, longest_wait) <= 0 || watched[2].revents != 0) return;
    for (way* w : {&up_way, &down_way}) {
      if (w->held.empty()) {
        char buffer[2048];
        const ssize_t n = ::recv(w->from, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) continue;
        if (n <= 0) {
          close();
          return;
        }
        w->held.assign(buffer, static_cast<std::size_t>(n));
        if (w == &up_way) server_.record(index_, w->held);
      }
      const ssize_t n = ::send(w->to, w->held.data(), w->held.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return;
      if (n > 0) w->held.erase(0, static_cast<std::size_t>(n));
    }
  }
}

// Takes what the client still sends: until it closes, or only what has already come.
void peer::drain(bool patient) {
  char buffer[16384];
  for (;;) {
    if (fd_ < 0) return;
    if (patient) {
      pollfd watched[] = {{fd_, POLLIN, 0}, {server_.wake_, POLLIN, 0}};
      if (::poll(watched, 2, -1) < 0) return;
      if (watched[1].revents != 0) patient = false;
    }
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && (errno != EAGAIN || !patient))) return;
    if (n > 0) server_.record(index_, std::string_view(buffer, static_cast<std::size_t>(n)));
  }
}

// --- scripted_server
// ------------------------------------------------------------------------------

scripted_server::scripted_server(std::vector<script> scripts, int socket_buffer)
    : scripts_(std::move(scripts)) {
  listener_ = bound_socket(port_, SOCK_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  if (socket_buffer != 0) {
    ::setsockopt(listener_, SOL_SOCKET, SO_SNDBUF, &socket_buffer, sizeof socket_buffer);
    ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &socket_buffer, sizeof socket_buffer);
  }
  if (wake_ < 0 || ::listen(listener_, 128) != 0) throw std::runtime_error("cannot listen");
  thread_ = std::thread([this] { listen(); });
}

scripted_server::~scripted_server() {
  stop();
  ::close(wake_);
}

void scripted_server::listen() {
  // What a test sends to the process is for its clients: neither this thread nor one that it starts
  // for a script is ever interrupted.
  sigset_t every;
  ::sigfillset(&every);
  ::pthread_sigmask(SIG_BLOCK, &every, nullptr);
  for (;;) {
    pollfd watched[] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0 || watched[1].revents != 0) return;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const int fd = ::accept4(listener_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const std::lock_guard lock(mutex_);
    if (marker_ != 0 && ntohs(from.sin_port) == marker_) {
      marker_ = 0;
      ::close(fd);
      changed_.notify_all();
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::size_t index = visits_.size();
    visits_.push_back(std::make_unique<visit>());
    changed_.notify_all();
    visits_.back()->thread = std::thread([this, fd, index] {
      peer p(*this, fd, index);
      bool patient = true;
      try {
        scripts_[std::min(index, scripts_.size() - 1)](p);
      } catch (const peer::ended&) {
        // The client has gone, or the server is to stop, or the script cut its own output: what
        // is still to be read tells.
      } catch (const std::exception& e) {
        ADD_FAILURE() << "a script threw: " << e.what();
        patient = false;
      }
      p.drain(patient);
      p.close();
    });
  }
}

void scripted_server::record(std::size_t connection, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  visits_[connection]->received += bytes;
  changed_.notify_all();
}

std::size_t scripted_server::accepted() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return visits_.size();
  }
  // Connections are accepted in the order they were made: when our own has come, so have all that
  // were made before.
  std::uint16_t own = 0;
  const int fd = bound_socket(own);
  {
    const std::lock_guard lock(mutex_);
    marker_ = own;
  }
  const bool connected = ::connect(fd, as_sockaddr(loopback(port_)), sizeof(sockaddr_in)) == 0;
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(connected && changed_.wait_for(lock, 5s, [&] { return marker_ == 0; }));
  ::close(fd);
  return visits_.size();
}

std::string scripted_server::received() const {
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const auto& v : visits_) all += v->received;
  return all;
}

std::string scripted_server::received(std::size_t connection) const {
  const std::lock_guard lock(mutex_);
  return connection < visits_.size() ? visits_[connection]->received : std::string();
}

std::size_t scripted_server::count(std::string_view bytes) const {
  const std::string all = received();
  std::size_t n = 0;
  for (std::size_t at = all.find(bytes); at != std::string::npos;
       at = all.find(bytes, at + bytes.size()))
    ++n;
  return n;
}

bool scripted_server::saw(std::string_view bytes, std::size_t times) const {
  const auto until = clock::now() + 2s;
  while (count(bytes) < times) {
    std::unique_lock lock(mutex_);
    // Short steps: a byte may come between the count and the wait.
    changed_.wait_for(lock, 5ms);
    if (clock::now() > until) return false;
  }
  return true;
}

void scripted_server::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  const std::uint64_t one = 1;
  if (::write(wake_, &one, sizeof one) != sizeof one) ADD_FAILURE() << "cannot wake the scripts";
  thread_.join();
  for (const auto& v : visits_) v->thread.join();
  ::close(listener_);
}

// --- dead ends
// ------------------------------------------------------------------------------------

refusing_port::refusing_port() : fd_(bound_socket(port_)) {}  // bound, and never listening
refusing_port::~refusing_port() { ::close(fd_); }

dead_port::dead_port() : fd_(bound_socket(port_)) {
  if (::listen(fd_, 0) != 0) throw std::runtime_error("cannot listen");
  // The queue holds one or two; connections after those never complete.
  for (int i = 0; i < 4; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ::connect(fd, as_sockaddr(loopback(port_)), sizeof(sockaddr_in));
    fillers_.push_back(fd);
    pollfd done{fd, POLLOUT, 0};
    ::poll(&done, 1, 10);
  }
}

dead_port::~dead_port() {
  for (const int fd : fillers_) ::close(fd);
  ::close(fd_);
}

}  // namespace memcxx::test
