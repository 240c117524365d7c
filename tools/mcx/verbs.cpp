// From the name of a verb to the function that runs it.
// Never here: what a verb does.
#include "verbs.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace mcx {

void run_verb(const run& r) {
  using entry = std::pair<std::string_view, void (*)(const run&)>;
  static constexpr std::array<entry, 20> verbs{{
      {"get", get},
      {"gat", gat},
      {"set", store},
      {"add", store},
      {"replace", store},
      {"append", store},
      {"prepend", store},
      {"cas", store},
      {"delete", remove},
      {"touch", touch},
      {"incr", count},
      {"decr", count},
      {"debug", debug},
      {"flush", flush},
      {"stats", stats},
      {"version", version},
      {"verbosity", verbosity},
      {"ping", ping},
      {"which", which},
      {"ring", ring},
  }};
  const auto* found = std::ranges::find(verbs, std::string_view(r.given.verb), &entry::first);
  if (found == verbs.end())
    r.out.failed({memcxx::errc::invalid_argument, "there is no verb \"" + r.given.verb + "\""});
  else
    found->second(r);
}

}  // namespace mcx
