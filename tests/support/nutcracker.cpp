// Starting and stopping a real twemproxy. The contract is in the header.
#include "nutcracker.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <signal.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* binary = "/usr/sbin/nutcracker";
constexpr auto start_limit = 5s;
constexpr unsigned longest_life = 300;  // seconds

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

// A port that was free a moment ago: the program takes no port 0, so that another may be faster.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::runtime_error("no socket");
  sockaddr_in a = loopback(0);
  socklen_t size = sizeof a;
  const bool ok = ::bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 &&
                  ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) == 0;
  ::close(fd);
  if (!ok) throw std::runtime_error("no free port");
  return ntohs(a.sin_port);
}

bool accepts(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in a = loopback(port);
  const bool ok = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
  if (fd >= 0) ::close(fd);
  return ok;
}

}  // namespace

nutcracker::nutcracker(const std::vector<std::string>& servers,
                       const nutcracker_settings& settings) {
  std::string pattern = std::filesystem::temp_directory_path() / "memcxx-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  folder_ = pattern;
  try {
    for (int attempt = 0; attempt < 5; ++attempt) {
      if (start(servers, settings)) return;
    }
    throw std::runtime_error("nutcracker did not start");
  } catch (...) {
    stop();
    throw;
  }
}

nutcracker::~nutcracker() { stop(); }

bool nutcracker::start(const std::vector<std::string>& servers,
                       const nutcracker_settings& settings) {
  port_ = free_port();
  std::string configuration = folder_ + "/nutcracker.yml";
  std::string log = folder_ + "/log";
  std::string statistics = std::to_string(free_port());
  {
    std::ofstream out(configuration);
    out << "pool:\n  listen: " << address() << "\n  hash: " << settings.hash
        << "\n  distribution: " << settings.distribution << "\n  timeout: " << settings.timeout_ms
        << "\n  auto_eject_hosts: " << (settings.ejects ? "true" : "false")
        << "\n  server_retry_timeout: " << settings.retry_ms
        << "\n  server_failure_limit: " << settings.server_failures << "\n  servers:\n";
    for (const std::string& s : servers) out << "   - " << s << ":1\n";
    if (!out.flush()) throw std::runtime_error("cannot write " + configuration);
  }
  // Everything the child needs is made before the fork.
  std::string program = binary;
  std::string flags[] = {"-c", "-o", "-a", "-s", "127.0.0.1"};
  char* const arguments[] = {
      program.data(),  flags[0].data(), configuration.data(), flags[1].data(),   log.data(),
      flags[2].data(), flags[4].data(), flags[3].data(),      statistics.data(), nullptr};
  char* const environment[] = {nullptr};
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(longest_life);  // outlives exec
    ::execve(binary, arguments, environment);
    ::_exit(127);
  }
  const auto until = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < until) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;  // a port was taken: again, with others
      return false;
    }
    if (accepts(port_)) return true;
    std::this_thread::sleep_for(2ms);
  }
  throw std::runtime_error("nutcracker does not answer");
}

bool nutcracker::runs() const noexcept {
  siginfo_t info{};
  return pid_ > 0 &&
         ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

void nutcracker::stop() noexcept {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace memcxx::test
