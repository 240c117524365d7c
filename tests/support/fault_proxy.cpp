// The proxy's one thread. The contract is in the header.
#include "fault_proxy.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t chunk = 16 * 1024;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

void undelayed(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Follows a stream of answers, whatever its pieces, and tells where they end.
class boundaries {
 public:
  explicit boundaries(answer_form f) : form_(f) {}

  // Where in these bytes an answer ends: positions behind its last byte.
  std::vector<std::size_t> find(std::string_view bytes) {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < bytes.size();) {
      if (body_ > 0) {
        const std::size_t n = std::min(body_, bytes.size() - i);
        body_ -= n;
        i += n;
        if (body_ == 0) out.push_back(i);
        continue;
      }
      head_.push_back(bytes[i++]);
      if (form_ == answer_form::binary ? head_.size() == 24 : head_.ends_with("\r\n")) {
        body_ = form_ == answer_form::binary ? binary_body() : text_body();
        head_.clear();
        if (body_ == 0) out.push_back(i);
      }
    }
    return out;
  }

 private:
  [[nodiscard]] std::size_t binary_body() const {
    std::size_t n = 0;
    for (int i = 8; i < 12; ++i)
      n = n << 8U | static_cast<unsigned char>(head_[static_cast<std::size_t>(i)]);
    return n;
  }
  [[nodiscard]] std::size_t text_body() const {
    const bool classic = head_.starts_with("VALUE ");
    if (!classic && !head_.starts_with("VA ")) return 0;
    std::size_t at = 0;
    for (int word = classic ? 3 : 1; word > 0; --word) at = head_.find(' ', at) + 1;
    std::size_t n = 0;
    std::from_chars(head_.data() + at, head_.data() + head_.size(), n);
    return n + 2;
  }

  answer_form form_;
  std::string head_;
  std::size_t body_ = 0;
};

}  // namespace

std::string_view name_of(fault_kind k) {
  constexpr std::string_view names[] = {"split",    "delay",   "stall",    "reset",
                                        "truncate", "garbage", "stranger", "refuse"};
  return names[static_cast<std::size_t>(k)];
}

// One direction: what was read and not yet written.
struct fault_proxy::way {
  std::string held;
  std::vector<std::size_t> pauses;  // positions in `held` with a pause before them, in order
  clock::time_point not_before{};
  std::size_t ends_at = SIZE_MAX;  // in `held`: there the connection ends
  fault_kind ends_how = fault_kind::reset;
  bool ended = false;  // the sender has finished

  [[nodiscard]] std::size_t may_write() const {
    std::size_t n = std::min(held.size(), ends_at);
    if (!pauses.empty()) n = std::min(n, pauses.front());
    return n;
  }
};

struct fault_proxy::pair {
  explicit pair(answer_form f) : answers_end(f) {}
  ~pair() {
    if (client >= 0) ::close(client);
    if (server >= 0) ::close(server);
  }
  pair(const pair&) = delete;
  pair& operator=(const pair&) = delete;

  int client = -1;
  int server = -1;
  way requests;
  way answers;
  boundaries answers_end;
  bool over = false;
};

fault_proxy::fault_proxy(std::uint16_t upstream, std::uint64_t seed, answer_form form)
    : upstream_(upstream), form_(form), random_(static_cast<std::uint_fast32_t>(seed)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  sockaddr_in a = loopback(0);
  socklen_t size = sizeof a;
  if (listener_ < 0 || wake_ < 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &size) != 0 ||
      ::listen(listener_, 512) != 0)
    throw std::runtime_error("the proxy cannot listen");
  port_ = ntohs(a.sin_port);
  thread_ = std::thread([this] { run(); });
}

fault_proxy::~fault_proxy() {
  stop_ = true;
  wake();
  thread_.join();
  ::close(listener_);
  ::close(wake_);
}

void fault_proxy::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wake_, &one, sizeof one);
}

void fault_proxy::set(const fault_rates& rates) {
  const std::scoped_lock hold(lock_);
  rates_ = rates;
}

void fault_proxy::hold_after(std::size_t bytes) {
  const std::scoped_lock hold(lock_);
  may_pass_ = bytes;
}

bool fault_proxy::is_holding() {
  const std::scoped_lock hold(lock_);
  return may_pass_ == 0;
}

std::size_t fault_proxy::passed() {
  const std::scoped_lock hold(lock_);
  return passed_;
}

void fault_proxy::release() {
  {
    const std::scoped_lock hold(lock_);
    may_pass_ = SIZE_MAX;
  }
  wake();
}

bool fault_proxy::roll(fault_kind k) {
  const auto place = static_cast<std::size_t>(k);
  {
    const std::scoped_lock hold(lock_);
    if (random_() % 100'000 >= rates_[place]) return false;
  }
  ++counts_[place];
  return true;
}

void fault_proxy::reset(int& fd) {
  if (fd < 0) return;
  const linger hard{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(std::exchange(fd, -1));
}

// Bytes that no server sends, or an answer to what nobody asked.
std::string fault_proxy::made_up(fault_kind k) {
  if (k == fault_kind::stranger) {
    if (form_ == answer_form::binary) {
      std::string frame(24, '\0');
      frame[0] = '\x81';
      frame[4] = 4;
      frame[11] = 9;
      for (std::size_t i = 12; i < 16; ++i) frame[i] = '\xff';  // the opaque
      return frame + std::string(4, '\0') + "alien";
    }
    return random_() % 2 == 0 ? "VALUE alien 0 5\r\nalien\r\n" : "VA 5 f0 O4294967295\r\nalien\r\n";
  }
  std::string out(1, static_cast<char>(0x82 + random_() % 100));  // no answer begins so
  for (std::size_t n = random_() % 60; n > 0; --n) out += static_cast<char>(random_() % 256);
  if (random_() % 2 == 0) out += "\r\n";
  return out;
}

// Decides what becomes of the bytes that were read last: held[from…].
void fault_proxy::hurt(pair& p, bool answers, std::size_t from) {
  way& w = answers ? p.answers : p.requests;
  const std::size_t size = w.held.size() - from;
  const auto somewhere = [&] { return from + random_() % (size + 1); };
  if (answers) {
    const auto ends = p.answers_end.find(std::string_view(w.held).substr(from));
    for (const fault_kind k : {fault_kind::garbage, fault_kind::stranger}) {
      if (ends.empty() || !roll(k)) continue;
      w.held.insert(from + ends[random_() % ends.size()], made_up(k));
      break;
    }
  }
  for (const fault_kind k : {fault_kind::reset, fault_kind::truncate}) {
    if (w.ends_at != SIZE_MAX || !roll(k)) continue;
    w.ends_at = somewhere();
    w.ends_how = k;
  }
  if (roll(fault_kind::split)) {
    for (std::size_t n = 1 + random_() % 4; n > 0; --n) w.pauses.push_back(somewhere());
    std::ranges::sort(w.pauses);
  }
  const auto later = [&](std::chrono::milliseconds t) {
    w.not_before = std::max(w.not_before, clock::now() + t);
  };
  if (roll(fault_kind::delay)) later(1ms * (1 + random_() % 20));
  if (roll(fault_kind::stall)) later(1ms * (300 + random_() % 300));
}

// False when the pair is over.
bool fault_proxy::read_from(pair& p, bool answers) {
  way& w = answers ? p.answers : p.requests;
  char buffer[chunk];
  const ssize_t n = ::recv(answers ? p.server : p.client, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) {
    w.ended = true;
    return n == 0 && !w.held.empty();
  }
  const std::size_t from = w.held.size();
  w.held.append(buffer, static_cast<std::size_t>(n));
  hurt(p, answers, from);
  return true;
}

bool fault_proxy::write_to(pair& p, bool answers) {
  way& w = answers ? p.answers : p.requests;
  const auto now = clock::now();
  if (now < w.not_before) return true;
  while (!w.pauses.empty() && w.pauses.front() == 0) {
    w.pauses.erase(w.pauses.begin());
    w.not_before = now + 1ms;
    return true;
  }
  std::size_t most = w.may_write();
  // Counted before anybody can know that they were passed on.
  std::unique_lock hold(lock_, std::defer_lock);
  if (answers) {
    hold.lock();
    most = std::min(most, may_pass_);
  }
  if (most > 0) {
    const ssize_t n =
        ::send(answers ? p.client : p.server, w.held.data(), most, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n < 0) return false;
    const auto sent = static_cast<std::size_t>(n);
    w.held.erase(0, sent);
    for (std::size_t& at : w.pauses) at -= sent;
    if (w.ends_at != SIZE_MAX) w.ends_at -= sent;
    if (answers) {
      passed_ += sent;
      if (may_pass_ != SIZE_MAX) may_pass_ -= sent;
    }
  }
  if (w.ends_at == 0) {
    if (w.ends_how == fault_kind::reset) {
      reset(p.client);
      reset(p.server);
    }
    return false;
  }
  return !w.ended || !w.held.empty();
}

void fault_proxy::accept_one() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  ++accepted_;
  undelayed(fd);
  auto p = std::make_unique<pair>(form_);
  p->client = fd;
  if (roll(fault_kind::refuse)) return;
  p->server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in a = loopback(upstream_);
  // On loopback this is over at once; a server that is gone ends the connection.
  if (::connect(p->server, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) return;
  undelayed(p->server);
  pairs_.push_back(std::move(p));
}

void fault_proxy::run() {
  std::vector<pollfd> watched;
  while (!stop_) {
    bool holding = false;
    {
      const std::scoped_lock hold(lock_);
      holding = may_pass_ == 0;
    }
    const auto now = clock::now();
    auto wake_at = now + 1s;
    watched.assign({{listener_, POLLIN, 0}, {wake_, POLLIN, 0}});
    for (const auto& p : pairs_) {
      const auto events = [&](const way& in, const way& out, bool held) {
        short e = in.held.size() < 4 * chunk && !in.ended ? POLLIN : 0;
        if (!out.held.empty() || out.ends_at == 0) {
          if (out.not_before > now) {
            wake_at = std::min(wake_at, out.not_before);
          } else if (!held) {
            e |= POLLOUT;
          }
        }
        return e;
      };
      // A side that has finished says so again and again.
      const auto watch = [&](int fd, short e, bool ended) {
        watched.push_back({e == 0 && ended ? -1 : fd, e, 0});
      };
      watch(p->client, events(p->requests, p->answers, holding), p->requests.ended);
      watch(p->server, events(p->answers, p->requests, false), p->answers.ended);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(wake_at - now);
    if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) < 0) continue;
    if (watched[1].revents != 0) {
      std::uint64_t n = 0;
      [[maybe_unused]] const auto got = ::read(wake_, &n, sizeof n);
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      pair& p = *pairs_[i];
      const pollfd& c = watched[2 + 2 * i];
      const pollfd& s = watched[3 + 2 * i];
      constexpr short readable = POLLIN | POLLHUP | POLLERR;
      bool lives = true;
      if ((c.revents & readable) != 0 && !p.requests.ended) lives = read_from(p, false);
      if (lives && (s.revents & readable) != 0 && !p.answers.ended) lives = read_from(p, true);
      if (lives && (s.revents & POLLOUT) != 0) lives = write_to(p, false);
      if (lives && (c.revents & POLLOUT) != 0) lives = write_to(p, true);
      p.over = !lives;
    }
    std::erase_if(pairs_, [](const auto& p) { return p->over; });
    if (watched[0].revents != 0) accept_one();
  }
  pairs_.clear();
}

}  // namespace memcxx::test
