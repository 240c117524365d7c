// The worst day of a cluster: one of four servers dies, comes back, freezes, flaps, moves to
// another address, or turns bad, while eight threads share one client. One table tells what it cost
// whom. Never here: changes of the list for their own sake (routing), servers that lie (fault).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <gtest/gtest.h>
#include <thread>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "steady_load.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using namespace steady;

constexpr auto call_timeout = 250ms;  // a thread that meets a frozen server loses so much
// What marking a server down may cost: every thread, for each failure that counts; then some
// probes.
constexpr long dials_to_go_down = threads * (health_options{}.max_failures + 1) + 16;

std::string spelled(const std::map<errc, std::size_t>& errors) {
  std::string out;
  for (const auto& [code, n] : errors)
    out += (out.empty() ? "" : " ") + std::string(name_of(code)) + "=" + std::to_string(n);
  return out.empty() ? "none" : out;
}

double percentile(std::vector<std::chrono::nanoseconds>& all, double share) {
  if (all.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(all.size() - 1));
  std::ranges::nth_element(all, all.begin() + static_cast<std::ptrdiff_t>(at));
  return std::chrono::duration<double, std::milli>(all[at]).count();
}

memcxx::options settings_with_labels(const std::vector<memcached_server>& servers) {
  memcxx::options o = parse_uri(list_of(servers)).value();
  o.timeout = call_timeout;
  for (std::size_t i = 0; i < o.servers.size(); ++i)
    o.servers[i].label = "cache-" + std::to_string(i);
  return o;
}

// A look counts as one itself.
long connections(const memcached_server& s) {
  const std::string text = s.statistic("total_connections");
  return text.empty() ? -1 : std::stol(text);
}

double recovered_ms(const phase& p) {
  const clock::time_point first{clock::duration(p.first_answer.load())};
  const auto at = std::max({first, p.total.last_error, p.usable});
  return std::chrono::duration<double, std::milli>(at - p.usable).count();
}

// `quiet`: what the other phases are measured against.
void report_and_judge(const char* policy, load& day, phase& quiet) {
  std::printf(
      "\n%-8s %-14s %5s %6s | %6s %6s %6s %8s | %6s %6s %6s %8s | %5s %5s | %6s %6s | %6s | %5s "
      "%7s | %7s | %8s\n",
      "policy", "event", "ms", "calls", "hits", "misses", "errors", "spanning", "hits", "misses",
      "errors", "spanning", "wrong", "stale", "p50ms", "p99ms", "max ms", "dials", "dials/s",
      "down/up", "back ms");
  std::printf("%-8s %-14s %5s %6s | %29s | %29s | %5s %5s | %13s | %6s |\n", "", "", "", "",
              "of its keys", "of the others' keys", "", "", "of the others", "of all");
  const double quiet_p99 = percentile(quiet.total.took, 0.99);
  for (phase& p : day.phases) {
    tally& t = p.total;
    const double ms = std::chrono::duration<double, std::milli>(p.ended - p.began).count();
    const double p50 = percentile(t.took, 0.5);
    const double p99 = percentile(t.took, 0.99);
    const double longest = std::chrono::duration<double, std::milli>(t.longest).count();
    const bool recovers = p.usable != clock::time_point{};
    const std::string dials = p.dials < 0 ? "-" : std::to_string(p.dials);
    const std::string rate =
        p.dials < 0 ? "-" : std::to_string(std::lround(static_cast<double>(p.dials) * 1000 / ms));
    const std::string back = recovers ? std::to_string(std::lround(recovered_ms(p))) : "-";
    std::printf(
        "%-8s %-14s %5.0f %6zu | %6zu %6zu %6zu %8zu | %6zu %6zu %6zu %8zu | %5zu %5zu | "
        "%6.2f %6.2f | %6.1f | %5s %7s | %7s | %8s\n",
        policy, p.event.c_str(), ms, t.calls, t.hits[affected], t.misses[affected],
        sum(t.errors[affected]), sum(t.spanning[affected]), t.hits[others], t.misses[others],
        sum(t.errors[others]), sum(t.spanning[others]), t.wrong, t.stale, p50, p99, longest,
        dials.c_str(), rate.c_str(),
        (std::to_string(p.downs) + "/" + std::to_string(p.ups)).c_str(), back.c_str());
    if (sum(t.errors[affected]) + sum(t.spanning[affected]) != 0)
      std::printf("%23s its keys' errors: %s; in spanning calls: %s\n", "",
                  spelled(t.errors[affected]).c_str(), spelled(t.spanning[affected]).c_str());
    // The machine stood still for so long that calls may have run out of time.
    const bool stalled = t.overslept > call_timeout / 4;
    if (stalled) std::printf("%23s threads woke up late: times are not judged\n", "");
    std::fflush(stdout);

    SCOPED_TRACE(std::string(policy) + ", " + p.event);
    EXPECT_GT(t.hits[others], 0u);
    EXPECT_EQ(t.wrong, 0u);
    EXPECT_EQ(t.stale, 0u);
    for (const auto* errors : {&t.errors[others], &t.spanning[others]}) {
      const auto timeouts = errors->find(errc::timeout);
      const bool excused = stalled && timeouts != errors->end();
      EXPECT_EQ(sum(*errors), excused ? timeouts->second : 0) << spelled(*errors);
    }
    if (!stalled) {
      // The table has the measure. Starting a server forks this process, which under a sanitizer
      // stands still for tens of milliseconds meanwhile.
      EXPECT_LE(p99, std::max(10 * quiet_p99, 100.0)) << "ms, for keys of healthy servers";
      // No call outlasts its time, but for what the machine takes to wake its thread.
      EXPECT_LE(longest, static_cast<double>((call_timeout + 250ms).count()));
    }
    if (recovers) {
      EXPECT_NE(p.first_answer.load(), 0) << "not one call was answered again";
      const auto limit = health_options{}.retry_max + 1s;
      EXPECT_LT(recovered_ms(p), static_cast<double>(limit.count()));
    }
  }
}

std::size_t failures(const phase& p) {
  return sum(p.total.errors[affected]) + sum(p.total.spanning[affected]);
}

std::size_t answered(const phase& p) { return p.total.hits[affected] + p.total.misses[affected]; }

TEST(worst_day, surface) {
  auto servers = start_servers(4);
  memcached_server& one = servers[the_one];
  memcxx::options o = settings_with_labels(servers);
  load day(o);

  phase& quiet = day.calm();

  phase& killed = day.begin("killed");
  one.kill();
  std::this_thread::sleep_for(600ms);

  phase& restarted = day.begin("restarted");
  one.restart();
  day.recover(restarted);
  restarted.dials = connections(one) - 2;  // the look, and the start's own

  phase& stopped = day.begin("SIGSTOP");
  const long before = connections(one);
  one.freeze();
  std::this_thread::sleep_for(4 * call_timeout + 300ms);

  phase& continued = day.begin("SIGCONT");
  one.thaw();
  const long thawed = connections(one);  // last in the server's queue of connections
  stopped.dials = thawed - before - 1;
  day.recover(continued);
  continued.dials = connections(one) - thawed - 1;

  phase& flapping = day.begin("flaps 10 times");
  long dials = 0;
  for (int i = 0; i < 10; ++i) {
    if (i != 0) dials += connections(one) - 2;
    one.kill();
    std::this_thread::sleep_for(25ms);
    one.restart();
    // Long enough to be trusted again, for most of the ten.
    const stopwatch watch;
    const std::uint64_t answered = day.answers();
    while (day.answers() == answered && watch.elapsed() < 250ms) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(20ms);
  }
  phase& settled = day.begin("after flaps");
  day.recover(settled);
  settled.dials = connections(one) - 2;

  phase& moved = day.begin("moved");
  memcached_server elsewhere;
  const auto at = [&](std::uint16_t port) {
    auto list = o.servers;
    list[the_one].port = port;
    return list;
  };
  const auto swapped = day.cache.replace_servers(at(elsewhere.port()));
  ASSERT_TRUE(ok(swapped));
  day.recover(moved);
  moved.dials = connections(elsewhere) - 2;
  const std::string now_at = day.cache.servers()[the_one];
  const std::string items_there = elsewhere.statistic("curr_items");

  // It is there, and ends every connection at once.
  phase& bad = day.begin("accepts, closes");
  scripted_server closing([](peer& p) { p.close(); });
  ASSERT_TRUE(ok(day.cache.replace_servers(at(closing.port()))));
  std::this_thread::sleep_for(600ms);
  bad.dials = static_cast<long>(closing.accepted());

  // Emptied first: a server that was away keeps what is out of date by now.
  one.restart();
  phase& home = day.begin("moved back");
  ASSERT_TRUE(ok(day.cache.replace_servers(at(one.port()))));
  day.recover(home);
  day.stop();

  killed.dials = static_cast<long>(killed.total.refused_dials);
  flapping.dials = dials + static_cast<long>(flapping.total.refused_dials);
  report_and_judge("surface", day, quiet);

  EXPECT_EQ(day.healthy_ones_down(), 0u);
  EXPECT_EQ(failures(quiet), 0u);
  EXPECT_GT(failures(killed), 0u) << "nobody asked the dead server";
  EXPECT_EQ(killed.total.errors[affected].contains(errc::timeout), false);
  EXPECT_GT(killed.total.errors[affected][errc::server_down], 0u) << "was never marked down";
  EXPECT_GT(stopped.total.errors[affected][errc::timeout], 0u);
  EXPECT_GT(stopped.total.errors[affected][errc::server_down], 0u) << "was never marked down";
  for (const phase* p : {&killed, &restarted, &stopped, &continued, &settled, &moved})
    EXPECT_LE(p->dials, dials_to_go_down) << p->event;
  EXPECT_GT(flapping.ups, 0u);
  EXPECT_GT(answered(flapping), 0u) << "was never trusted again between two falls";
  EXPECT_LE(flapping.dials, 10 * dials_to_go_down);
  // With automatic, each attempt asks twice for meta commands and once goes without asking.
  EXPECT_LE(bad.dials, 3 * dials_to_go_down);
  EXPECT_GT(bad.dials, 0);
  EXPECT_EQ(failures(moved), 0u) << spelled(moved.total.errors[affected]);
  EXPECT_EQ(now_at, elsewhere.name());
  EXPECT_NE(items_there, "0");
}

// The policies that go elsewhere: the dead server's keys are answered, by another.
void kill_one(const char* policy, const std::function<void(memcxx::options&)>& choose) {
  auto servers = start_servers(4);
  memcxx::options o = settings_with_labels(servers);
  choose(o);
  load day(o);
  phase& quiet = day.calm();
  phase& killed = day.begin("killed");
  servers[the_one].kill();
  std::this_thread::sleep_for(600ms);
  phase& restarted = day.begin("restarted");
  servers[the_one].restart();
  // Its keys are answered all the time: whether it is used again, it tells itself.
  restarted.usable = clock::now();
  const auto limit = restarted.usable + health_options{}.retry_max + 1s;
  std::string stored = "0";
  while (stored == "0" && clock::now() < limit) {
    std::this_thread::sleep_for(20ms);
    stored = servers[the_one].statistic("cmd_set");
  }
  const auto used_again = clock::now();
  std::this_thread::sleep_for(250ms);
  day.stop();
  restarted.first_answer = used_again.time_since_epoch().count();
  report_and_judge(policy, day, quiet);

  EXPECT_EQ(day.healthy_ones_down(), 0u);
  EXPECT_EQ(failures(quiet), 0u);
  // Only stores that were under way when the server died cannot be asked for elsewhere.
  EXPECT_LE(failures(killed), threads) << spelled(killed.total.errors[affected]);
  EXPECT_GT(killed.total.hits[affected], 0u);
  EXPECT_GT(killed.total.misses[affected], 0u) << "what the dead server held cannot be there";
  EXPECT_EQ(failures(restarted), 0u) << spelled(restarted.total.errors[affected]);
  EXPECT_NE(stored, "0") << "the server that is back is not used";
}

TEST(worst_day, next) {
  kill_one("next", [](memcxx::options& o) { o.failover = failover_policy::next; });
}

TEST(worst_day, gutter) {
  const memcached_server spare;
  kill_one("gutter", [&](memcxx::options& o) {
    o.failover = failover_policy::gutter;
    o.gutter = {parse_server(spare.address()).value()};
  });
  EXPECT_NE(spare.statistic("cmd_set"), "0");
}

}  // namespace
}  // namespace memcxx::test
