// Values of other clients: one client for each dialect over the same servers, what they make of
// each other's values, and a pickle that only Python can read.
#include <cstdlib>
#include <iostream>
#include <string>

#include <memcxx/client.hpp>

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

  // [dialect]
  memcxx::client django(servers + "?dialect=pymemcache&distribution=pymemcache");
  django.set("views", 7).value();                            // as pymemcache: flags 2, "7"
  django.set("title", memcxx::text{"Grüße"}).value();        // flags 16, UTF-8
  django.set("ratio", 1.5).value();                          // flags 1, a pickle that Python reads
  std::cout << django.get<double>("ratio").value() << '\n';  // and so does this

  memcxx::client native(servers + "?distribution=pymemcache");
  auto misread = native.get<int>("views");  // errc::unknown_flags, and never a 7
  std::cout << misread.error() << '\n';
  auto raw = misread.error().item();  // {.flags = 2, .bytes = "7"}
  // [end]
  expect(raw && raw->flags == 2 && raw->bytes == "7", "the error carries the item");

  // [opaque]
  // What a class pickles to: it is not run. Its bytes are there for those who want them.
  django
      .set("object",
           "\x80\x02"
           "cdatetime\ndate\n.",
           {.flags = 1})
      .value();
  auto object = django.get<memcxx::value>("object");          // errc::wrong_type
  auto bytes = django.get<memcxx::opaque>("object").value();  // {value_kind::pickle, "\x80\x02…"}
  // [end]
  expect(object.error() == memcxx::errc::wrong_type, "a pickle that names a class is not read");
  std::cout << memcxx::name_of(bytes.kind) << ", " << bytes.bytes.size() << " bytes\n";
}
