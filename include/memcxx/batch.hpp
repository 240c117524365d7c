// Any verbs, queued and run in one go.
// Never here: I/O; client::run does it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/verbs.hpp>

namespace memcxx {

// The reply to one queued verb. Valid as long as its batch.
template <class T>
class batch_reply {
 public:
  explicit batch_reply(const result<T>& outcome) noexcept : outcome_(&outcome) {}
  // Before client::run: errc::cancelled.
  [[nodiscard]] const result<T>& get() const noexcept { return *outcome_; }
  const result<T>& operator*() const noexcept { return *outcome_; }
  const result<T>* operator->() const noexcept { return outcome_; }

 private:
  const result<T>* outcome_;
};

// A queue of verbs. Keys and values are copied in, so they need not outlive the statement.
// Requests to one server run in the order queued; between servers there is no order.
// Threads: not safe to share. A batch runs once; a second run is refused with invalid_argument.
//
//   memcxx::batch b;
//   auto name = b.get("name");
//   auto hits = b.incr("hits");
//   cache.run(b);
//   if (*name) use((*name)->value);
class batch final : public verbs<batch>, private call {
 public:
  batch();
  ~batch();
  batch(batch&&) noexcept;
  batch& operator=(batch&&) noexcept;

  template <class Command>
  batch_reply<typename Command::reply> execute(Command c) {
    c.key = keep(c.key);
    if constexpr (requires { c.value; }) c.value = keep(c.value);
    auto queued = std::make_unique<typed_slot<Command>>(c);
    batch_reply<typename Command::reply> reply(queued->gather.outcome());
    queue(std::move(queued));
    return reply;
  }

  [[nodiscard]] std::size_t size() const noexcept override { return slots_.size(); }
  [[nodiscard]] bool empty() const noexcept { return slots_.empty(); }

 private:
  friend class client;
  friend class session;

  struct slot {
    virtual ~slot() = default;
    virtual protocol::refusal request(protocol::request& out) const noexcept = 0;
    virtual std::span<char> on_value(std::size_t size) noexcept = 0;
    virtual void on_response(const protocol::response& r, std::string_view server) noexcept = 0;
  };
  template <class Command>
  struct typed_slot final : slot {
    explicit typed_slot(const Command& c) : command(c) {}
    protocol::refusal request(protocol::request& out) const noexcept override {
      return command.to_request(out);
    }
    std::span<char> on_value(std::size_t size) noexcept override { return gather.on_value(size); }
    void on_response(const protocol::response& r, std::string_view server) noexcept override {
      gather.on_response(r, server);
    }
    Command command;
    gathered<Command> gather;
  };

  std::string_view keep(std::string_view bytes);
  void queue(std::unique_ptr<slot> s);
  // A batch is run once: a second run would repeat what was done.
  [[nodiscard]] bool begin() noexcept { return !std::exchange(ran_, true); }
  [[nodiscard]] static error ran_before();
  [[nodiscard]] result<void> outcome() const;

  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override;
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t size) noexcept override;
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override;

  std::vector<std::unique_ptr<slot>> slots_;
  static constexpr std::size_t block_size = 16 * 1024;
  std::vector<std::unique_ptr<char[]>> blocks_;  // keys and values; the last is being filled
  std::size_t free_ = 0;                         // bytes left in it
  error first_failure_;
  bool ran_ = false;
};

}  // namespace memcxx
