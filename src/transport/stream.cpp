// Sockets. See stream.hpp.
#include "transport/stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace memcxx::transport {

namespace {

constexpr std::size_t most_pieces = 64;
constexpr int when_writing = MSG_NOSIGNAL | MSG_DONTWAIT;

int set_blocking(int fd, bool blocking) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  return ::fcntl(fd, F_SETFL, wanted) < 0 ? errno : 0;
}

transfer outcome(ssize_t n) noexcept {
  transfer t;
  if (n >= 0) {
    t.bytes = static_cast<std::size_t>(n);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    t.again = true;
  } else {
    t.error = errno;
  }
  return t;
}

}  // namespace

stream::stream(stream&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), is_tcp_(other.is_tcp_), timeout_(other.timeout_) {}

stream& stream::operator=(stream&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    is_tcp_ = other.is_tcp_;
    timeout_ = other.timeout_;
  }
  return *this;
}

int stream::start(const endpoint& to, bool keepalive, bool& connected) noexcept {
  close();
  connected = false;
  timeout_ = {};
  fd_ = ::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return errno;
  is_tcp_ = to.family() != AF_UNIX;
  if (is_tcp_) {
    const int on = 1;
    // Neither is worth failing for: without them the connection is slower to send, or to die.
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (keepalive) {
      ::setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      const int idle = 30;
      const int interval = 10;
      const int probes = 3;
      ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
      ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
      ::setsockopt(fd_, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    }
  }
  int code = 0;
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to.address), to.length) != 0) {
    code = errno;
    // A signal does not stop a connect: it goes on as if it had been begun without waiting.
    if (code == EINPROGRESS || code == EINTR) return 0;
    close();
    return code;
  }
  code = set_blocking(fd_, true);
  connected = code == 0;
  return code;
}

int stream::finish() noexcept {
  int code = 0;
  socklen_t length = sizeof code;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &code, &length) != 0) return errno;
  if (code != 0) return code;
  if (is_tcp_) {
    // On loopback a connect to a free port of the ephemeral range can meet itself.
    sockaddr_storage here{};
    sockaddr_storage there{};
    socklen_t here_length = sizeof here;
    socklen_t there_length = sizeof there;
    if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &here_length) == 0 &&
        ::getpeername(fd_, reinterpret_cast<sockaddr*>(&there), &there_length) == 0 &&
        here_length == there_length &&
        std::equal(reinterpret_cast<const char*>(&here),
                   reinterpret_cast<const char*>(&here) + here_length,
                   reinterpret_cast<const char*>(&there))) {
      return ECONNREFUSED;
    }
  }
  return set_blocking(fd_, true);
}

transfer stream::write(std::span<const char> bytes) noexcept {
  ssize_t n = 0;
  do {
    n = ::send(fd_, bytes.data(), bytes.size(), when_writing);
  } while (n < 0 && errno == EINTR);
  return outcome(n);
}

transfer stream::write(std::span<const std::span<const char>> pieces) noexcept {
  if (pieces.size() == 1) return write(pieces[0]);
  std::array<iovec, most_pieces> io;
  const std::size_t count = std::min(pieces.size(), io.size());
  for (std::size_t i = 0; i < count; ++i) {
    io[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  }
  msghdr message{};
  message.msg_iov = io.data();
  message.msg_iovlen = count;
  ssize_t n = 0;
  do {
    n = ::sendmsg(fd_, &message, when_writing);
  } while (n < 0 && errno == EINTR);
  return outcome(n);
}

transfer stream::read_with(std::span<const std::span<char>> pieces, int flags) noexcept {
  ssize_t n = 0;
  if (pieces.size() == 1) {
    n = ::recv(fd_, pieces[0].data(), pieces[0].size(), flags);
  } else {
    std::array<iovec, 2> io;
    const std::size_t count = std::min(pieces.size(), io.size());
    for (std::size_t i = 0; i < count; ++i) io[i] = {pieces[i].data(), pieces[i].size()};
    msghdr message{};
    message.msg_iov = io.data();
    message.msg_iovlen = count;
    n = ::recvmsg(fd_, &message, flags);
  }
  transfer t = outcome(n);
  t.ended = n == 0;
  return t;
}

transfer stream::read(std::span<const std::span<char>> pieces) noexcept {
  transfer t;
  do {
    t = read_with(pieces, MSG_DONTWAIT);
  } while (t.error == EINTR);
  return t;
}

transfer stream::read_waiting(std::span<const std::span<char>> pieces) noexcept {
  transfer t = read_with(pieces, 0);
  // After a signal the caller waits again, for what is left of its time.
  if (t.error == EINTR) t = read(pieces);
  return t;
}

void stream::set_read_timeout(std::chrono::milliseconds timeout) noexcept {
  if (timeout == timeout_) return;
  timeval t{};
  t.tv_sec = static_cast<time_t>(timeout.count() / 1000);
  t.tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000);
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0) timeout_ = timeout;
}

stream::idle_state stream::look() noexcept {
  char byte = 0;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) return idle_state::has_bytes;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    return idle_state::quiet;
  }
  return idle_state::dead;
}

void stream::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace memcxx::transport
