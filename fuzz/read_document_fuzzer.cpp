// Feeds any bytes to the readers of documents: the first byte chooses the format. What can be read
// can be written in its own format, and in every format that takes it, and is the same document
// when it is read back. Never here: what a format is.
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "codec/document.hpp"

namespace {

using namespace memcxx::codecs;
using memcxx::errc;
using memcxx::result;

void require(bool holds) {
  if (!holds) std::abort();
}

// Few values, so that most of the time goes into different inputs.
constexpr limits small = {.depth = 20, .nodes = 4000, .bytes = 20'000};

using reader = result<document> (*)(std::string_view, const limits&);
constexpr reader readers[] = {read_pickle, read_marshal, read_ruby, read_msgpack, read_json};
constexpr std::size_t pickle_number = 0;
constexpr std::size_t marshal_number = 1;
constexpr std::size_t ruby_number = 2;
constexpr std::size_t msgpack_number = 3;
constexpr std::size_t json_number = 4;

template <int Protocol>
result<void> write_protocol(const document& d, std::string& out) {
  return write_pickle(d, Protocol, out);
}

struct writer {
  result<void> (*write)(const document&, std::string&);
  std::size_t reader;
};
constexpr writer writers[] = {
    {write_protocol<0>, pickle_number}, {write_protocol<2>, pickle_number},
    {write_protocol<5>, pickle_number}, {write_marshal, marshal_number},
    {write_ruby, ruby_number},          {write_msgpack, msgpack_number},
    {write_json, json_number}};

void write_and_read(const document& d, const writer& w, std::size_t came_from) {
  std::string out = "before";
  const auto ok = w.write(d, out);
  if (!ok) {
    require(out == "before" && ok.error() == errc::wrong_type && w.reader != came_from);
    return;
  }
  const auto again = readers[w.reader](std::string_view(out).substr(6), limits());
  require(again.has_value());
  // JSON has text where others have bytes, and as keys.
  if (w.reader != json_number || came_from == json_number) require(*again == d);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t number = data[0] % std::size(readers);
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto d = readers[number](in, small);
  if (!d) {
    require(d.error() == errc::corrupt_value || d.error() == errc::wrong_type);
    require(!d.error().message().empty());
    return 0;
  }
  for (const writer& w : writers) write_and_read(*d, w, number);
  std::string storage;
  const auto v = to_value(*d, storage);
  if (v) require(to_document(*v) == *d);
  return 0;
}
