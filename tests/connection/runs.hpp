// What tests of runs of requests share.
// Never here: a test.
#pragma once

#include "connection/script.hpp"

namespace memcxx::script {

inline request get(std::string_view key) { return {.key = key}; }
inline request set(std::string_view key, std::string_view value = "v") {
  return {.op = verb::set, .wants = want::nothing, .key = key, .value = value};
}

// Gets of these keys, of which each may stay silent when it misses.
inline script quiet_gets(std::vector<std::string> keys) {
  return [keys = std::move(keys)](talk& t) {
    for (const std::string& k : keys) t.quietly(get(t.keep(k)));
    t.fence();
  };
}

// One more get, like the last one. The key must live as long as the talk.
inline std::size_t again(talk& t, std::string_view key, std::uint32_t tag) {
  const connection::another one{.key = key, .tag = tag};
  return t.c.submit_again({&one, 1}, t.to);
}

}  // namespace memcxx::script
