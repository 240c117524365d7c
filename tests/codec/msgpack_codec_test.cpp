// Structures by msgpack-cxx: what is stored is what is read, into types that are to hold it; and
// bytes that nobody packed.
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <gtest/gtest.h>
#include <limits>
#include <list>
#include <map>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <memcxx/msgpack.hpp>

namespace memcxx::test {
namespace {

using namespace std::string_literals;

struct user {
  std::string name;
  std::vector<int> groups = {};
  std::optional<double> score = {};
  bool operator==(const user&) const = default;
  MSGPACK_DEFINE_MAP(name, groups, score)
};
struct place {
  int x = 1;
  int y = 2;
  std::vector<user> people = {};
  bool operator==(const place&) const = default;
  MSGPACK_DEFINE(x, y, people)
};
struct adapted {
  int x = 0;
  bool operator==(const adapted&) const = default;
};
struct only_written {
  int x = 0;
};
struct throwing {
  template <class Packer>
  void msgpack_pack(Packer&) const {
    throw std::runtime_error("not today");
  }
  void msgpack_unpack(const msgpack::object&) { throw std::runtime_error("not today"); }
};
struct starving {
  template <class Packer>
  void msgpack_pack(Packer&) const {
    throw std::bad_alloc();
  }
  void msgpack_unpack(const msgpack::object&) { throw std::bad_alloc(); }
};
struct unknown {};
enum class color : std::uint8_t { red, green };
enum class plain_color : std::uint8_t { red };
struct point {
  int x = 0;
};
template <class T>
struct box {
  T in;
};

}  // namespace
}  // namespace memcxx::test

MSGPACK_ADD_ENUM(memcxx::test::color)

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {
  template <>
  struct pack<memcxx::test::adapted> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& to, const memcxx::test::adapted& v) const {
      return to.pack(v.x);
    }
  };
  template <>
  struct convert<memcxx::test::adapted> {
    const msgpack::object& operator()(const msgpack::object& from, memcxx::test::adapted& v) const {
      from.convert(v.x);
      return from;
    }
  };
  template <>
  struct pack<memcxx::test::only_written> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& to, const memcxx::test::only_written& v) const {
      return to.pack(v.x);
    }
  };
  }  // namespace adaptor
}
}  // namespace msgpack

namespace memcxx {

template <>
struct codec<test::point> {
  static result<value_view> encode(const test::point&, std::string&) {
    return value_view{value_kind::text, "a point"};
  }
};
template <class T>
struct codec<test::box<T>> {
  static result<value_view> encode(const test::box<T>&, std::string&) {
    return value_view{value_kind::text, "a box"};
  }
};

namespace test {
namespace {

template <class T>
std::string packed(const T& v) {
  std::string scratch = "what was here before";
  const auto e = codec<T>::encode(v, scratch);
  EXPECT_TRUE(e) << e.error().what();
  if (!e) return {};
  EXPECT_EQ(e->kind, value_kind::msgpack);
  return std::string(e->bytes);
}

template <class T>
result<T> unpacked(std::string_view bytes, value_kind kind = value_kind::msgpack) {
  // A copy of the very size: the sanitizer sees a read beyond it.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  T out{};
  if (auto ok = codec<T>::decode({kind, {exact.data(), exact.size()}}, out); !ok)
    return std::unexpected(ok.error());
  return out;
}

template <class T>
errc refusal(std::string_view bytes) {
  const auto v = unpacked<T>(bytes);
  return v ? errc::ok : v.error().code();
}

template <class T>
void expect_round_trip(const T& v) {
  const auto back = unpacked<T>(packed(v));
  ASSERT_TRUE(back) << back.error().what();
  EXPECT_TRUE(*back == v);
}

TEST(MsgpackCodec, round_trips_the_containers_of_the_standard_library) {
  using strings = std::vector<std::string>;
  expect_round_trip(std::vector<int>{1, -2, std::numeric_limits<int>::min()});
  expect_round_trip(strings{"", "h\xc3\xa9", std::string(70'000, 'x'), std::string(3, '\0')});
  expect_round_trip(std::vector<bool>{true, false});
  expect_round_trip(std::deque<unsigned>{1, 4'000'000'000});
  expect_round_trip(std::list<strings>{{"a"}, {}});
  expect_round_trip(std::forward_list<int>{1, 2});
  expect_round_trip(std::set<std::string>{"b", "a"});
  expect_round_trip(std::multiset<int>{1, 1, 2});
  expect_round_trip(std::unordered_set<int>{1, 2, 3});
  expect_round_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  expect_round_trip(std::multimap<int, int>{{1, 2}, {1, 3}});
  expect_round_trip(std::unordered_map<std::int64_t, strings>{{-1, {"x"}}, {1, {}}});
  expect_round_trip(std::array<int, 3>{1, 2, 3});
  expect_round_trip(std::array<int, 0>{});
  expect_round_trip(std::tuple<int, std::string, bool>{1, "x", true});
  expect_round_trip(std::tuple<>{});
  expect_round_trip(std::pair<double, float>{0.1, 0.1F});
  expect_round_trip(std::vector<std::optional<int>>{1, std::nullopt});
  expect_round_trip(std::vector<std::vector<std::byte>>{{std::byte{0}, std::byte{255}}, {}});
  expect_round_trip(std::vector<color>{color::green});
  expect_round_trip(std::map<std::string, std::vector<std::tuple<int, std::set<std::string>>>>{
      {"k", {{1, {"a", "b"}}, {2, {}}}}});
}

TEST(MsgpackCodec, round_trips_users_types) {
  const user ann{"ann", {1, 2}, 0.5};
  expect_round_trip(ann);
  expect_round_trip(user{"", {}, std::nullopt});
  expect_round_trip(place{3, 4, {ann, ann}});
  expect_round_trip(std::map<std::string, user>{{"a", ann}});
  expect_round_trip(std::vector<adapted>{{1}, {2}});
  expect_round_trip(adapted{7});
  // An empty optional is nothing, and not msgpack's nil.
  std::string scratch;
  const auto none = codec<std::optional<user>>::encode(std::nullopt, scratch);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->kind, value_kind::none);
}

// As other languages have it: str for text, bin for bytes, maps for structures with names.
TEST(MsgpackCodec, packs_the_shortest_forms) {
  EXPECT_EQ(packed(std::vector<int>{1, -1, 300}), "\x93\x01\xff\xcd\x01\x2c");
  EXPECT_EQ(packed(std::map<std::string, bool>{{"a", true}}),
            "\x81\xa1"
            "a\xc3");
  EXPECT_EQ(packed(std::vector<std::vector<char>>{{'x'}}), "\x91\xc4\x01x");
  EXPECT_EQ(packed(user{"a", {}, {}}),
            "\x83\xa4name\xa1"
            "a\xa6groups\x90\xa5score\xc0");
  EXPECT_EQ(packed(std::vector<float>{1}), "\x91\xca\x3f\x80\0\0"s);
  EXPECT_EQ(packed(std::vector<double>{-2}), "\x91\xcb\xc0\0\0\0\0\0\0\0"s);
  EXPECT_EQ(packed(place{1, 2, {}}), "\x93\x01\x02\x90");
}

TEST(MsgpackCodec, leaves_to_other_codecs_what_is_theirs) {
  std::string scratch;
  EXPECT_EQ(codec<std::vector<char>>::encode({'x'}, scratch)->kind, value_kind::bytes);
  EXPECT_EQ(codec<std::string>::encode("x", scratch)->kind, value_kind::bytes);
  EXPECT_EQ(codec<color>::encode(color::green, scratch)->kind, value_kind::integer);
  EXPECT_EQ(codec<point>::encode({}, scratch)->bytes, "a point");
  EXPECT_EQ(codec<box<int>>::encode({1}, scratch)->bytes, "a box");
  EXPECT_EQ(codec<text>::encode({"x"}, scratch)->kind, value_kind::text);
}

TEST(MsgpackCodec, knows_what_it_can_store_and_read) {
  static_assert(storable<user> && readable<user> && storable<place> && readable<place>);
  static_assert(storable<std::optional<std::vector<int>>> && readable<std::optional<user>>);
  static_assert(storable<only_written> && !readable<only_written>);
  static_assert(storable<std::vector<std::string_view>>);
  static_assert(!readable<std::vector<std::string_view>>);
  static_assert(!storable<unknown> && !readable<unknown> && !storable<std::vector<unknown>>);
  static_assert(!storable<std::map<int, unknown>> && !readable<std::tuple<int, unknown>>);
  static_assert(!storable<std::vector<point>>);  // its codec is not msgpack's
  static_assert(storable<std::vector<color>> && !storable<std::vector<plain_color>>);
  static_assert(!storable<std::vector<int*>> && !storable<int*> && !storable<char>);
  static_assert(!storable<std::vector<long double>> && !storable<std::vector<text>>);
}

TEST(MsgpackCodec, reads_no_other_kind) {
  for (const value_kind kind : {value_kind::bytes, value_kind::text, value_kind::json,
                                value_kind::none, value_kind::pickle, value_kind::integer}) {
    const auto v = unpacked<std::vector<int>>("\x91\x01", kind);
    ASSERT_FALSE(v);
    EXPECT_EQ(v.error(), errc::wrong_type);
  }
}

TEST(MsgpackCodec, refuses_another_structure) {
  EXPECT_EQ(refusal<std::vector<int>>("\x81\x01\x01"), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<int>>("\x91\xa1x"), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<int>>("\x91\xcb\x3f\xf0\0\0\0\0\0\0"s), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<int>>("\xc0"), errc::wrong_type);
  EXPECT_EQ((refusal<std::map<std::string, int>>("\x91\x01")), errc::wrong_type);
  EXPECT_EQ((refusal<std::map<std::string, int>>("\x81\x01\x01")), errc::wrong_type);
  EXPECT_EQ(refusal<user>("\x01"), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<bool>>("\x91\x01"), errc::wrong_type);
}

TEST(MsgpackCodec, refuses_numbers_that_do_not_fit) {
  EXPECT_EQ(refusal<std::vector<std::int8_t>>("\x91\xcc\x80"), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<unsigned>>("\x91\xff"), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<std::int64_t>>("\x91\xcf\x80\0\0\0\0\0\0\0"s), errc::wrong_type);
  // As a double, 2^53 + 1, and 2^53 itself.
  EXPECT_EQ(refusal<std::vector<double>>("\x91\xcf\0\x20\0\0\0\0\0\x01"s), errc::wrong_type);
  EXPECT_EQ(refusal<std::vector<double>>("\x91\xcf\0\x20\0\0\0\0\0\0"s), errc::ok);
  EXPECT_EQ(refusal<std::vector<double>>("\x91\xd3\x80\0\0\0\0\0\0\0"s), errc::ok);
  // As a float, 2^24 + 1, 1e39 and 1e-60.
  EXPECT_EQ(refusal<std::vector<float>>("\x91\xce\x01\0\0\x01"s), errc::wrong_type);
  for (const double d : {1e39, -1e39, 1e-60}) {
    EXPECT_EQ(refusal<std::vector<float>>(packed(std::vector<double>{d})), errc::wrong_type);
    EXPECT_EQ(refusal<std::vector<double>>(packed(std::vector<double>{d})), errc::ok);
    const std::map<std::string, std::vector<std::optional<double>>> deep = {{"k", {d}}};
    EXPECT_EQ((refusal<std::map<std::string, std::vector<std::optional<float>>>>(packed(deep))),
              errc::wrong_type);
  }
}

TEST(MsgpackCodec, round_trips_the_very_float) {
  std::mt19937_64 random(1);
  std::vector<double> doubles = {0.0, -0.0, 5e-324, std::numeric_limits<double>::max(),
                                 std::numeric_limits<double>::infinity()};
  std::vector<float> floats = {0.0F, -0.0F, 1e-45F, std::numeric_limits<float>::max()};
  for (int i = 0; i < 1000; ++i) {
    doubles.push_back(std::bit_cast<double>(random()));
    floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  }
  const auto same = [](auto a, auto b) {
    return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
  };
  const auto d = unpacked<std::vector<double>>(packed(doubles));
  const auto f = unpacked<std::vector<float>>(packed(floats));
  ASSERT_TRUE(d && f);
  EXPECT_TRUE(std::ranges::equal(*d, doubles, same));
  EXPECT_TRUE(std::ranges::equal(*f, floats, same));
}

TEST(MsgpackCodec, wants_as_many_elements_as_the_type_has) {
  const auto three = packed(std::vector<int>{1, 2, 3});
  EXPECT_EQ((refusal<std::array<int, 3>>(three)), errc::ok);
  EXPECT_EQ((refusal<std::array<int, 4>>(three)), errc::wrong_type);
  EXPECT_EQ((refusal<std::array<int, 2>>(three)), errc::wrong_type);
  EXPECT_EQ((refusal<std::tuple<int, int, int>>(three)), errc::ok);
  EXPECT_EQ((refusal<std::tuple<int, int>>(three)), errc::wrong_type);
  EXPECT_EQ((refusal<std::tuple<int, int, int, int>>(three)), errc::wrong_type);
  EXPECT_EQ((refusal<std::pair<int, int>>(three)), errc::wrong_type);
  const auto nested = packed(std::map<std::string, std::vector<std::vector<int>>>{{"k", {{1}}}});
  EXPECT_EQ((refusal<std::map<std::string, std::vector<std::tuple<int, int>>>>(nested)),
            errc::wrong_type);
  EXPECT_EQ((refusal<std::vector<std::array<char, 2>>>("\x91\xc4\x02xy")), errc::ok);
  EXPECT_EQ((refusal<std::vector<std::array<char, 3>>>("\x91\xc4\x02xy")), errc::wrong_type);
}

// What MSGPACK_DEFINE is for: programs of different ages.
TEST(MsgpackCodec, leaves_missing_members_at_their_default_and_not_at_what_was_there) {
  place out{8, 9, {{"stale"}}};
  ASSERT_TRUE(codec<place>::decode({value_kind::msgpack, "\x91\x05"}, out));
  EXPECT_EQ(out, (place{5, 2, {}}));
  ASSERT_TRUE(codec<place>::decode({value_kind::msgpack, "\x94\x05\x06\x90\x07"}, out));
  EXPECT_EQ(out, (place{5, 6, {}}));
}

TEST(MsgpackCodec, leaves_the_output_alone_when_it_fails) {
  place out{8, 9, {}};
  EXPECT_FALSE(codec<place>::decode({value_kind::msgpack, "\x92\x05\xa1x"}, out));
  EXPECT_EQ(out, (place{8, 9, {}}));
}

TEST(MsgpackCodec, makes_errors_of_what_users_throw) {
  std::string scratch;
  EXPECT_EQ(codec<throwing>::encode({}, scratch).error(), errc::wrong_type);
  EXPECT_EQ(codec<throwing>::encode({}, scratch).error().message(), "msgpack: not today");
  EXPECT_EQ(refusal<throwing>("\xc0"), errc::wrong_type);
  EXPECT_EQ(codec<starving>::encode({}, scratch).error(), errc::out_of_memory);
  EXPECT_EQ(refusal<starving>("\xc0"), errc::out_of_memory);
}

TEST(MsgpackCodec, refuses_what_is_cut_off_or_goes_on) {
  const std::string whole = packed(place{1, 2, {{"ann", {1, 300}, 0.5}, {"bob"}}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto v = unpacked<place>(whole.substr(0, size));
    ASSERT_FALSE(v);
    ASSERT_EQ(v.error(), errc::corrupt_value);
    ASSERT_TRUE(v.error().message().starts_with("msgpack, byte ")) << v.error().what();
  }
  EXPECT_EQ(refusal<place>(whole + "\xc0"), errc::corrupt_value);
}

TEST(MsgpackCodec, survives_damage) {
  std::mt19937 random(1);
  using structure = std::map<std::string, std::vector<std::tuple<int, std::optional<std::string>>>>;
  const std::string whole = packed(structure{{"abc", {{1, "x"}, {-300, {}}}}, {"d", {}}});
  const std::string classes = packed(place{1, 2, {{"ann", {1, 300}, 0.5}, {"bob"}}});
  for (int i = 0; i < 20'000; ++i) {
    std::string a = whole, b = classes;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      a[random() % a.size()] = static_cast<char>(random() % 256);
      b[random() % b.size()] = static_cast<char>(random() % 256);
    }
    for (const errc code : {refusal<structure>(a), refusal<place>(b)})
      EXPECT_TRUE(code == errc::ok || code == errc::corrupt_value || code == errc::wrong_type);
  }
}

TEST(MsgpackCodec, does_not_believe_counts) {
  using strings = std::vector<std::string>;
  for (const std::string head : {"\xdd", "\xdf", "\xdb", "\xc6", "\xc9"})
    EXPECT_EQ(refusal<strings>(head + "\xff\xff\xff\xff"), errc::corrupt_value) << int{head[0]};
  std::string nested;
  for (int i = 0; i < 90; ++i) nested += "\xdd\x7f\xff\xff\xff";
  EXPECT_EQ(refusal<strings>(nested), errc::corrupt_value);
  // Every count is a little less than what is there, again and again.
  std::string overlapping;
  for (int i = 0; i < 90; ++i) overlapping += "\xdd\x00\x00\xff\xff"s;
  EXPECT_EQ(refusal<strings>(overlapping + std::string(0x10000, '\xc0')), errc::corrupt_value);
}

// --- check_msgpack itself ------------------------------------------------------------------------

errc check(std::string_view bytes, bool utf8 = false) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  const auto ok = check_msgpack({exact.data(), exact.size()}, utf8);
  return ok ? errc::ok : ok.error().code();
}

TEST(CheckMsgpack, knows_every_head) {
  // How many bytes follow each head that names no length.
  std::map<int, std::size_t> follow = {{0xca, 4}, {0xcb, 8}, {0xcc, 1}, {0xcd, 2}, {0xce, 4},
                                       {0xcf, 8}, {0xd0, 1}, {0xd1, 2}, {0xd2, 4}, {0xd3, 8},
                                       {0xd4, 2}, {0xd5, 3}, {0xd6, 5}, {0xd7, 9}, {0xd8, 17}};
  for (int c = 0xa0; c <= 0xbf; ++c) follow[c] = static_cast<std::size_t>(c - 0xa0);
  for (int c = 0x80; c <= 0x9f; ++c)
    follow[c] = static_cast<std::size_t>(c < 0x90 ? 2 * (c - 0x80) : c - 0x90);
  // Heads with a length of so many bytes, and what each of it stands for beyond one byte of type.
  const std::map<int, std::size_t> lengths = {{0xc4, 1}, {0xc5, 2}, {0xc6, 4}, {0xc7, 1}, {0xc8, 2},
                                              {0xc9, 4}, {0xd9, 1}, {0xda, 2}, {0xdb, 4}, {0xdc, 2},
                                              {0xdd, 4}, {0xde, 2}, {0xdf, 4}};
  for (int c = 0; c < 256; ++c) {
    std::string head(1, static_cast<char>(c));
    std::size_t rest = follow[c];
    if (c == 0xc1) {
      EXPECT_EQ(check(head), errc::corrupt_value);
      continue;
    }
    if (lengths.contains(c)) {
      head += std::string(lengths.at(c) - 1, '\0') + "\x03";
      rest = c >= 0xde ? 6 : c >= 0xc7 && c <= 0xc9 ? 4 : 3;
    }
    EXPECT_EQ(check(head + std::string(rest, '\x01')), errc::ok) << c;
    EXPECT_EQ(check(head + std::string(rest + 1, '\x01')), errc::corrupt_value) << c;
    if (rest > 0) {
      EXPECT_EQ(check(head + std::string(rest - 1, '\x01')), errc::corrupt_value) << c;
    }
    if (lengths.contains(c)) {
      EXPECT_EQ(check(head.substr(0, head.size() - 1)), errc::corrupt_value) << c;
    }
  }
}

TEST(CheckMsgpack, nests_as_deep_as_the_limit_and_no_deeper) {
  EXPECT_EQ(check(std::string(max_nesting, '\x91') + "\xc0"), errc::ok);
  EXPECT_EQ(check(std::string(max_nesting + 1, '\x91') + "\xc0"), errc::corrupt_value);
  EXPECT_EQ(check(std::string(1'000'000, '\x91') + "\xc0"), errc::corrupt_value);
  // What is closed does not count.
  std::string flat = "\xdc\x03\xe8";
  for (int i = 0; i < 1000; ++i) flat += "\x91\x90";
  EXPECT_EQ(check(flat), errc::ok);
  EXPECT_EQ(check(""), errc::corrupt_value);
}

TEST(CheckMsgpack, looks_at_text_when_asked) {
  EXPECT_EQ(check("\xa1\xff"), errc::ok);
  EXPECT_EQ(check("\xa1\xff", true), errc::wrong_type);
  EXPECT_EQ(check("\xa2\xc3\xa9", true), errc::ok);
  EXPECT_EQ(check("\xc4\x01\xff", true), errc::ok);
}

}  // namespace
}  // namespace test
}  // namespace memcxx
