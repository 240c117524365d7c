// What dialects have in common when they write: the checks that a value's bytes are of their kind,
// and the ways in which a value becomes bytes.
// Never here: flags, compression, reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <memcxx/error.hpp>
#include <memcxx/value.hpp>

#include "codec/dialects.hpp"
#include "codec/document.hpp"

namespace memcxx::codecs {

// Without the blanks at its ends. The server pads a counter that has become shorter.
std::string_view trimmed(std::string_view bytes) noexcept;

bool is_boolean(std::string_view bytes) noexcept;  // "1" or "0"

// Whether the bytes are what their kind says; kinds with a format of their own are not looked into.
// Errors: wrong_type.
result<void> check(const value_view& v);

// The bytes as they are.
written verbatim(const value_view& v, std::uint32_t flags) noexcept;
// An integer as its decimal text, never compressed. Errors: wrong_type over `most_digits`.
result<written> as_decimal(const value_view& v, std::uint32_t flags,
                           std::size_t most_digits = SIZE_MAX);

using writer = result<void> (*)(const document& d, std::string& out);
// Taken apart, and written in the dialect's format. Errors: the writer's; those of to_document.
result<written> as_document(const value_view& v, std::uint32_t flags, writer write,
                            std::string& storage);

}  // namespace memcxx::codecs
