// mcx: memcached from the command line, over memcxx's public headers.
// Here: one run from the command line to the exit code. Never here: verbs, printing.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <memcxx/client.hpp>
#include <memcxx/options.hpp>

#include "arguments.hpp"
#include "input.hpp"
#include "output.hpp"
#include "values.hpp"
#include "verbs.hpp"

namespace {

using memcxx::errc;
using memcxx::error;

// A standard stream that was closed leaves its number to the next socket, and output would go to a
// server. What takes its place refuses to be read or written, so that the loss does not go unseen.
void occupy_standard_streams() {
  for (const int number : {0, 1, 2})
    if (::fcntl(number, F_GETFD) == -1 && errno == EBADF)
      static_cast<void>(::open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY));
}

memcxx::result<memcxx::protocol_choice> read_protocol(std::string_view name) {
  using memcxx::protocol_choice;
  constexpr std::array<std::pair<std::string_view, protocol_choice>, 5> known{
      {{"auto", protocol_choice::automatic},
       {"automatic", protocol_choice::automatic},
       {"classic", protocol_choice::classic},
       {"meta", protocol_choice::meta},
       {"binary", protocol_choice::binary}}};
  for (const auto& [known_name, choice] : known)
    if (name == known_name) return choice;
  return std::unexpected(error(
      errc::invalid_argument,
      "protocol " + mcx::in_quotes(name) + " is not known; known are auto, classic, meta, binary"));
}

// "name" and "hash" make "name/hash". A hash that came with the name from elsewhere is replaced.
memcxx::result<std::string> read_distribution(const mcx::arguments& given, std::string known) {
  std::string name = given.distribution.value_or(std::move(known));
  if (!given.hash) return name;
  const std::size_t slash = name.find('/');
  if (given.distribution && slash != std::string::npos)
    return std::unexpected(error(errc::invalid_argument, "--distribution " + mcx::in_quotes(name) +
                                                             " names a hash, and --hash another"));
  return name.substr(0, slash) + "/" + *given.hash;
}

// The options of the URI, then those of the command line on top.
memcxx::result<memcxx::client> make_client(const mcx::arguments& given) {
  const char* from_environment = std::getenv("MEMCXX_SERVERS");
  const bool use_environment =
      !given.servers && from_environment != nullptr && *from_environment != '\0';
  const std::string servers =
      use_environment ? from_environment : given.servers.value_or("127.0.0.1");

  auto options = memcxx::parse_uri(servers);
  if (!options) {
    const error& e = options.error();
    return std::unexpected(error(e.code(), (use_environment ? "MEMCXX_SERVERS: " : "--servers: ") +
                                               std::string(e.message())));
  }
  if (given.protocol) {
    const auto protocol = read_protocol(*given.protocol);
    if (!protocol) return std::unexpected(protocol.error());
    options->protocol = *protocol;
  }
  auto distribution = read_distribution(given, std::move(options->distribution));
  if (!distribution) return std::unexpected(distribution.error());
  options->distribution = *std::move(distribution);
  if (given.timeout) {
    const auto timeout = mcx::read_timeout("--timeout", *given.timeout);
    if (!timeout) return std::unexpected(timeout.error());
    options->timeout = *timeout;
  }
  if (given.connect_timeout) {
    const auto timeout = mcx::read_timeout("--connect-timeout", *given.connect_timeout);
    if (!timeout) return std::unexpected(timeout.error());
    options->connect_timeout = *timeout;
  }
  if (given.dialect) {
    const auto dialect = mcx::read_dialect(*given.dialect);
    if (!dialect) return std::unexpected(dialect.error());
    options->values.dialect = *dialect;
  }
  return memcxx::client::create(*std::move(options));
}

mcx::exit_code run(std::span<char* const> argv) {
  auto given = mcx::parse_arguments(argv);
  mcx::output out(given ? given->json : mcx::asks_for_json(argv));
  if (!given) {
    if (given.error().mistaken)
      out.failed(error(errc::invalid_argument, given.error().text));
    else
      out.bytes(given.error().text);
    return out.finish();
  }
  auto cache = make_client(*given);
  if (cache)
    mcx::run_verb({*cache, *given, out});
  else
    out.failed(cache.error());
  return out.finish();
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  // A reader that went away is an error of write, and told like any other.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(run({argv, static_cast<std::size_t>(argc)}));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mcx: %s\n", e.what());
    return static_cast<int>(mcx::exit_code::failure);
  }
}
