// Which servers parse_uri and parse_server take, and how they refuse the rest.
// Never here: sockets; every name stays a name.
#include <gtest/gtest.h>
#include <initializer_list>
#include <string>
#include <string_view>

#include <memcxx/options.hpp>

#include "support.hpp"

namespace memcxx {
namespace {

// --- servers ------------------------------------------------------------------------------------

struct good_list {
  string_view uri;
  string_view servers;
};

void expect_all_read(std::initializer_list<good_list> table) {
  for (const good_list& row : table) {
    SCOPED_TRACE(row.uri);
    const auto o = parse_uri(row.uri);
    ASSERT_TRUE(o) << o.error();
    EXPECT_EQ(names(*o), row.servers);
  }
}

const string host_253 =
    string(63, 'a') + "." + string(63, 'b') + "." + string(63, 'c') + "." + string(61, 'd');
const string list_253 = host_253 + ":11211";
const string path_107 = "/" + string(106, 'p');
const string unix_107 = "unix:" + path_107;

TEST(good_servers, lists) {
  expect_all_read({{"127.0.0.1", "127.0.0.1:11211"},
                   {"localhost:1", "localhost:1"},
                   {"a:65535", "a:65535"},
                   {"a:0080", "a:80"},
                   {"a:11211 b:11212", "a:11211 b:11212"},
                   {"a,b", "a:11211 b:11211"},
                   {"a, b  c ,d", "a:11211 b:11211 c:11211 d:11211"},
                   {" a ", "a:11211"},
                   {"a,b*2,[::1]:11212", "a:11211 b:11211*2 [::1]:11212"},
                   {"a:1*65535", "a:1*65535"},
                   {"a*1", "a:11211"},
                   {"under_score.example-1.com.", "under_score.example-1.com.:11211"},
                   {host_253, list_253},
                   {"3com.example", "3com.example:11211"}});
}

TEST(good_servers, ipv6) {
  expect_all_read({{"[::1]", "[::1]:11211"},
                   {"[::1]:1", "[::1]:1"},
                   {"[::1]:1*3", "[::1]:1*3"},
                   {"::1", "[::1]:11211"},
                   {"::", "[::]:11211"},
                   {"2001:db8::1", "[2001:db8::1]:11211"},
                   {"::1*2", "[::1]:11211*2"},
                   {"[::ffff:10.0.0.1]:9", "[::ffff:10.0.0.1]:9"},
                   {"[fe80::1%eth0]:1", "[fe80::1%eth0]:1"},
                   {"[fe80::1%25eth0]:1", "[fe80::1%eth0]:1"},
                   {"inet6:[::1]:11211", "[::1]:11211"},
                   {"inet6:[::1]", "[::1]:11211"},
                   {"inet6:::1", "[::1]:11211"}});
}

TEST(good_servers, uris) {
  expect_all_read({{"memcached://a", "a:11211"},
                   {"memcached://a/", "a:11211"},
                   {"memcached://a,b*2/?timeout=250ms&distribution=ketama", "a:11211 b:11211*2"},
                   {"memcached://a?timeout=250ms", "a:11211"},
                   {"a:1/?timeout=250ms", "a:1"},
                   {"a?", "a:11211"},
                   {"a?timeout=1s&", "a:11211"},
                   {"memcached://a/ memcached://b:2/", "a:11211 b:2"},
                   {"memcached://a,unix:/s", "a:11211 unix:/s"},
                   {"inet:a:1", "a:1"},
                   {"inet:a:1 inet:b", "a:1 b:11211"},
                   {"inet://a:1,b", "a:1 b:11211"},
                   {"inet6://[::1]:5", "[::1]:5"}});
}

TEST(good_servers, unix_sockets) {
  expect_all_read({{"unix:/run/memcached.sock", "unix:/run/memcached.sock"},
                   {"unix:/s*4", "unix:/s*4"},
                   {"unix:///s", "unix:/s"},
                   {"unix:///s,/t", "unix:/s unix:/t"},
                   {"/run/s", "unix:/run/s"},
                   {"unix:s", "unix:unix:s"},
                   {"unix:/s unix:/t", "unix:/s unix:/t"},
                   {"unix:/a%20b%2Cc%3fd", "unix:/a%20b%2Cc%3Fd"},
                   {"unix:/run/mc@1.sock", "unix:/run/mc@1.sock"},
                   {"unix:/s?timeout=1s", "unix:/s"},
                   {unix_107, unix_107}});
}

TEST(good_servers, memory) {
  expect_all_read({{"memory://", "memory://"},
                   {"memory:///", "memory://"},
                   {"memory://?memory_limit=1MiB", "memory://"},
                   {"memory://a,b", "memory://a memory://b"},
                   {"memory://a,b*7/", "memory://a memory://b*7"},
                   {"memory://a:1,a:2", "memory://a:1 memory://a:2"},
                   {"memory://a%2Fb", "memory://a/b"},
                   {"memory://a b", "memory://a memory://b"}});
}

TEST(uri, memory_without_a_name_is_one_server) {
  const auto o = parse_uri("memory://");
  ASSERT_TRUE(o) << o.error();
  ASSERT_EQ(o->servers.size(), 1U);
  EXPECT_EQ(o->servers[0].scheme, "memory");
  EXPECT_EQ(o->servers[0].host, "");
}

// Label and zone of the only server of a list.
void expect_marked(string_view uri, string_view name, string_view label, string_view zone) {
  SCOPED_TRACE(uri);
  const auto o = parse_uri(uri);
  ASSERT_TRUE(o) << o.error();
  ASSERT_EQ(o->servers.size(), 1U);
  EXPECT_EQ(names(*o), name);
  EXPECT_EQ(o->servers[0].label, label);
  EXPECT_EQ(o->servers[0].zone, zone);
}

TEST(good_servers, labels_and_zones) {
  expect_marked("a;label=x", "a:11211", "x", "");
  expect_marked("a:1*3;label=x;zone=east", "a:1*3", "x", "east");
  expect_marked("a;zone=east;label=x", "a:11211", "x", "east");
  expect_marked("[::1]:2;label=x", "[::1]:2", "x", "");
  expect_marked("::1;zone=z", "[::1]:11211", "", "z");
  expect_marked("unix:/s*2;label=x", "unix:/s*2", "x", "");
  expect_marked("/s;label=x", "unix:/s", "x", "");
  expect_marked("memory://m;label=x", "memory://m", "x", "");
  expect_marked("memory://;label=x", "memory://", "x", "");
  expect_marked("inet:a:1;label=x", "a:1", "x", "");
  expect_marked("memcached://a;label=x/?timeout=1s", "a:11211", "x", "");
  expect_marked("a;label=cache-1/10.0.0.1:11211", "a:11211", "cache-1/10.0.0.1:11211", "");
  expect_marked("a;label=x://y", "a:11211", "x://y", "");
  expect_marked("a;label=k=v", "a:11211", "k=v", "");
  expect_marked("a;label=%2A%3b%2c%3F%25%2f", "a:11211", "*;,?%/", "");
  expect_marked("a;label=%c3%a9", "a:11211", "\xc3\xa9", "");
  const auto two = parse_uri("a*2;label=x,b;label=y b:2;zone=z");
  ASSERT_TRUE(two) << two.error();
  EXPECT_EQ(names(*two), "a:11211*2 b:11211 b:2");
  EXPECT_EQ(two->servers[1].label, "y");
  EXPECT_EQ(two->servers[2].zone, "z");
}

TEST(bad_uris, labels_and_zones) {
  expect_all_refused(
      {{"a;", "attribute \"\" in \"a;\" is not known; known are label, zone"},
       {"a;;label=x", "attribute \"\""},
       {"a;weight=2", "attribute \"weight\""},
       {"a;Label=x", "attribute \"Label\""},
       {"a;label", "the label in \"a;label\" is empty"},
       {"a;label=", "the label in"},
       {"a;zone=", "the zone in"},
       {"a;label=x;label=y", "the label in \"a;label=x;label=y\" is given twice"},
       {"a;zone=x;zone=x", "the zone in"},
       {"a;label=x*2", "a weight stands before the first \";\""},
       {"a;label=%4", "without two hexadecimal digits"},
       {"a;label=x%20y", "label \"x y\" of \"a:11211\" holds a space or a control byte"},
       {"a;zone=%0a", "zone \"\\x0a\" of \"a:11211\""},
       {"a;label=" + string(251, 'x'), "is longer than 250 bytes"},
       {"a;label=x,b;label=x", "label \"x\" belongs to two servers"},
       {"a,b;label=a:11211", "label \"a:11211\" belongs to two servers"},
       {"a;label=x,a;label=y", "\"a:11211\" is listed twice"},
       {"a;zone=x,a;zone=y", "\"a:11211\" is listed twice"},
       {";label=x", "host is empty"},
       {"memcached://;label=x", "host is empty"},
       {"a:1;label=x:2;", "attribute \"\""}});
}

TEST(bad_uris, hosts) {
  expect_all_refused({{"", "no server in \"\""},
                      {"   ", "no server in \"   \""},
                      {"?timeout=1s", "no server in \"\""},
                      {"memcached://", "no server in \"memcached://\""},
                      {"memcached:///", "is empty"},
                      {",", "no server"},
                      {"a,,b", "server 2 of \"a,,b\" is empty"},
                      {"a,", "server 2 of \"a,\" is empty"},
                      {",a", "server 1 of \",a\" is empty"},
                      {":11211", "host is empty, in \":11211\""},
                      {"*2", "host is empty"},
                      {"a\tb", "\"a\\x09b\" holds a control byte"},
                      {string("a\0b", 3), "\"a\\x00b\" holds a control byte"},
                      {"a\nb", "control byte"},
                      {"a\x7f", "control byte"},
                      {"b\xc3\xbc"
                       "cher",
                       "host \"b\\xc3\\xbccher\" holds \"\\xc3\""},
                      {"a!b", "host \"a!b\" holds \"!\""},
                      {"a%41", "holds \"%\""},
                      {"a/b", "holds \"/\""},
                      {"memcached://a/b", "holds \"/\""},
                      {"a..b", "host \"a..b\" has an empty part"},
                      {".", "empty part"},
                      {"-a", "begins with \"-\""},
                      {host_253 + "d", "longer than 253 bytes"},
                      {string(64, 'a'), "longer than 63 bytes"},
                      {"256.0.0.1", "host \"256.0.0.1\" is not a valid IPv4 address"},
                      {"1.2.3", "not a valid IPv4"},
                      {"11211", "not a valid IPv4"}});
}

TEST(bad_uris, ports_and_weights) {
  expect_all_refused({{"a:70000", "port \"70000\" in \"a:70000\" is not between 1 and 65535"},
                      {"a:0", "port \"0\" in \"a:0\""},
                      {"a:65536", "port \"65536\""},
                      {"a:", "port \"\" in \"a:\""},
                      {"a:http", "port \"http\""},
                      {"a:-1", "port \"-1\""},
                      {"a:+1", "port \"+1\""},
                      {"a:1x", "port \"1x\""},
                      {"a:0x10", "port \"0x10\""},
                      {"a:18446744073709551617", "port \"18446744073709551617\""},
                      {"b a:70000", "in \"a:70000\""},
                      {"a*0", "weight \"0\" in \"a*0\" is not between 1 and 65535"},
                      {"a*-1", "weight \"-1\""},
                      {"a*65536", "weight \"65536\""},
                      {"a*99999999999999999999", "weight"},
                      {"a*", "weight \"\""},
                      {"a*x", "weight \"x\""},
                      {"a*2*3", "holds \"*\""},
                      {"unix:/s*0", "weight \"0\""},
                      {"memory://a*0", "weight \"0\""}});
}

TEST(bad_uris, ipv6) {
  expect_all_refused({{"::1:99999", "IPv6 address with a port is written [::1]:11211"},
                      {"a:1:2", "\"a:1:2\" has more than one \":\""},
                      {"[::1", "\"[\" without a \"]\""},
                      {"[::1]11211", "\"11211\" in \"[::1]11211\""},
                      {"[::1]:", "port \"\""},
                      {"[::1]:0", "port \"0\""},
                      {"[]:1", "\"\" in \"[]:1\" is not a valid IPv6 address"},
                      {"[a]:1", "\"a\" in \"[a]:1\""},
                      {"[127.0.0.1]:1", "not a valid IPv6"},
                      {"[::1%]:1", "not a valid IPv6"},
                      {"[fe80::1%a/b]", "IPv6"},
                      {"::g", "more than one \":\""},
                      {"inet6:127.0.0.1:1", "is not an IPv6 address"},
                      {"inet:[::1]:1", "is an IPv6 address"}});
}

TEST(bad_uris, duplicates) {
  expect_all_refused({{"a,a", "\"a:11211\" is listed twice"},
                      {"a a:11211", "\"a:11211\" is listed twice"},
                      {"a A", "\"A:11211\" is listed twice"},
                      {"a a.", "listed twice"},
                      {"a a*2", "listed twice"},
                      {"::1 [0:0::1]", "listed twice"},
                      {"unix:/s unix:/s", "\"/s\" is listed twice"},
                      {"memory://a,a", "\"memory://a\" is listed twice"}});
}

TEST(bad_uris, unix_sockets) {
  expect_all_refused({{"unix:", "path of the unix socket is empty"},
                      {"unix:/", "path of the unix socket is empty"},
                      {"unix://s", "names a host"},
                      {"a,unix://s/t", "names a host"},
                      {"unix:/a%zz", "without two hexadecimal digits"},
                      {"unix:/a%2", "without two hexadecimal digits"},
                      {"unix:/a%00b", "path \"/a\\x00b\" holds a control byte"},
                      {unix_107 + "p", "longer than 107 bytes"}});
}

TEST(bad_uris, schemes) {
  expect_all_refused(
      {{"redis://a",
        "scheme \"redis\" is not known; known are memcached, unix, inet, inet6, memory"},
       {"a,redis://b", "scheme \"redis\""},
       {"://a", "scheme \"\" is malformed"},
       {"memory://a%4", "without two hexadecimal digits"},
       {"memory://a%01", "holds a control byte"},
       {"memory://" + string(254, 'a'), "longer than 253 bytes"},
       {"memcacheds://a", "TLS", errc::not_supported},
       {"a,memcacheds://b", "TLS", errc::not_supported},
       {"memcacheds://u:secret@a", "TLS", errc::not_supported}});
}

struct secret_uri {
  string uri;
  errc code;
};

void expect_kept_secret(std::initializer_list<secret_uri> table) {
  for (const auto& [uri, code] : table) {
    for (const error& failed : {error_in(parse_uri(uri)), error_in(parse_server(uri))}) {
      EXPECT_EQ(failed.code(), code) << failed;
      EXPECT_EQ(failed.what().find("secret"), string::npos) << failed;
      if (failed.code() == errc::not_supported) {
        EXPECT_NE(failed.message().find("authentication"), string::npos) << failed;
      }
    }
  }
}

TEST(credentials, passwords) {
  expect_kept_secret({{"memcached://u:secret@a", errc::not_supported},
                      {"u:secret@a:1", errc::not_supported},
                      {"memcached://u:secret@a:70000", errc::not_supported},
                      {"memcached://u%40:secret%40@a", errc::not_supported},
                      {"memcached://:secret@a", errc::not_supported},
                      {"memory://u:secret@a", errc::not_supported},
                      {"redis://u:secret@a", errc::invalid_argument},
                      {"memcached://u:secret\x01@a", errc::invalid_argument},
                      {"memcached://u:/secret@a", errc::not_supported},
                      {"memcached://u:;label=secret@a", errc::not_supported},
                      {"memcached://u:secret;x@a", errc::not_supported}});
}

TEST(bad_uris, passwords_in_the_wrong_place) {
  expect_all_refused({{"memcached://u:secret,x@a", "authentication", errc::not_supported},
                      {"memcached://u:secret x@a", "authentication", errc::not_supported},
                      {"memcached://u:p?secret@a", "may belong to credentials"},
                      {"memcached://a?nonsense=1&x=@", "may belong to credentials"}});
}

// --- one server ---------------------------------------------------------------------------------

TEST(server, is_read_in_every_form) {
  EXPECT_EQ(parse_server("a").value(), network("a"));
  server_address heavy = network("a", 1);
  heavy.weight = 3;
  EXPECT_EQ(parse_server("a:1*3").value(), heavy);
  EXPECT_EQ(parse_server("[::1]:2").value(), network("::1", 2));
  EXPECT_EQ(parse_server("unix:/s").value(), unix_socket("/s"));
  EXPECT_EQ(parse_server("memory://m").value(), in_memory("m"));
  EXPECT_EQ(parse_server("memcached://a:7/").value(), network("a", 7));
  heavy.label = "x";
  heavy.zone = "y";
  EXPECT_EQ(parse_server("a:1*3;label=x;zone=y").value(), heavy);
}

void expect_read_back(const server_address& s) {
  const auto back = parse_server(s.name());
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(*back, s) << s.name();
}

TEST(server, a_name_is_read_back) {
  for (const string_view text : {"a:1", "[::1]:2", "/run/s", "memory://m", "[fe80::1%eth0]:1",
                                 "memory://", "unix:s", "/a%20b%2Cc%3Bd%2Ae%25f%3F"})
    EXPECT_EQ(parse_server(text).value().name(), text);
}

TEST(server, whatever_its_path_holds) {
  for (const string_view path :
       {"/run/s", "s", "//s", "/s/", "/", "//", "/a b", "/a;label=x", "/a*2", "/a,b", "/a%20b",
        "/a?b=c", "/a@b", "/a://b", "a://b", "unix:a", "/\xc3\xa9", "/a\\\"b"})
    expect_read_back(unix_socket(string(path)));
}

TEST(server, whatever_its_driver_calls_it) {
  for (const string_view name :
       {"", "m", "a:1", "u:p@a", "a b,c;d*2?e%f", "a/", "/", "a://b", "//"})
    expect_read_back(in_memory(string(name)));
}

TEST(bad_servers, one) {
  for (const bad_input& row : std::initializer_list<bad_input>{
           bad_input{"", "the server is empty"}, bad_input{"a b", "\"a b\" is not one server"},
           bad_input{"a,b", "\"a,b\" is not one server"},
           bad_input{"a?timeout=1s", "is not one server"},
           bad_input{"a:70000", "port \"70000\" in \"a:70000\""}, bad_input{"a\r", "control byte"},
           bad_input{"a*0", "weight \"0\""}, bad_input{"mydriver://a", "scheme \"mydriver\""},
           bad_input{"u:p@a", "authentication", errc::not_supported},
           bad_input{"memcacheds://a", "TLS", errc::not_supported}})
    expect_refused(row, parse_server(row.input));
}

TEST(server, names) {
  EXPECT_EQ(network("a").name(), "a:11211");
  EXPECT_EQ(network("::1", 1).name(), "[::1]:1");
  EXPECT_EQ(unix_socket("/run/s").name(), "/run/s");
  EXPECT_EQ(unix_socket("s").name(), "unix:s");
  EXPECT_EQ(in_memory("").name(), "memory://");
}

}  // namespace
}  // namespace memcxx
