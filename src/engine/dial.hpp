// Opening one connection: resolve, try every address, shake hands. Does not wait itself: it says
// what it waits for, and goes on when told.
// Never here: requests, pools.
#pragma once

#include <memory>
#include <poll.h>
#include <string>
#include <vector>

#include "engine/link.hpp"
#include "engine/server.hpp"

namespace memcxx::engine {

// Threads: one at a time.
class dial {
 public:
  // Bounded by the server's connect_timeout and by `deadline`, whichever comes first.
  dial(server& to, clock::time_point now, clock::time_point deadline);
  ~dial() { drop_all(); }
  dial(const dial&) = delete;
  dial& operator=(const dial&) = delete;

  enum class progress { waiting, done, failed };
  // Goes on as far as it can without waiting.
  progress advance(clock::time_point now);
  // What to poll for while waiting, and when to call advance() at the latest.
  [[nodiscard]] pollfd waits_for() const noexcept;
  [[nodiscard]] clock::time_point wake_at() const noexcept;

  // After done: the connection, ready for requests and lent by the server.
  std::unique_ptr<link> take() noexcept { return std::move(link_); }
  // After failed.
  [[nodiscard]] const error& why() const noexcept { return why_; }
  // In a child of a fork: the parent goes on with it.
  void close_in_child() noexcept {
    for (auto* l : {link_.get(), kept_.get()}) {
      if (l != nullptr) l->io.close();
    }
  }

 private:
  progress start_lookup();
  progress next_address(clock::time_point now);
  progress shake_hands(clock::time_point now);
  void drop() noexcept;
  void drop_all() noexcept;
  progress flush_items(clock::time_point now);
  progress give_up(errc code, std::string message);
  progress judge_handshake(clock::time_point now);
  progress finish_handshake(clock::time_point now);

  struct flush_reply final : protocol::response_handler {
    void on_response(std::uint32_t, const protocol::response& r) noexcept override {
      done = true;
      status = r.status;
    }
    bool done = false;
    errc status = errc::ok;
  };

  enum class stage { resolving, connecting, handshaking, flushing };
  server& server_;
  stage stage_ = stage::resolving;
  clock::time_point until_;          // for the whole dial
  std::string limit_;                // which limit that is, in words
  clock::time_point address_until_;  // for the address that is being tried
  std::shared_ptr<transport::lookup> lookup_;
  std::vector<transport::endpoint> endpoints_;
  std::size_t next_ = 0;
  negotiation negotiation_;
  std::unique_ptr<link> kept_;  // ready, while another asks
  flush_reply flush_;
  std::string last_failure_;
  std::unique_ptr<link> link_;
  error why_;
};

}  // namespace memcxx::engine
