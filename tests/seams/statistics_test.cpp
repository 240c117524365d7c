// Statistics that never end, and numbers that no register holds, before every face that asks for
// them: the client, a session, the asynchronous client.
// Never here: how long an answer may be (tests/connection).
#include <gtest/gtest.h>

#include "faces.hpp"
#include "support/wire.hpp"

namespace memcxx::test {
namespace {

// One statistic as the request's protocol has it; the end for an empty name.
std::string statistic(const wire::request& r, const std::string& name, const std::string& value) {
  if (r.speaks == wire::dialect::binary) return wire::binary_reply(r, 0, "", name, value);
  return name.empty() ? "END\r\n" : "STAT " + name + " " + value + "\r\n";
}

// What `tell` makes of the answer to "stats"; everything else is answered well.
script server_of_statistics(std::function<void(peer&, const wire::request&)> tell) {
  return [tell = std::move(tell)](peer& p) {
    for (;;) {
      const wire::request r = wire::read(p);
      if (r.verb == "stats" || r.opcode == 0x10) {
        tell(p, r);
      } else {
        p.send(wire::answer(r, {{"k", "good"}}));
      }
    }
  };
}

// The statistics of the one server, asked for in one of three ways, and then a get.
using asked = std::pair<result<statistics>, std::string>;
asked by_client(const options& o) {
  client cache(o);
  auto all = cache.stats();
  return {std::move(all[0].reply), value_of(cache.get("k"))};
}
asked by_session(const options& o) {
  client cache(o);
  session one = cache.open(o.servers[0].name()).value();
  auto all = one.execute(commands::stats{""});
  return {std::move(all), value_of(one.get("k"))};
}
asked by_async_client(const options& o) {
  net::io_context io;
  async_client cache(io, o);
  asked out{std::unexpected(error(errc::cancelled)), ""};
  cache.stats("", [&](std::vector<server_reply<statistics>> all) {
    out.first = std::move(all[0].reply);
    cache.get("k", [&](const result<item>& got) {
      out.second = value_of(got);
      io.stop();
    });
  });
  io.run_for(30s);
  return out;
}

struct way {
  const char* name;
  asked (*ask)(const options& o);
};
class statistics_of : public testing::TestWithParam<std::tuple<way, protocol_choice>> {
 protected:
  static asked ask(const scripted_server& s) {
    const auto& [how, protocol] = GetParam();
    return how.ask(settings_for(s.address(), protocol, 20s));
  }
};

// Item 12.
TEST_P(statistics_of, without_an_end_are_a_typed_error) {
  scripted_server server(server_of_statistics([](peer& p, const wire::request& r) {
    for (std::size_t i = 0;;) {
      std::string some;
      while (some.size() < 64 * 1024) some += statistic(r, "n" + std::to_string(i++), "1");
      p.send(some);
    }
  }));
  const stopwatch watch;
  const auto [all, next] = ask(server);
  ASSERT_TRUE(fails(all, errc::protocol_error));
  EXPECT_NE(all.error().message().find("statistics without end"), std::string::npos);
  EXPECT_EQ(next, "good");
  EXPECT_EQ(server.accepted(), 2u) << "the connection was closed, and only that";
  EXPECT_LT(watch.elapsed(), 19s) << "the clock ended it";
}

TEST_P(statistics_of, whole_numbers_keep_their_digits) {
  const std::initializer_list<std::pair<std::string, stat_value>> numbers = {
      {"18446744073709551615", UINT64_MAX},
      {"18446744073709551616", std::string("18446744073709551616")},
      {"-9223372036854775808", INT64_MIN},
      {"-9223372036854775809", std::string("-9223372036854775809")},
      {"123456789012345678901234567890", std::string("123456789012345678901234567890")},
      {"0.5", 0.5}};
  scripted_server server(server_of_statistics([&](peer& p, const wire::request& r) {
    for (const auto& [text, read] : numbers) p.send(statistic(r, text, text));
    p.send(statistic(r, "", ""));
  }));
  const auto [all, next] = ask(server);
  ASSERT_TRUE(ok(all));
  EXPECT_EQ(all->size(), numbers.size());
  for (const auto& [text, read] : numbers) EXPECT_EQ(all->at(text), read) << text;
  EXPECT_EQ(next, "good");
  EXPECT_EQ(server.accepted(), 1u);
}

std::string name_of_case(const testing::TestParamInfo<statistics_of::ParamType>& info) {
  return std::string(std::get<0>(info.param).name) + "_" +
         std::string(name_of(std::get<1>(info.param)));
}
constexpr way every_way[] = {
    {"client", by_client}, {"session", by_session}, {"async_client", by_async_client}};
INSTANTIATE_TEST_SUITE_P(seams, statistics_of,
                         testing::Combine(testing::ValuesIn(every_way),
                                          testing::ValuesIn(every_protocol)),
                         name_of_case);

}  // namespace
}  // namespace memcxx::test
