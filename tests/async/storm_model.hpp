// What a key may hold, as far as its one writer can know: which versions, after calls of which some
// were answered, some refused, and some may yet be executed at any time.
// Never here: I/O, what a fault is.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <memcxx/error.hpp>

namespace memcxx::test::storm {

// What a call that was to change something did.
enum class effect : std::uint8_t {
  done,
  answered_no,  // the server looked, and did not do it
  refused,      // it was never sent
  unknown,      // it may have been executed, or may be later: bytes wait in sockets and proxies
};
inline effect effect_of(errc code) {
  switch (code) {
    case errc::ok:
      return effect::done;
    case errc::miss:
    case errc::not_stored:
    case errc::exists:
    case errc::not_a_number:
      return effect::answered_no;
    case errc::invalid_key:
    case errc::invalid_argument:
    case errc::not_supported:
    case errc::resolve_failed:
    case errc::connect_failed:
    case errc::server_down:
    case errc::overloaded:
      return effect::refused;
    default:
      return effect::unknown;
  }
}

// A value says whose it is and which, and every byte of it follows from that.
inline std::string value_of(std::string_view key, std::uint64_t version) {
  std::uint64_t seed = version * 0x9e3779b97f4a7c15U;
  for (const char c : key) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  const std::size_t size = seed % 50 == 0 ? 5'000 + seed % 40'000 : seed % 300;
  std::string out(key);
  out += "|" + std::to_string(version) + "|";
  for (std::size_t i = 0; i < size; ++i) {
    out += static_cast<char>('a' + (seed >> (i % 8 * 8) & 15U));
    if (i % 8 == 7) seed = seed * 6364136223846793005U + 1442695040888963407U;
  }
  return out;
}
// The version of a value that is whole and of this key.
inline std::optional<std::uint64_t> version_of(std::string_view key, std::string_view value) {
  if (!value.starts_with(key) || value.size() <= key.size() + 1) return std::nullopt;
  const std::string number(value.substr(key.size() + 1, 20));
  const std::uint64_t version = std::strtoull(number.c_str(), nullptr, 10);
  if (version == 0 || value != value_of(key, version)) return std::nullopt;
  return version;
}

// One key and its one writer. Version 0: there is no item.
class tracked {
 public:
  explicit tracked(std::string name) : base_(std::move(name)), name_(base_ + ":0") {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t issued() const { return issued_; }
  // Nothing that was begun earlier can still change it.
  [[nodiscard]] bool settled() const { return late_.empty(); }
  [[nodiscard]] bool may_be(std::uint64_t version) const {
    return version == now_ || late_.contains(version);
  }
  [[nodiscard]] bool may_be_absent() const { return may_be(0); }
  [[nodiscard]] bool may_exist() const {
    return now_ != 0 || late_.size() > (late_.contains(0) ? 1U : 0U);
  }
  // Losses, as counted by who kills servers, before the last change began.
  [[nodiscard]] std::uint64_t losses() const { return losses_; }

  // A change to this version begins; settle() tells what became of it.
  std::uint64_t begin(std::uint64_t losses) {
    began_at_ = losses;
    return ++issued_;
  }
  void settle(std::uint64_t version, effect e) {
    if (e == effect::done) {
      now_ = version;
      losses_ = began_at_;
    } else if (e == effect::unknown) {
      late_.insert(version);
    }
  }
  // It was seen to be absent, because a server was lost.
  void lose(std::uint64_t losses) {
    now_ = 0;
    losses_ = losses;
  }
  // Under a new name everything is certain again.
  void rename() {
    name_ = base_ + ":" + std::to_string(++epoch_);
    now_ = 0;
    late_.clear();
  }

 private:
  std::string base_;
  std::string name_;
  std::uint64_t epoch_ = 0;
  std::uint64_t issued_ = 0;
  std::uint64_t now_ = 0;
  std::set<std::uint64_t> late_;
  std::uint64_t losses_ = 0;
  std::uint64_t began_at_ = 0;
};

}  // namespace memcxx::test::storm
