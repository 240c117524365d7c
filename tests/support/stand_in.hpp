// Servers that are not at hand, as scripts over items of their own: old memcached, whose meta
// commands differ or are missing, and others that answer the question for meta in their own way.
// What each answers was measured on the real one.
// Never here: listening (scripted_server), anything of the library under test.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "scripted_server.hpp"

namespace memcxx::test {

// Threads: safe to share.
class stand_in {
 public:
  // How a server differs from memcached 1.6.18 in text.
  struct kind {
    std::string version;
    std::string noop;         // its answer to "mn"
    bool meta = false;        // reads mg, md, ma as 1.6.18 does
    bool store_s = false;     // reads ms as "ms KEY S<length>", and its value as commands otherwise
    std::string to_meta;      // its answer to other meta commands
    bool closes = false;      // and then closes
    std::string to_deletion;  // its answer to md
  };
  static const kind memcached_1_4;     // 1.4.33
  static const kind memcached_1_5_22;  // knows mg, ms in an early form; mn is a miss
  static const kind memcached_1_6_9;   // 1.6.0 to 1.6.9; Debian 11
  static const kind infinispan_15;
  static const kind mcrouter;       // CLIENT_ERROR, and closes
  static const kind memcached_njs;  // the same, of npm

  explicit stand_in(kind k) : kind_(std::move(k)) {}

  // For scripted_server: every connection sees the same items.
  [[nodiscard]] script play();
  // The commands that were carried out, first words only; "flush_all" is what must never be there.
  [[nodiscard]] std::size_t count(const std::string& command);
  [[nodiscard]] std::map<std::string, std::string> items();

 private:
  struct item {
    std::string value;
    std::string flags;
  };
  // The answer to one line, whose value, if it has one, is read from `p`.
  std::string answer(peer& p, const std::string& line);
  std::string store(peer& p, const std::vector<std::string>& words);
  std::string get(const std::vector<std::string>& words);
  std::string count_up(const std::vector<std::string>& words);
  std::string meta(peer& p, const std::vector<std::string>& words);

  const kind kind_;
  std::mutex lock_;
  std::map<std::string, item> items_;
  std::map<std::string, std::size_t> commands_;
};

}  // namespace memcxx::test
