// Codecs of the language's types: what is written is what is read, and nothing else is.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/codec.hpp>

namespace {

struct point {
  int x = 0;
  int y = 0;
  bool operator==(const point&) const = default;
};
struct no_codec {};
enum class color : std::uint8_t { red = 0, green = 1, last = 255 };
enum class balance : std::int16_t { debt = -1 };

}  // namespace

// The codec of one's own that codec.hpp shows.
template <>
struct memcxx::codec<point> {
  static result<value_view> encode(const point& p, std::string& scratch) {
    scratch = std::to_string(p.x) + "," + std::to_string(p.y);
    return value_view{value_kind::text, scratch};
  }
  static result<void> decode(const value_view& v, point& out) {
    if (std::sscanf(std::string(v.bytes).c_str(), "%d,%d", &out.x, &out.y) == 2) return {};
    return wrong_type(v, "a point");
  }
};

namespace memcxx::test {
namespace {

constexpr auto bytes_kind = value_kind::bytes;
constexpr auto text_kind = value_kind::text;
constexpr auto integer = value_kind::integer;
constexpr auto floating = value_kind::floating;
constexpr auto boolean = value_kind::boolean;

constexpr value_kind all_kinds[] = {value_kind::bytes,    value_kind::text,    value_kind::integer,
                                    value_kind::floating, value_kind::boolean, value_kind::none,
                                    value_kind::msgpack,  value_kind::json,    value_kind::pickle,
                                    value_kind::marshal,  value_kind::ruby};

template <class T>
value encoded(const T& v) {
  std::string scratch = "what was here before";
  const auto e = codec<T>::encode(v, scratch);
  EXPECT_TRUE(e) << e.error().what();
  return e ? value{e->kind, std::string(e->bytes)} : value{};
}

template <class T>
result<T> decoded(value_kind kind, std::string_view bytes) {
  T out{};
  if (auto ok = codec<T>::decode({kind, bytes}, out); !ok) return std::unexpected(ok.error());
  return out;
}

template <class T>
errc refusal(value_kind kind, std::string_view bytes) {
  const auto v = decoded<T>(kind, bytes);
  return v ? errc::ok : v.error().code();
}

template <class T>
T round_trip(const T& v) {
  const value e = encoded(v);
  const auto back = decoded<T>(e.kind, e.bytes);
  EXPECT_TRUE(back) << back.error().what();
  return back.value_or(T{});
}

// --- bytes and text --------------------------------------------------------------------------

TEST(Codec, says_what_it_found_and_what_it_wanted) {
  const auto v = decoded<int>(text_kind, "five");
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error(), errc::wrong_type);
  EXPECT_EQ(v.error().message(), "stored as text, wanted an integer of this width");
}

TEST(Codec, writes_strings_as_bytes_and_text_as_text) {
  EXPECT_EQ(encoded(std::string("a\0b", 3)), (value{bytes_kind, std::string("a\0b", 3)}));
  EXPECT_EQ(encoded(std::string_view("ab")), (value{bytes_kind, "ab"}));
  EXPECT_EQ(encoded(text{"h\xc3\xa9"}), (value{text_kind, "h\xc3\xa9"}));
  EXPECT_EQ(round_trip(text{"h\xc3\xa9"}), text{"h\xc3\xa9"});
}

TEST(Codec, reads_as_a_string_what_is_written_as_one) {
  for (const value_kind kind : all_kinds) {
    const bool readable = kind == bytes_kind || kind == text_kind || kind == integer ||
                          kind == floating || kind == value_kind::json;
    EXPECT_EQ(refusal<std::string>(kind, "7") == errc::ok, readable) << name_of(kind);
    EXPECT_EQ(is_stringlike(kind), readable) << name_of(kind);
  }
}

TEST(Codec, round_trips_bytes_of_every_type) {
  const std::string all = [] {
    std::string out;
    for (int i = 0; i < 256; ++i) out += static_cast<char>(i);
    return out;
  }();
  EXPECT_EQ(round_trip(all), all);
  EXPECT_EQ(round_trip(std::string()), "");
  const std::vector<char> chars(all.begin(), all.end());
  EXPECT_EQ(round_trip(chars), chars);
  const std::vector<unsigned char> octets(all.begin(), all.end());
  EXPECT_EQ(round_trip(octets), octets);
  EXPECT_EQ(encoded(octets), (value{bytes_kind, all}));
  const std::vector<std::byte> raw(all.size(), std::byte{0xfe});
  EXPECT_EQ(round_trip(raw), raw);
  EXPECT_EQ(round_trip(std::vector<std::byte>()), std::vector<std::byte>());
  EXPECT_EQ(encoded(std::span<const unsigned char>(octets)), (value{bytes_kind, all}));
  EXPECT_EQ(refusal<std::vector<char>>(value_kind::none, ""), errc::wrong_type);
}

// --- integers ----------------------------------------------------------------------------------

template <class T>
class CodecInteger : public testing::Test {};
using integer_types = testing::Types<signed char, unsigned char, short, unsigned short, int,
                                     unsigned, long, unsigned long, long long, unsigned long long>;

struct type_names {
  template <class T>
  static std::string GetName(int) {
    return (std::is_signed_v<T> ? "signed_" : "unsigned_") + std::to_string(sizeof(T) * 8) +
           (std::same_as<T, long> || std::same_as<T, unsigned long> ? "_long" : "");
  }
};
TYPED_TEST_SUITE(CodecInteger, integer_types, type_names);

TYPED_TEST(CodecInteger, round_trips_up_to_its_limits) {
  using limits = std::numeric_limits<TypeParam>;
  for (const TypeParam n :
       {limits::min(), limits::max(), TypeParam{0}, TypeParam{1},
        static_cast<TypeParam>(limits::min() + 1), static_cast<TypeParam>(limits::max() - 1)}) {
    EXPECT_EQ(encoded(n), (value{integer, std::to_string(n)}));
    EXPECT_EQ(round_trip(n), n);
  }
}

TYPED_TEST(CodecInteger, refuses_what_is_beyond_its_limits) {
  const auto beyond = [](std::string digits) {  // one more, away from zero
    for (std::size_t i = digits.size(); i-- > 0;) {
      if (digits[i] != '9') return ++digits[i], digits;
      digits[i] = '0';
    }
    return "1" + digits;
  };
  using limits = std::numeric_limits<TypeParam>;
  EXPECT_EQ(refusal<TypeParam>(integer, beyond(std::to_string(limits::max()))), errc::wrong_type);
  if (std::is_signed_v<TypeParam>) {
    EXPECT_EQ(refusal<TypeParam>(integer, beyond(std::to_string(limits::min()))), errc::wrong_type);
  } else {
    EXPECT_EQ(refusal<TypeParam>(integer, "-1"), errc::wrong_type);
  }
  EXPECT_EQ(refusal<TypeParam>(integer, std::string(400, '9')), errc::wrong_type);
}

TEST(Codec, reads_integers_from_the_kinds_that_hold_them) {
  for (const value_kind kind : all_kinds) {
    const bool readable = kind == integer || kind == bytes_kind || kind == text_kind;
    EXPECT_EQ(refusal<int>(kind, "7") == errc::ok, readable) << name_of(kind);
    EXPECT_EQ(trimmed_integer({kind, "7"}), readable ? "7" : "") << name_of(kind);
  }
}

TEST(Codec, reads_a_counter_that_the_server_padded) {
  EXPECT_EQ(decoded<int>(integer, "99 ").value_or(0), 99);
  EXPECT_EQ(decoded<int>(bytes_kind, "  -7   ").value_or(0), -7);
  EXPECT_EQ(decoded<double>(bytes_kind, "99 ").value_or(0), 99.0);
  EXPECT_EQ(decoded<bool>(bytes_kind, "1 ").value_or(false), true);
}

TEST(Codec, reads_nothing_else_as_an_integer) {
  for (const std::string_view bytes : {"", " ", "-", "+5", "5x", "x5", "5 5", "1.0", "1e3", "0x5",
                                       "- 5", "--5", "5-", "\xd9\xa5"}) {
    for (const value_kind kind : {integer, bytes_kind, text_kind}) {
      EXPECT_EQ(refusal<int>(kind, bytes), errc::wrong_type) << bytes;
      EXPECT_EQ(trimmed_integer({kind, bytes}), "") << bytes;
    }
  }
  EXPECT_EQ(refusal<int>(bytes_kind, std::string_view("5\0", 2)), errc::wrong_type);
}

TEST(Codec, leaves_the_output_alone_when_it_fails) {
  int n = 42;
  EXPECT_FALSE((codec<int>::decode({integer, "99999999999"}, n)));
  EXPECT_EQ(n, 42);
  double d = 1.5;
  EXPECT_FALSE((codec<double>::decode({floating, "x"}, d)));
  EXPECT_EQ(d, 1.5);
  bool b = true;
  EXPECT_FALSE((codec<bool>::decode({boolean, "x"}, b)));
  EXPECT_TRUE(b);
}

TEST(Codec, round_trips_enums_and_knows_their_width) {
  EXPECT_EQ(round_trip(color::last), color::last);
  EXPECT_EQ(encoded(color::green), (value{integer, "1"}));
  EXPECT_EQ(round_trip(balance::debt), balance::debt);
  EXPECT_EQ(refusal<color>(integer, "256"), errc::wrong_type);
  EXPECT_EQ(refusal<color>(integer, "-1"), errc::wrong_type);
  EXPECT_EQ(refusal<balance>(integer, "32768"), errc::wrong_type);
}

// --- floats --------------------------------------------------------------------------------------

TEST(Codec, round_trips_the_very_double) {
  using limits = std::numeric_limits<double>;
  std::mt19937_64 random(1);
  std::vector<double> all = {0.0,
                             -0.0,
                             1.0,
                             0.1,
                             -1.5,
                             1e300,
                             limits::max(),
                             limits::lowest(),
                             limits::min(),
                             limits::denorm_min(),
                             -limits::denorm_min(),
                             limits::infinity(),
                             -limits::infinity(),
                             limits::epsilon(),
                             0x1p62};
  for (int i = 0; i < 20'000; ++i) all.push_back(std::bit_cast<double>(random()));
  for (const double d : all) {
    const double back = round_trip(d);
    if (std::isnan(d)) {
      EXPECT_TRUE(std::isnan(back));
    } else {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(d)) << d;
    }
  }
}

TEST(Codec, round_trips_the_very_float) {
  using limits = std::numeric_limits<float>;
  std::mt19937 random(1);
  std::vector<float> all = {0.0F,
                            -0.0F,
                            0.1F,
                            limits::max(),
                            limits::lowest(),
                            limits::min(),
                            limits::denorm_min(),
                            limits::infinity(),
                            -limits::infinity()};
  for (int i = 0; i < 20'000; ++i)
    all.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  for (const float f : all) {
    const float back = round_trip(f);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(back));
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(back), std::bit_cast<std::uint32_t>(f)) << f;
      EXPECT_EQ(static_cast<float>(decoded<double>(floating, encoded(f).bytes).value_or(7)), f);
    }
  }
}

TEST(Codec, writes_the_shortest_text_of_a_double) {
  EXPECT_EQ(encoded(0.1), (value{floating, "0.1"}));
  EXPECT_EQ(encoded(1.0), (value{floating, "1"}));
  EXPECT_EQ(encoded(-0.0), (value{floating, "-0"}));
  EXPECT_EQ(encoded(1e300), (value{floating, "1e+300"}));
  EXPECT_EQ(encoded(std::numeric_limits<double>::infinity()), (value{floating, "inf"}));
  EXPECT_EQ(encoded(-std::numeric_limits<double>::infinity()), (value{floating, "-inf"}));
  EXPECT_EQ(encoded(-std::numeric_limits<double>::quiet_NaN()), (value{floating, "nan"}));
}

// A float is the nearest to what is stored, but never infinite or zero unless that is.
TEST(Codec, reads_a_double_into_a_float_only_where_it_is_near) {
  EXPECT_EQ(decoded<float>(floating, "0.1").value_or(0), 0.1F);
  EXPECT_EQ(decoded<float>(floating, "1e-44").value_or(0), 1e-44F);
  EXPECT_EQ(decoded<float>(floating, "3.4028234663852886e+38").value_or(0),
            std::numeric_limits<float>::max());
  for (const std::string_view d :
       {"3.4028234663852889e+38", "1e39", "-1e39", "1e300", "1e-46", "-1e-60", "5e-324"})
    EXPECT_EQ(refusal<float>(floating, d), errc::wrong_type) << d;
  EXPECT_TRUE(std::isinf(decoded<float>(floating, "-inf").value_or(0)));
  EXPECT_TRUE(std::isnan(decoded<float>(floating, "nan").value_or(0)));
  EXPECT_EQ(decoded<float>(floating, "0.0").value_or(1), 0.0F);
}

TEST(Codec, reads_an_integer_as_a_float_only_when_it_is_that_integer) {
  EXPECT_EQ(decoded<double>(integer, "9007199254740992").value_or(0), 9007199254740992.0);
  EXPECT_EQ(decoded<double>(integer, "-0009007199254740992").value_or(0), -9007199254740992.0);
  EXPECT_EQ(decoded<double>(integer, "18446744073709551616").value_or(0), 0x1p64);
  EXPECT_EQ(decoded<double>(text_kind, "1" + std::string(22, '0')).value_or(0), 1e22);
  EXPECT_EQ(refusal<double>(integer, "9007199254740993"), errc::wrong_type);
  EXPECT_EQ(refusal<double>(bytes_kind, "-9007199254740993"), errc::wrong_type);
  EXPECT_EQ(refusal<double>(integer, "1" + std::string(23, '0')), errc::wrong_type);
  EXPECT_EQ(refusal<double>(integer, std::string(400, '9')), errc::wrong_type);
  EXPECT_EQ(decoded<float>(integer, "16777216").value_or(0), 16777216.0F);
  EXPECT_EQ(refusal<float>(integer, "16777217"), errc::wrong_type);
  EXPECT_EQ(refusal<float>(integer, "1" + std::string(38, '0')), errc::wrong_type);
  // Written as a float, it is one.
  EXPECT_EQ(decoded<double>(floating, "9007199254740993").value_or(0), 9007199254740992.0);
  EXPECT_EQ(decoded<float>(floating, "16777217").value_or(0), 16777216.0F);
}

TEST(Codec, reads_decimal_numbers_from_bytes_and_text) {
  EXPECT_EQ(decoded<double>(bytes_kind, "1.5").value_or(0), 1.5);
  EXPECT_EQ(decoded<double>(text_kind, "-2.5e3").value_or(0), -2500.0);
  EXPECT_EQ(decoded<double>(bytes_kind, "12").value_or(0), 12.0);
  for (const std::string_view bytes : {"", "1.5x", " 1.5", "1.5 ", "+1.5", "+2", "0x1p3", "inf",
                                       "nan", "infinity", "1e999", "1e-999", "1,5", "."})
    EXPECT_EQ(refusal<double>(bytes_kind, bytes), errc::wrong_type) << bytes;
  for (const std::string_view bytes : {"", "x", "infinity", "nan(1)", "1.5x", "1e999", " 1"})
    EXPECT_EQ(refusal<double>(floating, bytes), errc::corrupt_value) << bytes;
  EXPECT_EQ(refusal<double>(integer, "x"), errc::corrupt_value);
  for (const value_kind kind : {boolean, value_kind::none, value_kind::json, value_kind::msgpack})
    EXPECT_EQ(refusal<double>(kind, "1"), errc::wrong_type) << name_of(kind);
}

// --- booleans, nothing, anything -----------------------------------------------------------------

TEST(Codec, reads_booleans_from_ones_and_zeros) {
  EXPECT_EQ(encoded(true), (value{boolean, "1"}));
  EXPECT_EQ(encoded(false), (value{boolean, "0"}));
  for (const value_kind kind : {boolean, integer, bytes_kind, text_kind}) {
    EXPECT_EQ(decoded<bool>(kind, "1").value_or(false), true);
    EXPECT_EQ(decoded<bool>(kind, "0").value_or(true), false);
    for (const std::string_view bytes : {"", "2", "-1", "true", "false", "01", "10"})
      EXPECT_NE(refusal<bool>(kind, bytes), errc::ok) << name_of(kind) << bytes;
  }
  EXPECT_EQ(refusal<bool>(boolean, "2"), errc::corrupt_value);
  EXPECT_EQ(refusal<bool>(integer, "2"), errc::wrong_type);
  EXPECT_EQ(refusal<bool>(floating, "1"), errc::wrong_type);
}

TEST(Codec, keeps_nothing_apart_from_a_value) {
  EXPECT_EQ(encoded(std::optional<int>()), (value{value_kind::none, ""}));
  EXPECT_EQ(encoded(nullptr), (value{value_kind::none, ""}));
  EXPECT_EQ(round_trip(std::optional<int>(5)), 5);
  EXPECT_EQ(round_trip(std::optional<std::string>("")), "");
  std::optional<int> out = 7;
  ASSERT_TRUE((codec<std::optional<int>>::decode({value_kind::none, ""}, out)));
  EXPECT_FALSE(out);
  EXPECT_EQ(refusal<int>(value_kind::none, ""), errc::wrong_type);
  EXPECT_EQ(refusal<std::string>(value_kind::none, ""), errc::wrong_type);
  EXPECT_EQ(refusal<std::optional<int>>(text_kind, "x"), errc::wrong_type);
}

TEST(Codec, passes_values_through_as_they_are) {
  for (const value_kind kind : all_kinds) {
    const value v{kind, std::string("\0x", 2)};
    EXPECT_EQ(round_trip(v), v);
    EXPECT_EQ(encoded(value_view(v)), v);
    const opaque o{kind, "x"};
    EXPECT_EQ(round_trip(o), o);
  }
  EXPECT_TRUE(keeps_opaque<opaque>);
  EXPECT_TRUE(keeps_opaque<std::optional<opaque>>);
  EXPECT_FALSE(keeps_opaque<value>);
  EXPECT_FALSE(keeps_opaque<std::optional<int>>);
}

TEST(Codec, takes_a_users_type) {
  EXPECT_EQ(round_trip(point{3, -4}), (point{3, -4}));
  EXPECT_EQ(round_trip(std::optional<point>(point{3, -4})), (point{3, -4}));
  EXPECT_EQ(refusal<point>(text_kind, "3;4"), errc::wrong_type);
}

TEST(Codec, knows_what_it_can_store_and_read) {
  static_assert(storable<int> && readable<int> && storable<point> && readable<point>);
  static_assert(storable<std::string_view> && !readable<std::string_view>);
  static_assert(!storable<no_codec> && !readable<no_codec> && !storable<std::optional<no_codec>>);
  static_assert(!storable<char> && !storable<wchar_t> && !storable<int*> && !storable<long double>);
  // Structures want a header of their own.
  static_assert(!storable<std::vector<int>> && !storable<std::map<std::string, int>>);
}

}  // namespace
}  // namespace memcxx::test
