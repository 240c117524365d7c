// Pickles of CPython, Python 2 and hostile hands are read, or refused with the reason.
// Never here: writing, but to see that what was read can be written again.
#include <cmath>
#include <sys/resource.h>

#include "pickles.hpp"

namespace memcxx::codecs {
namespace {

using namespace std::string_literals;
using namespace test;

document read(std::string_view in) {
  auto d = read_pickle(in);
  EXPECT_TRUE(d) << d.error();
  return d ? *std::move(d) : document{};
}

void expect_corrupt(const std::string& in, std::string_view words = "pickle, byte ") {
  SCOPED_TRACE(testing::PrintToString(in.substr(0, 60)));
  expect_error(read_pickle(in), errc::corrupt_value, words);
}
void expect_refused(const std::string& in, std::string_view words = "pickle, byte ") {
  SCOPED_TRACE(testing::PrintToString(in.substr(0, 60)));
  expect_error(read_pickle(in), errc::wrong_type, words);
}

// The most memory that this process ever had, in bytes.
std::size_t peak_memory() {
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  return static_cast<std::size_t>(r.ru_maxrss) * 1024;
}

TEST(pickle_read, every_golden_pickle_is_the_value_that_was_pickled) {
  for (const golden_pickle& g : pickles().plain) {
    const auto d = read_pickle(g.bytes);
    if (!d) {
      ADD_FAILURE() << g.name << ": " << d.error();
    } else if (*d != g.value && g.bytes.size() < 500) {
      EXPECT_EQ(*d, g.value) << g.name;
    } else {
      EXPECT_TRUE(*d == g.value) << g.name;
    }
  }
}

TEST(pickle_read, every_pickle_that_needs_python_is_of_a_wrong_type) {
  for (const golden_pickle& g : pickles().refused) {
    SCOPED_TRACE(g.name);
    expect_error(read_pickle(g.bytes), errc::wrong_type, "pickle, byte ");
  }
}

TEST(pickle_read, a_class_is_named) {
  expect_refused("cdatetime\ndatetime\n.", "byte 0: datetime.datetime: only Python");
  expect_refused("(i__main__\nPoint\n.", "byte 1: __main__.Point");
  expect_refused("\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", "os.system");
  // But not with bytes that have no place in a log.
  expect_refused("cos\x1b[31m\nsys\xff\n.", "os?[31m.sys?");
  const auto d = read_pickle("c" + std::string(1'000'000, 'a') + "\nb\n.");
  ASSERT_FALSE(d);
  EXPECT_LT(d.error().message().size(), 200u);
}

TEST(pickle_read, what_was_written_is_read_back) {
  random_documents some(1, {.container_keys = true});
  for (int i = 0; i < 1500; ++i) {
    const document d = some.next();
    for (const int protocol : {0, 2, 5}) {
      std::string bytes;
      const auto ok = write_pickle(d, protocol, bytes);
      ASSERT_TRUE(ok) << ok.error();
      ASSERT_EQ(read(bytes), d) << protocol;
    }
  }
}

TEST(pickle_read, a_list_that_grows_after_it_was_shared_grows_everywhere) {
  // [a, a] with a from the memo, and then a gets an element.
  EXPECT_EQ(read("(lp0\n(lp1\nag1\nag1\nI7\na0."), list({list({integer(7)}), list({integer(7)})}));
  EXPECT_EQ(read("\x80\x02]q\0h\0\x86h\0K\1a0."s), list({list({integer(1)}), list({integer(1)})}));
  EXPECT_EQ(read("\x80\x02}q\0h\0\x86h\0K\1K\2s0."s),
            list({map({{integer(1), integer(2)}}), map({{integer(1), integer(2)}})}));
  EXPECT_EQ(read("\x80\x04\x8f\x94h\0\x86h\0(K\1K\2\x90\x30."s),
            list({list({integer(1), integer(2)}), list({integer(1), integer(2)})}));
}

TEST(pickle_read, the_stack_has_all_its_tools) {
  EXPECT_EQ(read("(I1\nI2\nt."), list({integer(1), integer(2)}));
  EXPECT_EQ(read("(I1\nI2\nl."), list({integer(1), integer(2)}));
  EXPECT_EQ(read("(I1\nI2\nd."), map({{integer(1), integer(2)}}));
  EXPECT_EQ(read("N0I1\n."), integer(1));
  EXPECT_EQ(read("I1\n(NNN1."), integer(1));
  EXPECT_EQ(read("I1\n(0."), integer(1));
  EXPECT_EQ(read("I1\n2\x86."), list({integer(1), integer(1)}));
  EXPECT_EQ(read("](e."), list());
  EXPECT_EQ(read("}(u."), map());
  EXPECT_EQ(read("NI1\nI2\n\x87."), list({none(), integer(1), integer(2)}));
}

TEST(pickle_read, the_memo_has_any_places) {
  EXPECT_EQ(read("I1\np4294967295\n0g4294967295\n."), integer(1));
  EXPECT_EQ(read("I1\nr\xff\xff\xff\xff"s + "0j\xff\xff\xff\xff."), integer(1));
  // From 1 on, as the old cPickle has it, and MEMOIZE counts what is there.
  EXPECT_EQ(read("I1\nq\x01I2\nq\x02\x86h\x02\x86."),
            list({list({integer(1), integer(2)}), integer(2)}));
  EXPECT_EQ(read("I1\nq\x01\x94"s + "0h\x01."), integer(1));
  EXPECT_EQ(read("I5\np9\n0I6\np0\n0I7\np9\n0g9\n."), integer(7));
  // A place far away stays when those before it are taken.
  std::string far = "I5\np3\n0";
  for (int i = 0; i < 8; ++i) far += i == 3 ? "" : "I6\np" + std::to_string(i) + "\n0";
  EXPECT_EQ(read(far + "g3\n."), integer(5));
  EXPECT_EQ(read(far + "I8\np3\n0g3\n."), integer(8));
  expect_corrupt("g0\n.", "nothing at this place");
  expect_corrupt("I1\nq\x01h\0."s, "nothing at this place");
  expect_corrupt("I1\nq\x05h\x04.", "nothing at this place");
  expect_corrupt("I1\np-1\n.", "not a number");
  expect_corrupt("I1\np4294967296\n.", "not a number");
  expect_corrupt("I1\np\n.", "not a number");
  expect_corrupt("p0\n.", "stack");
  expect_corrupt("\x94.", "stack");
  expect_corrupt("I1\n(p0\n0.", "stack");
}

TEST(pickle_read, numbers_are_what_python_writes) {
  EXPECT_EQ(read("I-5\n."), integer(-5));
  EXPECT_EQ(read("I01\n."), truth(true));
  EXPECT_EQ(read("I00\n."), truth(false));
  EXPECT_EQ(read("I9223372036854775808\n."), natural(std::uint64_t{1} << 63));
  EXPECT_EQ(read("L5L\n."), integer(5));
  EXPECT_EQ(read("L5\n."), integer(5));
  EXPECT_EQ(read("L-" + std::string(4300, '9') + "L\n."), big("-" + std::string(4300, '9')));
  EXPECT_EQ(read("J\xff\xff\xff\xff."), integer(-1));
  EXPECT_EQ(read("M\xff\xff."), integer(65535));
  EXPECT_EQ(read("\x8a\0."s), integer(0));
  EXPECT_EQ(read("\x8a\3\xff\xff\xff."), integer(-1));
  EXPECT_EQ(read("\x8b\1\0\0\0\x80."s), integer(-128));
  EXPECT_EQ(read("F-1.5e3\n."), floating(-1500));
  EXPECT_EQ(read("F1\n."), floating(1));
  EXPECT_EQ(read("Fnan\n."), floating(NAN));
  EXPECT_EQ(read("F-inf\n."), floating(-HUGE_VAL));
  for (const std::string digits : {"", "-", "+1", " 1", "1 ", "1\r", "0x1", "010", "1L", "1.0",
                                   "002", "-01", "1_0", "9\x01"}) {
    expect_corrupt("I" + digits + "\n.");
  }
  for (const std::string digits : {"", "L", "-L", "1LL", "00L", "1l"}) {
    expect_corrupt("L" + digits + "\n.");
  }
  for (const std::string digits :
       {"", "1e999", "0x1p3", "infinity", "nan(1)", "1,5", " 1", "1 ", "1.5x", "+-1", "1e"}) {
    expect_corrupt("F" + digits + "\n.");
  }
  expect_corrupt("I" + std::string(4301, '1') + "\n.", "digits");
  expect_corrupt("L" + std::string(4301, '1') + "L\n.", "digits");
}

TEST(pickle_read, text_is_utf8_or_an_error) {
  EXPECT_EQ(read("Va\\u20ac\\U0001f600\xe9\\\\u0041\\x\n."),
            txt("a\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\\\\u0041\\x"));
  EXPECT_EQ(read("V\\u005cu0041\n."), txt("\\u0041"));
  EXPECT_EQ(read("Va\\\n."), txt("a\\"));
  for (const std::string wrong :
       {"\\u12", "\\u", "\\U0001f60", "\\U00110000", "\\Uffffffff", "\\u12g4"}) {
    expect_corrupt("V" + wrong + "\n.", "escape");
  }
  expect_refused("Va\\ud800\n.", "surrogate");
  expect_refused("X\x03\0\0\0\xed\xa0\x80."s, "surrogate");
  expect_corrupt("X\x01\0\0\0\xff."s, "UTF-8");
  expect_corrupt("\x8c\x02\xc3(.", "UTF-8");
  expect_corrupt("\x8d\x01\0\0\0\0\0\0\0\x80."s, "UTF-8");
}

TEST(pickle_read, strings_of_python_2_are_bytes) {
  EXPECT_EQ(read("S'a\\'\\\"\\\\\\n\\x00\\xff\\101\\0'\n."), byt("a'\"\\\n\0\xff\x41\0"s));
  EXPECT_EQ(read("S\"it's\"\n."), byt("it's"));
  EXPECT_EQ(read("S''\n."), byt(""));
  EXPECT_EQ(read("U\x02\xff\xfe."), byt("\xff\xfe"));
  EXPECT_EQ(read("T\x01\0\0\0a."s), byt("a"));
  for (const std::string wrong : {"", "'", "a", "'a", "a'", "'a\"", "'a'b'", "'\\'", "'\\x1'",
                                  "'\\xg0'", "'\\400'", "'\\z'", "'a' "}) {
    expect_corrupt("S" + wrong + "\n.", "string");
  }
  expect_corrupt("T\xff\xff\xff\xff"s + "a.", "negative");
}

// PEP 3137's bytes before protocol 3.
TEST(pickle_read, only_these_calls_are_bytes) {
  EXPECT_EQ(read("c_codecs\nencode\n(V\xff\x01\nVlatin1\ntR."), byt("\xff\x01"));
  EXPECT_EQ(read("c__builtin__\nbytes\n)R."), byt(""));
  EXPECT_EQ(read("cbuiltins\nbytes\n)R."), byt(""));
  expect_corrupt("c_codecs\nencode\n(V\\u0100\nVlatin1\ntR.", "above 255");
  expect_refused("c_codecs\nencode\n(Va\nVlatin-1\ntR.");
  expect_refused("c_codecs\nencode\n(Va\nVlatin1\nVstrict\ntR.");
  expect_refused("c_codecs\nencode\n(S'a'\nVlatin1\ntR.");
  expect_refused("c_codecs\nencode\n)R.");
  expect_refused("c__builtin__\nbytes\n(I5\ntR.");
  expect_refused("c_codecs\ndecode\n(Va\nVlatin1\ntR.", "_codecs.decode");
  expect_corrupt("c_codecs\nencode\n(Va\nVlatin1\nlR.", "arguments");
  expect_corrupt("I1\n)R.", "no function");
  expect_corrupt("c__builtin__\nbytes\nR.", "stack");
  // The functions themselves are no data.
  expect_refused("c_codecs\nencode\n.", "function");
  expect_refused("c__builtin__\nbytes\n\x85.", "function");
}

TEST(pickle_read, frames_hold_whole_opcodes) {
  EXPECT_EQ(read("\x80\x04\x95\1\0\0\0\0\0\0\0N."s), none());
  EXPECT_EQ(read("\x80\x04\x95\0\0\0\0\0\0\0\0N."s), none());
  EXPECT_EQ(read("\x80\x04\x95\1\0\0\0\0\0\0\0N\x95\1\0\0\0\0\0\0\0."s), none());
  EXPECT_EQ(read("\x80\x04\x95\2\0\0\0\0\0\0\0K\1."s), integer(1));
  expect_corrupt("\x80\x04\x95\1\0\0\0\0\0\0\0K\1."s, "over the end of its frame");
  expect_corrupt("\x80\x04\x95\3\0\0\0\0\0\0\0N."s, "cut off");
  expect_corrupt("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "cut off");
  expect_corrupt("\x80\x04\x95\x0b\0\0\0\0\0\0\0\x95\1\0\0\0\0\0\0\0N."s, "frame within a frame");
}

TEST(pickle_read, what_no_pickler_writes_is_corrupt) {
  for (const std::string& in :
       {""s,        "."s,       "N"s,          "NN."s,        "(N."s,         "N.N"s,      "N.."s,
        "0."s,      "2."s,      "1."s,         "e."s,         "u."s,          "t."s,       "\x85."s,
        "N\x86."s,  "NN\x87."s, "a."s,         "Na."s,        "NNa."s,        "s."s,       "}Ns."s,
        "}(Nu."s,   "(Nd."s,    "N(Ne."s,      ")(Ne."s,      "](Nu."s,       "](N\x90."s, "(Ne."s,
        "](N(e."s,  "]N(a."s,   "}N(Ns."s,     "N(\x85."s,    "\x8f(]\x90."s, "(]\x91."s,  "}]Ns."s,
        "(}Nd."s,   "\x80"s,    "\x80\x06N."s, "N\x80\x02."s, "\xffN."s,      "\0N."s,     "\x93."s,
        "NN\x93."s, "xN."s}) {
    expect_corrupt(in);
  }
}

TEST(pickle_read, the_rest_of_the_opcodes_is_refused) {
  for (const std::string& in : {"Nb."s, "(No."s, "NN\x81."s, "NNN\x92."s, "\x82\1."s, "\x83\1\1."s,
                                "\x84\1\1\1\1."s, "P1\n."s, "NQ."s, "\x97."s, "N\x98."s}) {
    expect_refused(in, "only Python can read this pickle");
  }
}

// --- hostile -------------------------------------------------------------------------------------

TEST(pickle_read, is_corrupt_when_it_is_cut_off_anywhere_or_longer) {
  for (const golden_pickle& g : pickles().plain) {
    if (g.bytes.size() > 300) continue;
    for (std::size_t n = 0; n < g.bytes.size(); ++n) {
      const auto d = read_pickle(g.bytes.substr(0, n));
      ASSERT_FALSE(d) << g.name << ", " << n;
      ASSERT_EQ(d.error().code(), errc::corrupt_value) << g.name << ", " << n;
    }
    expect_corrupt(g.bytes + "N", "more bytes after the value");
  }
}

TEST(pickle_read, with_any_byte_changed_is_an_error_or_another_document) {
  std::size_t read_anyway = 0;
  for (const golden_pickle& g : pickles().plain) {
    if (g.bytes.size() > 120) continue;
    std::string bytes = g.bytes;
    for (char& c : bytes) {
      const char before = c;
      for (const int change : changes) {
        c = static_cast<char>(before ^ change);
        const auto d = read_pickle(bytes);
        if (!d) {
          ASSERT_TRUE(d.error() == errc::corrupt_value || d.error() == errc::wrong_type);
          ASSERT_FALSE(d.error().message().empty());
          continue;
        }
        ++read_anyway;
        std::string again;
        const auto ok = write_pickle(*d, 5, again);
        ASSERT_TRUE(ok) << ok.error();
        ASSERT_EQ(read(again), *d);
      }
      c = before;
    }
  }
  EXPECT_GT(read_anyway, 1000u);
}

TEST(pickle_read, random_opcodes_never_do_harm) {
  std::mt19937_64 random(7);
  // Those that take little, so that something comes of it.
  const std::string codes = "(.012NKh]q)}atl\x85\x86\x87\x88\x94 eusd\x8f\x90\x91"s;
  const limits small = {.depth = 10, .nodes = 2000, .bytes = 2000};
  std::size_t documents = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string in;
    for (std::size_t n = random() % 40; n > 0; --n) {
      in += codes[random() % codes.size()];
      if (in.back() == 'K' || in.back() == 'h' || in.back() == 'q')
        in += static_cast<char>(random() % 3);
    }
    const auto d = read_pickle(in + ".", small);
    if (d) {
      ++documents;
      std::string out;
      ASSERT_TRUE(write_msgpack(*d, out));
      ASSERT_EQ(*read_msgpack(out), *d);
    }
  }
  EXPECT_GT(documents, 300u);
}

TEST(pickle_read, containers_within_themselves_are_of_a_wrong_type) {
  expect_refused("\x80\x02]q\0h\0a."s, "byte 2: a container that holds itself");
  expect_refused("\x80\x02}q\0K\1h\0s."s, "holds itself");
  expect_refused("\x80\x02]q\0h\0\x85\x85\x61."s, "holds itself");
}

TEST(pickle_read, depth_is_bounded) {
  const auto lists = [](std::size_t n) {
    return std::string(n, ']') + std::string(n - 1, 'a') + ".";
  };
  EXPECT_EQ(read(lists(100)), nested(100));
  expect_corrupt(lists(101), "byte 100: nested too deeply");
  expect_corrupt(lists(500'000), "nested too deeply");
  expect_corrupt("N" + std::string(500'000, '\x85') + ".", "nested too deeply");
  expect_corrupt(std::string(500'000, '(') + "N" + std::string(500'000, 't') + ".", "nested");
  EXPECT_TRUE(read_pickle(lists(3), {.depth = 3}));
  EXPECT_FALSE(read_pickle(lists(4), {.depth = 3}));
  // However deep the objects were that are gone.
  EXPECT_EQ(read("N" + std::string(500'000, '\x85') + "0N."), none());
}

// Each list holds the one before it ten times: 30 bytes of pickle, 10^n values.
std::string laughs(std::size_t lists, const std::string& innermost) {
  std::string in = "\x80\x02" + innermost + "q\0"s;
  for (std::size_t i = 1; i <= lists; ++i) {
    in += "](";
    for (int k = 0; k < 10; ++k) in += "h" + std::string(1, static_cast<char>(i - 1));
    in += "eq" + std::string(1, static_cast<char>(i));
  }
  // Everything below the last leaves the stack.
  for (std::size_t i = 0; i <= lists; ++i) in += "0";
  return in + "h" + std::string(1, static_cast<char>(lists)) + ".";
}

TEST(pickle_read, a_billion_laughs_are_too_many) {
  EXPECT_TRUE(read_pickle(laughs(3, "K\1")));
  expect_corrupt(laughs(9, "K\1"), "more values than may be read at once");
  expect_corrupt(laughs(90, "K\1"), "more values than may be read at once");
  expect_corrupt(laughs(4, "X\0\0\1\0"s + std::string(65536, 'a')), "more bytes in all");
  // Just within the limits, and just not.
  EXPECT_TRUE(read_pickle(laughs(3, "K\1"), {.nodes = 1111}));
  EXPECT_FALSE(read_pickle(laughs(3, "K\1"), {.nodes = 1110}));
  EXPECT_TRUE(read_pickle(laughs(2, "X\3\0\0\0abc"s), {.bytes = 300}));
  EXPECT_FALSE(read_pickle(laughs(2, "X\3\0\0\0abc"s), {.bytes = 299}));
}

TEST(pickle_read, work_that_comes_to_nothing_is_bounded_as_well) {
  const limits small = {.nodes = 1000, .bytes = 10'000};
  std::string objects, links, encoded;
  for (int i = 0; i < 5000; ++i) {
    objects += "N0";
    links += "N";
  }
  expect_error(read_pickle(objects + "N.", small), errc::corrupt_value, "more objects");
  expect_error(read_pickle("](" + links + "e0N.", small), errc::corrupt_value, "more objects");
  expect_error(
      read_pickle("N" + std::string(5000, '2') + "(" + std::string(5001, '1') + ".", small),
      errc::corrupt_value);
  // A text that is made bytes of again and again.
  const std::string text = "c_codecs\nencode\nq\0X\xe8\3\0\0"s + std::string(1000, 'a') + "q\1"s;
  for (int i = 0; i < 60; ++i) encoded += "h\0h\1h\2\x86R0"s;
  expect_error(read_pickle(text + "X\6\0\0\0latin1q\2"s + "000" + encoded + "N.", small),
               errc::corrupt_value, "more objects or bytes");
  // Places in the memo.
  std::string places = "N";
  for (int i = 0; i < 5000; ++i) places += "p" + std::to_string(i * 1000) + "\n";
  expect_error(read_pickle(places + ".", small), errc::corrupt_value, "more objects");
}

TEST(pickle_read, sizes_that_the_input_does_not_have_cost_nothing) {
  const std::size_t before = peak_memory();
  for (const std::string& in :
       {"X\xff\xff\xff\xff"s, "B\xff\xff\xff\xff"s, "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"s,
        "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"s, "\x96\xff\xff\xff\xff\xff\xff\xff\xff"s,
        "T\xff\xff\xff\x7f"s, "\x8c\xff"s, "U\xff"s, "C\xff"s, "\x8a\xff"s,
        "\x8b\xff\xff\xff\x7f"s}) {
    expect_corrupt(in + "abc.", "byte 0: cut off");
  }
  expect_corrupt("\x8b\xff\xff\xff\xff"s, "negative");
  expect_corrupt("Nr\xff\xff\xff\xff"s + "j\xfe\xff\xff\xff.", "nothing at this place");
  EXPECT_LT(peak_memory() - before, std::size_t{64} << 20);
}

TEST(pickle_read, long_integers_take_no_time_that_grows_with_the_square) {
  expect_corrupt("\x8b\0\0\x80\0"s + std::string(8 << 20, '\x55') + ".", "digits");
  expect_corrupt("L" + std::string(8 << 20, '5') + "L\n.", "digits");
  // Padding is free.
  EXPECT_EQ(read("\x8b\0\0\x80\0"s + std::string(8 << 20, '\0') + "."), integer(0));
  EXPECT_EQ(read("\x8b\0\0\x80\0"s + std::string(8 << 20, '\xff') + "."), integer(-1));
  // Very many that are just small enough.
  std::string many = "(";
  for (int i = 0; i < 6000; ++i) many += "\x8b\xf9\6\0\0"s + std::string(1785, '\x11') + "0";
  expect_corrupt(many + "t.", "too many long integers");
}

}  // namespace
}  // namespace memcxx::codecs
