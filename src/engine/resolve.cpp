// Waiting for all the addresses of a name. See resolve.hpp.
#include "engine/resolve.hpp"

#include <algorithm>
#include <array>
#include <netdb.h>
#include <poll.h>
#include <system_error>

#include <memcxx/options.hpp>

#include "transport/lookup.hpp"

namespace memcxx::engine {

namespace {

using clock = std::chrono::steady_clock;

std::unexpected<error> fail(errc code, const std::string& name, const std::string& why) {
  return std::unexpected(error(code, why, name));
}

}  // namespace

result<std::vector<std::string>> resolve(const std::string& name, clock::time_point deadline) try {
  using std::chrono::milliseconds;
  // However fast the resolver is: what begins too late is late.
  if (clock::now() >= deadline)
    return fail(errc::timeout, name, "the name did not resolve in time");
  const auto asked = transport::lookup::start(name, default_port);
  while (!asked->ready()) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (left <= milliseconds(0))
      return fail(errc::timeout, name, "the name did not resolve in time");
    pollfd answer{asked->descriptor(), POLLIN, 0};
    // An interrupted wait is one that ended early.
    ::poll(&answer, 1, static_cast<int>(std::min(left, milliseconds(60'000)).count()));
  }
  if (asked->endpoints().empty()) return fail(errc::resolve_failed, name, asked->why_not());
  std::vector<std::string> out;
  for (const transport::endpoint& e : asked->endpoints()) {
    std::array<char, NI_MAXHOST> text{};
    const int code =
        ::getnameinfo(reinterpret_cast<const sockaddr*>(&e.address), e.length, text.data(),
                      static_cast<socklen_t>(text.size()), nullptr, 0, NI_NUMERICHOST);
    if (code != 0) return fail(errc::resolve_failed, name, ::gai_strerror(code));
    out.emplace_back(text.data());
  }
  return out;
} catch (const std::system_error& e) {  // no thread or descriptor for the lookup
  return fail(errc::resolve_failed, name, e.what());
}

}  // namespace memcxx::engine
