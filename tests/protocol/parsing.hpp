// Helpers for parser tests: every reply is also shown split at every byte, and every view a parser
// gives must lie inside the bytes it was shown.
// Never here: anything of a single protocol.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>

#include <memcxx/protocol/request.hpp>
#include <memcxx/protocol/response.hpp>

namespace memcxx::protocol::testing {

using parser = parsed (*)(std::string_view, response&) noexcept;
using encoder = std::size_t (*)(const request&, char*) noexcept;

// Bytes in memory of exactly their size, so that a sanitizer sees a read behind the end.
class exact {
 public:
  explicit exact(std::string_view bytes)
      : memory_(std::make_unique_for_overwrite<char[]>(bytes.size())), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(memory_.get(), bytes.data(), bytes.size());
  }
  [[nodiscard]] std::string_view view() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t size_;
};

inline bool lies_in(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> before;
  return part.empty() || (before(whole.data(), part.data()) &&
                          before(part.data() + part.size(), whole.data() + whole.size()));
}

// A parsed reply and the bytes that its views point into.
struct seen {
  exact bytes;
  parsed p = {};
  response r = {};
};

inline void expect_same(const seen& a, const seen& b) {
  EXPECT_EQ(a.p.what, b.p.what);
  EXPECT_EQ(a.p.kind, b.p.kind);
  EXPECT_EQ(a.p.head_size, b.p.head_size);
  EXPECT_EQ(a.p.body_size, b.p.body_size);
  EXPECT_EQ(a.p.trailer, b.p.trailer);
  EXPECT_EQ(a.r.status, b.r.status);
  EXPECT_EQ(a.r.more, b.r.more);
  EXPECT_EQ(a.r.has_cas, b.r.has_cas);
  EXPECT_EQ(a.r.has_opaque, b.r.has_opaque);
  EXPECT_EQ(a.r.won, b.r.won);
  EXPECT_EQ(a.r.stale, b.r.stale);
  EXPECT_EQ(a.r.already_won, b.r.already_won);
  EXPECT_EQ(a.r.flags, b.r.flags);
  EXPECT_EQ(a.r.opaque, b.r.opaque);
  EXPECT_EQ(a.r.cas, b.r.cas);
  EXPECT_EQ(a.r.number, b.r.number);
  EXPECT_EQ(a.r.ttl, b.r.ttl);
  EXPECT_EQ(a.r.last_access, b.r.last_access);
  EXPECT_EQ(a.r.hit_before, b.r.hit_before);
  EXPECT_EQ(a.r.size, b.r.size);
  EXPECT_EQ(a.r.key, b.r.key);
  EXPECT_EQ(a.r.value, b.r.value);
  EXPECT_EQ(a.r.text, b.r.text);
}

// Parses `bytes`, which are one whole head (for a value: without the value), as they are, split at
// every byte, and with other bytes behind them. Every proper prefix must ask for more.
inline seen parse_whole(parser parse, std::string_view bytes) {
  seen whole{.bytes = exact(bytes)};
  whole.r.key = "left over";  // a parser sets every field
  whole.r.number = 99;
  whole.r.more = true;
  whole.p = parse(whole.bytes.view(), whole.r);
  EXPECT_EQ(whole.p.what, parsed::outcome::reply) << bytes << ": " << whole.p.why;
  EXPECT_EQ(whole.p.head_size, bytes.size()) << bytes;
  EXPECT_TRUE(lies_in(whole.r.key, whole.bytes.view()));
  EXPECT_TRUE(lies_in(whole.r.value, whole.bytes.view()));

  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const exact prefix(bytes.substr(0, n));
    response r;
    const parsed p = parse(prefix.view(), r);
    EXPECT_EQ(p.what, parsed::outcome::need_more) << n << " bytes of " << bytes << ": " << p.why;
  }
  using namespace std::string_view_literals;
  for (const std::string_view behind :
       {"\r\n"sv, "x"sv, "END\r\n"sv, " 1"sv, "9"sv, "\n"sv, "\0"sv, "\x81"sv}) {
    seen longer{.bytes = exact(std::string(bytes).append(behind))};
    longer.p = parse(longer.bytes.view(), longer.r);
    expect_same(whole, longer);
  }
  return whole;
}

// The bytes are refused, and say why.
inline void expect_malformed(parser parse, std::string_view bytes) {
  const exact copy(bytes);
  response r;
  const parsed p = parse(copy.view(), r);
  EXPECT_EQ(p.what, parsed::outcome::malformed) << bytes;
  EXPECT_FALSE(p.why.empty()) << bytes;
}

inline parsed::outcome outcome_of(parser parse, std::string_view bytes) {
  const exact copy(bytes);
  response r;
  return parse(copy.view(), r).what;
}

// The bytes of a request, written into memory that ends where the promised room ends.
inline std::string encoded(encoder encode, const request& r, std::size_t room = 512) {
  const std::unique_ptr<char[]> out = std::make_unique<char[]>(room);
  const std::size_t n = encode(r, out.get());
  EXPECT_LE(n, room);
  return {out.get(), n};
}

}  // namespace memcxx::protocol::testing
