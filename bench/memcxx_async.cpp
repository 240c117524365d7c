// memcxx's asynchronous client: callbacks that begin the next call, and coroutines.
// Never here: anything of src/.
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <memcxx/async_client.hpp>

#include "client.hpp"

namespace memcxx::bench {
namespace {

enum class results : std::uint8_t { owned, views };

memcxx::options options_of(const setting& s) {
  std::string uri = list_of(s.servers);
  if (!s.options.empty()) uri.append("?").append(s.options);
  auto o = parse_uri(uri);
  if (!o) wrong(o.error().what());
  o->timeout = o->connect_timeout = std::chrono::minutes(1);  // valgrind is slow
  return std::move(*o);
}

// So many callers take turns on one thread; each begins its next call when its last was answered.
class asynchronous : public client_under_test {
 public:
  asynchronous(const setting& s, results r)
      : what_(s.what),
        items_(s.items),
        results_(r),
        client_(io_, options_of(s)),
        buffer_(what_.how_many * items_.value.size()) {}

  void run(meter& m) override {
    m.overlapping();
    meter_ = &m;
    callers_ = what_.how_many;
    for (std::size_t i = 0; i < what_.how_many; ++i) begin(i);
    io_.run();
    if (failed_) std::rethrow_exception(failed_);
    expect(callers_ == 0, "a call was never answered");
  }

 protected:
  static constexpr get_options plain = {.cas = false};

  virtual void begin(std::size_t caller) = 0;

  std::span<char> room_of(std::size_t caller) {
    return std::span(buffer_).subspan(caller * items_.value.size(), items_.value.size());
  }
  const std::string& next_key() {
    const std::string& key = items_.keys[key_];
    key_ = key_ + 1 == items_.keys.size() ? 0 : key_ + 1;
    return key;
  }
  // Whoever leaves last ends the loop: an idle client would keep it for a while.
  void leave() {
    if (--callers_ == 0) io_.stop();
  }
  void fail(std::exception_ptr why) {
    failed_ = std::move(why);
    io_.stop();
  }
  template <class Reply>
  void check(const Reply& r) const {
    expect_value(r, items_.value.size());
  }

  const workload& what_;
  const data& items_;
  results results_;
  net::io_context io_{1};
  async_client client_;
  std::vector<char> buffer_;
  meter* meter_ = nullptr;
  std::size_t callers_ = 0;
  std::size_t key_ = 0;
  std::exception_ptr failed_;
};

class coroutines final : public asynchronous {
 public:
  using asynchronous::asynchronous;

 private:
  void begin(std::size_t caller) override {
    net::co_spawn(io_, results_ == results::views ? reads_into(room_of(caller)) : reads(),
                  [this](std::exception_ptr thrown) {
                    if (thrown) return fail(thrown);
                    leave();
                  });
  }
  net::awaitable<void> reads_into(std::span<char> room) {
    while (meter_->more()) {
      if (meter_->wants_sample()) {
        const auto began = steady::now();
        check(co_await client_.get_into(next_key(), room, plain));
        meter_->sample(steady::now() - began);
      } else {
        check(co_await client_.get_into(next_key(), room, plain));
      }
    }
  }
  net::awaitable<void> reads() {
    while (meter_->more()) {
      if (meter_->wants_sample()) {
        const auto began = steady::now();
        check(co_await client_.get(next_key(), plain));
        meter_->sample(steady::now() - began);
      } else {
        check(co_await client_.get(next_key(), plain));
      }
    }
  }
};

class callbacks final : public asynchronous {
 public:
  using asynchronous::asynchronous;

 private:
  struct on_reply {
    callbacks* self;
    std::size_t caller;
    steady::time_point began;  // the epoch: not timed

    template <class T>
    void operator()(const result<T>& r) const {
      try {
        self->check(r);
        if (began != steady::time_point()) self->meter_->sample(steady::now() - began);
        self->begin(caller);
      } catch (...) {
        self->fail(std::current_exception());
      }
    }
  };

  void begin(std::size_t caller) override {
    if (!meter_->more()) return leave();
    const auto began = meter_->wants_sample() ? steady::now() : steady::time_point();
    if (results_ == results::views) {
      client_.get_into(next_key(), room_of(caller), plain, on_reply{this, caller, began});
    } else {
      client_.get(next_key(), plain, on_reply{this, caller, began});
    }
  }
};

bool is_in_flight(const workload& w) { return w.who == callers::in_flight; }

template <class Kind, results R>
std::unique_ptr<client_under_test> make(const setting& s) {
  return std::make_unique<Kind>(s, R);
}

}  // namespace

std::span<const kind> memcxx_async_kinds() {
  static constexpr kind kinds[] = {
      {"memcxx_coroutines", is_in_flight, make<coroutines, results::owned>},
      {"memcxx_coroutines_views", is_in_flight, make<coroutines, results::views>},
      {"memcxx_callbacks", is_in_flight, make<callbacks, results::owned>},
      {"memcxx_callbacks_views", is_in_flight, make<callbacks, results::views>},
  };
  return kinds;
}

}  // namespace memcxx::bench
