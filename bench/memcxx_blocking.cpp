// memcxx's blocking client and its batches, as their users call them.
// Never here: anything of src/.
#include <memory>
#include <string>
#include <vector>

#include <memcxx/client.hpp>

#include "client.hpp"

namespace memcxx::bench {
namespace {

// Keys that were dealt beforehand: what a multi-get costs without the hash of its keys.
class dealt final : public distribution {
 public:
  explicit dealt(const data& d) {
    for (std::size_t i = 0; i < d.keys.size(); ++i) {
      const std::size_t number = number_of(d.keys[i]);
      if (homes_.size() <= number) homes_.resize(number + 1);
      homes_[number] = static_cast<std::uint32_t>(d.homes[i]);
    }
  }
  std::uint32_t pick(std::string_view key, unsigned) const noexcept override {
    const std::size_t number = number_of(key);
    return number < homes_.size() ? homes_[number] : 0;
  }

 private:
  static std::size_t number_of(std::string_view key) noexcept {
    std::size_t n = 0;
    for (const char digit : key.substr(key.size() - 5)) {
      n = n * 10 + static_cast<std::size_t>(digit - '0');
    }
    return n;
  }
  std::vector<std::uint32_t> homes_;
};

enum class results : std::uint8_t { owned, views };
enum class routing : std::uint8_t { hashed, dealt };

memcxx::options options_of(const setting& s, std::string_view more) {
  std::string uri = list_of(s.servers);
  char joint = '?';
  for (const std::string_view text : {s.options, more}) {
    if (!text.empty()) uri.append(1, std::exchange(joint, '&')).append(text);
  }
  auto o = parse_uri(uri);
  if (!o) wrong(o.error().what());
  o->timeout = o->connect_timeout = std::chrono::minutes(1);  // valgrind is slow
  return std::move(*o);
}

// Owned: values as strings of their own. Views: in the caller's memory, or in that of the result.
class blocking final : public client_under_test {
 public:
  blocking(const setting& s, results r, std::string_view more = {}, routing how = routing::hashed)
      : what_(s.what), items_(s.items), results_(r), client_(made(s, more, how)) {
    if (what_.what == shape::set_many) {
      for (const auto& key : items_.keys) entries_.push_back({.key = key, .value = items_.value});
    }
  }

  void run(meter& m) override {
    switch (what_.what) {
      case shape::get:
        return get(m);
      case shape::set:
        return set(m);
      case shape::incr:
        return incr(m);
      case shape::multi_get:
        return results_ == results::views ? multi_get_views(m) : multi_get_owned(m);
      case shape::set_many:
        return set_many(m);
      case shape::mixed:
        return mixed(m);
    }
  }

 private:
  // No cas token is asked for, as nobody else does.
  static constexpr get_options plain = {.cas = false};

  static client made(const setting& s, std::string_view more, routing how) {
    auto o = options_of(s, more);
    if (how == routing::dealt) {
      const data* const items = &s.items;
      o.custom_distribution = [items](auto) { return std::make_unique<dealt>(*items); };
    }
    return client(std::move(o));
  }

  void get_one(std::size_t key, std::span<char> buffer) {
    if (results_ == results::views) {
      const auto r = client_.get_into(items_.keys[key], buffer, plain);
      expect_value(r, items_.value.size());
    } else {
      const auto r = client_.get(items_.keys[key], plain);
      expect_value(r, items_.value.size());
    }
  }
  void set_one(std::size_t key) {
    expect(client_.set(items_.keys[key], items_.value).has_value(), "not stored");
  }
  void get(meter& m) {
    std::vector<char> buffer(items_.value.size());
    for (std::size_t i = 0; m.more(); i = i + 1 == items_.keys.size() ? 0 : i + 1) {
      get_one(i, buffer);
    }
  }
  void set(meter& m) {
    for (std::size_t i = 0; m.more(); i = i + 1 == items_.keys.size() ? 0 : i + 1) set_one(i);
  }
  void incr(meter& m) {
    for (std::size_t i = 0; m.more(); i = i + 1 == items_.keys.size() ? 0 : i + 1) {
      const auto r = client_.incr(items_.keys[i]);
      expect(r && r->value > 1'000'000'000, "another number");
    }
  }
  void mixed(meter& m) {
    std::vector<char> buffer(items_.value.size());
    const auto& steps = items_.steps;
    for (std::size_t i = 0; m.more(); i = i + 1 == steps.size() ? 0 : i + 1) {
      if (steps[i].store) {
        set_one(steps[i].key);
      } else {
        get_one(steps[i].key, buffer);
      }
    }
  }
  void multi_get_views(meter& m) {
    while (m.more()) {
      const auto found = client_.get_many(items_.keys);
      std::size_t bytes = 0;
      for (const auto& e : found) bytes += e.hit() ? e.value.size() : 0;
      expect(bytes == items_.keys.size() * items_.value.size(), "not all are hits");
    }
  }
  void multi_get_owned(meter& m) {
    while (m.more()) {
      const auto found = client_.get_many<std::string>(items_.keys);
      std::size_t bytes = 0;
      for (const auto& e : found) bytes += e.value ? e.value->size() : 0;
      expect(bytes == items_.keys.size() * items_.value.size(), "not all are hits");
    }
  }
  void set_many(meter& m) {
    while (m.more()) expect(client_.set_many(entries_).all(), "not all are stored");
  }

  const workload& what_;
  const data& items_;
  results results_;
  client client_;
  std::vector<store_entry> entries_;
};

class batches final : public client_under_test {
 public:
  batches(const setting& s, results r)
      : what_(s.what), items_(s.items), results_(r), client_(options_of(s, {})) {}

  void run(meter& m) override {
    if (what_.what == shape::set_many) return stores(m);
    m.count_each_as(what_.how_many);
    return results_ == results::views ? reads_into(m) : reads(m);
  }

 private:
  void reads(meter& m) {
    std::vector<batch_reply<item>> replies;
    for (std::size_t key = 0; m.more();) {
      batch b;
      replies.clear();
      for (std::size_t i = 0; i < what_.how_many; ++i, key = (key + 1) % items_.keys.size()) {
        replies.push_back(b.get(items_.keys[key], {.cas = false}));
      }
      (void)client_.run(b);
      std::size_t bytes = 0;
      for (const auto& r : replies) bytes += *r ? (*r)->value.size() : 0;
      expect(bytes == what_.how_many * items_.value.size(), "not all are hits");
    }
  }
  void reads_into(meter& m) {
    std::vector<batch_reply<item_view>> replies;
    std::vector<char> buffer(what_.how_many * items_.value.size());
    for (std::size_t key = 0; m.more();) {
      batch b;
      replies.clear();
      for (std::size_t i = 0; i < what_.how_many; ++i, key = (key + 1) % items_.keys.size()) {
        const auto room = std::span(buffer).subspan(i * items_.value.size(), items_.value.size());
        replies.push_back(b.get_into(items_.keys[key], room, {.cas = false}));
      }
      (void)client_.run(b);
      std::size_t bytes = 0;
      for (const auto& r : replies) bytes += *r ? (*r)->value.size() : 0;
      expect(bytes == what_.how_many * items_.value.size(), "not all are hits");
    }
  }
  void stores(meter& m) {
    while (m.more()) {
      batch b;
      for (const auto& key : items_.keys) b.set(key, items_.value, {.quiet = true});
      expect(client_.run(b).has_value(), "not all are stored");
    }
  }

  const workload& what_;
  const data& items_;
  results results_;
  client client_;
};

template <results R>
std::unique_ptr<client_under_test> make_blocking(const setting& s) {
  return std::make_unique<blocking>(s, R);
}
template <results R>
std::unique_ptr<client_under_test> make_batches(const setting& s) {
  return std::make_unique<batches>(s, R);
}

bool is_in_flight(const workload& w) { return w.who == callers::in_flight; }
bool waits(const workload& w) { return !is_in_flight(w); }
// Where the form of the result makes a difference.
bool reads(const workload& w) {
  return waits(w) && (w.what == shape::get || w.what == shape::multi_get || w.what == shape::mixed);
}

}  // namespace

std::vector<kind> memcxx_blocking_kinds() {
  std::vector<kind> kinds = {
      {"memcxx", waits, make_blocking<results::owned>},
      {"memcxx_views", reads, make_blocking<results::views>},
      {"memcxx_views_dealt", [](const workload& w) { return w.servers > 1; },
       [](const setting& s) -> std::unique_ptr<client_under_test> {
         return std::make_unique<blocking>(s, results::views, "", routing::dealt);
       }},
      {"memcxx_batch",
       [](const workload& w) { return is_in_flight(w) || w.what == shape::set_many; },
       make_batches<results::owned>},
      {"memcxx_batch_views", is_in_flight, make_batches<results::views>},
  };
  // How a call waits may be an option.
  static constexpr auto blocks = [](const setting& s) -> std::unique_ptr<client_under_test> {
    return std::make_unique<blocking>(s, results::views, "wait=block");
  };
  static constexpr auto adapts = [](const setting& s) -> std::unique_ptr<client_under_test> {
    return std::make_unique<blocking>(s, results::views, "wait=adaptive");
  };
  if (parse_uri("127.0.0.1?wait=block")) kinds.push_back({"memcxx_block", waits, blocks});
  if (parse_uri("127.0.0.1?wait=adaptive")) kinds.push_back({"memcxx_adaptive", waits, adapts});
  return kinds;
}

}  // namespace memcxx::bench
