// The error lines that the text protocols share (protocol.txt, "Error strings").
// Never here: a command or a reply of one protocol, allocation.
#include "text.hpp"

namespace memcxx::protocol::text {
namespace {

// What stands after the code word, or the code word when nothing does.
std::string_view words_after(std::string_view words, std::size_t code_size) noexcept {
  std::string_view rest = words.substr(code_size);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return rest.empty() ? words.substr(0, code_size) : rest;
}

// Whether the code word ends here, and is not the start of a longer one.
bool is_code(std::string_view words, std::string_view code) noexcept {
  return words.starts_with(code) && (words.size() == code.size() || words[code.size()] == ' ');
}

errc client_error(std::string_view text) noexcept {
  if (text.starts_with("cannot increment or decrement non-numeric value"))
    return errc::not_a_number;
  // A server that does not know a meta flag; memcached words it both ways.
  if (text.starts_with("invalid flag") || text.starts_with("invalid or duplicate flag"))
    return errc::not_supported;
  return errc::client_error;
}

errc server_error(std::string_view text) noexcept {
  if (text.starts_with("object too large for cache")) return errc::value_too_large;
  if (text.starts_with("out of memory") || text.starts_with("Out of memory"))
    return errc::out_of_memory;
  return errc::server_error;
}

}  // namespace

parsed no_line(line::state is) noexcept {
  switch (is) {
    case line::state::too_long:
      return malformed("a line without an end");
    case line::state::bare_newline:
      return malformed("a line that ends without \\r");
    case line::state::whole:
    case line::state::incomplete:
      break;
  }
  return {};
}

parsed unreadable(std::string_view in, std::size_t longest, std::string_view why) noexcept {
  const line l = first_line(in, longest);
  return l.is == line::state::whole ? malformed(why) : no_line(l.is);
}

bool read_error(std::string_view words, response& r) noexcept {
  constexpr std::string_view plain = "ERROR";
  constexpr std::string_view client = "CLIENT_ERROR";
  constexpr std::string_view server = "SERVER_ERROR";
  if (is_code(words, plain)) {
    r.text = words_after(words, plain.size());
    // What memcached says before it closes a connection that is one too many.
    r.status = r.text == "Too many open connections" ? errc::server_error : errc::not_supported;
  } else if (words.starts_with("ERROR:")) {
    r.text = words_after(words, plain.size() + 1);
    r.status = errc::not_supported;
  } else if (is_code(words, client)) {
    r.text = words_after(words, client.size());
    r.status = client_error(r.text);
  } else if (is_code(words, server)) {
    r.text = words_after(words, server.size());
    r.status = server_error(r.text);
  } else {
    return false;
  }
  return true;
}

}  // namespace memcxx::protocol::text
