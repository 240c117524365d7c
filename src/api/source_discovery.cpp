// Servers that a cluster's configuration endpoint tells. See source.hpp.
// Never here: the form of what it says (discovery.cpp).
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <memcxx/source.hpp>

#include "api/discovery.hpp"
#include "api/text.hpp"

namespace memcxx {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t longest_body = std::size_t{1} << 20;

class discovery final : public server_source {
 public:
  explicit discovery(client endpoint)
      : endpoint_(std::move(endpoint)), name_(endpoint_.servers().front()) {}

  result<std::vector<server_address>> fetch(steady_clock::time_point deadline) override {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) return fail(errc::timeout, "there was no time to ask");
    const auto body = endpoint_.within(left).execute(commands::cluster_config{});
    // Asked anew each time, its address included: endpoints move.
    endpoint_.disconnect();
    if (!body) {
      if (body.error() == errc::miss)
        return fail(errc::server_error, "it has no configuration of a cluster");
      return std::unexpected(body.error());
    }
    auto said = api::parse_cluster(*body);
    if (!said) return fail(said.error().code(), std::string(said.error().message()));
    if (last_ && said->version < last_->version)
      return fail(errc::invalid_argument, "version " + std::to_string(said->version) +
                                              " is older than " + std::to_string(last_->version) +
                                              ", which it told before");
    if (!last_ || said->version > last_->version) last_ = std::move(*said);
    return last_->servers;
  }

 private:
  [[nodiscard]] std::unexpected<error> fail(errc code, std::string why) const {
    return std::unexpected(error(code, "config get cluster: " + std::move(why), name_));
  }

  client endpoint_;
  std::string name_;
  std::optional<api::cluster> last_;
};

}  // namespace

result<std::unique_ptr<server_source>> discovery_source(std::string_view endpoint) {
  options o;
  o.protocol = protocol_choice::classic;
  o.connect_timeout = std::chrono::seconds(5);  // fetch's deadline is what counts
  o.health.max_failures = 0;                    // each question is asked, whatever the last came to
  auto parsed = parse_uri(endpoint, std::move(o));
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (parsed->servers.size() != 1)
    return api::invalid("a configuration endpoint is one server, and these are " +
                        std::to_string(parsed->servers.size()));
  if (parsed->servers.front().scheme != "memcached")
    return api::invalid("a configuration endpoint is on the network, and " +
                        api::in_quotes(parsed->servers.front().name()) + " is not");
  if (parsed->protocol == protocol_choice::binary)
    return std::unexpected(error(
        errc::not_supported, "a cluster's configuration is not asked for in the binary protocol"));
  // Whatever else a URI may say about caches: this is none.
  parsed->max_value_size = longest_body;
  parsed->pool_size = 1;
  parsed->distribution = "modula";
  parsed->failover = failover_policy::surface;
  parsed->gutter.clear();
  parsed->replicas = 1;
  parsed->flush_on_reconnect = false;
  auto made = client::create(*std::move(parsed));
  if (!made) return std::unexpected(std::move(made).error());
  return std::make_unique<discovery>(*std::move(made));
}

}  // namespace memcxx
