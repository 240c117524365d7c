// Names, faults and log lines of errors.
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>

#include <memcxx/error.hpp>

namespace memcxx {
namespace {

constexpr auto last_code = static_cast<unsigned>(errc::cancelled);

TEST(error, every_code_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (unsigned i = 0; i <= last_code; ++i) {
    const std::string_view name = name_of(static_cast<errc>(i));
    EXPECT_NE(name, "unknown") << i;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(name_of(static_cast<errc>(200)), "unknown");
  EXPECT_EQ(name_of(errc::miss), "miss");
  EXPECT_EQ(name_of(errc::not_a_number), "not_a_number");
}

TEST(error, faults) {
  EXPECT_EQ(fault_of(errc::ok), fault::none);
  for (const errc c : {errc::miss, errc::not_stored, errc::exists, errc::not_a_number})
    EXPECT_EQ(fault_of(c), fault::answer) << c;
  for (const errc c : {errc::invalid_key, errc::invalid_argument, errc::value_too_large,
                       errc::not_supported, errc::cancelled})
    EXPECT_EQ(fault_of(c), fault::caller) << c;
  for (const errc c :
       {errc::out_of_memory, errc::server_error, errc::client_error, errc::unattributed})
    EXPECT_EQ(fault_of(c), fault::server) << c;
  for (const errc c : {errc::resolve_failed, errc::connect_failed, errc::server_down,
                       errc::connection_closed, errc::protocol_error})
    EXPECT_EQ(fault_of(c), fault::network) << c;
  for (const errc c : {errc::timeout, errc::overloaded}) EXPECT_EQ(fault_of(c), fault::clock) << c;
}

TEST(error, a_value_too_large_is_the_servers_word_when_it_names_one) {
  EXPECT_EQ(error(errc::value_too_large).whose(), fault::caller);
  EXPECT_EQ(error(errc::value_too_large, "over 1 MiB").whose(), fault::caller);
  EXPECT_EQ(error(errc::value_too_large, "object too large", "a:11211").whose(), fault::server);
}

TEST(error, reads_as_one_line) {
  EXPECT_EQ(error(errc::miss).what(), "miss");
  EXPECT_EQ(error(errc::timeout, "no answer within 250ms", "10.0.0.1:11211").what(),
            "timeout at 10.0.0.1:11211: no answer within 250ms");
  EXPECT_EQ(error(errc::invalid_key, "the key is empty").what(), "invalid_key: the key is empty");
  EXPECT_EQ(error(errc::connection_closed, "", "a:1").what(), "connection_closed at a:1");
}

TEST(error, control_bytes_of_a_server_do_not_reach_the_log) {
  const error e(errc::server_error, "a\r\nb\x1b[2J\x7f\xc3\xa9", "h\n:1");
  EXPECT_EQ(e.what(), "server_error at h?:1: a??b?[2J?\xc3\xa9");
  EXPECT_EQ(e.message(), "a\r\nb\x1b[2J\x7f\xc3\xa9");
}

TEST(error, copies_share_their_details) {
  const error e(errc::timeout, "late", "a:1");
  const error copy = e;
  EXPECT_EQ(copy.message().data(), e.message().data());
  EXPECT_EQ(copy.server(), "a:1");
  EXPECT_TRUE(copy == errc::timeout);
  EXPECT_FALSE(copy == errc::miss);
  EXPECT_EQ(error().code(), errc::ok);
  EXPECT_TRUE(error(errc::miss).message().empty());
  EXPECT_TRUE(error(errc::miss).server().empty());
}

TEST(error, prints) {
  std::ostringstream out;
  out << errc::overloaded << '|' << error(errc::exists);
  EXPECT_EQ(out.str(), "overloaded|exists");
}

TEST(error, exception_carries_the_error) {
  const exception e(error(errc::invalid_argument, "port 70000"));
  EXPECT_STREQ(e.what(), "invalid_argument: port 70000");
  EXPECT_EQ(e.error().code(), errc::invalid_argument);
}

}  // namespace
}  // namespace memcxx
