// A value that is read all the time and replaced now and then. Readers take no lock, and what they
// read stays as it is until they are done with it.
// Never here: what the value is.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace memcxx {

// The value lies in a place, and whoever reads counts itself there first. A place whose value was
// replaced is emptied by the last to leave it, and used again: there are never more places than
// values that somebody still reads, and one. Threads: safe to share, but for replace(), which is
// called by one at a time. Fork: guard() is to be held over it; values that other threads of the
// parent were reading stay in the child.
template <class T>
class replaceable {
  struct place {
    std::atomic<std::size_t> readers = 0;
    std::shared_ptr<const T> value;
  };

 public:
  // Holds on to the value of the moment. Not copied, not moved.
  class reading {
   public:
    explicit reading(replaceable& of) noexcept : of_(of) {
      for (;;) {
        place_ = of.now_.load();
        place_->readers.fetch_add(1);
        // It may have been replaced in between, and emptied; from here on it is not.
        if (of.now_.load() == place_) return;
        of.leave(*place_);
      }
    }
    ~reading() { of_.leave(*place_); }
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;

    const T& operator*() const noexcept { return *place_->value; }
    const T* operator->() const noexcept { return place_->value.get(); }
    [[nodiscard]] const std::shared_ptr<const T>& shared() const noexcept { return place_->value; }

   private:
    replaceable& of_;
    place* place_;
  };

  // The value before stays until end_unread(), or until its last reader leaves.
  void replace(std::shared_ptr<const T> value) {
    const std::scoped_lock hold(guard_);
    place& to = free_place();
    to.value = std::move(value);
    now_.store(&to);
  }
  // Ends replaced values that nobody reads. To be called with no lock held: values may own
  // anything.
  void end_unread() noexcept {
    for (;;) {
      std::shared_ptr<const T> gone;
      const std::scoped_lock hold(guard_);
      for (const auto& p : places_) {
        if (p->value != nullptr && is_left(*p)) gone = std::exchange(p->value, nullptr);
        if (gone != nullptr) break;
      }
      if (gone == nullptr) return;
    }
  }

  [[nodiscard]] std::mutex& guard() noexcept { return guard_; }

 private:
  void leave(place& p) noexcept {
    if (p.readers.fetch_sub(1) == 1 && now_.load() != &p) end_unread();
  }
  [[nodiscard]] bool is_left(const place& p) const noexcept {
    return &p != now_.load() && p.readers.load() == 0;
  }
  place& free_place() {
    for (const auto& p : places_) {
      if (p->value == nullptr && is_left(*p)) return *p;
    }
    return *places_.emplace_back(std::make_unique<place>());
  }

  std::mutex guard_;
  std::vector<std::unique_ptr<place>> places_;
  std::atomic<place*> now_ = nullptr;
};

}  // namespace memcxx
