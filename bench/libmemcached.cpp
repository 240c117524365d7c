// libmemcached, with its text and its binary protocol, set up as its manual advises: no delay, and
// for bulk stores no reply and buffered requests.
// Never here: another client.
#include <cstdlib>
#include <libmemcached/memcached.h>
#include <memory>
#include <string>
#include <vector>

#include "client.hpp"

namespace memcxx::bench {
namespace {

enum class protocol : std::uint8_t { text, binary };

class libmemcached final : public client_under_test {
 public:
  libmemcached(const setting& s, protocol p) : what_(s.what), items_(s.items) {
    to_.reset(memcached_create(nullptr));
    behave(MEMCACHED_BEHAVIOR_TCP_NODELAY);
    if (p == protocol::binary) behave(MEMCACHED_BEHAVIOR_BINARY_PROTOCOL);
    if (what_.servers > 1) behave(MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED);
    if (what_.what == shape::set_many) {
      behave(MEMCACHED_BEHAVIOR_NOREPLY);
      behave(MEMCACHED_BEHAVIOR_BUFFER_REQUESTS);
    }
    for (const auto& to : s.servers) {
      const auto added = to.is_unix ? memcached_server_add_unix_socket(to_.get(), to.host.c_str())
                                    : memcached_server_add(to_.get(), to.host.c_str(), to.port);
      expect(added == MEMCACHED_SUCCESS, "no such server");
    }
    result_.reset(memcached_result_create(to_.get(), &room_));
    for (const auto& key : items_.keys) {
      keys_.push_back(key.data());
      lengths_.push_back(key.size());
    }
  }

  void run(meter& m) override {
    switch (what_.what) {
      case shape::get:
        for (std::size_t i = 0; m.more(); i = i + 1 == keys_.size() ? 0 : i + 1) get_one(i);
        return;
      case shape::set:
        for (std::size_t i = 0; m.more(); i = i + 1 == keys_.size() ? 0 : i + 1) set_one(i);
        return;
      case shape::incr:
        return;
      case shape::multi_get:
        while (m.more()) multi_get();
        return;
      case shape::set_many:
        while (m.more()) {
          for (std::size_t i = 0; i < keys_.size(); ++i) store_one(i);
          get_one(keys_.size() - 1);  // its answer says that all of them arrived
        }
        return;
      case shape::mixed:
        for (std::size_t i = 0; m.more(); i = i + 1 == items_.steps.size() ? 0 : i + 1) {
          if (items_.steps[i].store) {
            set_one(items_.steps[i].key);
          } else {
            get_one(items_.steps[i].key);
          }
        }
        return;
    }
  }

 private:
  void behave(memcached_behavior_t what) {
    expect(memcached_behavior_set(to_.get(), what, 1) == MEMCACHED_SUCCESS, "no such behaviour");
  }
  void get_one(std::size_t key) {
    std::size_t length = 0;
    std::uint32_t flags = 0;
    memcached_return_t outcome{};
    char* const value =
        memcached_get(to_.get(), keys_[key], lengths_[key], &length, &flags, &outcome);
    expect(outcome == MEMCACHED_SUCCESS && length == items_.value.size(),
           "no hit, or another value");
    std::free(value);
  }
  memcached_return_t send_store(std::size_t key) {
    return memcached_set(to_.get(), keys_[key], lengths_[key], items_.value.data(),
                         items_.value.size(), 0, 0);
  }
  void set_one(std::size_t key) { expect(send_store(key) == MEMCACHED_SUCCESS, "not stored"); }
  void store_one(std::size_t key) {
    const auto outcome = send_store(key);
    expect(outcome == MEMCACHED_SUCCESS || outcome == MEMCACHED_BUFFERED, "not stored");
  }
  void multi_get() {
    expect(
        memcached_mget(to_.get(), keys_.data(), lengths_.data(), keys_.size()) == MEMCACHED_SUCCESS,
        "not sent");
    std::size_t bytes = 0;
    memcached_return_t outcome{};
    while (memcached_fetch_result(to_.get(), result_.get(), &outcome) != nullptr) {
      bytes += memcached_result_length(result_.get());
    }
    expect(bytes == keys_.size() * items_.value.size(), "not all are hits");
  }

  struct free_client {
    void operator()(memcached_st* c) const noexcept { memcached_free(c); }
  };
  struct free_result {
    void operator()(memcached_result_st* r) const noexcept { memcached_result_free(r); }
  };

  const workload& what_;
  const data& items_;
  std::unique_ptr<memcached_st, free_client> to_;
  memcached_result_st room_{};  // one of its own making would be freed by the last fetch
  std::unique_ptr<memcached_result_st, free_result> result_;
  std::vector<const char*> keys_;
  std::vector<std::size_t> lengths_;
};

bool runs(const workload& w) {
  return !w.extra && (w.who == callers::one || w.who == callers::threads_each);
}

template <protocol P>
std::unique_ptr<client_under_test> make(const setting& s) {
  return std::make_unique<libmemcached>(s, P);
}

}  // namespace

std::span<const kind> libmemcached_kinds() {
  static constexpr kind kinds[] = {
      {"libmemcached_text", runs, make<protocol::text>},
      {"libmemcached_binary", runs, make<protocol::binary>},
  };
  return kinds;
}

}  // namespace memcxx::bench
