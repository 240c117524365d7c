// What operands and options mean: numbers, times to live, and values from standard input.
// Never here: what is done with them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <memcxx/error.hpp>
#include <memcxx/ttl.hpp>

namespace mcx {

// The bytes in double quotes, on one line: control bytes are written as \xNN, and what is longer
// than 80 bytes is cut.
std::string in_quotes(std::string_view bytes);

// A decimal number from 0 to `most`. `what` names it in the error.
memcxx::result<std::uint64_t> read_number(std::string_view what, std::string_view text,
                                          std::uint64_t most = UINT64_MAX);

// A time of more than 0 and at most a day. `what` names it in the error.
memcxx::result<std::chrono::milliseconds> read_timeout(std::string_view what,
                                                       std::string_view text);

// "0" never, "10m" a duration, "-1" at once, "@1700000000" a point in time.
memcxx::result<memcxx::ttl> read_ttl(std::string_view text);

// All of standard input, but no more than `most` bytes.
memcxx::result<std::string> read_stdin(std::size_t most);

// Standard input line by line, less the '\n' of each; stops early when `each` returns false.
memcxx::result<void> read_lines(const std::function<bool(std::string_view line)>& each);

}  // namespace mcx
