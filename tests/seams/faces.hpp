// The client's faces under one interface, so that a test of what servers do runs over each: the
// blocking client, a batch, many threads whose calls travel together, the asynchronous client.
// Never here: servers.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <memcxx/async_client.hpp>

#include "support/clients.hpp"
#include "support/scripted_server.hpp"

namespace memcxx::test {

using namespace std::chrono_literals;

class face {
 public:
  virtual ~face() = default;
  virtual result<item> get(const std::string& key) = 0;
  virtual std::map<std::string, std::string> get_many(const std::vector<std::string>& keys) = 0;
  virtual errc set(const std::string& key, const std::string& value, store_options o) = 0;
  virtual errc add(const std::string& key, const std::string& value) = 0;
  virtual errc append(const std::string& key, const std::string& value) = 0;
  virtual errc set_many(const std::vector<std::pair<std::string, std::string>>& all) = 0;
  virtual errc incr(const std::string& key, counter_options o) = 0;
  virtual errc remove(const std::string& key) = 0;
  virtual errc gat(const std::string& key, ttl t) = 0;
  virtual errc flush() = 0;
  // The n-th of its calls has this outcome: "value", or an error's name.
  [[nodiscard]] std::string read(const std::string& key) {
    const auto got = get(key);
    return got ? got->value : std::string(name_of(got.error().code()));
  }
  errc set(const std::string& key, const std::string& value) { return set(key, value, {}); }
};

template <class T>
errc code_of(const result<T>& r) {
  return r ? errc::ok : r.error().code();
}

// {key: value, "-" for a miss, or the error's name}
template <class Items>
std::map<std::string, std::string> told(const Items& all) {
  std::map<std::string, std::string> out;
  for (const auto& e : all) {
    out[std::string(e.key)] = e          ? std::string(e.value)
                              : e.miss() ? "-"
                                         : std::string(name_of(e.status.code()));
  }
  return out;
}

using pairs = std::vector<std::pair<std::string, std::string>>;
inline std::vector<store_entry> entries_of(const pairs& all) {
  std::vector<store_entry> out;
  for (const auto& [k, v] : all) out.push_back({k, v, {}});
  return out;
}
template <class Outcomes>
errc worst_of(const Outcomes& all) {
  errc worst = errc::ok;
  for (const auto& e : all) {
    if (!e) worst = e.error().code();
  }
  return worst;
}

class blocking_face : public face {
 public:
  explicit blocking_face(const options& o) : cache_(o) {}
  using face::set;
  result<item> get(const std::string& key) override { return cache_.get(key); }
  std::map<std::string, std::string> get_many(const std::vector<std::string>& keys) override {
    return told(cache_.get_many(keys));
  }
  errc set(const std::string& key, const std::string& value, store_options o) override {
    return code_of(cache_.set(key, value, o));
  }
  errc add(const std::string& key, const std::string& value) override {
    return code_of(cache_.add(key, value));
  }
  errc append(const std::string& key, const std::string& value) override {
    return code_of(cache_.append(key, value));
  }
  errc set_many(const std::vector<std::pair<std::string, std::string>>& all) override {
    return worst_of(cache_.set_many(entries_of(all)));
  }
  errc incr(const std::string& key, counter_options o) override {
    return code_of(cache_.incr(key, 1, o));
  }
  errc remove(const std::string& key) override { return code_of(cache_.remove(key)); }
  errc gat(const std::string& key, ttl t) override { return code_of(cache_.gat(key, t)); }
  errc flush() override { return code_of(cache_.flush()[0].reply); }

 protected:
  client cache_;
};

// Each call in a batch of its own.
class batch_face final : public blocking_face {
 public:
  using blocking_face::blocking_face;
  using face::set;
  result<item> get(const std::string& key) override {
    batch b;
    auto one = b.get(key);
    (void)cache_.run(b);
    return *one;
  }
  errc set(const std::string& key, const std::string& value, store_options o) override {
    batch b;
    auto one = b.set(key, value, o);
    (void)cache_.run(b);
    return code_of(*one);
  }
  errc remove(const std::string& key) override {
    batch b;
    auto one = b.remove(key);
    (void)cache_.run(b);
    return code_of(*one);
  }
};

class async_face final : public face {
 public:
  explicit async_face(const options& o) : cache_(std::in_place, io_, o) {
    thread_ = std::thread([this] { io_.run(); });
  }
  ~async_face() override {
    cache_.reset();
    work_.reset();
    io_.stop();
    thread_.join();
  }
  using face::set;
  result<item> get(const std::string& key) override {
    return wait(cache_->get(key, {}, net::use_future));
  }
  std::map<std::string, std::string> get_many(const std::vector<std::string>& keys) override {
    return told(wait(cache_->get_many(keys, {}, net::use_future)));
  }
  errc set(const std::string& key, const std::string& value, store_options o) override {
    return code_of(wait(cache_->set(key, value, o, net::use_future)));
  }
  errc add(const std::string& key, const std::string& value) override {
    return code_of(wait(cache_->add(key, value, {}, net::use_future)));
  }
  errc append(const std::string& key, const std::string& value) override {
    return code_of(wait(cache_->append(key, value, {}, net::use_future)));
  }
  errc set_many(const std::vector<std::pair<std::string, std::string>>& all) override {
    return worst_of(wait(cache_->set_many(std::map(all.begin(), all.end()), {}, net::use_future)));
  }
  errc incr(const std::string& key, counter_options o) override {
    return code_of(wait(cache_->incr(key, 1, o, net::use_future)));
  }
  errc remove(const std::string& key) override {
    return code_of(wait(cache_->remove(key, {}, net::use_future)));
  }
  errc gat(const std::string& key, ttl t) override {
    return code_of(wait(cache_->gat(key, t, {}, net::use_future)));
  }
  errc flush() override { return code_of(wait(cache_->flush({}, net::use_future))[0].reply); }

 private:
  template <class T>
  static T wait(std::future<T> f) {
    if (f.wait_for(30s) != std::future_status::ready) {
      ADD_FAILURE() << "a call never ended";
      std::abort();
    }
    return f.get();
  }

  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  std::optional<async_client> cache_;
  std::thread thread_;
};

struct face_kind {
  const char* name;
  std::unique_ptr<face> (*make)(const options& o);
};
template <class F>
std::unique_ptr<face> make_face(const options& o) {
  return std::make_unique<F>(o);
}
inline constexpr face_kind every_face[] = {{"blocking", make_face<blocking_face>},
                                           {"batch", make_face<batch_face>},
                                           {"asynchronous", make_face<async_face>}};

// A test that runs once for each face.
class over_faces : public testing::TestWithParam<face_kind> {
 protected:
  static std::unique_ptr<face> face_to(const scripted_server& s,
                                       protocol_choice p = protocol_choice::automatic,
                                       std::chrono::milliseconds timeout = 2s) {
    return face_with(settings_for(s.address(), p, timeout));
  }
  static std::unique_ptr<face> face_with(const options& o) { return GetParam().make(o); }
};
inline std::string face_name(const testing::TestParamInfo<face_kind>& info) {
  return info.param.name;
}

}  // namespace memcxx::test
