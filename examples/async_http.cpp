// A small web server whose pages take long to make, and so are kept in memcached: one thread, a
// coroutine for each visitor. Visitors who come for a page that is being made, by this process or
// another, wait for it. The program listens on loopback, visits itself, and ends.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/async_client.hpp>

#if defined(MEMCXX_BOOST_ASIO)
#include <boost/asio/experimental/awaitable_operators.hpp>
using boost::system::error_code;
#else
#include <asio/experimental/awaitable_operators.hpp>
using asio::error_code;
#endif

namespace net = memcxx::net;
using net::ip::tcp;
using namespace net::experimental::awaitable_operators;
using namespace std::chrono_literals;

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

int made = 0;

net::awaitable<void> pause(std::chrono::milliseconds time) {
  net::steady_timer timer(co_await net::this_coro::executor, time);
  co_await timer.async_wait(net::use_awaitable);
}

net::awaitable<std::string> make_page(std::string path) {
  ++made;
  co_await pause(100ms);  // a slow query
  co_return "This is " + path + "\n";
}

// [page]
// From the cache, or made by one visitor for all (see stampede.cpp): for 5 s an empty stub holds
// the place of a page that is being made.
net::awaitable<std::string> page(memcxx::async_client cache, std::string path) {
  const std::string key = "page:" + path;
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto item = co_await cache.get(key, {.vivify = 5s, .recache = 10s});
    if (!item) break;  // a failure: the site is slow without its cache, but there
    if (item->won) {
      std::string body = co_await make_page(path);
      (void)co_await cache.set(key, body, {.ttl = 60s});
      co_return body;
    }
    if (!item->value.empty()) co_return item->value;
    co_await pause(10ms);
  }
  co_return co_await make_page(path);
}
// [end]

// The path of "GET /path HTTP/1.1"; nothing when it is no such thing.
std::optional<std::string> path_in(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const auto end = line.rfind(" HTTP/1.");
  if (!line.starts_with("GET /") || end == std::string_view::npos || end < 5) return std::nullopt;
  const std::string_view path = line.substr(4, end - 4);
  const bool fit = std::ranges::all_of(path, [](char c) { return c > 0x20 && c < 0x7f; });
  return fit && path.size() <= 200 ? std::optional(std::string(path)) : std::nullopt;
}

// [serve]
// One request and its response; whoever dawdles or sends too much is left alone.
net::awaitable<void> serve(tcp::socket visitor, memcxx::async_client cache) {
  std::string head;
  error_code failed;
  auto came = co_await (net::async_read_until(visitor, net::dynamic_buffer(head, 8192), "\r\n\r\n",
                                              net::redirect_error(net::use_awaitable, failed)) ||
                        pause(5s));
  if (came.index() != 0 || failed) co_return;

  const auto path = path_in(head);
  std::string body = "There is no such page.\n";
  if (path) body = co_await page(cache, *path);
  const std::string response = std::string("HTTP/1.1 ") + (path ? "200 OK" : "404 Not Found") +
                               "\r\nContent-Type: text/plain\r\nConnection: close\r\n" +
                               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  co_await net::async_write(visitor, net::buffer(response), net::use_awaitable);
}

net::awaitable<void> listen(tcp::acceptor& door, memcxx::async_client cache) {
  for (;;) {
    tcp::socket visitor = co_await door.async_accept(net::use_awaitable);
    net::co_spawn(door.get_executor(), serve(std::move(visitor), cache), net::detached);
  }
}
// [end]

// --- the visitors ------------------------------------------------------------------------------

net::awaitable<std::string> visit(tcp::endpoint site, std::string path) {
  tcp::socket s(co_await net::this_coro::executor);
  co_await s.async_connect(site, net::use_awaitable);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  co_await net::async_write(s, net::buffer(request), net::use_awaitable);
  std::string all;
  error_code end;
  co_await net::async_read(s, net::dynamic_buffer(all, 1 << 20),
                           net::redirect_error(net::use_awaitable, end));
  expect(end == net::error::eof, "the whole response");
  co_return all.substr(std::min(all.size(), all.find("\r\n\r\n")));
}

net::awaitable<void> visits(tcp::acceptor& door, memcxx::async_client cache) {
  const tcp::endpoint site = door.local_endpoint();
  auto [a, b, c] = co_await (visit(site, "/news") && visit(site, "/news") && visit(site, "/news"));
  expect(a == "\r\n\r\nThis is /news\n" && a == b && b == c, "the page");
  std::cout << "three visitors at once: the page was made " << made << " time\n";

  (void)co_await visit(site, "/news");
  std::cout << "a fourth: " << made << " time\n";
  (void)co_await (visit(site, "/a") && visit(site, "/b"));
  std::cout << "two other pages: " << made << " times\n";
  expect(made == 3, "each was made once");
  expect((co_await visit(site, "/a b")).ends_with("no such page.\n"), "a path is no key yet");

  door.close();  // ends listen()
  co_await cache.async_close();
}

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  net::io_context io;
  memcxx::async_client cache(io, named != nullptr ? named : "127.0.0.1");
  tcp::acceptor door(io, {net::ip::address_v4::loopback(), 0});
  net::co_spawn(io, listen(door, cache), net::detached);
  net::co_spawn(io, visits(door, cache), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}
