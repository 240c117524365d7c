// Any verbs, queued and run in one go.
// Never here: I/O; client::run does it.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/command.hpp>
#include <memcxx/operation.hpp>
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
// Threads: not safe to share. A batch runs once; a second run is refused with invalid_argument. One
// that was moved from is empty, and may be queued into.
//
//   memcxx::batch b;
//   auto name = b.get("name");
//   auto hits = b.incr("hits");
//   if (auto ran = cache.run(b); !ran) log(ran.error());  // the first that is no plain answer
//   if (*name) use((*name)->value);
class batch final : public queued_verbs<batch>, private call {
 public:
  batch();
  ~batch();
  batch(batch&&) noexcept;
  batch& operator=(batch&&) noexcept;

  template <class Command>
  batch_reply<typename Command::reply> execute(Command c) {
    c.key = keep(c.key);
    if constexpr (requires { c.value; }) c.value = keep(c.value);
    using made = typed_slot<Command>;
    made* const queued = ::new (take(sizeof(made), alignof(made))) made(std::move(c));
    queue(queued);
    return batch_reply<typename Command::reply>(queued->run.outcome());
  }

  // Verbs queued.
  [[nodiscard]] std::size_t size() const noexcept override {
    return ran_ ? index_.size() : slots_.size();
  }
  [[nodiscard]] bool empty() const noexcept { return slots_.empty(); }

 private:
  friend class client;
  friend class session;
  template <class>
  friend class basic_async_client;

  struct slot {
    virtual ~slot() = default;
    virtual bool begin_step(unsigned step, const value_codec& values) noexcept = 0;
    virtual std::size_t parts() const noexcept = 0;
    virtual bool goes_on() const noexcept = 0;
    virtual std::string_view key() const noexcept = 0;
    virtual protocol::refusal request(std::size_t part, protocol::request& out) const noexcept = 0;
    virtual std::span<char> on_value(std::size_t part, const protocol::response& head,
                                     std::size_t size) noexcept = 0;
    virtual void on_response(std::size_t part, const protocol::response& r,
                             std::string_view server) noexcept = 0;
    virtual void fail(const error& why) noexcept = 0;
    virtual const error* failure() noexcept = 0;  // null when there is none
  };
  template <class Command>
  struct typed_slot final : slot {
    explicit typed_slot(Command&& c) : command(std::move(c)) {}
    bool begin_step(unsigned step, const value_codec& values) noexcept override {
      return run.begin_step(step, values);
    }
    std::size_t parts() const noexcept override { return run.parts(); }
    bool goes_on() const noexcept override { return run.goes_on(); }
    std::string_view key() const noexcept override { return run.key(); }
    protocol::refusal request(std::size_t part, protocol::request& out) const noexcept override {
      return run.request(part, out);
    }
    std::span<char> on_value(std::size_t part, const protocol::response& head,
                             std::size_t size) noexcept override {
      return run.on_value(part, head, size);
    }
    void on_response(std::size_t part, const protocol::response& r,
                     std::string_view server) noexcept override {
      run.on_response(part, r, server);
    }
    void fail(const error& why) noexcept override { run.outcome() = std::unexpected(why); }
    const error* failure() noexcept override {
      return run.outcome() ? nullptr : &run.outcome().error();
    }
    Command command;
    operation<Command> run{command};
  };

  // Slots lie in the batch's own memory.
  struct end_in_place {
    void operator()(slot* s) const noexcept { s->~slot(); }
  };
  // Memory that stays as long as the batch. `align` is a power of two.
  void* take(std::size_t size, std::size_t align);
  std::string_view keep(std::string_view bytes);
  void queue(slot* s);
  // A batch is run once: a second run would repeat what was done.
  [[nodiscard]] bool begin() noexcept { return !std::exchange(ran_, true); }
  [[nodiscard]] static error ran_before();
  [[nodiscard]] result<void> outcome() const;

  bool begin_step(unsigned step, const value_codec& values) noexcept override;
  protocol::refusal request(std::size_t i, protocol::request& out) const noexcept override;
  std::span<char> on_value(std::size_t i, const protocol::response& head,
                           std::size_t size) noexcept override;
  void on_response(std::size_t i, const protocol::response& r,
                   std::string_view server) noexcept override;

  static constexpr std::size_t block_size = 16 * 1024;
  std::vector<std::unique_ptr<char[]>> blocks_;  // keys, values, slots; the last is being filled
  std::size_t free_ = 0;                         // bytes left in it
  std::vector<std::unique_ptr<slot, end_in_place>> slots_;  // end before their memory
  step_index index_;
  bool ran_ = false;
};

}  // namespace memcxx
