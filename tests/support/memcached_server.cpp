// Starting, finding and stopping a real memcached. The contract is in the header.
#include "memcached_server.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;

constexpr auto start_limit = 5s;

// What every test starts; the variable lets other versions be tried.
std::string binary() {
  const char* chosen = std::getenv("MEMCXX_TEST_MEMCACHED");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/usr/bin/memcached";
}

template <class Predicate>
bool eventually(Predicate p, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!p()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// The file that memcached writes when MEMCACHED_PORT_FILENAME is set: "TCP INET: 43505".
std::uint16_t port_in(const std::string& file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("TCP"))
      return static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(' '))));
  return 0;
}

}  // namespace

std::string name_of(transport t) {
  switch (t) {
    case transport::v4:
      return "v4";
    case transport::v6:
      return "v6";
    case transport::unix_socket:
      return "unix";
  }
  return "?";
}

bool has_ipv6_loopback() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  a.sin6_addr = in6addr_loopback;
  const bool ok = ::bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
  ::close(fd);
  return ok;
}

memcached_server::memcached_server(transport over, std::vector<std::string> more)
    : over_(over), more_(std::move(more)) {
  std::string pattern = std::filesystem::temp_directory_path() / "memcxx-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  folder_ = pattern;
  // The server runs as nobody and writes its port, or its socket, here.
  ::chmod(folder_.c_str(), 0777);
  try {
    start();
  } catch (...) {
    kill();
    std::filesystem::remove_all(folder_);
    throw;
  }
}

memcached_server::memcached_server(memcached_server&& other) noexcept
    : over_(other.over_),
      more_(std::move(other.more_)),
      folder_(std::exchange(other.folder_, {})),
      address_(std::move(other.address_)),
      port_(other.port_),
      pid_(std::exchange(other.pid_, -1)) {}

memcached_server::~memcached_server() {
  kill();
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

std::string memcached_server::name() const {
  return over_ == transport::unix_socket ? address_.substr(5) : address_;
}

void memcached_server::start() {
  const std::string socket_path = folder_ + "/socket";
  const std::string port_file = folder_ + "/port";
  std::vector<std::string> words{binary(), "-U", "0", "-t", "1", "-m", "128"};
  if (over_ == transport::unix_socket) {
    ::unlink(socket_path.c_str());
    words.insert(words.end(), {"-s", socket_path, "-a", "777"});
  } else {
    words.insert(words.end(), {"-l", over_ == transport::v4 ? "127.0.0.1" : "::1", "-p",
                               port_ == 0 ? "-1" : std::to_string(port_)});
  }
  words.insert(words.end(), more_.begin(), more_.end());

  // Everything the child needs is made before the fork: between fork and exec only calls that are
  // safe in a copy of a threaded process.
  std::vector<char*> arguments;
  for (std::string& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  std::string setting = "MEMCACHED_PORT_FILENAME=" + port_file;
  char* environment[] = {setting.data(), nullptr};
  uid_t user = 0;
  gid_t group = 0;
  if (::geteuid() == 0)
    if (const passwd* nobody = ::getpwnam("nobody")) user = nobody->pw_uid, group = nobody->pw_gid;

  // A port that has just been given up may be taken for a moment.
  const bool up = eventually(
      [&] {
        ::unlink(port_file.c_str());
        pid_ = ::fork();
        if (pid_ < 0) throw std::runtime_error("fork failed");
        if (pid_ == 0) {
          // Changing the user would undo the parent-death signal, so it comes first.
          if (user != 0 && (::setgid(group) != 0 || ::setuid(user) != 0)) ::_exit(126);
          ::prctl(PR_SET_PDEATHSIG, SIGKILL);
          ::execve(arguments.front(), arguments.data(), environment);
          ::_exit(127);
        }
        bool running = true;
        const bool answers = eventually(
            [&] {
              if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
                running = false;
                pid_ = -1;
                return true;
              }
              if (over_ == transport::unix_socket)
                address_ = "unix:" + socket_path;
              else if (const std::uint16_t port = port_in(port_file); port != 0)
                port_ = port;
              else
                return false;
              const int fd = dial();
              if (fd >= 0) ::close(fd);
              return fd >= 0;
            },
            start_limit);
        return running && answers;
      },
      start_limit);
  if (!up) throw std::runtime_error(binary() + " did not start");
  if (over_ == transport::v4) address_ = "127.0.0.1:" + std::to_string(port_);
  if (over_ == transport::v6) address_ = "[::1]:" + std::to_string(port_);
}

int memcached_server::dial() const {
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (over_ == transport::unix_socket) {
    auto& a = reinterpret_cast<sockaddr_un&>(storage);
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, (folder_ + "/socket").c_str(), sizeof a.sun_path - 1);
    size = sizeof a;
  } else if (over_ == transport::v4) {
    auto& a = reinterpret_cast<sockaddr_in&>(storage);
    a.sin_family = AF_INET;
    a.sin_port = htons(port_);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof a;
  } else {
    auto& a = reinterpret_cast<sockaddr_in6&>(storage);
    a.sin6_family = AF_INET6;
    a.sin6_port = htons(port_);
    a.sin6_addr = in6addr_loopback;
    size = sizeof a;
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

void memcached_server::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void memcached_server::restart() {
  kill();
  start();
}

// A number of -1 would be everybody's, and that of a process that is gone somebody else's.
void memcached_server::freeze() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGSTOP);
  int status = 0;
  const pid_t told = ::waitpid(pid_, &status, WUNTRACED);  // returns once it has really stopped
  if (told == pid_ && !WIFSTOPPED(status)) pid_ = -1;
}

void memcached_server::thaw() {
  if (pid_ > 0) ::kill(pid_, SIGCONT);
}

std::string memcached_server::statistic(const std::string& name) const {
  const int fd = dial();
  if (fd < 0) return {};
  timeval limit{2, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string said;
  if (::send(fd, "stats\r\n", 7, MSG_NOSIGNAL) == 7) {
    char buffer[4096];
    while (!said.ends_with("END\r\n")) {
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      said.append(buffer, static_cast<std::size_t>(n));
    }
  }
  ::close(fd);
  const std::string head = "STAT " + name + " ";
  const std::size_t at = said.find(head);
  if (at == std::string::npos) return {};
  const std::size_t from = at + head.size();
  return said.substr(from, said.find("\r\n", from) - from);
}

std::vector<memcached_server> start_servers(std::size_t n, transport over) {
  std::vector<memcached_server> servers;
  servers.reserve(n);
  for (std::size_t i = 0; i < n; ++i) servers.emplace_back(over);
  return servers;
}

std::string list_of(const std::vector<memcached_server>& servers) {
  std::string list;
  for (const auto& s : servers) list += (list.empty() ? "" : ",") + s.address();
  return list;
}

}  // namespace memcxx::test
