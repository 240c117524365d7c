// What a cluster's configuration endpoint may say, and what it may not.
// Never here: asking for it (integration/sources_test).
#include "api/discovery.hpp"

#include <gtest/gtest.h>
#include <string>

#include "support.hpp"

namespace memcxx {
namespace {

using api::parse_cluster;

// "label=host:port" for each; the label has no port when that is the usual one.
std::string nodes(const result<api::cluster>& c) {
  if (!c) return c.error().what();
  std::string out;
  for (const server_address& s : c->servers)
    out += (out.empty() ? "" : " ") + s.label + "=" + s.name();
  return out;
}

TEST(discovery_test, a_version_and_nodes) {
  const auto c = parse_cluster(
      "12\n"
      "a.0001.use1.cache.amazonaws.com|10.0.0.1|11211 0b.example|10.0.0.2|11212\n"
      "\r\n");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->version, 12u);
  EXPECT_EQ(nodes(c),
            "a.0001.use1.cache.amazonaws.com=10.0.0.1:11211 0b.example:11212=10.0.0.2:11212");
  EXPECT_EQ(c->servers[0].weight, 1u);
  EXPECT_EQ(c->servers[0].scheme, "memcached");
}

TEST(discovery_test, lines_may_end_either_way_or_not_at_all) {
  for (const std::string body : {"1\na|10.0.0.1|2", "1\na|10.0.0.1|2\n", "1\r\na|10.0.0.1|2\r\n",
                                 "1\na|10.0.0.1|2\n\n\r\n", "1\n  a|10.0.0.1|2  \n"})
    EXPECT_EQ(nodes(parse_cluster(body)), "a:2=10.0.0.1:2") << body;
}

TEST(discovery_test, a_node_without_a_valid_address_is_reached_by_name) {
  EXPECT_EQ(nodes(parse_cluster("1\na.b||11211")), "a.b=a.b:11211");
  for (const std::string ip :
       {"10.0.0", "10.0.0.256", "elsewhere", "10.0.0.1:1", "::x", "1.2.3.4 "})
    if (ip.back() != ' ') {
      EXPECT_EQ(nodes(parse_cluster("1\na|" + ip + "|7")), "a:7=a:7") << ip;
    }
}

TEST(discovery_test, addresses_of_either_family_with_or_without_a_name) {
  EXPECT_EQ(nodes(parse_cluster("1\na|::1|2 |10.0.0.1|3 |fe80::1|4 10.0.0.5||6 ::7||8")),
            "a:2=[::1]:2 10.0.0.1:3=10.0.0.1:3 [fe80::1]:4=[fe80::1]:4 10.0.0.5:6=10.0.0.5:6 "
            "[::7]:8=[::7]:8");
}

TEST(discovery_test, a_change_of_address_leaves_the_label) {
  const auto before = parse_cluster("1\na|10.0.0.1|11211");
  const auto after = parse_cluster("2\na|10.0.0.9|11211");
  const auto unknown = parse_cluster("3\na||11211");
  EXPECT_EQ(before->servers[0].label, after->servers[0].label);
  EXPECT_EQ(before->servers[0].label, unknown->servers[0].label);
  EXPECT_NE(before->servers[0], after->servers[0]);
}

TEST(discovery_test, the_largest_version) {
  EXPECT_EQ(parse_cluster("18446744073709551615\na||1")->version, UINT64_MAX);
  EXPECT_EQ(parse_cluster("0\na||1")->version, 0u);
}

TEST(discovery_test, refuses_what_is_no_configuration_and_names_the_culprit) {
  const std::string long_host(254, 'h');
  for (const bad_input& row : std::initializer_list<bad_input>{
           {"", "version \"\" is not a number"},
           {"\n", "version \"\""},
           {"a||1", "version \"a||1\""},
           {"a||1\n", "version \"a||1\""},
           {"-1\na||1", "version \"-1\""},
           {"+1\na||1", "version \"+1\""},
           {" 1\na||1", "version \" 1\""},
           {"1 \na||1", "version \"1 \""},
           {"1.0\na||1", "version \"1.0\""},
           {"0x1\na||1", "version \"0x1\""},
           {"18446744073709551616\na||1", "version \"18446744073709551616\""},
           {"\x01\xff\na||1", "version \"\\x01\\xff\""},
           {"7", "version 7 has no nodes"},
           {"7\n", "version 7 has no nodes"},
           {"7\n\n\n", "version 7 has no nodes"},
           {"7\n   \n", "version 7 has no nodes"},
           {"1\na", "node \"a\" is not host|ip|port"},
           {"1\na|1", "node \"a|1\" is not"},
           {"1\na|b|1|2", "node \"a|b|1|2\" is not"},
           {"1\na||1,b||1", "node \"a||1,b||1\" is not"},
           {"1\na||1\tb||1", "is not host|ip|port"},
           {"1\n||1", "the host is empty, in node \"||1\""},
           {"1\n|x|1", "the host is empty"},
           {"1\na b||1", "node \"a\""},
           {"1\na_/||1", "holds \"/\""},
           {"1\n10.0.0.256||1", "not a valid IPv4 address"},
           {"1\nbad/|10.0.0.1|1", "holds \"/\""},
           {"1\na\x01||1", "host \"a\\x01\""},
           {"1\n" + long_host + "||1", "longer than 253 bytes"},
           {"1\na||", "port \"\" in node \"a||\""},
           {"1\na||0", "port \"0\""},
           {"1\na||65536", "port \"65536\""},
           {"1\na||-1", "port \"-1\""},
           {"1\na||99999999999999999999", "port \"99999999999999999999\""},
           {"1\na||11211x", "port \"11211x\""},
           {"1\na||1\rb||2", "is not host|ip|port"},
           {"1\na||1\nb||2\n", "there is \"b||2\\x0a\" behind the nodes"},
           {"1\na||1\n\nEND\n", "there is \"END\\x0a\" behind"}})
    expect_refused(row, parse_cluster(row.input));
}

TEST(discovery_test, a_zero_byte_is_no_end) {
  using namespace std::string_literals;
  expect_refused({"zero", "version \"1\\x00\""}, parse_cluster("1\0\na||1"s));
  expect_refused({"zero", "port \"1\\x00\""}, parse_cluster("1\na||1\0"s));
  expect_refused({"zero", "behind the nodes"}, parse_cluster("1\na||1\n\0"s));
}

TEST(discovery_test, the_number_of_nodes_is_bounded) {
  std::string body = "1\n";
  for (int i = 0; i < 1'000; ++i) body += "h" + std::to_string(i) + "||11211 ";
  EXPECT_EQ(parse_cluster(body)->servers.size(), 1'000u);
  expect_refused({"1001", "more than 1000 nodes"}, parse_cluster(body + "one||11211"));
}

// Half of an answer is refused, or is one that ends in a number and lost a digit: it never names a
// host that was not said.
TEST(discovery_test, cut_at_every_byte) {
  const std::string body = "12\nalpha|10.0.0.1|11211 beta||11212\n\r\n";
  for (std::size_t n = 0; n < body.size(); ++n) {
    const auto c = parse_cluster(std::string_view(body).substr(0, n));
    if (!c) continue;
    EXPECT_EQ(c->version, 12u) << n;
    for (const server_address& s : c->servers)
      EXPECT_TRUE(s.host == "10.0.0.1" || s.host == "beta") << n;
  }
}

}  // namespace
}  // namespace memcxx
