// Typed values: numbers, text, optionals, structures, a type of one's own; compressed, long, and
// computed once.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <memcxx/client.hpp>
#include <memcxx/json.hpp>
#include <memcxx/msgpack.hpp>

using namespace std::chrono_literals;

// [struct]
struct user {
  std::string name;
  std::uint32_t visits = 0;
  std::vector<std::string> groups;
  MSGPACK_DEFINE_MAP(name, visits, groups)
};
// [end]

// [codec]
struct point {
  int x = 0, y = 0;
};

template <>
struct memcxx::codec<point> {
  static result<value_view> encode(const point& p, std::string& scratch) {
    scratch = std::to_string(p.x) + "," + std::to_string(p.y);
    return value_view{value_kind::text, scratch};  // bytes in `scratch`, or in `p`
  }
  static result<void> decode(const value_view& v, point& out) {
    // From the network: checked to the last byte.
    const char* const end = v.bytes.data() + v.bytes.size();
    const auto x = std::from_chars(v.bytes.data(), end, out.x);
    if (x.ec != std::errc{} || x.ptr == end || *x.ptr != ',') return wrong_type(v, "a point");
    const auto y = std::from_chars(x.ptr + 1, end, out.y);
    if (y.ec != std::errc{} || y.ptr != end) return wrong_type(v, "a point");
    return {};
  }
};
// [end]

namespace {

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "not as expected: " << what << '\n';
  std::exit(1);
}

}  // namespace

int main() {
  const char* named = std::getenv("MEMCXX_SERVERS");
  const std::string servers = named != nullptr ? named : "127.0.0.1";
  memcxx::client cache(servers);

  // [scalars]
  cache.set("answer", 42, {.ttl = 60s}).value();
  cache.set("ratio", 0.1).value();
  cache.set("nothing", std::optional<int>()).value();

  int answer = cache.get<int>("answer").value_or(0);                // 42
  double ratio = cache.get<double>("ratio").value();                // the very same 0.1
  auto nothing = cache.get<std::optional<int>>("nothing").value();  // a hit, and empty
  auto wrong = cache.get<bool>("ratio");                            // errc::wrong_type
  // [end]
  expect(answer == 42 && ratio == 0.1 && !nothing, "scalars come back");
  expect(wrong.error() == memcxx::errc::wrong_type, "a double is no bool");
  std::cout << answer << ' ' << ratio << ' ' << wrong.error() << '\n';

  // [structures]
  cache.set("user:42", user{"Ada", 3, {"staff", "ops"}}).value();
  user ada = cache.get<user>("user:42").value();

  auto kept = cache.set_many(std::map<std::string, std::vector<int>>{{"a", {1, 2}}, {"b", {3}}});
  auto lists = cache.get_many<std::vector<int>>({"a", "b", "c"});
  for (const auto& [key, list] : lists) {
    std::cout << key << ": " << (list ? std::to_string(list->size()) : list.error().what()) << '\n';
  }

  cache.set("settings", nlohmann::json{{"dark", true}}).value();
  bool dark = cache.get<nlohmann::json>("settings").value()["dark"];
  // [end]
  expect(kept.all(), "set_many");
  expect(ada.name == "Ada" && ada.groups.size() == 2 && dark, "structures come back");

  cache.set("here", point{3, 4}).value();
  expect(cache.get<point>("here").value().y == 4, "a codec of one's own");

  // [item]
  // With the attributes of its item, and stored only if nobody else was faster.
  auto item = cache.get_item<user>("user:42").value();
  ++item.value.visits;
  bool stored = cache.cas("user:42", item.value, item.cas).has_value();
  // [end]
  expect(stored, "cas with a typed value");

  // [compressed]
  memcxx::client packed(servers + "?min_compress=1024&compressor=zstd&split_over=900000");
  packed.set<std::string>("page", std::string(100'000, 'x')).value();  // a few bytes in the server
  std::string page = packed.get<std::string>("page").value();
  packed.set<std::string>("as-it-is", page, {.min_compress = 0}).value();
  // [end]
  std::cout << "stored: " << cache.get("page", {.packed = true}).value().value.size()
            << " bytes of " << page.size() << '\n';

  // [cache]
  int computed = 0;
  for (int i = 0; i < 3; ++i) {
    auto total = cache.cache("total", 60s, [&] { return ++computed; });  // memcxx::result<int>
    expect(total.value() == 1, "computed once");
  }
  // [end]
  cache.remove("total").value();

  // [into]
  char buffer[64];
  cache.set("short", "no allocation").value();
  auto view = cache.get_into("short", buffer).value();  // view.value lies in the buffer
  // [end]
  std::cout << view.value << '\n';
}
