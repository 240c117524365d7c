// Servers that stand in a file. See source.hpp.
// Never here: the form of one server (uri.cpp).
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <memcxx/source.hpp>

#include "api/text.hpp"

namespace memcxx {

namespace {

constexpr std::size_t longest_file = std::size_t{1} << 20;

// All of the file, or why not.
result<std::string> read_file(const std::string& path) {
  // Anything else (a pipe, a terminal) could make the reader wait for ever.
  std::error_code why;
  const auto kind = std::filesystem::status(path, why).type();
  if (kind == std::filesystem::file_type::not_found || kind == std::filesystem::file_type::none)
    return api::invalid(why ? why.message() : "it cannot be looked at");
  if (kind != std::filesystem::file_type::regular) return api::invalid("it is not a regular file");
  std::ifstream in(path, std::ios::binary);
  if (!in) return api::invalid(std::generic_category().message(errno));
  std::string out(longest_file + 1, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (in.bad()) return api::invalid("it cannot be read");
  out.resize(static_cast<std::size_t>(in.gcount()));
  if (out.size() > longest_file) return api::invalid("it is longer than 1 MiB");
  return out;
}

result<std::vector<server_address>> parse_lines(std::string_view text) {
  constexpr std::string_view blank = " \t\r,";
  std::vector<server_address> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (true) {
      line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
      if (line.empty() || line.starts_with('#')) break;
      const std::string_view word = line.substr(0, line.find_first_of(blank));
      auto server = parse_server(word);
      if (!server)
        return std::unexpected(
            error(server.error().code(),
                  "line " + std::to_string(number) + ": " + std::string(server.error().message())));
      out.push_back(*std::move(server));
      line.remove_prefix(word.size());
    }
  }
  if (out.empty()) return api::invalid("there is no server in it");
  return out;
}

class file final : public server_source {
 public:
  explicit file(std::string path) : path_(std::move(path)) {}

  result<std::vector<server_address>> fetch(std::chrono::steady_clock::time_point) override {
    const auto text = read_file(path_);
    auto servers = text ? parse_lines(*text) : std::unexpected(text.error());
    if (servers) return servers;
    return std::unexpected(
        error(servers.error().code(),
              "file " + api::in_quotes(path_) + ": " + std::string(servers.error().message())));
  }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<server_source> file_source(std::string path) {
  return std::make_unique<file>(std::move(path));
}

}  // namespace memcxx
