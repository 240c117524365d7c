// What --as means: an operand becomes a typed value, a typed value becomes what is printed. And the
// names of dialects, as the command line takes them.
// Never here: calls to servers, how values lie in the server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/dialect.hpp>
#include <memcxx/error.hpp>
#include <memcxx/value.hpp>

namespace mcx {

// How a typed value is printed.
enum class read_form : std::uint8_t { text, json, msgpack, hex };

// What an operand stands for.
enum class write_form : std::uint8_t { text, integer, floating, boolean, json, msgpack, bytes };

// Of all dialects.
std::vector<std::string> dialect_names();
// Errors: invalid_argument lists the names that are known.
memcxx::result<memcxx::dialect> read_dialect(std::string_view name);
memcxx::result<read_form> read_form_named(std::string_view name);
memcxx::result<write_form> write_form_named(std::string_view name);

// The bytes that a form has for a value. Errors: wrong_type, corrupt_value.
memcxx::result<std::string> in_form(const memcxx::value_view& v, read_form form);

// The value that an operand stands for. JSON stays JSON where the dialect has that kind, and
// becomes what the dialect has for such a value where not. Errors: invalid_argument says what is
// wrong with the operand.
memcxx::result<memcxx::value> from_operand(std::string operand, write_form form,
                                           memcxx::dialect to);

}  // namespace mcx
