// Structured data between formats: what JSON, MessagePack, pickle, marshal and Ruby's Marshal have
// in common. Each format reads into it and writes from it, so that there is one reader and one
// writer for each instead of one for each pair.
// Never here: flags, C++ types of users, I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <memcxx/error.hpp>
#include <memcxx/value.hpp>

namespace memcxx::codecs {

struct document;

struct text_node {
  std::string utf8;
  bool operator==(const text_node&) const = default;
};
struct bytes_node {
  std::string bytes;
  bool operator==(const bytes_node&) const = default;
};
// An integer that neither int64 nor uint64 holds: its decimal text.
struct big_integer {
  std::string digits;
  bool operator==(const big_integer&) const = default;
};
using list_node = std::vector<document>;
using map_node = std::vector<std::pair<document, document>>;  // in the order given

// Integers are std::int64_t where they fit, std::uint64_t above.
struct document {
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, big_integer, double, text_node,
               bytes_node, list_node, map_node>
      is;
  bool operator==(const document&) const;
};

// clang with libstdc++ 12 has to have seen a document end before it looks into one: whether a pair
// of documents can be made is asked of the document, which asks it of the pairs that it holds.
inline void seen_to_end() { const document d; }

// What hostile input may cost. Reading fails with corrupt_value beyond them.
struct limits {
  std::size_t depth = 100;
  std::size_t nodes = std::size_t{4} << 20;
  std::size_t bytes = std::size_t{128} << 20;  // of all texts, bytes and digits, copies counted
};

// Readers take the whole input: what follows the value is an error. Errors: corrupt_value (cut off,
// wrong, over the limits) and wrong_type (sound, but not plain data: a class, code to run), each
// with what was wrong and the byte where.
result<document> read_pickle(std::string_view in, const limits& bounds = {});   // protocols 0 to 5
result<document> read_marshal(std::string_view in, const limits& bounds = {});  // Python's, 0 to 4
result<document> read_ruby(std::string_view in, const limits& bounds = {});     // Ruby's, 4.8
result<document> read_msgpack(std::string_view in, const limits& bounds = {});
result<document> read_json(std::string_view in, const limits& bounds = {});

// Writers append. Errors: wrong_type when the format cannot hold it, with what.
result<void> write_pickle(const document& d, int protocol, std::string& out);  // 0, 2 or 5
result<void> write_marshal(const document& d, std::string& out);               // version 2
result<void> write_ruby(const document& d, std::string& out);
result<void> write_msgpack(const document& d, std::string& out);
result<void> write_json(const document& d, std::string& out);

// Between documents and canonical values. Scalars become their own kinds; lists and maps msgpack.
// The view borrows from `storage`.
result<value_view> to_value(const document& d, std::string& storage);
result<document> to_document(const value_view& v, const limits& bounds = {});

}  // namespace memcxx::codecs
