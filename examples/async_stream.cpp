// Many keys, and each answer as it arrives: nobody waits for the slow server to get the answers of
// the quick ones. Here the list has one more server, which takes connections and never answers.
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <memcxx/async_client.hpp>

namespace net = memcxx::net;
using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

struct outcome {
  std::size_t hits = 0;
  std::size_t hits_at_the_first_failure = 0;
  std::size_t failures = 0;
  memcxx::error last;
};

// [stream]
net::awaitable<outcome> read_all(memcxx::async_client cache, std::vector<std::string> keys) {
  outcome o;
  auto arriving = cache.within(200ms).get_each(keys);  // under way from here on
  while (auto e = co_await arriving.next()) {
    if (e->reply) {
      ++o.hits;  // keys[e->index] or e->key: e->reply->value
    } else if (e->reply.error() != memcxx::errc::miss) {
      if (o.failures++ == 0) o.hits_at_the_first_failure = o.hits;
      o.last = e->reply.error();
    }
  }
  co_return o;  // every key has had its turn
}
// [end]

net::awaitable<void> run(memcxx::async_client cache, std::string slow) {
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back("stream:" + std::to_string(i));
  std::vector<std::pair<std::string, std::string>> values;
  for (const std::string& k : keys) {
    if (cache.which(k) != slow) values.emplace_back(k, "value");
  }
  expect((co_await cache.set_many(values)).all(), "stored");

  const outcome o = co_await read_all(cache, keys);
  expect(o.hits == values.size() && o.hits_at_the_first_failure == o.hits, "none waited");
  expect(o.hits + o.failures == keys.size() && o.last.server() == slow, "all have had their turn");
  std::cout << "the quick servers' values came first, then: " << memcxx::name_of(o.last.code())
            << '\n';

  // [enough]
  {
    auto arriving = cache.get_each(keys);
    auto first = co_await arriving.next();
    expect(first && first->reply, "the quickest");
  }  // enough: the rest is given up, and its answers are dropped when they come
  // [end]

  // [typed]
  std::vector<std::string> counts = {values[0].first, values[1].first};
  for (const std::string& k : counts) (co_await cache.set(k, 42)).value();
  auto numbers = cache.get_each<int>(counts);
  while (auto e = co_await numbers.next()) {
    if (e->reply) std::cout << *e->reply << '\n';
  }
  // [end]
}

}  // namespace

int main() {
  net::io_context io;
  net::ip::tcp::acceptor silent(io, {net::ip::address_v4::loopback(), 0});
  const std::string slow = "127.0.0.1:" + std::to_string(silent.local_endpoint().port());

  const char* named = std::getenv("MEMCXX_SERVERS");
  memcxx::async_client cache(io, std::string(named != nullptr ? named : "127.0.0.1") + "," + slow);
  net::co_spawn(io, run(cache, slow), [cache](std::exception_ptr thrown) mutable {
    if (thrown) std::rethrow_exception(thrown);
    cache.async_close(net::detached);
  });
  io.run();
}
