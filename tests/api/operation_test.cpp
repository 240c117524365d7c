// Reads, driven by hand: values in the receive buffer and in their place, attempts that were lost
// half way, and what becomes of a value that is not what was asked for.
// Never here: values in pieces (pieces_test.cpp), sockets.
#include <array>
#include <gtest/gtest.h>
#include <limits>

#include "by_hand.hpp"

namespace memcxx {
namespace {

using by_hand::bytes_of;
using by_hand::codec_of;
using by_hand::delivery;
using by_hand::server;
using std::string;

// Runs a check once for each way in which a value comes.
template <class Check>
void however_it_comes(Check check) {
  for (const delivery how : by_hand::every_delivery) {
    SCOPED_TRACE(static_cast<int>(how));
    server s;
    s.how = how;
    check(s);
  }
}

constexpr bool comes_in_place(delivery how) {
  return how == delivery::in_place || how == delivery::lost_in_place;
}

// Around the sizes that strings keep within themselves.
constexpr std::size_t sizes[] = {0, 1, 14, 15, 16, 17, 1000, 100'000};

// --- items ---------------------------------------------------------------------------------------

TEST(operation, an_item_is_what_came) {
  however_it_comes([](server& s) {
    for (const std::size_t n : sizes) {
      const string bytes = bytes_of(n);
      s.items["k"] = {5, bytes};
      const auto got = s.run(commands::get{"k", {}}, value_codec());
      ASSERT_TRUE(got) << got.error();
      EXPECT_EQ(got->value, bytes);
      EXPECT_EQ(got->flags, 5u);
      EXPECT_EQ(got->cas, 7u);
    }
  });
}

TEST(operation, nothing_is_left_of_an_attempt_that_was_lost) {
  however_it_comes([](server& s) {
    const auto none = s.run(commands::get{"k", {}}, value_codec());
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error(), errc::miss);
    EXPECT_EQ(s.read<string>("k", value_codec()).error(), errc::miss);
    s.failures["k"] = errc::server_error;
    const auto failed = s.read<string>("k", value_codec());
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), errc::server_error);
    EXPECT_EQ(failed.error().message(), "as told");
    EXPECT_EQ(failed.error().server(), "there");
    EXPECT_FALSE(failed.error().item());
  });
}

TEST(operation, a_value_that_was_read_in_place_stays_there) {
  server s;
  s.how = delivery::in_place;
  const string bytes = bytes_of(100'000);
  s.items["k"] = {0, bytes};
  const auto item = s.run(commands::get{"k", {}}, value_codec());
  EXPECT_EQ(item->value.data(), s.last_place);
  const auto typed = s.read<string>("k", value_codec());
  EXPECT_EQ(typed->data(), s.last_place);
  EXPECT_EQ(*typed, bytes);
}

// --- get_into ------------------------------------------------------------------------------------

result<item_view> read_into(server& s, std::span<char> buffer) {
  return s.run(commands::get_into{"k", buffer, {}}, value_codec());
}

TEST(operation, get_into_reads_into_the_callers_memory) {
  however_it_comes([](server& s) {
    for (const std::size_t n : sizes) {
      for (const std::size_t more : {0u, 1u, 1000u}) {
        s.items["k"] = {5, bytes_of(n)};
        string buffer(n + more, '.');
        const auto got = read_into(s, buffer);
        ASSERT_TRUE(got) << got.error();
        EXPECT_EQ(got->value, bytes_of(n));
        EXPECT_EQ(got->value.data(), buffer.data());
        EXPECT_EQ(got->flags, 5u);
        EXPECT_EQ(got->cas, 7u);
        if (comes_in_place(s.how)) {
          EXPECT_EQ(s.last_place, buffer.data());
        }
        // An attempt whose item is gone since may have left something behind the value.
        if (s.how != delivery::lost_other) {
          EXPECT_EQ(buffer.substr(n), string(more, '.'));
        }
      }
    }
  });
}

TEST(operation, get_into_says_how_much_room_a_value_wants) {
  however_it_comes([](server& s) {
    s.items["k"] = {0, bytes_of(1000)};
    string guarded(1010, '.');
    for (const std::size_t room : {0u, 1u, 999u}) {
      const auto got = read_into(s, std::span(guarded).first(room));
      ASSERT_FALSE(got);
      EXPECT_EQ(got.error(), errc::value_too_large);
      EXPECT_EQ(got.error().whose(), fault::caller);
      EXPECT_EQ(got.error().message(),
                "the value has 1000 bytes, the buffer " + std::to_string(room));
      EXPECT_EQ(guarded.substr(room), string(guarded.size() - room, '.')) << "written beyond";
    }
  });
}

TEST(operation, get_into_without_a_buffer_reads_an_empty_value) {
  however_it_comes([](server& s) {
    s.items["k"] = {5, ""};
    const auto got = read_into(s, {});
    ASSERT_TRUE(got) << got.error();
    EXPECT_TRUE(got->value.empty());
    EXPECT_EQ(got->flags, 5u);
    s.items.clear();
    EXPECT_EQ(read_into(s, {}).error(), errc::miss);
  });
}

// --- typed values --------------------------------------------------------------------------------

// What a store of a value leaves in the server.
template <class T>
by_hand::stored_item packed(const T& v, const value_codec& values) {
  server s;
  EXPECT_TRUE(
      s.run(commands::store_value::of(protocol::verb::set, "k", v, store_options{}), values));
  return s.items["k"];
}

template <class T>
void expect_round_trip(const T& v, const value_codec& values) {
  however_it_comes([&](server& s) {
    s.items["k"] = packed(v, values);
    const auto got = s.read<T>("k", values);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(*got, v);
  });
}

TEST(operation, what_is_stored_typed_is_read_typed) {
  const value_codec plain;
  const value_codec small = codec_of({.min_compress = 10});
  const value_codec long_keys = codec_of({.hash_long_keys = true});
  for (const value_codec* values : {&plain, &small, &long_keys}) {
    for (const std::size_t n : sizes) {
      expect_round_trip(bytes_of(n), *values);
      expect_round_trip(text{string(n, 'a')}, *values);
      expect_round_trip(std::optional(string(n, 'a')), *values);
    }
    expect_round_trip(std::numeric_limits<std::int64_t>::min(), *values);
    expect_round_trip(0.1, *values);
    expect_round_trip(true, *values);
    expect_round_trip(std::optional<int>(), *values);
    expect_round_trip(std::vector<std::byte>(100'000, std::byte{7}), *values);
    expect_round_trip(value{value_kind::json, "{\"a\":[1,2]}"}, *values);
  }
}

TEST(operation, any_stored_kind_reads_as_a_string_however_the_last_attempt_began) {
  however_it_comes([](server& s) {
    const value_codec values = codec_of({.min_compress = 10});
    const std::pair<by_hand::stored_item, string> kinds[] = {
        {packed(string(5000, 'b'), values), string(5000, 'b')},  // compressed
        {packed(text{"t"}, values), "t"},
        {packed(12, values), "12"},
        {packed(1.5, values), "1.5"},
        {{0, "plain"}, "plain"}};
    for (const auto& [item, expected] : kinds) {
      s.items["k"] = item;
      const auto got = s.read<string>("k", values);
      ASSERT_TRUE(got) << got.error();
      EXPECT_EQ(*got, expected);
    }
  });
}

TEST(operation, attributes_come_with_a_typed_item) {
  however_it_comes([](server& s) {
    const value_codec values;
    s.items["k"] = packed(12, values);
    const commands::get_item<int> command{{"k", std::nullopt, {}}};
    const auto got = s.run(command, values);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->value, 12);
    EXPECT_EQ(got->cas, 7u);
    EXPECT_EQ(got->flags, s.items["k"].flags);
  });
}

TEST(operation, a_value_of_another_type_comes_with_the_error) {
  however_it_comes([](server& s) {
    const value_codec values;
    s.items["k"] = packed(text{"twelve"}, values);
    const auto got = s.read<int>("k", values);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), errc::wrong_type);
    EXPECT_EQ(got.error().whose(), fault::value);
    EXPECT_EQ(got.error().server(), "there");
    EXPECT_NE(got.error().message().find("stored as text"), std::string_view::npos) << got.error();
    ASSERT_TRUE(got.error().item());
    EXPECT_EQ(got.error().item()->bytes, "twelve");
    EXPECT_EQ(got.error().item()->flags, s.items["k"].flags);
  });
}

TEST(operation, flags_that_are_nobodys_come_with_the_error) {
  however_it_comes([](server& s) {
    s.items["k"] = {0x1234, "bytes"};
    const auto got = s.read<string>("k", value_codec());
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), errc::unknown_flags);
    EXPECT_EQ(got.error().server(), "there");
    ASSERT_TRUE(got.error().item());
    EXPECT_EQ(got.error().item()->flags, 0x1234u);
    EXPECT_EQ(got.error().item()->bytes, "bytes");
  });
}

TEST(operation, a_damaged_value_comes_with_the_error) {
  however_it_comes([](server& s) {
    const value_codec values = codec_of({.min_compress = 10});
    auto item = packed(string(100'000, 'z'), values);
    item.bytes.resize(item.bytes.size() - 1);
    s.items["k"] = item;
    const auto got = s.read<string>("k", values);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), errc::corrupt_value);
    ASSERT_TRUE(got.error().item());
    EXPECT_EQ(got.error().item()->bytes, item.bytes);
  });
}

TEST(operation, long_keys_are_asked_for_by_their_stand_in) {
  const value_codec values = codec_of({.hash_long_keys = true});
  const string key(1000, 'k');
  const string other = key + "2";
  server s;
  ASSERT_TRUE(s.run(commands::store_value::of(protocol::verb::set, key, string("v"), {}), values));
  ASSERT_EQ(s.items.size(), 1u);
  const string stand_in = s.items.begin()->first;
  EXPECT_LE(stand_in.size(), 250u);
  however_it_comes([&](server& there) {
    there.items = s.items;
    EXPECT_EQ(*there.read<string>(key, values), "v");
    EXPECT_EQ(there.read<string>(other, values).error(), errc::miss);
    // As if the two had one hash: what the other stored is not this one's value.
    string storage;
    there.items[string(values.item_key(other, storage))] = s.items.begin()->second;
    EXPECT_EQ(there.read<string>(other, values).error(), errc::miss);
  });
  EXPECT_TRUE(s.run(commands::touch{key, std::chrono::seconds(1)}, values));
  EXPECT_EQ(s.seen.back().key, stand_in);
  EXPECT_TRUE(s.run(commands::remove{key, {}}, values));
  EXPECT_EQ(s.seen.back().key, stand_in);
  // Verbs that know no stand-ins ask for the key as it is, and are refused for it.
  EXPECT_EQ(s.run(commands::get{key, {}}, values).error(), errc::miss);
  EXPECT_EQ(s.seen.back().key, key);
}

TEST(operation, typed_calls_refuse_what_makes_no_sense) {
  server s;
  const value_codec values;
  EXPECT_EQ(s.read<string>("k", values, {.value = false}).error(), errc::invalid_argument);
  const auto flags =
      s.run(commands::store_value::of(protocol::verb::set, "k", 1, {.flags = 3}), values);
  EXPECT_EQ(flags.error(), errc::invalid_argument);
  EXPECT_EQ(flags.error().message(), "the flags of a typed value are its dialect's");
  EXPECT_EQ(s.run(commands::store_value::of(protocol::verb::cas, "k", 1, store_options{}), values)
                .error(),
            errc::invalid_argument);
  EXPECT_EQ(s.run(commands::store{.key = "k", .options = {.min_compress = 10}}, values).error(),
            errc::invalid_argument);
  EXPECT_TRUE(s.seen.empty()) << "nothing was sent";
}

TEST(operation, what_a_dialect_cannot_write_is_refused) {
  server s;
  const value object{value_kind::ruby, string("\x04\x08o:\x06"
                                              "A\0",
                                              7)};  // of class A
  const auto got = s.run(commands::store_value::of(protocol::verb::set, "k", object, {}),
                         codec_of({.dialect = dialect::python_memcached}));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error(), errc::wrong_type);
  EXPECT_TRUE(s.seen.empty());
}

TEST(operation, options_of_a_typed_store_are_sent) {
  server s;
  const store_options o{.ttl = std::chrono::seconds(60), .quiet = true, .opaque = 9};
  ASSERT_TRUE(s.run(commands::store_value::of(protocol::verb::set, "k", 12, o), value_codec()));
  const auto& sent = s.seen.at(0);
  EXPECT_EQ(sent.what.ttl, 60);
  EXPECT_TRUE(sent.what.quiet);
  EXPECT_EQ(sent.what.opaque, 9u);
  EXPECT_EQ(sent.value, "12");
  // Whether a server takes a long one is certain only when each is answered.
  ASSERT_TRUE(s.run(
      commands::store_value::of(protocol::verb::set, "k", string(surely_accepted + 1, 'v'), o),
      value_codec()));
  EXPECT_FALSE(s.seen.back().what.quiet);
}

TEST(operation, min_compress_of_one_call_wins) {
  const value_codec never;
  const value_codec always = codec_of({.min_compress = 10});
  const string bytes(5000, 'v');
  const auto sent = [&](const value_codec& values, std::optional<std::size_t> over) {
    server s;
    EXPECT_TRUE(
        s.run(commands::store_value::of(protocol::verb::set, "k", bytes, {.min_compress = over}),
              values));
    EXPECT_EQ(*s.read<string>("k", values), bytes);
    return s.seen.at(0).value.size();
  };
  EXPECT_EQ(sent(never, std::nullopt), bytes.size());
  EXPECT_LT(sent(never, 10), 100u);
  EXPECT_LT(sent(always, std::nullopt), 100u);
  EXPECT_EQ(sent(always, 0), bytes.size());
  EXPECT_EQ(sent(always, bytes.size()), bytes.size()) << "over so many, not from so many on";
}

TEST(operation, many_at_a_time_each_get_their_own) {
  however_it_comes([](server& s) {
    const value_codec values;
    std::vector<commands::get_value<string>> reads;
    std::vector<string> keys;
    for (std::size_t i = 0; i < 50; ++i) keys.push_back("k" + std::to_string(i));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i % 3 != 0) s.items[keys[i]] = {0, bytes_of(i * 100, static_cast<unsigned>(i))};
      if (i % 7 == 0) s.items[keys[i]] = {0x1234, "bad"};
      reads.push_back({{keys[i], std::nullopt, {}}});
    }
    for (const bool backwards : {false, true}) {
      s.backwards = backwards;
      many_call<commands::get_value<string>> all(reads);
      EXPECT_EQ(s.run(all, values), 1u);
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto& got = all.outcome(i);
        if (i % 7 == 0) {
          EXPECT_EQ(got.error(), errc::unknown_flags);
        } else if (i % 3 == 0) {
          EXPECT_EQ(got.error(), errc::miss);
        } else {
          EXPECT_EQ(got.value(), bytes_of(i * 100, static_cast<unsigned>(i)));
        }
      }
    }
  });
}

TEST(operation, what_was_never_run_was_cancelled) {
  const commands::get_value<string> read{{"k", std::nullopt, {}}};
  single_call<commands::get_value<string>> c(read);
  EXPECT_EQ(c.take().error(), errc::cancelled);
  const auto store = commands::store_value::of(protocol::verb::set, "k", 1, store_options{});
  single_call<commands::store_value> d(store);
  EXPECT_EQ(d.take().error(), errc::cancelled);
}

}  // namespace
}  // namespace memcxx
