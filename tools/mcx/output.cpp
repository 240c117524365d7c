// Plain text and JSON for every kind of reply, complaints, and the exit code.
// Never here: calls to servers, the command line.
#include "output.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "input.hpp"
#include "text.hpp"

namespace mcx {

namespace {

using json = nlohmann::ordered_json;
using std::string;
using std::string_view;

// Bytes that JSON cannot hold stand under another name.
void put_bytes(json& object, const string& name, string_view bytes) {
  if (is_utf8(bytes))
    object[name] = bytes;
  else
    object[name + "_base64"] = base64(bytes);
}

json about_key(string_view key) {
  json object = json::object();
  put_bytes(object, "key", key);
  return object;
}

json number_or_null(std::uint64_t n) { return n == 0 ? json() : json(n); }
json text_or_null(string_view s) { return s.empty() ? json() : json(s); }

void put_attributes(json& object, const memcxx::item_attributes& found) {
  object["flags"] = found.flags;
  object["cas"] = number_or_null(found.cas);
  object["ttl"] = found.ttl ? json(found.ttl->count()) : json();
}

string json_line(const json& object) {
  // What a server printed may hold anything; keys and values are valid by now.
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json with_error(json object, const memcxx::error& e, string_view server) {
  object["error"] = memcxx::name_of(e.code());
  object["server"] = text_or_null(server);
  object["message"] = text_or_null(e.message());
  return object;
}

json about_failed_server(string_view server, const memcxx::error& e) {
  return {{"server", server},
          {"ok", false},
          {"error", memcxx::name_of(e.code())},
          {"message", text_or_null(e.message())}};
}

constexpr std::size_t most_raw_bytes = 64;

// An item whose value is wrong, for whoever has to find out what it is.
string raw_bytes(const memcxx::raw_item& item) {
  string out = "flags " + std::to_string(item.flags) + ", " + std::to_string(item.bytes.size()) +
               (item.bytes.size() == 1 ? " byte" : " bytes");
  if (item.bytes.empty()) return out;
  out += ": " + in_hex(item.bytes.substr(0, most_raw_bytes));
  return item.bytes.size() > most_raw_bytes ? out + "…" : out;
}

string printed(const memcxx::stat_value& value) {
  return std::visit(
      [](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, string>) {
          return v;
        } else {
          std::array<char, 32> digits;
          const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v).ptr;
          return string(digits.data(), end);
        }
      },
      value);
}

string fixed(double number, int digits) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number,
                                 std::chars_format::fixed, digits)
                       .ptr;
  return {text.data(), end};
}

string milliseconds(std::chrono::nanoseconds time) {
  return fixed(std::chrono::duration<double, std::milli>(time).count(), 3);
}

string percent(double share) { return fixed(share, 2) + "%"; }

}  // namespace

exit_code code_of(const memcxx::error& e) noexcept {
  if (e == memcxx::errc::cancelled) return exit_code::failure;
  if (e.item()) return exit_code::value;  // too large once decompressed, too
  switch (e.whose()) {
    case memcxx::fault::none:
      return exit_code::done;
    case memcxx::fault::answer:
      return exit_code::unmet;
    case memcxx::fault::caller:
      return exit_code::mistake;
    case memcxx::fault::server:
    case memcxx::fault::network:
    case memcxx::fault::clock:
      return exit_code::failure;
    case memcxx::fault::value:
      return exit_code::value;
  }
  return exit_code::failure;
}

namespace {

// A failure outweighs a value: nobody knows what it hides.
int weight(exit_code code) noexcept {
  return code == exit_code::failure ? 1 + static_cast<int>(exit_code::value)
                                    : static_cast<int>(code);
}

}  // namespace

void output::bytes(string_view text) noexcept {
  if (write_error_ != 0 || text.empty()) return;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    write_error_ = errno != 0 ? errno : EIO;
}

void output::line(std::initializer_list<string_view> fields) noexcept {
  string_view before = "";
  for (const string_view field : fields) {
    bytes(before);
    bytes(field);
    before = "\t";
  }
  bytes("\n");
}

void output::hit(string_view key, const memcxx::item& found) {
  if (!json_) return bytes(found.value);
  json object = about_key(key);
  put_bytes(object, "value", found.value);
  put_attributes(object, found);
  bytes(json_line(object));
}

void output::typed_hit(string_view key, const typed_value& v,
                       const memcxx::item_attributes& found) {
  if (!json_) {
    bytes(v.printed);
    if (v.form == read_form::json || v.form == read_form::hex) bytes("\n");
    return;
  }
  json object = about_key(key);
  object["kind"] = memcxx::name_of(v.kind);
  if (v.form == read_form::msgpack)
    object["value_base64"] = base64(v.printed);
  else if (v.form != read_form::json)
    put_bytes(object, "value", v.printed);
  put_attributes(object, found);
  string text = json_line(object);
  // JSON goes in as it is: to parse it would cost the digits of large numbers.
  if (v.form == read_form::json)
    text.replace(text.size() - 2, 2, ",\"value\":" + string(v.printed) + "}\n");
  bytes(text);
}

void output::stored(string_view key, const memcxx::stored& s) {
  if (!json_) return;
  json object = about_key(key);
  object["stored"] = true;
  object["cas"] = number_or_null(s.cas);
  bytes(json_line(object));
}

void output::counted(string_view key, const memcxx::counter& n) {
  if (!json_) return line({std::to_string(n.value)});
  json object = about_key(key);
  object["value"] = n.value;
  object["cas"] = number_or_null(n.cas);
  bytes(json_line(object));
}

void output::changed(string_view key, string_view what) {
  if (!json_) return;
  json object = about_key(key);
  object[string(what)] = true;
  bytes(json_line(object));
}

void output::lives_on(string_view key, string_view server) {
  if (!json_) return line({key, server});
  json object = about_key(key);
  object["server"] = server;
  bytes(json_line(object));
}

void output::server_did(string_view server, string_view what) {
  if (!json_) return line({server, what});
  bytes(json_line(json{{"server", server}, {what, true}}));
}

void output::server_version(string_view server, string_view version) {
  if (!json_) return line({server, version});
  bytes(json_line(json{{"server", server}, {"version", version}}));
}

void output::server_answered(string_view server, std::chrono::nanoseconds after) {
  if (!json_) return line({server, "ok", milliseconds(after) + " ms"});
  const double ms = std::chrono::duration<double, std::milli>(after).count();
  bytes(json_line(json{{"server", server}, {"ok", true}, {"ms", ms}}));
}

void output::server_stats(string_view server, string_view group, const memcxx::statistics& stats) {
  if (!json_) {
    for (const auto& [name, value] : stats) line({server, name, printed(value)});
    return;
  }
  json values = json::object();
  for (const auto& [name, value] : stats)
    std::visit([&](const auto& v) { values[name] = v; }, value);
  bytes(json_line(
      json{{"server", server}, {"group", text_or_null(group)}, {"stats", std::move(values)}}));
}

void output::internals(string_view key, string_view text) {
  if (!json_) return line({text});
  json words = json::object();
  while (!text.empty()) {
    const string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word.empty()) continue;
    const std::size_t equals = std::min(word.find('='), word.size());
    const string_view value = word.substr(std::min(equals + 1, word.size()));
    std::int64_t number = 0;
    const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool whole = wrong == std::errc{} && end == value.data() + value.size();
    words[string(word.substr(0, equals))] = whole ? json(number) : json(value);
  }
  json object = about_key(key);
  object["debug"] = std::move(words);
  bytes(json_line(object));
}

void output::failed(const memcxx::error& e, string_view key) {
  const exit_code code = code_of(e);
  const auto item = e.item();
  if (json_) {
    json object = with_error(about_key(key), e, e.server());
    if (item) {
      object["flags"] = item->flags;
      object["size"] = item->bytes.size();
      object["first_bytes_hex"] = in_hex(item->bytes.substr(0, most_raw_bytes));
    }
    bytes(json_line(object));
  }
  if (code == exit_code::value)
    return complain(
        code, e.what() + ": key " + in_quotes(key) + (item ? ", " + raw_bytes(*item) : string()));
  if (code != exit_code::unmet) return complain(code, e.what());
  const bool silent = json_ || e == memcxx::errc::miss;
  complain(code, silent ? string() : e.what() + ": key " + in_quotes(key));
}

void output::failed(const memcxx::error& e) {
  if (json_) bytes(json_line(with_error(json::object(), e, e.server())));
  complain(code_of(e), e.what());
}

void output::server_failed(string_view server, const memcxx::error& e) {
  if (json_) bytes(json_line(about_failed_server(server, e)));
  complain(code_of(e), e.server().empty() ? e.what() + ", for " + string(server) : e.what());
}

void output::server_missed(string_view server, bool elsewhere) {
  if (json_)
    bytes(json_line(about_failed_server(server, memcxx::errc::miss)));
  else
    line({server, "miss"});
  if (!elsewhere) complain(exit_code::unmet, {});
}

void output::share(string_view server, double now, std::optional<double> after) {
  if (!json_)
    return after ? line({server, percent(now), percent(*after)}) : line({server, percent(now)});
  json object{{"server", server}, {"share", now}};
  if (after) object["after"] = *after;
  bytes(json_line(object));
}

void output::moved(double share, std::uint64_t of) {
  if (!json_) return line({"moved", percent(share)});
  bytes(json_line(json{{"moved", share}, {"keys", of}}));
}

void output::moved(double share, string_view from, string_view to) {
  if (!json_) return line({"moved", percent(share), from, to});
  bytes(json_line(json{{"moved", share}, {"from", from}, {"to", to}}));
}

void output::note(string text) { notes_.push_back(std::move(text)); }

void output::complain(exit_code code, string text) {
  constexpr std::size_t most = 4;
  if (weight(code) < weight(worst_)) return;
  if (code != worst_) {
    worst_ = code;
    complaints_.clear();
    more_complaints_ = 0;
  }
  if (text.empty() || std::ranges::find(complaints_, text) != complaints_.end()) return;
  if (complaints_.size() < most)
    complaints_.push_back(std::move(text));
  else
    ++more_complaints_;
}

exit_code output::finish() noexcept try {
  errno = 0;
  if (std::fflush(stdout) != 0 && write_error_ == 0) write_error_ = errno != 0 ? errno : EIO;
  if (write_error_ != 0) {
    // A reader that went away has read enough, and wants to hear no more.
    const bool silent = write_error_ == EPIPE;
    complain(
        exit_code::failure,
        silent ? string() : "standard output: " + std::generic_category().message(write_error_));
  }
  string all;
  for (const string& text : complaints_) all += (all.empty() ? "mcx: " : "; ") + text;
  if (more_complaints_ != 0) all += "; and " + std::to_string(more_complaints_) + " more";
  for (const string& text : notes_) all += (all.empty() ? "mcx: " : "; ") + text;
  // One line, whatever a message holds.
  for (char& c : all)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (!all.empty()) {
    all += '\n';
    // When standard error is gone as well there is nobody left to tell.
    std::fwrite(all.data(), 1, all.size(), stderr);
  }
  return worst_;
} catch (...) {
  return exit_code::failure;
}

}  // namespace mcx
