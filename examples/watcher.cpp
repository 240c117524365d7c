// Servers that stand in a file, which somebody changes while the client is in use.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <unistd.h>

#include <memcxx/client.hpp>
#include <memcxx/source.hpp>

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

// A new file is moved to the old one's place, so that nobody reads half of it.
void write(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path fresh = path.string() + ".new";
  std::ofstream(fresh) << text;
  std::filesystem::rename(fresh, path);
}

}  // namespace

int main() {
  using namespace std::chrono_literals;
  const char* named = std::getenv("MEMCXX_SERVERS");
  const std::string all = named != nullptr ? named : "127.0.0.1";
  const auto path = std::filesystem::temp_directory_path() /
                    ("memcxx-example-" + std::to_string(::getpid()) + ".servers");
  write(path, "# all of them\n" + all + "\n");

  // [watcher]
  memcxx::client cache(all);
  memcxx::watcher watching(cache, memcxx::file_source(path),
                           {.interval = 10s, .on_error = [](const memcxx::error& why) {
                              std::cerr << "the servers stay as they are: " << why << '\n';
                            }});
  // [end]
  cache.set("greeting", "hello").value();

  // The watcher finds out by itself within its interval; refresh() asks at once.
  write(path, memcxx::parse_uri(all).value().servers.front().name() + "\n");
  watching.refresh().value();
  expect(cache.servers().size() == 1, "one server is left");
  std::cout << "now on " << cache.servers().front() << '\n';

  write(path, "127.0.0.1:port\n");
  expect(!watching.refresh(), "that is no server");
  expect(cache.servers().size() == 1, "the last good list stays");
  expect(cache.set("greeting", "hello").has_value(), "and is used");

  std::filesystem::remove(path);
}
