// memcxx::connection by libuv: what epoll_loop.cpp does, for programs whose loop is libuv's. Bytes
// are read straight to where the connection wants them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <netinet/in.h>
#include <string>
#include <uv.h>
#include <vector>

#include <memcxx/connection.hpp>
#include <memcxx/options.hpp>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [peer]
// A connection and its socket. Stays where it is until its handles are closed.
struct peer {
  memcxx::connection wire{{}};
  uv_tcp_t socket;
  uv_connect_t connecting;
  uv_write_t writing;
  std::string unsent;                      // what libuv is writing; empty when it is not
  void (*on_progress)(peer& p) = nullptr;  // something came, or the connection failed

  static peer& of(void* data) { return *static_cast<peer*>(data); }
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&socket); }

  void fail(int why) { wire.fail(memcxx::errc::connection_closed, uv_strerror(why)); }

  // Writes what there is to write. What the socket does not take at once is handed to libuv.
  void flush() {
    while (unsent.empty() && wire.has_output()) {
      const auto piece = wire.output().front();
      const uv_buf_t bytes{.base = const_cast<char*>(piece.data()), .len = piece.size()};
      const int n = uv_try_write(stream(), &bytes, 1);
      if (n < 0 && n != UV_EAGAIN) return fail(n);
      if (n >= 0) {
        wire.sent(static_cast<std::size_t>(n));
        continue;
      }
      unsent.assign(piece.data(), piece.size());
      wire.sent(unsent.size());
      const uv_buf_t kept{.base = unsent.data(), .len = unsent.size()};
      writing.data = this;
      uv_write(&writing, stream(), &kept, 1, [](uv_write_t* w, int status) {
        peer& p = of(w->data);
        p.unsent.clear();
        if (status < 0) p.fail(status);
        if (!p.wire.failed()) p.flush();
        p.on_progress(p);
      });
    }
  }

  void read() {
    const auto room = [](uv_handle_t* h, std::size_t, uv_buf_t* out) {
      const auto piece = of(h->data).wire.input().front();
      *out = {.base = piece.data(), .len = piece.size()};
    };
    uv_read_start(stream(), room, [](uv_stream_t* s, ssize_t n, const uv_buf_t*) {
      peer& p = of(s->data);
      if (n > 0) p.wire.received(static_cast<std::size_t>(n));  // calls the handlers
      if (n == UV_EOF) p.wire.closed();
      if (n < 0 && n != UV_EOF) p.fail(static_cast<int>(n));
      if (!p.wire.failed()) p.flush();
      p.on_progress(p);
    });
  }
};
// [end]

struct answers final : memcxx::protocol::response_handler {
  std::vector<std::string> values = std::vector<std::string>(200);

  void on_response(std::uint32_t tag, const memcxx::protocol::response& r) noexcept override {
    if (r.status == memcxx::errc::ok) values[tag] = r.value;  // valid only inside this call
  }
};

struct program {
  std::vector<std::string> keys;
  answers got;
  uv_timer_t deadline;
  bool asked = false;

  static program& of(const peer& p) { return *static_cast<program*>(p.socket.loop->data); }

  // The handshake is over: asks. Everything is answered, or nothing more will be: closes.
  static void go_on(peer& p) {
    program& self = of(p);
    if (p.wire.ready() && !p.wire.failed() && !self.asked) {
      self.asked = true;
      using memcxx::protocol::verb;
      for (std::uint32_t i = 0; i < 100; ++i) {
        const std::string& key = self.keys[i];
        p.wire.submit({.op = verb::set, .key = key, .value = key}, self.got, i);
        p.wire.submit({.op = verb::get, .key = key}, self.got, 100 + i);
      }
      p.flush();
    }
    if (!p.wire.failed() && (!self.asked || p.wire.in_flight() != 0)) return;
    for (auto* h : {reinterpret_cast<uv_handle_t*>(&p.socket),
                    reinterpret_cast<uv_handle_t*>(&self.deadline)}) {
      if (uv_is_closing(h) == 0) uv_close(h, nullptr);
    }
  }
};

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const auto server =
      memcxx::parse_uri(named != nullptr ? named : "127.0.0.1").value().servers.front();
  sockaddr_in to{};
  expect(uv_ip4_addr(server.host.c_str(), server.port, &to) == 0, "an IPv4 address");

  uv_loop_t loop;
  uv_loop_init(&loop);
  program all;
  for (int i = 0; i < 100; ++i) all.keys.push_back("uv:" + std::to_string(i));
  loop.data = &all;

  // [use]
  peer p;
  p.on_progress = program::go_on;
  uv_tcp_init(&loop, &p.socket);
  p.socket.data = &p;
  uv_tcp_connect(&p.connecting, &p.socket, reinterpret_cast<const sockaddr*>(&to),
                 [](uv_connect_t* c, int status) {
                   peer& connected = peer::of(c->handle->data);
                   if (status < 0) {
                     connected.fail(status);
                     return connected.on_progress(connected);
                   }
                   connected.wire.open();
                   connected.read();
                   connected.flush();
                 });

  uv_timer_init(&loop, &all.deadline);
  all.deadline.data = &p;
  const auto too_late = [](uv_timer_t* t) {
    peer& late = peer::of(t->data);
    late.wire.fail(memcxx::errc::timeout, "no answer within 5s");
    late.on_progress(late);
  };
  uv_timer_start(&all.deadline, too_late, 5000, 0);
  uv_run(&loop, UV_RUN_DEFAULT);  // until both handles are closed
  // [end]

  expect(uv_loop_close(&loop) == 0, "nothing is left in the loop");
  if (p.wire.failed()) std::cerr << p.wire.failure_text() << '\n';
  expect(!p.wire.failed() && all.asked, "no failure");
  for (std::uint32_t i = 0; i < 100; ++i) {
    expect(all.got.values[100 + i] == all.keys[i], "each its own");
  }
  std::cout << "200 requests answered over one connection that speaks "
            << memcxx::name_of(p.wire.speaks()) << '\n';
}
