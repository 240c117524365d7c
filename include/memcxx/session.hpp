// Low-level access: one connection to one server, held for as long as the session lives.
// Never here: routing, retries, pools.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include <memcxx/batch.hpp>
#include <memcxx/command.hpp>
#include <memcxx/connection.hpp>
#include <memcxx/operation.hpp>
#include <memcxx/verbs.hpp>

namespace memcxx {

struct core;

// Has every verb of one key, and execute() for the rest: execute(commands::version{}),
// execute(commands::stats{"items"}), … The client's prefix, deadlines and retry rule apply: a
// connection that died while idle is replaced. A typed value in pieces (options::values) is looked
// for on this server alone, and one that is stored stays whole unless the client has just one
// server. Threads: not safe to share. May outlive its client.
// Moved from: every call answers invalid_argument, until another session is assigned to it.
class session final : public verbs<session> {
 public:
  ~session();
  session(session&&) noexcept;
  session& operator=(session&&) noexcept;

  template <class Command>
  [[nodiscard]] result<typename Command::reply> execute(const Command& c) const {
    single_call<Command> one(c);
    run(one);
    return one.take();
  }
  [[nodiscard]] result<void> run(batch& b) const;
  // Every request of the call goes to this session's server.
  void run(call& c) const;

  [[nodiscard]] std::string_view server() const noexcept;
  // classic, meta or binary once connected; before that what was asked for.
  [[nodiscard]] protocol_choice speaks() const noexcept;
  [[nodiscard]] bool connected() const;
  // Connects now instead of at the first request; does nothing when connected.
  [[nodiscard]] result<void> connect() const;
  // Closes the connection; the next call opens a new one.
  void disconnect() const;

 private:
  friend class client;
  session(std::shared_ptr<core> c, std::chrono::milliseconds timeout) noexcept;
  std::shared_ptr<core> core_;
  std::chrono::milliseconds timeout_;
};

}  // namespace memcxx
