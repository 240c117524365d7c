// What the servers that are not at hand answer. See stand_in.hpp.
#include "stand_in.hpp"

#include <algorithm>
#include <sstream>

namespace memcxx::test {
namespace {

const std::string bad_format = "CLIENT_ERROR bad command line format\r\n";

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string w; in >> w;) out.push_back(w);
  return out;
}

bool is_meta(const std::string& verb) {
  return verb == "mg" || verb == "ms" || verb == "md" || verb == "ma" || verb == "mn" ||
         verb == "me";
}

}  // namespace

const stand_in::kind stand_in::memcached_1_4{
    .version = "1.4.33", .noop = "ERROR\r\n", .to_meta = "ERROR\r\n", .to_deletion = "ERROR\r\n"};
const stand_in::kind stand_in::memcached_1_5_22{.version = "1.5.22",
                                                .noop = "EN\r\n",
                                                .store_s = true,
                                                .to_meta = bad_format,
                                                .to_deletion = "ERROR\r\n"};
const stand_in::kind stand_in::memcached_1_6_9{.version = "1.6.9",
                                               .noop = "MN\r\n",
                                               .meta = true,
                                               .store_s = true,
                                               .to_meta = bad_format,
                                               .to_deletion = "OK\r\n"};
const stand_in::kind stand_in::infinispan_15{
    .version = "15.0.0", .noop = "MN\r\n", .to_meta = "ERROR\r\n", .to_deletion = "ERROR\r\n"};
const stand_in::kind stand_in::mcrouter{.version = "mcrouter 0.40",
                                        .noop = "CLIENT_ERROR malformed request\r\n",
                                        .to_meta = "CLIENT_ERROR malformed request\r\n",
                                        .closes = true,
                                        .to_deletion = "CLIENT_ERROR malformed request\r\n"};
const stand_in::kind stand_in::memcached_njs{.version = "1.0",
                                             .noop = "CLIENT_ERROR invalid command\r\n",
                                             .to_meta = "CLIENT_ERROR invalid command\r\n",
                                             .closes = true,
                                             .to_deletion = "CLIENT_ERROR invalid command\r\n"};

script stand_in::play() {
  return [this](peer& p) {
    for (;;) {
      std::string line = p.read_line();
      line.resize(line.size() - 2);
      const std::string said = answer(p, line);
      if (!said.empty()) p.send(said);
      if (kind_.closes && said.starts_with("CLIENT_ERROR")) {
        p.close();
        return;
      }
    }
  };
}

std::size_t stand_in::count(const std::string& command) {
  const std::scoped_lock hold(lock_);
  return commands_[command];
}

std::map<std::string, std::string> stand_in::items() {
  const std::scoped_lock hold(lock_);
  std::map<std::string, std::string> out;
  for (const auto& [key, it] : items_) out[key] = it.value;
  return out;
}

std::string stand_in::answer(peer& p, const std::string& line) {
  const std::vector<std::string> words = words_of(line);
  if (words.empty()) return "ERROR\r\n";
  const std::string& verb = words[0];
  {
    const std::scoped_lock hold(lock_);
    ++commands_[verb];
  }
  if (is_meta(verb)) return meta(p, words);
  if (verb == "get" || verb == "gets") return get(words);
  if (verb == "set" || verb == "add" || verb == "replace" || verb == "append" ||
      verb == "prepend") {
    return store(p, words);
  }
  const std::scoped_lock hold(lock_);
  if (verb == "delete" && words.size() > 1)
    return items_.erase(words[1]) != 0 ? "DELETED\r\n" : "NOT_FOUND\r\n";
  if (verb == "touch" && words.size() > 2)
    return items_.contains(words[1]) ? "TOUCHED\r\n" : "NOT_FOUND\r\n";
  if ((verb == "incr" || verb == "decr") && words.size() > 2) return count_up(words);
  if (verb == "flush_all") {
    items_.clear();
    return "OK\r\n";
  }
  if (verb == "version") return "VERSION " + kind_.version + "\r\n";
  if (verb == "stats") return "STAT curr_items " + std::to_string(items_.size()) + "\r\nEND\r\n";
  return "ERROR\r\n";
}

std::string stand_in::get(const std::vector<std::string>& words) {
  const std::scoped_lock hold(lock_);
  std::string out;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto at = items_.find(words[i]);
    if (at == items_.end()) continue;
    const item& it = at->second;
    out += "VALUE " + words[i] + " " + it.flags + " " + std::to_string(it.value.size()) +
           (words[0] == "gets" ? " 7" : "") + "\r\n" + it.value + "\r\n";
  }
  return out + "END\r\n";
}

std::string stand_in::store(peer& p, const std::vector<std::string>& words) {
  if (words.size() < 5) return bad_format;
  const std::string value = p.read(std::stoul(words[4]));
  p.expect("\r\n");
  const std::scoped_lock hold(lock_);
  const auto at = items_.find(words[1]);
  const bool there = at != items_.end();
  if ((words[0] == "add" && there) || (words[0] != "set" && words[0] != "add" && !there))
    return "NOT_STORED\r\n";
  if (words[0] == "append") {
    at->second.value += value;
  } else if (words[0] == "prepend") {
    at->second.value = value + at->second.value;
  } else {
    items_[words[1]] = {value, words[2]};
  }
  return "STORED\r\n";
}

std::string stand_in::count_up(const std::vector<std::string>& words) {
  const auto at = items_.find(words[1]);
  if (at == items_.end()) return "NOT_FOUND\r\n";
  const auto n = std::stoull(at->second.value);
  const auto by = std::stoull(words[2]);
  at->second.value = std::to_string(words[0] == "incr" ? n + by : n - std::min(n, by));
  return at->second.value + "\r\n";
}

std::string stand_in::meta(peer& p, const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  if (verb == "mn") return kind_.noop;
  if (words.size() < 2) return kind_.to_meta;
  if (verb == "ms" && kind_.store_s) {
    if (words.size() < 3 || !words[2].starts_with("S")) return kind_.to_meta;
    const std::string value = p.read(std::stoul(words[2].substr(1)));
    p.expect("\r\n");
    const std::scoped_lock hold(lock_);
    items_[words[1]] = {value, "0"};
    return "OK\r\n";
  }
  if (!kind_.meta) return kind_.to_meta;
  const std::scoped_lock hold(lock_);
  if (verb == "md") return items_.erase(words[1]) != 0 ? kind_.to_deletion : "NF\r\n";
  if (verb != "mg") return kind_.to_meta;
  const auto at = items_.find(words[1]);
  if (at == items_.end()) return "EN\r\n";
  return "VA " + std::to_string(at->second.value.size()) + "\r\n" + at->second.value + "\r\n";
}

}  // namespace memcxx::test
