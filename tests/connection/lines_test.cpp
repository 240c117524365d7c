// Classic lines of gets: one command for many keys, answered by values in any order and END.
// Never here: errors among the values (line_errors_test.cpp), what proves a value
// (frames_test.cpp).
#include "connection/runs.hpp"

namespace memcxx::script {
namespace {

const auto classic = speaking(protocol_choice::classic);

TEST(classic_line, is_one_command) {
  talk t(classic);
  quiet_gets({"a", "b", "c"})(t);
  EXPECT_EQ(t.take(), "get a b c\r\n");
  t.quietly(get("d")).ask(get("e"));
  EXPECT_EQ(t.take(), "get d e\r\n");
}

TEST(classic_line, ends_when_a_get_asks_for_something_else) {
  talk t(classic);
  t.quietly(get("a")).quietly({.wants = want::value | want::cas, .key = "b"}).fence();
  EXPECT_EQ(t.take(), "get a\r\ngets b\r\n");
  t.quietly(get("a")).ask({.op = verb::gat, .ttl = 1, .key = "b"}).ask(set("c"));
  EXPECT_EQ(t.take(), "get a\r\ngat 1 b\r\nset c 0 0 1\r\nv\r\n");
}

// A miss is only known at the end: a proxy may answer in any order.
TEST(classic_line, hits_and_misses_in_all_combinations) {
  const std::vector<std::string> keys = {"a", "b", "c", "d"};
  for (unsigned hits = 0; hits < 16; ++hits) {
    std::string reply;
    lines told;
    lines misses;
    for (unsigned i = 0; i < 4; ++i) {
      const std::string tag = std::to_string(i + 1);
      if ((hits >> i & 1) != 0) {
        reply += "VALUE " + keys[i] + " 0 1\r\n" + tag + "\r\n";
        told.push_back(tag + ": ok =" + tag);
      } else {
        misses.push_back(tag + ": miss");
      }
    }
    reply += "END\r\n";
    told.insert(told.end(), misses.begin(), misses.end());
    expect(classic, quiet_gets(keys), reply, told);
    expect_every_break(classic, quiet_gets(keys), reply, told);
  }
}

TEST(classic_line, hits_in_every_order) {
  std::string order = "abcd";
  do {
    for (std::size_t hits = 0; hits <= order.size(); ++hits) {
      std::string reply;
      lines told;
      for (const char key : order.substr(0, hits)) {
        reply += "VALUE "s + key + " 0 2\r\n" + key + "!\r\n";
        told.push_back(std::to_string(key - 'a' + 1) + ": ok =" + key + "!");
      }
      std::string missed = order.substr(hits);
      std::ranges::sort(missed);
      for (const char key : missed) told.push_back(std::to_string(key - 'a' + 1) + ": miss");
      expect(classic, quiet_gets({"a", "b", "c", "d"}), reply + "END\r\n", told);
    }
  } while (std::ranges::next_permutation(order).found);
}

TEST(classic_line, goes_on_with_another_key) {
  expect(classic,
         [](talk& t) {
           EXPECT_EQ(again(t, "z", 9), 0U) << "there is no line";
           t.quietly({.prefix = "p", .key = "a"});
           EXPECT_EQ(again(t, "b", 2), 1U);
           EXPECT_EQ(again(t, "c", 3), 1U);
           t.fence();
           EXPECT_EQ(again(t, "z", 9), 0U) << "the line has ended";
         },
         "VALUE pa 0 1\r\nA\r\nVALUE pc 3 1\r\nC\r\nEND\r\n",
         {"1: ok =A", "3: ok =C f3", "2: miss"});
  talk t(classic);
  t.quietly({.prefix = "p", .key = "a"});
  EXPECT_EQ(again(t, "b", 2), 1U);
  t.fence();
  EXPECT_EQ(t.take(), "get pa pb\r\n");
}

TEST(classic_line, takes_as_many_keys_as_there_is_room_for) {
  auto o = classic;
  o.max_in_flight = 100;
  talk t(o);
  t.quietly({.key = "first"});
  const std::vector<connection::another> more(200, {.key = "k", .tag = 2});
  EXPECT_EQ(t.c.submit_again(more, t.to), 99U);
  EXPECT_FALSE(t.c.has_room());
  EXPECT_TRUE(t.take().ends_with(" k k\r\n"))
      << "a full line that is not written would wait for ever";
}

TEST(classic_line, is_not_gone_on_with_after_somebody_else_s_key) {
  talk t(classic);
  t.quietly({.prefix = "p", .key = "a"});
  t.c.abandon(t.to);
  EXPECT_EQ(again(t, "b", 2), 0U);
}

TEST(classic_line, the_same_key_twice) {
  expect(classic, quiet_gets({"a", "a", "b", "a"}),
         "VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n2\r\nVALUE a 0 1\r\n3\r\nEND\r\n",
         {"1: ok =1", "2: ok =2", "4: ok =3", "3: miss"});
  expect(classic, quiet_gets({"a", "a"}), "END\r\n", {"1: miss", "2: miss"});
  expect(classic, quiet_gets({"a", "a"}), "VALUE a 0 1\r\n1\r\nEND\r\n", {"1: ok =1", "2: miss"});
}

TEST(classic_line, two_of_them_with_the_same_keys) {
  expect(classic,
         [](talk& t) {
           t.quietly(get("a")).quietly(get("b")).fence();
           t.quietly(get("b")).quietly(get("a")).fence();
         },
         "VALUE b 0 1\r\n1\r\nEND\r\nVALUE a 0 1\r\n2\r\nEND\r\n",
         {"2: ok =1", "1: miss", "4: ok =2", "3: miss"});
  // What is only in the second is nothing of the first.
  expect(
      classic,
      [](talk& t) {
        t.quietly(get("a")).quietly(get("b")).fence();
        t.quietly(get("c")).fence();
      },
      "VALUE c 0 1\r\n1\r\nEND\r\n",
      {"1: protocol_error 'the server answered with a key or opaque that was not asked for'",
       "2: protocol_error 'the server answered with a key or opaque that was not asked for'",
       "3: protocol_error 'the server answered with a key or opaque that was not asked for'"},
      ended(errc::protocol_error));
}

TEST(classic_line, end_before_its_time_means_misses_and_then_nothing_fits) {
  expect(classic, quiet_gets({"a", "b"}), "END\r\nVALUE a 0 1\r\n1\r\nEND\r\n",
         {"1: miss", "2: miss"}, ended(errc::protocol_error));
}

TEST(classic_line, a_missing_end_is_never_made_up) {
  const std::string fits_nothing = "protocol_error 'the server's reply fits no request in flight'";
  const std::string no_end =
      "protocol_error 'what follows a value shows that it did not end there'";
  const script asks = [](talk& t) { t.quietly(get("a")).ask(get("b")).ask(set("c")); };
  expect(classic, asks, "VALUE b 0 1\r\n1\r\nSTORED\r\n",
         {"1: " + no_end, "2: " + no_end, "3: " + no_end}, ended(errc::protocol_error));
  expect(classic, asks, "STORED\r\n",
         {"1: " + fits_nothing, "2: " + fits_nothing, "3: " + fits_nothing},
         ended(errc::protocol_error));
}

// The longest line that is sent, and one key more; however the keys come.
constexpr std::size_t longest = 16'000;  // with its end

std::size_t longest_line(std::string_view bytes) {
  std::size_t most = 0;
  for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos;
       bytes.remove_prefix(end + 1)) {
    most = std::max(most, end + 1);
  }
  EXPECT_EQ(bytes, "") << "a line without an end";
  return most;
}

TEST(classic_line, is_bounded_in_keys) {
  talk t(classic);
  std::vector<std::string> keys;
  for (int i = 0; i < 1200; ++i) keys.push_back("k" + std::to_string(i));
  for (const std::string& k : keys) t.quietly(get(k));
  const std::string many = t.take();
  EXPECT_EQ(std::ranges::count(many, '\n'), 2);  // the third is still open
  std::ptrdiff_t most = 0;
  std::size_t begin = 0;
  for (std::size_t end; (end = many.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const auto line = std::string_view(many).substr(begin, end - begin);
    most = std::max(most, std::ranges::count(line, ' '));
  }
  EXPECT_EQ(most, 512);
}

TEST(classic_line, is_bounded_in_bytes_with_its_end) {
  for (const bool meta : {false, true}) {
    for (const std::size_t before : {0U, 50U}) {
      const std::string prefix(before, 'p');
      for (const std::size_t size : {1U, 30U, 100U, 199U, 200U}) {
        for (const want wants : {want::value, want::value | want::cas}) {
          talk t(meta ? automatic_with_meta() : classic);
          const std::string key(size, 'k');
          for (int i = 0; i < 1000; ++i) {
            t.quietly({.wants = wants, .prefix = prefix, .key = key});
          }
          t.fence();
          const std::size_t most = longest_line(t.take());
          EXPECT_LE(most, longest);
          const std::size_t whole = prefix.size() + size + 1;
          if (whole * 512 > longest) {
            EXPECT_GT(most + whole, longest) << "there was room for one more";
          }
        }
      }
    }
  }
}

// Up to the last byte.
TEST(classic_line, is_as_long_as_it_may_be) {
  for (const std::size_t over : {0U, 1U}) {
    for (const bool by_submit : {true, false}) {
      for (const bool is_quiet : {true, false}) {
        talk t(classic);
        // "get" and 79 times " " and 199 bytes, then 16,000 - 3 - 79 * 200 - 2 = 195 are left.
        const std::string key(199, 'k');
        const std::string last(194 + over, 'l');
        for (int i = 0; i < 79; ++i) t.quietly(get(key));
        if (!is_quiet) {
          t.ask(get(last));
        } else if (by_submit) {
          t.quietly(get(last));
        } else {
          EXPECT_EQ(again(t, last, 80), 1U - over);
          if (over != 0) t.quietly(get(last));
        }
        t.fence();
        const std::string out = t.take();
        EXPECT_EQ(std::ranges::count(out, '\n'), 1 + static_cast<int>(over));
        EXPECT_EQ(longest_line(out), over == 0 ? longest : longest - 195);
      }
    }
  }
}

TEST(classic_line, takes_of_many_as_many_as_fit_into_its_bytes) {
  for (const bool meta : {false, true}) {
    for (const std::size_t before : {0U, 99U}) {
      const std::string prefix(before, 'p');
      talk t(meta ? automatic_with_meta() : classic);
      const std::string key(150, 'k');
      const std::vector<connection::another> more(200, {.key = key, .tag = 2});
      t.quietly({.prefix = prefix, .key = key});
      std::size_t left = more.size();
      while (left != 0) {
        const std::size_t n = t.c.submit_again(std::span(more).first(left), t.to);
        left -= n;
        if (left == 0) break;
        EXPECT_GT(n, 50U);
        t.quietly({.prefix = prefix, .key = key});
        --left;
      }
      t.fence();
      const std::string out = t.take();
      EXPECT_LE(longest_line(out), longest);
      EXPECT_EQ(t.c.in_flight(), 201u);
      std::size_t keys = 0;
      for (std::size_t at = 0; (at = out.find(" " + prefix + key, at)) != std::string::npos; ++at) {
        ++keys;
      }
      EXPECT_EQ(keys, 201u) << "each once";
    }
  }
}

TEST(classic_line, an_answer_to_an_open_line_does_no_harm) {
  talk t(classic);
  t.quietly(get("a"));
  t.take();
  t.read("VALUE a 0 1\r\nx\r\n");
  t.fence();
  t.ask(set("b"));
  t.take();
  t.read("END\r\nSTORED\r\n");
  EXPECT_FALSE(t.c.failed());
  EXPECT_EQ(t.to.finals.size(), 2u);
  for (const auto& [tag, n] : t.to.finals) EXPECT_EQ(n, 1) << tag;
}

}  // namespace
}  // namespace memcxx::script
