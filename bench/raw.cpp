// The bare loop, workload by workload. The contract is in the header.
#include "raw.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "client.hpp"

namespace memcxx::bench {
namespace {

constexpr const char* unexpected = "not the reply that was expected";

int connected(const server_address& to) {
  if (to.is_unix) {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    if (to.host.size() >= sizeof a.sun_path) wrong("a long path");
    std::memcpy(a.sun_path, to.host.data(), to.host.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) {
      wrong(to.host + ": " + std::strerror(errno));
    }
    return fd;
  }
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(to.port);
  if (::inet_pton(AF_INET, to.host.c_str(), &a.sin_addr) != 1) {
    wrong(to.host + " is not an IPv4 address");
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) {
    wrong(to.name() + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

raw_connection::raw_connection(const server_address& to, std::size_t buffer)
    : fd_(connected(to)), buffer_(buffer) {
  rewind();
}

raw_connection::~raw_connection() {
  if (fd_ >= 0) ::close(fd_);
}

raw_connection::raw_connection(raw_connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      at_(other.at_),
      end_(other.end_) {}

void raw_connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) [[unlikely]]
      wrong(std::string("send: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void raw_connection::receive(std::size_t bytes) {
  char* const last = buffer_.data() + buffer_.size();
  if (static_cast<std::size_t>(last - at_) < bytes || end_ == last) {
    // What is left goes to the front.
    const auto left = static_cast<std::size_t>(end_ - at_);
    std::memmove(buffer_.data(), at_, left);
    rewind();
    end_ += left;
  }
  const ssize_t n = ::recv(fd_, end_, static_cast<std::size_t>(last - end_), 0);
  if (n <= 0) [[unlikely]]
    wrong(n == 0 ? "the server closed the connection"
                 : std::string("recv: ") + std::strerror(errno));
  end_ += n;
}

inline std::size_t raw_connection::number(char last) {
  std::size_t n = 0;
  for (;;) {
    // Not the members themselves: they would be written back for each digit.
    const char* at = at_;
    const char* const end = end_;
    while (at != end) {
      const auto digit = static_cast<unsigned>(*at++ - '0');
      if (digit <= 9) {
        n = n * 10 + digit;
        continue;
      }
      if (at[-1] != last) [[unlikely]]
        wrong(unexpected);
      at_ += at - at_;
      return n;
    }
    at_ = end_;
    receive(1);
  }
}

inline std::string_view raw_connection::body(std::size_t length) {
  need(1 + length + 2);  // "\n" of the head
  const std::string_view value(at_ + 1, length);
  at_ += 1 + length + 2;
  if (at_[-2] != '\r' || at_[-1] != '\n') [[unlikely]]
    wrong(unexpected);
  return value;
}

std::string_view raw_connection::value(std::string_view head) {
  need(head.size());
  if (std::memcmp(at_, head.data(), head.size()) != 0) [[unlikely]]
    wrong(unexpected);
  at_ += head.size();
  number(' ');
  return body(number('\r'));
}

std::string_view raw_connection::meta_value() {
  need(3);
  if (std::memcmp(at_, "VA ", 3) != 0) [[unlikely]]
    wrong(unexpected);
  at_ += 3;
  return body(number('\r'));
}

void raw_connection::expect(std::string_view reply) {
  need(reply.size());
  if (std::memcmp(at_, reply.data(), reply.size()) != 0) [[unlikely]]
    wrong(unexpected);
  at_ += reply.size();
}

std::string raw_head(std::string_view key) { return std::string("VALUE ").append(key).append(" "); }

std::string raw_set(std::string_view key, std::string_view value) {
  std::string out("ms ");
  out.append(key).append(" ").append(std::to_string(value.size())).append(" q\r\n");
  out.append(value).append("\r\n");
  return out;
}

namespace {

constexpr std::size_t large_buffer = std::size_t{2} << 20;

class raw final : public client_under_test {
 public:
  explicit raw(const setting& s) : what_(s.what), items_(s.items) {
    for (std::size_t i = 0; i < what_.servers; ++i) {
      connections_.emplace_back(s.servers[i], what_.value_size > 10'000 ? large_buffer : 64 * 1024);
    }
    for (const auto& key : items_.keys) heads_.push_back(raw_head(key));
    switch (what_.what) {
      case shape::get:
        if (what_.who == callers::in_flight) {
          render_in_flight();
        } else {
          for (const auto& key : items_.keys) gets_.push_back("get " + key + "\r\n");
        }
        break;
      case shape::set:
        render_sets();
        break;
      case shape::incr:
        for (const auto& key : items_.keys) gets_.push_back("incr " + key + " 1\r\n");
        break;
      case shape::mixed:
        for (const auto& key : items_.keys) gets_.push_back("get " + key + "\r\n");
        render_sets();
        break;
      case shape::multi_get:
        gets_.assign(what_.servers, "get");
        theirs_.resize(what_.servers);
        for (std::size_t i = 0; i < items_.keys.size(); ++i) {
          gets_[items_.homes[i]] += " " + items_.keys[i];
          theirs_[items_.homes[i]].push_back(heads_[i]);
        }
        for (auto& request : gets_) request += "\r\n";
        break;
      case shape::set_many:
        sets_.emplace_back();
        for (const auto& key : items_.keys) sets_[0] += raw_set(key, items_.value);
        sets_[0] += "mn\r\n";
        break;
    }
  }

  void run(meter& m) override {
    switch (what_.what) {
      case shape::get:
        return what_.who == callers::in_flight ? in_flight(m) : get(m);
      case shape::set:
        return set(m);
      case shape::incr:
        return incr(m);
      case shape::multi_get:
        return multi_get(m);
      case shape::set_many:
        return set_many(m);
      case shape::mixed:
        return mixed(m);
    }
  }

 private:
  void render_sets() {
    const std::string middle = " 0 0 " + std::to_string(items_.value.size()) + "\r\n";
    for (const auto& key : items_.keys) {
      sets_.push_back("set " + key + middle + items_.value + "\r\n");
    }
  }
  void render_in_flight() {
    for (std::size_t i = 0; i + what_.how_many <= items_.keys.size(); i += what_.how_many) {
      gets_.emplace_back();
      for (std::size_t k = i; k < i + what_.how_many; ++k) {
        gets_.back() += "mg " + items_.keys[k] + " v\r\n";
      }
    }
  }

  void get_one(std::size_t key) {
    raw_connection& to = connections_[0];
    to.rewind();
    to.send(gets_[key]);
    const std::string_view value = to.value(heads_[key]);
    expect(value.size() == items_.value.size(), "another value");
    to.expect("END\r\n");
  }
  void set_one(std::size_t key) {
    raw_connection& to = connections_[0];
    to.rewind();
    to.send(sets_[key]);
    to.expect("STORED\r\n");
  }
  void get(meter& m) {
    for (std::size_t i = 0; m.more(); i = i + 1 == gets_.size() ? 0 : i + 1) get_one(i);
  }
  void set(meter& m) {
    for (std::size_t i = 0; m.more(); i = i + 1 == sets_.size() ? 0 : i + 1) set_one(i);
  }
  void incr(meter& m) {
    raw_connection& to = connections_[0];
    for (std::size_t i = 0; m.more(); i = i + 1 == gets_.size() ? 0 : i + 1) {
      to.rewind();
      to.send(gets_[i]);
      expect(to.number('\r') > 1'000'000'000, "another number");
      to.expect("\n");
    }
  }
  void mixed(meter& m) {
    const auto& steps = items_.steps;
    for (std::size_t i = 0; m.more(); i = i + 1 == steps.size() ? 0 : i + 1) {
      if (steps[i].store) {
        set_one(steps[i].key);
      } else {
        get_one(steps[i].key);
      }
    }
  }
  void multi_get(meter& m) {
    while (m.more()) {
      for (std::size_t s = 0; s < connections_.size(); ++s) connections_[s].send(gets_[s]);
      for (std::size_t s = 0; s < connections_.size(); ++s) {
        raw_connection& from = connections_[s];
        from.rewind();
        for (const std::string_view head : theirs_[s]) {
          expect(from.value(head).size() == items_.value.size(), "another value");
        }
        from.expect("END\r\n");
      }
    }
  }
  void set_many(meter& m) {
    raw_connection& to = connections_[0];
    while (m.more()) {
      to.rewind();
      to.send(sets_[0]);
      to.expect("MN\r\n");
    }
  }
  void in_flight(meter& m) {
    raw_connection& to = connections_[0];
    m.count_each_as(what_.how_many);
    for (std::size_t i = 0; m.more(); i = i + 1 == gets_.size() ? 0 : i + 1) {
      to.rewind();
      to.send(gets_[i]);
      for (std::size_t k = 0; k < what_.how_many; ++k) {
        expect(to.meta_value().size() == items_.value.size(), "another value");
      }
    }
  }

  const workload& what_;
  const data& items_;
  std::vector<raw_connection> connections_;
  std::vector<std::string> heads_;
  std::vector<std::string> gets_;
  std::vector<std::string> sets_;
  std::vector<std::vector<std::string_view>> theirs_;  // heads of each server's replies
};

}  // namespace

std::span<const kind> raw_kinds() {
  static constexpr kind kinds[] = {
      {"raw", [](const workload& w) { return w.limit.empty(); },
       [](const setting& s) -> std::unique_ptr<client_under_test> {
         return std::make_unique<raw>(s);
       }},
  };
  return kinds;
}

}  // namespace memcxx::bench
