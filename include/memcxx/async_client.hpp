// The asynchronous client: every verb as an Asio operation, over one connection to each server that
// all callers share.
// Never here: protocol bytes, waiting.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <memcxx/async_operation.hpp>
#include <memcxx/async_stream.hpp>
#include <memcxx/verbs.hpp>

namespace memcxx {

namespace detail {
template <class T>
inline constexpr bool is_options =
    std::is_same_v<T, get_options> || std::is_same_v<T, store_options> ||
    std::is_same_v<T, remove_options> || std::is_same_v<T, counter_options>;

// g++ 12 copies a struct made beside a co_await byte by byte, and destroys both: so options own
// nothing.
template <class... T>
inline constexpr bool own_nothing = (std::is_trivially_copyable_v<T> && ...);
static_assert(
    own_nothing<get_options, store_options, remove_options, counter_options, ttl, async_options>);
}  // namespace detail

namespace detail {
// What the copies of a client share. The last one ends the calls.
struct async_owner {
  explicit async_owner(std::shared_ptr<async_core> c) noexcept : core(std::move(c)) {}
  ~async_owner() { core->stop(); }
  async_owner(const async_owner&) = delete;
  async_owner& operator=(const async_owner&) = delete;
  std::shared_ptr<async_core> core;
};

// What a client is: an owner, and what the owner owns. One that was moved from keeps the latter, so
// that calls have an executor on which they are refused.
struct async_handle {
  explicit async_handle(std::shared_ptr<async_core> c)
      : owner(std::make_shared<async_owner>(c)),
        core(std::move(c)),
        limit(core->servers().settings().timeout) {}
  async_handle(const async_handle&) = default;
  async_handle& operator=(const async_handle&) = default;
  async_handle(async_handle&& from) noexcept
      : owner(std::move(from.owner)), core(from.core), limit(from.limit) {}
  async_handle& operator=(async_handle&& from) noexcept {
    const std::shared_ptr<async_core> keep = core;  // the owner that goes stops it
    owner = std::move(from.owner);
    core = from.core;
    limit = from.limit;
    return *this;
  }
  ~async_handle() = default;

  // For a whole call.
  [[nodiscard]] std::chrono::milliseconds timeout() const noexcept {
    return owner == nullptr ? async_core::moved_from : limit;
  }
  [[nodiscard]] result<client*> servers() const {
    if (owner != nullptr) return &core->servers();
    return std::unexpected(error(errc::invalid_argument, "this client was moved from"));
  }

  std::shared_ptr<async_owner> owner;
  std::shared_ptr<async_core> core;
  std::chrono::milliseconds limit;
};
}  // namespace detail

// What may stand behind a verb's arguments: a completion token.
template <class T>
concept token =
    !detail::is_options<std::remove_cvref_t<T>> && !std::integral<std::remove_cvref_t<T>>;

// Every verb of verbs.hpp answers through a completion token (the last argument; `Default` when
// there is none): `co_await cache.get("k")`, `cache.get("k", {}, asio::use_future)`,
// `cache.get("k", [](memcxx::result<memcxx::item> r) {…})`. Handlers get one result<T> and no error
// code; results, errors and options are those of the blocking client.
//
// Keys and values are copied when the verb is called, and need not outlive it; get_into's buffer
// has to stay until the handler is called.
//
// Threads: safe to share; copies are cheap and share servers and connections. Handlers run on their
// associated executor, or the client's when they have none, and never inside the function that
// starts an operation. Codecs and drivers run while the client is locked: they must not use it.
// Associated allocators hold an operation's memory (without one, the thread's last call's is used
// again), and associated cancellation slots end it:
// - its caller returns at once with errc::cancelled, and nobody else ever sees its reply;
// - `total` is heeded by what changes nothing, and by anything that was not sent yet; `partial` and
//   `terminal` also by what was sent, and may have been or yet be executed.
//
// Deadlines: as in the blocking client, options::timeout for a whole call, and within(). A call
// that is given up leaves its connection to the others; from then on, while it owes answers, the
// connection is closed when nothing comes for as long as options::timeout. Retries, health,
// failover and topology: as there.
//
// Lifetime: when the last copy goes, calls under way end with errc::cancelled. async_close() waits
// for them instead. The executor's context has to outlive the client; while nothing is under way a
// client keeps an io_context's run() from returning for at most options::timeout.
// Moved from: every call ends with errc::invalid_argument, until another client is assigned to it.
// Fork: a child must not use its parent's clients; their calls end with errc::not_supported.
template <class Default = net::use_awaitable_t<>>
class basic_async_client final : public verbs<basic_async_client<Default>> {
  using base = verbs<basic_async_client>;

 public:
  using executor_type = net::any_io_executor;

  // As client's. Throws memcxx::exception when the servers or options cannot be used; opens no
  // connection.
  basic_async_client(net::any_io_executor executor, std::string_view servers,
                     const async_options& a = {})
      : basic_async_client(std::move(executor), value_or_throw(parse_uri(servers)), a) {}
  basic_async_client(net::any_io_executor executor, options o, const async_options& a = {})
      : basic_async_client(
            value_or_throw(detail::async_core::make(std::move(o), a, std::move(executor)))) {}
  template <class Context>
    requires std::convertible_to<Context&, net::execution_context&>
  basic_async_client(Context& context, std::string_view servers, const async_options& a = {})
      : basic_async_client(net::any_io_executor(context.get_executor()), servers, a) {}
  template <class Context>
    requires std::convertible_to<Context&, net::execution_context&>
  basic_async_client(Context& context, options o, const async_options& a = {})
      : basic_async_client(net::any_io_executor(context.get_executor()), std::move(o), a) {}
  // The same without exceptions.
  static result<basic_async_client> create(net::any_io_executor executor, options o,
                                           const async_options& a = {}) {
    auto made = detail::async_core::make(std::move(o), a, std::move(executor));
    if (!made) return std::unexpected(std::move(made).error());
    return basic_async_client(std::move(*made));
  }

  // The same client with another timeout for whole calls, or another default token.
  [[nodiscard]] basic_async_client within(std::chrono::milliseconds timeout) const {
    basic_async_client other = *this;
    other.handle_.limit = std::clamp(timeout, std::chrono::milliseconds(1),
                                     std::chrono::milliseconds(std::chrono::days(1)));
    return other;
  }
  template <class Other>
  [[nodiscard]] basic_async_client<Other> with(const Other&) const {
    return basic_async_client<Other>(handle_);
  }

  [[nodiscard]] executor_type get_executor() const noexcept { return core().executor(); }

  // --- verbs for one key: see verbs.hpp. With a token and no options:
  using base::add;
  using base::append;
  using base::cas;
  using base::decr;
  using base::gat;
  using base::get;
  using base::get_into;
  using base::get_item;
  using base::incr;
  using base::prepend;
  using base::remove;
  using base::replace;
  using base::set;

  template <token Token>
  [[nodiscard]] auto get(std::string_view key, Token&& t) const {
    return base::get(key, {}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto get(std::string_view key, Token&& t) const {
    return base::template get<T>(key, {.cas = false}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto get_item(std::string_view key, Token&& t) const {
    return base::template get_item<T>(key, {}, std::forward<Token>(t));
  }
  template <token Token>
  [[nodiscard]] auto gat(std::string_view key, const ttl& live, Token&& t) const {
    return base::gat(key, live, {}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto gat(std::string_view key, const ttl& live, Token&& t) const {
    return base::template gat<T>(key, live, {.cas = false}, std::forward<Token>(t));
  }
  template <token Token>
  [[nodiscard]] auto get_into(std::string_view key, std::span<char> buffer, Token&& t) const {
    return base::get_into(key, buffer, {}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto set(std::string_view key, const T& value, Token&& t) const {
    return base::template set<plain<T>>(key, value, {}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto add(std::string_view key, const T& value, Token&& t) const {
    return base::template add<plain<T>>(key, value, {}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto replace(std::string_view key, const T& value, Token&& t) const {
    return base::template replace<plain<T>>(key, value, {}, std::forward<Token>(t));
  }
  template <class T, token Token>
  [[nodiscard]] auto cas(std::string_view key, const T& value, std::uint64_t cas_token,
                         Token&& t) const {
    return base::template cas<plain<T>>(key, value, cas_token, {}, std::forward<Token>(t));
  }
  template <token Token>
  [[nodiscard]] auto append(std::string_view key, std::string_view value, Token&& t) const {
    return base::append(key, value, {}, std::forward<Token>(t));
  }
  template <token Token>
  [[nodiscard]] auto prepend(std::string_view key, std::string_view value, Token&& t) const {
    return base::prepend(key, value, {}, std::forward<Token>(t));
  }
  template <token Token>
  [[nodiscard]] auto remove(std::string_view key, Token&& t) const {
    return base::remove(key, {}, std::forward<Token>(t));
  }
  template <std::integral Delta, token Token>
  [[nodiscard]] auto incr(std::string_view key, Delta delta, Token&& t) const {
    return base::incr(key, delta, {}, std::forward<Token>(t));
  }
  template <std::integral Delta, token Token>
  [[nodiscard]] auto decr(std::string_view key, Delta delta, Token&& t) const {
    return base::decr(key, delta, {}, std::forward<Token>(t));
  }

  // What the verbs above are made of.
  template <class Command, class Token = const Default&>
  [[nodiscard]] auto execute(Command c, Token&& t = Default()) const {
    return initiate<detail::single_job<Command>, result<typename Command::reply>>(
        std::forward<Token>(t), detail::owned<Command>(std::move(c)));
  }

  // --- verbs for many keys, over all their servers at once. Answers as client's -----------------
  template <key_range Keys, class Token = const Default&>
  [[nodiscard]] auto get_many(const Keys& keys, const get_options& o = {.cas = false},
                              Token&& t = Default()) const {
    return run_job<items>(std::make_unique<items_call>(keys, o), size_of(keys), true,
                          std::forward<Token>(t));
  }
  template <class T, key_range Keys, class Token = const Default&>
  [[nodiscard]] auto get_many(const Keys& keys, const get_options& o = {.cas = false},
                              Token&& t = Default()) const {
    return run_job<values_of<T>>(std::make_unique<values_call<T>>(keys, o), size_of(keys), true,
                                 std::forward<Token>(t));
  }
  template <class Token = const Default&>
  [[nodiscard]] auto get_many(std::initializer_list<std::string_view> keys,
                              const get_options& o = {.cas = false}, Token&& t = Default()) const {
    return get_many(std::span(keys.begin(), keys.size()), o, std::forward<Token>(t));
  }
  // The same reads, begun at once, and each key's outcome as it arrives, an item or a typed value:
  //   auto arriving = cache.get_each(keys);
  //   while (auto e = co_await arriving.next()) …e->index, e->key, e->reply…
  template <class T = item, key_range Keys>
  [[nodiscard]] get_stream<T, Default> get_each(const Keys& keys,
                                                const get_options& o = {.cas = false}) const {
    return {handle_.core, handle_.timeout(), keys, o};
  }
  template <class T = item>
  [[nodiscard]] get_stream<T, Default> get_each(std::initializer_list<std::string_view> keys,
                                                const get_options& o = {.cas = false}) const {
    return get_each<T>(std::span(keys.begin(), keys.size()), o);
  }
  // A map, or another range of pairs: as client's.
  template <class T = as_set, storable_pairs Pairs, class Token = const Default&>
    requires stored_of_pairs<T, Pairs>
  [[nodiscard]] auto set_many(const Pairs& pairs, const store_options& o = {},
                              Token&& t = Default()) const {
    using command = store_for_pairs<T, Pairs>;
    auto stores = stores_of<T>(pairs, o);
    std::size_t bytes = 0;
    for (command& c : stores) {
      if constexpr (std::same_as<command, commands::store_value>) {
        c.own();
        bytes += c.canonical().bytes.size();
      } else {
        bytes += c.value.size();
      }
      bytes += c.key.size();
    }
    return run_job<many<stored>>(std::make_unique<owning_call<command>>(std::move(stores)), bytes,
                                 false, std::forward<Token>(t));
  }
  template <key_range Keys, class Token = const Default&>
  [[nodiscard]] auto remove_many(const Keys& keys, Token&& t = Default()) const {
    return run_job<many<done>>(std::make_unique<owning_call<commands::remove>>(keys), size_of(keys),
                               false, std::forward<Token>(t));
  }
  // The batch has to stay until the handler is called.
  template <class Token = const Default&>
  [[nodiscard]] auto run(batch& b, Token&& t = Default()) const {
    return run_job<result<void>>(std::make_unique<batch_call>(b), 0, false, std::forward<Token>(t));
  }

  // --- verbs for every server --------------------------------------------------------------------
  template <class Token = const Default&>
  [[nodiscard]] auto flush(std::chrono::seconds delay = {}, Token&& t = Default()) const {
    return everywhere(commands::flush{delay}, std::forward<Token>(t));
  }
  template <class Token = const Default&>
  [[nodiscard]] auto stats(std::string_view group = {}, Token&& t = Default()) const {
    return everywhere(commands::stats{group}, std::forward<Token>(t));
  }
  template <class Token = const Default&>
  [[nodiscard]] auto version(Token&& t = Default()) const {
    return everywhere(commands::version{}, std::forward<Token>(t));
  }
  template <class Token = const Default&>
  [[nodiscard]] auto ping(Token&& t = Default()) const {
    return everywhere(commands::ping{}, std::forward<Token>(t));
  }

  // --- the end ---------------------------------------------------------------------------------
  // Takes no more calls (they end with errc::cancelled), waits for those under way, and closes the
  // connections. Signature: void().
  template <class Token = const Default&>
  auto async_close(Token&& t = Default()) const {
    return net::async_initiate<Token, void()>(
        [core = handle_.core, mine = handle_.owner != nullptr](auto handler) {
          auto work = net::make_work_guard(handler, core->executor());
          auto own = std::make_shared<decltype(handler)>(std::move(handler));
          auto done = [own, core, work = std::move(work)]() mutable {
            const auto at = net::get_associated_executor(*own, core->executor());
            net::post(at, [own] { std::move (*own)(); });
          };
          if (!mine) return done();  // another client's calls are not this one's
          core->drain(std::move(done));
        },
        t);
  }

  // --- servers: as client's, at once -------------------------------------------------------------
  [[nodiscard]] std::string which(std::string_view key) const {
    const auto c = handle_.servers();
    return c ? (*c)->which(key) : std::string();
  }
  [[nodiscard]] std::vector<std::string> servers() const {
    const auto c = handle_.servers();
    return c ? (*c)->servers() : std::vector<std::string>();
  }
  // Of one that was moved from, what it had.
  [[nodiscard]] const memcxx::options& settings() const noexcept {
    return core().servers().settings();
  }
  [[nodiscard]] result<void> add_server(const server_address& s) {
    return change([&](client& c) { return c.add_server(s); });
  }
  [[nodiscard]] result<void> remove_server(std::string_view name) {
    return change([&](client& c) { return c.remove_server(name); });
  }
  [[nodiscard]] result<void> set_weight(std::string_view name, std::uint32_t weight) {
    return change([&](client& c) { return c.set_weight(name, weight); });
  }
  [[nodiscard]] result<void> replace_servers(std::vector<server_address> s) {
    return change([&](client& c) { return c.replace_servers(std::move(s)); });
  }
  [[nodiscard]] std::uint64_t unclaimed_errors() const noexcept {
    return core().servers().unclaimed_errors();
  }

 private:
  template <class>
  friend class basic_async_client;
  // What a string is stored as without its type being asked for: see verbs.hpp.
  template <class T>
  using plain = std::conditional_t<stringlike<T>, std::string_view, T>;

  // A call with copies of its keys and values.
  template <class Command>
  class owning_call {
   public:
    explicit owning_call(std::vector<Command> c) : keys_(copy_keys(c)), call_(std::move(c)) {}
    template <key_range Keys>
    explicit owning_call(const Keys& keys) : call_(commands_for(keys)) {}
    [[nodiscard]] call& what() noexcept { return call_.what(); }
    auto take() { return call_.take(); }

   private:
    static std::unique_ptr<char[]> copy_keys(std::vector<Command>& all) {
      const auto for_each = [&all](const auto& f) {
        for (Command& c : all) {
          f(c.key);
          if constexpr (requires { c.value; }) f(c.value);  // empty where the command owns it
        }
      };
      std::size_t bytes = 0;
      for_each([&bytes](std::string_view& view) { bytes += view.size(); });
      auto kept = std::make_unique_for_overwrite<char[]>(bytes);
      char* at = kept.get();
      for_each([&at](std::string_view& view) {
        char* const begin = at;
        at = std::ranges::copy(view, at).out;
        view = {begin, view.size()};
      });
      return kept;
    }
    // A key that the range makes is gone when the next one is looked at.
    template <class Keys>
    std::vector<Command> commands_for(const Keys& keys) {
      std::size_t room = size_of(keys);
      keys_ = std::make_unique_for_overwrite<char[]>(room);
      std::vector<Command> out;
      out.reserve(static_cast<std::size_t>(std::ranges::distance(keys)));
      char* at = keys_.get();
      for (const auto& key : keys) {
        // Not beyond what was counted, should a range make other keys the second time.
        const std::string_view k = std::string_view(key).substr(0, room);
        out.emplace_back().key = {at, k.size()};
        at = std::ranges::copy(k, at).out;
        room -= k.size();
      }
      return out;
    }
    std::unique_ptr<char[]> keys_;
    outcomes_call<Command> call_;
  };
  class batch_call {
   public:
    explicit batch_call(batch& b) : batch_(b), fresh_(b.begin()) {}
    [[nodiscard]] call& what() noexcept { return fresh_ ? static_cast<call&>(batch_) : nothing_; }
    result<void> take() {
      if (!fresh_) return std::unexpected(batch::ran_before());
      return batch_.outcome();
    }

   private:
    struct no_call final : call {
      std::size_t size() const noexcept override { return 0; }
      bool begin_step(unsigned, const value_codec&) noexcept override { return false; }
      protocol::refusal request(std::size_t, protocol::request&) const noexcept override {
        return {};
      }
      void on_response(std::size_t, const protocol::response&, std::string_view) noexcept override {
      }
    };
    batch& batch_;
    bool fresh_;
    no_call nothing_;
  };

  explicit basic_async_client(std::shared_ptr<detail::async_core> core)
      : handle_(std::move(core)) {}
  explicit basic_async_client(detail::async_handle h) : handle_(std::move(h)) {}

  result<void> change(const auto& how) {
    const auto c = handle_.servers();
    if (!c) return std::unexpected(c.error());
    return how(**c);
  }

  template <class T>
  static T value_or_throw(result<T> made) {
    if (!made) throw exception(std::move(made).error());
    return std::move(*made);
  }
  template <class Keys>
  static std::size_t size_of(const Keys& keys) {
    std::size_t n = 0;
    for (const auto& key : keys) n += std::string_view(key).size();
    return n;
  }

  [[nodiscard]] detail::async_core& core() const noexcept { return *handle_.core; }

  template <class Job, class Reply, class Token, class... Args>
  auto initiate(Token&& t, Args&&... args) const {
    return net::async_initiate<Token, void(Reply)>(
        detail::initiation<Job>{handle_.core, handle_.timeout()}, t, std::forward<Args>(args)...);
  }
  template <class Reply, class Call, class Token>
  auto run_job(std::unique_ptr<Call> c, std::size_t bytes, bool reads, Token&& t) const {
    return initiate<detail::call_job<Call>, Reply>(std::forward<Token>(t), std::move(c), bytes,
                                                   reads);
  }
  template <class Command, class Token>
  auto everywhere(Command c, Token&& t) const {
    return initiate<detail::everywhere_job<Command>,
                    std::vector<server_reply<typename Command::reply>>>(
        std::forward<Token>(t), detail::owned<Command>(std::move(c)));
  }

  detail::async_handle handle_;
};

using async_client = basic_async_client<>;

}  // namespace memcxx
