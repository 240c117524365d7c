// The bare loop: requests that were rendered beforehand, a blocking socket, and the least that must
// be looked at in a reply. Nothing can do the same system calls in less time; everything else is
// measured against it. It serves as nothing but that: it knows the replies it expects, and gives up
// at any other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/options.hpp>

namespace memcxx::bench {

// "ms", quiet, whose failure alone is answered.
std::string raw_set(std::string_view key, std::string_view value);

// "VALUE <key> "
std::string raw_head(std::string_view key);

// A connection and its receive buffer. Throws std::runtime_error for anything unexpected. Not
// thread-safe.
class raw_connection {
 public:
  explicit raw_connection(const server_address& to, std::size_t buffer = 64 * 1024);
  ~raw_connection();
  raw_connection(const raw_connection&) = delete;
  raw_connection(raw_connection&& other) noexcept;
  raw_connection& operator=(raw_connection&&) = delete;

  void send(std::string_view bytes);
  // Before what comes next is read, when nothing of an earlier reply is left.
  void rewind() noexcept { at_ = end_ = buffer_.data(); }
  // "<head><flags> <length>\r\n<data>\r\n": the value, in the buffer. The head is raw_head(key).
  std::string_view value(std::string_view head);
  // "VA <length>\r\n<data>\r\n"
  std::string_view meta_value();
  void expect(std::string_view reply);
  std::size_t number(char last);  // and the character behind it

 private:
  void need(std::size_t bytes) {
    while (static_cast<std::size_t>(end_ - at_) < bytes) receive(bytes);
  }
  void receive(std::size_t bytes);
  std::string_view body(std::size_t length);

  int fd_ = -1;
  std::vector<char> buffer_;
  char* at_ = nullptr;   // what was not looked at
  char* end_ = nullptr;  // what was received
};

}  // namespace memcxx::bench
