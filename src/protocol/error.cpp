// What an error is called, whose fault it is, and how it reads in a log.
// Never here: decisions about an error (retry, close, give up).
#include <ostream>
#include <utility>

#include <memcxx/error.hpp>

namespace memcxx {

std::string_view name_of(errc code) noexcept {
  switch (code) {
    case errc::ok:
      return "ok";
    case errc::miss:
      return "miss";
    case errc::not_stored:
      return "not_stored";
    case errc::exists:
      return "exists";
    case errc::not_a_number:
      return "not_a_number";
    case errc::invalid_key:
      return "invalid_key";
    case errc::invalid_argument:
      return "invalid_argument";
    case errc::value_too_large:
      return "value_too_large";
    case errc::not_supported:
      return "not_supported";
    case errc::out_of_memory:
      return "out_of_memory";
    case errc::server_error:
      return "server_error";
    case errc::client_error:
      return "client_error";
    case errc::unattributed:
      return "unattributed";
    case errc::resolve_failed:
      return "resolve_failed";
    case errc::connect_failed:
      return "connect_failed";
    case errc::server_down:
      return "server_down";
    case errc::connection_closed:
      return "connection_closed";
    case errc::protocol_error:
      return "protocol_error";
    case errc::timeout:
      return "timeout";
    case errc::overloaded:
      return "overloaded";
    case errc::cancelled:
      return "cancelled";
    case errc::unknown_flags:
      return "unknown_flags";
    case errc::corrupt_value:
      return "corrupt_value";
    case errc::wrong_type:
      return "wrong_type";
  }
  return "unknown";
}

fault fault_of(errc code) noexcept {
  switch (code) {
    case errc::ok:
      return fault::none;
    case errc::miss:
    case errc::not_stored:
    case errc::exists:
    case errc::not_a_number:
      return fault::answer;
    case errc::invalid_key:
    case errc::invalid_argument:
    case errc::value_too_large:
    case errc::not_supported:
    case errc::cancelled:
      return fault::caller;
    case errc::out_of_memory:
    case errc::server_error:
    case errc::client_error:
    case errc::unattributed:
      return fault::server;
    case errc::resolve_failed:
    case errc::server_down:
    case errc::connect_failed:
    case errc::connection_closed:
    case errc::protocol_error:
      return fault::network;
    case errc::timeout:
    case errc::overloaded:
      return fault::clock;
    case errc::unknown_flags:
    case errc::corrupt_value:
    case errc::wrong_type:
      return fault::value;
  }
  return fault::caller;
}

error::error(errc code, std::string message, std::string server) : code_(code) {
  if (message.empty() && server.empty()) return;
  details_ = std::make_shared<const error_details>(
      error_details{.server = std::move(server), .message = std::move(message)});
}

error error::about(const raw_item& item) const {
  error_details d = details_ ? *details_ : error_details{};
  d.has_item = true;
  d.flags = item.flags;
  d.bytes = item.bytes;
  error out(code_);
  out.details_ = std::make_shared<const error_details>(std::move(d));
  return out;
}

std::optional<raw_item> error::item() const noexcept {
  if (!details_ || !details_->has_item) return std::nullopt;
  return raw_item{details_->flags, details_->bytes};
}

std::string_view error::server() const noexcept {
  return details_ ? std::string_view(details_->server) : std::string_view();
}

std::string_view error::message() const noexcept {
  return details_ ? std::string_view(details_->message) : std::string_view();
}

fault error::whose() const noexcept {
  if (item()) return fault::value;
  if (code_ == errc::value_too_large && !server().empty()) return fault::server;
  return fault_of(code_);
}

namespace {

// The server's words come from the network: a control byte among them must not break the line or
// reach a terminal.
void append_printable(std::string& line, std::string_view words) {
  for (const char c : words) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
}

}  // namespace

std::string error::what() const {
  std::string line(name_of(code_));
  if (!server().empty()) {
    line += " at ";
    append_printable(line, server());
  }
  if (!message().empty()) {
    line += ": ";
    append_printable(line, message());
  }
  return line;
}

std::ostream& operator<<(std::ostream& out, const error& e) { return out << e.what(); }
std::ostream& operator<<(std::ostream& out, errc code) { return out << name_of(code); }

}  // namespace memcxx
