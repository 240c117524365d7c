// Resolving names. See lookup.hpp.
#include "transport/lookup.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace memcxx::transport {

// Shared with the thread, which may outlive everybody who waited.
struct lookup::answer {
  answer() : event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~answer() { ::close(event); }
  answer(const answer&) = delete;
  answer& operator=(const answer&) = delete;

  void resolve(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (code != 0) {
      why_not = ::gai_strerror(code);
    } else {
      for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
        if (a->ai_addrlen > sizeof(sockaddr_storage)) continue;
        endpoint e;
        std::memcpy(&e.address, a->ai_addr, a->ai_addrlen);
        e.length = a->ai_addrlen;
        endpoints.push_back(e);
      }
      ::freeaddrinfo(found);
      if (endpoints.empty()) why_not = "no address";
    }
  }

  void publish() noexcept {
    ready.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    // The descriptor only ever counts to one, so the write cannot fail for want of room.
    [[maybe_unused]] const auto written = ::write(event, &one, sizeof one);
  }

  int event;
  std::atomic<bool> ready = false;
  std::vector<endpoint> endpoints;
  std::string why_not;
};

namespace {

struct restore_mask {
  const sigset_t& before;
  ~restore_mask() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
};

}  // namespace

lookup::lookup(passkey) : answer_(std::make_shared<answer>()), event_(answer_->event) {}
lookup::~lookup() = default;

std::shared_ptr<lookup> lookup::start(const std::string& host, std::uint16_t port) {
  auto made = std::make_shared<lookup>(passkey{});
  // The program's signals are not for this thread.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const restore_mask restore{before};
  std::thread([shared = made->answer_, host, port] {
    try {
      shared->resolve(host, port);
    } catch (...) {  // no memory
      shared->endpoints.clear();
    }
    shared->publish();
  }).detach();
  return made;
}

bool lookup::ready() const noexcept { return answer_->ready.load(std::memory_order_acquire); }
const std::vector<endpoint>& lookup::endpoints() const noexcept { return answer_->endpoints; }
const std::string& lookup::why_not() const noexcept { return answer_->why_not; }

}  // namespace memcxx::transport
