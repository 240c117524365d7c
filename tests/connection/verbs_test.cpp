// Each verb over each form of the wire: what is written, what is told, and that a break at any byte
// ends every request exactly once.
// Never here: quiet runs, hostile replies.
#include "connection/script.hpp"

namespace memcxx::script {
namespace {

struct row {
  request asked;
  std::string written;
  std::string reply;
  lines told;
  bool alone = false;  // with another get behind it the connection ends
};

void expect_rows(const connection_options& o, const std::vector<row>& rows) {
  // Each alone, in every split.
  for (const row& r : rows) {
    SCOPED_TRACE(std::string(protocol::name_of(r.asked.op)) + " answered with " + r.reply);
    talk t(o);
    t.ask(r.asked);
    if (!r.written.empty()) {
      ASSERT_EQ(t.take(), r.written);
    }
    expect(o, [&](talk& each) { each.ask(r.asked); }, r.reply, r.told);
    expect_every_break(o, [&](talk& each) { each.ask(r.asked); }, r.reply, r.told);
    if (::testing::Test::HasFailure()) return;
  }
}

// All of them in one pipeline.
void expect_pipeline(const connection_options& o, const std::vector<row>& rows,
                     const std::function<std::string(const row&, std::uint32_t)>& reply_of) {
  std::string reply;
  lines told;
  std::uint32_t tag = 0;
  for (const row& r : rows) {
    ++tag;
    reply += reply_of(r, tag);
    for (const std::string& line : r.told) {
      told.push_back(std::to_string(tag) + line.substr(line.find(':')));
    }
  }
  const script submits = [&](talk& t) {
    for (const row& r : rows) t.ask(r.asked);
  };
  expect(o, submits, reply, told);
  expect_every_break(o, submits, reply, told);
}

std::vector<row> classic_rows() {
  const request get{.key = "k"};
  const request gets{.wants = want::value | want::cas, .prefix = "p:", .key = "k"};
  return {
      {get, "get k\r\n", "VALUE k 5 5\r\nhello\r\nEND\r\n", {"1: ok =hello f5"}},
      {get, "get k\r\n", "END\r\n", {"1: miss"}},
      {get, "get k\r\n", "VALUE k 0 0\r\n\r\nEND\r\n", {"1: ok"}},
      {get, "get k\r\n", "SERVER_ERROR busy\r\n", {"1: server_error 'busy'"}, true},
      {get,
       "get k\r\n",
       "CLIENT_ERROR line too long\r\n",
       {"1: client_error 'line too long'"},
       true},
      {gets, "gets p:k\r\n", "VALUE p:k 0 2 9\r\n\r\n\r\nEND\r\n", {"1: ok =\r\n c9"}},
      {{.op = verb::gat, .ttl = 60, .key = "k"},
       "gat 60 k\r\n",
       "VALUE k 0 1\r\nx\r\nEND\r\n",
       {"1: ok =x"}},
      {{.op = verb::gat, .ttl = 60, .key = "k"}, "", "END\r\n", {"1: miss"}},
      {{.op = verb::set, .flags = 3, .ttl = 9, .key = "k", .value = "v"},
       "set k 3 9 1\r\nv\r\n",
       "STORED\r\n",
       {"1: ok"}},
      {{.op = verb::set, .key = "k"}, "set k 0 0 0\r\n\r\n", "STORED\r\n", {"1: ok"}},
      {{.op = verb::set, .key = "k", .value = "v"},
       "",
       "SERVER_ERROR object too large for cache\r\n",
       {"1: value_too_large 'object too large for cache'"}},
      {{.op = verb::set, .key = "k", .value = "v"},
       "",
       "SERVER_ERROR out of memory storing object\r\n",
       {"1: out_of_memory 'out of memory storing object'"}},
      {{.op = verb::add, .key = "k", .value = "v"},
       "add k 0 0 1\r\nv\r\n",
       "NOT_STORED\r\n",
       {"1: not_stored"}},
      {{.op = verb::replace, .key = "k", .value = "v"},
       "replace k 0 0 1\r\nv\r\n",
       "STORED\r\n",
       {"1: ok"}},
      {{.op = verb::append, .key = "k", .value = "v"},
       "append k 0 0 1\r\nv\r\n",
       "NOT_STORED\r\n",
       {"1: not_stored"}},
      {{.op = verb::prepend, .key = "k", .value = "v"},
       "prepend k 0 0 1\r\nv\r\n",
       "STORED\r\n",
       {"1: ok"}},
      {{.op = verb::cas, .key = "k", .value = "v", .cas = 7},
       "cas k 0 0 1 7\r\nv\r\n",
       "EXISTS\r\n",
       {"1: exists"}},
      {{.op = verb::cas, .key = "k", .value = "v", .cas = 7}, "", "NOT_FOUND\r\n", {"1: miss"}},
      {{.op = verb::remove, .key = "k"}, "delete k\r\n", "DELETED\r\n", {"1: ok"}},
      {{.op = verb::remove, .key = "k"}, "", "NOT_FOUND\r\n", {"1: miss"}},
      {{.op = verb::touch, .ttl = 5, .key = "k"}, "touch k 5\r\n", "TOUCHED\r\n", {"1: ok"}},
      {{.op = verb::touch, .key = "k"}, "", "NOT_FOUND\r\n", {"1: miss"}},
      {{.op = verb::touch, .key = "k"}, "", "NOT_STORED\r\n", {"1: miss"}},  // Hazelcast's word
      {{.op = verb::incr, .key = "k"}, "incr k 1\r\n", "10\r\n", {"1: ok n10"}},
      {{.op = verb::decr, .key = "k"}, "decr k 1\r\n", "9 \r\n", {"1: ok n9"}},
      {{.op = verb::incr, .key = "k"}, "", "NOT_FOUND\r\n", {"1: miss"}},
      {{.op = verb::incr, .key = "k"},
       "",
       "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
       {"1: not_a_number 'cannot increment or decrement non-numeric value'"}},
      {{.op = verb::flush}, "flush_all\r\n", "OK\r\n", {"1: ok"}},
      {{.op = verb::verbosity}, "verbosity 1\r\n", "OK\r\n", {"1: ok"}},
      {{.op = verb::version}, "version\r\n", "VERSION 1.6.18\r\n", {"1: ok '1.6.18'"}},
      {{.op = verb::ping}, "version\r\n", "VERSION 1.6.18\r\n", {"1: ok '1.6.18'"}},
      {{.op = verb::stats, .key = "items"},
       "stats items\r\n",
       "STAT a 1\r\nSTAT b two words\r\nEND\r\n",
       {"1: ok a =1 more", "1: ok b =two words more", "1: ok"}},
      {{.op = verb::stats, .key = "reset"}, "stats reset\r\n", "RESET\r\n", {"1: ok"}},
      {{.op = verb::config, .key = "cluster"},
       "config get cluster\r\n",
       "CONFIG cluster 0 8\r\n1\na||1\n\r\r\nEND\r\n",
       {"1: ok =1\na||1\n\r"}},
      {{.op = verb::config, .key = "cluster"}, "", "END\r\n", {"1: miss"}},
      // From a server that does not know it; the connection stays.
      {{.op = verb::config, .key = "cluster"}, "", "ERROR\r\n", {"1: not_supported 'ERROR'"}, true},
      {{.op = verb::stats}, "stats\r\n", "END\r\n", {"1: ok"}},
  };
}

// A get that stands behind another would join nothing: they are submitted one by one and loud.
TEST(classic_verbs, alone) { expect_rows(speaking(protocol_choice::classic), classic_rows()); }
TEST(classic_verbs, in_one_pipeline) {
  auto rows = classic_rows();
  std::erase_if(rows, [](const row& r) { return r.alone; });
  expect_pipeline(speaking(protocol_choice::classic), rows,
                  [](const row& r, std::uint32_t) { return r.reply; });
}

// "#" stands for the opaque, which the connection gives.
std::string with_opaque(std::string reply, std::uint32_t opaque) {
  const std::size_t at = reply.find('#');
  return at == std::string::npos ? reply : reply.replace(at, 1, "O" + std::to_string(opaque));
}

std::vector<row> meta_rows() {
  const request get{.key = "k"};
  const request store{.op = verb::set, .wants = want::cas, .key = "k", .value = "v"};
  return {
      {get, "mg k v f O1\r\n", "VA 5 f5 #\r\nhello\r\n", {"1: ok =hello f5"}},
      {get, "", "EN #\r\n", {"1: miss"}},
      {get, "", "EN\r\n", {"1: miss"}},  // servers before 1.6.10 leave the opaque out
      {get, "", "VA 0 #\r\n\r\n", {"1: ok"}},
      {get, "", "SERVER_ERROR busy\r\n", {"1: server_error 'busy'"}},
      {get, "", "VA 1 f0 # W X\r\nx\r\n", {"1: ok =x won stale"}},
      {{.wants = want::ttl | want::cas, .opaque = 77, .key = "k"},
       "",
       "HD c9 t-1 #\r\n",
       {"1: ok c9 O77 t-1"}},
      {{.op = verb::gat, .ttl = 9, .opaque = 78, .key = "k"},
       "",
       "VA 1 f0 #\r\nx\r\n",
       {"1: ok =x O78"}},
      {store, "ms k 1 c O1\r\nv\r\n", "HD c4 #\r\n", {"1: ok c4"}},
      {store, "", "NS #\r\n", {"1: not_stored"}},
      {store, "", "EX #\r\n", {"1: exists"}},
      {store, "", "NF #\r\n", {"1: miss"}},
      {store,
       "",
       "SERVER_ERROR out of memory storing object\r\n",
       {"1: out_of_memory 'out of memory storing object'"}},
      {{.op = verb::set, .wants = want::nothing, .key = "k"},
       "ms k 0 O1\r\n\r\n",
       "HD #\r\n",
       {"1: ok"}},
      {{.op = verb::remove, .key = "k"}, "md k O1\r\n", "HD #\r\n", {"1: ok"}},
      {{.op = verb::remove, .key = "k"}, "", "NF #\r\n", {"1: miss"}},
      {{.op = verb::touch, .ttl = 5, .key = "k"}, "mg k T5 O1\r\n", "HD #\r\n", {"1: ok"}},
      {{.op = verb::touch, .ttl = 5, .key = "k"}, "", "EN #\r\n", {"1: miss"}},
      {{.op = verb::touch, .ttl = 5, .key = "k"}, "", "EN\r\n", {"1: miss"}},
      {{.op = verb::incr, .wants = want::nothing, .key = "k"},
       "ma k v O1\r\n",
       "VA 2 #\r\n10\r\n",
       {"1: ok n10"}},
      {{.op = verb::decr, .key = "k"}, "", "VA 2 c3 #\r\n9 \r\n", {"1: ok c3 n9"}},
      {{.op = verb::incr, .key = "k"}, "", "NF #\r\n", {"1: miss"}},
      {{.op = verb::incr, .key = "k"},
       "",
       "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
       {"1: not_a_number 'cannot increment or decrement non-numeric value'"}},
      {{.op = verb::debug, .key = "k"},
       "me k\r\n",
       "ME k exp=-1 la=2\r\n",
       {"1: ok 'exp=-1 la=2'"}},
      {{.op = verb::debug, .key = "k"}, "", "EN\r\n", {"1: miss"}},
      {{.op = verb::ping}, "mn\r\n", "MN\r\n", {"1: ok"}},
      // What meta does not have is classic, behind a noop that proves its answer.
      {{.op = verb::flush}, "flush_all\r\n", "OK\r\n", {"1: ok"}},
      {{.op = verb::version}, "version\r\n", "VERSION 1\r\n", {"1: ok '1'"}},
      {{.op = verb::stats}, "stats\r\n", "STAT a 1\r\nEND\r\n", {"1: ok a =1 more", "1: ok"}},
      {{.op = verb::config, .key = "cluster"},
       "config get cluster\r\n",
       "CONFIG cluster 0 3\r\n1\nx\r\nEND\r\n",
       {"1: ok =1\nx"}},
  };
}

bool has_meta_form(const row& r) {
  return protocol::names_item(r.asked.op) || r.asked.op == verb::ping;
}

TEST(meta_verbs, alone) {
  for (const auto& o : {speaking(protocol_choice::meta), automatic_with_meta()}) {
    auto rows = meta_rows();
    for (row& r : rows) {
      r.reply = (has_meta_form(r) ? "" : "MN\r\n") + with_opaque(r.reply, 1);
      if (!has_meta_form(r)) r.written.insert(0, "mn\r\n");
    }
    expect_rows(o, rows);
  }
}

TEST(meta_verbs, in_one_pipeline) {
  for (const auto& o : {speaking(protocol_choice::meta), automatic_with_meta()}) {
    std::uint32_t opaque = 0;
    bool proven = false;  // by the one before it
    auto rows = meta_rows();
    for (row& r : rows) {
      if (has_meta_form(r)) ++opaque;
      r.reply = (has_meta_form(r) || proven ? "" : "MN\r\n") + with_opaque(r.reply, opaque);
      proven = has_meta_form(r);
    }
    expect_pipeline(o, rows, [](const row& r, std::uint32_t) { return r.reply; });
  }
}

std::vector<row> binary_rows(const std::function<std::uint32_t()>& opaque) {
  const auto plain = [&](unsigned opcode, unsigned status = 0, std::string value = {},
                         std::uint64_t cas = 0) -> std::string {
    return frame{.opcode = opcode,
                 .opaque = opaque(),
                 .status = status,
                 .value = std::move(value),
                 .cas = cas};
  };
  const auto stats = [&]() -> std::string {
    const std::uint32_t o = opaque();
    return std::string(frame{.opcode = 0x10, .opaque = o, .key = "a", .value = "1"}) +
           std::string(frame{.opcode = 0x10, .opaque = o});
  };
  const request get{.key = "k"};
  const request store{.op = verb::set, .opaque = 99, .key = "k", .value = "v"};
  return {
      {get, "", binary_hit(opaque(), "hello", 5, 7), {"1: ok =hello f5 c7"}},
      {get, "", binary_hit(opaque(), ""), {"1: ok"}},
      {get, "", plain(0, 1, "Not found"), {"1: miss"}},
      {{.op = verb::gat, .key = "k"},
       "",
       frame{.opcode = 0x1d, .opaque = opaque(), .extras = big_endian(0, 4), .value = "x"},
       {"1: ok =x"}},
      {store, "", plain(1, 0, "", 8), {"1: ok c8 O99"}},
      {store, "", plain(1, 2), {"1: exists O99"}},
      {store, "", plain(1, 3, "Too large."), {"1: value_too_large O99 'Too large.'"}},
      {{.op = verb::add, .key = "k", .value = "v"}, "", plain(2, 2), {"1: not_stored"}},
      {{.op = verb::append, .key = "k", .value = "v"}, "", plain(0x0e, 5), {"1: not_stored"}},
      {{.op = verb::remove, .key = "k"}, "", plain(4), {"1: ok"}},
      {{.op = verb::remove, .key = "k"}, "", plain(4, 1), {"1: miss"}},
      {{.op = verb::touch, .key = "k"}, "", plain(0x1c), {"1: ok"}},
      {{.op = verb::incr, .key = "k"}, "", plain(5, 0, big_endian(10, 8)), {"1: ok n10"}},
      {{.op = verb::incr, .key = "k"}, "", plain(5, 6), {"1: not_a_number 'Not a number'"}},
      {{.op = verb::flush}, "", plain(8), {"1: ok"}},
      {{.op = verb::version}, "", plain(0x0b, 0, "1.6"), {"1: ok '1.6'"}},
      {{.op = verb::ping}, "", plain(0x0a), {"1: ok"}},
      {{.op = verb::stats}, "", stats(), {"1: ok a =1 more", "1: ok"}},
  };
}

TEST(binary_verbs, alone) {
  expect_rows(speaking(protocol_choice::binary), binary_rows([] { return 1U; }));
}
TEST(binary_verbs, in_one_pipeline) {
  std::uint32_t opaque = 0;
  expect_pipeline(speaking(protocol_choice::binary), binary_rows([&] { return ++opaque; }),
                  [](const row& r, std::uint32_t) { return r.reply; });
}

TEST(verbs, what_a_protocol_cannot_carry_is_refused_and_nothing_is_written) {
  for (const auto p : {protocol_choice::classic, protocol_choice::meta, protocol_choice::binary}) {
    talk t(speaking(p));
    const std::string long_key(251, 'k');
    connection_options small = speaking(p);
    small.max_value_size = 3;
    talk limited(small);
    EXPECT_EQ(t.c.submit({.key = long_key}, t.to, 1).code, errc::invalid_key);
    EXPECT_EQ(t.c.submit({.key = ""}, t.to, 2).code, errc::invalid_key);
    EXPECT_EQ(limited.c.submit({.op = verb::set, .key = "k", .value = "four"}, t.to, 3).code,
              errc::value_too_large);
    EXPECT_EQ(t.c.submit({.op = verb::touch, .key = "k", .cas = 1}, t.to, 4).code,
              errc::not_supported);
    EXPECT_FALSE(t.c.has_output());
    EXPECT_FALSE(limited.c.has_output());
    EXPECT_EQ(t.c.in_flight(), 0u);
    EXPECT_TRUE(t.to.log.empty());
  }
}

// Only what was not written may be sent again.
TEST(verbs, a_failure_says_which_requests_were_not_written) {
  for (const auto p : {protocol_choice::classic, protocol_choice::meta, protocol_choice::binary}) {
    talk sizes(speaking(p));
    sizes.ask({.op = verb::set, .key = "a", .value = "1"});
    const std::size_t first = sizes.take().size();
    sizes.ask({.op = verb::set, .key = "b", .value = "2"});
    const std::size_t both = first + sizes.take().size();

    for (std::size_t n = 0; n <= both; ++n) {
      talk t(speaking(p));
      t.ask({.op = verb::set, .key = "a", .value = "1"});
      t.ask({.op = verb::set, .key = "b", .value = "2"});
      (void)t.c.output();
      t.c.sent(n);
      t.c.fail(errc::connection_closed, "reset");
      ASSERT_EQ(t.to.log.size(), 2u);
      EXPECT_EQ(t.to.log[0].ends_with(" unsent"), n == 0) << n;
      EXPECT_EQ(t.to.log[1].ends_with(" unsent"), n <= first) << n;
      EXPECT_FALSE(t.c.has_output());
      EXPECT_EQ(t.c.failure_text(), "reset");
      t.c.fail(errc::timeout, "later");
      t.c.closed();
      EXPECT_EQ(t.to.log.size(), 2u) << "each fails once";
      EXPECT_EQ(t.c.failure(), errc::connection_closed);
    }
  }
}

TEST(verbs, which_errors_end_a_connection) {
  for (const verb v : {verb::get, verb::set, verb::remove, verb::stats}) {
    for (const errc keeps : {errc::ok, errc::miss, errc::not_stored, errc::exists,
                             errc::not_a_number, errc::value_too_large, errc::out_of_memory,
                             errc::server_error, errc::unattributed, errc::invalid_key}) {
      EXPECT_FALSE(ends_connection(keeps, v)) << keeps;
    }
    for (const errc ends : {errc::connection_closed, errc::protocol_error, errc::timeout,
                            errc::cancelled, errc::connect_failed}) {
      EXPECT_TRUE(ends_connection(ends, v)) << ends;
    }
  }
  for (const verb v : {verb::get, verb::gat}) EXPECT_FALSE(ends_connection(errc::client_error, v));
  for (const verb v : {verb::set, verb::cas, verb::incr, verb::decr, verb::touch, verb::remove,
                       verb::flush, verb::verbosity, verb::stats, verb::version})
    EXPECT_TRUE(ends_connection(errc::client_error, v));
  EXPECT_TRUE(ends_connection(errc::not_supported, verb::set));
}

}  // namespace
}  // namespace memcxx::script
