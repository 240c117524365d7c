// memcxx::protocol alone, as a proxy or a test would use it: bytes out, bytes in, nothing else.
// Never here: memcxx::memcxx.
#include <array>
#include <iostream>
#include <string_view>

#include <memcxx/protocol/classic.hpp>

int main() {
  namespace classic = memcxx::protocol::classic;

  memcxx::protocol::request request;
  request.key = "greeting";
  if (classic::check(request)) return 1;

  std::array<char, classic::max_head> head;
  const std::string_view sent{head.data(), classic::encode(request, head.data())};
  if (!sent.starts_with("get") || !sent.ends_with(" greeting\r\n")) return 2;

  memcxx::protocol::response response;
  const auto parsed = classic::parse("VALUE greeting 7 5\r\nhello\r\nEND\r\n", response);
  if (parsed.kind != memcxx::protocol::reply_kind::value || parsed.body_size != 5) return 3;
  if (response.flags != 7) return 4;

  std::cout << sent;
}
