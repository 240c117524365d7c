// Numbers, times to live and standard input, read strictly: the whole text or an error.
// Never here: what is done with them, calls to servers.
#include "input.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include <memcxx/options.hpp>

namespace mcx {

namespace {

using memcxx::errc;
using memcxx::error;
using std::string;
using std::string_view;

std::unexpected<error> invalid(string message) {
  return std::unexpected(error(errc::invalid_argument, std::move(message)));
}

std::unexpected<error> stdin_failed(int code) {
  return invalid("standard input cannot be read: " + std::generic_category().message(code));
}

}  // namespace

string in_quotes(string_view bytes) {
  constexpr std::size_t longest = 80;
  constexpr string_view digits = "0123456789abcdef";
  string out = "\"";
  for (const char c : bytes.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f)
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    else
      out += c;
  }
  return out += bytes.size() > longest ? "\"…" : "\"";
}

memcxx::result<std::uint64_t> read_number(string_view what, string_view text, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || wrong != std::errc{} || end != text.data() + text.size() || number > most)
    return invalid(string(what) + " " + in_quotes(text) + " is not a number from 0 to " +
                   std::to_string(most));
  return number;
}

memcxx::result<std::chrono::milliseconds> read_timeout(string_view what, string_view text) {
  const auto time = memcxx::parse_duration(text);
  if (!time || *time <= std::chrono::milliseconds(0) || *time > std::chrono::hours(24))
    return invalid(string(what) + " is " + in_quotes(text) +
                   ", and should be more than 0 and at most 1 day, as 250ms, 2s, 1.5s, 10m or 1h");
  return *time;
}

memcxx::result<memcxx::ttl> read_ttl(string_view text) {
  const auto bad = [text] {
    return invalid("ttl " + in_quotes(text) +
                   " is neither a time as 30, 1.5s, 10m, 1h or 30d, nor a point in time as "
                   "@1700000000");
  };
  if (text.starts_with('@')) {
    std::int64_t epoch = 0;
    const auto [end, wrong] = std::from_chars(text.data() + 1, text.data() + text.size(), epoch);
    if (text.size() == 1 || wrong != std::errc{} || end != text.data() + text.size()) return bad();
    return memcxx::ttl(std::chrono::sys_seconds(std::chrono::seconds(epoch)));
  }
  const bool negative = text.starts_with('-');
  const auto time = memcxx::parse_duration(negative ? text.substr(1) : text);
  if (!time) return bad();
  return negative ? memcxx::ttl(-*time) : memcxx::ttl(*time);
}

memcxx::result<string> read_stdin(std::size_t most) {
  string all;
  while (all.size() < most) {
    const std::size_t had = all.size();
    const std::size_t room = std::min(most - had, std::max(had, std::size_t{1} << 16));
    std::size_t got = 0;
    all.resize_and_overwrite(had + room, [&](char* data, std::size_t) {
      got = std::fread(data + had, 1, room, stdin);
      return had + got;
    });
    if (got == room) continue;
    if (std::ferror(stdin) != 0) return stdin_failed(errno);
    break;
  }
  return all;
}

memcxx::result<void> read_lines(const std::function<bool(string_view line)>& each) {
  char* buffer = nullptr;
  std::size_t capacity = 0;
  const auto release = [&buffer](void*) { std::free(buffer); };
  const std::unique_ptr<void, decltype(release)> guard(&capacity, release);
  while (true) {
    errno = 0;
    const auto size = ::getdelim(&buffer, &capacity, '\n', stdin);
    if (size < 0) {
      if (std::ferror(stdin) != 0 || errno == ENOMEM) return stdin_failed(errno);
      return {};
    }
    string_view line(buffer, static_cast<std::size_t>(size));
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (!each(line)) return {};
  }
}

}  // namespace mcx
