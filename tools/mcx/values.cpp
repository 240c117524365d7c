// The forms of --as, read and written. Never here: JSON and MessagePack themselves, which are the
// library's.
#include "values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

#include <memcxx/codec.hpp>

#include "input.hpp"
#include "text.hpp"

namespace mcx {

namespace {

using memcxx::errc;
using memcxx::error;
using memcxx::result;
using memcxx::value;
using memcxx::value_kind;
using std::string;
using std::string_view;

std::unexpected<error> invalid(string message) {
  return std::unexpected(error(errc::invalid_argument, std::move(message)));
}

template <class Form>
struct named {
  string_view name;
  Form form;
};
constexpr std::array<named<read_form>, 4> read_forms{{{"text", read_form::text},
                                                      {"json", read_form::json},
                                                      {"msgpack", read_form::msgpack},
                                                      {"hex", read_form::hex}}};
constexpr std::array<named<write_form>, 7> write_forms{{{"text", write_form::text},
                                                        {"int", write_form::integer},
                                                        {"float", write_form::floating},
                                                        {"bool", write_form::boolean},
                                                        {"json", write_form::json},
                                                        {"msgpack", write_form::msgpack},
                                                        {"bytes", write_form::bytes}}};

template <class Table>
auto form_named(const Table& table, string_view name) -> result<decltype(table[0].form)> {
  string known;
  for (const auto& [known_name, form] : table) {
    if (name == known_name) return form;
    known += (known.empty() ? "" : ", ") + string(known_name);
  }
  return invalid("--as " + in_quotes(name) + " is none of " + known);
}

// What the shell's own tools leave around a word.
string_view without_blanks(string_view s) {
  constexpr string_view blanks = " \t\r\n";
  const std::size_t first = s.find_first_not_of(blanks);
  if (first == string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(blanks) - first + 1);
}

// The canonical form of a decimal number of any length: no zeros in front, no "-0".
std::optional<string> integer_of(string_view s) {
  const bool negative = s.starts_with('-');
  string_view digits = s.substr(negative ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != string_view::npos) return {};
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return (negative && digits != "0" ? "-" : "") + string(digits);
}

std::optional<double> floating_of(string_view s) {
  double number = 0;
  const auto [end, wrong] = std::from_chars(s.data(), s.data() + s.size(), number);
  if (s.empty() || wrong != std::errc{} || end != s.data() + s.size()) return {};
  return number;
}

std::optional<bool> boolean_of(string_view s) {
  if (s == "true" || s == "1") return true;
  if (s == "false" || s == "0") return false;
  return {};
}

// JSON without the blanks between its tokens. It has been checked.
string compact(string json) {
  bool quoted = false;
  bool escaped = false;
  std::erase_if(json, [&](char c) {
    if (!quoted) {
      quoted = c == '"';
      return c == ' ' || c == '\t' || c == '\r' || c == '\n';
    }
    if (c == '"' && !escaped) quoted = false;
    escaped = c == '\\' && !escaped;
    return false;
  });
  return json;
}

result<string> compact_json(const memcxx::value_view& v) {
  auto json = memcxx::to_json(v);
  if (json && v.kind == value_kind::json) return compact(*std::move(json));
  return json;
}

// What JSON notation stands for: a scalar, or JSON for what has structure. That it is wrong is the
// caller's fault here, not a stored value's.
result<value> of_json(string_view operand) {
  auto parsed = memcxx::from_json(operand);
  if (parsed && parsed->kind != value_kind::msgpack) return parsed;
  // Sound JSON may hold what MessagePack has no form for; whether the dialect has one, it knows.
  if (parsed || parsed.error() == errc::wrong_type) return value{value_kind::json, string(operand)};
  return invalid("VALUE is no JSON: " + string(parsed.error().message()));
}

}  // namespace

std::vector<string> dialect_names() {
  std::vector<string> names;
  for (auto i = 0; i <= static_cast<int>(memcxx::dialect::dalli); ++i)
    names.emplace_back(memcxx::name_of(static_cast<memcxx::dialect>(i)));
  return names;
}

result<memcxx::dialect> read_dialect(string_view name) {
  if (const auto found = memcxx::dialect_named(name)) return *found;
  string known;
  for (const string& one : dialect_names()) known += (known.empty() ? "" : ", ") + one;
  return invalid("dialect " + in_quotes(name) + " is not known; known are " + known);
}

result<read_form> read_form_named(string_view name) { return form_named(read_forms, name); }

result<write_form> write_form_named(string_view name) { return form_named(write_forms, name); }

result<string> in_form(const memcxx::value_view& v, read_form form) {
  switch (form) {
    case read_form::json:
      return compact_json(v);
    case read_form::msgpack:
      return memcxx::to_msgpack(v);
    case read_form::hex:
      return in_hex(v.bytes);
    case read_form::text:
      break;
  }
  switch (v.kind) {
    case value_kind::bytes:
    case value_kind::text:
    case value_kind::floating:
      return string(v.bytes);
    case value_kind::integer:
      return string(memcxx::trimmed_integer(v));
    default:  // true, false, null and whatever has structure
      return compact_json(v);
  }
}

result<value> from_operand(string operand, write_form form, memcxx::dialect to) {
  if (form == write_form::bytes) return value{value_kind::bytes, std::move(operand)};
  if (form == write_form::text) {
    if (is_utf8(operand)) return value{value_kind::text, std::move(operand)};
    return invalid("VALUE is no UTF-8 text; --as bytes stores it as it is");
  }
  const string_view word = without_blanks(operand);
  const auto is_no = [word](string_view what) {
    return invalid("VALUE " + in_quotes(word) + " is no " + string(what));
  };
  switch (form) {
    case write_form::integer: {
      auto digits = integer_of(word);
      if (!digits) return is_no("decimal number");
      return value{value_kind::integer, *std::move(digits)};
    }
    case write_form::floating: {
      const auto number = floating_of(word);
      if (!number) return is_no("number that a double holds");
      string scratch;
      const string_view shortest = memcxx::encode_floating(*number, scratch);
      return value{value_kind::floating, string(shortest)};
    }
    case write_form::boolean: {
      const auto truth = boolean_of(word);
      if (!truth) return is_no("truth value as true, false, 1 or 0");
      return value{value_kind::boolean, *truth ? "1" : "0"};
    }
    default:
      break;
  }
  auto parsed = of_json(word);
  if (!parsed) return parsed;
  if (form == write_form::json)
    return to == memcxx::dialect::native ? value{value_kind::json, string(word)} : *parsed;
  auto packed = memcxx::to_msgpack(*parsed);
  if (!packed) return std::unexpected(packed.error());
  return value{value_kind::msgpack, *std::move(packed)};
}

}  // namespace mcx
