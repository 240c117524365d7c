// The verbs for every server.
// Never here: how replies are printed, verbs for one key.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/options.hpp>
#include <memcxx/session.hpp>

#include "input.hpp"
#include "verbs.hpp"

namespace mcx {

namespace {

using memcxx::errc;
using memcxx::error;
using std::chrono::nanoseconds;

// How long one server takes to answer, once connected.
memcxx::result<nanoseconds> answer_time(memcxx::client& cache, const std::string& server) {
  auto session = cache.open(server);
  if (!session) return std::unexpected(session.error());
  if (auto connected = session->connect(); !connected) return std::unexpected(connected.error());
  const auto begin = std::chrono::steady_clock::now();
  if (auto pong = session->execute(memcxx::commands::ping{}); !pong)
    return std::unexpected(pong.error());
  return std::chrono::steady_clock::now() - begin;
}

}  // namespace

// The key was somewhere, or it was nowhere: that most servers do not have it is no failure.
void remove_everywhere(const run& r) {
  const std::string& key = r.given.operands[0];
  const auto replies = r.cache.remove_everywhere(key);
  const bool found =
      std::ranges::any_of(replies, [](const auto& s) { return s.reply.has_value(); });
  for (const auto& [server, reply] : replies) {
    if (reply)
      r.out.server_did(server, "deleted");
    else if (reply.error() == errc::miss)
      r.out.server_missed(server, found);
    else
      r.out.server_failed(server, reply.error());
  }
}

void flush(const run& r) {
  std::chrono::seconds delay{0};
  if (r.given.delay) {
    const auto time = memcxx::parse_duration(*r.given.delay);
    if (!time) return r.out.failed(time.error());
    delay = std::chrono::ceil<std::chrono::seconds>(*time);
  }
  for (const auto& [server, reply] : r.cache.flush(delay)) {
    if (reply)
      r.out.server_did(server, "flushed");
    else
      r.out.server_failed(server, reply.error());
  }
}

void stats(const run& r) {
  const std::string group = r.given.operands.empty() ? "" : r.given.operands[0];
  for (const auto& [server, reply] : r.cache.stats(group)) {
    if (reply)
      r.out.server_stats(server, group, *reply);
    else
      r.out.server_failed(server, reply.error());
  }
}

void version(const run& r) {
  for (const auto& [server, reply] : r.cache.version()) {
    if (reply)
      r.out.server_version(server, *reply);
    else
      r.out.server_failed(server, reply.error());
  }
}

void verbosity(const run& r) {
  const auto level = read_number("level", r.given.operands[0], UINT32_MAX);
  if (!level) return r.out.failed(level.error());
  for (const auto& [server, reply] : r.cache.verbosity(static_cast<std::uint32_t>(*level))) {
    if (reply)
      r.out.server_did(server, "ok");
    else
      r.out.server_failed(server, reply.error());
  }
}

// All servers at once, so that one that is silent does not hold up the others.
void ping(const run& r) {
  std::vector<std::pair<std::string, std::future<memcxx::result<nanoseconds>>>> asked;
  for (const std::string& server : r.cache.servers())
    asked.emplace_back(server, std::async(std::launch::async, [&cache = r.cache, server] {
                         return answer_time(cache, server);
                       }));
  for (auto& [server, answer] : asked) {
    if (const auto time = answer.get())
      r.out.server_answered(server, *time);
    else
      r.out.server_failed(server, time.error());
  }
}

}  // namespace mcx
