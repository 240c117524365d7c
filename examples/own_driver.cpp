// A driver of one's own, under a scheme of one's own: here a store that fails every third request,
// to see how a program copes with a bad cache.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <memcxx/client.hpp>
#include <memcxx/memory.hpp>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// [driver]
// Threads: a driver is called from many at once.
class flaky_driver final : public memcxx::driver {
 public:
  void execute(const memcxx::protocol::request& r, memcxx::protocol::response_handler& to,
               std::uint32_t tag,
               std::chrono::steady_clock::time_point deadline) noexcept override {
    if (++requests_ % 3 != 0) return items_.execute(r, to, tag, deadline);
    memcxx::protocol::response failed;
    failed.status = memcxx::errc::timeout;
    failed.text = "the third request always fails";
    to.on_response(tag, failed);
  }

 private:
  std::atomic<unsigned> requests_ = 0;
  memcxx::memory_driver items_;
};
// [end]

}  // namespace

int main() {
  // [register]
  memcxx::options o;
  o.drivers["flaky"] = [](const memcxx::server_address&, const memcxx::options&) {
    return std::make_shared<flaky_driver>();
  };
  memcxx::client cache(memcxx::parse_uri("flaky://a", o).value());
  // [end]
  expect(cache.set("key", "value").has_value(), "the first succeeds");
  expect(cache.get("key").value().value == "value", "the second succeeds");
  auto third = cache.get("key");
  expect(third.error() == memcxx::errc::timeout, "the third fails");
  std::cout << third.error() << '\n';
  expect(cache.get("key").has_value(), "the fourth succeeds");
}
