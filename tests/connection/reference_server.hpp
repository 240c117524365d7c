// The smallest server that speaks all three protocols: requests in as bytes, replies out as bytes.
// It is strict: bytes that memcached would not take are a failure of the test.
// Never here: the code under test, a socket, a clock.
#pragma once

#include <charconv>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connection/script.hpp"

namespace memcxx::script {

// What is stored, and what each verb does to it.
class reference_store {
 public:
  // A value that begins so is refused, and the item that it was to replace is gone.
  static constexpr std::string_view refused = "refused";
  // A key that begins so cannot be read: its server is gone, as a proxy says.
  static constexpr std::string_view gone = "gone";

  [[nodiscard]] std::optional<std::string> get(const std::string& key) const {
    const auto at = items_.find(key);
    return at == items_.end() ? std::nullopt : std::optional(at->second);
  }
  // ok, not_stored or value_too_large.
  errc store(verb op, const std::string& key, const std::string& value) {
    if (value.starts_with(refused)) {
      items_.erase(key);
      return errc::value_too_large;
    }
    const bool there = items_.contains(key);
    if (op == verb::add ? there : op == verb::replace && !there) return errc::not_stored;
    items_[key] = value;
    return errc::ok;
  }
  errc remove(const std::string& key) { return items_.erase(key) != 0 ? errc::ok : errc::miss; }

 private:
  std::map<std::string, std::string> items_;
};

class reference_server {
 public:
  void receive(std::string_view bytes) {
    in_ += bytes;
    while (!in_.empty() && (in_[0] == '\x80' ? binary() : text())) {
    }
  }
  // Takes at most `n` bytes of the replies.
  std::string reply(std::size_t n) {
    const std::string out = out_.substr(0, n);
    out_.erase(0, out.size());
    return out;
  }
  [[nodiscard]] bool has_reply() const { return !out_.empty(); }
  [[nodiscard]] bool is_between_commands() const { return in_.empty(); }

 private:
  // One command; false when it is not yet whole.
  bool text() {
    const std::size_t end = in_.find("\r\n");
    if (end == std::string::npos) return false;
    std::vector<std::string> words;
    std::size_t from = 0;
    while (from < end) {
      const std::size_t to = std::min(in_.find(' ', from), end);
      words.push_back(in_.substr(from, to - from));
      from = to + 1;
    }
    std::string value;
    std::size_t used = end + 2;
    const std::string& name = words.at(0);
    const bool meta_store = name == "ms";
    if (meta_store || name == "set" || name == "add" || name == "replace") {
      const std::size_t size = std::stoul(words.at(meta_store ? 2 : 4));
      if (in_.size() < used + size + 2) return false;
      value = in_.substr(used, size);
      EXPECT_EQ(in_.substr(used + size, 2), "\r\n");
      used += size + 2;
    }
    in_.erase(0, used);
    if (name.size() == 2) {
      meta(words, value);
    } else {
      classic(words, value);
    }
    return true;
  }

  void classic(const std::vector<std::string>& words, const std::string& value) {
    const std::string& name = words[0];
    if (name == "get" || name == "gets") {
      for (std::size_t i = 1; i < words.size(); ++i) {
        if (words[i].starts_with(reference_store::gone)) {
          out_ += server_gone;
        } else if (const auto hit = store_.get(words[i])) {
          out_ += "VALUE " + words[i] + " 0 " + std::to_string(hit->size()) +
                  (name == "gets" ? " 1\r\n" : "\r\n") + *hit + "\r\n";
        }
      }
      out_ += "END\r\n";
    } else if (name == "delete") {
      out_ += store_.remove(words.at(1)) == errc::ok ? "DELETED\r\n" : "NOT_FOUND\r\n";
    } else if (name == "version") {
      out_ += "VERSION 1.6\r\n";
    } else if (name == "set" || name == "add" || name == "replace") {
      const errc done = store_.store(verb_of(name), words.at(1), value);
      out_ += done == errc::ok           ? "STORED\r\n"sv
              : done == errc::not_stored ? "NOT_STORED\r\n"sv
                                         : too_large;
    } else {
      ADD_FAILURE() << "not a command: " << name;
      out_ += "ERROR\r\n";
    }
  }

  void meta(const std::vector<std::string>& words, const std::string& value) {
    const std::string& name = words[0];
    std::string opaque;
    std::string mode;
    bool quiet = false;
    for (std::size_t i = 2; i < words.size(); ++i) {
      if (words[i][0] == 'O') opaque = " " + words[i];
      if (words[i][0] == 'M') mode = words[i];
      quiet = quiet || words[i] == "q";
    }
    if (name == "mn") {
      out_ += "MN\r\n";
    } else if (name == "mg" && words.at(1).starts_with(reference_store::gone)) {
      out_ += server_gone;
    } else if (name == "mg") {
      if (const auto hit = store_.get(words.at(1))) {
        out_ += "VA " + std::to_string(hit->size()) + " f0" + opaque + "\r\n" + *hit + "\r\n";
      } else if (!quiet) {
        out_ += "EN" + opaque + "\r\n";
      }
    } else if (name == "md") {
      const bool there = store_.remove(words.at(1)) == errc::ok;
      if (!there || !quiet) out_ += (there ? "HD" : "NF") + opaque + "\r\n";
    } else if (name == "ms") {
      const verb op = mode == "ME" ? verb::add : mode == "MR" ? verb::replace : verb::set;
      const errc done = store_.store(op, words.at(1), value);
      if (done == errc::value_too_large) {
        out_ += too_large;
      } else if (done != errc::ok || !quiet) {
        out_ += (done == errc::ok ? "HD" : "NS") + opaque + "\r\n";
      }
    } else {
      ADD_FAILURE() << "not a command: " << name;
      out_ += "ERROR\r\n";
    }
  }

  bool binary() {
    const auto number = [this](std::size_t at, std::size_t size) {
      std::uint64_t n = 0;
      for (std::size_t i = 0; i < size; ++i) {
        n = n << 8 | static_cast<unsigned char>(in_[at + i]);
      }
      return n;
    };
    if (in_.size() < 24 || in_.size() < 24 + number(8, 4)) return false;
    const auto opcode = static_cast<unsigned>(number(1, 1));
    const std::size_t extras = number(4, 1);
    const std::size_t key_size = number(2, 2);
    const std::string key = in_.substr(24 + extras, key_size);
    const std::string value = in_.substr(24 + extras + key_size, number(8, 4) - extras - key_size);
    frame reply{.opcode = opcode, .opaque = static_cast<std::uint32_t>(number(12, 4))};
    in_.erase(0, 24 + number(8, 4));

    const auto answer = [&](unsigned status) {
      reply.status = status;
      out_ += reply;
    };
    const bool quiet = opcode == 0x09 || (opcode >= 0x11 && opcode <= 0x14);
    switch (opcode) {
      case 0x00:
      case 0x09:
        if (const auto hit = store_.get(key)) {
          reply.extras = big_endian(0, 4);
          reply.value = *hit;
          answer(0);
        } else if (!quiet) {
          answer(1);
        }
        return true;
      case 0x04:
      case 0x14: {
        const bool there = store_.remove(key) == errc::ok;
        if (!there || !quiet) answer(there ? 0 : 1);
        return true;
      }
      case 0x0a:
        answer(0);
        return true;
      default:
        break;
    }
    const unsigned loud = quiet ? opcode - 0x10 : opcode;
    EXPECT_TRUE(loud >= 1 && loud <= 3) << "not a command: " << opcode;
    const verb op = loud == 2 ? verb::add : loud == 3 ? verb::replace : verb::set;
    const errc done = store_.store(op, key, value);
    if (done == errc::value_too_large) {
      answer(3);
    } else if (done != errc::ok) {
      answer(op == verb::add ? 2 : 1);
    } else if (!quiet) {
      answer(0);
    }
    return true;
  }

  static verb verb_of(const std::string& name) {
    return name == "add" ? verb::add : name == "replace" ? verb::replace : verb::set;
  }

  static constexpr std::string_view server_gone = "SERVER_ERROR gone\r\n";
  static constexpr std::string_view too_large = "SERVER_ERROR object too large for cache\r\n";
  reference_store store_;
  std::string in_;
  std::string out_;
};

}  // namespace memcxx::script
