// What must hold for every parser and every input: views lie in the input, sizes are bounded, and
// an answer does not depend on the bytes behind it nor appear before its bytes are there.
// Never here: anything of a single protocol.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <string_view>

#include <memcxx/protocol/response.hpp>

namespace memcxx::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline bool lies_in(std::string_view part, std::string_view all) {
  const std::less_equal<const char*> before;
  return part.empty() || (before(all.data(), part.data()) &&
                          before(part.data() + part.size(), all.data() + all.size()));
}

inline void parse_any(protocol::parsed (*parse)(std::string_view, protocol::response&) noexcept,
                      const unsigned char* data, std::size_t size) {
  using outcome = protocol::parsed::outcome;
  constexpr std::size_t longest_head = 24 + 8192;
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  protocol::response r;
  const protocol::parsed p = parse(in, r);
  switch (p.what) {
    case outcome::need_more:
      require(size < longest_head);
      return;
    case outcome::malformed:
      require(!p.why.empty());
      return;
    case outcome::reply:
      break;
  }
  require(p.head_size > 0 && p.head_size <= size && p.head_size <= longest_head);
  require(p.body_size <= 0xffffffffU);
  require(p.trailer == 0 || p.trailer == 2);
  const std::string_view head = in.substr(0, p.head_size);
  require(lies_in(r.key, head) && lies_in(r.value, head));
  const bool refused = p.kind == protocol::reply_kind::refused;
  const bool error = p.kind == protocol::reply_kind::error;
  const bool odd_flags = r.status == errc::unknown_flags && !refused && !error;
  require((r.status == errc::ok) == !(refused || error || odd_flags));
  require(!(error || odd_flags) || !r.text.empty());

  protocol::response again;
  const protocol::parsed same = parse(head, again);
  require(same.what == outcome::reply && same.kind == p.kind && same.head_size == p.head_size &&
          same.body_size == p.body_size && again.status == r.status && again.cas == r.cas &&
          again.number == r.number && again.key == r.key);
  for (std::size_t n = 0; n < head.size(); ++n)
    require(parse(head.substr(0, n), again).what == outcome::need_more);
}

}  // namespace memcxx::fuzz
