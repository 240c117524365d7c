// Servers that change while a client is in use: from a file, a name, a cluster's configuration
// endpoint; over real memcached.
// Never here: what a body or a file may say (api).
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <memcxx/source.hpp>

#include "../support/clients.hpp"
#include "../support/memcached_server.hpp"
#include "../support/scripted_server.hpp"
#include "../support/wire.hpp"

namespace memcxx::test {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

std::chrono::steady_clock::time_point within(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// True once the condition holds, or false after ten seconds.
bool becomes(const std::function<bool()>& condition) {
  for (const stopwatch w; w.elapsed() < 10s; std::this_thread::sleep_for(2ms)) {
    if (condition()) return true;
  }
  return condition();
}

// A file of servers, replaced as a whole.
class server_file {
 public:
  server_file() {
    std::string folder = std::filesystem::temp_directory_path() / "memcxx-sources-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no folder");
    folder_ = folder;
  }
  ~server_file() { std::filesystem::remove_all(folder_); }
  server_file(const server_file&) = delete;
  server_file& operator=(const server_file&) = delete;

  [[nodiscard]] std::string path() const { return folder_ / "servers"; }
  void write(const std::string& text) const {
    std::ofstream(folder_ / "new") << text;
    std::filesystem::rename(folder_ / "new", path());
  }

 private:
  std::filesystem::path folder_;
};

// A configuration endpoint: answers with what the test set last. An empty body: ERROR, as a plain
// memcached does.
class endpoint {
 public:
  void say(std::string body) {
    const std::scoped_lock hold(lock_);
    body_ = std::move(body);
  }
  [[nodiscard]] std::string address() const { return server_.address(); }
  scripted_server& server() { return server_; }

 private:
  void play(peer& p) {
    while (true) {
      std::string line = p.read_line();
      if (wire::question.starts_with(line)) {
        p.unread(line);
        p.expect(wire::question);
        p.send(wire::speaks_meta);
        continue;
      }
      if (line == "mn\r\n" || line == "version\r\n") {  // what shows where an answer begins or ends
        p.send(line == "mn\r\n" ? "MN\r\n" : "VERSION 1.6.18\r\n");
        continue;
      }
      EXPECT_EQ(line, "config get cluster\r\n");
      const std::scoped_lock hold(lock_);
      if (body_.empty()) {
        p.send("ERROR\r\n");
      } else {
        p.send("CONFIG cluster 0 " + std::to_string(body_.size()) + "\r\n" + body_ + "\r\nEND\r\n");
      }
    }
  }

  std::mutex lock_;
  std::string body_;
  scripted_server server_{[this](peer& p) { play(p); }};
};

std::string node(const memcached_server& s, const std::string& name) {
  return name + "|127.0.0.1|" + std::to_string(s.port());
}

TEST(sources, a_file_changes_servers_under_reads_and_writes) {
  const auto servers = start_servers(3);
  const std::string two = servers[0].address() + "\n" + servers[1].address() + "\n";
  const std::string all = two + servers[2].address() + "*3\n";
  const server_file file;
  file.write(two);
  std::atomic<int> changes{0};
  options o = settings_for(servers[0].address(), protocol_choice::automatic);
  o.on_topology_change = [&](const strings&) { ++changes; };
  client cache(o);

  std::mutex lock;
  std::set<std::string> told;
  watcher watching(cache, file_source(file.path()),
                   {.interval = 5ms, .on_error = [&](const error& e) {
                      const std::scoped_lock hold(lock);
                      told.insert(e.what());
                    }});
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> failed{0};
  std::atomic<int> hits{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t, own = cache]() mutable {
      // Each thread has keys of its own, so it knows what was stored last on each server; what a
      // server kept from before a change is older, and still this key's.
      for (int i = 0; !stop; ++i) {
        const std::string k = "t" + std::to_string(t) + "." + std::to_string(i % 40);
        failed += !own.set(k, k + "=" + std::to_string(i)).has_value();
        const auto got = own.get(k);
        failed += !got && !(got.error() == errc::miss);
        hits += got.has_value();
        wrong += got && !got->value.starts_with(k + "=");
        for (const auto& e : own.get_many({k, "none"})) {
          failed += !e.hit() && !e.miss();
          wrong += e.hit() && (e.key != k || !e.value.starts_with(k + "="));
        }
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    file.write(round % 2 == 0 ? all : two);
    const std::size_t n = round % 2 == 0 ? 3 : 2;
    EXPECT_TRUE(becomes([&] { return cache.servers().size() == n; })) << round;
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_GE(changes, 10);

  // Rubbish keeps the last good list, and says so.
  const int before = changes;
  for (const std::string rubbish : {"", "127.0.0.1:99999\n", "a b*0\n"}) {
    file.write(rubbish);
    EXPECT_TRUE(becomes([&] { return watching.last_error() == errc::invalid_argument; }));
    EXPECT_EQ(cache.servers(), (strings{servers[0].name(), servers[1].name()}));
    file.write(two);
    EXPECT_TRUE(becomes([&] { return watching.last_error() == errc::ok; }));
  }
  std::filesystem::remove(file.path());
  const auto missing = watching.refresh();
  EXPECT_TRUE(fails(missing, errc::invalid_argument));
  EXPECT_EQ(changes, before);

  stop = true;
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
  EXPECT_GT(hits, 100);
  const std::scoped_lock hold(lock);
  EXPECT_GE(told.size(), 3u) << "each reason was told";
  for (const std::string& t : told) EXPECT_NE(t.find(file.path()), std::string::npos) << t;
}

TEST(sources, a_clusters_endpoint_from_version_to_version) {
  const auto servers = start_servers(3);
  endpoint cluster;
  const std::string two = node(servers[0], "a.cache") + " " + node(servers[1], "b.cache");
  const std::string three = two + " " + node(servers[2], "c.cache");
  cluster.say("1\n" + two + "\n");

  client cache = make_client(servers[0].address(), protocol_choice::automatic);
  auto source = discovery_source(cluster.address());
  ASSERT_TRUE(ok(source));
  watcher watching(cache, std::move(*source), {.interval = 1h});
  EXPECT_TRUE(becomes([&] { return cache.servers().size() == 2; }));
  EXPECT_EQ(watching.refresh(), false);
  EXPECT_EQ(cache.servers(), (strings{servers[0].name(), servers[1].name()}));

  cluster.say("2\n" + three + "\n");
  EXPECT_EQ(watching.refresh(), true);
  EXPECT_EQ(cache.servers(), (strings{servers[0].name(), servers[1].name(), servers[2].name()}));
  std::set<std::string> used;
  for (int i = 0; i < 200; ++i) {
    const std::string k = "key" + std::to_string(i);
    ASSERT_TRUE(ok(cache.set(k, "v" + k)));
    EXPECT_EQ(value_of(cache.get(k)), "v" + k);
    used.insert(cache.which(k));
  }
  EXPECT_EQ(used.size(), 3u);

  // Backwards, rubbish, too long, and an endpoint that is none: nothing changes.
  cluster.say("1\n" + two + "\n");
  auto refused = watching.refresh();
  EXPECT_TRUE(fails(refused, errc::invalid_argument));
  EXPECT_NE(refused.error().what().find("version 1 is older than 2"), std::string::npos);
  EXPECT_EQ(refused.error().server(), cluster.address());
  cluster.say("3\nrubbish\n");
  refused = watching.refresh();
  EXPECT_TRUE(fails(refused, errc::invalid_argument));
  EXPECT_NE(refused.error().message().find("\"rubbish\""), std::string::npos);
  EXPECT_EQ(refused.error().server(), cluster.address());
  cluster.say("3\n" + std::string(2 << 20, 'x'));
  EXPECT_TRUE(fails(watching.refresh(), errc::value_too_large));
  cluster.say("");
  EXPECT_TRUE(fails(watching.refresh(), errc::not_supported));
  EXPECT_EQ(watching.last_error(), errc::not_supported);
  EXPECT_EQ(cache.servers().size(), 3u);
  for (int i = 0; i < 200; ++i) {
    const std::string k = "key" + std::to_string(i);
    EXPECT_EQ(value_of(cache.get(k)), "v" + k);
  }

  // The same version again is no change, whatever it says; and the next one is.
  cluster.say("2\n" + two + "\n");
  EXPECT_EQ(watching.refresh(), false);
  EXPECT_EQ(cache.servers().size(), 3u);
  cluster.say("3\n" + two + "\n");
  EXPECT_EQ(watching.refresh(), true);
  EXPECT_EQ(cache.servers().size(), 2u);
}

TEST(sources, a_node_that_moves_keeps_its_keys) {
  const auto servers = start_servers(3);
  endpoint cluster;
  const auto at = [](const memcached_server& s) { return std::to_string(s.port()); };
  // One name with one port for all time, whose address changes: 127.0.0.1 and 127.0.0.2 are both
  // this machine, but only the first is listened on.
  cluster.say("1\na|127.0.0.1|" + at(servers[0]) + " b|127.0.0.1|" + at(servers[1]));
  client cache = make_client(servers[2].address(), protocol_choice::automatic);
  auto source = discovery_source(cluster.address());
  ASSERT_TRUE(ok(source));
  watcher watching(cache, std::move(*source), {.interval = 1h});
  ASSERT_TRUE(becomes([&] { return cache.servers().size() == 2; }));
  std::vector<bool> on_a;
  for (int i = 0; i < 200; ++i) {
    on_a.push_back(cache.which("key" + std::to_string(i)) == servers[0].name());
  }
  cluster.say("2\na|127.0.0.2|" + at(servers[0]) + " b|127.0.0.1|" + at(servers[1]));
  EXPECT_EQ(watching.refresh(), true);
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(cache.which("key" + std::to_string(i)) == "127.0.0.2:" + at(servers[0]), on_a[i]);
  }
}

// Over a meta connection it goes in classic form.
TEST(sources, an_endpoint_asked_in_the_protocol_of_its_uri) {
  for (const std::string protocol : {"classic", "auto", "meta"}) {
    endpoint cluster;
    cluster.say("7\nlocal|127.0.0.1|1\n");
    auto source = discovery_source(cluster.address() + "?protocol=" + protocol);
    ASSERT_TRUE(ok(source));
    for (int i = 0; i < 2; ++i) {
      const auto told = (*source)->fetch(within(5s));
      ASSERT_TRUE(ok(told));
      ASSERT_EQ(told->size(), 1u);
      EXPECT_EQ(told->front().label, "local:1");
      EXPECT_EQ(told->front().name(), "127.0.0.1:1");
    }
    cluster.server().stop();
    EXPECT_EQ(cluster.server().count("config get cluster\r\n"), 2u);
    EXPECT_EQ(cluster.server().count(wire::question) > 0, protocol != "classic");
  }
}

// A body that is read in place and one that is larger than the receive buffer, cut wherever.
TEST(sources, an_endpoints_answer_in_pieces) {
  std::string body = "4\n";
  for (int i = 0; i < 900; ++i) body += "node" + std::to_string(i) + ".cache.example|10.0.0.1|1 ";
  body += "\n";
  const std::string reply =
      "CONFIG cluster 0 " + std::to_string(body.size()) + "\r\n" + body + "\r\nEND\r\n";
  for (const std::size_t cut : {1UL, 20UL, 5'000UL, 20'000UL, reply.size() - 6, reply.size() - 1}) {
    scripted_server server([&](peer& p) {
      p.read_line();
      p.send_split(reply, {cut});
    });
    auto source = discovery_source(server.address());
    const auto told = (*source)->fetch(within(5s));
    ASSERT_TRUE(ok(told));
    EXPECT_EQ(told->size(), 900u);
    EXPECT_EQ(told->back().label, "node899.cache.example:1");
  }
}

TEST(sources, an_endpoint_that_fails_is_named_in_time) {
  const memcached_server plain;
  auto source = discovery_source(plain.address());
  const auto told = (*source)->fetch(within(5s));
  EXPECT_TRUE(fails(told, errc::not_supported)) << "memcached has no such command";
  EXPECT_EQ(told.error().server(), plain.name());

  const refusing_port nobody;
  source = discovery_source(nobody.address());
  EXPECT_TRUE(fails((*source)->fetch(within(5s)), errc::connect_failed));
  EXPECT_TRUE(fails((*source)->fetch(within(5s)), errc::connect_failed)) << "asked each time";

  scripted_server silent([](peer& p) { p.read_line(); });
  source = discovery_source(silent.address());
  const stopwatch w;
  const auto late = (*source)->fetch(within(150ms));
  EXPECT_TRUE(fails(late, errc::timeout));
  EXPECT_EQ(late.error().server(), silent.address());
  EXPECT_GE(w.elapsed(), 140ms);
  EXPECT_LT(w.elapsed(), 2s);
  EXPECT_TRUE(fails((*source)->fetch(within(-1ms)), errc::timeout));

  scripted_server empty([](peer& p) {
    p.read_line();
    p.send("END\r\n");
  });
  source = discovery_source(empty.address());
  EXPECT_TRUE(fails((*source)->fetch(within(5s)), errc::server_error));

  scripted_server cut([](peer& p) {
    p.read_line();
    p.send("CONFIG cluster 0 100\r\n1\na||1 b||");
    p.close();
  });
  source = discovery_source(cut.address());
  EXPECT_TRUE(fails((*source)->fetch(within(5s)), errc::connection_closed));
}

TEST(sources, a_name_that_resolves_to_loopback) {
  const memcached_server server;
  const auto told = dns_source("localhost", server.port())->fetch(within(5s));
  ASSERT_TRUE(ok(told));
  for (const server_address& s : *told) {
    EXPECT_TRUE(s.host == "127.0.0.1" || s.host == "::1") << s.host;
    EXPECT_EQ(s.port, server.port());
  }
  EXPECT_EQ(told->front().host, "127.0.0.1") << "IPv4 first";
  const auto again = dns_source("localhost", server.port())->fetch(within(5s));
  ASSERT_TRUE(ok(again));
  EXPECT_EQ(*told, *again);

  const auto literal = dns_source("127.0.0.1", server.port())->fetch(within(5s));
  ASSERT_TRUE(ok(literal));
  client cache = make_client("127.0.0.1:1", protocol_choice::automatic);
  const watcher watching(cache, dns_source("127.0.0.1", server.port()), {.interval = 1h});
  EXPECT_TRUE(becomes([&] { return cache.servers() == strings{server.name()}; }));
  EXPECT_TRUE(ok(cache.set("k", "v")));
}

TEST(sources, a_name_that_does_not_resolve) {
  const auto told = dns_source("no-such-name.invalid")->fetch(within(5s));
  ASSERT_FALSE(told);
  // Without a network the resolver may take its time.
  EXPECT_TRUE(told.error() == errc::resolve_failed || told.error() == errc::timeout);
  EXPECT_EQ(told.error().server(), "no-such-name.invalid");
  EXPECT_TRUE(fails(dns_source("localhost")->fetch(within(-1s)), errc::timeout));
}

TEST(sources, a_watcher_over_a_fork) {
  const memcached_server server;
  const server_file file;
  file.write(server.address());
  client cache = make_client(server.address(), protocol_choice::automatic);
  ASSERT_TRUE(ok(cache.set("k", "v")));
  std::optional<watcher> watching;
  watching.emplace(cache, file_source(file.path()), watch_options{.interval = 1ms});
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(10);
      const auto asked = watching->refresh();
      bool good = !asked && asked.error() == errc::not_supported;
      good = good && watching->last_error() == errc::ok && value_of(cache.get("k")) == "v";
      watching.reset();
      ::_exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(watching->refresh(), false) << "the parent's goes on";
}

TEST(sources, ends_no_later_than_the_question_under_way) {
  scripted_server silent([](peer& p) { p.read_line(); });
  client cache = make_client(silent.address(), protocol_choice::classic);
  auto source = discovery_source(silent.address());
  const stopwatch w;
  {
    const watcher watching(cache, std::move(*source), {.interval = 1h, .timeout = 300ms});
    ASSERT_TRUE(silent.saw("config get cluster\r\n"));
  }
  EXPECT_LT(w.elapsed(), 3s);
}

}  // namespace
}  // namespace memcxx::test
