// Sources that need no network: files, names with a resolver of the test's own; and the watcher
// over a source of the test's own and servers in memory. Never here: sockets, a sleep.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <memcxx/source.hpp>

#include "api/source_dns.hpp"
#include "support.hpp"

namespace memcxx {
namespace {

using namespace std::chrono_literals;
using servers = std::vector<server_address>;

std::chrono::steady_clock::time_point soon() { return std::chrono::steady_clock::now() + 10s; }

std::string list(const result<servers>& s) {
  if (!s) return s.error().what();
  options o;
  o.servers = *s;
  return names(o);
}

// --- files

class source_file_test : public testing::Test {
 protected:
  source_file_test() {
    std::string folder = std::filesystem::temp_directory_path() / "memcxx-source-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no folder");
    folder_ = folder;
  }
  ~source_file_test() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ / "servers"; }
  void write(const std::string& text) const { std::ofstream(path(), std::ios::binary) << text; }
  [[nodiscard]] result<servers> read() const { return file_source(path())->fetch(soon()); }
  [[nodiscard]] result<servers> read(const std::string& text) const {
    write(text);
    return read();
  }

  std::filesystem::path folder_;
};

TEST_F(source_file_test, servers_blanks_and_comments) {
  EXPECT_EQ(list(read("a")), "a:11211");
  EXPECT_EQ(list(read("a:1 b:2*3\tc, d:4,\n\n  # none: e\r\n[::1]:5 # f\r\nunix:/run/m.sock\n#")),
            "a:1 b:2*3 c:11211 d:4 [::1]:5 unix:/run/m.sock");
}

TEST_F(source_file_test, is_read_anew_each_time) {
  const auto source = file_source(path());
  write("a");
  EXPECT_EQ(list(source->fetch(soon())), "a:11211");
  write("b");
  EXPECT_EQ(list(source->fetch(soon())), "b:11211");
  std::filesystem::remove(path());
  EXPECT_FALSE(source->fetch(soon()));
}

TEST_F(source_file_test, an_error_names_the_file_and_the_line) {
  const std::string named = "file \"" + path() + "\": ";
  expect_refused({"bad port", named + "line 3: port \"99999\""}, read("a\n\nb c:99999 d"));
  expect_refused({"bad weight", "line 1: weight \"0\""}, read("a*0"));
  expect_refused({"no comment", "line 1: host \"a#b\""}, read("a#b"));
  expect_refused({"control", "line 2: \"b\\x01\""}, read("a\nb\x01"));
  expect_refused({"zero", "line 1: \"a\\x00\""}, read(std::string("a\0", 2)));
  expect_refused({"credentials", "line 1: ", errc::not_supported}, read("user:secret@a"));
  EXPECT_EQ(read("user:secret@a").error().message().find("secret"), std::string::npos);
}

TEST_F(source_file_test, no_file_no_server_and_no_regular_file_are_errors) {
  expect_refused({"missing", "file \"" + path() + "\": No such file"}, read());
  for (const std::string text : {"", "\n", "# only\n \t\r\n", " , "})
    expect_refused({text, "there is no server in it"}, read(text));
  expect_refused({"folder", "not a regular file"}, file_source(folder_)->fetch(soon()));
  expect_refused({"device", "not a regular file"}, file_source("/dev/zero")->fetch(soon()));
  expect_refused({"no path", "file \"\": "}, file_source("")->fetch(soon()));
}

TEST_F(source_file_test, the_size_is_bounded) {
  const std::string mebibyte(1 << 20, '#');
  expect_refused({"1 MiB and 1", "longer than 1 MiB"}, read("a\n" + mebibyte.substr(1)));
  EXPECT_EQ(list(read("a\n" + mebibyte.substr(2))), "a:11211");
}

// --- names

api::resolver says(result<std::vector<std::string>> answer) {
  return [answer](const std::string&, std::chrono::steady_clock::time_point) { return answer; };
}

TEST(source_dns_test, addresses_are_sorted_by_number_and_told_once) {
  const auto source = api::dns_source(
      "cache.example", 11300,
      says(std::vector<std::string>{"10.0.0.10", "fe80::2%eth0", "::1", "10.0.0.2", "10.0.0.10",
                                    "9.255.0.1", "fe80::2%eth1", "::1"}));
  EXPECT_EQ(list(source->fetch(soon())),
            "9.255.0.1:11300 10.0.0.2:11300 10.0.0.10:11300 [::1]:11300 [fe80::2%eth0]:11300 "
            "[fe80::2%eth1]:11300");
}

TEST(source_dns_test, asks_anew_each_time_with_the_name_and_the_deadline) {
  std::vector<std::string> now{"10.0.0.1"};
  std::vector<std::string> asked;
  std::chrono::steady_clock::time_point until;
  const auto source =
      api::dns_source("cache.example", default_port, [&](const std::string& name, auto deadline) {
        asked.push_back(name);
        until = deadline;
        return result<std::vector<std::string>>(now);
      });
  const auto deadline = soon();
  EXPECT_EQ(list(source->fetch(deadline)), "10.0.0.1:11211");
  EXPECT_EQ(until, deadline);
  now = {"10.0.0.1", "10.0.0.0"};
  EXPECT_EQ(list(source->fetch(deadline)), "10.0.0.0:11211 10.0.0.1:11211");
  EXPECT_EQ(asked, (std::vector<std::string>{"cache.example", "cache.example"}));
}

TEST(source_dns_test, failures_name_the_name) {
  const error lost(errc::resolve_failed, "Name or service not known", "cache.example");
  EXPECT_EQ(list(api::dns_source("cache.example", 1, says(std::unexpected(lost)))->fetch(soon())),
            lost.what());
  const auto none = api::dns_source("cache.example", 1, says({}))->fetch(soon());
  EXPECT_EQ(none.error(), errc::resolve_failed);
  EXPECT_EQ(none.error().server(), "cache.example");
}

TEST(source_dns_test, a_name_that_can_be_none_is_not_asked) {
  const auto never = [](const std::string& name, auto) -> result<std::vector<std::string>> {
    ADD_FAILURE() << "asked for " << name;
    return {};
  };
  const auto fetch = [&](const std::string& name, std::uint16_t port = 1) {
    return api::dns_source(name, port, never)->fetch(soon());
  };
  expect_refused({"empty", "the host is empty"}, fetch(""));
  expect_refused({"port in it", "host \"a:1\""}, fetch("a:1"));
  expect_refused({"control", "host \"a\\x0a\""}, fetch("a\n"));
  expect_refused({"port 0", "port 0 of \"a\""}, fetch("a", 0));
}

// --- endpoints

TEST(source_discovery_test, an_endpoint_is_one_server_of_the_network) {
  EXPECT_TRUE(discovery_source("cfg.example"));
  EXPECT_TRUE(discovery_source("cfg.example:11300?protocol=auto&connect_timeout=1s"));
  EXPECT_TRUE(discovery_source("memcached://[::1]:1"));
  expect_refused({"none", "no server"}, discovery_source(""));
  expect_refused({"two", "is one server, and these are 2"}, discovery_source("a,b"));
  expect_refused({"port", "port \"0\""}, discovery_source("a:0"));
  expect_refused({"memory", "is on the network, and \"memory://\" is not"},
                 discovery_source("memory://"));
  expect_refused({"binary", "binary protocol", errc::not_supported},
                 discovery_source("a?protocol=binary"));
}

}  // namespace
}  // namespace memcxx
