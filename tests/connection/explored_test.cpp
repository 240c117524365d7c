// Everything that a server may answer to a few requests in one pipeline, tried one after the other:
// hits, misses, errors among the values as proxies send them, errors in place of END as memcached
// does. Whatever it was, nobody is told a hit, a miss or a success that it did not say.
// Never here: replies that no server sends (hostile_test.cpp).
#include <optional>

#include "connection/script.hpp"

namespace memcxx::script {
namespace {

// Makes each of a tree of decisions once.
class explorer {
 public:
  unsigned pick(unsigned of) {
    if (at_ == made_.size()) made_.push_back({0, of});
    return made_[at_++].which;
  }
  // False when all were made.
  bool next() {
    while (!made_.empty() && made_.back().which + 1 == made_.back().of) made_.pop_back();
    at_ = 0;
    if (made_.empty()) return false;
    ++made_.back().which;
    return true;
  }

 private:
  struct decision {
    unsigned which;
    unsigned of;
  };
  std::vector<decision> made_;
  std::size_t at_ = 0;
};

// What became of a request.
struct truth {
  errc status = errc::timeout;  // it was not asked
  std::string key = {};
  std::string value = {};
};

// Answers commands as it is told by an explorer.
class any_server {
 public:
  explicit any_server(explorer& e) : choose_(e) {}

  // The replies, each whole.
  lines answer(const std::string& bytes) {
    lines out;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t end = bytes.find("\r\n", at);
      std::vector<std::string> words;
      for (std::size_t from = at; from < end;) {
        const std::size_t to = std::min(bytes.find(' ', from), end);
        words.push_back(bytes.substr(from, to - from));
        from = to + 1;
      }
      at = end + 2;
      if (words[0] == "ms" || words[0] == "set") at += 3;  // values of one byte
      answer(words, out);
    }
    return out;
  }

  std::vector<truth> told;  // in the order of the requests
  bool had_errors = false;

 private:
  std::string error() {
    had_errors = true;
    return "SERVER_ERROR gone\r\n";
  }
  void became(errc status, std::string key = {}, std::string value = {}) {
    told.push_back({status, std::move(key), std::move(value)});
  }

  void answer(const std::vector<std::string>& words, lines& out) {
    const std::string& name = words[0];
    std::string opaque;
    bool quiet = false;
    for (const std::string& w : words) {
      if (w[0] == 'O') opaque = " " + w;
      quiet = quiet || w == "q";
    }
    const std::string value = words.size() > 1 ? words[1] + std::to_string(told.size()) : "";
    const std::string size = std::to_string(value.size());
    if (name == "get") return line(words, out);
    if (name == "mn") return out.push_back("MN\r\n");
    // The connection's own fence, where it speaks classic: a proxy asks a server for it.
    if (name == "version") return out.push_back(choose_.pick(2) == 0 ? "VERSION 1\r\n" : error());
    const unsigned what = choose_.pick(name == "set" || name == "ms" || name == "stats" ? 2 : 3);
    if (what == 1) {
      became(errc::server_error, words.back());
      return out.push_back(error());
    }
    if (name == "stats") {
      became(errc::ok, name);
      return out.push_back("END\r\n");
    }
    const bool missed = what == 2;
    became(missed ? errc::miss : errc::ok, words[1], name == "mg" && !missed ? value : "");
    if (name == "set") out.push_back("STORED\r\n");
    if (name == "delete") out.push_back(missed ? "NOT_FOUND\r\n" : "DELETED\r\n");
    if (name == "ms" && !quiet) out.push_back("HD" + opaque + "\r\n");
    if (name == "md" && (missed || !quiet)) out.push_back((missed ? "NF" : "HD") + opaque + "\r\n");
    if (name == "mg") {
      out.push_back(missed ? "EN\r\n" : "VA " + size + " f0" + opaque + "\r\n" + value + "\r\n");
    }
  }

  // A proxy says an error for a key, and END at the end; memcached says one in place of what would
  // follow.
  void line(const std::vector<std::string>& words, lines& out) {
    bool over = false;
    for (std::size_t i = 1; i < words.size(); ++i) {
      const unsigned what = over ? 2 : choose_.pick(4);
      const std::string value = words[i] + std::to_string(told.size());
      if (what == 0) {
        became(errc::ok, words[i], value);
        out.push_back("VALUE " + words[i] + " 0 " + std::to_string(value.size()) + "\r\n" + value +
                      "\r\n");
      } else if (what == 1) {
        became(errc::miss, words[i]);
      } else {
        became(errc::server_error, words[i]);
        if (!over) out.push_back(error());
        over = over || what == 3;
      }
    }
    if (!over) out.push_back("END\r\n");
  }

  explorer& choose_;
};

// Submits these in one pipeline and plays every answer.
struct pipeline {
  connection_options o;
  std::vector<std::string> steps;  // "get a b", "set c", "quiet c", "delete d", "stats"

  void submit(talk& t) const {
    for (const std::string& step : steps) {
      const std::string_view key = std::string_view(step).substr(step.rfind(' ') + 1);
      if (step.starts_with("get ")) {
        for (std::size_t i = 4; i < step.size(); i += 2) {
          t.quietly({.key = std::string_view(step).substr(i, 1)});
        }
        t.fence();
      } else if (step.starts_with("set ")) {
        t.ask({.op = verb::set, .key = key, .value = "v"});
      } else if (step.starts_with("quiet ")) {
        t.quietly({.op = verb::set, .wants = want::nothing, .key = key, .value = "v"});
      } else if (step.starts_with("delete ")) {
        t.ask({.op = verb::remove, .key = key});
      } else {
        t.ask({.op = verb::stats});
      }
    }
    t.fence();
  }
  [[nodiscard]] std::string name() const {
    std::string all;
    for (const std::string& step : steps) all += step + "; ";
    return all;
  }
};

struct counts {
  std::size_t ran = 0;
  std::size_t hits = 0;
};

// The value of a hit, when that is what was told.
std::string hit_of(const talk& t, std::uint32_t tag) {
  const std::string before = std::to_string(tag) + ": ok =";
  for (const std::string& line : t.to.log) {
    if (line.starts_with(before)) return line.substr(before.size());
  }
  return {};
}

void check(talk& t, const any_server& server, counts& seen) {
  ASSERT_LE(t.to.finals.size(), server.told.size());
  for (std::uint32_t tag = 1; tag < t.next_tag; ++tag) {
    ASSERT_EQ(t.to.finals[tag], 1) << tag;
    const truth& is = server.told[tag - 1];
    const errc told = t.to.status[tag];
    if (!server.had_errors) {
      ASSERT_EQ(told, is.status) << tag;
    }
    if (const std::string value = hit_of(t, tag); !value.empty()) {
      // Its own, or what a later read of the same key saw: both were asked before either answer.
      const auto same_key = [&](const truth& other) {
        return other.value == value && other.key == is.key;
      };
      const auto own = server.told.begin() + (tag - 1);
      ASSERT_TRUE(std::any_of(own, server.told.end(), same_key)) << tag << " " << value;
      ++seen.hits;
    } else if (told == errc::ok || told == errc::miss) {
      ASSERT_EQ(told, is.status) << tag;
    }
  }
}

// Replies come one by one, or all at once.
void explore(const pipeline& p, counts& seen) {
  for (const bool at_once : {false, true}) {
    explorer decisions;
    do {
      any_server server(decisions);
      talk t(p.o);
      p.submit(t);
      const lines replies = server.answer(t.take());
      std::string all;
      for (const std::string& r : replies) all += r;
      SCOPED_TRACE(p.name() + (at_once ? "at once: " : "") + all);
      if (at_once) {
        t.read(all);
      } else {
        for (const std::string& r : replies) t.read(r);
      }
      while (!t.c.failed() && t.c.has_output()) {  // fences
        for (const std::string& r : server.answer(t.take())) t.read(r);
      }
      if (!server.had_errors) {
        ASSERT_FALSE(t.c.failed()) << t.c.failure_text();
      }
      t.c.closed();  // and whoever still waits has waited in vain
      ++seen.ran;
      ASSERT_NO_FATAL_FAILURE(check(t, server, seen));
    } while (decisions.next());
  }
}

// All of at most so many steps.
void explore_all(const connection_options& o, const std::vector<std::string>& steps,
                 std::size_t most) {
  std::vector<std::size_t> which;
  counts seen;
  for (;;) {
    std::size_t at = 0;
    while (at < which.size() && ++which[at] == steps.size()) which[at++] = 0;
    if (at == which.size()) which.push_back(0);
    if (which.size() > most) break;
    pipeline p{o, {}};
    for (const std::size_t w : which) p.steps.push_back(steps[w]);
    ASSERT_NO_FATAL_FAILURE(explore(p, seen));
  }
  EXPECT_GT(seen.ran, 1000u);
  EXPECT_GT(seen.hits, seen.ran / 10);
}

TEST(explored, classic) {
  explore_all(speaking(protocol_choice::classic), {"get a b", "set c", "stats"}, 3);
}
TEST(explored, classic_gets_of_one_key) {
  explore_all(speaking(protocol_choice::classic), {"get a", "set c"}, 4);
}
TEST(explored, runs_of_gets_where_meta_is_spoken) {
  explore_all(automatic_with_meta(), {"get a b c", "quiet c", "delete d", "stats"}, 2);
}
TEST(explored, runs_of_two_gets_where_meta_is_spoken) {
  explore_all(automatic_with_meta(), {"get a b", "set c", "quiet c"}, 3);
}
// As long as it takes for an answer to reach the wrong line.
TEST(explored, three_runs_of_gets) {
  counts seen;
  for (const std::string between : {"get a b", "quiet c"}) {
    explore({automatic_with_meta(), {"get a b c", between, "get a b"}}, seen);
  }
  EXPECT_GT(seen.hits, 5'000u);
}

}  // namespace
}  // namespace memcxx::script
